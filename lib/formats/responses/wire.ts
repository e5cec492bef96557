/**
 * The responses format's own words (OpenAI Responses; TRANSLATION.md, format C): what several files of this folder need
 * to know of them. Source: the openai SDK's `resources/responses` types and the Open Responses specification.
 */
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { Extra, Tool } from "../../neutral.ts";

export const FORMAT = "responses" as const;

/** How this format names the neutral top-level fields, for losses and faults. */
export const WIRE_NAMES: Readonly<Record<string, string>> = {
  instructions: "instructions",
  messages: "input",
  tools: "tools",
  toolChoice: "tool_choice",
  parallelToolCalls: "parallel_tool_calls",
  maxOutputTokens: "max_output_tokens",
  temperature: "temperature",
  topP: "top_p",
  frequencyPenalty: "frequency_penalty",
  presencePenalty: "presence_penalty",
  logprobs: "top_logprobs",
  output: "text.format",
  verbosity: "text.verbosity",
  reasoning: "reasoning",
  cache: "prompt_cache_key",
  cacheKey: "prompt_cache_key",
  cacheMark: "prompt_cache_breakpoint",
  cacheTtl: "prompt_cache_options.ttl",
  cacheMode: "prompt_cache_options.mode",
  citations: "annotations",
  serviceTier: "service_tier",
  userId: "safety_identifier",
  metadata: "metadata",
  store: "store",
  previousId: "previous_response_id",
  conversation: "conversation",
  background: "background",
  prompt: "prompt",
  truncation: "truncation",
  include: "include",
  contextManagement: "context_management",
  includeObfuscation: "stream_options.include_obfuscation",
};

/** Values of `include` that have a neutral meaning. */
export const INCLUDE_ENCRYPTED = "reasoning.encrypted_content";
export const INCLUDE_LOGPROBS = "message.output_text.logprobs";

/** The longest `call_id` (TRANSLATION.md, 2.4) and the least `max_output_tokens` (2.1) that OpenAI takes. */
export const MAX_CALL_ID = 64;
export const MIN_OUTPUT_TOKENS = 16;
/** The longest tool name, and the longest `safety_identifier`. */
export const MAX_NAME = 64;

/** How long marks and `prompt_cache_options` can say that a cache lives. */
export const OPTION_TTLS: ReadonlySet<string> = new Set(["30m", "12h"]);

/** Members that nobody read, tagged as this format's. */
export function extraOf(rest: JsonObject | undefined): Extra | undefined {
  return rest === undefined ? undefined : { format: FORMAT, fields: rest };
}

export function ownFields(extra: Extra | undefined): JsonObject {
  return extra?.format === FORMAT ? extra.fields : {};
}

/** What a built-in tool of this format is, by its `type` without the date that some carry. */
export function serverToolOf(type: string): NonNullable<Tool["serverTool"]> {
  if (/^web_search(?:_preview)?(?:_\d{4}_\d\d_\d\d)?$/.test(type)) return "web_search";
  if (type.startsWith("computer")) return "computer";
  switch (type) {
    case "code_interpreter":
      return "code_execution";
    case "file_search":
    case "image_generation":
    case "mcp":
      return type;
    default:
      return "other";
  }
}

/** Items without a neutral term that a client sends for its own side; all others are the model's. */
const CLIENT_ITEMS: ReadonlySet<string> = new Set([
  "computer_call_output",
  "shell_call_output",
  "local_shell_call_output",
  "apply_patch_call_output",
  "mcp_approval_response",
  "compaction_trigger",
]);

export function isClientItem(type: string): boolean {
  return CLIENT_ITEMS.has(type);
}

/** Objects whose unknown members a request keeps by their dotted path: `text.format.x`. */
const NESTED: ReadonlySet<string> = new Set(["text", "stream_options", "prompt_cache_options", "tool_choice"]);

/** Puts a request's extensions back where they came from. */
export function placeExtensions(body: JsonObject, extensions: JsonObject): void {
  for (const [path, value] of Object.entries(extensions)) {
    const [head = path, ...rest] = path.split(".");
    if (rest.length === 0 || !NESTED.has(head)) body[path] = value;
    else placeAt(body, [head, ...rest], value);
  }
}

function placeAt(object: JsonObject, [key = "", ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    object[key] = value;
    return;
  }
  const inner = isObject(object[key]) ? object[key] : {};
  object[key] = inner;
  placeAt(inner, rest, value);
}
