import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { responses } from "../../../../lib/formats/responses/mod.ts";
import type { NeutralEvent, NeutralResponse } from "../../../../lib/neutral.ts";
import { openSequencer } from "../../../../lib/translation/sequencer.ts";
import { collect } from "../../../../lib/translation/whole.ts";
import { orderFaults, run } from "../../../support/neutral.ts";
import { decodeStream, target } from "./support.ts";

const RESPONSE = { id: "resp_1", object: "response", created_at: 1.5, model: "m", output: [], status: "in_progress" };
const CREATED = { type: "response.created", sequence_number: 0, response: RESPONSE };
const USAGE = {
  input_tokens: 5,
  output_tokens: 2,
  input_tokens_details: {},
  output_tokens_details: {},
  total_tokens: 7,
};

function completed(output: JsonObject[] = [], more: JsonObject = {}): JsonObject {
  return { type: "response.completed", response: { ...RESPONSE, status: "completed", output, usage: USAGE, ...more } };
}

function added(output_index: number, item: JsonObject): JsonObject {
  return { type: "response.output_item.added", output_index, item };
}

function done(output_index: number, item: JsonObject): JsonObject {
  return { type: "response.output_item.done", output_index, item };
}

function event(name: string, members: JsonObject): JsonObject {
  return { type: `response.${name}`, output_index: 0, content_index: 0, item_id: "x", ...members };
}

function textDelta(delta: string, members: JsonObject = {}): JsonObject {
  return event("output_text.delta", { delta, logprobs: [], ...members });
}

function message(text: string, more: JsonObject = {}): JsonObject {
  return {
    type: "message",
    id: "msg_1",
    role: "assistant",
    content: [{ type: "output_text", text, annotations: [] }],
    ...more,
  };
}

const OPEN_MESSAGE = { type: "message", id: "msg_1", role: "assistant", content: [], phase: "commentary" };

/** The whole answer; the events keep every decoder's guarantees. */
function whole(values: (JsonObject | string)[]): NeutralResponse {
  const events = decodeStream(values);
  assert.deepEqual(orderFaults(run(openSequencer(), events)), []);
  assert.equal(events.filter((candidate) => candidate.t === "start").length, 1);
  const response = collect(events);
  assert.ok(response.ok, response.ok ? "" : response.failure.message);
  return response.value;
}

function said(response: NeutralResponse): unknown[] {
  return (response.candidates[0]?.parts ?? []).map((part) => {
    if (part.kind === "tool_call") return [part.kind, part.name, part.arguments];
    return "text" in part ? [part.kind, part.text] : [part.kind];
  });
}

function failureOf(events: readonly NeutralEvent[]) {
  const last = events.at(-1);
  assert.ok(last?.t === "error");
  return last.failure;
}

describe("responses stream decoder", () => {
  test("a message", () => {
    const events = decodeStream([
      CREATED,
      added(0, OPEN_MESSAGE),
      event("content_part.added", { part: { type: "output_text", text: "" } }),
      textDelta("He", { obfuscation: "xyz" }),
      textDelta("llo", { logprobs: [{ token: "llo", logprob: -1 }] }),
      event("output_text.done", { text: "Hello" }),
      event("content_part.done", { part: { type: "output_text", text: "Hello" } }),
      done(0, message("Hello")),
      completed([message("Hello")]),
    ]);
    assert.deepEqual(events, [
      { t: "start", id: "resp_1", model: "m", createdAt: 1 },
      {
        t: "part_start",
        c: 0,
        i: 0,
        part: { kind: "text", text: "", item: { id: "msg_1", phase: "commentary" } },
      },
      { t: "text", c: 0, i: 0, delta: "He" },
      { t: "text", c: 0, i: 0, delta: "llo", logprobs: [{ token: "llo", logprob: -1 }] },
      { t: "part_end", c: 0, i: 0 },
      { t: "finish", c: 0, stop: { reason: "stop" } },
      {
        t: "usage",
        usage: { inputTokens: 5, cacheReadTokens: 0, cacheWriteTokens: 0, outputTokens: 2, reasoningTokens: 0 },
      },
      { t: "end" },
    ]);
  });

  test("reasoning, calls and refusals", () => {
    const response = whole([
      CREATED,
      added(0, { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "early" }),
      event("reasoning_summary_part.added", { summary_index: 0 }),
      event("reasoning_summary_text.delta", { summary_index: 0, delta: "a" }),
      event("reasoning_summary_text.delta", { summary_index: 1, delta: "b" }),
      done(0, {
        type: "reasoning",
        id: "rs_1",
        summary: [{ type: "summary_text", text: "a" }, { type: "summary_text", text: "b" }],
        encrypted_content: "enc",
      }),
      added(1, { type: "function_call", id: "fc_1", call_id: "c1", name: "f", arguments: "" }),
      event("function_call_arguments.delta", { output_index: 1, delta: '{"a"' }),
      event("function_call_arguments.delta", { output_index: 1, delta: ":1}" }),
      done(1, { type: "function_call", id: "fc_1", call_id: "c1", name: "f", arguments: '{"a":1}' }),
      added(2, { type: "custom_tool_call", id: "ctc_1", call_id: "c2", name: "p", namespace: "ns", input: "" }),
      event("custom_tool_call_input.delta", { output_index: 2, delta: "raw" }),
      done(2, { type: "custom_tool_call", id: "ctc_1", call_id: "c2", name: "p", namespace: "ns", input: "raw" }),
      added(3, OPEN_MESSAGE),
      event("refusal.delta", { output_index: 3, delta: "No" }),
      done(3, { ...OPEN_MESSAGE, content: [{ type: "refusal", refusal: "No" }] }),
      completed(),
    ]);
    assert.deepEqual(said(response), [
      ["reasoning", "a\n\nb"],
      ["tool_call", "f", '{"a":1}'],
      ["tool_call", "p", "raw"],
      ["refusal", "No"],
    ]);
    const [reasoning, call, custom] = response.candidates[0]?.parts ?? [];
    assert.deepEqual(reasoning?.opaque, [{ issuer: "openai", kind: "encrypted", value: "enc" }]);
    assert.ok(call?.kind === "tool_call" && call.id === "c1" && call.itemId === "fc_1");
    assert.ok(custom?.kind === "tool_call" && custom.toolKind === "custom" && custom.namespace === "ns");
    assert.equal(response.candidates[0]?.stop.reason, "tool_calls");
  });

  test("reasoning that only carries", () => {
    const item = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "enc" };
    const response = whole([CREATED, added(0, item), done(0, item), completed([item])]);
    assert.deepEqual(said(response), [["reasoning", ""]]);
    assert.equal(response.candidates[0]?.parts[0]?.opaque?.[0]?.value, "enc");
  });

  test("built-in items come whole, whatever events they have", () => {
    const item = { type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search", query: "q" } };
    const response = whole([
      CREATED,
      added(0, { ...item, status: "in_progress" }),
      event("web_search_call.searching", {}),
      done(0, item),
      completed([item]),
    ]);
    const [part] = response.candidates[0]?.parts ?? [];
    assert.ok(part?.kind === "native");
    assert.deepEqual(part.value, item);
  });

  test("citations as they come, and those that only the last event has", () => {
    const annotation = (url: string) => ({ type: "url_citation", url, title: "E", start_index: 0, end_index: 1 });
    const response = whole([
      CREATED,
      added(0, OPEN_MESSAGE),
      textDelta("Hi"),
      event("output_text.annotation.added", { annotation_index: 0, annotation: annotation("https://a") }),
      done(0, {
        ...OPEN_MESSAGE,
        content: [{ type: "output_text", text: "Hi", annotations: [annotation("https://a"), annotation("https://b")] }],
      }),
      completed(),
    ]);
    const [part] = response.candidates[0]?.parts ?? [];
    assert.ok(part?.kind === "text");
    assert.deepEqual(part.citations?.map((citation) => citation.kind === "url" && citation.url), [
      "https://a",
      "https://b",
    ]);
  });

  test("cut off by the token limit", () => {
    const response = whole([
      CREATED,
      added(0, OPEN_MESSAGE),
      textDelta("Ha"),
      {
        type: "response.incomplete",
        response: {
          ...RESPONSE,
          status: "incomplete",
          incomplete_details: { reason: "max_output_tokens" },
          usage: USAGE,
        },
      },
    ]);
    assert.deepEqual(said(response), [["text", "Ha"]]);
    assert.equal(response.candidates[0]?.stop.reason, "max_tokens");
  });
});

describe("responses stream decoder: what real upstreams do", () => {
  test("another id in every event of one item", () => {
    const response = whole([
      CREATED,
      added(0, { ...OPEN_MESSAGE, id: "a" }),
      textDelta("He", { item_id: "b" }),
      textDelta("llo", { item_id: "c" }),
      done(0, message("Hello", { id: "d" })),
      completed([message("Hello", { id: "e" })]),
    ]);
    assert.deepEqual(said(response), [["text", "Hello"]]);
  });

  test("content that begins at index 1, and part events of another name", () => {
    const reasoning = {
      type: "reasoning",
      id: "msg_0",
      summary: [],
      content: [{ type: "reasoning_text", text: "hm" }],
    };
    const response = whole([
      CREATED,
      added(0, { type: "reasoning", id: "msg_0", summary: [] }),
      event("reasoning_part.added", { part: { type: "reasoning_text", text: "" } }),
      event("reasoning_text.delta", { delta: "hm" }),
      event("reasoning_part.done", { part: { type: "reasoning_text", text: "hm" } }),
      done(0, reasoning),
      added(1, OPEN_MESSAGE),
      event("content_part.added", { output_index: 1, content_index: 1, part: { type: "output_text", text: "" } }),
      textDelta("Hi", { output_index: 1, content_index: 1 }),
      done(1, message("Hi")),
      completed([reasoning, message("Hi")]),
    ]);
    assert.deepEqual(said(response), [["reasoning", "hm"], ["text", "Hi"]]);
  });

  test("items that overlap, and [DONE] at the end", () => {
    const response = whole([
      CREATED,
      added(0, { type: "reasoning", id: "rs_1", summary: [] }),
      event("reasoning_text.delta", { delta: "hm" }),
      added(1, OPEN_MESSAGE),
      textDelta("4", { output_index: 1 }),
      done(1, message("4")),
      done(0, { type: "reasoning", id: "rs_1", summary: [], content: [{ type: "reasoning_text", text: "hm" }] }),
      completed(),
      "[DONE]",
    ]);
    assert.deepEqual(said(response), [["reasoning", "hm"], ["text", "4"]]);
  });

  test("items without deltas, without beginning, and only in the last event", () => {
    const call = { type: "function_call", call_id: "c1", name: "f", arguments: "{}" };
    assert.deepEqual(said(whole([CREATED, added(0, OPEN_MESSAGE), done(0, message("Hi")), completed()])), [[
      "text",
      "Hi",
    ]]);
    assert.deepEqual(said(whole([CREATED, done(0, call), completed()])), [["tool_call", "f", "{}"]]);
    assert.deepEqual(said(whole([CREATED, completed([message("Hi"), call])])), [
      ["text", "Hi"],
      ["tool_call", "f", "{}"],
    ]);
    assert.deepEqual(said(whole([CREATED, textDelta("Hi"), completed([message("Hi")])])), [["text", "Hi"]]);
  });

  test("the end of a text that lost some of its deltas", () => {
    const response = whole([CREATED, added(0, OPEN_MESSAGE), textDelta("Hel"), done(0, message("Hello")), completed()]);
    assert.deepEqual(said(response), [["text", "Hello"]]);
  });

  test("an item that never ends is taken from the last event", () => {
    const call = { type: "function_call", id: "fc_1", call_id: "c1", name: "f" };
    const response = whole([CREATED, added(0, { ...call, arguments: "" }), completed([{ ...call, arguments: "{}" }])]);
    assert.deepEqual(said(response), [["tool_call", "f", "{}"]]);
  });

  test("a message without a word is no part", () => {
    const response = whole([
      CREATED,
      added(0, OPEN_MESSAGE),
      event("content_part.added", { part: { type: "output_text", text: "" } }),
      event("output_text.done", { text: "" }),
      done(0, message("")),
      completed([message("")]),
    ]);
    assert.deepEqual(said(response), []);
  });

  test("queued, unknown events, keepalive", () => {
    const response = whole([
      CREATED,
      { type: "response.queued", response: { ...RESPONSE, status: "queued" } },
      { type: "response.in_progress", response: RESPONSE },
      { type: "keepalive", sequence_number: 1 },
      { type: "response.made_up", x: 1 },
      textDelta("Hi"),
      completed(),
    ]);
    assert.deepEqual(said(response), [["text", "Hi"]]);
  });

  test("the event line tells the type where the data doesn't", () => {
    const decoder = responses.openDecoder(target());
    const events = [...decoder.decode({ event: "response.completed", data: JSON.stringify({ response: RESPONSE }) })];
    assert.deepEqual(events.map(({ t }) => t), ["start", "finish", "end"]);
  });
});

describe("responses stream decoder: failures", () => {
  const NESTED = {
    type: "error",
    error: { type: "tokens", code: "rate_limit_exceeded", message: "Slow", param: null },
  };

  test("a nested and a flat error", () => {
    for (const error of [NESTED, { type: "error", code: "rate_limit_exceeded", message: "Slow" }]) {
      const events = decodeStream([CREATED, error, {
        type: "response.failed",
        response: { ...RESPONSE, status: "failed" },
      }]);
      const failure = failureOf(events);
      assert.deepEqual([events.length, failure.kind, failure.message, failure.retry], [2, "rate_limit", "Slow", true]);
    }
  });

  test("an error without a type, and one that comes first", () => {
    assert.equal(failureOf(decodeStream([CREATED, { error: { message: "Bad", code: 429 } }])).kind, "rate_limit");
    assert.deepEqual(decodeStream([NESTED]).map(({ t }) => t), ["error"]);
  });

  test("a failed response", () => {
    const error = { code: "context_length_exceeded", message: "Your input exceeds the context window of this model." };
    const failed = { type: "response.failed", response: { ...RESPONSE, status: "failed", error } };
    assert.equal(failureOf(decodeStream([CREATED, failed])).kind, "context_length");
  });

  test("a body that ends too early, at any place", () => {
    const stream = [CREATED, added(0, OPEN_MESSAGE), textDelta("Hi"), done(0, message("Hi"))];
    for (let length = 0; length <= stream.length; length++) {
      const failure = failureOf(decodeStream(stream.slice(0, length)));
      assert.equal(failure.kind, "upstream_cut");
    }
    assert.equal(failureOf(decodeStream([...stream, "[DONE]"])).kind, "upstream_cut");
  });

  test("what isn't JSON, and an item that can't be read", () => {
    assert.equal(failureOf(decodeStream([CREATED, "{oops"])).kind, "upstream_protocol");
    const events = decodeStream([
      CREATED,
      done(0, { type: "function_call", call_id: "c1", arguments: "{}" }),
      completed(),
    ]);
    assert.equal(failureOf(events).kind, "upstream_protocol");
  });

  test("nothing after the end", () => {
    const events = decodeStream([CREATED, completed(), textDelta("more"), NESTED, completed()]);
    assert.deepEqual(events.map(({ t }) => t), ["start", "finish", "usage", "end"]);
  });
});
