/**
 * Takes the gateway's envelopes out of a body that passes as it is: a real provider answers 400 to them
 * (TRANSLATION.md, 1.4 c, and case 16).
 */
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { Losses, Target } from "../../format.ts";
import type { Opaque } from "../../neutral.ts";
import { openSummary, summaryText } from "../../translation/compaction.ts";
import { isEnvelope, lossOf, marksOf, openedOrBroken } from "../../translation/envelope.ts";
import { NATIVE_ISSUER } from "./wire.ts";
import { lacksSignedThinking, withoutThinking } from "./thinking.ts";

/** Thinking that nobody signed: clients got it from a translated answer, or made it up. */
export const FOREIGN_MARKS = marksOf('"signature":""', '"signature": ""');

/** The members that hold nothing of ours are the same objects, and so is a body of nothing else. */
export function stripEnvelopes(body: JsonObject, target: Target, losses: Losses): JsonObject {
  if (!Array.isArray(body["messages"])) return body;
  const before = losses.list.length;
  const messages = changed(
    body["messages"],
    (message, index) => stripMessage(message, `messages[${index}]`, target, losses),
  );
  if (messages === body["messages"]) return body;
  const stripped = { ...body, messages };
  const budget = isObject(body["thinking"]) && body["thinking"]["type"] === "enabled";
  if (!budget || losses.list.length === before || !lacksSignedThinking(messages)) return stripped;
  return withoutThinking(stripped, "thinking", losses);
}

/** The list with what `change` makes of each entry; the same one where it leaves all as they are. */
function changed(list: unknown[], change: (entry: unknown, index: number) => unknown[]): unknown[] {
  const made = list.map(change);
  return made.every((each, index) => each.length === 1 && each[0] === list[index]) ? list : made.flat();
}

function stripMessage(message: unknown, path: string, target: Target, losses: Losses): unknown[] {
  if (!isObject(message) || !Array.isArray(message["content"])) return [message];
  const content = changed(
    message["content"],
    (block, index) => stripBlock(block, `${path}.content[${index}]`, target, losses),
  );
  if (content === message["content"]) return [message];
  return content.length === 0 ? [] : [{ ...message, content }];
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
  if (value === "" && block["type"] === "thinking" && checksSignatures(target)) {
    losses.add(path, "thinking goes back only to the models that signed it");
    return [];
  }
  if (member === undefined || typeof value !== "string" || !isEnvelope(value)) return [block];
  const { text, opaque } = openSummary(openedOrBroken(value, "signature"));
  const native = opaque.filter(({ issuer }) => issuer === target.family);
  const blocks = native.map((opaque) => unwrapped(block, opaque)).filter((block) => block !== undefined);
  if (blocks.length > 0) return blocks;
  losses.add(path, lossOf(opaque, "it was made by models of another maker"));
  return summaryOf(block, text);
}

/** Anthropic's own models; nobody knows what other servers of this format do with thinking. */
function checksSignatures({ family, capabilities }: Target): boolean {
  return family === NATIVE_ISSUER && capabilities.thinking !== "unknown";
}

/** What a compaction says in words, which any model can read. */
function summaryOf(block: JsonObject, sealed: string | undefined): JsonObject[] {
  const text = sealed ?? block["content"];
  if (block["type"] !== "compaction" || typeof text !== "string" || text.trim() === "") return [];
  return [{ type: "text", text: summaryText(text) }];
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
    case "phase":
      return undefined;
    default:
      return opaque.kind satisfies never;
  }
}
