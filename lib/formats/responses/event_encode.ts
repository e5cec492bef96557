/**
 * A client's stream, neutral → wire (TRANSLATION.md, 4.3, 4.6 and 4.7). Only event types of the SDK's declared union are
 * written: its accumulator throws on all others.
 */
import type { Failure } from "../../base/failure.ts";
import { commentFrame, dataFrame } from "../../base/sse.ts";
import type { Answer, StreamEncoder, Teller } from "../../format.ts";
import type { NeutralEvent, Stop, Usage } from "../../neutral.ts";
import { answerId } from "../../translation/ids.ts";
import { errorEvent, responseError } from "./error.ts";
import { endItem, frame, type FrameState, newFrameState, outputSoFar } from "./item_frames.ts";
import { losePause } from "./output_encode.ts";
import { addCitation, addDelta, addOpaque, beginPart, endPart } from "./part_frames.ts";
import { type Echo, echoOf, type Outcome, outcomeOf, responseObject, unixSeconds } from "./resource.ts";
import { uncounted } from "./usage.ts";

type Start = Extract<NeutralEvent, { t: "start" }>;

interface State {
  frames: FrameState;
  /** The gateway's. */
  requestId: string;
  model: string;
  echo: Echo;
  id: string;
  createdAt: number;
  serviceTier: string | undefined;
  teller: Teller | undefined;
  usage: Usage | undefined;
  estimatedInputTokens: number;
  stop: Stop;
  started: boolean;
  /** The terminal event was written: nothing may follow it. */
  over: boolean;
}

function newState(answer: Answer): State {
  return {
    frames: newFrameState(answer),
    requestId: answer.requestId,
    model: answer.model,
    echo: echoOf(answer.request),
    id: "",
    createdAt: 0,
    serviceTier: undefined,
    teller: answer.teller,
    usage: undefined,
    estimatedInputTokens: answer.estimatedInputTokens,
    stop: { reason: "unknown" },
    started: false,
    over: false,
  };
}

const NONE: readonly string[] = [];

export const KEEPALIVE = commentFrame("keepalive");

/** What ends every stream, after its terminal event (Open Responses, 2026-04-24). */
const DONE = dataFrame("[DONE]");

export function openEncoder(answer: Answer): StreamEncoder {
  const state = newState(answer);
  return { encode: (event) => state.over ? NONE : encodeEvent(state, event) };
}

function encodeEvent(state: State, event: NeutralEvent): Iterable<string> {
  // This format has one answer; requests for more were refused.
  if ("c" in event && event.c !== 0) return NONE;
  switch (event.t) {
    case "start":
      return state.started ? NONE : start(state, event);
    case "part_start":
      return beginPart(state.frames, event.part);
    case "text":
      return addDelta(state.frames, event.delta, event.logprobs);
    case "reasoning":
    case "refusal":
    case "arguments":
      return addDelta(state.frames, event.delta);
    case "citation":
      addCitation(state.frames, event.citation);
      return NONE;
    case "opaque":
      return addOpaque(state.frames, event.opaque);
    case "part_end":
      return endPart(state.frames);
    case "finish":
      return finish(state, event.stop);
    case "usage":
      state.usage = event.usage;
      return NONE;
    case "keepalive":
      return [KEEPALIVE];
    case "native":
      return NONE;
    case "error":
      return fail(state, event.failure);
    case "end":
      return end(state);
    default:
      return event satisfies never;
  }
}

function* start(state: State, event: Start): Generator<string> {
  state.started = true;
  state.id = answerId("resp_", event.id, state.requestId);
  state.createdAt = event.createdAt > 0 ? Math.floor(event.createdAt) : unixSeconds();
  state.serviceTier = event.serviceTier;
  const outcome: Outcome = { status: "in_progress" };
  yield lifecycle(state, "response.created", outcome);
  yield lifecycle(state, "response.in_progress", outcome);
}

function lifecycle(state: State, type: string, outcome: Outcome): string {
  const { id, createdAt, model, usage, serviceTier, echo, frames } = state;
  const response = responseObject(
    { id, createdAt, model, outcome, output: outputSoFar(frames), usage, serviceTier },
    echo,
  );
  return frame(frames, type, { response: state.teller?.tell(response) ?? response });
}

/** Why it stopped tells whether the last item is whole. */
function* finish(state: State, stop: Stop): Generator<string> {
  state.stop = stop;
  losePause(stop, state.frames.losses);
  yield* endPart(state.frames);
  const { status } = outcomeOf(stop, state.frames.hasRefusal);
  if (status !== "failed") yield* endItem(state.frames, status === "incomplete" ? "incomplete" : "completed");
}

function* end(state: State): Generator<string> {
  yield* ensureStarted(state);
  const outcome = outcomeOf(state.stop, state.frames.hasRefusal);
  if (outcome.status === "failed") {
    const message = outcome.error?.message ?? "";
    return yield* fail(state, { kind: "upstream_protocol", source: "upstream", message, retry: true });
  }
  state.over = true;
  state.usage ??= uncounted(state.estimatedInputTokens);
  yield* endItem(state.frames, outcome.status === "incomplete" ? "incomplete" : "completed");
  yield lifecycle(state, `response.${outcome.status}`, outcome);
  yield DONE;
}

/** A failed response for those who read events, then an error that the SDKs raise (TRANSLATION.md, 4.7). */
function* fail(state: State, failure: Failure): Generator<string> {
  yield* ensureStarted(state);
  state.over = true;
  yield lifecycle(state, "response.failed", { status: "failed", error: responseError(failure) });
  yield errorEvent(failure, state.frames.sequence);
  yield DONE;
}

/** Accumulators refuse a stream that doesn't begin with `response.created`. */
function* ensureStarted(state: State): Generator<string> {
  if (!state.started) yield* start(state, { t: "start", id: "", model: "", createdAt: 0 });
}
