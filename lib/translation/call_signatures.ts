/**
 * Gemini signs the calls of its models, and refuses the next turn without the signature (PITFALLS, 29). Clients whose
 * tool calls have no place for it get it in thinking of its own before the call: thinking they send back unchanged
 * (TRANSLATION.md, 1.4). On the way back the upstream's format puts it on the call that follows.
 */
import type { NeutralEvent, NeutralResponse, Opaque, Part, ReasoningPart } from "../neutral.ts";
import { NO_EVENTS, type PartEvent, partKey, type Stage } from "./stage.ts";

type PartStart = Extract<NeutralEvent, { t: "part_start" }>;

interface State {
  /** A call that has just begun: whether it is signed is told by the next event. */
  waiting: PartStart | undefined;
  /** Part indexes as they go out, by the part's key. */
  out: Map<number, number>;
  /** The next part index of each candidate. */
  next: number[];
}

function newState(): State {
  return { waiting: undefined, out: new Map(), next: [] };
}

/** Holds the start of a call back until the next event, which is its signature if it has one. */
export function openSignatureCarrier(): Stage {
  const state = newState();
  return {
    lets: () => state.waiting === undefined && state.out.size === 0,
    push(event) {
      if (state.waiting !== undefined) return release(state, state.waiting, event);
      return "i" in event ? place(state, event) : [event];
    },
  };
}

function place(state: State, event: PartEvent): readonly NeutralEvent[] {
  if (event.t !== "part_start") return [moved(state, event)];
  if (event.part.kind !== "tool_call") return [started(state, event)];
  state.waiting = event;
  return NO_EVENTS;
}

function* release(state: State, start: PartStart, event: NeutralEvent): Generator<NeutralEvent> {
  state.waiting = undefined;
  if (event.t === "opaque" && partKey(event) === partKey(start)) {
    const { c } = start;
    const i = nextIndex(state, c);
    yield { t: "part_start", c, i, part: { kind: "reasoning", form: "full", text: "" } };
    yield { t: "opaque", c, i, opaque: event.opaque };
    yield { t: "part_end", c, i };
    yield started(state, start);
    return;
  }
  yield started(state, start);
  if ("i" in event) yield* place(state, event);
  else yield event;
}

function nextIndex(state: State, c: number): number {
  const i = state.next[c] ?? 0;
  state.next[c] = i + 1;
  return i;
}

function started(state: State, event: PartStart): NeutralEvent {
  const i = nextIndex(state, event.c);
  if (i === event.i) return event;
  state.out.set(partKey(event), i);
  return { ...event, i };
}

function moved(state: State, event: Exclude<PartEvent, PartStart>): NeutralEvent {
  const i = state.out.get(partKey(event)) ?? event.i;
  return i === event.i ? event : { ...event, i };
}

/** The same for a whole answer. */
export function carrySignatures(response: NeutralResponse): NeutralResponse {
  const isSigned = response.candidates.some(({ parts }) => parts.some((part) => signatureOf(part) !== undefined));
  if (!isSigned) return response;
  const candidates = response.candidates.map((candidate) => ({
    ...candidate,
    parts: candidate.parts.flatMap((part): Part[] => {
      const opaque = signatureOf(part);
      if (opaque === undefined) return [part];
      const { opaque: _, ...call } = part;
      return [{ kind: "reasoning", form: "full", text: "", opaque: [...opaque] }, call as Part];
    }),
  }));
  return { ...response, candidates };
}

function signatureOf(part: Part): readonly Opaque[] | undefined {
  return part.kind === "tool_call" && (part.opaque?.length ?? 0) > 0 ? part.opaque : undefined;
}

/** Signatures that came back in thinking of their own, on the calls that they were made with. */
export function restoreSignatures(parts: readonly Part[], family: string): readonly Part[] {
  const lastCall = parts.findLastIndex((part) => part.kind === "tool_call");
  let carried: readonly Opaque[] | undefined;
  return parts.flatMap((part, index): Part[] => {
    if (part.kind === "reasoning" && index < lastCall && isCarrier(part, family)) {
      carried = part.opaque;
      return [];
    }
    if (part.kind !== "tool_call" || carried === undefined) return [part];
    const signed = part.opaque === undefined ? { ...part, opaque: [...carried] } : part;
    carried = undefined;
    return [signed];
  });
}

function isCarrier({ text, opaque = [] }: ReasoningPart, family: string): boolean {
  return text === "" && opaque.length === 1 &&
    opaque.every(({ kind, issuer }) => kind === "thought_signature" && issuer === family);
}
