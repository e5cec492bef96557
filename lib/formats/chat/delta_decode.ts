/** One delta of a candidate: its thinking, text, refusal and calls, in this order (TRANSLATION.md, 4.5). */
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { Citation, NeutralEvent, Opaque } from "../../neutral.ts";
import { beginPart, type CandidateState, endText, endWholeCalls, openText } from "./candidate.ts";
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

/** Its events are added to `out`. `delta` may be a whole message: its members have the same names. */
export function decodeDelta(
  out: NeutralEvent[],
  candidate: CandidateState,
  delta: JsonObject,
  logprobs: unknown,
): void {
  if (holdsReasoning(delta)) decodeReasoning(out, candidate, delta);
  const content = delta["content"];
  if (typeof content === "string") decodeText(out, candidate, content, tokensOf(logprobs, "content"));
  else if (Array.isArray(content)) decodeParts(out, candidate, objectsOf(content));
  const refusal = textOf(delta["refusal"]);
  if (refusal !== "") addText(out, candidate, "refusal", refusal, tokensOf(logprobs, "refusal"));
  if (delta["images"] !== undefined) addImages(out, candidate, objectsOf(delta["images"]));
  if (delta["annotations"] !== undefined) addCitations(out, candidate, decodeAnnotations(delta["annotations"]));
  if (delta["tool_calls"] !== undefined || delta["function_call"] !== undefined) {
    decodeToolCalls(out, candidate, delta);
  }
}

function tokensOf(logprobs: unknown, key: string): unknown[] {
  return isObject(logprobs) ? listOf(logprobs[key]) : [];
}

function holdsReasoning(delta: JsonObject): boolean {
  return "reasoning_content" in delta || "reasoning" in delta || "reasoning_details" in delta;
}

/** The same thinking may stand in a string and in entries: the entries then tell only signatures and data. */
function decodeReasoning(out: NeutralEvent[], candidate: CandidateState, delta: JsonObject): void {
  const plain = textOf(delta["reasoning_content"]) || textOf(delta["reasoning"]);
  const entries = objectsOf(delta["reasoning_details"]);
  if (plain !== "") addReasoning(out, candidate, plain, entryForm(entries[0]), entries[0]?.["index"]);
  for (const entry of entries) decodeEntry(out, candidate, entry, plain === "");
}

function addReasoning(
  out: NeutralEvent[],
  candidate: CandidateState,
  delta: string,
  form: "full" | "summary",
  slot: unknown,
): void {
  const open = openText(out, candidate, "reasoning", form, slot);
  open.slot ??= slot;
  out.push({ t: "reasoning", c: candidate.c, i: open.i, delta });
}

function decodeEntry(out: NeutralEvent[], candidate: CandidateState, entry: JsonObject, hasText: boolean): void {
  const { family } = candidate.target;
  const slot = entry["index"];
  const text = hasText ? entryText(entry) : "";
  if (text !== "") addReasoning(out, candidate, text, entryForm(entry), slot);
  const signature = entrySignature(entry, family);
  if (signature !== undefined) addSignature(out, candidate, signature, slot);
  const data = entryData(entry, family);
  if (data?.kind === "redacted") addRedacted(out, candidate, data);
  else if (data !== undefined) {
    const open = openText(out, candidate, "reasoning", "summary");
    out.push({ t: "opaque", c: candidate.c, i: open.i, opaque: data });
  }
}

/** A signature of another entry than the open one's is a thought without text. */
function addSignature(out: NeutralEvent[], candidate: CandidateState, signature: Opaque, slot: unknown): void {
  const before = candidate.open;
  if (before?.kind === "reasoning" && slot !== undefined && (before.slot ?? slot) !== slot) endText(out, candidate);
  const open = openText(out, candidate, "reasoning", "full", slot);
  open.slot ??= slot;
  open.signature = signature;
}

function addRedacted(out: NeutralEvent[], candidate: CandidateState, data: Opaque): void {
  endText(out, candidate);
  endWholeCalls(out, candidate);
  const start = beginPart(candidate, redactedPart(data));
  out.push(start);
  out.push({ t: "part_end", c: candidate.c, i: start.i });
}

function decodeText(out: NeutralEvent[], candidate: CandidateState, delta: string, logprobs: unknown[]): void {
  if (candidate.think === undefined || delta === "") return addText(out, candidate, "text", delta, logprobs);
  for (const piece of candidate.think.feed(delta)) {
    if (piece.kind === "reasoning") addReasoning(out, candidate, piece.text, "full", undefined);
    else addText(out, candidate, "text", piece.text, logprobs);
  }
}

function addText(
  out: NeutralEvent[],
  candidate: CandidateState,
  kind: "text" | "refusal",
  delta: string,
  logprobs: unknown[],
): void {
  if (delta === "" && logprobs.length === 0) return;
  const open = openText(out, candidate, kind);
  const { c } = candidate;
  out.push(logprobs.length === 0 ? { t: kind, c, i: open.i, delta } : { t: kind, c, i: open.i, delta, logprobs });
  if (kind === "text" && candidate.citations.length > 0) addCitations(out, candidate, candidate.citations.splice(0));
}

/** Images that a model made (OpenRouter's member): nothing else has a place for them, which must be told. */
function addImages(out: NeutralEvent[], candidate: CandidateState, images: readonly JsonObject[]): void {
  for (const value of images) {
    endText(out, candidate);
    endWholeCalls(out, candidate);
    const start = beginPart(candidate, { kind: "native", format: "chat", value });
    out.push(start);
    out.push({ t: "part_end", c: candidate.c, i: start.i });
  }
}

/** Content as a list of typed parts: how Mistral's models think aloud. */
function decodeParts(out: NeutralEvent[], candidate: CandidateState, parts: readonly JsonObject[]): void {
  for (const part of parts) {
    switch (part["type"]) {
      case "text":
        decodeText(out, candidate, textOf(part["text"]), []);
        break;
      case "refusal":
        addText(out, candidate, "refusal", textOf(part["refusal"]), []);
        break;
      case "thinking":
        decodeThinking(out, candidate, part);
        break;
    }
  }
}

function decodeThinking(out: NeutralEvent[], candidate: CandidateState, part: JsonObject): void {
  const text = thinkingText(part);
  const signature = thinkingSignature(part, candidate.target.family);
  if (text !== "") addReasoning(out, candidate, text, "full", undefined);
  if (signature === undefined) return;
  const open = openText(out, candidate, "reasoning");
  open.signature = signature;
}

/** They belong to text: those that come earlier wait for it. */
function addCitations(out: NeutralEvent[], candidate: CandidateState, citations: readonly Citation[]): void {
  const open = candidate.open;
  if (open?.kind !== "text") {
    candidate.citations.push(...citations);
    return;
  }
  for (const citation of citations) out.push({ t: "citation", c: candidate.c, i: open.i, citation });
}
