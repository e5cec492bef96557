import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { sealEnvelope } from "../../../../lib/translation/envelope.ts";
import { decode, encode, meaning, target } from "./support.ts";

/** Decoded and encoded again for Anthropic, a request says the same, and nothing is lost. */
function survives(body: JsonObject): void {
  const whole = { model: "claude-opus-5-5", max_tokens: 100, messages: [{ role: "user", content: "Hi" }], ...body };
  const { body: again, losses } = encode(decode(whole));
  assert.deepEqual(meaning(again), meaning(whole));
  assert.deepEqual(losses, []);
}

const MARK = { type: "ephemeral", ttl: "1h" };

describe("messages round trip", () => {
  test("every top-level field, known and unknown", () => {
    survives({
      system: [{ type: "text", text: "x-anthropic-billing-header: a" }, {
        type: "text",
        text: "Be.",
        cache_control: MARK,
      }],
      stream: true,
      temperature: 0.1,
      top_p: 0.2,
      top_k: 3,
      stop_sequences: ["a", "\n"],
      service_tier: "standard_only",
      metadata: { user_id: '{"session_id":"s"}', team: "t" },
      thinking: { type: "adaptive", display: "updates", block_binding: { a: 1 } },
      output_config: {
        effort: "max",
        format: { type: "json_schema", schema: { minimum: 1 }, name: "n" },
        task_budget: {},
      },
      context_management: { edits: [{ type: "clear_thinking_20251015" }] },
      cache_control: { type: "ephemeral", scope: "global" },
      thread: { type: "continue", previous_message_id: "msg_1" },
      container: { id: "c", skills: [] },
      mcp_servers: [{ type: "url", name: "s", url: "https://s" }],
      speed: "fast",
      brand_new: [1, { a: null }],
    });
  });

  test("thinking of each kind", () => {
    survives({ thinking: { type: "enabled", budget_tokens: 5000, display: "omitted" } });
    survives({ thinking: { type: "disabled" } });
    survives({ thinking: { type: "between_tools" } });
    survives({ thinking: { type: "later" }, output_config: { effort: "ultra" } });
    survives({ output_format: { type: "json_schema", schema: { type: "object" } }, output_config: { effort: "low" } });
    survives({ output_config: { format: { type: "regex", pattern: "a+" } } });
  });

  test("every block, with members nobody knows", () => {
    survives({
      messages: [
        { role: "system", content: "Environment", output_config: { effort: "low" }, clear_at: "never" },
        { role: "system", output_config: { effort: "high" } },
        {
          role: "user",
          content: [
            { type: "text", text: "", glow: 1 },
            {
              type: "image",
              source: { type: "base64", media_type: "image/png", data: "AA", hue: 2 },
              transformations: {},
            },
            { type: "image", source: { type: "file", file_id: "file_1" }, cache_control: MARK },
            { type: "image", source: { type: "hologram" } },
            {
              type: "document",
              source: { type: "url", url: "https://a" },
              title: "T",
              context: "C",
              citations: { enabled: false },
            },
            { type: "document", source: { type: "content", content: [{ type: "text", text: "x" }] } },
            {
              type: "document",
              source: { type: "text", media_type: "text/plain", data: "x" },
              citations: { enabled: true, more: 1 },
            },
            {
              type: "search_result",
              source: "s",
              title: "t",
              content: [{ type: "text", text: "x" }],
              citations: { enabled: true },
            },
            { type: "container_upload", file_id: "f", cache_control: MARK },
          ],
          mood: "good",
        },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "", signature: "sig" },
            { type: "redacted_thinking", data: "xyz" },
            {
              type: "text",
              text: "x",
              citations: [{
                type: "page_location",
                cited_text: "c",
                document_index: 0,
                start_page_number: 1,
                end_page_number: 2,
                file_id: "f",
              }],
            },
            {
              type: "text",
              text: "y",
              citations: [{
                type: "search_result_location",
                cited_text: "c",
                search_result_index: 0,
                source: "s",
                start_block_index: 0,
                end_block_index: 1,
              }],
            },
            { type: "server_tool_use", id: "s", name: "web_search", input: {} },
            { type: "compaction", content: "So far", encrypted_content: "e", signature: "s", tool_changes: [] },
            {
              type: "tool_use",
              id: "t.1",
              name: "look at",
              input: { a: { b: [] } },
              toolset_name: "browser",
              cache_control: MARK,
            },
            { type: "tool_use", id: "t2", name: "look", input: {} },
          ],
        },
        {
          role: "user",
          content: [
            {
              type: "tool_result",
              tool_use_id: "t2",
              content: [{ type: "tool_reference", tool_name: "look" }],
              is_error: false,
            },
            { type: "tool_result", tool_use_id: "t.1" },
            {
              type: "tool_result",
              tool_use_id: "orphan",
              content: [{ type: "text", text: "x", cache_control: MARK }],
              is_error: true,
            },
            { type: "text", text: "And?" },
          ],
        },
        { role: "user", content: "" },
        { role: "assistant", content: [] },
        { role: "assistant", content: "Once upon " },
      ],
    });
  });

  test("tools and the choice", () => {
    survives({
      tools: [
        {
          name: "n".repeat(100),
          description: "d",
          input_schema: { $schema: "x" },
          strict: true,
          defer_loading: true,
          eager_input_streaming: true,
          input_examples: [{}],
          cache_control: { type: "ephemeral", scope: "global" },
        },
        {
          type: "web_search_20260318",
          name: "web_search",
          max_uses: 2,
          response_inclusion: "full",
          cache_control: MARK,
        },
        { type: "text_editor_20250728", name: "str_replace_based_edit_tool", max_characters: 9 },
        { type: "mcp_toolset", mcp_server_name: "s" },
        { type: "tool_search_tool_regex_20251119", name: "tool_search_tool_regex" },
      ],
      tool_choice: { type: "tool", name: "n".repeat(100), disable_parallel_tool_use: true },
    });
    survives({ tool_choice: { type: "later", a: 1 } });
  });

  test("what the gateway sealed is opened for its maker, and left out for others", () => {
    const of = (issuer: string) => {
      const sealed = sealEnvelope([{ issuer, kind: "signature", value: "sig" }]);
      const content = [{ type: "thinking", thinking: "Hm", signature: sealed }, { type: "text", text: "x" }];
      const { body, losses } = encode(decode({ messages: [{ role: "assistant", content }] }), target());
      return { content: (body["messages"] as { content: unknown }[])[0]?.content, losses };
    };
    assert.deepEqual(of("anthropic"), {
      content: [{ type: "thinking", thinking: "Hm", signature: "sig" }, { type: "text", text: "x" }],
      losses: [],
    });
    assert.deepEqual(of("openai"), { content: "x", losses: ["messages[0].content[0]"] });
  });
});
