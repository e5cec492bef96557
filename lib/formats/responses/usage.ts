/** Token counts (TRANSLATION.md, 3.3): this format counts as the neutral form does. */
import { defined, isObject, type JsonObject } from "../../base/fields.ts";
import type { Usage } from "../../neutral.ts";
import { extraOf, ownFields } from "./wire.ts";

/** Undefined where the upstream counted nothing. Negative and missing numbers read as 0. */
export function decodeUsage(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined;
  const { input_tokens, input_tokens_details, output_tokens, output_tokens_details, total_tokens: _, ...rest } = value;
  const input = isObject(input_tokens_details) ? input_tokens_details : {};
  const output = isObject(output_tokens_details) ? output_tokens_details : {};
  const cacheReadTokens = count(input["cached_tokens"]);
  const inputTokens = count(input_tokens);
  return defined({
    // More cached than there was input: this upstream counts fresh input alone.
    inputTokens: cacheReadTokens > inputTokens ? inputTokens + cacheReadTokens : inputTokens,
    cacheReadTokens,
    cacheWriteTokens: count(input["cache_write_tokens"]),
    outputTokens: count(output_tokens),
    reasoningTokens: count(output["reasoning_tokens"]),
    extra: extraOf(Object.keys(rest).length > 0 ? rest : undefined),
  });
}

/** Every number is there, 0 where nobody knows: clients without one reconnect or fail (PITFALLS 28). */
export function encodeUsage(usage: Usage): JsonObject {
  return {
    input_tokens: usage.inputTokens,
    input_tokens_details: { cached_tokens: usage.cacheReadTokens, cache_write_tokens: usage.cacheWriteTokens },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: usage.inputTokens + usage.outputTokens,
    ...ownFields(usage.extra),
  };
}

/** For an ended answer that nobody counted: clients want numbers, and size their context by the input. */
export function uncounted(estimatedInputTokens: number): Usage {
  return {
    inputTokens: estimatedInputTokens,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: 0,
    reasoningTokens: 0,
    estimated: true,
  };
}

function count(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? Math.round(value) : 0;
}
