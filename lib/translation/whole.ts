/**
 * A stream as a whole answer, and a whole answer as a stream: for upstreams that answer the other way than they were
 * asked, and for clients that didn't ask for a stream.
 */
import { cutOff, fail, type Failure, protocolFault, type Result, success } from "../base/failure.ts";
import type { Candidate, NeutralEvent, NeutralResponse, Part, Stop, Usage } from "../neutral.ts";
import { type DeltaEvent, type PartEvent, partKey } from "./stage.ts";

type Start = Extract<NeutralEvent, { t: "start" }>;

export interface Collector {
  push(event: NeutralEvent): void;
  /**
   * The answer, once the stream has ended. The failure of an error event; `upstream_cut` when `end` never came;
   * `upstream_protocol` when the events break their grammar.
   */
  result(): Result<NeutralResponse>;
}

interface State {
  start: Start | undefined;
  candidates: Map<number, { parts: Part[]; stop: Stop }>;
  /** Parts that haven't ended, by candidate and index. */
  open: Map<number, Part>;
  usage: Usage | undefined;
  failure: Failure | undefined;
  ended: boolean;
}

function newState(): State {
  return {
    start: undefined,
    candidates: new Map(),
    open: new Map(),
    usage: undefined,
    failure: undefined,
    ended: false,
  };
}

/** `keepalive` and `native` events leave nothing behind; a candidate without a finish stops for an unknown reason. */
function openCollector(): Collector {
  const state = newState();
  return {
    push(event) {
      if (state.failure === undefined && !state.ended) take(state, event);
    },
    result: () => answer(state),
  };
}

export function collect(events: Iterable<NeutralEvent>): Result<NeutralResponse> {
  const collector = openCollector();
  for (const event of events) collector.push(event);
  return collector.result();
}

function take(state: State, event: NeutralEvent): void {
  switch (event.t) {
    case "start":
      state.start = event;
      return;
    case "part_start":
      return beginPart(state, event);
    case "text":
    case "reasoning":
    case "refusal":
    case "arguments":
    case "citation":
    case "opaque":
      return addToPart(state, event);
    case "part_end":
      state.open.delete(partKey(event));
      return;
    case "finish":
      candidate(state, event.c).stop = event.stop;
      return;
    case "usage":
      state.usage = event.usage;
      return;
    case "error":
      state.failure = event.failure;
      return;
    case "end":
      state.ended = true;
      return;
    case "keepalive":
    case "native":
      return;
    default:
      return event satisfies never;
  }
}

function beginPart(state: State, event: Extract<NeutralEvent, { t: "part_start" }>): void {
  // The event's part is the decoder's own: what is added here must not show there.
  const part = { ...event.part };
  if (part.opaque !== undefined) part.opaque = [...part.opaque];
  candidate(state, event.c).parts.push(part);
  state.open.set(partKey(event), part);
}

function candidate(state: State, index: number): { parts: Part[]; stop: Stop } {
  const known = state.candidates.get(index);
  if (known !== undefined) return known;
  const begun: { parts: Part[]; stop: Stop } = { parts: [], stop: { reason: "unknown" } };
  state.candidates.set(index, begun);
  return begun;
}

function addToPart(state: State, event: Exclude<PartEvent, { t: "part_start" | "part_end" }>): void {
  const part = state.open.get(partKey(event));
  if (part === undefined) {
    state.failure = protocolFault(`The upstream sent ${event.t} for a part that isn't open`);
  } else if (event.t === "opaque") {
    (part.opaque ??= []).push(event.opaque);
  } else if (event.t === "citation") {
    if (part.kind === "text") (part.citations ??= []).push(event.citation);
  } else if (!addDelta(part, event)) {
    state.failure = protocolFault(`The upstream sent ${event.t} within a part of kind ${part.kind}`);
  }
}

function addDelta(part: Part, event: DeltaEvent): boolean {
  switch (part.kind) {
    case "text":
      if (event.logprobs !== undefined) (part.logprobs ??= []).push(...event.logprobs);
      part.text += event.delta;
      return event.t === "text";
    case "compaction":
      part.text = (part.text ?? "") + event.delta;
      return event.t === "text";
    case "reasoning":
    case "refusal":
      part.text += event.delta;
      return event.t === part.kind;
    case "tool_call":
      part.arguments += event.delta;
      return event.t === "arguments";
    default:
      return false;
  }
}

function answer(state: State): Result<NeutralResponse> {
  if (state.failure !== undefined) return fail(state.failure);
  if (!state.ended) return fail(cutOff());
  if (state.start === undefined) return fail(protocolFault("The upstream's stream never began"));
  const { t: _, usage, ...head } = state.start;
  return success({ ...head, candidates: candidatesOf(state), usage: state.usage ?? usage });
}

function candidatesOf(state: State): Candidate[] {
  if (state.candidates.size === 0) candidate(state, 0);
  const candidates = [...state.candidates].map(([index, { parts, stop }]) => ({ index, parts, stop }));
  return candidates.sort((one, other) => one.index - other.index);
}

/**
 * The events of a stream that would have given this answer, one delta a part. What events have no place for is left out:
 * `logprobs` of a candidate, which matter to their own format alone.
 */
export function* replay(response: NeutralResponse): Generator<NeutralEvent> {
  const { candidates: _, usage, ...head } = response;
  yield { t: "start", ...head, ...(usage === undefined ? {} : { usage }) };
  for (const candidate of response.candidates) {
    for (const [i, part] of candidate.parts.entries()) yield* replayPart(candidate.index, i, part);
    yield { t: "finish", c: candidate.index, stop: candidate.stop };
  }
  if (response.usage !== undefined) yield { t: "usage", usage: response.usage };
  yield { t: "end" };
}

function* replayPart(c: number, i: number, part: Part): Generator<NeutralEvent> {
  const text = textOf(part);
  if (text === undefined) {
    yield { t: "part_start", c, i, part };
  } else {
    yield { t: "part_start", c, i, part: emptied(part) };
    yield* replayDelta(c, i, text);
    if (part.kind === "text") { for (const citation of part.citations ?? []) yield { t: "citation", c, i, citation }; }
    for (const opaque of part.opaque ?? []) yield { t: "opaque", c, i, opaque };
  }
  yield { t: "part_end", c, i };
}

function* replayDelta(c: number, i: number, text: Delta): Generator<NeutralEvent> {
  if (text.delta !== "" || text.logprobs !== undefined) yield { c, i, ...text };
}

type Delta = Omit<DeltaEvent, "c" | "i">;

/** What of a part comes in deltas; undefined for parts that come whole. */
function textOf(part: Part): Delta | undefined {
  switch (part.kind) {
    case "text":
      return { t: "text", delta: part.text, ...(part.logprobs === undefined ? {} : { logprobs: part.logprobs }) };
    case "refusal":
      return { t: "refusal", delta: part.text };
    case "reasoning":
      return part.form === "redacted" ? undefined : { t: "reasoning", delta: part.text };
    case "tool_call":
      return { t: "arguments", delta: part.arguments };
    case "compaction":
      return { t: "text", delta: part.text ?? "" };
    case "image":
    case "audio":
    case "video":
    case "document":
    case "search_result":
    case "tool_result":
    case "native":
      return undefined;
    default:
      return part satisfies never;
  }
}

/** The part as a stream begins it. */
function emptied(part: Part): Part {
  const { opaque: _, ...empty } = part;
  if (empty.kind === "tool_call") return { ...empty, arguments: "" };
  if (empty.kind === "text") {
    const { citations: _citations, logprobs: _logprobs, ...text } = empty;
    return { ...text, text: "" };
  }
  if (empty.kind === "compaction") return { ...empty, ...(empty.text === undefined ? {} : { text: "" }) };
  return "text" in empty && empty.kind !== "native" ? { ...empty, text: "" } : empty;
}
