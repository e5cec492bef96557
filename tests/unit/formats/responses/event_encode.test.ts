import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { responses } from "../../../../lib/formats/responses/mod.ts";
import type { NeutralEvent, NeutralResponse, Part, Usage } from "../../../../lib/neutral.ts";
import { openEnvelope } from "../../../../lib/translation/envelope.ts";
import { sealWords } from "../../../../lib/translation/sealed_words.ts";
import { replay } from "../../../../lib/translation/whole.ts";
import { checkResponsesStream } from "../../../support/grammar_responses.ts";
import { anyResponse, args, begin, beginText, call, done, END, finish, START, text } from "../../../support/neutral.ts";
import { answerTo, dataOf, encodeStream, find, itemsOf, lastResponse, typesOf, withoutIds } from "./support.ts";

const USAGE: Usage = { inputTokens: 10, cacheReadTokens: 4, cacheWriteTokens: 1, outputTokens: 7, reasoningTokens: 3 };

/** A legal stream of these events, or what is wrong with it. */
function stream(...events: NeutralEvent[]): string {
  const out = encodeStream(events);
  assert.deepEqual(checkResponsesStream(out), []);
  return out;
}

function whole(...events: NeutralEvent[]): string {
  return stream(START, ...events, finish(), { t: "usage", usage: USAGE }, END);
}

function itemsIn(out: string): JsonObject[] {
  return itemsOf(lastResponse(out));
}

function reasoning(i: number, delta: string): NeutralEvent {
  return { t: "reasoning", c: 0, i, delta };
}

const THINKING: Part = { kind: "reasoning", text: "", form: "summary" };

describe("responses stream encoder", () => {
  test("a text, event by event", () => {
    const out = whole(beginText(0), text(0, "He"), text(0, "llo"), done(0));
    assert.deepEqual(typesOf(out), [
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    const delta = find(out, "response.output_text.delta");
    const id = (find(out, "response.output_item.added")["item"] as JsonObject)["id"];
    assert.deepEqual(delta, {
      type: "response.output_text.delta",
      sequence_number: 4,
      item_id: id,
      output_index: 0,
      content_index: 0,
      delta: "He",
      logprobs: [],
    });
    assert.equal(find(out, "response.output_text.done")["text"], "Hello");
  });

  test("each delta is written as it comes", () => {
    const encoder = responses.openEncoder(answerTo());
    const write = (event: NeutralEvent) => [...encoder.encode(event)].join("");
    write(START);
    write(beginText(0));
    assert.deepEqual(typesOf(write(text(0, "a"))).at(-1), "response.output_text.delta");
    assert.deepEqual(typesOf(write(text(0, "b"))), ["response.output_text.delta"]);
  });

  test("the last event has the usage with every detail, and the items that were announced", () => {
    const out = whole(beginText(0), text(0, "a"), done(0), begin(1, call("c1", "f")), args(1, "{}"), done(1));
    const response = lastResponse(out);
    assert.deepEqual(response["usage"], {
      input_tokens: 10,
      input_tokens_details: { cached_tokens: 4, cache_write_tokens: 1 },
      output_tokens: 7,
      output_tokens_details: { reasoning_tokens: 3 },
      total_tokens: 17,
    });
    const ended = dataOf(out).filter((data) => data["type"] === "response.output_item.done").map((data) =>
      data["item"]
    );
    assert.deepEqual(ended, itemsIn(out));
    assert.match(String(response["id"]), /^resp_/);
    assert.equal(response["model"], "asked-for");
  });

  test("an answer that nobody counted has numbers all the same", () => {
    const out = stream(START, beginText(0), text(0, "a"), done(0), finish(), END);
    assert.equal((lastResponse(out)["usage"] as JsonObject)["input_tokens"], 11);
  });

  test("texts in a row share a message, text after a call is a new one", () => {
    const out = whole(
      beginText(0),
      text(0, "a"),
      done(0),
      begin(1, { kind: "refusal", text: "" }),
      { t: "refusal", c: 0, i: 1, delta: "b" },
      done(1),
      begin(2, call("c1", "f")),
      done(2),
      beginText(3),
      text(3, "c"),
      done(3),
    );
    assert.deepEqual(itemsIn(out).map((item) => [item["type"], (item["content"] as unknown[] | undefined)?.length]), [
      ["message", 2],
      ["function_call", undefined],
      ["message", 1],
    ]);
  });

  test("a call without arguments is {} in its deltas too", () => {
    const out = whole(begin(0, call("c1", "f")), done(0));
    assert.equal(find(out, "response.function_call_arguments.delta")["delta"], "{}");
    const ended = find(out, "response.function_call_arguments.done");
    assert.deepEqual([ended["name"], ended["arguments"]], ["f", "{}"]);
    assert.deepEqual([itemsIn(out)[0]?.["arguments"], itemsIn(out)[0]?.["call_id"]], ["{}", "c1"]);
  });

  test("custom calls have raw input, and a namespace where they have one", () => {
    const out = whole(begin(0, call("c1", "p", { toolKind: "custom", namespace: "ns" })), args(0, "*** raw"), done(0));
    assert.deepEqual(typesOf(out).slice(2, 6), [
      "response.output_item.added",
      "response.custom_tool_call_input.delta",
      "response.custom_tool_call_input.done",
      "response.output_item.done",
    ]);
    assert.deepEqual(withoutIds(itemsIn(out)), [
      { type: "custom_tool_call", status: "completed", call_id: "c1", name: "p", namespace: "ns", input: "*** raw" },
    ]);
  });

  test("parallel calls that overlap come one after the other", () => {
    const out = whole(
      begin(0, call("c1", "f")),
      begin(1, call("c2", "g")),
      args(0, '{"a":'),
      args(1, "{}"),
      args(0, "1}"),
      done(1),
      done(0),
    );
    assert.deepEqual(itemsIn(out).map((item) => [item["name"], item["arguments"]]), [["f", '{"a":1}'], ["g", "{}"]]);
  });

  test("reasoning: summary, content, and the seal on the done item alone", () => {
    const out = whole(
      begin(0, THINKING),
      reasoning(0, "a"),
      { t: "opaque", c: 0, i: 0, opaque: { issuer: "openai", kind: "encrypted", value: "enc" } },
      done(0),
      begin(1, { ...THINKING, form: "full" }),
      reasoning(1, "b"),
      { t: "opaque", c: 0, i: 1, opaque: { issuer: "anthropic", kind: "signature", value: "sig" } },
      done(1),
      beginText(2),
      text(2, "c"),
      done(2),
    );
    const [summary, full] = itemsIn(out);
    assert.deepEqual(summary?.["summary"], [{ type: "summary_text", text: "a" }]);
    assert.equal(summary?.["encrypted_content"], "enc");
    assert.deepEqual(full?.["content"], [{ type: "reasoning_text", text: "b" }]);
    const opaque = [{ issuer: "anthropic", kind: "signature" as const, value: "sig" }];
    assert.deepEqual(openEnvelope(String(full?.["encrypted_content"])), sealWords("b", opaque));
    const announced = find(out, "response.output_item.added")["item"] as JsonObject;
    assert.equal(announced["encrypted_content"], null);
  });

  test("redacted reasoning is an item without a word, empty reasoning none", () => {
    const opaque = [{ issuer: "anthropic", kind: "redacted" as const, value: "data" }];
    const out = whole(
      begin(0, { kind: "reasoning", text: "", form: "redacted", opaque }),
      done(0),
      begin(1, THINKING),
      done(1),
      beginText(2),
      text(2, "c"),
      done(2),
    );
    assert.deepEqual(itemsIn(out).map((item) => item["type"]), ["reasoning", "message"]);
    assert.deepEqual(itemsIn(out)[0]?.["summary"], []);
  });

  test("parts of one item of the upstream's stay one item", () => {
    const item = { id: "rs_up" };
    const out = whole(
      begin(0, { ...THINKING, id: "rs_up", item }),
      reasoning(0, "a"),
      done(0),
      begin(1, { ...THINKING, form: "full", id: "rs_up", item }),
      reasoning(1, "b"),
      { t: "opaque", c: 0, i: 1, opaque: { issuer: "openai", kind: "encrypted", value: "enc" } },
      done(1),
    );
    assert.deepEqual(itemsIn(out), [{
      id: "rs_up",
      type: "reasoning",
      summary: [{ type: "summary_text", text: "a" }],
      content: [{ type: "reasoning_text", text: "b" }],
      encrypted_content: "enc",
    }]);
  });

  test("messages keep their phases apart", () => {
    const part = (id: string, phase: string): Part => ({ kind: "text", text: "", item: { id, phase } });
    const out = whole(
      begin(0, part("msg_1", "commentary")),
      text(0, "a"),
      done(0),
      begin(1, part("msg_2", "final_answer")),
      text(1, "b"),
      done(1),
    );
    assert.deepEqual(itemsIn(out).map((item) => [item["id"], item["phase"]]), [
      ["msg_1", "commentary"],
      ["msg_2", "final_answer"],
    ]);
    assert.equal((find(out, "response.output_item.added")["item"] as JsonObject)["phase"], "commentary");
  });

  test("citations are annotations of their text, before its end", () => {
    const out = whole(
      beginText(0),
      text(0, "Seen"),
      { t: "citation", c: 0, i: 0, citation: { kind: "url", url: "https://e.com", title: "E" } },
      done(0),
    );
    const annotation = { type: "url_citation", start_index: 0, end_index: 4, title: "E", url: "https://e.com" };
    assert.deepEqual(find(out, "response.output_text.annotation.added")["annotation"], annotation);
    assert.deepEqual((itemsIn(out)[0]?.["content"] as JsonObject[])[0]?.["annotations"], [annotation]);
  });

  test("built-in items are whole", () => {
    const value = { type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search", query: "q" } };
    const out = whole(begin(0, { kind: "native", format: "responses", value }), done(0));
    assert.deepEqual(itemsIn(out), [value]);
  });

  test("another format's items are words or nothing, and said", () => {
    const answer = answerTo();
    const native = (more: JsonObject): Part => ({ kind: "native", format: "messages", value: {}, ...more });
    const out = encodeStream([
      START,
      begin(0, native({ text: "found" })),
      done(0),
      begin(1, native({})),
      done(1),
      finish(),
      END,
    ], answer);
    assert.deepEqual(checkResponsesStream(out), []);
    assert.equal((itemsIn(out)[0]?.["content"] as JsonObject[])[0]?.["text"], "found");
    assert.ok(answer.losses.list.length > 0);
  });

  test("logprobs go with their deltas and with the whole", () => {
    const logprobs = [{ token: "a", logprob: 0, bytes: [97], top_logprobs: [] }];
    const out = whole(beginText(0), { t: "text", c: 0, i: 0, delta: "a", logprobs }, done(0));
    assert.deepEqual(find(out, "response.output_text.delta")["logprobs"], logprobs);
    assert.deepEqual((itemsIn(out)[0]?.["content"] as JsonObject[])[0]?.["logprobs"], logprobs);
  });

  test("an answer without a part", () => {
    assert.deepEqual(itemsIn(whole()), []);
  });

  test("a silence is filled with a comment", () => {
    const encoder = responses.openEncoder(answerTo());
    assert.deepEqual([...encoder.encode({ t: "keepalive" })], [": keepalive\n\n"]);
    assert.equal(responses.keepaliveFrame, ": keepalive\n\n");
  });
});

describe("responses stream encoder: how it ends", () => {
  test("cut by the limit: the response and its last item are incomplete", () => {
    for (const part of [begin(0, call("c1", "f")), beginText(0)]) {
      const delta = part.t === "part_start" && part.part.kind === "text" ? text(0, "Ha") : args(0, '{"a');
      const out = stream(START, part, delta, done(0), finish("max_tokens"), END);
      const response = lastResponse(out);
      assert.equal(typesOf(out).at(-1), "response.incomplete");
      assert.deepEqual(response["incomplete_details"], { reason: "max_output_tokens" });
      assert.equal(itemsIn(out)[0]?.["status"], "incomplete");
    }
  });

  test("filtered, and refused with and without a word", () => {
    const end = (reason: "content_filter" | "refusal", ...events: NeutralEvent[]) =>
      lastResponse(stream(START, ...events, finish(reason), END));
    assert.deepEqual(end("content_filter")["incomplete_details"], { reason: "content_filter" });
    assert.deepEqual(end("refusal")["incomplete_details"], { reason: "content_filter" });
    const refusal: Part = { kind: "refusal", text: "" };
    const said = end("refusal", begin(0, refusal), { t: "refusal", c: 0, i: 0, delta: "No" }, done(0));
    assert.equal(said["status"], "completed");
  });

  test("an error in the middle: failed with all items so far, then an error in both shapes, then nothing", () => {
    const failure = { kind: "rate_limit" as const, source: "upstream" as const, message: "Slow", retry: true };
    const out = stream(
      START,
      beginText(0),
      text(0, "Hel"),
      { t: "error", failure },
      text(0, "lo"),
      END,
    );
    const [failed, error] = dataOf(out).slice(-2);
    const response = failed?.["response"] as JsonObject;
    assert.deepEqual(response["error"], { code: "rate_limit_exceeded", message: "Slow" });
    assert.equal(response["id"], (find(out, "response.created")["response"] as JsonObject)["id"]);
    const [item] = itemsOf(response);
    assert.equal(item?.["status"], "incomplete");
    assert.equal((item?.["content"] as JsonObject[])[0]?.["text"], "Hel");
    assert.deepEqual(error, {
      type: "error",
      sequence_number: error?.["sequence_number"],
      code: "rate_limit_exceeded",
      message: "Slow",
      param: null,
      error: { message: "Slow", type: "rate_limit_error", param: null, code: "rate_limit_exceeded" },
    });
  });

  test("an error within a call's arguments: failed with those that were told", () => {
    const failure = { kind: "upstream_cut" as const, source: "upstream" as const, message: "Cut", retry: true };
    const out = stream(START, begin(0, call("c1", "f")), args(0, '{"a"'), args(0, ": 1"), { t: "error", failure });
    const [item] = itemsOf(lastResponse(out));
    assert.deepEqual([item?.["status"], item?.["arguments"]], ["incomplete", '{"a": 1']);
  });

  test("an error before anything, and a call that can't be read", () => {
    const failure = { kind: "upstream_cut" as const, source: "upstream" as const, message: "Cut", retry: true };
    assert.deepEqual(typesOf(stream({ t: "error", failure })), [
      "response.created",
      "response.in_progress",
      "response.failed",
      "error",
    ]);
    const out = stream(START, begin(0, call("c1", "f")), args(0, "{"), done(0), finish("malformed_tool_call"), END);
    assert.deepEqual(typesOf(out).slice(-2), ["response.failed", "error"]);
    assert.equal(itemsOf(lastResponse(out))[0]?.["arguments"], "{");
  });

  test("a stream has one end, which pass-through would know", () => {
    const out = whole(beginText(0), text(0, "a"), done(0));
    const holds = (text: string) =>
      text.split("\n").some((line) => responses.terminals.some((terminal) => line.startsWith(terminal)));
    assert.ok(holds(out));
    const quoted = JSON.stringify({ text: `data: {"type":"response.completed"}\nevent: response.completed\n` });
    assert.ok(!holds(quoted));
    assert.equal(out.split("[DONE]").length, 2);
    assert.ok(out.endsWith("\n\ndata: [DONE]\n\n"));
  });

  test("an error frame for a stream that no encoder writes", () => {
    const failure = { kind: "upstream_cut" as const, source: "upstream" as const, message: "Cut", retry: true };
    const frame = responses.errorFrame(failure, "req_1");
    assert.ok(frame.startsWith("event: error\ndata: "));
    assert.equal((dataOf(frame)[0]?.["error"] as JsonObject)["message"], "Cut");
  });
});

describe("responses stream encoder: whatever is answered", () => {
  /** Arguments that are JSON where they must be, and no built-in items: those come with a type and an id. */
  function asUpstreamsDo(response: NeutralResponse): NeutralResponse {
    const candidates = response.candidates.map((candidate) => ({
      ...candidate,
      parts: candidate.parts
        .filter((part) => part.kind !== "native" || part.format !== "responses")
        .map((part): Part =>
          part.kind === "tool_call" && part.toolKind === "function" && part.arguments.trim() !== ""
            ? { ...part, arguments: JSON.stringify({ a: part.arguments }) }
            : part
        ),
    }));
    // The validator takes a replacement character for a torn one.
    return JSON.parse(JSON.stringify({ ...response, candidates, usage: USAGE }).replaceAll("\uFFFD", "?"));
  }

  test("the stream is legal, and its items are those of the JSON answer", () => {
    fc.assert(
      fc.property(anyResponse.map(asUpstreamsDo), (response) => {
        const out = encodeStream([...replay(response)]);
        assert.deepEqual(checkResponsesStream(out), []);
        const body = responses.encodeResponse(response, answerTo());
        assert.deepEqual(withoutIds(lastResponse(out)["output"]), withoutIds(body["output"]));
        assert.equal(lastResponse(out)["status"], body["status"]);
      }),
      { numRuns: 150 },
    );
  });
});

test("a turn that was paused says so by name: there is no status for it", () => {
  const answer = answerTo();
  const encoder = responses.openEncoder(answer);
  for (const event of [START, beginText(0), text(0, "A"), done(0), finish("pause"), END]) [...encoder.encode(event)];
  assert.deepEqual(answer.losses.list.map(({ path }) => path), ["status"]);
});
