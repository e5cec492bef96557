/** A whole response as the stream that it might have come in (TRANSLATION.md, 4.3 and section 6). */
import { isObject, type JsonObject } from "../../base/fields.ts";
import { dataFrame, namedFrame } from "../../base/sse.ts";

/** An event without its number. */
type Told = readonly [type: string, fields: JsonObject];

/**
 * Frames of the events after number `after` (-1: all of them). The last one is always told: whoever asks for what comes
 * after an event of the stream that was, which had more of them, must still learn how it ended.
 */
export function* replayFrames(response: JsonObject, after: number): Generator<string> {
  const events = [...eventsOf(response)];
  for (const [index, [type, fields]] of events.entries()) {
    const isLast = index === events.length - 1;
    if (index <= after && !isLast) continue;
    const sequence = isLast ? Math.max(index, after + 1) : index;
    yield namedFrame(type, JSON.stringify({ type, sequence_number: sequence, ...fields }));
  }
  yield DONE;
}

/** What ends a stream of this format (Open Responses, 2026-04-24). */
const DONE = dataFrame("[DONE]");

function* eventsOf(response: JsonObject): Generator<Told> {
  const begun = {
    ...response,
    status: "in_progress",
    completed_at: null,
    error: null,
    incomplete_details: null,
    output: [],
    usage: null,
  };
  yield ["response.created", { response: begun }];
  yield ["response.in_progress", { response: begun }];
  for (const [index, item] of listOf(response["output"]).entries()) yield* itemEvents(item, index);
  const { status } = response;
  yield [`response.${status === "completed" || status === "incomplete" ? status : "failed"}`, { response }];
}

function* itemEvents(item: JsonObject, index: number): Generator<Told> {
  yield ["response.output_item.added", { output_index: index, item: emptied(item) }];
  const place = { item_id: item["id"], output_index: index };
  switch (item["type"]) {
    case "message":
      for (const [at, part] of listOf(item["content"]).entries()) {
        yield* contentEvents(part, { ...place, content_index: at });
      }
      break;
    case "reasoning":
      for (const [at, part] of listOf(item["summary"]).entries()) {
        yield* summaryEvents(part, { ...place, summary_index: at });
      }
      for (const [at, part] of listOf(item["content"]).entries()) {
        yield* contentEvents(part, { ...place, content_index: at });
      }
      break;
    case "function_call":
      yield* inputEvents("response.function_call_arguments", "arguments", item, place);
      break;
    case "custom_tool_call":
      yield* inputEvents("response.custom_tool_call_input", "input", item, place);
      break;
  }
  yield ["response.output_item.done", { output_index: index, item }];
}

/** The item as it was when it began. */
function emptied(item: JsonObject): JsonObject {
  switch (item["type"]) {
    case "message":
      return { ...item, status: "in_progress", content: [] };
    case "reasoning":
      return { ...item, summary: [], ...(item["content"] === undefined ? {} : { content: [] }) };
    case "function_call":
      return { ...item, status: "in_progress", arguments: "" };
    case "custom_tool_call":
      return { ...item, ...(item["status"] === undefined ? {} : { status: "in_progress" }), input: "" };
    default:
      return item;
  }
}

function* contentEvents(part: JsonObject, place: JsonObject): Generator<Told> {
  switch (part["type"]) {
    case "output_text": {
      const { text, annotations, logprobs = [] } = part;
      yield ["response.content_part.added", { ...place, part: { ...part, text: "", annotations: [], logprobs: [] } }];
      if (text !== "") yield ["response.output_text.delta", { ...place, delta: text, logprobs }];
      for (const [at, annotation] of listOf(annotations).entries()) {
        yield ["response.output_text.annotation.added", { ...place, annotation_index: at, annotation }];
      }
      yield ["response.output_text.done", { ...place, text, logprobs }];
      break;
    }
    case "refusal": {
      const { refusal } = part;
      yield ["response.content_part.added", { ...place, part: { ...part, refusal: "" } }];
      yield ["response.refusal.delta", { ...place, delta: refusal }];
      yield ["response.refusal.done", { ...place, refusal }];
      break;
    }
    default: {
      const { text } = part;
      yield ["response.content_part.added", { ...place, part: { ...part, text: "" } }];
      yield ["response.reasoning_text.delta", { ...place, delta: text }];
      yield ["response.reasoning_text.done", { ...place, text }];
    }
  }
  yield ["response.content_part.done", { ...place, part }];
}

function* summaryEvents(part: JsonObject, place: JsonObject): Generator<Told> {
  const { text } = part;
  yield ["response.reasoning_summary_part.added", { ...place, part: { ...part, text: "" } }];
  yield ["response.reasoning_summary_text.delta", { ...place, delta: text }];
  yield ["response.reasoning_summary_text.done", { ...place, text }];
  yield ["response.reasoning_summary_part.done", { ...place, part }];
}

function* inputEvents(type: string, member: string, item: JsonObject, place: JsonObject): Generator<Told> {
  const whole = item[member];
  yield [`${type}.delta`, { ...place, delta: whole }];
  const name = member === "arguments" ? { name: item["name"] } : {};
  yield [`${type}.done`, { ...place, ...name, [member]: whole }];
}

function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
