/** One candidate of a stream while it is decoded: its parts, in the order of their first appearance. */
import { type Failure, protocolFault } from "../../base/failure.ts";
import type { Target } from "../../format.ts";
import type { Citation, NeutralEvent, Opaque, Part } from "../../neutral.ts";
import { isCutJson, isWholeObject } from "./arguments.ts";
import type { Seen } from "./stop.ts";
import { ThinkTags } from "./think_tags.ts";

export interface CandidateState {
  c: number;
  target: Target;
  nextPart: number;
  /** The text, thinking or refusal that is being written: of these only one is open at a time. */
  open: OpenText | undefined;
  calls: CallState[];
  think: ThinkTags | undefined;
  /** Citations that came before any text. */
  citations: Citation[];
  seen: Seen;
  finished: boolean;
}

export interface OpenText {
  i: number;
  kind: "text" | "reasoning" | "refusal";
  /** A reasoning entry's own number, where entries are numbered. */
  slot: unknown;
  /** Some servers sign every chunk: the last signature counts, and goes out with the part's end. */
  signature: Opaque | undefined;
}

export interface CallState {
  /** Undefined until its name is known and the part has begun. */
  i: number | undefined;
  index: number | undefined;
  id: string;
  /** The upstream gave no id: this one is ours. */
  isMinted: boolean;
  name: string;
  toolKind: "function" | "custom";
  arguments: string;
  opaque: Opaque | undefined;
  ended: boolean;
}

export function newCandidate(c: number, target: Target): CandidateState {
  return {
    c,
    target,
    nextPart: 0,
    open: undefined,
    calls: [],
    think: target.flags.has("think_tags") ? new ThinkTags() : undefined,
    citations: [],
    seen: { call: false, refusal: false, brokenCall: false },
    finished: false,
  };
}

export function beginPart(candidate: CandidateState, part: Part): NeutralEvent & { t: "part_start" } {
  return { t: "part_start", c: candidate.c, i: candidate.nextPart++, part };
}

/** The open part, if it is of this kind. A signed thought is complete: the next entry begins a new one. */
export function openPart(candidate: CandidateState, kind: OpenText["kind"], slot?: unknown): OpenText | undefined {
  const { open } = candidate;
  if (open?.kind !== kind) return undefined;
  return open.signature === undefined || slot === undefined || slot === open.slot ? open : undefined;
}

/** The open part of this kind; another one ends first. What that brings is added to `out`, here and below. */
export function openText(
  out: NeutralEvent[],
  candidate: CandidateState,
  kind: OpenText["kind"],
  form: "full" | "summary" = "full",
  slot?: unknown,
): OpenText {
  const open = openPart(candidate, kind, slot);
  if (open !== undefined) return open;
  endText(out, candidate);
  endWholeCalls(out, candidate);
  const start = beginPart(candidate, kind === "reasoning" ? { kind, form, text: "" } : { kind, text: "" });
  out.push(start);
  const opened: OpenText = { i: start.i, kind, slot, signature: undefined };
  candidate.open = opened;
  if (kind === "refusal") candidate.seen.refusal = true;
  return opened;
}

export function endText(out: NeutralEvent[], candidate: CandidateState): void {
  const { open, c } = candidate;
  if (open === undefined) return;
  candidate.open = undefined;
  if (open.signature !== undefined) out.push({ t: "opaque", c, i: open.i, opaque: open.signature });
  out.push({ t: "part_end", c, i: open.i });
}

/**
 * Nothing says where a call ends; but arguments that are a whole JSON object can't go on. Ending them when something
 * else begins lets the next call stream live where only one part may be open.
 */
export function endWholeCalls(out: NeutralEvent[], candidate: CandidateState): void {
  for (const call of candidate.calls) {
    const isWhole = call.i !== undefined && call.toolKind === "function" && isWholeObject(call.arguments);
    if (!call.ended && isWhole) endCall(out, candidate, call);
  }
}

function endCall(out: NeutralEvent[], candidate: CandidateState, call: CallState): void {
  if (call.i === undefined || call.ended) return;
  call.ended = true;
  if (call.toolKind === "function" && isCutJson(call.arguments)) candidate.seen.brokenCall = true;
  out.push({ t: "part_end", c: candidate.c, i: call.i });
}

/** Ends everything, before the finish. Returns what makes the answer unusable. */
export function endParts(out: NeutralEvent[], candidate: CandidateState): Failure | undefined {
  flushThinking(out, candidate);
  endText(out, candidate);
  for (const call of candidate.calls) {
    if (call.i === undefined) return namelessCall();
    endCall(out, candidate, call);
  }
  return undefined;
}

function namelessCall(): Failure {
  return { ...protocolFault("The upstream sent a tool call without a name"), code: "malformed_tool_call" };
}

/** Text that only looked like the beginning of a tag is text after all. */
function flushThinking(out: NeutralEvent[], candidate: CandidateState): void {
  for (const piece of candidate.think?.end() ?? []) {
    const open = openText(out, candidate, piece.kind);
    out.push({ t: piece.kind, c: candidate.c, i: open.i, delta: piece.text });
  }
}
