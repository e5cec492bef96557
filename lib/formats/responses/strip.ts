/**
 * What the gateway put into earlier answers, taken out of a body that passes as it is (TRANSLATION.md, 1.4 c): a real
 * provider answers 400 to opaque values that it didn't mint.
 */
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { Losses, Target } from "../../format.ts";
import { isEnvelope, openEnvelope } from "../../translation/envelope.ts";

/** The body with `input` mended; losses name each item that was left out. */
export function stripEnvelopes(body: JsonObject, target: Target, losses: Losses): JsonObject {
  if (!Array.isArray(body["input"])) return body;
  const input: unknown[] = [];
  // Calls go by their own ids only beside the reasoning that they were made with.
  let isStripped = false;
  for (const [index, item] of body["input"].entries()) {
    if (!isObject(item)) {
      input.push(item);
    } else if (isSealed(item)) {
      const own = unsealed(item, target);
      if (own === undefined) losses.add(`input[${index}]`, "it holds another maker's opaque values");
      else input.push(own);
      isStripped ||= own === undefined;
    } else {
      if (!isModelItem(item)) isStripped = false;
      input.push(isStripped ? withoutCallId(item) : item);
    }
  }
  return { ...body, input };
}

function isSealed(item: JsonObject): boolean {
  const value = item["encrypted_content"];
  return typeof value === "string" && isEnvelope(value);
}

/** The item with its maker's own value where that is the target's; its id was ours. */
function unsealed(item: JsonObject, target: Target): JsonObject | undefined {
  const kind = item["type"] === "compaction" ? "compaction" : "encrypted";
  const opaques = openEnvelope(String(item["encrypted_content"])) ?? [];
  const own = opaques.find((opaque) => opaque.issuer === target.family && opaque.kind === kind);
  if (own === undefined) return undefined;
  const { id: _, ...rest } = item;
  return { ...rest, encrypted_content: own.value };
}

function isModelItem(item: JsonObject): boolean {
  return item["role"] === "assistant" || item["type"] === "reasoning" || isCall(item);
}

function isCall(item: JsonObject): boolean {
  return item["type"] === "function_call" || item["type"] === "custom_tool_call";
}

function withoutCallId(item: JsonObject): JsonObject {
  if (!isCall(item)) return item;
  const { id: _, ...rest } = item;
  return rest;
}
