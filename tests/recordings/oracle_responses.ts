/** Responses answers, as OpenAI's reference describes them. */
import { asObject, isObject, type Json } from "../support/grammar.ts";
import {
  callOf,
  count,
  type Counts,
  errorText,
  eventsIn,
  type Facts,
  failed,
  type Heard,
  member,
  newFacts,
  objectsIn,
  sealsIn,
  type Stop,
  textOf,
} from "./facts.ts";

export function readResponsesBody(body: Json): Heard {
  const status = textOf(body["status"]);
  if (isObject(body["error"]) || status === "failed") return failed(errorText(body["error"]));
  if (status === "queued" || status === "in_progress" || status === "cancelled") return failed(status);
  const facts = newFacts();
  for (const item of objectsIn(body["output"])) readItem(item, facts);
  facts.stop = stopOf(body, facts);
  return { candidates: [facts], usage: countsOf(body["usage"]), error: undefined };
}

/** Items as their last events tell them; the final response's own list where no item was told. */
export function readResponsesStream(text: string): Heard {
  const items = new Map<number, Json>();
  let final: Json = {};
  for (const { event, data } of eventsIn(text)) {
    if (data === "[DONE]") break;
    const body = asObject(JSON.parse(data));
    const type = textOf(body["type"]) || event;
    if (type === "error") return failed(errorText(body["error"] ?? body));
    if (type === "response.output_item.done") items.set(count(body["output_index"]), asObject(body["item"]));
    if (isObject(body["response"])) final = body["response"];
  }
  const told = [...items].sort(([one], [other]) => one - other).map(([, item]) => item);
  return readResponsesBody(told.length === 0 ? final : { ...final, output: told });
}

function readItem(item: Json, facts: Facts): void {
  switch (item["type"]) {
    case "message":
      for (const part of objectsIn(item["content"])) readContent(part, facts);
      return;
    case "reasoning":
      facts.thinking += piecesOf(item["summary"]) + piecesOf(item["content"]);
      facts.seals.push(...sealsIn(item["encrypted_content"]));
      return;
    case "function_call":
      facts.calls.push(callOf(item["call_id"], item["name"], item["arguments"]));
      return;
    case "custom_tool_call":
      facts.calls.push({ id: textOf(item["call_id"]), name: textOf(item["name"]), input: item["input"] });
      return;
    case "compaction":
      facts.compactions.push({ text: "", seals: sealsIn(item["encrypted_content"]) });
      return;
    default:
      facts.natives.push(item);
  }
}

/** Pieces of one thought are paragraphs. */
function piecesOf(value: unknown): string {
  return objectsIn(value).map((part) => textOf(part["text"])).filter((text) => text !== "").join("\n\n");
}

function readContent(part: Json, facts: Facts): void {
  facts.text += part["type"] === "output_text" ? textOf(part["text"]) : "";
  facts.refusal += part["type"] === "refusal" ? textOf(part["refusal"]) : "";
  for (const annotation of objectsIn(part["annotations"])) {
    const { type, url, filename, file_id } = annotation;
    if (type === "url_citation") facts.links.push(textOf(url));
    else if (type === "file_citation") facts.notes.push({ title: textOf(filename), file: textOf(file_id) });
    else facts.natives.push(annotation);
  }
}

function stopOf(body: Json, facts: Facts): Stop {
  const reason = member(body, "incomplete_details", "reason");
  if (body["status"] === "incomplete") return reason === "content_filter" ? "content_filter" : "max_tokens";
  if (facts.calls.length > 0) return "tool_calls";
  return facts.refusal === "" ? "stop" : "refusal";
}

function countsOf(value: unknown): Counts | undefined {
  if (!isObject(value)) return undefined;
  return {
    input: count(value["input_tokens"]),
    cached: count(member(value, "input_tokens_details", "cached_tokens")),
    written: count(member(value, "input_tokens_details", "cache_write_tokens")),
    output: count(value["output_tokens"]),
    reasoning: count(member(value, "output_tokens_details", "reasoning_tokens")),
  };
}
