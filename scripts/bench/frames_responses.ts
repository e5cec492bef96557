/** OpenAI Responses: a reasoning item with a summary, a message, function calls. */
import { type SpokenCall, WHOLE_TEXT } from "./content.ts";
import type { Frame, Told } from "./frames.ts";

const ENCRYPTED = `gAAAAABo${"ZW5jcnlwdGVkIHRob3VnaHRz".repeat(12)}`;
const NO_TEXT = { type: "output_text", annotations: [], logprobs: [], text: "" };

export function responsesFrames({ model, said }: Told): Frame[] {
  const writer = new Writer();
  const response = (status: string, output: object[], usage: object | null) => ({
    response: resource(model, status, output, usage),
  });
  writer.add("response.created", response("in_progress", [], null));
  writer.add("response.in_progress", response("in_progress", [], null));
  if (said.thinking.length > 0) addReasoning(writer, said.thinking);
  addMessage(writer, said.text);
  for (const call of said.calls) addCall(writer, call);
  writer.add("response.completed", response("completed", writer.output, usage(said.text.length * 5)));
  return writer.frames;
}

class Writer {
  readonly frames: Frame[] = [];
  readonly output: object[] = [];

  add(type: string, more: object, isDelta = false): void {
    const data = JSON.stringify({ type, sequence_number: this.frames.length, ...more });
    this.frames.push({ text: `event: ${type}\ndata: ${data}\n\n`, isDelta });
  }

  /** Of an output item: added, what is told of it at its index, done. */
  item(added: object, done: object, tell: (add: Writer["add"]) => void): void {
    const output_index = this.output.length;
    this.add("response.output_item.added", { output_index, item: added });
    tell((type, more, isDelta) => this.add(type, { output_index, ...more }, isDelta));
    this.add("response.output_item.done", { output_index, item: done });
    this.output.push(done);
  }
}

function addReasoning(writer: Writer, pieces: readonly string[]): void {
  const item_id = "rs_68af4031a95c8193b1c9a5fbab4a3e9f05438e46b5f69a3b";
  const text = pieces.join("");
  const at = { item_id, summary_index: 0 };
  const item = { id: item_id, type: "reasoning", summary: [] as object[], encrypted_content: ENCRYPTED };
  writer.item(item, { ...item, summary: [{ type: "summary_text", text }] }, (add) => {
    add("response.reasoning_summary_part.added", { ...at, part: { type: "summary_text", text: "" } });
    for (const delta of pieces) {
      add("response.reasoning_summary_text.delta", { ...at, delta, obfuscation: "kT9vQz1x" }, true);
    }
    add("response.reasoning_summary_text.done", { ...at, text });
    add("response.reasoning_summary_part.done", { ...at, part: { type: "summary_text", text } });
  });
}

function addMessage(writer: Writer, pieces: readonly string[]): void {
  const item_id = "msg_68af4033470c8193a9ee9b1f1c8f0a9b05438e46b5f69a3b";
  const text = pieces.join("");
  const at = { item_id, content_index: 0 };
  const item = { id: item_id, type: "message", status: "in_progress", content: [] as object[], role: "assistant" };
  const part = { ...NO_TEXT, text };
  writer.item(item, { ...item, status: "completed", content: [part] }, (add) => {
    add("response.content_part.added", { ...at, part: NO_TEXT });
    for (const delta of pieces) {
      add("response.output_text.delta", { ...at, delta, logprobs: [], obfuscation: "kT9vQz1x" }, true);
    }
    add("response.output_text.done", { ...at, text, logprobs: [] });
    add("response.content_part.done", { ...at, part });
  });
}

function addCall(writer: Writer, { id, name, pieces }: SpokenCall): void {
  const item_id = `fc_${id}`;
  const item = { id: item_id, type: "function_call", status: "in_progress", arguments: "", call_id: id, name };
  const said = pieces.join("");
  writer.item(item, { ...item, status: "completed", arguments: said }, (add) => {
    for (const delta of pieces) {
      add("response.function_call_arguments.delta", { item_id, delta, obfuscation: "kT9vQz1x" }, true);
    }
    add("response.function_call_arguments.done", { item_id, arguments: said });
  });
}

function usage(output: number): object {
  return {
    input_tokens: 57,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 57 + output,
  };
}

function resource(model: string, status: string, output: object[], used: object | null): object {
  return {
    id: "resp_68af4030592c81938ec0a5fbab4a3e9f05438e46b5f69a3b",
    object: "response",
    created_at: 1_760_000_000,
    status,
    background: false,
    error: null,
    incomplete_details: null,
    instructions: null,
    max_output_tokens: null,
    model,
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: false,
    temperature: 1.0,
    text: { format: { type: "text" } },
    tool_choice: "auto",
    tools: [],
    top_p: 1.0,
    truncation: "disabled",
    usage: used,
    user: null,
    metadata: {},
  };
}

export function responsesWhole(model: string): object {
  const content = [{ ...NO_TEXT, text: WHOLE_TEXT }];
  const id = "msg_68af4033470c8193a9ee9b1f1c8f0a9b05438e46b5f69a3b";
  const item = { id, type: "message", status: "completed", content, role: "assistant" };
  return resource(model, "completed", [item], usage(31));
}
