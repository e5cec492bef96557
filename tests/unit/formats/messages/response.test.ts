import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { Losses } from "../../../../lib/format.ts";
import { messages } from "../../../../lib/formats/messages/mod.ts";
import type { NeutralResponse, Part, Stop, Usage } from "../../../../lib/neutral.ts";
import { sealEnvelope } from "../../../../lib/translation/envelope.ts";
import { answer, call, failureOf, meaning, ok, signature, target, text, thought } from "./support.ts";

const USAGE: Usage = {
  inputTokens: 100,
  cacheReadTokens: 90,
  cacheWriteTokens: 0,
  outputTokens: 5,
  reasoningTokens: 0,
};

function body(more: JsonObject = {}): JsonObject {
  return {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "m",
    content: [{ type: "text", text: "Hi" }],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 10, cache_read_input_tokens: 90, cache_creation_input_tokens: 0, output_tokens: 5 },
    ...more,
  };
}

function decoded(more: JsonObject = {}): NeutralResponse {
  return ok(messages.decodeResponse(body(more), target()));
}

function encoded(parts: Part[], stop: Stop = { reason: "stop" }, losses = new Losses()): JsonObject {
  const response: NeutralResponse = {
    id: "msg_1",
    model: "m",
    createdAt: 0,
    candidates: [{ index: 0, parts, stop }],
    usage: USAGE,
  };
  return messages.encodeResponse(response, answer(losses));
}

describe("messages response decode", () => {
  test("parts, stop and usage; no paths, as the client knows none", () => {
    const response = decoded();
    assert.deepEqual({ ...response, createdAt: 0 }, {
      id: "msg_1",
      model: "m",
      createdAt: 0,
      candidates: [{ index: 0, parts: [{ kind: "text", text: "Hi" }], stop: { reason: "stop", raw: "end_turn" } }],
      usage: USAGE,
    });
  });

  test("case 21, 22: usage counts cached input within, and back beside", () => {
    assert.deepEqual(decoded().usage, USAGE);
    assert.deepEqual(encoded([])["usage"], body()["usage"]);
    const inconsistent = messages.encodeResponse(
      { ...decoded(), usage: { ...USAGE, inputTokens: 50 } },
      answer(),
    )["usage"] as JsonObject;
    assert.equal(inconsistent["input_tokens"], 0);
  });

  test("an hour's cache, thinking, compactions", () => {
    const usage = (usage: JsonObject) => decoded({ usage }).usage;
    assert.equal(
      usage({ cache_creation_input_tokens: 9, cache_creation: { ephemeral_1h_input_tokens: 4 } })?.cacheWrite1hTokens,
      4,
    );
    assert.equal(usage({ output_tokens: 9, output_tokens_details: { thinking_tokens: 4 } })?.reasoningTokens, 4);
    const entry = (type: string) => ({ type, input_tokens: 100, output_tokens: 10 });
    const total = { input_tokens: 100, output_tokens: 10 };
    const sum = usage({ ...total, iterations: [entry("compaction"), entry("message"), entry("advisor_message")] });
    assert.deepEqual([sum?.inputTokens, sum?.outputTokens], [200, 20]);
    const advised = usage({ ...total, iterations: [entry("message"), entry("advisor_message")] });
    assert.equal(advised?.inputTokens, 100);
    const fallen = usage({ ...total, iterations: [entry("compaction"), entry("fallback_message")] });
    assert.equal(fallen?.inputTokens, 100);
    assert.equal(decoded({ usage: null }).usage, undefined);
  });

  test("a server tool's results have no words in an answer", () => {
    const found = { type: "web_search_tool_result", tool_use_id: "s", content: [{ title: "Bun", url: "u" }] };
    assert.deepEqual(decoded({ content: [found] }).candidates[0]?.parts, [
      { kind: "native", format: "messages", value: found },
    ]);
  });

  test("tiers in shared words, unknown members kept", () => {
    const usage = { input_tokens: 1, output_tokens: 1, service_tier: "standard" };
    const response = decoded({ usage, container: { id: "c" }, context_management: null });
    assert.equal(response.serviceTier, "default");
    assert.deepEqual(response.extra, { format: "messages", fields: { container: { id: "c" } } });
  });

  test("what is no message, and an error with status 200", () => {
    assert.equal(failureOf(messages.decodeResponse({ ok: true }, target())).kind, "upstream_protocol");
    const broken = body({ content: [{ type: "tool_use", input: {} }] });
    assert.equal(failureOf(messages.decodeResponse(broken, target())).kind, "upstream_protocol");
    const error = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };
    assert.equal(failureOf(messages.decodeResponse(error, target())).kind, "overloaded");
  });

  test("decoded and encoded again it says the same", () => {
    const content = [
      { type: "thinking", thinking: "Hm", signature: "sig" },
      { type: "redacted_thinking", data: "xyz" },
      { type: "text", text: "So", citations: [{ type: "new_location", at: 1 }] },
      { type: "server_tool_use", id: "s", name: "web_search", input: { query: "bun" } },
      { type: "web_search_tool_result", tool_use_id: "s", content: [] },
      { type: "tool_use", id: "toolu_1", name: "look", input: { a: [1, { b: null }] }, caller: { type: "direct" } },
      { type: "compaction", content: "So far…", encrypted_content: "enc" },
      { type: "hologram", shape: 3 },
    ];
    const original = body({
      content,
      stop_reason: "tool_use",
      model: "asked-for",
      container: { id: "c", expires_at: "x" },
      new_member: { a: 1 },
      usage: { ...body()["usage"] as JsonObject, service_tier: "batch", server_tool_use: { web_search_requests: 1 } },
    });
    const again = messages.encodeResponse(ok(messages.decodeResponse(original, target())), answer());
    assert.deepEqual(meaning(again), meaning(original));
  });
});

describe("messages response encode", () => {
  test("all that the types require", () => {
    assert.deepEqual(encoded([text("Hi")]), {
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "asked-for",
      content: [{ type: "text", text: "Hi", citations: null }],
      stop_reason: "end_turn",
      stop_sequence: null,
      stop_details: null,
      container: null,
      diagnostics: null,
      usage: body()["usage"],
    });
  });

  test("stop reasons", () => {
    const reason = (stop: Stop, ...parts: Part[]) => encoded(parts, stop)["stop_reason"];
    assert.equal(reason({ reason: "max_tokens" }), "max_tokens");
    assert.equal(reason({ reason: "context_window" }), "model_context_window_exceeded");
    assert.equal(reason({ reason: "pause" }), "pause_turn");
    assert.equal(reason({ reason: "unknown" }), "end_turn");
    assert.equal(reason({ reason: "malformed_tool_call" }), "end_turn");
    assert.equal(reason({ reason: "stop" }, call("a")), "tool_use");
    assert.equal(reason({ reason: "tool_calls" }), "end_turn");
    assert.equal(encoded([], { reason: "stop_sequence", sequence: "END" })["stop_sequence"], "END");
    assert.deepEqual(encoded([], { reason: "content_filter", category: "bio" })["stop_details"], {
      type: "refusal",
      category: "bio",
      explanation: null,
    });
  });

  test("a refusal's words are text", () => {
    const message = encoded([{ kind: "refusal", text: "No." }]);
    assert.deepEqual([message["stop_reason"], message["content"]], ["refusal", [{
      type: "text",
      text: "No.",
      citations: null,
    }]]);
  });

  test("empty parts are no blocks; a signature alone is one", () => {
    assert.deepEqual(encoded([text(""), thought(""), thought("", signature("s"))])["content"], [
      { type: "thinking", thinking: "", signature: "s" },
    ]);
    const unsigned = { type: "thinking", thinking: "Hm", signature: sealEnvelope([]) };
    assert.deepEqual(encoded([thought("Hm")])["content"], [unsigned]);
  });

  test("arguments that are no object, and that broke off", () => {
    const losses = new Losses();
    const message = encoded([call("a", "[1]"), call("b", "oops")], { reason: "tool_calls" }, losses);
    assert.deepEqual((message["content"] as JsonObject[]).map((block) => block["input"]), [{ value: [1] }, {
      _raw: "oops",
    }]);
    assert.equal(message["stop_reason"], "tool_use");
    assert.deepEqual(losses.list.map((loss) => loss.path), ["content[0]", "content[1]"]);
    assert.equal(encoded([call("a", '{"x":"')], { reason: "tool_calls" })["stop_reason"], "max_tokens");
  });
});
