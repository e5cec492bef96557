/** What a chat client sends, decoded and encoded again for a chat upstream: the same request. */
import { test } from "bun:test";
import assert from "node:assert/strict";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { parseJson } from "../../../../lib/base/json.ts";
import { decoded, encoded, target } from "./setup.ts";

const weather = {
  type: "function",
  function: {
    name: "weather",
    description: "Tells the weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    strict: true,
  },
};

const fixtures: Record<string, JsonObject> = {
  "a plain question with sampling": {
    messages: [{ role: "system", content: "Be short." }, { role: "user", content: "Hi" }],
    max_tokens: 100,
    temperature: 0,
    top_p: 0.5,
    top_k: 3,
    frequency_penalty: 0.1,
    presence_penalty: -0.1,
    seed: 1,
    logit_bias: { "1": 2 },
    n: 1,
    stop: ["a", "b", "c", "d", "e"],
    logprobs: true,
    top_logprobs: 2,
    user: "ann",
  },
  "a tool loop": {
    messages: [
      { role: "user", content: "Weather in Bonn and Rome?" },
      {
        role: "assistant",
        content: null,
        tool_calls: [
          { id: "call_1", type: "function", function: { name: "weather", arguments: '{"city": "Bonn"}' } },
          { id: "functions.weather:1", type: "function", function: { name: "weather", arguments: "" } },
        ],
      },
      { role: "tool", tool_call_id: "call_1", content: "Rain", name: "weather" },
      { role: "tool", tool_call_id: "functions.weather:1", content: "Sun", cost: 2 },
      { role: "assistant", content: "Rain and sun.", name: "bot" },
      { role: "user", content: "Thanks", name: "ann" },
    ],
    tools: [weather],
    tool_choice: "required",
    parallel_tool_calls: true,
  },
  "custom tools": {
    messages: [
      { role: "user", content: "Fix it" },
      {
        role: "assistant",
        content: "Now:",
        tool_calls: [{ id: "c", type: "custom", custom: { name: "patch", input: "*** Begin" } }],
      },
      { role: "tool", tool_call_id: "c", content: "done" },
    ],
    tools: [
      {
        type: "custom",
        custom: {
          name: "patch",
          description: "d",
          format: { type: "grammar", grammar: { syntax: "lark", definition: "start: A" } },
        },
      },
      { type: "custom", custom: { name: "free", format: { type: "text" } } },
    ],
    tool_choice: {
      type: "allowed_tools",
      allowed_tools: { mode: "auto", tools: [{ type: "custom", custom: { name: "patch" } }] },
    },
  },
  "content of all kinds": {
    messages: [
      { role: "developer", content: "Look closely." },
      {
        role: "user",
        content: [
          { type: "text", text: "What is this?", prompt_cache_breakpoint: { mode: "explicit", ttl: "30m" } },
          { type: "image_url", image_url: { url: "data:image/png;base64,AAAA", detail: "original" } },
          { type: "image_url", image_url: { url: "https://example.com/a.png" } },
          { type: "input_audio", input_audio: { data: "BBBB", format: "wav" } },
          { type: "file", file: { file_data: "data:application/pdf;base64,CCCC", filename: "a.pdf" } },
          { type: "file", file: { file_id: "file-1" } },
          { type: "video_url", video_url: { url: "https://example.com/a.mp4" } },
          { type: "document_url", document_url: "https://example.com/a.pdf" },
          { type: "hologram", size: 3 },
        ],
      },
      { role: "assistant", content: null, refusal: "No." },
      { role: "system", content: "Go on." },
      { role: "user", content: [{ type: "text", text: "Why?" }, { type: "text", text: "Really." }] },
    ],
  },
  "a tool result with an image, as some servers take it": {
    messages: [
      { role: "user", content: "x" },
      {
        role: "assistant",
        content: "",
        tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
      },
      {
        role: "tool",
        tool_call_id: "c",
        content: [{ type: "text", text: "a" }, { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }],
      },
    ],
  },
  "thinking under the name that it came by": {
    messages: [
      { role: "user", content: "x" },
      { role: "assistant", content: "a", reasoning_content: "t" },
      { role: "user", content: "x" },
      { role: "assistant", content: "a", reasoning: "t" },
      { role: "user", content: "x" },
      {
        role: "assistant",
        content: "a",
        reasoning_details: [
          { type: "reasoning.text", text: "t", signature: "s", format: "anthropic-claude-v1", index: 0 },
          { type: "reasoning.encrypted", data: "r", format: "anthropic-claude-v1", index: 1 },
          { type: "reasoning.summary", summary: "u", id: "rs_1", format: "openai-responses-v1", index: 2 },
          { type: "reasoning.encrypted", data: "e", id: "rs_1", format: "openai-responses-v1", index: 3 },
        ],
      },
      { role: "user", content: "x" },
      {
        role: "assistant",
        content: [{ type: "thinking", thinking: [{ type: "text", text: "t" }], signature: "s" }, {
          type: "text",
          text: "a",
        }],
      },
      { role: "user", content: "x" },
    ],
  },
  "a signature on a call": {
    messages: [
      { role: "user", content: "x" },
      {
        role: "assistant",
        content: null,
        tool_calls: [{
          id: "c",
          type: "function",
          function: { name: "f", arguments: "{}" },
          extra_content: { google: { thought_signature: "s" } },
        }],
      },
      { role: "tool", tool_call_id: "c", content: "1" },
    ],
  },
  "everything about the answer": {
    messages: [{ role: "user", content: "x" }],
    max_completion_tokens: 5,
    response_format: {
      type: "json_schema",
      json_schema: { name: "n", description: "d", schema: { type: "object" }, strict: true },
    },
    verbosity: "low",
    reasoning_effort: "minimal",
    modalities: ["text", "audio"],
    audio: { voice: "alloy", format: "wav" },
    prediction: { type: "content", content: "x" },
    service_tier: "flex",
    safety_identifier: "u",
    metadata: { a: "b" },
    store: true,
    prompt_cache_key: "k",
    prompt_cache_options: { mode: "implicit", ttl: "30m" },
    web_search_options: { search_context_size: "low" },
  },
  "a stream with its options": {
    messages: [{ role: "user", content: "x" }],
    stream: true,
    stream_options: { include_usage: true, include_obfuscation: true, continuous_usage_stats: true },
  },
  "members that nobody knows, everywhere": {
    messages: [
      { role: "system", content: "s", name: "rules", weight: 1 },
      {
        role: "user",
        content: [{ type: "text", text: "x", cache_control: { type: "ephemeral" }, tone: "dry" }],
        mood: "good",
      },
      {
        role: "assistant",
        content: "a",
        prefix: true,
        tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}", lang: "en" }, trace: "t" }],
      },
      { role: "tool", tool_call_id: "c", content: "1" },
    ],
    tools: [
      {
        type: "function",
        function: { name: "f", parameters: {}, examples: [1] },
        cache_control: { type: "ephemeral" },
      },
      { type: "lab:search", engine: "x" },
    ],
    min_p: 0.1,
    provider: { order: ["a"] },
    response_format: { type: "grammar", grammar: "g" },
    reasoning_effort: "default",
    tool_choice: "sometimes",
    user: "old",
    safety_identifier: "new",
  },
};

for (const [name, body] of Object.entries(fixtures)) {
  test(name, () => {
    const whole = { model: "small-1", ...body };
    const result = encoded(decoded(whole));
    assert.deepEqual(result.body, whole);
    assert.deepEqual(result.losses, []);
  });
}

test("a seed beyond 2^53 keeps its digits", () => {
  const seed = '{"seed":12345678901234567890}';
  const body = encoded(decoded(parseJson(seed) as JsonObject)).body;
  assert.equal(JSON.stringify({ seed: body["seed"] }), seed);
});

test("a stream always asks for its usage", () => {
  assert.deepEqual(encoded(decoded({ stream: true })).body["stream_options"], { include_usage: true });
  const body =
    encoded(decoded({ stream: true, stream_options: { x: 1 } }), target({ flags: ["no_stream_options"] })).body;
  assert.equal(body["stream"], true);
  assert.equal("stream_options" in body, false);
});

test("deprecated functions come out as tools, with the same meaning", () => {
  const { body } = encoded(decoded({
    messages: [
      { role: "user", content: "x" },
      { role: "assistant", content: null, function_call: { name: "f", arguments: "{}" } },
      { role: "function", name: "f", content: "1" },
    ],
    functions: [{ name: "f", parameters: { type: "object" }, more: 1 }],
    function_call: "auto",
  }));
  assert.deepEqual(body["tools"], [{
    type: "function",
    function: { name: "f", parameters: { type: "object" } },
    more: 1,
  }]);
  assert.equal(body["tool_choice"], "auto");
  assert.deepEqual((body["messages"] as JsonObject[]).slice(1), [
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "call_fn_1", type: "function", function: { name: "f", arguments: "{}" } }],
    },
    { role: "tool", tool_call_id: "call_fn_1", content: "1", name: "f" },
  ]);
});
