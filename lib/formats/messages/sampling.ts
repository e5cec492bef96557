/** Sampling fields, and the fields that this format doesn't have (TRANSLATION.md, 2.1). */
import { defined, type JsonObject } from "../../base/fields.ts";
import type { NeutralRequest } from "../../neutral.ts";
import { saysNothing } from "../../translation/leftover.ts";
import { clientName, type Encoding } from "./encoding.ts";

/** `temperature`, `top_p` and `top_k`, as far as the model and its thinking allow. 1 is what the API does by itself. */
export function encodeSampling(encoding: Encoding, thinkingOn: boolean): JsonObject {
  const { request, target, own, losses } = encoding;
  const { temperature, topP, topK } = request;
  if (own) return defined({ temperature, top_p: topP, top_k: topK });
  if (thinkingOn || target.capabilities.sampling !== "all") {
    return fixedSampling(encoding, thinkingOn ? "thinking allows no sampling fields" : "the model takes no such field");
  }
  const together = target.capabilities.temperatureWithTopP;
  const dropsTopP = !together && temperature !== undefined && temperature !== 1 && topP !== undefined && topP !== 1;
  if (dropsTopP) losses.add(clientName(request, "topP"), "the model takes temperature or this, not both");
  const alone = !together && temperature !== undefined;
  const sendsTopP = topP !== undefined && !dropsTopP && !(alone && topP === 1);
  return defined({
    temperature: !together && sendsTopP && temperature === 1 ? undefined : clampedTemperature(encoding),
    top_p: sendsTopP ? topP : undefined,
    top_k: topK,
  });
}

function clampedTemperature({ request, losses }: Encoding): number | undefined {
  const { temperature } = request;
  if (temperature === undefined || temperature <= 1) return temperature;
  losses.add(clientName(request, "temperature"), "clamped to 1");
  return 1;
}

/** Newest models still take a `top_p` of 0.99 and more [T]. */
const LEAST_TOP_P = 0.99;

function fixedSampling(encoding: Encoding, reason: string): JsonObject {
  const { request, target, losses } = encoding;
  const { temperature, topP, topK } = request;
  if (temperature !== undefined && temperature !== 1) losses.add(clientName(request, "temperature"), reason);
  if (topK !== undefined) losses.add(clientName(request, "topK"), reason);
  if (topP === undefined || topP === 1) return {};
  if (target.capabilities.sampling === "fixed" && topP >= LEAST_TOP_P) return { top_p: topP };
  losses.add(clientName(request, "topP"), reason);
  return {};
}

/** A loss for each field that says something and has no place here. */
export function nameLostFields(encoding: Encoding): void {
  const { request, own, losses } = encoding;
  if (own) return;
  const lost: readonly (readonly [string, boolean])[] = [
    ["frequencyPenalty", (request.frequencyPenalty ?? 0) !== 0],
    ["presencePenalty", (request.presencePenalty ?? 0) !== 0],
    ["seed", request.seed !== undefined],
    ["logitBias", Object.keys(request.logitBias ?? {}).length > 0],
    ["logprobs", request.logprobs !== undefined],
    ["verbosity", request.verbosity !== undefined && request.verbosity !== "medium"],
    ["prediction", request.prediction !== undefined],
    ["metadata", Object.keys(request.metadata ?? {}).length > 0],
    ["truncation", request.truncation !== undefined && request.truncation !== "disabled"],
    ["contextManagement", request.contextManagement !== undefined],
    ["cacheKey", request.cache?.key !== undefined],
    ["cacheTtl", request.cache?.ttl !== undefined && request.cache.ttl !== "in_memory"],
    ["include", request.includesOwn === true],
    ["store", request.state?.store === true],
  ];
  for (const [field, says] of lost) {
    if (says) losses.add(clientName(request, field), "messages has no such field");
  }
  nameLostMembers(request, encoding);
}

function nameLostMembers(request: NeutralRequest, { losses }: Encoding): void {
  for (const [key, value] of Object.entries(request.extensions[request.origin] ?? {})) {
    if (!saysNothing(value)) losses.add(key, "messages has no such field");
  }
  for (const [key, value] of Object.entries(request.reasoning?.extra?.fields ?? {})) {
    if (!saysNothing(value)) losses.add(`${clientName(request, "reasoning")}.${key}`, "messages has no such member");
  }
}
