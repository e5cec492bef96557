/**
 * An upstream's stream: wire → neutral (TRANSLATION.md, 4.1 and 4.5). Servers of this format differ more in what they
 * leave out, repeat or send too late than in anything else; each tolerance below is a row of 4.5 or a recorded dialect.
 */
import { cutOff, type Failure, protocolFault } from "../../base/failure.ts";
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { SseEvent } from "../../base/sse.ts";
import type { StreamDecoder, Target } from "../../format.ts";
import type { NeutralEvent } from "../../neutral.ts";
import { failureOfError } from "../../translation/upstream_error.ts";
import { type CandidateState, endParts, newCandidate } from "./candidate.ts";
import { decodeDelta } from "./delta_decode.ts";
import { type Head, newHead, readHead } from "./head.ts";
import { decodeStop, failureOfFinish } from "./stop.ts";
import { memberOf, objectsOf, textOf } from "./wire.ts";
import { decodeUsage } from "./usage.ts";

interface State {
  target: Target;
  head: Head;
  started: boolean;
  /** After `end` or `error`: what still comes is ignored. */
  done: boolean;
  candidates: Map<number, CandidateState>;
}

function newState(target: Target): State {
  return { target, head: newHead(target), started: false, done: false, candidates: new Map() };
}

export function openDecoder(target: Target): StreamDecoder {
  const state = newState(target);
  return {
    decode: (event) => decodeEvent(state, event),
    end: () => endOfBody(state),
  };
}

/** The events of an answer that came whole, as if it were a stream of one chunk: the same tolerances hold. */
export function replayWhole(body: JsonObject, choices: readonly JsonObject[], target: Target): NeutralEvent[] {
  const out: NeutralEvent[] = [];
  const state = newState(target);
  // Perplexity's answers hold an empty delta beside the message.
  const deltas = choices.map((choice) => ({
    ...choice,
    delta: wholeMessage(isObject(choice["message"]) ? choice["message"] : {}),
  }));
  decodeChunk(out, state, { ...body, choices: deltas });
  endOfStream(out, state);
  return out;
}

const NONE: readonly NeutralEvent[] = [];
const OPEN_BRACE = 0x7b;

function decodeEvent(state: State, event: SseEvent): readonly NeutralEvent[] {
  if (state.done) return NONE;
  const data = event.data.charCodeAt(0) === OPEN_BRACE ? event.data : event.data.trim();
  if (data === "") return NONE;
  const out: NeutralEvent[] = [];
  decodeData(out, state, event, data);
  return out;
}

/** What it brings is added to `out`, here and below: a generator for each level would cost more than all they do. */
function decodeData(out: NeutralEvent[], state: State, event: SseEvent, data: string): void {
  if (data === "[DONE]") return endOfStream(out, state);
  const body = parsed(data);
  const failure = failureIn(event, data, body);
  if (failure !== undefined) return fail(out, state, failure);
  if (isObject(body)) decodeChunk(out, state, body);
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}

/** Errors come at any time and in any shape; `event: error` needs no shape at all. */
function failureIn(event: SseEvent, data: string, body: unknown): Failure | undefined {
  if (event.event === "error") return failureOfError(body ?? data);
  const first = Array.isArray(body) ? body[0] : body;
  if (!isObject(first)) return protocolFault("The upstream sent an event that is no JSON object");
  if (isObject(first["error"]) || textOf(first["error"]) !== "") return failureOfError(first);
  const early = textOf(memberOf(first["x_groq"], "error"));
  if (early !== "") return failureOfError(early);
  const isErrorObject = first["object"] === "error" || first["type"] === "error" || first["detail"] !== undefined;
  if (isErrorObject && first["choices"] === undefined) return failureOfError(first);
  return first === body ? undefined : protocolFault("The upstream sent an event that is no JSON object");
}

function fail(out: NeutralEvent[], state: State, failure: Failure): void {
  state.done = true;
  out.push({ t: "error", failure });
}

function decodeChunk(out: NeutralEvent[], state: State, chunk: JsonObject): void {
  readHead(state.head, chunk);
  const choices = objectsOf(chunk["choices"]);
  for (const [position, choice] of choices.entries()) {
    if (state.done) return;
    if (!state.started) start(out, state);
    decodeChoice(out, state, choice, position);
  }
  const usage = decodeUsage(chunk["usage"] ?? memberOf(chunk["x_groq"], "usage") ?? choices[0]?.["usage"]);
  if (usage === undefined || state.done) return;
  if (!state.started) start(out, state);
  out.push({ t: "usage", usage });
}

/** Not before the first choice: Azure's first chunk has neither choices nor an id. */
function start(out: NeutralEvent[], state: State): void {
  state.started = true;
  out.push({ t: "start", ...state.head });
}

function decodeChoice(out: NeutralEvent[], state: State, choice: JsonObject, position: number): void {
  const candidate = candidateOf(state, typeof choice["index"] === "number" ? choice["index"] : position);
  if (candidate.finished) return;
  if (isObject(choice["error"])) return fail(out, state, failureOfError(choice));
  const delta = deltaOf(choice, candidate);
  if (delta !== undefined) decodeDelta(out, candidate, delta, choice["logprobs"]);
  const raw = textOf(choice["finish_reason"]);
  if (raw !== "") finish(out, state, candidate, raw, sequenceOf(choice));
}

function candidateOf(state: State, index: number): CandidateState {
  let candidate = state.candidates.get(index);
  if (candidate === undefined) {
    candidate = newCandidate(index, state.target);
    state.candidates.set(index, candidate);
  }
  return candidate;
}

/** A server that doesn't really stream sends a whole message in one chunk; beside a delta it only repeats. */
function deltaOf(choice: JsonObject, candidate: CandidateState): JsonObject | undefined {
  if (isObject(choice["delta"])) return choice["delta"];
  return isObject(choice["message"]) && candidate.nextPart === 0 ? wholeMessage(choice["message"]) : undefined;
}

/** In a whole message each call is one by its place, whatever ids and indexes it has. */
function wholeMessage(message: JsonObject): JsonObject {
  const calls = objectsOf(message["tool_calls"]);
  return { ...message, tool_calls: calls.map((call, index) => ({ ...call, index })) };
}

/** The stop sequence that matched, which vLLM and SGLang name. */
function sequenceOf(choice: JsonObject): string | undefined {
  return textOf(choice["stop_reason"]) || textOf(choice["matched_stop"]) || undefined;
}

function finish(out: NeutralEvent[], state: State, candidate: CandidateState, raw: string, sequence?: string): void {
  const failure = failureOfFinish(raw);
  if (failure !== undefined) return fail(out, state, failure);
  const broken = endParts(out, candidate);
  if (broken !== undefined) return fail(out, state, broken);
  candidate.finished = true;
  out.push({ t: "finish", c: candidate.c, stop: decodeStop(raw, sequence, candidate.seen) });
}

/** `[DONE]` is a finish for those candidates that got none, and an answer of its own where nothing else came. */
function endOfStream(out: NeutralEvent[], state: State): void {
  if (state.done) return;
  if (!state.started) start(out, state);
  if (state.candidates.size === 0) candidateOf(state, 0);
  for (const candidate of state.candidates.values()) {
    if (!candidate.finished && !state.done) finish(out, state, candidate, "");
  }
  if (!state.done) end(out, state);
}

function endOfBody(state: State): readonly NeutralEvent[] {
  if (state.done) return NONE;
  const out: NeutralEvent[] = [];
  const candidates = [...state.candidates.values()];
  const isComplete = candidates.length > 0 && candidates.every((candidate) => candidate.finished);
  if (isComplete) end(out, state);
  else fail(out, state, cutOff());
  return out;
}

function end(out: NeutralEvent[], state: State): void {
  state.done = true;
  out.push({ t: "end" });
}
