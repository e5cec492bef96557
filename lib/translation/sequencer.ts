/**
 * Turns overlapping parts into strict order, for client formats that allow one open part at a time (TRANSLATION.md, 4.5,
 * last paragraph). The open part streams on at once; parts that begin meanwhile are held back, and follow whole, in the
 * order of their beginning, when it has ended. Of two parallel calls from chat, of which nothing says that the first is
 * complete before the answer is, the first therefore streams live and the second comes at the end.
 */
import { protocolFault } from "../base/failure.ts";
import type { NeutralEvent, Part } from "../neutral.ts";
import { type DeltaEvent, NO_EVENTS, type PartEvent, type Stage } from "./stage.ts";

/** Characters held back in parts that wait for their turn. */
export const MAX_HELD = 8 * 1024 * 1024;
/** What an event counts beside its text, so that events without any add up too. */
const EVENT_COST = 64;

type PartStart = Extract<NeutralEvent, { t: "part_start" }>;
type Finish = Extract<NeutralEvent, { t: "finish" }>;
type Inner = Exclude<PartEvent, { t: "part_start" | "part_end" }>;

interface HeldPart {
  start: PartStart;
  inner: Inner[];
  ended: boolean;
  size: number;
}

interface State {
  /** The part that streams live: where it came in and where it goes out. */
  open: { c: number; i: number; out: number } | undefined;
  /** What waits for the open part's end. A candidate's finish waits behind its parts. */
  queue: (HeldPart | Finish)[];
  held: number;
  /** The next part index of each candidate. */
  next: number[];
  done: boolean;
}

function newState(): State {
  return { open: undefined, queue: [], held: 0, next: [], done: false };
}

/**
 * Part indexes come out as 0, 1, 2… in output order, for each candidate. More than `MAX_HELD` characters in waiting
 * parts, or a delta of a part that isn't open, end the stream in an error event of kind `upstream_protocol`.
 */
export function openSequencer(): Stage {
  const state = newState();
  return {
    lets({ c, i }) {
      const { open } = state;
      return open !== undefined && open.i === i && open.c === c && open.out === i;
    },
    push: (event) => state.done ? NO_EVENTS : step(state, event),
  };
}

function* step(state: State, event: NeutralEvent): Generator<NeutralEvent> {
  switch (event.t) {
    case "start":
    case "usage":
    case "keepalive":
    case "native":
      yield event;
      return;
    case "part_start":
      return yield* beginPart(state, event);
    case "text":
    case "reasoning":
    case "refusal":
    case "arguments":
    case "citation":
    case "opaque":
      return yield* addToPart(state, event);
    case "part_end":
      return yield* endPart(state, event.c, event.i);
    case "finish":
      return yield* finishCandidate(state, event);
    case "error":
      return yield* fault(state, event);
    case "end":
      yield* drain(state);
      state.done = true;
      yield event;
      return;
    default:
      return event satisfies never;
  }
}

function* beginPart(state: State, event: PartStart): Generator<NeutralEvent> {
  if (state.open === undefined) {
    yield open(state, event);
    return;
  }
  const part: HeldPart = { start: event, inner: [], ended: false, size: 0 };
  state.queue.push(part);
  yield* grow(state, part, EVENT_COST + partSize(event.part));
}

function open(state: State, event: PartStart): NeutralEvent {
  const out = state.next[event.c] ?? 0;
  state.next[event.c] = out + 1;
  state.open = { c: event.c, i: event.i, out };
  return out === event.i ? event : { ...event, i: out };
}

function* addToPart(state: State, event: Inner): Generator<NeutralEvent> {
  const live = state.open;
  if (live !== undefined && live.c === event.c && live.i === event.i) {
    yield live.out === event.i ? event : { ...event, i: live.out };
    return;
  }
  const part = findHeld(state, event.c, event.i);
  if (part === undefined || part.ended) {
    return yield* fault(state, strayEvent(event));
  }
  yield* grow(state, part, hold(part, event));
}

/** Returns how much more is held now. Deltas without more to them grow together: a long wait must not cost a million objects. */
function hold(part: HeldPart, event: Inner): number {
  if (!("delta" in event)) {
    part.inner.push(event);
    return EVENT_COST + JSON.stringify(event).length;
  }
  const last = part.inner.at(-1);
  if (last !== undefined && last.t === event.t && !hasLogprobs(event) && !hasLogprobs(last as DeltaEvent)) {
    (last as DeltaEvent).delta += event.delta;
    return event.delta.length;
  }
  // A copy, because later deltas are added to it.
  part.inner.push({ ...event });
  return EVENT_COST * (1 + (event.logprobs?.length ?? 0)) + event.delta.length;
}

function hasLogprobs(event: DeltaEvent): boolean {
  return event.logprobs !== undefined;
}

/** What a part brings along in its start: native and redacted parts come whole. */
function partSize(part: Part): number {
  if (part.kind === "native") return JSON.stringify(part.value).length;
  return (part.opaque ?? []).reduce((size, opaque) => size + opaque.value.length, 0);
}

function* grow(state: State, part: HeldPart, size: number): Generator<NeutralEvent> {
  part.size += size;
  state.held += size;
  if (state.held > MAX_HELD) {
    const failure = protocolFault(`The upstream's parallel parts need more than ${MAX_HELD} characters held back`);
    yield* fault(state, { t: "error", failure });
  }
}

function* endPart(state: State, c: number, i: number): Generator<NeutralEvent> {
  if (state.open !== undefined && state.open.c === c && state.open.i === i) {
    yield* closeOpen(state);
    return yield* advance(state);
  }
  const part = findHeld(state, c, i);
  if (part !== undefined) part.ended = true;
}

function* closeOpen(state: State): Generator<NeutralEvent> {
  if (state.open === undefined) return;
  const { c, out } = state.open;
  state.open = undefined;
  yield { t: "part_end", c, i: out };
}

/** Lets out what waits, until a part comes that hasn't ended: it streams live from here on. */
function* advance(state: State): Generator<NeutralEvent> {
  while (state.open === undefined) {
    const next = state.queue.shift();
    if (next === undefined) return;
    if ("t" in next) yield next;
    else yield* release(state, next);
  }
}

function* release(state: State, part: HeldPart): Generator<NeutralEvent> {
  state.held -= part.size;
  yield open(state, part.start);
  const out = state.open?.out ?? 0;
  for (const event of part.inner) yield { ...event, i: out };
  if (part.ended) yield* closeOpen(state);
}

/** All parts of a candidate have ended before its finish; one that hasn't is ended here, so that the output is legal. */
function* finishCandidate(state: State, event: Finish): Generator<NeutralEvent> {
  for (const entry of state.queue) if (!("t" in entry) && entry.start.c === event.c) entry.ended = true;
  state.queue.push(event);
  if (state.open?.c === event.c) yield* closeOpen(state);
  yield* advance(state);
}

function* drain(state: State): Generator<NeutralEvent> {
  while (state.open !== undefined || state.queue.length > 0) {
    yield* closeOpen(state);
    yield* advance(state);
  }
}

function findHeld(state: State, c: number, i: number): HeldPart | undefined {
  for (const entry of state.queue) if (!("t" in entry) && entry.start.c === c && entry.start.i === i) return entry;
  return undefined;
}

function strayEvent(event: Inner): NeutralEvent {
  return { t: "error", failure: protocolFault(`The upstream sent ${event.t} for a part that isn't open`) };
}

function* fault(state: State, error: NeutralEvent): Generator<NeutralEvent> {
  state.done = true;
  state.open = undefined;
  state.queue = [];
  yield error;
}
