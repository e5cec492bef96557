import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { responses } from "../../../../lib/formats/responses/mod.ts";
import type { Part } from "../../../../lib/neutral.ts";
import { openEnvelope } from "../../../../lib/translation/envelope.ts";
import { sealWords } from "../../../../lib/translation/sealed_words.ts";
import { answerTo, decodeAnswer, encodeAnswer, itemsOf, target, withoutIds } from "./support.ts";

function failureOf(body: JsonObject) {
  const result = responses.decodeResponse(body, target());
  assert.ok(!result.ok);
  return result.failure;
}

const MESSAGE = {
  type: "message",
  id: "msg_1",
  status: "completed",
  role: "assistant",
  phase: "final_answer",
  content: [{ type: "output_text", text: "So", annotations: [], logprobs: [{ token: "So", logprob: 0 }] }],
};

describe("responses decodeResponse", () => {
  test("items are parts of one answer, in order", () => {
    const response = decodeAnswer({
      status: "completed",
      service_tier: "flex",
      output: [
        { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "hm" }], encrypted_content: "enc" },
        MESSAGE,
        { type: "function_call", id: "fc_1", call_id: "c1", name: "f", arguments: '{"a":1}', status: "completed" },
        { type: "custom_tool_call", id: "ctc_1", call_id: "c2", name: "p", namespace: "ns", input: "raw" },
        { type: "mcp_call", id: "mcp_1", name: "m", output: "said" },
        { type: "compaction", id: "cmp_1", encrypted_content: "enc" },
      ],
      usage: {
        input_tokens: 10,
        input_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
        output_tokens: 7,
        output_tokens_details: { reasoning_tokens: 3 },
        total_tokens: 17,
      },
    }, "lab");
    const [candidate] = response.candidates;
    assert.deepEqual(candidate?.parts.map((part) => part.kind), [
      "reasoning",
      "text",
      "tool_call",
      "tool_call",
      "native",
      "compaction",
    ]);
    const [reasoning, text, call, custom, native] = candidate?.parts ?? [];
    assert.deepEqual(reasoning?.opaque, [{ issuer: "lab", kind: "encrypted", value: "enc" }]);
    assert.ok(text?.kind === "text" && text.item?.phase === "final_answer" && text.logprobs?.length === 1);
    assert.ok(call?.kind === "tool_call" && call.id === "c1" && call.itemId === "fc_1" && call.arguments === '{"a":1}');
    assert.ok(custom?.kind === "tool_call" && custom.toolKind === "custom" && custom.namespace === "ns");
    assert.ok(native?.kind === "native" && native.text === "said");
    assert.deepEqual(candidate?.stop, { reason: "tool_calls" });
    assert.deepEqual(response.usage, {
      inputTokens: 10,
      cacheReadTokens: 4,
      cacheWriteTokens: 2,
      outputTokens: 7,
      reasoningTokens: 3,
    });
    assert.equal(response.serviceTier, "flex");
  });

  test("why it stopped", () => {
    const stop = (body: JsonObject) => decodeAnswer({ output: [MESSAGE], ...body }).candidates[0]?.stop;
    assert.deepEqual(stop({ status: "completed" }), { reason: "stop" });
    assert.deepEqual(stop({ status: "incomplete" }), { reason: "max_tokens" });
    const details = (reason: string) => ({ status: "incomplete", incomplete_details: { reason } });
    assert.equal(stop(details("max_output_tokens"))?.reason, "max_tokens");
    assert.equal(stop(details("content_filter"))?.reason, "content_filter");
    assert.deepEqual(stop(details("steered")), { reason: "unknown", raw: "steered" });
    const refusal = [{ ...MESSAGE, content: [{ type: "refusal", refusal: "No" }] }];
    assert.equal(stop({ status: "completed", output: refusal })?.reason, "refusal");
  });

  test("what says and carries nothing is no part", () => {
    const empty = { ...MESSAGE, content: [{ type: "output_text", text: "", annotations: [] }] };
    const response = decodeAnswer({ output: [{ type: "reasoning", id: "rs_1", summary: [] }, empty] });
    assert.deepEqual(response.candidates[0]?.parts, []);
  });

  test("an answer that failed, was cancelled, isn't there yet, or is none", () => {
    const failed = failureOf({ status: "failed", output: [], error: { code: "rate_limit_exceeded", message: "Slow" } });
    assert.deepEqual([failed.kind, failed.message], ["rate_limit", "Slow"]);
    assert.equal(failureOf({ status: "cancelled", output: [] }).kind, "cancelled");
    assert.equal(failureOf({ status: "queued", output: [] }).kind, "upstream_protocol");
    assert.equal(failureOf({ choices: [] }).kind, "upstream_protocol");
    assert.equal(
      failureOf({ output: [{ type: "function_call", call_id: "c", arguments: "" }] }).kind,
      "upstream_protocol",
    );
    assert.equal(failureOf({ output: [5] }).kind, "upstream_protocol");
  });

  test("more cached than there was input: fresh input was counted alone", () => {
    const usage =
      decodeAnswer({ output: [], usage: { input_tokens: 10, input_tokens_details: { cached_tokens: 90 } } }).usage;
    assert.deepEqual([usage?.inputTokens, usage?.cacheReadTokens], [100, 90]);
  });
});

describe("responses encodeResponse", () => {
  const REQUIRED = [
    "id",
    "object",
    "created_at",
    "completed_at",
    "status",
    "incomplete_details",
    "model",
    "previous_response_id",
    "instructions",
    "output",
    "error",
    "tools",
    "tool_choice",
    "truncation",
    "parallel_tool_calls",
    "text",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "top_logprobs",
    "temperature",
    "reasoning",
    "usage",
    "max_output_tokens",
    "max_tool_calls",
    "store",
    "background",
    "service_tier",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
  ];

  test("every member that the schema requires is there", () => {
    const { body } = encodeAnswer([{ kind: "text", text: "Hi" }]);
    for (const key of REQUIRED) assert.ok(body[key] !== undefined, key);
    assert.deepEqual([body["status"], body["model"], body["id"]], ["completed", "asked-for", "resp_1"]);
    assert.deepEqual(Object.keys(body["usage"] as JsonObject), [
      "input_tokens",
      "input_tokens_details",
      "output_tokens",
      "output_tokens_details",
      "total_tokens",
    ]);
  });

  test("the request is echoed, its input isn't", () => {
    const answer = answerTo({
      instructions: "Be brief",
      input: [{ role: "developer", content: "Rules" }, { role: "user", content: "secret words" }],
      tools: [{ type: "function", name: "f" }, {
        type: "namespace",
        name: "ns",
        tools: [{ type: "custom", name: "c" }],
      }],
      tool_choice: "required",
      temperature: 0.5,
      reasoning: { effort: "low", mode: "pro" },
      text: { format: { type: "json_object" } },
      metadata: { a: "b" },
      user: "u1",
      max_tool_calls: 2,
      store: true,
    });
    const body = responses.encodeResponse(
      { id: "x", model: "m", createdAt: 1, candidates: [], usage: undefined },
      answer,
    );
    assert.ok(!JSON.stringify(body).includes("secret words"));
    assert.deepEqual(body["tools"], [
      { description: null, strict: true, type: "function", name: "f", parameters: null },
      { type: "namespace", name: "ns", description: "ns", tools: [{ type: "custom", name: "c" }] },
    ]);
    assert.deepEqual(
      ["instructions", "tool_choice", "temperature", "reasoning", "text", "metadata", "user", "max_tool_calls"].map((
        key,
      ) => body[key]),
      [
        "Be brief",
        "required",
        0.5,
        { effort: "low", summary: null, mode: "pro" },
        { format: { type: "json_object" }, verbosity: "medium" },
        { a: "b" },
        "u1",
        2,
      ],
    );
    assert.equal(body["store"], false);
  });

  test("text in a row is one message, text after a call a new one", () => {
    const call: Part = { kind: "tool_call", id: "c1", name: "f", toolKind: "function", arguments: "" };
    const { body } = encodeAnswer([
      { kind: "text", text: "a" },
      { kind: "refusal", text: "b" },
      call,
      { kind: "text", text: "c" },
    ]);
    assert.deepEqual(withoutIds(body["output"]), [
      {
        type: "message",
        status: "completed",
        role: "assistant",
        content: [
          { type: "output_text", annotations: [], logprobs: [], text: "a" },
          { type: "refusal", refusal: "b" },
        ],
      },
      { type: "function_call", status: "completed", call_id: "c1", name: "f", arguments: "{}" },
      {
        type: "message",
        status: "completed",
        role: "assistant",
        content: [{ type: "output_text", annotations: [], logprobs: [], text: "c" }],
      },
    ]);
    for (const item of itemsOf(body)) assert.match(String(item["id"]), /^(?:msg|fc)_[A-Za-z0-9]{24}$/);
  });

  test("messages keep their ids and phases", () => {
    const part = (text: string, id: string, phase: string): Part => ({ kind: "text", text, item: { id, phase } });
    const { body } = encodeAnswer([part("a", "msg_1", "commentary"), part("b", "msg_2", "final_answer")]);
    assert.deepEqual(itemsOf(body).map((item) => [item["id"], item["phase"]]), [
      ["msg_1", "commentary"],
      ["msg_2", "final_answer"],
    ]);
  });

  test("reasoning: its form decides the place, its maker the seal", () => {
    const encrypted = (part: Part) => itemsOf(encodeAnswer([part]).body)[0] ?? {};
    const own = encrypted({
      kind: "reasoning",
      text: "hm",
      form: "summary",
      opaque: [{ issuer: "openai", kind: "encrypted", value: "enc" }],
    });
    assert.deepEqual([own["summary"], own["encrypted_content"]], [[{ type: "summary_text", text: "hm" }], "enc"]);
    const opaque = [{ issuer: "anthropic", kind: "signature" as const, value: "sig" }];
    const foreign = encrypted({ kind: "reasoning", text: "hm", form: "full", opaque });
    assert.deepEqual([foreign["summary"], foreign["content"]], [[], [{ type: "reasoning_text", text: "hm" }]]);
    assert.deepEqual(openEnvelope(String(foreign["encrypted_content"])), sealWords("hm", opaque));
    const redacted = encrypted({ kind: "reasoning", text: "", form: "redacted", opaque });
    assert.deepEqual([redacted["summary"], redacted["content"]], [[], undefined]);
    const unsigned = encrypted({ kind: "reasoning", text: "hm", form: "full" });
    assert.deepEqual(openEnvelope(String(unsigned["encrypted_content"])), sealWords("hm", []));
    assert.deepEqual(itemsOf(encodeAnswer([{ kind: "reasoning", text: "", form: "full" }]).body), []);
  });

  test("citations that don't say where cite all of their text", () => {
    const { body, losses } = encodeAnswer([
      { kind: "text", text: "one" },
      {
        kind: "text",
        text: "two words",
        citations: [
          { kind: "url", url: "https://e.com" },
          { kind: "url", url: "https://f.com", title: "F", start: 3, end: 6 },
          { kind: "document", unit: "char", index: 0 },
        ],
      },
    ]);
    const content = itemsOf(body)[0]?.["content"] as JsonObject[];
    assert.deepEqual(content[1]?.["annotations"], [
      { type: "url_citation", start_index: 0, end_index: 9, title: "", url: "https://e.com" },
      { type: "url_citation", start_index: 0, end_index: 3, title: "F", url: "https://f.com" },
    ]);
    assert.equal(losses.list.length, 1);
  });

  test("an answer that was cut is incomplete, and so is its last item", () => {
    const { body } = encodeAnswer([{ kind: "text", text: "a" }], "max_tokens");
    assert.deepEqual(
      [body["status"], body["incomplete_details"], body["completed_at"], itemsOf(body)[0]?.["status"]],
      ["incomplete", { reason: "max_output_tokens" }, null, "incomplete"],
    );
  });

  test("built-in items are whole, another format's are words or nothing", () => {
    const value = { type: "web_search_call", id: "ws_1", status: "completed" };
    const { body, losses } = encodeAnswer([
      { kind: "native", format: "responses", value },
      { kind: "native", format: "messages", value: { type: "x" }, text: "E https://e.com" },
      { kind: "native", format: "messages", value: { type: "y" } },
    ]);
    const [search, message, ...rest] = itemsOf(body);
    assert.deepEqual(search, value);
    assert.equal((message?.["content"] as JsonObject[])[0]?.["text"], "E https://e.com");
    assert.deepEqual([rest, losses.list.length], [[], 2]);
  });
});
