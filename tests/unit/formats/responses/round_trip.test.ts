import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { sealEnvelope } from "../../../../lib/translation/envelope.ts";
import { decode, encode, MODEL, target } from "./support.ts";

const FUNCTION = {
  type: "function",
  name: "shell",
  description: "Runs",
  parameters: { type: "object", properties: {} },
  strict: false,
};
const CITED = {
  type: "output_text",
  text: "Found",
  annotations: [
    { type: "url_citation", start_index: 0, end_index: 5, title: "E", url: "https://e.com" },
    { type: "file_citation", file_id: "file-1", filename: "a.txt", index: 0 },
    { type: "container_file_citation", container_id: "c", file_id: "f", filename: "b", start_index: 0, end_index: 1 },
  ],
};

/** Bodies that come back as they went in: already in the form that the encoder writes. */
const BODIES: Record<string, JsonObject> = {
  agent: {
    instructions: "Be brief",
    input: [
      { type: "message", role: "developer", id: "msg_d", content: "Rules" },
      { type: "message", role: "system", content: "More rules" },
      {
        type: "message",
        role: "user",
        content: [
          { type: "input_text", text: "Look", prompt_cache_breakpoint: { mode: "explicit", ttl: "12h" } },
          { type: "input_image", image_url: "data:image/png;base64,AA==", detail: "original" },
          { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,AA==" },
          { type: "input_video", video_url: "https://e.com/a.mp4" },
        ],
      },
      {
        type: "reasoning",
        id: "rs_1",
        summary: [{ type: "summary_text", text: "a" }, { type: "summary_text", text: "b" }],
        content: [{ type: "reasoning_text", text: "c" }],
        encrypted_content: "enc",
        status: "completed",
      },
      {
        type: "message",
        id: "msg_1",
        status: "completed",
        role: "assistant",
        phase: "commentary",
        content: [CITED, { type: "refusal", refusal: "No" }],
        made_up: 1,
      },
      { type: "message", id: "msg_2", status: "completed", role: "assistant", phase: "final_answer", content: [CITED] },
      { type: "function_call", id: "fc_1", call_id: "c1", name: "shell", arguments: '{ "a":1}', status: "completed" },
      { type: "custom_tool_call", id: "ctc_1", call_id: "c2", name: "patch", namespace: "ns", input: "*** raw" },
      { type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search", query: "q" } },
      { type: "function_call_output", call_id: "c1", output: "ok", status: "completed" },
      {
        type: "custom_tool_call_output",
        id: "ctco_1",
        call_id: "c2",
        output: [{ type: "input_text", text: "a" }, { type: "input_image", file_id: "file-1", detail: "auto" }],
      },
      { type: "tool_search_call", call_id: "c3", status: "completed", execution: "client", arguments: { query: "q" } },
      { type: "tool_search_output", call_id: "c3", status: "completed", execution: "client", tools: [FUNCTION] },
      { type: "item_reference", id: "rs_0" },
      { type: "compaction", id: "cmp_1", encrypted_content: "enc" },
      { type: "message", role: "developer", content: "Now" },
      { type: "message", role: "user", content: "Go on" },
    ],
    tools: [
      FUNCTION,
      { ...FUNCTION, name: "later", defer_loading: true, output_schema: { type: "object" } },
      { type: "custom", name: "patch", format: { type: "grammar", syntax: "lark", definition: "start: /x/" } },
      { type: "namespace", name: "ns", description: "N", tools: [FUNCTION, { type: "custom", name: "patch" }] },
      { type: "web_search", search_context_size: "low" },
      { type: "tool_search" },
      { type: "tool_search", execution: "client", description: "Finds.", parameters: { type: "object" } },
    ],
    tool_choice: { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "shell" }] },
    parallel_tool_calls: true,
    reasoning: { effort: "high", summary: "auto", context: "all_turns" },
    include: ["reasoning.encrypted_content"],
    text: {
      format: { type: "json_schema", name: "s", schema: {}, strict: true, made_up: 1 },
      verbosity: "low",
      tone: "dry",
    },
    store: false,
    stream: true,
    stream_options: { include_obfuscation: true },
    prompt_cache_key: "k",
    prompt_cache_options: { mode: "explicit", ttl: "12h", prewarm: true },
    user: "u1",
    metadata: { a: "b" },
    service_tier: "priority",
    client_metadata: { x: 1 },
    "odd.name": true,
  },
  stored: {
    input: [{ type: "function_call_output", call_id: "c1", output: "ok" }],
    previous_response_id: "resp_0",
    store: true,
    background: true,
    truncation: "auto",
    safety_identifier: "u".repeat(80),
    max_output_tokens: 16,
    max_tool_calls: 3,
    tool_choice: { type: "function", name: "shell", namespace: "ns" },
    context_management: [{ type: "compaction", compact_threshold: 9 }],
    prompt_cache_retention: "24h",
  },
  "tools in the conversation": {
    input: [
      { type: "additional_tools", role: "developer", tools: [FUNCTION, { type: "custom", name: "exec" }] },
      { type: "message", role: "developer", content: "Rules" },
      { type: "message", role: "user", content: "Hi" },
      { type: "additional_tools", role: "developer", id: "at_1", tools: [{ ...FUNCTION, name: "more" }] },
      { type: "message", role: "user", content: "Go" },
    ],
  },
  "a stored prompt": { prompt: { id: "pmpt_1", variables: { a: "b" } }, conversation: { id: "conv_1" } },
};

describe("responses → neutral → responses", () => {
  for (const [name, body] of Object.entries(BODIES)) {
    test(name, () => {
      const { body: encoded, lost } = encode(decode(body));
      assert.deepEqual(encoded, { model: MODEL, ...body });
      assert.deepEqual(lost, []);
    });
  }

  test("reasoning of another maker's is left out, and the ids that hang on it", () => {
    const sealed = sealEnvelope([{ issuer: "anthropic", kind: "signature", value: "sig" }]);
    const { body, lost } = encode(decode({
      input: [
        { type: "message", role: "user", content: "Hi" },
        { type: "reasoning", id: "rs_1", summary: [], encrypted_content: sealed },
        { type: "function_call", id: "fc_1", call_id: "c1", name: "f", arguments: "{}" },
        { type: "function_call_output", call_id: "c1", output: "" },
      ],
    }));
    assert.deepEqual((body["input"] as JsonObject[])[1], {
      type: "function_call",
      call_id: "c1",
      name: "f",
      arguments: "{}",
    });
    assert.deepEqual(lost, ["input[1]"]);
  });

  test("native reasoning doesn't go to another family", () => {
    const input = [{ type: "reasoning", id: "rs_1", summary: [], encrypted_content: "enc" }, {
      role: "user",
      content: "Hi",
    }];
    const { body, lost } = encode(decode({ input }), target({ family: "lab" }));
    assert.deepEqual([(body["input"] as unknown[]).length, lost], [1, ["input[0]"]]);
  });
});
