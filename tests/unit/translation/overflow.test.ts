import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import { isContextOverflow, type OverflowNumbers, overflowNumbers } from "../../../lib/translation/overflow.ts";

const OVERFLOWS: [string, string, OverflowNumbers][] = [
  ["messages", "prompt is too long: 213462 tokens > 200000 maximum", { tokens: 213462, limit: 200000 }],
  [
    "messages, both together",
    "input length and `max_tokens` exceed context limit: 189136 + 20000 > 204648, decrease input length",
    { tokens: 189136, outputTokens: 20000, limit: 204648 },
  ],
  [
    "chat",
    "This model's maximum context length is 4097 tokens. However, your messages resulted in 4294 tokens.",
    { tokens: 4294, limit: 4097 },
  ],
  [
    "chat with a completion",
    "This model's maximum context length is 4096 tokens. However, you requested 4222 tokens " +
    "(1222 in the messages, 3000 in the completion).",
    { tokens: 1222, outputTokens: 3000, limit: 4096 },
  ],
  [
    "a completion of 0",
    "This model's maximum context length is 1048565 tokens. However, you requested 1250025 tokens " +
    "(1250025 in the messages, 0 in the completion).",
    { tokens: 1250025, limit: 1048565 },
  ],
  [
    "a router",
    "This endpoint's maximum context length is 32768 tokens. However, you requested about 42832 tokens (42832 of text).",
    { tokens: 42832, limit: 32768 },
  ],
  ["responses", "Your input exceeds the context window of this model.", {}],
  ["a code", "context_length_exceeded", {}],
  [
    "gemini",
    "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
    { tokens: 1196265, limit: 1048575 },
  ],
  [
    "grok",
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    { tokens: 537812, limit: 131072 },
  ],
  [
    "llama.cpp",
    "the request (5,012 tokens) exceeds the available context size (4,096 tokens)",
    { tokens: 5012, limit: 4096 },
  ],
  ["bedrock", "Input is too long for requested model.", {}],
  ["ollama", "prompt too long; exceeded max context length by 1119046 tokens", {}],
  ["perplexity", "The total length of all messages is too long.", {}],
];

describe("context overflow", () => {
  for (const [who, text, numbers] of OVERFLOWS) {
    test(who, () => {
      assert.equal(isContextOverflow(text), true);
      assert.deepEqual(overflowNumbers(text), numbers);
    });
  }

  for (
    const text of [
      "Too many tokens, please wait before trying again.",
      "This request would exceed your organization's rate limit of 30,000 input tokens per minute.",
      "max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
      "Invalid 'user': string too long. Expected a string with maximum length 64",
      "Missing required parameter: 'input'.",
    ]
  ) {
    test(`not: ${text.slice(0, 30)}`, () => assert.equal(isContextOverflow(text), false));
  }
});
