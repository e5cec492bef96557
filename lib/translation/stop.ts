/**
 * Stop sequences for upstreams that have no field for them (TRANSLATION.md, 2.1): the answer's text is cut before the
 * sequence that is complete first, as a model would stop that writes one character after the other.
 */
import type { Candidate, Citation, NeutralEvent, NeutralResponse, Part, TextPart, Usage } from "../neutral.ts";
import { type DeltaEvent, NO_EVENTS, partKey, type Stage } from "./stage.ts";

type PartEnd = Extract<NeutralEvent, { t: "part_end" }>;

export interface StopCutter extends Stage {
  /** The answer is complete: what the upstream still sends is not wanted. */
  readonly stopped: boolean;
}

/** Text that may be the beginning of a sequence. */
interface Held {
  c: number;
  i: number;
  text: string;
  logprobs: unknown[];
}

interface State {
  sequences: readonly string[];
  held: Map<number, Held>;
  /** Open parts, as they must be ended when the text is cut. */
  open: { c: number; i: number }[];
  usage: Usage | undefined;
  stopped: boolean;
}

function newState(sequences: readonly string[]): State {
  return { sequences: wanted(sequences), held: new Map(), open: [], usage: undefined, stopped: false };
}

/**
 * Looks at text parts alone, each by itself. Nothing is held back but the longest end of the text that may begin a
 * sequence. At a match: the part's end, the finish (`stop_sequence`), the usage if the upstream has told it, the end.
 */
export function openStopCutter(sequences: readonly string[]): StopCutter {
  const state = newState(sequences);
  return {
    get stopped() {
      return state.stopped;
    },
    push(event) {
      if (state.stopped) return NO_EVENTS;
      switch (event.t) {
        case "text":
          return addText(state, event);
        case "part_start":
          state.open.push({ c: event.c, i: event.i });
          return [event];
        case "part_end":
          return endPart(state, event);
        case "usage":
          state.usage = event.usage;
          return [event];
        default:
          return [event];
      }
    },
  };
}

/** The same for a whole answer, each candidate by itself. */
export function cutResponse(response: NeutralResponse, sequences: readonly string[]): NeutralResponse {
  const stops = wanted(sequences);
  return { ...response, candidates: response.candidates.map((candidate) => cutCandidate(candidate, stops)) };
}

function wanted(sequences: readonly string[]): readonly string[] {
  return sequences.filter((sequence) => sequence !== "");
}

function addText(state: State, event: DeltaEvent): Iterable<NeutralEvent> {
  const before = state.held.size === 0 ? undefined : state.held.get(partKey(event));
  const text = before === undefined ? event.delta : before.text + event.delta;
  const match = firstMatch(text, state.sequences);
  const kept = match === undefined ? suffixLength(text, state.sequences) : 0;
  if (before === undefined && match === undefined && kept === 0) return [event];
  const logprobs = [...(before?.logprobs ?? []), ...(event.logprobs ?? [])];
  const held: Held = { c: event.c, i: event.i, text, logprobs };
  return match === undefined ? holdBack(state, held, kept) : stop(state, held, match);
}

function* holdBack(state: State, held: Held, kept: number): Generator<NeutralEvent> {
  const key = partKey(held);
  const out = held.text.slice(0, held.text.length - kept);
  if (kept === 0) state.held.delete(key);
  else state.held.set(key, { ...held, text: held.text.slice(-kept), logprobs: out === "" ? held.logprobs : [] });
  if (out !== "") yield textEvent(held, out, held.logprobs);
}

function textEvent(at: { c: number; i: number }, delta: string, logprobs: unknown[]): NeutralEvent {
  return { t: "text", c: at.c, i: at.i, delta, ...(logprobs.length === 0 ? {} : { logprobs }) };
}

function* endPart(state: State, event: PartEnd): Generator<NeutralEvent> {
  const held = state.held.get(partKey(event));
  if (held !== undefined) {
    state.held.delete(partKey(event));
    yield textEvent(event, held.text, held.logprobs);
  }
  state.open = state.open.filter((part) => part.c !== event.c || part.i !== event.i);
  yield event;
}

function* stop(state: State, cut: Held, match: Match): Generator<NeutralEvent> {
  state.stopped = true;
  const out = cut.text.slice(0, match.start);
  if (out !== "") yield textEvent(cut, out, cut.logprobs);
  state.held.delete(partKey(cut));
  // Another part's text that only looked like the beginning of a sequence is text after all.
  for (const held of state.held.values()) yield textEvent(held, held.text, held.logprobs);
  for (const { c, i } of state.open) yield { t: "part_end", c, i };
  yield { t: "finish", c: cut.c, stop: { reason: "stop_sequence", sequence: match.sequence } };
  if (state.usage !== undefined) yield { t: "usage", usage: state.usage };
  yield { t: "end" };
}

interface Match {
  start: number;
  sequence: string;
}

/** The sequence whose end comes first; of two that end together, the longer. */
function firstMatch(text: string, sequences: readonly string[]): Match | undefined {
  let first: Match | undefined;
  let firstEnd = Infinity;
  for (const sequence of sequences) {
    const start = text.indexOf(sequence);
    if (start === -1) continue;
    const end = start + sequence.length;
    if (end < firstEnd || (end === firstEnd && start < (first?.start ?? 0))) {
      first = { start, sequence };
      firstEnd = end;
    }
  }
  return first;
}

/** The length of the longest end of `text` that a sequence begins with. */
function suffixLength(text: string, sequences: readonly string[]): number {
  let longest = 0;
  for (const sequence of sequences) {
    for (let length = Math.min(sequence.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(sequence.slice(0, length))) longest = length;
    }
  }
  return longest;
}

function cutCandidate(candidate: Candidate, sequences: readonly string[]): Candidate {
  const parts: Part[] = [];
  let before = 0;
  for (const part of candidate.parts) {
    const match = part.kind === "text" ? firstMatch(part.text, sequences) : undefined;
    if (part.kind !== "text" || match === undefined) {
      parts.push(part);
      if (part.kind === "text") before += part.text.length;
      continue;
    }
    if (match.start > 0) parts.push(cutPart(part, match.start, before));
    return { ...candidate, parts, stop: { reason: "stop_sequence", sequence: match.sequence } };
  }
  return candidate;
}

/** `before`: characters of the answer's text before this part, which citations count from. */
function cutPart(part: TextPart, length: number, before: number): TextPart {
  const { citations, ...rest } = part;
  const kept = (citations ?? []).filter((citation) => endOf(citation) <= before + length);
  return { ...rest, text: part.text.slice(0, length), ...(kept.length === 0 ? {} : { citations: kept }) };
}

function endOf(citation: Citation): number {
  return citation.kind === "url" ? citation.end ?? 0 : 0;
}
