/** An upstream's stream to neutral events (TRANSLATION.md, 4.2 and 4.4; shapes of recordings/QUIRKS.md). */
import { cutOff, protocolFault } from "../../base/failure.ts";
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { SseEvent } from "../../base/sse.ts";
import type { StreamDecoder, Target } from "../../format.ts";
import type { NeutralEvent } from "../../neutral.ts";
import { failureOfError } from "../../translation/upstream_error.ts";
import { blockDelta, blockStart, closeBlock, failed, indexOf, newState, start, type State } from "./block_events.ts";
import { laterUsage } from "./response.ts";
import { decodeStop } from "./stop.ts";
import { decodeUsage } from "./usage.ts";

export function openDecoder(target: Target): StreamDecoder {
  const state = newState(target);
  return {
    decode: (event) => decodeFrame(state, event),
    end: () => endOfBody(state),
  };
}

function decodeFrame(state: State, frame: SseEvent): Iterable<NeutralEvent> {
  if (state.done || frame.data === "" || frame.data === "[DONE]") return [];
  let data: unknown;
  try {
    data = JSON.parse(frame.data);
  } catch (cause) {
    return failed(state, protocolFault("The upstream sent an event that is not JSON", cause));
  }
  if (!isObject(data)) return failed(state, protocolFault("The upstream sent an event that is no object"));
  const named = frame.event === "error" || typeof data["type"] !== "string";
  return decodeEvent(state, named ? frame.event : String(data["type"]), data);
}

function decodeEvent(state: State, type: string, data: JsonObject): Iterable<NeutralEvent> {
  switch (type) {
    case "content_block_delta":
      return blockDelta(state, data);
    case "content_block_start":
      return blockStart(state, data);
    case "content_block_stop":
      return closeBlock(state, indexOf(data));
    case "message_start":
      return messageStart(state, data);
    case "message_delta":
      return messageDelta(state, data);
    case "message_stop":
      return messageStop(state);
    case "ping":
      return state.started ? KEEPALIVE : [];
    case "error":
      return failed(state, failureOfError(data));
    default:
      if (data["error"] !== undefined) return failed(state, failureOfError(data));
      return state.started ? [{ t: "native", format: "messages", event: data }] : [];
  }
}

const KEEPALIVE: readonly NeutralEvent[] = [{ t: "keepalive" }];

/**
 * A second start of the same message is a proxy's echo. One of another message is a retry spliced into the stream:
 * what went before it can't be taken back, and both together are no answer (vercel/ai#18331).
 */
function* messageStart(state: State, data: JsonObject): Generator<NeutralEvent> {
  const message = isObject(data["message"]) ? data["message"] : {};
  const id = typeof message["id"] === "string" ? message["id"] : "";
  if (!state.started) return yield* beginMessage(state, message, id);
  if (id === state.id || state.finished) return;
  if (state.nextPart > 0 || state.open.size > 0) {
    return yield* failed(state, protocolFault("The upstream began a second message within one stream"));
  }
  state.usage = laterUsage(state.usage, message["usage"]);
}

function* beginMessage(state: State, message: JsonObject, id: string): Generator<NeutralEvent> {
  state.id = id;
  state.usage = laterUsage(undefined, message["usage"]);
  state.stop = message;
  yield* start(state, message["model"]);
  const content = Array.isArray(message["content"]) ? message["content"] : [];
  for (const [index, block] of content.entries()) {
    yield* blockStart(state, { index, content_block: block });
    yield* closeBlock(state, index);
  }
}

function* messageDelta(state: State, data: JsonObject): Generator<NeutralEvent> {
  if (!state.started) yield* start(state, undefined);
  state.usage = laterUsage(state.usage, data["usage"]);
  const delta = data["delta"];
  if (isObject(delta) && typeof delta["stop_reason"] === "string" && !state.finished) {
    state.stop = delta;
    yield* finish(state);
  }
  if (isObject(data["usage"])) yield* tellUsage(state);
}

function* finish(state: State): Generator<NeutralEvent> {
  for (const index of [...state.open.keys()]) yield* closeBlock(state, index);
  state.finished = true;
  yield { t: "finish", c: 0, stop: decodeStop(state.stop, state.hasCall) };
}

/** A running total; one of nothing but zeros was never counted. */
function* tellUsage(state: State): Generator<NeutralEvent> {
  const usage = decodeUsage(state.usage);
  if (usage === undefined || usage.inputTokens + usage.outputTokens === 0) return;
  state.usageTold = true;
  yield { t: "usage", usage };
}

function* messageStop(state: State): Generator<NeutralEvent> {
  if (!state.started) yield* start(state, undefined);
  if (!state.finished) yield* finish(state);
  if (!state.usageTold) yield* tellUsage(state);
  state.done = true;
  yield { t: "end" };
}

/** A stop reason is as good an end as the stop itself; anything less is a cut. */
function* endOfBody(state: State): Generator<NeutralEvent> {
  if (state.done) return;
  if (state.finished) yield* messageStop(state);
  else yield* failed(state, cutOff());
}
