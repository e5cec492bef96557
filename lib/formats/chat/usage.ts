/** Token counts (TRANSLATION.md, 3.3): `prompt_tokens` counts all input, `completion_tokens` all output. */
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { Usage } from "../../neutral.ts";
import { memberOf } from "./wire.ts";

/** Undefined when `value` is no usage object. */
export function decodeUsage(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined;
  const prompt = value["prompt_tokens_details"];
  const completion = value["completion_tokens_details"];
  const cacheReadTokens = firstCount(
    memberOf(prompt, "cached_tokens"),
    value["prompt_cache_hit_tokens"],
    value["cached_tokens"],
    value["num_cached_tokens"],
  );
  const cacheWriteTokens = firstCount(memberOf(prompt, "cache_write_tokens"), value["cache_creation_input_tokens"]);
  const reasoning = firstCount(memberOf(completion, "reasoning_tokens"), value["reasoning_tokens"]);
  const outputTokens = outputOf(value, reasoning);
  return {
    inputTokens: inputOf(count(value["prompt_tokens"]), cacheReadTokens, cacheWriteTokens),
    cacheReadTokens,
    cacheWriteTokens,
    outputTokens,
    reasoningTokens: Math.min(reasoning, outputTokens),
    ...someCount("audioInputTokens", memberOf(prompt, "audio_tokens")),
    ...someCount("audioOutputTokens", memberOf(completion, "audio_tokens")),
    ...someCount("acceptedPredictionTokens", memberOf(completion, "accepted_prediction_tokens")),
    ...someCount("rejectedPredictionTokens", memberOf(completion, "rejected_prediction_tokens")),
  };
}

/** More cached than sent: this upstream counts as Anthropic does, cached tokens beside the others. */
function inputOf(prompt: number, read: number, write: number): number {
  return read > prompt ? prompt + read + write : prompt;
}

/** A total that holds the reasoning once more shows that `completion_tokens` leaves it out (xAI). */
function outputOf(value: JsonObject, reasoning: number): number {
  const prompt = count(value["prompt_tokens"]);
  const completion = count(value["completion_tokens"]);
  const isExcluded = reasoning > 0 && count(value["total_tokens"]) === prompt + completion + reasoning;
  return isExcluded ? completion + reasoning : completion;
}

function count(value: unknown): number {
  return typeof value === "number" && value > 0 ? Math.round(value) : 0;
}

function firstCount(...values: unknown[]): number {
  for (const value of values) if (count(value) > 0) return count(value);
  return 0;
}

function someCount(key: string, value: unknown): Record<string, number> {
  return count(value) > 0 ? { [key]: count(value) } : {};
}

export function encodeUsage(usage: Usage): JsonObject {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: {
      cached_tokens: Math.min(usage.cacheReadTokens, usage.inputTokens),
      cache_write_tokens: usage.cacheWriteTokens,
      audio_tokens: usage.audioInputTokens ?? 0,
    },
    completion_tokens_details: {
      reasoning_tokens: Math.min(usage.reasoningTokens, usage.outputTokens),
      audio_tokens: usage.audioOutputTokens ?? 0,
      accepted_prediction_tokens: usage.acceptedPredictionTokens ?? 0,
      rejected_prediction_tokens: usage.rejectedPredictionTokens ?? 0,
    },
  };
}
