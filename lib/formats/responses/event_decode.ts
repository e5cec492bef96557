/**
 * An upstream's stream, wire → neutral (TRANSLATION.md, 4.3 and 4.5; QUIRKS.md, openai-responses). Items are told apart
 * by `output_index` alone: GitHub Copilot gives one item another id in every event.
 */
import { cutOff, type Failure, protocolFault } from "../../base/failure.ts";
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { SseEvent } from "../../base/sse.ts";
import type { StreamDecoder, Target } from "../../format.ts";
import type { NeutralEvent } from "../../neutral.ts";
import { failureOfError } from "../../translation/upstream_error.ts";
import { decodeAnnotation } from "./content_decode.ts";
import {
  addArguments,
  addCitation,
  addReasoning,
  addText,
  announcePart,
  beginItem,
  endItem,
  endItems,
  type ItemsState,
  newItems,
} from "./item_events.ts";
import { decodeStop, failureOfStatus, secondsOf, stringOf } from "./response.ts";
import { decodeUsage } from "./usage.ts";

interface State {
  started: boolean;
  /** A terminal event or an error was sent: nothing that comes after it counts. */
  over: boolean;
  items: ItemsState;
  /** The item that was announced last: for events that don't say where they belong. */
  current: number;
}

function newState(target: Target): State {
  return { started: false, over: false, items: newItems(target.family), current: 0 };
}

const NONE: readonly NeutralEvent[] = [];

/** Unknown events are passed over; what isn't JSON ends the stream as a fault of the upstream's. */
export function openDecoder(target: Target): StreamDecoder {
  const state = newState(target);
  return {
    decode: (event) => state.over || event.data === "[DONE]" ? NONE : decodeEvent(state, event),
    end: () => state.over ? NONE : fault(state, cutOff()),
  };
}

function decodeEvent(state: State, event: SseEvent): Iterable<NeutralEvent> {
  const value = parse(event.data);
  if (value === undefined) return fault(state, protocolFault("The upstream sent an event that is no JSON object"));
  const type = stringOf(value["type"]) ?? event.event;
  if (CONTENT.has(type)) {
    return state.started ? decodeContent(state, type, value) : [begin(state, {}), ...decodeContent(state, type, value)];
  }
  return decodeLifecycle(state, type, value);
}

function parse(data: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(data);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function decodeLifecycle(state: State, type: string, value: JsonObject): Iterable<NeutralEvent> {
  const response = isObject(value["response"]) ? value["response"] : {};
  switch (type) {
    case "response.created":
    case "response.queued":
    case "response.in_progress":
      return state.started ? NONE : [begin(state, response)];
    case "response.completed":
      return finish(state, response, "completed");
    case "response.incomplete":
      return finish(state, response, "incomplete");
    case "response.failed":
    case "response.cancelled":
      return fault(state, failureOfStatus(response["status"]) ?? failureOfError(response["error"]));
    case "error":
      return fault(state, failureOfError(value));
    case "keepalive":
      return [{ t: "keepalive" }];
    default:
      return isObject(value["error"]) ? fault(state, failureOfError(value)) : NONE;
  }
}

function begin(state: State, response: JsonObject): NeutralEvent {
  state.started = true;
  return {
    t: "start",
    id: stringOf(response["id"]) ?? "",
    model: stringOf(response["model"]) ?? "",
    createdAt: secondsOf(response["created_at"]),
  };
}

function fault(state: State, failure: Failure): NeutralEvent[] {
  state.over = true;
  return [{ t: "error", failure }];
}

function* finish(state: State, response: JsonObject, status: "completed" | "incomplete"): Generator<NeutralEvent> {
  if (!state.started) yield begin(state, response);
  if (response["status"] === "failed") return yield* fault(state, failureOfError(response["error"]));
  yield* checked(state, endItems(state.items, response["output"]));
  if (state.over) return;
  state.over = true;
  yield { t: "finish", c: 0, stop: decodeStop({ ...response, status }, state.items.seen) };
  const usage = decodeUsage(response["usage"]);
  if (usage !== undefined) yield { t: "usage", usage };
  yield { t: "end" };
}

/** An item that can't be read ends the stream. */
function* checked(state: State, events: Iterable<NeutralEvent>): Generator<NeutralEvent> {
  yield* events;
  const failure = state.items.faults.first;
  if (failure !== undefined) {
    yield* fault(state, protocolFault(`The upstream sent a malformed item: ${failure.message}`));
  }
}

const CONTENT: ReadonlySet<string> = new Set([
  "response.output_item.added",
  "response.output_item.done",
  "response.content_part.added",
  "response.output_text.delta",
  "response.output_text.annotation.added",
  "response.refusal.delta",
  "response.reasoning_text.delta",
  "response.reasoning.delta",
  "response.reasoning_summary_text.delta",
  "response.function_call_arguments.delta",
  "response.custom_tool_call_input.delta",
]);

function decodeContent(state: State, type: string, value: JsonObject): Iterable<NeutralEvent> {
  const index = numberOf(value["output_index"]) ?? state.current;
  const content = numberOf(value["content_index"]) ?? 0;
  const { items } = state;
  switch (type) {
    case "response.output_text.delta":
      return addText(items, index, content, "text", deltaOf(value), logprobsOf(value));
    case "response.refusal.delta":
      return addText(items, index, content, "refusal", deltaOf(value));
    case "response.reasoning_text.delta":
    case "response.reasoning.delta":
      return addReasoning(items, index, "full", content, deltaOf(value));
    case "response.reasoning_summary_text.delta":
      return addReasoning(items, index, "summary", numberOf(value["summary_index"]) ?? 0, deltaOf(value));
    case "response.function_call_arguments.delta":
    case "response.custom_tool_call_input.delta":
      return addArguments(items, index, deltaOf(value));
    case "response.output_text.annotation.added":
      return addCitation(items, index, content, decodeAnnotation(value["annotation"]));
    case "response.content_part.added":
      return announce(items, index, content, value);
    case "response.output_item.added":
      state.current = index;
      return isObject(value["item"]) ? beginItem(items, index, value["item"]) : NONE;
    case "response.output_item.done":
      return isObject(value["item"]) ? checked(state, endItem(items, index, value["item"])) : NONE;
    default:
      return NONE;
  }
}

function announce(items: ItemsState, index: number, content: number, value: JsonObject): readonly NeutralEvent[] {
  const type = isObject(value["part"]) ? value["part"]["type"] : undefined;
  if (type === "output_text") announcePart(items, index, content, "text");
  else if (type === "refusal") announcePart(items, index, content, "refusal");
  return NONE;
}

function deltaOf(value: JsonObject): string {
  return stringOf(value["delta"]) ?? "";
}

function logprobsOf(value: JsonObject): unknown[] | undefined {
  const logprobs = value["logprobs"];
  return Array.isArray(logprobs) && logprobs.length > 0 ? logprobs : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
