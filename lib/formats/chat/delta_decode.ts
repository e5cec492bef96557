/** One delta of a candidate: its thinking, text, refusal and calls, in this order (TRANSLATION.md, 4.5). */
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { Citation, NeutralEvent, Opaque } from "../../neutral.ts";
import { beginPart, type CandidateState, endText, endWholeCalls, openPart, openText } from "./candidate.ts";
import { decodeAnnotations } from "./citation.ts";
import {
  entryData,
  entryForm,
  entrySignature,
  entryText,
  redactedPart,
  thinkingSignature,
  thinkingText,
} from "./reasoning.ts";
import { decodeToolCalls } from "./tool_deltas.ts";
import { listOf, objectsOf, textOf } from "./wire.ts";

/** `delta` may be a whole message: its members have the same names. */
export function* decodeDelta(candidate: CandidateState, delta: JsonObject, logprobs: unknown): Generator<NeutralEvent> {
  if (holdsReasoning(delta)) yield* decodeReasoning(candidate, delta);
  const content = delta["content"];
  if (typeof content === "string") yield* decodeText(candidate, content, tokensOf(logprobs, "content"));
  else if (Array.isArray(content)) yield* decodeParts(candidate, objectsOf(content));
  const refusal = textOf(delta["refusal"]);
  if (refusal !== "") yield* addText(candidate, "refusal", refusal, tokensOf(logprobs, "refusal"));
  if (delta["images"] !== undefined) yield* addImages(candidate, objectsOf(delta["images"]));
  if (delta["annotations"] !== undefined) yield* addCitations(candidate, decodeAnnotations(delta["annotations"]));
  if (delta["tool_calls"] !== undefined || delta["function_call"] !== undefined) {
    yield* decodeToolCalls(candidate, delta);
  }
}

/** The event of a delta that only goes on with the text or the thinking that is open; undefined for all others. */
export function onlyText(candidate: CandidateState, delta: JsonObject): NeutralEvent | undefined {
  let kind: "text" | "reasoning" | undefined;
  for (const key in delta) {
    if (delta[key] === null || key === "role") continue;
    if (kind !== undefined || typeof delta[key] !== "string" || delta[key] === "") return undefined;
    if (key === "content") kind = "text";
    else if (key === "reasoning_content") kind = "reasoning";
    else return undefined;
  }
  if (kind === undefined || candidate.think !== undefined) return undefined;
  const open = openPart(candidate, kind);
  const text = delta[kind === "text" ? "content" : "reasoning_content"];
  return open === undefined || typeof text !== "string"
    ? undefined
    : { t: kind, c: candidate.c, i: open.i, delta: text };
}

function tokensOf(logprobs: unknown, key: string): unknown[] {
  return isObject(logprobs) ? listOf(logprobs[key]) : [];
}

function holdsReasoning(delta: JsonObject): boolean {
  return "reasoning_content" in delta || "reasoning" in delta || "reasoning_details" in delta;
}

/** The same thinking may stand in a string and in entries: the entries then tell only signatures and data. */
function* decodeReasoning(candidate: CandidateState, delta: JsonObject): Generator<NeutralEvent> {
  const plain = textOf(delta["reasoning_content"]) || textOf(delta["reasoning"]);
  const entries = objectsOf(delta["reasoning_details"]);
  if (plain !== "") yield* addReasoning(candidate, plain, entryForm(entries[0]), entries[0]?.["index"]);
  for (const entry of entries) yield* decodeEntry(candidate, entry, plain === "");
}

function* addReasoning(
  candidate: CandidateState,
  delta: string,
  form: "full" | "summary",
  slot: unknown,
): Generator<NeutralEvent> {
  const open = openPart(candidate, "reasoning", slot) ?? (yield* openText(candidate, "reasoning", form, slot));
  open.slot ??= slot;
  yield { t: "reasoning", c: candidate.c, i: open.i, delta };
}

function* decodeEntry(candidate: CandidateState, entry: JsonObject, hasText: boolean): Generator<NeutralEvent> {
  const { family } = candidate.target;
  const slot = entry["index"];
  const text = hasText ? entryText(entry) : "";
  if (text !== "") yield* addReasoning(candidate, text, entryForm(entry), slot);
  const signature = entrySignature(entry, family);
  if (signature !== undefined) yield* addSignature(candidate, signature, slot);
  const data = entryData(entry, family);
  if (data?.kind === "redacted") yield* addRedacted(candidate, data);
  else if (data !== undefined) {
    const open = yield* openText(candidate, "reasoning", "summary");
    yield { t: "opaque", c: candidate.c, i: open.i, opaque: data };
  }
}

/** A signature of another entry than the open one's is a thought without text. */
function* addSignature(candidate: CandidateState, signature: Opaque, slot: unknown): Generator<NeutralEvent> {
  const before = candidate.open;
  if (before?.kind === "reasoning" && slot !== undefined && (before.slot ?? slot) !== slot) yield* endText(candidate);
  const open = yield* openText(candidate, "reasoning", "full", slot);
  open.slot ??= slot;
  open.signature = signature;
}

function* addRedacted(candidate: CandidateState, data: Opaque): Generator<NeutralEvent> {
  yield* endText(candidate);
  yield* endWholeCalls(candidate);
  const start = beginPart(candidate, redactedPart(data));
  yield start;
  yield { t: "part_end", c: candidate.c, i: start.i };
}

function* decodeText(candidate: CandidateState, delta: string, logprobs: unknown[]): Generator<NeutralEvent> {
  if (candidate.think === undefined || delta === "") return yield* addText(candidate, "text", delta, logprobs);
  for (const piece of candidate.think.feed(delta)) {
    if (piece.kind === "reasoning") yield* addReasoning(candidate, piece.text, "full", undefined);
    else yield* addText(candidate, "text", piece.text, logprobs);
  }
}

function* addText(
  candidate: CandidateState,
  kind: "text" | "refusal",
  delta: string,
  logprobs: unknown[],
): Generator<NeutralEvent> {
  if (delta === "" && logprobs.length === 0) return;
  // One of these a token: the generator that opens a part is spared where none is to be opened.
  const open = openPart(candidate, kind) ?? (yield* openText(candidate, kind));
  const { c } = candidate;
  yield logprobs.length === 0 ? { t: kind, c, i: open.i, delta } : { t: kind, c, i: open.i, delta, logprobs };
  if (kind === "text" && candidate.citations.length > 0) yield* addCitations(candidate, candidate.citations.splice(0));
}

/** Images that a model made (OpenRouter's member): nothing else has a place for them, which must be told. */
function* addImages(candidate: CandidateState, images: readonly JsonObject[]): Generator<NeutralEvent> {
  for (const value of images) {
    yield* endText(candidate);
    yield* endWholeCalls(candidate);
    const start = beginPart(candidate, { kind: "native", format: "chat", value });
    yield start;
    yield { t: "part_end", c: candidate.c, i: start.i };
  }
}

/** Content as a list of typed parts: how Mistral's models think aloud. */
function* decodeParts(candidate: CandidateState, parts: readonly JsonObject[]): Generator<NeutralEvent> {
  for (const part of parts) {
    switch (part["type"]) {
      case "text":
        yield* decodeText(candidate, textOf(part["text"]), []);
        break;
      case "refusal":
        yield* addText(candidate, "refusal", textOf(part["refusal"]), []);
        break;
      case "thinking":
        yield* decodeThinking(candidate, part);
        break;
    }
  }
}

function* decodeThinking(candidate: CandidateState, part: JsonObject): Generator<NeutralEvent> {
  const text = thinkingText(part);
  const signature = thinkingSignature(part, candidate.target.family);
  if (text !== "") yield* addReasoning(candidate, text, "full", undefined);
  if (signature === undefined) return;
  const open = yield* openText(candidate, "reasoning");
  open.signature = signature;
}

/** They belong to text: those that come earlier wait for it. */
function* addCitations(candidate: CandidateState, citations: readonly Citation[]): Generator<NeutralEvent> {
  const open = candidate.open;
  if (open?.kind !== "text") {
    candidate.citations.push(...citations);
    return;
  }
  for (const citation of citations) yield { t: "citation", c: candidate.c, i: open.i, citation };
}
