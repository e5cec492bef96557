/** Output items of an answer, neutral → wire: what JSON answers and streams build in common (TRANSLATION.md, 3.4). */
import { defined, type JsonObject } from "../../base/fields.ts";
import type { Losses } from "../../format.ts";
import type { Citation, Item, NativePart, Opaque, Part, ReasoningPart, Stop, ToolCallPart } from "../../neutral.ts";
import { sealSummary } from "../../translation/compaction.ts";
import { sealEnvelope } from "../../translation/envelope.ts";
import { ownItemId } from "../../translation/ids.ts";
import { sealWords } from "../../translation/sealed_words.ts";
import { shiftCitation } from "./content_decode.ts";
import { encodeCitation } from "./content_encode.ts";
import { PIECE_BREAK } from "./item_decode.ts";
import { FORMAT, ownFields } from "./wire.ts";

export type ItemStatus = "in_progress" | "completed" | "incomplete";

/** The id that an item had upstream, where it is one of this format's and not yet taken, else a new one. */
export function itemId(prefix: string, wanted: string | undefined, output: readonly JsonObject[]): string {
  const isFree = wanted?.startsWith(prefix) === true && !output.some((item) => item["id"] === wanted);
  return isFree ? wanted : ownItemId(prefix);
}

export function messageItem(
  id: string,
  status: ItemStatus,
  content: readonly JsonObject[],
  origin: Item | undefined,
): JsonObject {
  return defined({
    id,
    type: "message",
    status,
    role: "assistant",
    phase: origin?.phase,
    content,
    ...ownFields(origin?.extra),
  });
}

export function textContent(
  text: string,
  annotations: readonly JsonObject[],
  logprobs: readonly unknown[],
): JsonObject {
  return { type: "output_text", annotations, logprobs, text };
}

export function refusalContent(refusal: string): JsonObject {
  return { type: "refusal", refusal };
}

/**
 * Citations of a text that is complete, counted from its own beginning; `start` is how much text of the answer stands
 * before it. Those that don't say where they belong cite all of it.
 */
export function encodeAnnotations(
  citations: readonly Citation[],
  text: string,
  start: number,
  losses: Losses,
): JsonObject[] {
  return citations.flatMap((citation): JsonObject[] => {
    const annotation = encodeCitation(shiftCitation(citation, -start), { start: 0, end: text.length });
    if (annotation !== undefined) return [annotation];
    losses.add("output.content.annotations", "responses has no such citation");
    return [];
  });
}

export interface ReasoningTexts {
  summary: readonly string[];
  content: readonly string[];
}

/** `opaques`: null for an item that has only begun. */
export function reasoningItem(id: string, texts: ReasoningTexts, opaques: readonly Opaque[] | null): JsonObject {
  return defined({
    id,
    type: "reasoning",
    summary: texts.summary.map((text) => ({ type: "summary_text", text })),
    content: texts.content.length === 0 ? undefined : texts.content.map((text) => ({ type: "reasoning_text", text })),
    encrypted_content: opaques === null ? null : encryptedContent(opaques, texts.content.join(PIECE_BREAK)),
  });
}

/** Reasoning text by the place that its form has in an item; redacted reasoning shows none. */
export function reasoningTexts(parts: readonly ReasoningPart[]): ReasoningTexts {
  const texts = (form: ReasoningPart["form"]) =>
    parts.flatMap((part) => part.form === form && part.text !== "" ? part.pieces ?? [part.text] : []);
  return { summary: texts("summary"), content: texts("full") };
}

/**
 * OpenAI's own value as it is, everything else in our envelope: this is the one field that clients give back unchanged
 * (TRANSLATION.md, 1.4). Reasoning without any value gets an empty envelope, by which it is known as another maker's
 * when it comes back: OpenAI refuses reasoning items that it neither made nor can read. `words`: what may not come back
 * by itself.
 */
function encryptedContent(opaques: readonly Opaque[], words = ""): string {
  const [only] = opaques;
  const isNative = opaques.length === 1 && only?.issuer === "openai" &&
    (only.kind === "encrypted" || only.kind === "compaction");
  return isNative ? only.value : sealEnvelope(sealWords(words, opaques));
}

export function callItem(id: string, status: ItemStatus, part: ToolCallPart, text: string): JsonObject {
  const isCustom = part.toolKind === "custom";
  return defined({
    id,
    type: isCustom ? "custom_tool_call" : "function_call",
    status,
    call_id: part.id,
    name: part.name,
    namespace: part.namespace,
    ...(isCustom ? { input: text } : { arguments: text }),
    ...ownFields(part.extra),
  });
}

export function callPrefix(part: ToolCallPart): string {
  return part.toolKind === "custom" ? "ctc_" : "fc_";
}

/** A call without arguments is `{}`: clients parse it. What was sent of it already stays: deltas add up to the whole. */
export function wholeArguments(part: ToolCallPart, text: string): string {
  return part.toolKind === "function" && text.trim() === "" ? `${text}{}` : text;
}

/** A compaction's members beside its text and what seals it. `index`: its item's place. */
export function loseMembers({ extra }: Pick<Part, "extra">, losses: Losses, index: number): void {
  if (extra === undefined || extra.format === FORMAT) return;
  losses.add(`output[${index}]`, `responses has no place for ${Object.keys(extra.fields).join(" and ")}`);
}

export function losePause({ reason }: Stop, losses: Losses): void {
  if (reason === "pause") losses.add("status", "responses can't say that the turn was paused");
}

/** Its text goes along sealed: the format has no place for it, and models of other makers can read nothing else. */
export function compactionItem(id: string, text: string | undefined, opaques: readonly Opaque[]): JsonObject {
  return { id, type: "compaction", encrypted_content: encryptedContent(sealSummary(text, opaques)) };
}

/** A built-in item of this format, whole. Accumulators refuse an item without an id. */
export function nativeItem(part: NativePart): JsonObject {
  return typeof part.value["id"] === "string" ? part.value : { id: ownItemId("item_"), ...part.value };
}
