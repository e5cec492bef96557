/**
 * What models can do, as data: one line a class of models, the first pattern that matches the model's name wins, and an
 * unknown newer model of a family gets the newest class of that family. The config's `capabilities` go before it.
 * Sources: TRANSLATION.md, 2.1, 2.2 and 2.7; the makers' model and migration pages as of 2026-11; errors that real
 * providers answered in `../shared/recordings`.
 */
import { fits } from "./base/pattern.ts";
import type { Effort, FormatName } from "./neutral.ts";

export const THINKING_MODES = ["adaptive", "budget", "effort", "none", "unknown"] as const;
export const THINKING_OFF = ["disabled", "between_tools", "never"] as const;
export const SAMPLING = ["all", "none", "fixed"] as const;
export const INPUTS = ["text", "image", "document", "audio", "video"] as const;
export const TOKENIZERS = ["o200k_base", "cl100k_base"] as const;

export type Input = (typeof INPUTS)[number];
export type Tokenizer = (typeof TOKENIZERS)[number];

export interface Capabilities {
  /** Whose model it is, whoever serves it: `openai`, `anthropic`, `google`…; undefined where nobody knows. */
  maker?: string;
  /** Tokens the model can write at most; undefined where nobody knows. */
  maxOutputTokens?: number;
  /** Tokens that it may write where the client says nothing and the format must; undefined: its most. */
  defaultMaxTokens?: number;
  /** Tokens of the whole context. */
  contextTokens?: number;
  /**
   * How thinking is asked for: `adaptive` (Claude 4.6 and later: adaptive + effort), `budget` (older Claude),
   * `effort` (OpenAI's reasoning models), `none` (the model doesn't reason), `unknown`.
   */
  thinking: (typeof THINKING_MODES)[number];
  /** How an adaptive model is told not to think, or the nearest to it that it takes; `never`: only a low effort. */
  thinkingOff: (typeof THINKING_OFF)[number];
  /** The effort words it takes, weakest first; undefined: all. */
  efforts?: readonly Effort[];
  /** Tokens to think with per effort, where they aren't those of TRANSLATION.md, 2.7. */
  effortBudgets?: Readonly<Partial<Record<Effort, number>>>;
  /** `output_config.effort` beside a budget (Opus 4.5). */
  effortBesideBudget?: boolean;
  /** A model with a budget that can be told not to show its thinking. Adaptive ones all can. */
  hidesThinking?: boolean;
  /**
   * Which sampling fields it takes: `all`; `none` (OpenAI's reasoning models refuse temperature, top_p, penalties,
   * logprobs and logit_bias); `fixed` (Claude after Opus 4.6: only temperature 1, top_p ≥ 0.99, no top_k).
   */
  sampling: (typeof SAMPLING)[number];
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
  /** Takes a choice that forces a tool call. */
  forcedTools: boolean;
  /** With function tools, Chat Completions refuses any reasoning effort but `none`: prefer the Responses API. */
  toolsNeedResponses: boolean;
  /** Isn't served by Chat Completions at all. */
  responsesOnly?: boolean;
  /** Takes marks at which the prompt's cache is to end, where older models of the maker refuse them. */
  cacheMarks?: boolean;
  /** What it can be given; undefined: nobody knows for sure, and everything is passed on. */
  inputs?: readonly Input[];
  /** What counts its tokens where its upstream doesn't; makers that publish none have the nearest and a factor. */
  tokenizer: Tokenizer;
  /** Tokens of the model per token of `tokenizer`, such that long inputs are rather over- than undercounted. */
  tokenFactor: number;
  /** Tokens that offering any tool costs (a hidden system prompt). */
  toolTokens: number;
  /** Web search is always mapped between formats; with this, code execution is too (TRANSLATION.md, 2.5). */
  mapServerTools?: boolean;
}

/** An entry of the config: what it says of the models that `match` names goes before the built-in table. */
export interface CapabilityRule {
  /** `model` or `provider/model`, with at most one `*`. */
  match: string;
  says: Partial<Capabilities>;
}

const TEXT: readonly Input[] = ["text"];
const SEEING: readonly Input[] = ["text", "image"];
const READING: readonly Input[] = ["text", "image", "document"];
const ALL: readonly Input[] = INPUTS;

const PLAIN: Capabilities = {
  thinking: "unknown",
  thinkingOff: "disabled",
  sampling: "all",
  temperatureWithTopP: true,
  prefill: true,
  midConversationSystem: false,
  developerRole: false,
  stopSequences: true,
  forcedTools: true,
  toolsNeedResponses: false,
  tokenizer: "o200k_base",
  tokenFactor: 1,
  toolTokens: 0,
};

const CLAUDE_FIRST: Capabilities = {
  ...PLAIN,
  maker: "anthropic",
  thinking: "none",
  maxOutputTokens: 8192,
  contextTokens: 200_000,
  temperatureWithTopP: false,
  inputs: TEXT,
  tokenFactor: 1.2,
  toolTokens: 400,
};
const CLAUDE_3: Capabilities = { ...CLAUDE_FIRST, maxOutputTokens: 4096, inputs: READING };
const CLAUDE_35: Capabilities = { ...CLAUDE_3, maxOutputTokens: 8192 };
const CLAUDE_BUDGET: Capabilities = { ...CLAUDE_35, thinking: "budget", maxOutputTokens: 64_000 };
const CLAUDE_45: Capabilities = { ...CLAUDE_BUDGET, hidesThinking: true, toolTokens: 550 };
const CLAUDE_ADAPTIVE: Capabilities = {
  ...CLAUDE_BUDGET,
  thinking: "adaptive",
  efforts: ["low", "medium", "high", "max"],
  maxOutputTokens: 128_000,
  contextTokens: 1_000_000,
  toolTokens: 600,
};
/** Since Opus 4.7: another tokenizer, and no sampling, prefill or budget any more. */
const CLAUDE_47: Capabilities = {
  ...CLAUDE_ADAPTIVE,
  efforts: ["low", "medium", "high", "xhigh", "max"],
  sampling: "fixed",
  prefill: false,
  midConversationSystem: true,
  tokenFactor: 1.6,
};
/** Always thinks, and takes no forced tool: both are answered 400 (Anthropic's migration pages, 2026-09). */
const CLAUDE_NEWEST: Capabilities = { ...CLAUDE_47, thinkingOff: "never", forcedTools: false };

const GPT: Capabilities = { ...PLAIN, maker: "openai", thinking: "none" };
const GPT_REASONING: Capabilities = {
  ...GPT,
  thinking: "effort",
  efforts: ["minimal", "low", "medium", "high"],
  sampling: "none",
  developerRole: true,
  // `'stop' is not supported with this model` (gpt-5-mini, recorded).
  stopSequences: false,
  maxOutputTokens: 128_000,
  contextTokens: 400_000,
  inputs: READING,
};
const O_SERIES: Capabilities = {
  ...GPT_REASONING,
  efforts: ["low", "medium", "high"],
  maxOutputTokens: 100_000,
  contextTokens: 200_000,
};
const GPT_51: Capabilities = { ...GPT_REASONING, efforts: ["none", "low", "medium", "high"] };
const GPT_52: Capabilities = { ...GPT_51, efforts: ["none", "low", "medium", "high", "xhigh"] };
const GPT_54: Capabilities = { ...GPT_52, toolsNeedResponses: true, contextTokens: 1_050_000 };
const GPT_NEWEST: Capabilities = {
  ...GPT_54,
  efforts: ["none", "low", "medium", "high", "xhigh", "max"],
  cacheMarks: true,
};

const GEMINI: Capabilities = {
  ...PLAIN,
  maker: "google",
  thinking: "effort",
  efforts: ["minimal", "low", "medium", "high"],
  maxOutputTokens: 65_536,
  contextTokens: 1_048_576,
  inputs: ALL,
};
const OPEN_WEIGHT: Capabilities = { ...PLAIN, tokenFactor: 1.1 };

/** First match wins. Names may carry a maker's prefix (`anthropic/claude-…`), and dots where others have dashes. */
// deno-fmt-ignore
const CLASSES: readonly (readonly [RegExp, Capabilities])[] = [
  [/claude-(?:instant|v?[12](?:\D|$))/, CLAUDE_FIRST],
  [/claude-3-5/, CLAUDE_35],
  [/claude-3-(?:opus|sonnet|haiku)/, CLAUDE_3],
  [/claude-3-7/, { ...CLAUDE_BUDGET, maxOutputTokens: 64_000 }],
  [/claude-opus-4-5/, { ...CLAUDE_45, effortBesideBudget: true, efforts: ["low", "medium", "high"] }],
  [/claude-(?:sonnet|haiku)-4-5/, CLAUDE_45],
  [/claude-opus-4(?:-0|-1|-2\d{7}|@|:|$)/, { ...CLAUDE_BUDGET, maxOutputTokens: 32_000, temperatureWithTopP: true }],
  [/claude-(?:sonnet|haiku)-4(?:-0|-2\d{7}|@|:|$)/, CLAUDE_BUDGET],
  [/claude-(?:opus|sonnet|haiku)-4-6/, CLAUDE_ADAPTIVE],
  [/claude-opus-4-[78]|claude-(?:opus|sonnet)-5(?!-\d(?!\d)|\d)/, CLAUDE_47],
  [/claude-haiku-5/, CLAUDE_47],
  [/claude-sonnet-5-\d(?!\d)/, { ...CLAUDE_NEWEST, thinkingOff: "between_tools" }],
  [/claude-(?:fable|mythos)-5(?!-\d(?!\d)|\d)/, { ...CLAUDE_NEWEST, forcedTools: true }],
  [/claude/, CLAUDE_NEWEST],

  [/gpt-oss/, { ...OPEN_WEIGHT, maker: "openai-open", thinking: "effort", efforts: ["low", "medium", "high"], maxOutputTokens: 131_072, contextTokens: 131_072, inputs: TEXT, tokenFactor: 1, toolTokens: 70 }],
  [/gpt-5[^/]*-chat/, { ...GPT, maxOutputTokens: 16_384, contextTokens: 128_000, inputs: SEEING }],
  [/(?:^|\/)o[13]-mini|(?:^|\/)o1-preview/, { ...O_SERIES, inputs: TEXT }],
  [/(?:^|\/)o[134]-(?:pro|mini-deep-research|deep-research)/, { ...O_SERIES, responsesOnly: true }],
  [/(?:^|\/)o[134](?:-|$)|codex-mini/, O_SERIES],
  [/gpt-5(?:$|-(?:mini|nano|2\d{3}))/, GPT_REASONING],
  [/gpt-5-(?:pro|codex)/, { ...GPT_REASONING, responsesOnly: true }],
  [/gpt-5[.-]1-codex/, { ...GPT_52, responsesOnly: true }],
  [/gpt-5[.-]1(?:\D|$)/, GPT_51],
  [/gpt-5[.-][23][^/]*-(?:pro|codex)/, { ...GPT_52, responsesOnly: true }],
  [/gpt-5[.-][23](?:\D|$)/, GPT_52],
  [/gpt-5[.-][45][^/]*-(?:pro|codex)/, { ...GPT_54, responsesOnly: true }],
  [/gpt-5[.-]4-(?:mini|nano)/, { ...GPT_54, contextTokens: 400_000 }],
  [/gpt-5[.-][45](?:\D|$)/, GPT_54],
  [/gpt-6-astra/, { ...GPT_NEWEST, efforts: ["low", "medium", "high", "xhigh", "max"] }],
  [/gpt-(?:[5-9]|\d\d)/, GPT_NEWEST],
  [/gpt-4[.-]1/, { ...GPT, maxOutputTokens: 32_768, contextTokens: 1_047_576, inputs: READING }],
  [/gpt-4o[^/]*-audio|gpt-audio/, { ...GPT, maxOutputTokens: 16_384, contextTokens: 128_000, inputs: ["text", "audio"] }],
  [/gpt-4o/, { ...GPT, maxOutputTokens: 16_384, contextTokens: 128_000, inputs: READING }],
  [/gpt-4-turbo|gpt-4-vision/, { ...GPT, maxOutputTokens: 4096, contextTokens: 128_000, inputs: SEEING, tokenizer: "cl100k_base" }],
  [/gpt-4-(?:1106|0125)/, { ...GPT, maxOutputTokens: 4096, contextTokens: 128_000, inputs: TEXT, tokenizer: "cl100k_base" }],
  [/gpt-4(?:$|-0|-32k)/, { ...GPT, inputs: TEXT, tokenizer: "cl100k_base" }],
  [/gpt-3/, { ...GPT, maxOutputTokens: 4096, contextTokens: 16_385, inputs: TEXT, tokenizer: "cl100k_base" }],
  [/gpt-4/, GPT],

  [/gemini-(?:1|2\.0|2-0)/, { ...GEMINI, thinking: "none", maxOutputTokens: 8192 }],
  [/gemini-2[.-]5[^/]*-pro/, { ...GEMINI, efforts: ["low", "medium", "high"] }],
  [/gemini-2[.-]5/, { ...GEMINI, efforts: ["none", "low", "medium", "high"] }],
  [/gemini[^/]*-pro/, { ...GEMINI, efforts: ["low", "medium", "high"] }],
  [/gemini/, GEMINI],

  [/deepseek-(?:chat|reasoner)|deepseek-v4(?![^/]*vision)/, { ...OPEN_WEIGHT, maker: "deepseek", toolTokens: 230, contextTokens: 1_048_565, inputs: TEXT }],
  [/deepseek-(?:r1|v3|coder)/, { ...OPEN_WEIGHT, maker: "deepseek", toolTokens: 230, contextTokens: 131_072, inputs: TEXT }],
  [/deepseek/, { ...OPEN_WEIGHT, maker: "deepseek", toolTokens: 230 }],
  [/mixtral|mistral-(?:tiny|7b)|codestral|open-mistral/, { ...OPEN_WEIGHT, maker: "mistral", thinking: "none", inputs: TEXT }],
  [/mistral|magistral|devstral|pixtral/, { ...OPEN_WEIGHT, maker: "mistral", contextTokens: 131_072 }],
  [/qwen[^/]*-?vl|qvq/, { ...OPEN_WEIGHT, maker: "alibaba", toolTokens: 130 }],
  [/qwen-?3(?:[^/.]*coder|:|-\d+b)/, { ...OPEN_WEIGHT, maker: "alibaba", toolTokens: 130, inputs: TEXT }],
  [/qwen|qwq/, { ...OPEN_WEIGHT, maker: "alibaba", toolTokens: 130 }],
  [/llama-?3[.-]2[^/]*vision/, { ...OPEN_WEIGHT, maker: "meta", thinking: "none", contextTokens: 131_072, inputs: SEEING }],
  [/llama-?3/, { ...OPEN_WEIGHT, maker: "meta", thinking: "none", contextTokens: 131_072, inputs: TEXT }],
  [/llama/, { ...OPEN_WEIGHT, maker: "meta", thinking: "none" }],
  [/grok-3-mini/, { ...OPEN_WEIGHT, maker: "xai", toolTokens: 130, thinking: "effort", efforts: ["low", "high"], contextTokens: 131_072, inputs: TEXT }],
  [/grok-(?:3|beta|code)/, { ...OPEN_WEIGHT, maker: "xai", toolTokens: 130, contextTokens: 131_072, inputs: TEXT }],
  [/grok/, { ...OPEN_WEIGHT, maker: "xai", toolTokens: 130 }],
  [/glm-4[.-][5-7](?![.-]?v|[^/]*v(?:\W|$))/, { ...OPEN_WEIGHT, maker: "zai", contextTokens: 200_000, inputs: TEXT }],
  [/glm/, { ...OPEN_WEIGHT, maker: "zai" }],
  [/kimi-k2(?:-|$|:)/, { ...OPEN_WEIGHT, maker: "moonshot", contextTokens: 262_144, inputs: TEXT }],
  [/kimi|moonshot/, { ...OPEN_WEIGHT, maker: "moonshot" }],
];

/** `provider`: whose name a rule of the config may begin with. */
export function capabilitiesOf(model: string, rules: readonly CapabilityRule[] = [], provider = ""): Capabilities {
  const builtIn = builtInOf(model);
  const rule = rules.find(({ match }) => fits(match, model) || fits(match, `${provider}/${model}`));
  return rule === undefined ? builtIn : { ...builtIn, ...rule.says };
}

function builtInOf(model: string): Capabilities {
  const name = model.toLowerCase();
  // OpenRouter and others write Claude's versions with a dot.
  const dashed = name.includes("claude") ? name.replaceAll(".", "-") : name;
  for (const [pattern, capabilities] of CLASSES) if (pattern.test(dashed)) return capabilities;
  return PLAIN;
}

/**
 * In which of a provider's formats a translated request is sent: the first, but for a model that can't both reason and
 * call tools there, or isn't there at all (TRANSLATION.md, 2.1 and case 29).
 */
export function translatedFormat(
  { toolsNeedResponses, responsesOnly = false }: Capabilities,
  formats: readonly FormatName[],
  hasTools: boolean,
): FormatName {
  const [first = "chat"] = formats;
  const needed = responsesOnly || (hasTools && toolsNeedResponses);
  return needed && first === "chat" && formats.includes("responses") ? "responses" : first;
}
