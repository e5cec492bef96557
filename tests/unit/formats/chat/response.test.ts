import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { Losses } from "../../../../lib/format.ts";
import { chat } from "../../../../lib/formats/chat/mod.ts";
import type { Candidate, NeutralResponse, Part, Stop } from "../../../../lib/neutral.ts";
import { answer, target } from "./setup.ts";

function decode(message: JsonObject, choice: JsonObject = {}, rest: JsonObject = {}, to = target()): NeutralResponse {
  const result = chat.decodeResponse({
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1_790_000_000,
    model: "small-1-0901",
    choices: [{
      index: 0,
      message: { role: "assistant", ...message },
      logprobs: null,
      finish_reason: "stop",
      ...choice,
    }],
    ...rest,
  }, to);
  assert.ok(result.ok, result.ok ? "" : result.failure.message);
  return result.value;
}

function candidate(parts: Part[], stop: Stop = { reason: "stop" }): NeutralResponse {
  const only: Candidate = { index: 0, parts, stop };
  return { id: "msg_1", model: "upstream", createdAt: 1_790_000_000, candidates: [only], usage: undefined };
}

function encode(
  response: NeutralResponse,
  losses = new Losses(),
): { body: JsonObject; choice: JsonObject; message: JsonObject } {
  const body = chat.encodeResponse(response, answer({ losses }));
  const [choice] = body["choices"] as JsonObject[];
  assert.ok(choice);
  return { body, choice, message: choice["message"] as JsonObject };
}

describe("decoding", () => {
  test("thinking, text, calls and usage, in this order", () => {
    const response = decode(
      {
        content: "a",
        refusal: null,
        reasoning_content: "hm",
        annotations: [],
        tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: '{"x": 1}' } }],
      },
      { finish_reason: "tool_calls" },
      {
        usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
        system_fingerprint: "fp",
        service_tier: "default",
      },
    );
    assert.deepEqual(response, {
      id: "chatcmpl-1",
      model: "small-1-0901",
      createdAt: 1_790_000_000,
      serviceTier: "default",
      fingerprint: "fp",
      candidates: [{
        index: 0,
        parts: [
          { kind: "reasoning", form: "full", text: "hm" },
          { kind: "text", text: "a" },
          { kind: "tool_call", id: "c", name: "f", toolKind: "function", arguments: '{"x": 1}' },
        ],
        stop: { reason: "tool_calls", raw: "tool_calls" },
      }],
      usage: { inputTokens: 5, cacheReadTokens: 0, cacheWriteTokens: 0, outputTokens: 2, reasoningTokens: 0 },
    });
  });

  test("calls without ids, indexes, arguments or a type are still several calls", () => {
    const f = { function: { name: "f" } };
    const [first] = decode({ tool_calls: [f, f, { ...f, index: 0 }] }, { finish_reason: "" }).candidates;
    assert.equal(first?.parts.length, 3);
    assert.equal(first?.stop.reason, "tool_calls");
  });

  test("the legacy call, a refusal, a list of parts, an empty delta beside the message", () => {
    const kinds = (message: JsonObject, choice: JsonObject = {}) =>
      decode(message, choice).candidates[0]?.parts.map((part) => part.kind);
    assert.deepEqual(kinds({ content: null, function_call: { name: "f", arguments: "{}" } }), ["tool_call"]);
    assert.deepEqual(kinds({ content: null, refusal: "No." }), ["refusal"]);
    assert.deepEqual(kinds({ content: [{ type: "thinking", thinking: "hm" }, { type: "text", text: "a" }] }), [
      "reasoning",
      "text",
    ]);
    assert.deepEqual(kinds({ content: "a" }, { delta: { content: "" } }), ["text"]);
  });

  test("tags, entries and citations as in a stream", () => {
    const tagged = decode({ content: "<think>hm</think>a" }, {}, {}, target({ flags: ["think_tags"] }));
    assert.deepEqual(tagged.candidates[0]?.parts.map((part) => part.kind), ["reasoning", "text"]);
    const cited = decode({
      content: "a",
      annotations: [{ type: "url_citation", url_citation: { url: "https://e.com", start_index: 0, end_index: 1 } }],
      reasoning: "hm",
      reasoning_details: [{
        type: "reasoning.text",
        text: "hm",
        signature: "s",
        format: "anthropic-claude-v1",
        index: 0,
      }],
    });
    assert.deepEqual(cited.candidates[0]?.parts, [
      { kind: "reasoning", form: "full", text: "hm", opaque: [{ issuer: "anthropic", kind: "signature", value: "s" }] },
      { kind: "text", text: "a", citations: [{ kind: "url", url: "https://e.com", start: 0, end: 1 }] },
    ]);
  });

  test("an answer without content", () => {
    assert.deepEqual(decode({ content: null }, { finish_reason: "length" }).candidates[0], {
      index: 0,
      parts: [],
      stop: { reason: "max_tokens", raw: "length" },
    });
  });

  const broken: [string, JsonObject, string][] = [
    ["an error object", { error: { message: "m", type: "rate_limit_error" } }, "rate_limit"],
    ["an error in words", { error: "m" }, "upstream"],
    ["no choices", { id: "x", choices: [] }, "upstream_protocol"],
    ["something else", { hello: "world" }, "upstream_protocol"],
    ["an error within the choice", { choices: [{ error: { code: 502, message: "m" }, message: {} }] }, "upstream"],
    ["an error as finish", { choices: [{ message: { content: "a" }, finish_reason: "error" }] }, "upstream"],
    [
      "a call without a name",
      { choices: [{ message: { tool_calls: [{ id: "c", function: {} }] } }] },
      "upstream_protocol",
    ],
  ];
  for (const [name, body, kind] of broken) {
    test(name, () => {
      const result = chat.decodeResponse(body, target());
      assert.ok(!result.ok);
      assert.equal(result.failure.kind, kind);
    });
  }
});

describe("encoding", () => {
  test("all that the types require", () => {
    const { body } = encode({
      ...candidate([{ kind: "text", text: "a" }, { kind: "text", text: "b" }]),
      serviceTier: "default",
      usage: { inputTokens: 10, cacheReadTokens: 0, cacheWriteTokens: 0, outputTokens: 5, reasoningTokens: 0 },
    });
    const { id, usage, ...rest } = body;
    assert.match(String(id), /^chatcmpl-[A-Za-z0-9]{24}$/);
    assert.equal((usage as JsonObject)["total_tokens"], 15);
    assert.deepEqual(rest, {
      object: "chat.completion",
      created: 1_790_000_000,
      model: "alias",
      choices: [{
        index: 0,
        message: { role: "assistant", content: "ab", refusal: null },
        logprobs: null,
        finish_reason: "stop",
      }],
      service_tier: "default",
    });
  });

  test("a tier of another maker's is left out", () => {
    assert.equal("service_tier" in encode({ ...candidate([]), serviceTier: "batch" }).body, false);
  });

  test("calls: no content, arguments never empty, custom input raw", () => {
    const { message, choice } = encode(candidate([
      { kind: "tool_call", id: "c", name: "f", toolKind: "function", arguments: "" },
      {
        kind: "tool_call",
        id: "d",
        name: "p",
        toolKind: "custom",
        arguments: "***",
        opaque: [{ issuer: "google", kind: "thought_signature", value: "s" }],
      },
    ], { reason: "stop" }));
    assert.equal(message["content"], null);
    assert.deepEqual(message["tool_calls"], [
      { id: "c", type: "function", function: { name: "f", arguments: "{}" } },
      {
        id: "d",
        type: "custom",
        custom: { name: "p", input: "***" },
        extra_content: { google: { thought_signature: "s" } },
      },
    ]);
    assert.equal(choice["finish_reason"], "tool_calls");
  });

  test("thinking: one string, and entries where something must come back (case 12)", () => {
    const parts: Part[] = [
      { kind: "reasoning", form: "full", text: "a" },
      { kind: "reasoning", form: "full", text: "b", opaque: [{ issuer: "anthropic", kind: "signature", value: "s" }] },
    ];
    assert.deepEqual(encode(candidate(parts)).message["reasoning_content"], "ab");
    assert.deepEqual(encode(candidate(parts)).message["reasoning_details"], [
      { type: "reasoning.text", text: "a", format: "unknown", index: 0 },
      { type: "reasoning.text", text: "b", signature: "s", format: "anthropic-claude-v1", index: 1 },
    ]);
    assert.equal("reasoning_details" in encode(candidate(parts.slice(0, 1))).message, false);
  });

  test("refusals, with and without words", () => {
    const said = encode(candidate([{ kind: "refusal", text: "No." }], { reason: "refusal" }));
    assert.deepEqual([said.message["content"], said.message["refusal"], said.choice["finish_reason"]], [
      null,
      "No.",
      "stop",
    ]);
    const silent = encode(candidate([], { reason: "refusal", explanation: "Why." }));
    assert.deepEqual([silent.message["refusal"], silent.choice["finish_reason"]], ["Why.", "content_filter"]);
    const partly = encode(candidate([{ kind: "text", text: "a" }], { reason: "refusal" }));
    assert.deepEqual([partly.message["refusal"], partly.choice["finish_reason"]], [null, "content_filter"]);
  });

  test("citations with their place, logprobs, and what can't be shown", () => {
    const losses = new Losses();
    const { message, choice } = encode(
      candidate([
        { kind: "text", text: "abc", logprobs: [{ token: "abc" }] },
        {
          kind: "text",
          text: "de",
          citations: [{ kind: "url", url: "https://e.com", title: "T" }, { kind: "document", unit: "page", index: 0 }],
        },
        { kind: "native", format: "messages", value: {} },
      ], { reason: "pause" }),
      losses,
    );
    assert.deepEqual(message["annotations"], [
      { type: "url_citation", url_citation: { start_index: 3, end_index: 5, title: "T", url: "https://e.com" } },
    ]);
    assert.deepEqual(choice["logprobs"], { content: [{ token: "abc" }], refusal: null });
    assert.deepEqual(losses.list.map((loss) => loss.path), [
      "choices[0].message",
      "choices[0].finish_reason",
      "choices[0].message.annotations",
    ]);
  });

  test("several candidates", () => {
    const response = candidate([{ kind: "text", text: "a" }]);
    response.candidates.push({ index: 1, parts: [{ kind: "text", text: "b" }], stop: { reason: "max_tokens" } });
    const choices = encode(response).body["choices"] as JsonObject[];
    assert.deepEqual(choices.map((choice) => [choice["index"], choice["finish_reason"]]), [[0, "stop"], [1, "length"]]);
  });
});

test("usage: cached input both ways (case 21)", () => {
  const usage = { inputTokens: 100, cacheReadTokens: 90, cacheWriteTokens: 4, outputTokens: 5, reasoningTokens: 3 };
  const { body } = encode({ ...candidate([{ kind: "text", text: "a" }]), usage });
  assert.deepEqual(decode({ content: "a" }, {}, { usage: body["usage"] }).usage, usage);
});
