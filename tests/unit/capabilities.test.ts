import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { type Capabilities, capabilitiesOf } from "../../lib/capabilities.ts";

type Row = readonly [name: string, says: { readonly [K in keyof Capabilities]?: Capabilities[K] | undefined }];

function table(rows: readonly Row[]): void {
  for (const [name, says] of rows) {
    test(name, () => {
      const found = capabilitiesOf(name);
      assert.deepEqual(
        Object.fromEntries(Object.keys(says).map((key) => [key, found[key as keyof Capabilities]])),
        says,
      );
    });
  }
}

describe("Claude", () => {
  const always = { thinking: "adaptive", thinkingOff: "never", forcedTools: false, sampling: "fixed" } as const;
  const newer = { thinking: "adaptive", thinkingOff: "disabled", forcedTools: true, sampling: "fixed" } as const;
  table([
    ["claude-2.1", { thinking: "none", inputs: ["text"], prefill: true }],
    ["anthropic.claude-v2:1", { thinking: "none", inputs: ["text"] }],
    ["claude-3-opus-20240229", { thinking: "none", maxOutputTokens: 4096 }],
    ["claude-3-5-haiku-latest", { thinking: "none", maxOutputTokens: 8192 }],
    ["us.anthropic.claude-3-7-sonnet-20250219-v1:0", { thinking: "budget", maxOutputTokens: 64_000 }],
    ["claude-sonnet-4-20250514", { thinking: "budget", hidesThinking: undefined }],
    ["claude-opus-4-1-20250805", { thinking: "budget", maxOutputTokens: 32_000 }],
    ["claude-opus-4-5", { thinking: "budget", effortBesideBudget: true, maxOutputTokens: 64_000 }],
    ["anthropic/claude-haiku-4.5", { thinking: "budget", hidesThinking: true, contextTokens: 200_000 }],
    ["claude-opus-4-6", { thinking: "adaptive", sampling: "all", efforts: ["low", "medium", "high", "max"] }],
    ["claude-opus-4-7", newer],
    ["claude-opus-5", newer],
    ["claude-opus-5-20260801", newer],
    ["claude-sonnet-5", newer],
    ["claude-haiku-5-5", newer],
    ["claude-fable-5", { ...always, forcedTools: true }],
    ["claude-fable-5-1", always],
    ["claude-sonnet-5-5", { ...always, thinkingOff: "between_tools" }],
    ["claude-opus-5-5", { ...always, prefill: false, midConversationSystem: true, contextTokens: 1_000_000 }],
    ["claude-opus-9", always],
  ]);
});

describe("OpenAI", () => {
  table([
    ["gpt-3.5-turbo", { thinking: "none", tokenizer: "cl100k_base", inputs: ["text"] }],
    ["gpt-4-0613", { tokenizer: "cl100k_base", inputs: ["text"] }],
    ["gpt-4o-mini", { thinking: "none", tokenizer: "o200k_base", maxOutputTokens: 16_384 }],
    ["gpt-4o-audio-preview", { inputs: ["text", "audio"] }],
    ["openai/gpt-4.1-nano", { thinking: "none", contextTokens: 1_047_576 }],
    ["o3-mini", { thinking: "effort", efforts: ["low", "medium", "high"], stopSequences: false, inputs: ["text"] }],
    ["o3-pro", { responsesOnly: true }],
    ["gpt-5-mini-2025-08-07", { efforts: ["minimal", "low", "medium", "high"], stopSequences: false }],
    ["gpt-5-chat-latest", { thinking: "none", sampling: "all" }],
    ["gpt-5-codex", { responsesOnly: true }],
    ["gpt-5.1", { efforts: ["none", "low", "medium", "high"], toolsNeedResponses: false }],
    ["gpt-5.2-pro", { responsesOnly: true, toolsNeedResponses: false }],
    ["gpt-5.3-codex", { responsesOnly: true }],
    ["gpt-5.4-mini", { toolsNeedResponses: true, cacheMarks: undefined }],
    ["gpt-5.5", { efforts: ["none", "low", "medium", "high", "xhigh"] }],
    ["gpt-5.6-sol", {
      toolsNeedResponses: true,
      cacheMarks: true,
      efforts: ["none", "low", "medium", "high", "xhigh", "max"],
    }],
    ["gpt-6-astra", { efforts: ["low", "medium", "high", "xhigh", "max"] }],
    ["gpt-6.1-sol", { toolsNeedResponses: true, contextTokens: 1_050_000 }],
    ["gpt-7", { toolsNeedResponses: true, cacheMarks: true }],
    ["openai/gpt-oss-120b", { maker: "openai-open", sampling: "all", efforts: ["low", "medium", "high"] }],
  ]);
});

describe("others", () => {
  table([
    ["gemini-2.5-flash", { maker: "google", efforts: ["none", "low", "medium", "high"] }],
    ["google/gemini-3.1-pro-preview", { efforts: ["low", "medium", "high"] }],
    ["gemini-3.8-flash", { efforts: ["minimal", "low", "medium", "high"], contextTokens: 1_048_576 }],
    ["deepseek-chat", { inputs: ["text"], thinking: "unknown" }],
    ["deepseek-v4-flash-vision-exp", { inputs: undefined }],
    ["meta-llama/Llama-3.3-70B-Instruct", { inputs: ["text"] }],
    ["llama-3.2-90b-vision-preview", { inputs: ["text", "image"] }],
    ["meta-llama/llama-4-scout-17b-16e-instruct", { inputs: undefined }],
    ["qwen-3-coder-480b", { inputs: ["text"] }],
    ["Qwen/Qwen2.5-VL-72B-Instruct", { inputs: undefined }],
    ["mistral-small-latest", { inputs: undefined, sampling: "all" }],
    ["grok-3-mini", { efforts: ["low", "high"] }],
    ["glm-4.7", { inputs: ["text"] }],
    ["glm-4.6v", { inputs: undefined }],
    ["moonshotai/kimi-k2", { inputs: ["text"] }],
    ["kimi-k2.7-code", { inputs: undefined }],
    ["nobodys-model", { maker: undefined, thinking: "unknown", inputs: undefined }],
  ]);
});

describe("the config's rules", () => {
  const rules = [
    { match: "lab/claude-*", says: { maxOutputTokens: 1 } },
    { match: "claude-*", says: { maxOutputTokens: 2 } },
    { match: "exact", says: { inputs: ["text"] } },
  ] as const;
  test("the first that matches wins, and says no more than it says", () => {
    const found = capabilitiesOf("claude-opus-4-6", rules, "lab");
    assert.deepEqual(found, { ...capabilitiesOf("claude-opus-4-6"), maxOutputTokens: 1 });
    assert.equal(capabilitiesOf("claude-opus-4-6", rules, "other").maxOutputTokens, 2);
    assert.deepEqual(capabilitiesOf("exact", rules).inputs, ["text"]);
    assert.equal(capabilitiesOf("exactly", rules).inputs, undefined);
  });
});
