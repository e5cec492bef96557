/**
 * What models can do, as data: one line a class of models, the first pattern that matches the model's name wins, and an
 * unknown newer model of a family gets the newest class of that family. Source: TRANSLATION.md, 2.1, 2.2 and 2.7.
 */
import type { Effort, FormatName } from "./neutral.ts";

export interface Capabilities {
  /** Tokens the model can write at most; undefined where nobody knows. */
  maxOutputTokens?: number;
  /** Tokens of the whole context. */
  contextTokens?: number;
  /**
   * How thinking is asked for: `adaptive` (Claude 4.6 and later: adaptive + effort), `budget` (older Claude),
   * `effort` (OpenAI's reasoning models), `none` (the model doesn't reason), `unknown`.
   */
  thinking: "adaptive" | "budget" | "effort" | "none" | "unknown";
  /** The effort words it takes, weakest first; undefined: all. */
  efforts?: readonly Effort[];
  /** `output_config.effort` beside a budget (Opus 4.5). */
  effortBesideBudget?: boolean;
  /** A model with a budget that can be told not to show its thinking. Adaptive ones all can. */
  hidesThinking?: true;
  /**
   * Which sampling fields it takes: `all`; `none` (OpenAI's reasoning models refuse temperature, top_p, penalties,
   * logprobs and logit_bias); `fixed` (Claude after Opus 4.6: only temperature 1, top_p ≥ 0.99, no top_k).
   */
  sampling: "all" | "none" | "fixed";
  /** temperature and top_p may be sent together. */
  temperatureWithTopP: boolean;
  /** Takes a last message of the assistant's as the beginning of its answer. */
  prefill: boolean;
  /** Takes `role: "system"` within `messages`. */
  midConversationSystem: boolean;
  /** System text goes by the role `developer`. */
  developerRole: boolean;
  /** Takes `stop` / `stop_sequences`. */
  stopSequences: boolean;
  /** With function tools, Chat Completions refuses any reasoning effort but `none`: prefer the Responses API. */
  toolsNeedResponses: boolean;
  /** Takes marks at which the prompt's cache is to end, where older models of the maker refuse them. */
  cacheMarks?: true;
}

const PLAIN: Capabilities = {
  thinking: "unknown",
  sampling: "all",
  temperatureWithTopP: true,
  prefill: true,
  midConversationSystem: false,
  developerRole: false,
  stopSequences: true,
  toolsNeedResponses: false,
};

const CLAUDE_OLD: Capabilities = {
  ...PLAIN,
  thinking: "none",
  maxOutputTokens: 8192,
  contextTokens: 200_000,
  temperatureWithTopP: false,
};
const CLAUDE_BUDGET: Capabilities = { ...CLAUDE_OLD, thinking: "budget", maxOutputTokens: 64_000 };
const CLAUDE_ADAPTIVE: Capabilities = {
  ...CLAUDE_BUDGET,
  thinking: "adaptive",
  efforts: ["low", "medium", "high", "max"],
  maxOutputTokens: 128_000,
};
const CLAUDE_NEWEST: Capabilities = {
  ...CLAUDE_ADAPTIVE,
  efforts: ["low", "medium", "high", "xhigh", "max"],
  sampling: "fixed",
  prefill: false,
  midConversationSystem: true,
};
const GPT_REASONING: Capabilities = {
  ...PLAIN,
  thinking: "effort",
  efforts: ["minimal", "low", "medium", "high"],
  sampling: "none",
  developerRole: true,
  maxOutputTokens: 128_000,
  contextTokens: 400_000,
};
const GPT_NEWEST: Capabilities = {
  ...GPT_REASONING,
  efforts: ["none", "low", "medium", "high", "xhigh"],
  toolsNeedResponses: true,
};

/** First match wins. Names may carry a maker's prefix (`anthropic/claude-…`, `us.anthropic.claude-…`). */
const CLASSES: readonly (readonly [RegExp, Capabilities])[] = [
  [/claude-(?:instant|2|3-(?:opus|sonnet|haiku)|3-5)/, CLAUDE_OLD],
  [/claude-3-7/, CLAUDE_BUDGET],
  [/claude-opus-4-5/, {
    ...CLAUDE_BUDGET,
    hidesThinking: true,
    effortBesideBudget: true,
    efforts: ["low", "medium", "high"],
  }],
  [/claude-(?:sonnet|haiku)-4-5/, { ...CLAUDE_BUDGET, hidesThinking: true }],
  [/claude-opus-4(?:-0|-1|-2\d{7}|@|$)/, { ...CLAUDE_BUDGET, maxOutputTokens: 32_000, temperatureWithTopP: true }],
  [/claude-(?:sonnet|haiku)-4(?:-0|-2\d{7}|@|$)/, CLAUDE_BUDGET],
  [/claude-(?:opus|sonnet|haiku)-4-6/, CLAUDE_ADAPTIVE],
  [/claude/, CLAUDE_NEWEST],
  [/gpt-5[^/]*-chat/, { ...PLAIN, thinking: "none", maxOutputTokens: 16_384, contextTokens: 128_000 }],
  [/(?:^|\/)o[134](?:-|$)/, {
    ...GPT_REASONING,
    efforts: ["low", "medium", "high"],
    maxOutputTokens: 100_000,
    contextTokens: 200_000,
    stopSequences: false,
  }],
  [/gpt-5(?:$|-(?:mini|nano|pro|codex|2\d{3}))/, GPT_REASONING],
  [/gpt-5\.[123](?:\D|$)/, { ...GPT_NEWEST, toolsNeedResponses: false }],
  [/gpt-(?:5\.(?:[6-9]|\d\d)|[6-9]|\d\d)/, { ...GPT_NEWEST, cacheMarks: true }],
  [/gpt-(?:[5-9]|\d\d)/, GPT_NEWEST],
  [/gpt-4\.1/, { ...PLAIN, thinking: "none", maxOutputTokens: 32_768, contextTokens: 1_047_576 }],
  [/gpt-4o|chatgpt-4o/, { ...PLAIN, thinking: "none", maxOutputTokens: 16_384, contextTokens: 128_000 }],
  [/gpt-(?:3|4)/, { ...PLAIN, thinking: "none" }],
];

export function capabilitiesOf(model: string): Capabilities {
  const name = model.toLowerCase();
  for (const [pattern, capabilities] of CLASSES) if (pattern.test(name)) return capabilities;
  return PLAIN;
}

/**
 * In which of a provider's formats a translated request is sent: the first, but for a model that can't both reason and
 * call tools there (TRANSLATION.md, 2.1 and case 29).
 */
export function translatedFormat(
  { toolsNeedResponses }: Capabilities,
  formats: readonly FormatName[],
  hasTools: boolean,
): FormatName {
  const [first = "chat"] = formats;
  const prefersResponses = hasTools && toolsNeedResponses && first === "chat" && formats.includes("responses");
  return prefersResponses ? "responses" : first;
}
