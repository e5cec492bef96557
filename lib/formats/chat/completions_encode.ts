/** Answers of the Completions API for its clients: neutral → wire, whole and streamed. */
import type { JsonObject } from "../../base/fields.ts";
import { dataFrame } from "../../base/sse.ts";
import type { Answer, Losses, StreamEncoder } from "../../format.ts";
import type { Candidate, NeutralEvent, NeutralResponse, Part, Stop } from "../../neutral.ts";
import { answerId, randomId } from "../../translation/ids.ts";
import { errorFrame } from "./error.ts";
import { KEEPALIVE } from "./event_encode.ts";
import { choicePath } from "./response.ts";
import { encodeStop } from "./stop.ts";
import { encodeUsage } from "./usage.ts";

const ID_PREFIX = "cmpl-";
const OBJECT = "text_completion";

export function encodeResponse(response: NeutralResponse, answer: Answer): JsonObject {
  return {
    id: answerId(ID_PREFIX, response.id, answer.requestId),
    object: OBJECT,
    created: response.createdAt,
    model: answer.model,
    choices: response.candidates.map((candidate) => encodeCandidate(candidate, answer.losses)),
    ...(response.usage === undefined ? {} : { usage: encodeUsage(response.usage) }),
  };
}

function encodeCandidate({ index, parts, stop }: Candidate, losses: Losses): JsonObject {
  let text = "";
  for (const part of parts) {
    if (isTold(part)) text += part.text;
    else losePart(part, index, losses);
  }
  return choice(index, text, finishOf(stop));
}

function choice(index: number, text: string, finish: string | null): JsonObject {
  return { text, index, logprobs: null, finish_reason: finish };
}

/** A refusal's words are an answer too, and there is no other place for them. */
function isTold(part: Part): part is Extract<Part, { kind: "text" | "refusal" }> {
  return part.kind === "text" || part.kind === "refusal";
}

function losePart(part: Part, index: number, losses: Losses): void {
  losses.add(
    `${choicePath(index)}.${part.kind}`,
    `completions answer in text alone, not with a part of kind ${part.kind}`,
  );
}

/** There are no tool calls here to stop for. */
function finishOf(stop: Stop): string {
  const word = encodeStop(stop, { call: false, refusal: false });
  return word === "tool_calls" ? "stop" : word;
}

interface State {
  requestId: string;
  model: string;
  losses: Losses;
  includeUsage: boolean;
  id: string;
  created: number;
  /** Parts whose text is the answer's: `candidate:part`. */
  told: Set<string>;
  usage: JsonObject | undefined;
  isDone: boolean;
}

export function openEncoder({ requestId, model, losses, request }: Answer): StreamEncoder {
  const state: State = {
    model,
    losses,
    includeUsage: request.includeUsage,
    requestId,
    id: randomId(ID_PREFIX),
    created: Math.floor(Date.now() / 1000),
    told: new Set(),
    usage: undefined,
    isDone: false,
  };
  return { encode: (event) => encodeEvent(state, event) };
}

function* encodeEvent(state: State, event: NeutralEvent): Generator<string> {
  if (state.isDone) return;
  switch (event.t) {
    case "start":
      state.id = answerId(ID_PREFIX, event.id, state.requestId);
      state.created = event.createdAt;
      return;
    case "part_start":
      return beginPart(state, event.c, event.i, event.part);
    case "text":
    case "refusal":
      if (state.told.has(`${event.c}:${event.i}`)) yield frame(state, [choice(event.c, event.delta, null)]);
      return;
    case "finish":
      yield frame(state, [choice(event.c, "", finishOf(event.stop))]);
      return;
    case "usage":
      state.usage = encodeUsage(event.usage);
      return;
    case "keepalive":
      yield KEEPALIVE;
      return;
    case "error":
      state.isDone = true;
      yield errorFrame(event.failure);
      return;
    case "end":
      return yield* end(state);
    case "reasoning":
    case "arguments":
    case "citation":
    case "opaque":
    case "part_end":
    case "native":
      return;
    default:
      return event satisfies never;
  }
}

function beginPart(state: State, c: number, i: number, part: Part): void {
  if (isTold(part)) state.told.add(`${c}:${i}`);
  else losePart(part, c, state.losses);
}

/** `usage`: null on every chunk but the last where it is wanted, absent where it isn't. */
function frame(state: State, choices: JsonObject[], usage: JsonObject | null = null): string {
  return dataFrame(JSON.stringify({
    id: state.id,
    object: OBJECT,
    created: state.created,
    model: state.model,
    choices,
    ...(state.includeUsage ? { usage } : {}),
  }));
}

function* end(state: State): Generator<string> {
  state.isDone = true;
  if (state.includeUsage && state.usage !== undefined) yield frame(state, [], state.usage);
  yield dataFrame("[DONE]");
}
