/** Responses as OpenAI sends them, `obfuscation` on deltas included. */
import { type Block, CREATED, pieces, type Said } from "./said.ts";

type Json = Record<string, unknown>;

export function responsesFrames(answer: Said): string[] {
  const writer = new Writer();
  writer.event("response.created", { response: responseObject(answer, "in_progress", []) });
  writer.event("response.in_progress", { response: responseObject(answer, "in_progress", []) });
  const output = answer.blocks.map((block, index) => {
    const id = itemId(answer, block, index);
    writer.event("response.output_item.added", { output_index: index, item: item(block, id, "in_progress") });
    body(writer, block, { item_id: id, output_index: index });
    const done = item(block, id, finalStatus(answer, index));
    writer.event("response.output_item.done", { output_index: index, item: done });
    return done;
  });
  writer.event(`response.${status(answer)}`, { response: responseObject(answer, status(answer), output) });
  return writer.frames;
}

class Writer {
  readonly frames: string[] = [];
  #sequence = 0;

  event(type: string, fields: Json): void {
    const data = JSON.stringify({ type, sequence_number: this.#sequence++, ...fields });
    this.frames.push(`event: ${type}\ndata: ${data}\n\n`);
  }
}

interface Place extends Json {
  item_id: string;
  output_index: number;
}

function body(writer: Writer, block: Block, place: Place): void {
  switch (block.kind) {
    case "text":
      return textBody(writer, block.text, place);
    case "refusal":
      return refusalBody(writer, block.text, place);
    case "thinking":
      return thinkingBody(writer, block.text, place);
    case "redacted":
      return;
    case "tool":
      return toolBody(writer, block.args, place);
  }
}

function textBody(writer: Writer, text: string, place: Place): void {
  const at = { ...place, content_index: 0 };
  writer.event("response.content_part.added", { ...at, part: textPart("") });
  for (const delta of pieces(text)) {
    writer.event("response.output_text.delta", { ...at, delta, logprobs: [], obfuscation: "kT9v" });
  }
  writer.event("response.output_text.done", { ...at, text, logprobs: [] });
  writer.event("response.content_part.done", { ...at, part: textPart(text) });
}

function refusalBody(writer: Writer, refusal: string, place: Place): void {
  const at = { ...place, content_index: 0 };
  writer.event("response.content_part.added", { ...at, part: { type: "refusal", refusal: "" } });
  for (const delta of pieces(refusal)) writer.event("response.refusal.delta", { ...at, delta });
  writer.event("response.refusal.done", { ...at, refusal });
  writer.event("response.content_part.done", { ...at, part: { type: "refusal", refusal } });
}

function thinkingBody(writer: Writer, text: string, place: Place): void {
  if (text === "") return;
  const at = { ...place, summary_index: 0 };
  writer.event("response.reasoning_summary_part.added", { ...at, part: { type: "summary_text", text: "" } });
  for (const delta of pieces(text)) {
    writer.event("response.reasoning_summary_text.delta", { ...at, delta, obfuscation: "z1" });
  }
  writer.event("response.reasoning_summary_text.done", { ...at, text });
  writer.event("response.reasoning_summary_part.done", { ...at, part: { type: "summary_text", text } });
}

function toolBody(writer: Writer, args: string, place: Place): void {
  for (const delta of pieces(args)) {
    writer.event("response.function_call_arguments.delta", { ...place, delta, obfuscation: "Qx" });
  }
  writer.event("response.function_call_arguments.done", { ...place, arguments: args });
}

function textPart(text: string): Json {
  return { type: "output_text", annotations: [], logprobs: [], text };
}

const PREFIX = { text: "msg", refusal: "msg", thinking: "rs", redacted: "rs", tool: "fc" } as const;

function itemId(answer: Said, block: Block, index: number): string {
  return `${PREFIX[block.kind]}_${answer.id}${index}`;
}

/** An item at its start (`in_progress`, empty) or at its end. */
function item(block: Block, id: string, state: string): Json {
  const done = state !== "in_progress";
  switch (block.kind) {
    case "text":
      return {
        id,
        type: "message",
        status: state,
        content: done ? [textPart(block.text)] : [],
        role: "assistant",
        ...(block.phase === undefined ? {} : { phase: block.phase }),
      };
    case "refusal": {
      const part = { type: "refusal", refusal: block.text };
      return { id, type: "message", status: state, content: done ? [part] : [], role: "assistant" };
    }
    case "thinking":
      return {
        id,
        type: "reasoning",
        ...(block.seal === undefined ? {} : { encrypted_content: done ? block.seal : "" }),
        summary: done && block.text !== "" ? [{ type: "summary_text", text: block.text }] : [],
      };
    case "redacted":
      return { id, type: "reasoning", encrypted_content: done ? block.seal : "", summary: [] };
    case "tool":
      return {
        id,
        type: "function_call",
        status: state,
        arguments: done ? block.args : "",
        call_id: block.id,
        name: block.name,
      };
  }
}

function status(answer: Said): "completed" | "incomplete" {
  return answer.stop === "max_tokens" || answer.stop === "content_filter" ? "incomplete" : "completed";
}

function finalStatus(answer: Said, index: number): string {
  return index === answer.blocks.length - 1 ? status(answer) : "completed";
}

function responseObject(answer: Said, state: string, output: Json[]): Json {
  const { usage } = answer;
  return {
    id: `resp_${answer.id}`,
    object: "response",
    created_at: CREATED,
    status: state,
    background: false,
    error: null,
    incomplete_details: state !== "incomplete"
      ? null
      : { reason: answer.stop === "max_tokens" ? "max_output_tokens" : "content_filter" },
    instructions: null,
    max_output_tokens: null,
    model: answer.model,
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: "medium", summary: null },
    service_tier: "default",
    store: false,
    temperature: 1,
    text: { format: { type: "text" }, verbosity: "medium" },
    tool_choice: "auto",
    tools: [],
    top_p: 1,
    truncation: "disabled",
    usage: state === "in_progress" ? null : {
      input_tokens: usage.input,
      input_tokens_details: { cached_tokens: usage.cached, cache_write_tokens: usage.written },
      output_tokens: usage.output,
      output_tokens_details: { reasoning_tokens: usage.reasoning },
      total_tokens: usage.input + usage.output,
    },
    user: null,
    metadata: {},
  };
}

/** The answer as one JSON body. */
export function responsesBody(answer: Said): Json {
  const output = answer.blocks.map((block, index) =>
    item(block, itemId(answer, block, index), finalStatus(answer, index))
  );
  return responseObject(answer, status(answer), output);
}
