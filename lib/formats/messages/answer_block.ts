/** Parts of an answer to content blocks for a client (TRANSLATION.md, 3.4). */
import type { JsonObject } from "../../base/fields.ts";
import type { Losses } from "../../format.ts";
import type { CompactionPart, NativePart, Opaque, Part, ReasoningPart, TextPart, ToolCallPart } from "../../neutral.ts";
import { argumentsObject, customAsArguments } from "../../translation/arguments.ts";
import { callId, randomId } from "../../translation/ids.ts";
import { encodeCitation } from "./citation.ts";
import { carrierOf, signatureOf } from "./signature.ts";
import type { Seen } from "./stop.ts";

export function newSeen(): Seen {
  return { call: false, brokenCall: false, refusal: false };
}

/** `path` names the part in losses: an answer's losses go to the log. Empty parts make no block. */
export function answerBlocks(part: Part, path: string, seen: Seen, losses: Losses): JsonObject[] {
  switch (part.kind) {
    case "text":
      return part.text === "" ? [] : [textBlock(part, path, losses)];
    case "refusal":
      seen.refusal = true;
      return part.text === "" ? [] : [{ type: "text", text: part.text, citations: null }];
    case "reasoning":
      return reasoningBlocks(part);
    case "tool_call":
      seen.call = true;
      return [callBlock(part, path, seen, losses)];
    case "compaction":
      return [compactionBlock(part)];
    case "native":
      return nativeBlocks(part, path, losses);
    case "image":
    case "audio":
    case "video":
    case "document":
    case "search_result":
    case "tool_result":
      losses.add(path, `messages has no ${part.kind} in answers`);
      return [];
    default:
      return part satisfies never;
  }
}

function textBlock(part: TextPart, path: string, losses: Losses): JsonObject {
  const citations: JsonObject[] = [];
  for (const citation of part.citations ?? []) {
    const encoded = encodeCitation(citation);
    if (encoded === undefined) losses.add(`${path}.citations`, "messages can't hold it");
    else citations.push(encoded);
  }
  return { type: "text", text: part.text, citations: citations.length === 0 ? null : citations };
}

/** What was neither signed nor said is nothing (PITFALLS, 9). */
function reasoningBlocks(part: ReasoningPart): JsonObject[] {
  const opaques = part.opaque ?? [];
  if (part.text === "" && opaques.length === 0) return [];
  if (part.text === "" && part.form === "redacted") return [redactedBlock(opaques)];
  return [{ type: "thinking", thinking: part.text, signature: signatureOf(opaques) }];
}

export function redactedBlock(opaques: readonly Opaque[]): JsonObject {
  return { type: "redacted_thinking", data: carrierOf(opaques, "redacted") };
}

export function compactionBlock(part: CompactionPart): JsonObject {
  const encrypted = carrierOf(part.opaque ?? [], "compaction");
  return { type: "compaction", content: part.text ?? null, encrypted_content: encrypted === "" ? null : encrypted };
}

function callBlock(part: ToolCallPart, path: string, seen: Seen, losses: Losses): JsonObject {
  const text = part.toolKind === "custom" ? customAsArguments(part.arguments) : part.arguments;
  if (endsMidway(text)) seen.brokenCall = true;
  if (part.opaque !== undefined) losses.add(`${path}.opaque`, "messages has no signature on a call");
  return callStart(part, argumentsObject(text, losses, path));
}

/** A call's block, as it starts or as it is whole. */
export function callStart(part: ToolCallPart, input: JsonObject): JsonObject {
  const id = part.id === "" ? randomId("toolu_") : callId(part.id, MAX_ID);
  const block = { type: "tool_use", id, name: part.name, input, caller: { type: "direct" } };
  // Who called replaces our word for it whole.
  return part.extra?.format === "messages" ? { ...block, ...part.extra.fields } : block;
}

const MAX_ID = 64;

/** A block of another format has no words in an answer: they were never part of what the model wrote. */
function nativeBlocks(part: NativePart, path: string, losses: Losses): JsonObject[] {
  if (part.format === "messages") return [part.value];
  losses.add(path, "messages has no such part");
  return [];
}

/** Whether JSON breaks off: within a string, or with brackets open. What is no JSON in another way does not. */
export function endsMidway(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (inString) {
      if (char === "\\") i++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]") depth--;
  }
  return inString || depth > 0;
}
