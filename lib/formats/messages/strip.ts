/**
 * Takes the gateway's envelopes out of a body that passes as it is: a real provider answers 400 to them
 * (TRANSLATION.md, 1.4 c, and case 16).
 */
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { Losses, Target } from "../../format.ts";
import type { Opaque } from "../../neutral.ts";
import { isEnvelope, openEnvelope } from "../../translation/envelope.ts";
import { lacksSignedThinking, withoutThinking } from "./thinking.ts";

/** A new body; the members that hold nothing of ours are the same objects. */
export function stripEnvelopes(body: JsonObject, target: Target, losses: Losses): JsonObject {
  if (!Array.isArray(body["messages"])) return body;
  const before = losses.list.length;
  const messages = body["messages"].flatMap((message: unknown, index) =>
    stripMessage(message, `messages[${index}]`, target, losses)
  );
  const stripped = { ...body, messages };
  const budget = isObject(body["thinking"]) && body["thinking"]["type"] === "enabled";
  if (!budget || losses.list.length === before || !lacksSignedThinking(messages)) return stripped;
  return withoutThinking(stripped, "thinking", losses);
}

function stripMessage(message: unknown, path: string, target: Target, losses: Losses): unknown[] {
  if (!isObject(message) || !Array.isArray(message["content"])) return [message];
  const content = message["content"].flatMap((block: unknown, index) =>
    stripBlock(block, `${path}.content[${index}]`, target, losses)
  );
  if (content.length === 0 && message["content"].length > 0) return [];
  return [{ ...message, content }];
}

/** The member of each block type that clients echo unread. */
const CARRIERS: Readonly<Record<string, string>> = {
  thinking: "signature",
  redacted_thinking: "data",
  compaction: "encrypted_content",
};

function stripBlock(block: unknown, path: string, target: Target, losses: Losses): unknown[] {
  if (!isObject(block) || typeof block["type"] !== "string") return [block];
  const member = CARRIERS[block["type"]];
  const value = member === undefined ? undefined : block[member];
  if (member === undefined || typeof value !== "string" || !isEnvelope(value)) return [block];
  const native = (openEnvelope(value) ?? []).filter((opaque) => opaque.issuer === target.family);
  const blocks = native.map((opaque) => unwrapped(block, opaque)).filter((block) => block !== undefined);
  if (blocks.length > 0) return blocks;
  losses.add(path, "it was made by models of another maker");
  return [];
}

/** The block that the value came in, when it came from this maker. */
function unwrapped(block: JsonObject, opaque: Opaque): JsonObject | undefined {
  switch (opaque.kind) {
    case "signature":
      return { ...block, type: "thinking", thinking: block["thinking"] ?? "", signature: opaque.value };
    case "redacted":
      return { type: "redacted_thinking", data: opaque.value };
    case "compaction":
      return { ...block, encrypted_content: opaque.value };
    case "encrypted":
    case "thought_signature":
      return undefined;
    default:
      return opaque.kind satisfies never;
  }
}
