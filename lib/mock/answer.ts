/** A model's words as a whole stream of events: start, limits, stop sequences, usage, finish. */
import type { NeutralEvent, NeutralRequest, Stop, Usage } from "../neutral.ts";
import { derivedId } from "../translation/ids.ts";
import { openStopCutter } from "../translation/stop.ts";
import type { Model, Turn } from "./models.ts";
import { countInput } from "./tokens.ts";

/** Answers are the same at any time: this is when all of them were made, in Unix seconds. */
export const CREATED_AT = 1_767_225_600;
const MAX_CANDIDATES = 8;

/** `isWhole`: a model that is cut off says all that it would have said. */
export function* answer(turn: Turn, model: Model, isWhole = false): Generator<NeutralEvent> {
  const { request, seed } = turn;
  const usage = newUsage(request);
  yield { t: "start", id: derivedId("mock-", seed), model: request.model, createdAt: CREATED_AT, usage: { ...usage } };
  for (let c = 0; c < Math.min(request.candidates ?? 1, MAX_CANDIDATES); c++) {
    for (const event of candidate(turn, model, usage)) {
      if (event.t === "finish" && model.isCut === true && !isWhole) return;
      yield c === 0 || !("c" in event) ? event : { ...event, c };
      if (event.t === "error") return;
    }
  }
  yield { t: "usage", usage };
  yield { t: "end" };
}

function newUsage(request: NeutralRequest): Usage {
  return {
    inputTokens: countInput(request),
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: 0,
    reasoningTokens: 0,
  };
}

/** One candidate's parts and its finish. Its tokens are counted as they are made, wherever a stop sequence cuts them. */
function* candidate(turn: Turn, model: Model, usage: Usage): Generator<NeutralEvent> {
  const cutter = openStopCutter(turn.request.stopSequences);
  for (const made of limited(turn, model, usage)) {
    for (const event of cutter.push(made)) if (event.t !== "end") yield event;
    if (cutter.stopped) return;
  }
}

/** The model's words up to `max_tokens`. */
function* limited(turn: Turn, model: Model, usage: Usage): Generator<NeutralEvent> {
  const limit = usage.outputTokens + (turn.request.maxOutputTokens ?? Infinity);
  const open = new Set<number>();
  let reason: Stop["reason"] = "stop";
  for (const event of model.content(turn)) {
    const isToken = "delta" in event;
    if ((isToken || event.t === "part_start") && usage.outputTokens >= limit) {
      reason = "max_tokens";
      break;
    }
    if (isToken) usage.outputTokens++;
    if (event.t === "reasoning") usage.reasoningTokens++;
    if (event.t === "part_start") open.add(event.i);
    if (event.t === "part_end") open.delete(event.i);
    if (event.t === "part_start" && event.part.kind === "tool_call") reason = "tool_calls";
    yield event;
  }
  for (const i of open) yield { t: "part_end", c: 0, i };
  yield { t: "finish", c: 0, stop: { reason } };
}
