/** Takes the gateway's envelopes out of a body that passes as bytes (TRANSLATION.md, 1.4 c). */
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { Losses, Target } from "../../format.ts";
import { isEnvelope } from "../../translation/envelope.ts";
import { listOf, textOf } from "./wire.ts";

/**
 * This format's own answers hold no envelope; clients that move a conversation over from another format may put one into
 * `reasoning_details`. Such entries are left out, everything else stays the same object.
 */
export function stripEnvelopes(body: JsonObject, _target: Target, losses: Losses): JsonObject {
  if (!Array.isArray(body["messages"])) return body;
  const messages = body["messages"].map((message: unknown, index) => stripMessage(message, index, losses));
  return { ...body, messages };
}

function stripMessage(message: unknown, index: number, losses: Losses): unknown {
  if (!isObject(message) || !Array.isArray(message["reasoning_details"])) return message;
  const kept = listOf(message["reasoning_details"]).filter((entry) => !holdsEnvelope(entry));
  if (kept.length === message["reasoning_details"].length) return message;
  losses.add(`messages[${index}].reasoning_details`, "the thinking belongs to another maker's models");
  const { reasoning_details: _, ...others } = message;
  return kept.length === 0 ? others : { ...others, reasoning_details: kept };
}

function holdsEnvelope(entry: unknown): boolean {
  return isObject(entry) && (isEnvelope(textOf(entry["signature"])) || isEnvelope(textOf(entry["data"])));
}
