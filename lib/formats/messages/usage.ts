/** Token counts (TRANSLATION.md, 3.3): this format counts cached input beside `input_tokens`, the neutral form within. */
import { defined, Faults, Fields, isObject, type JsonObject } from "../../base/fields.ts";
import type { Usage } from "../../neutral.ts";
import { ownExtra, unread } from "./wire.ts";

/** Undefined when `value` is no usage object. Counts that are missing or no numbers are 0. */
export function decodeUsage(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined;
  const fields = new Fields(new Faults(), value, "");
  const counted = sumOfIterations(value["iterations"]) ?? value;
  const read = count(counted, "cache_read_input_tokens");
  const write = count(counted, "cache_creation_input_tokens");
  fields.skip("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens");
  fields.skip("output_tokens_details", "cache_creation");
  const hour = count(value["cache_creation"], "ephemeral_1h_input_tokens");
  return {
    inputTokens: count(counted, "input_tokens") + read + write,
    cacheReadTokens: read,
    cacheWriteTokens: write,
    ...(hour > 0 ? { cacheWrite1hTokens: hour } : {}),
    outputTokens: count(counted, "output_tokens"),
    reasoningTokens: count(value["output_tokens_details"], "thinking_tokens"),
    ...ownExtra(unread(fields)),
  };
}

/**
 * The totals leave compactions out; the iterations name them. An advisor's tokens are billed to another model, and a
 * fallback's iterations count twice, so that then the totals hold.
 */
function sumOfIterations(iterations: unknown): JsonObject | undefined {
  if (!Array.isArray(iterations)) return undefined;
  const entries = iterations.filter(isObject);
  if (!entries.some((entry) => entry["type"] === "compaction")) return undefined;
  if (entries.some((entry) => entry["type"] === "fallback_message")) return undefined;
  const own = entries.filter((entry) => entry["type"] === "message" || entry["type"] === "compaction");
  const sum = (key: string) => own.reduce((total, entry) => total + count(entry, key), 0);
  return {
    input_tokens: sum("input_tokens"),
    output_tokens: sum("output_tokens"),
    cache_read_input_tokens: sum("cache_read_input_tokens"),
    cache_creation_input_tokens: sum("cache_creation_input_tokens"),
  };
}

function count(value: unknown, key: string): number {
  const number = isObject(value) ? value[key] : undefined;
  return typeof number === "number" && number > 0 ? number : 0;
}

/** All counts, as `message_delta` and whole messages carry them. */
export function encodeUsage(usage: Usage): JsonObject {
  const hour = usage.cacheWrite1hTokens ?? 0;
  return {
    input_tokens: Math.max(0, usage.inputTokens - usage.cacheReadTokens - usage.cacheWriteTokens),
    cache_creation_input_tokens: usage.cacheWriteTokens,
    cache_read_input_tokens: usage.cacheReadTokens,
    ...(hour > 0
      ? {
        cache_creation: {
          ephemeral_5m_input_tokens: Math.max(0, usage.cacheWriteTokens - hour),
          ephemeral_1h_input_tokens: hour,
        },
      }
      : {}),
    output_tokens: usage.outputTokens,
    ...defined({
      output_tokens_details: usage.reasoningTokens > 0 ? { thinking_tokens: usage.reasoningTokens } : undefined,
    }),
    ...(usage.extra?.format === "messages" ? usage.extra.fields : {}),
  };
}

/** The tier that answered, in the words that chat and responses share; others have no partner (TRANSLATION.md, 3.3). */
export function decodeTier(usage: unknown): string | undefined {
  const tier = isObject(usage) ? usage["service_tier"] : undefined;
  return tier === "standard" ? "default" : tier === "priority" ? "priority" : undefined;
}

export function encodeTier(tier: string | undefined): JsonObject {
  if (tier === "default") return { service_tier: "standard" };
  return tier === "priority" ? { service_tier: "priority" } : {};
}
