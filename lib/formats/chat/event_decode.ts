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
import { decodeDelta, onlyText } from "./delta_decode.ts";
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
export function* replayWhole(
  body: JsonObject,
  choices: readonly JsonObject[],
  target: Target,
): Generator<NeutralEvent> {
  const state = newState(target);
  // Perplexity's answers hold an empty delta beside the message.
  const deltas = choices.map((choice) => ({
    ...choice,
    delta: wholeMessage(isObject(choice["message"]) ? choice["message"] : {}),
  }));
  yield* decodeChunk(state, { ...body, choices: deltas });
  yield* endOfStream(state);
}

const OPEN_BRACE = 0x7b;

const NONE: readonly NeutralEvent[] = [];

function decodeEvent(state: State, event: SseEvent): Iterable<NeutralEvent> {
  if (state.done) return NONE;
  const data = event.data.charCodeAt(0) === OPEN_BRACE ? event.data : event.data.trim();
  if (data === "") return NONE;
  if (data === "[DONE]") return endOfStream(state);
  const body = parsed(data);
  const more = event.event === "error" || !isObject(body) ? undefined : moreText(state, body);
  return more === undefined ? decodeAny(state, event, data, body) : [more];
}

function* decodeAny(state: State, event: SseEvent, data: string, body: unknown): Generator<NeutralEvent> {
  const failure = failureIn(event, data, body);
  if (failure !== undefined) return yield* fail(state, failure);
  if (isObject(body)) yield* decodeChunk(state, body);
}

/**
 * The chunk that nearly all of a stream is made of: one candidate's open text or thinking goes on, and nothing else is
 * told. What this says of such a chunk is what `decodeChunk` says of it, without its ways for all others.
 */
function moreText(state: State, chunk: JsonObject): NeutralEvent | undefined {
  const choices = chunk["choices"];
  const choice: unknown = Array.isArray(choices) && choices.length === 1 ? choices[0] : undefined;
  if (!isObject(choice) || !isObject(choice["delta"]) || tellsMore(chunk, choice)) return undefined;
  const candidate = state.candidates.get(typeof choice["index"] === "number" ? choice["index"] : 0);
  return candidate === undefined || candidate.finished ? undefined : onlyText(candidate, choice["delta"]);
}

function tellsMore(chunk: JsonObject, choice: JsonObject): boolean {
  const { usage, error, x_groq: own } = chunk;
  return [usage, error, own, choice["usage"], choice["error"], choice["finish_reason"], choice["logprobs"]].some(
    isSaid,
  );
}

function isSaid(value: unknown): boolean {
  return value !== undefined && value !== null;
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

function* fail(state: State, failure: Failure): Generator<NeutralEvent> {
  state.done = true;
  yield { t: "error", failure };
}

function* decodeChunk(state: State, chunk: JsonObject): Generator<NeutralEvent> {
  readHead(state.head, chunk);
  const choices = objectsOf(chunk["choices"]);
  for (const [position, choice] of choices.entries()) {
    if (state.done) return;
    if (!state.started) yield* start(state);
    yield* decodeChoice(state, choice, position);
  }
  const usage = decodeUsage(chunk["usage"] ?? memberOf(chunk["x_groq"], "usage") ?? choices[0]?.["usage"]);
  if (usage === undefined || state.done) return;
  if (!state.started) yield* start(state);
  yield { t: "usage", usage };
}

/** Not before the first choice: Azure's first chunk has neither choices nor an id. */
function* start(state: State): Generator<NeutralEvent> {
  state.started = true;
  yield { t: "start", ...state.head };
}

function* decodeChoice(state: State, choice: JsonObject, position: number): Generator<NeutralEvent> {
  const candidate = candidateOf(state, typeof choice["index"] === "number" ? choice["index"] : position);
  if (candidate.finished) return;
  if (isObject(choice["error"])) return yield* fail(state, failureOfError(choice));
  const delta = deltaOf(choice, candidate);
  if (delta !== undefined) yield* decodeDelta(candidate, delta, choice["logprobs"]);
  const raw = textOf(choice["finish_reason"]);
  if (raw !== "") yield* finish(state, candidate, raw, sequenceOf(choice));
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

function* finish(state: State, candidate: CandidateState, raw: string, sequence?: string): Generator<NeutralEvent> {
  const failure = failureOfFinish(raw);
  if (failure !== undefined) return yield* fail(state, failure);
  const broken = yield* endParts(candidate);
  if (broken !== undefined) return yield* fail(state, broken);
  candidate.finished = true;
  yield { t: "finish", c: candidate.c, stop: decodeStop(raw, sequence, candidate.seen) };
}

/** `[DONE]` is a finish for those candidates that got none, and an answer of its own where nothing else came. */
function* endOfStream(state: State): Generator<NeutralEvent> {
  if (state.done) return;
  if (!state.started) yield* start(state);
  if (state.candidates.size === 0) candidateOf(state, 0);
  for (const candidate of state.candidates.values()) {
    if (!candidate.finished && !state.done) yield* finish(state, candidate, "");
  }
  if (!state.done) yield* end(state);
}

function* endOfBody(state: State): Generator<NeutralEvent> {
  if (state.done) return;
  const candidates = [...state.candidates.values()];
  const isComplete = candidates.length > 0 && candidates.every((candidate) => candidate.finished);
  if (isComplete) yield* end(state);
  else yield* fail(state, cutOff());
}

function* end(state: State): Generator<NeutralEvent> {
  state.done = true;
  yield { t: "end" };
}
