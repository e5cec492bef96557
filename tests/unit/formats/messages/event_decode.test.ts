import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import type { NeutralEvent } from "../../../../lib/neutral.ts";
import { messages } from "../../../../lib/formats/messages/mod.ts";
import { collect } from "../../../../lib/translation/whole.ts";
import { sealEnvelope } from "../../../../lib/translation/envelope.ts";
import { checkGrammar, decodeStream, ok, part, sse, target, timeless } from "./support.ts";

const USAGE = { input_tokens: 10, cache_read_input_tokens: 90, cache_creation_input_tokens: 5, output_tokens: 1 };

function start(more: JsonObject = {}): JsonObject {
  const message = { id: "msg_1", type: "message", role: "assistant", model: "m", content: [], usage: USAGE, ...more };
  return { type: "message_start", message };
}

function block(index: number, content_block: JsonObject, ...deltas: JsonObject[]): JsonObject[] {
  return [
    { type: "content_block_start", index, content_block },
    ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
    { type: "content_block_stop", index },
  ];
}

function end(stop_reason = "end_turn", more: JsonObject = {}, usage: JsonObject = { output_tokens: 7 }): JsonObject[] {
  return [
    { type: "message_delta", delta: { stop_reason, stop_sequence: null, ...more }, usage },
    { type: "message_stop" },
  ];
}

const TEXT = block(0, { type: "text", text: "" }, { type: "text_delta", text: "Hel" }, {
  type: "text_delta",
  text: "lo",
});
const CALL = { type: "tool_use", id: "toolu_1", name: "look", input: {} };

function json(partial_json: string): JsonObject {
  return { type: "input_json_delta", partial_json };
}

/** What was said, without start, finish, usage and end. */
function partsOf(events: readonly NeutralEvent[]): NeutralEvent[] {
  return events.filter((event) => "i" in event);
}

function decoded(...events: JsonObject[]): NeutralEvent[] {
  const result = decodeStream(sse(events));
  checkGrammar(result);
  return result;
}

describe("messages event decode: the grammar", () => {
  test("a text, from start to end", () => {
    assert.deepEqual(timeless(decoded(start(), ...TEXT, ...end())), [
      {
        t: "start",
        id: "msg_1",
        model: "m",
        createdAt: 0,
        usage: { inputTokens: 105, cacheReadTokens: 90, cacheWriteTokens: 5, outputTokens: 1, reasoningTokens: 0 },
      },
      ...part(0, { kind: "text", text: "" }, { t: "text", delta: "Hel" }, { t: "text", delta: "lo" }),
      { t: "finish", c: 0, stop: { reason: "stop", raw: "end_turn" } },
      {
        t: "usage",
        usage: { inputTokens: 105, cacheReadTokens: 90, cacheWriteTokens: 5, outputTokens: 7, reasoningTokens: 0 },
      },
      { t: "end" },
    ]);
  });

  test("thinking is signed once, at its end; a redacted block comes whole", () => {
    const thinking = block(
      0,
      { type: "thinking", thinking: "", signature: "" },
      { type: "thinking_delta", thinking: "Hm" },
      { type: "signature_delta", signature: "first" },
      { type: "signature_delta", signature: "sig" },
    );
    const redacted = { kind: "reasoning" as const, text: "", form: "redacted" as const };
    assert.deepEqual(
      partsOf(decoded(start(), ...thinking, ...block(1, { type: "redacted_thinking", data: "xyz" }), ...end())),
      [
        ...part(
          0,
          { kind: "reasoning", text: "", form: "full" },
          { t: "reasoning", delta: "Hm" },
          { t: "opaque", opaque: { issuer: "anthropic", kind: "signature", value: "sig" } },
        ),
        ...part(1, { ...redacted, opaque: [{ issuer: "anthropic", kind: "redacted", value: "xyz" }] }),
      ],
    );
  });

  test("a signature belongs to the target's family; an envelope to whom it says", () => {
    const signed = (signature: string) =>
      sse([start(), ...block(0, { type: "thinking", thinking: "", signature }), ...end()]);
    const of = (signature: string, family: string) =>
      decodeStream(signed(signature), target("m", { family })).filter((event) => event.t === "opaque");
    assert.deepEqual(of("sig", "lab"), [{
      t: "opaque",
      c: 0,
      i: 0,
      opaque: { issuer: "lab", kind: "signature", value: "sig" },
    }]);
    const opaque = { issuer: "openai", kind: "encrypted" as const, value: "enc" };
    assert.deepEqual(of(sealEnvelope([opaque]), "lab"), [{ t: "opaque", c: 0, i: 0, opaque }]);
  });

  test("a call's arguments, the empty first delta left out", () => {
    const events = decoded(start(), ...block(0, CALL, json(""), json('{"a":'), json("1}")), ...end("tool_use"));
    assert.deepEqual(
      partsOf(events),
      part(
        0,
        { kind: "tool_call", id: "toolu_1", name: "look", toolKind: "function", arguments: "" },
        { t: "arguments", delta: '{"a":' },
        { t: "arguments", delta: "1}" },
      ),
    );
  });

  test("a call without arguments, and one whose start says them", () => {
    const of = (input: JsonObject) =>
      decoded(start(), ...block(0, { ...CALL, input }, json("")), ...end("tool_use"))
        .flatMap((event) => event.t === "arguments" ? [event.delta] : []);
    assert.deepEqual(of({}), ["{}"]);
    assert.deepEqual(of({ a: 1 }), ['{"a":1}']);
  });

  test("citations", () => {
    const citation = {
      type: "web_search_result_location",
      url: "u",
      title: "t",
      cited_text: "c",
      encrypted_index: "e",
    };
    const events = decoded(
      start(),
      ...block(0, { type: "text", text: "", citations: [] }, { type: "text_delta", text: "x" }, {
        type: "citations_delta",
        citation,
      }),
      ...end(),
    );
    assert.deepEqual(events.find((event) => event.t === "citation"), {
      t: "citation",
      c: 0,
      i: 0,
      citation: { kind: "url", url: "u", title: "t", citedText: "c", opaque: "e" },
    });
  });

  test("server tools are native parts, whole, their streamed input put together", () => {
    const use = { type: "server_tool_use", id: "srv_1", name: "web_search", input: {} };
    const found = { type: "web_search_tool_result", tool_use_id: "srv_1", content: [] };
    const events = decoded(
      start(),
      ...block(0, use, json('{"query":'), json('"bun"}')),
      ...block(1, found),
      ...end("pause_turn"),
    );
    assert.deepEqual(partsOf(events), [
      ...part(0, { kind: "native", format: "messages", value: { ...use, input: { query: "bun" } } }),
      ...part(1, { kind: "native", format: "messages", value: found }),
    ]);
    assert.deepEqual(events.find((event) => event.t === "finish"), {
      t: "finish",
      c: 0,
      stop: { reason: "pause", raw: "pause_turn" },
    });
  });

  test("a compaction", () => {
    const delta = { type: "compaction_delta", content: "So far…", encrypted_content: "enc" };
    assert.deepEqual(
      partsOf(decoded(start(), ...block(0, { type: "compaction", content: null }, delta), ...end("compaction"))),
      part(
        0,
        { kind: "compaction" },
        { t: "text", delta: "So far…" },
        { t: "opaque", opaque: { issuer: "anthropic", kind: "compaction", value: "enc" } },
      ),
    );
  });

  test("stop reasons, with what they say", () => {
    const stopOf = (...events: JsonObject[]) => {
      const event = decoded(start(), ...events).find((event) => event.t === "finish");
      return event?.t === "finish" ? event.stop : undefined;
    };
    assert.deepEqual(stopOf(...end("stop_sequence", { stop_sequence: "END" })), {
      reason: "stop_sequence",
      sequence: "END",
      raw: "stop_sequence",
    });
    assert.deepEqual(
      stopOf(...end("refusal", { stop_details: { type: "refusal", category: "bio", explanation: "no" } })),
      {
        reason: "refusal",
        category: "bio",
        explanation: "no",
        raw: "refusal",
      },
    );
    assert.equal(stopOf(...end("model_context_window_exceeded"))?.reason, "context_window");
    assert.equal(stopOf(...end("tool_use"))?.reason, "stop");
    assert.equal(stopOf(...block(0, CALL), ...end("end_turn"))?.reason, "tool_calls");
    assert.equal(stopOf(...end("a_new_reason"))?.reason, "unknown");
  });

  test("message_delta corrects the counts of message_start, null ones aside", () => {
    const usage = {
      input_tokens: 400,
      cache_read_input_tokens: null,
      output_tokens: 9,
      output_tokens_details: { thinking_tokens: 4 },
      server_tool_use: { web_search_requests: 2 },
    };
    const events = decoded(start(), ...end("end_turn", {}, usage));
    assert.deepEqual(events.find((event) => event.t === "usage"), {
      t: "usage",
      usage: {
        inputTokens: 495,
        cacheReadTokens: 90,
        cacheWriteTokens: 5,
        outputTokens: 9,
        reasoningTokens: 4,
        extra: { format: "messages", fields: { server_tool_use: { web_search_requests: 2 } } },
      },
    });
  });
});

describe("messages event decode: sloppy upstreams", () => {
  test("ping: nothing before the start, a keep-alive after it", () => {
    const events = decoded({ type: "ping" }, start(), { type: "ping" }, ...TEXT, ...end());
    assert.equal(events[0]?.t, "start");
    assert.deepEqual(events.filter((event) => event.t === "keepalive").length, 1);
  });

  test("events without a name, padded data, [DONE], empty data", () => {
    const lines = [start(), ...TEXT, ...end()].map((event) => `data: ${JSON.stringify(event).slice(0, -1)}   }\n\n`);
    const events = decodeStream(`data:\n\n${lines.join("")}data: [DONE]\n\n`);
    checkGrammar(events);
    assert.deepEqual(timeless(events), timeless(decoded(start(), ...TEXT, ...end())));
  });

  test("content_block_stop that never comes", () => {
    const open = (index: number, content_block: JsonObject, delta: JsonObject) =>
      block(index, content_block, delta).slice(0, -1);
    const events = decoded(
      start(),
      ...open(0, { type: "text", text: "" }, { type: "text_delta", text: "a" }),
      ...open(1, CALL, json('{"a":1}')),
      ...open(2, { ...CALL, id: "toolu_2" }, json("{}")),
      ...end("tool_use"),
    );
    assert.deepEqual(events.filter((event) => "i" in event && event.t !== "part_start").map((event) => event.t), [
      "text",
      "part_end",
      "arguments",
      "part_end",
      "arguments",
      "part_end",
    ]);
  });

  test("calls that overlap keep their own arguments", () => {
    const events = decoded(
      start(),
      { type: "content_block_start", index: 0, content_block: CALL },
      { type: "content_block_delta", index: 0, delta: json('{"a":') },
      { type: "content_block_start", index: 1, content_block: { ...CALL, id: "toolu_2" } },
      { type: "content_block_delta", index: 1, delta: json('{"b":') },
      { type: "content_block_delta", index: 0, delta: json("1}") },
      { type: "content_block_delta", index: 1, delta: json("2}") },
      { type: "content_block_stop", index: 0 },
      { type: "content_block_stop", index: 1 },
      ...end("tool_use"),
    );
    const whole = ok(collect(events));
    const parts = whole.candidates[0]?.parts.map((part) => part.kind === "tool_call" && part.arguments);
    assert.deepEqual(parts, ['{"a":1}', '{"b":2}']);
  });

  test("deltas whose block never started", () => {
    const delta = (index: number, delta: JsonObject) => ({ type: "content_block_delta", index, delta });
    const events = decoded(
      start(),
      delta(0, { type: "thinking_delta", thinking: "Hm" }),
      delta(0, { type: "text_delta", text: "Yes" }),
      ...end(),
    );
    assert.deepEqual(partsOf(events), [
      ...part(0, { kind: "reasoning", text: "", form: "full" }, { t: "reasoning", delta: "Hm" }),
      ...part(1, { kind: "text", text: "" }, { t: "text", delta: "Yes" }),
    ]);
    const arguments_ = decodeStream(sse([start(), delta(0, json("{}"))]));
    assert.equal(arguments_.at(-1)?.t, "error");
  });

  test("a start that holds everything, and a stop", () => {
    const content = [{ type: "text", text: "Hi" }, { ...CALL, input: { a: 1 } }];
    const events = decoded(start({ content, stop_reason: "tool_use", usage: { input_tokens: 0, output_tokens: 0 } }), {
      type: "message_stop",
    });
    assert.deepEqual(timeless(events), [
      { t: "start", id: "msg_1", model: "m", createdAt: 0 },
      ...part(0, { kind: "text", text: "" }, { t: "text", delta: "Hi" }),
      ...part(
        1,
        { kind: "tool_call", id: "toolu_1", name: "look", toolKind: "function", arguments: "" },
        { t: "arguments", delta: '{"a":1}' },
      ),
      { t: "finish", c: 0, stop: { reason: "tool_calls", raw: "tool_use" } },
      { t: "end" },
    ]);
  });

  test("the same start again is an echo; another message's start is a retry spliced in", () => {
    decoded(start(), start(), ...TEXT, ...end());
    decoded(start(), start({ id: "msg_2" }), ...TEXT, ...end());
    const spliced = decodeStream(sse([start(), ...TEXT.slice(0, 2), start({ id: "msg_2" }), ...TEXT, ...end()]));
    checkGrammar(spliced);
    const last = spliced.at(-1);
    assert.equal(last?.t === "error" && last.failure.kind, "upstream_protocol");
  });

  test("unknown events are native, unknown blocks too", () => {
    const event = { type: "weather", sky: "blue" };
    const cube = { type: "hologram", text: "a" };
    const events = decoded(start(), event, ...block(0, cube, { type: "text_delta", text: "b" }), ...end());
    assert.deepEqual(events[1], { t: "native", format: "messages", event });
    assert.deepEqual(partsOf(events), part(0, { kind: "native", format: "messages", value: { ...cube, text: "ab" } }));
  });

  test("a message_delta that comes twice: one finish, the last counts", () => {
    const [first, stop] = end("end_turn", {}, {});
    const events = decoded(
      start(),
      ...TEXT,
      first as JsonObject,
      ...end("end_turn", {}, { output_tokens: 8 }),
      stop as JsonObject,
    );
    const usage = events.filter((event) => event.t === "usage").at(-1);
    assert.equal(usage?.t === "usage" && usage.usage.outputTokens, 8);
  });

  test("what comes after the end is ignored", () => {
    decoded(start(), ...TEXT, ...end(), ...TEXT, ...end());
  });

  test("a call without an id gets one", () => {
    const { id: _, ...nameless } = CALL;
    const event = decoded(start(), ...block(0, nameless), ...end()).find((event) => event.t === "part_start");
    assert.match(event?.t === "part_start" && event.part.kind === "tool_call" ? event.part.id : "", /^toolu_\w{24}$/);
  });
});

describe("messages event decode: how streams break", () => {
  const whole = sse([start(), ...TEXT, ...block(1, CALL, json('{"a":1}')), ...end("tool_use")]);

  test("PITFALLS 15: cut anywhere, it ends in one error, or, once the reason is told, well", () => {
    const told = whole.indexOf("event: message_delta");
    const afterTold = whole.indexOf("\n\n", told);
    for (let at = 0; at < whole.length; at++) {
      const events = decodeStream(whole.slice(0, at));
      checkGrammar(events);
      // A last line may be cut within its JSON, or its event may lack nothing but the blank line.
      const last = events.at(-1);
      if (at < told) assert.equal(last?.t, "error", `cut at ${at}`);
      if (at > afterTold + 2 && last?.t === "error") assert.equal(last.failure.kind, "upstream_protocol");
    }
    const early = decodeStream(whole.slice(0, told)).at(-1);
    assert.equal(early?.t === "error" && early.failure.kind, "upstream_cut");
    assert.equal(decodeStream(whole.slice(0, afterTold + 2)).at(-1)?.t, "end");
  });

  test("a cut call is never completed", () => {
    const events = decodeStream(sse([start(), ...block(0, CALL, json('{"a":')).slice(0, -1)]));
    assert.equal(events.some((event) => event.t === "part_end"), false);
  });

  test("error events, nested, flat and foreign", () => {
    const failureOf = (data: JsonObject) => {
      const events = decodeStream(`event: error\ndata: ${JSON.stringify(data)}\n\n`);
      const [event] = events;
      assert.equal(events.length, 1);
      return event?.t === "error" ? event.failure : assert.fail();
    };
    const overloaded = failureOf({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } });
    assert.deepEqual([overloaded.kind, overloaded.message, overloaded.retry], ["overloaded", "Overloaded", true]);
    assert.equal(failureOf({ type: "rate_limit_error", message: "Slow down" }).kind, "rate_limit");
    assert.equal(failureOf({ error: "it broke" }).message, "it broke");
  });

  test("data that is no JSON", () => {
    const last = decodeStream(`${sse([start()])}data: {oops\n\n`).at(-1);
    assert.equal(last?.t === "error" && last.failure.kind, "upstream_protocol");
  });

  test("every proper end holds a terminal pattern, no content does", () => {
    const said = JSON.stringify({ text: '\nevent: error\n"type":"message_stop"\n"type": "error"' });
    const holds = (body: string) =>
      body.split("\n").some((line) => messages.terminals.some((pattern) => line.startsWith(pattern)));
    assert.equal(holds(sse(end())), true);
    assert.equal(
      holds(messages.errorFrame({ kind: "internal", source: "gateway", message: "x", retry: false }, "req_1")),
      true,
    );
    assert.equal(holds(said), false);
    assert.equal(holds(sse([start(), ...TEXT])), false);
  });
});
