/** Messages answers, as Anthropic's reference describes them. */
import { asArray, asObject, isObject, type Json } from "../support/grammar.ts";
import {
  callOf,
  count,
  type Counts,
  errorText,
  eventsIn,
  type Facts,
  failed,
  type Heard,
  inputOf,
  member,
  mended,
  newFacts,
  objectsIn,
  sealsIn,
  type Stop,
  textOf,
} from "./facts.ts";

export function readMessagesBody(body: Json): Heard {
  if (body["type"] === "error") return failed(errorText(body["error"]));
  const facts = newFacts();
  for (const block of objectsIn(body["content"])) readBlock(block, facts);
  facts.stop = mended(STOPS[textOf(body["stop_reason"])] ?? "stop", facts);
  return { candidates: [facts], usage: countsOf(asObject(body["usage"])), error: undefined };
}

export function readMessagesStream(text: string): Heard {
  const message: Json = {};
  const blocks: Json[] = [];
  for (const { event, data } of eventsIn(text)) {
    if (data === "[DONE]") break;
    const body = asObject(JSON.parse(data));
    if (event === "error" || body["type"] === "error") return failed(errorText(body["error"]));
    if (body["type"] === "message_start" && "id" in message) return failed("a second message");
    readEvent(body, message, blocks);
  }
  return readMessagesBody({ ...message, content: [...asArray(message["content"]), ...blocks] });
}

function readEvent(body: Json, message: Json, blocks: Json[]): void {
  const block = blocks[count(body["index"])];
  switch (body["type"]) {
    case "message_start":
      Object.assign(message, body["message"]);
      return;
    case "content_block_start":
      blocks[count(body["index"])] = { ...asObject(body["content_block"]) };
      return;
    case "content_block_delta":
      if (block !== undefined) readDelta(asObject(body["delta"]), block);
      return;
    case "content_block_stop":
      if (block !== undefined && "json" in block) block["input"] = inputOf(block["json"]);
      return;
    case "message_delta":
      Object.assign(message, body["delta"]);
      message["usage"] = { ...asObject(message["usage"]), ...asObject(body["usage"]) };
  }
}

function readDelta(delta: Json, block: Json): void {
  const append = (key: string, value: unknown) => block[key] = textOf(block[key]) + textOf(value);
  switch (delta["type"]) {
    case "text_delta":
      return void append("text", delta["text"]);
    case "thinking_delta":
      return void append("thinking", delta["thinking"]);
    case "signature_delta":
      block["signature"] = delta["signature"];
      return;
    case "input_json_delta":
      return void append("json", delta["partial_json"]);
    case "citations_delta":
      block["citations"] = [...asArray(block["citations"]), delta["citation"]];
      return;
    case "compaction_delta":
      Object.assign(block, { ...delta, type: block["type"] });
  }
}

function readBlock(block: Json, facts: Facts): void {
  switch (block["type"]) {
    case "text":
      facts.text += textOf(block["text"]);
      for (const citation of objectsIn(block["citations"])) readCitation(citation, facts);
      return;
    case "thinking":
      facts.thinking += textOf(block["thinking"]);
      facts.seals.push(...sealsIn(block["signature"]));
      return;
    case "redacted_thinking":
      facts.seals.push(...sealsIn(block["data"]));
      return;
    case "tool_use":
      facts.calls.push(
        "json" in block ? callOf(block["id"], block["name"], block["json"]) : {
          id: textOf(block["id"]),
          name: textOf(block["name"]),
          input: block["input"],
        },
      );
      return;
    case "compaction":
      facts.compactions.push({ text: textOf(block["content"]), seals: sealsIn(block["encrypted_content"]) });
      return;
    default: {
      const { json: _, ...native } = block;
      facts.natives.push(native);
    }
  }
}

const DOCUMENT = /^(?:char|page|content_block|search_result)_location$/;

function readCitation(citation: Json, facts: Facts): void {
  const title = textOf(citation["document_title"]) || textOf(citation["title"]);
  if (citation["type"] === "web_search_result_location") facts.links.push(textOf(citation["url"]));
  else if (!DOCUMENT.test(textOf(citation["type"]))) facts.natives.push(citation);
  else facts.notes.push({ title, file: textOf(citation["file_id"]) });
}

const STOPS: Readonly<Record<string, Stop>> = {
  stop_sequence: "stop_sequence",
  max_tokens: "max_tokens",
  model_context_window_exceeded: "context_window",
  tool_use: "tool_calls",
  refusal: "refusal",
  pause_turn: "pause",
  compaction: "compaction",
};

/** A compaction's own tokens stand in `iterations` alone; an advisor's are another model's (TRANSLATION.md, 3.3). */
function countsOf(usage: Json): Counts | undefined {
  if (!isObject(usage) || usage["output_tokens"] === undefined) return undefined;
  const entries = objectsIn(usage["iterations"]);
  const isSummed = entries.some(({ type }) => type === "compaction") &&
    !entries.some(({ type }) => type === "fallback_message");
  const counted = isSummed ? entries.filter(({ type }) => type === "message" || type === "compaction") : [usage];
  const sum = (key: string) => counted.reduce((total, entry) => total + count(entry[key]), 0);
  const cached = sum("cache_read_input_tokens");
  const written = sum("cache_creation_input_tokens");
  return {
    input: sum("input_tokens") + cached + written,
    cached,
    written,
    output: sum("output_tokens"),
    reasoning: count(member(usage, "output_tokens_details", "thinking_tokens")),
  };
}
