/**
 * Providers that need nothing but their name in the config: data, one line each. How they speak is the formats' matter.
 * `formats` lists what a provider serves, best first; `family` says whose signed and encrypted values it can read.
 */
import type { Flag } from "./format.ts";
import type { FormatName } from "./neutral.ts";

export interface Preset {
  /** With the version path, as in the SDKs. Absent for servers that run where the user says. */
  baseUrl?: string;
  formats: readonly FormatName[];
  /** Environment variable that holds the key. Absent: needs none. */
  keyVariable?: string;
  family: string;
  flags?: readonly Flag[];
  /** Serves OpenAI's older Completions API too. */
  completions?: true;
}

/** The address of the provider that is built in (`lib/mock`): no network. */
export const MOCK_URL = "mock://trivium/v1";

const LOCAL_FLAGS: readonly Flag[] = ["max_tokens", "no_developer_role"];

// deno-fmt-ignore
export const PRESETS: Readonly<Record<string, Preset>> = {
  mock:       { baseUrl: MOCK_URL, formats: ["chat", "messages", "responses"], family: "mock" },
  openai:     { baseUrl: "https://api.openai.com/v1", formats: ["responses", "chat"], keyVariable: "OPENAI_API_KEY", family: "openai", completions: true },
  anthropic:  { baseUrl: "https://api.anthropic.com/v1", formats: ["messages"], keyVariable: "ANTHROPIC_API_KEY", family: "anthropic" },
  gemini:     { baseUrl: "https://generativelanguage.googleapis.com/v1beta/openai", formats: ["chat"], keyVariable: "GEMINI_API_KEY", family: "google", flags: ["max_tokens", "no_developer_role"] },
  openrouter: { baseUrl: "https://openrouter.ai/api/v1", formats: ["chat"], keyVariable: "OPENROUTER_API_KEY", family: "openrouter", flags: ["max_tokens", "echo_reasoning_details"], completions: true },
  deepseek:   { baseUrl: "https://api.deepseek.com/v1", formats: ["chat"], keyVariable: "DEEPSEEK_API_KEY", family: "deepseek", flags: ["max_tokens", "no_developer_role", "echo_reasoning_content"] },
  groq:       { baseUrl: "https://api.groq.com/openai/v1", formats: ["chat"], keyVariable: "GROQ_API_KEY", family: "groq", flags: ["no_developer_role"] },
  mistral:    { baseUrl: "https://api.mistral.ai/v1", formats: ["chat"], keyVariable: "MISTRAL_API_KEY", family: "mistral", flags: ["max_tokens", "no_developer_role", "no_stream_options", "short_tool_ids", "tool_choice_any"] },
  xai:        { baseUrl: "https://api.x.ai/v1", formats: ["chat", "responses"], keyVariable: "XAI_API_KEY", family: "xai", flags: ["no_developer_role"] },
  together:   { baseUrl: "https://api.together.xyz/v1", formats: ["chat"], keyVariable: "TOGETHER_API_KEY", family: "together", flags: LOCAL_FLAGS, completions: true },
  fireworks:  { baseUrl: "https://api.fireworks.ai/inference/v1", formats: ["chat"], keyVariable: "FIREWORKS_API_KEY", family: "fireworks", flags: LOCAL_FLAGS, completions: true },
  ollama:     { baseUrl: "http://127.0.0.1:11434/v1", formats: ["chat"], family: "ollama", flags: LOCAL_FLAGS, completions: true },
  vllm:       { baseUrl: "http://127.0.0.1:8000/v1", formats: ["chat"], family: "vllm", flags: LOCAL_FLAGS, completions: true },
  sglang:     { baseUrl: "http://127.0.0.1:30000/v1", formats: ["chat"], family: "sglang", flags: LOCAL_FLAGS, completions: true },
  llamacpp:   { baseUrl: "http://127.0.0.1:8080/v1", formats: ["chat"], family: "llamacpp", flags: LOCAL_FLAGS, completions: true },
  lmstudio:   { baseUrl: "http://127.0.0.1:1234/v1", formats: ["chat"], family: "lmstudio", flags: LOCAL_FLAGS, completions: true },
};

/** Whose models a provider without a preset serves, by the first format that it lists. */
export const FAMILY_OF_FORMAT: Readonly<Record<FormatName, string>> = {
  chat: "openai",
  messages: "anthropic",
  responses: "openai",
};
