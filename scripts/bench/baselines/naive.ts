/**
 * The translator that an afternoon brings: a chain of async generators that parse each event, map it and build the
 * client's events anew, one write an event, without checks. Text, thinking and tool calls; six pairs by two halves each.
 * `--to chat|messages|responses` says what the upstream speaks; what the client speaks is said by its path.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { serveBaseline } from "./serve.ts";

type Json = Record<string, unknown>;
type FormatName = "chat" | "messages" | "responses";
type Delta =
  | { t: "text"; delta: string }
  | { t: "thinking"; delta: string }
  | { t: "tool"; index: number; id: string; name: string }
  | { t: "arguments"; index: number; delta: string }
  | { t: "stop"; reason: "stop" | "length" | "tool" }
  | { t: "usage"; input: number; output: number };

const PATHS = { chat: "/v1/chat/completions", messages: "/v1/messages", responses: "/v1/responses" };

const { values: flags } = parseArgs({ strict: false, options: { to: { type: "string", default: "chat" } } });
const TO = flags.to as FormatName;
process.title = `naive-${TO}`;

interface Turn {
  role: string;
  text: string;
}

interface Asked {
  model: string;
  turns: Turn[];
  maxTokens: number;
  tools: { name: string; description: string; schema: unknown }[];
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  return ((content ?? []) as Json[]).map((part) => String(part.text ?? "")).join("");
}

function requestFrom(from: FormatName, body: Json): Asked {
  const list = (from === "responses" ? body.input : body.messages) ?? [];
  const items = typeof list === "string" ? [{ role: "user", content: list }] : list as Json[];
  const turns = items.map((item) => ({ role: String(item.role), text: textOf(item.content) }));
  const system = from === "messages" ? body.system : body.instructions;
  if (system !== undefined) turns.unshift({ role: "system", text: textOf(system) });
  const tools = ((body.tools ?? []) as Json[]).map((tool) => {
    const own = (from === "chat" ? tool.function : tool) as Json;
    const schema = from === "messages" ? own.input_schema : own.parameters;
    return { name: String(own.name), description: String(own.description ?? ""), schema };
  });
  const maxTokens = Number(body.max_tokens ?? body.max_completion_tokens ?? body.max_output_tokens ?? 4096);
  return { model: String(body.model), turns, maxTokens, tools };
}

function requestTo(to: FormatName, { model, turns, maxTokens, tools }: Asked): Json {
  if (to === "messages") {
    const system = turns.filter(({ role }) => role === "system").map(({ text }) => text).join("\n");
    return {
      model,
      stream: true,
      max_tokens: maxTokens,
      ...(system === "" ? {} : { system }),
      messages: turns.filter(({ role }) => role !== "system").map(({ role, text }) => ({ role, content: text })),
      tools: tools.map(({ name, description, schema }) => ({ name, description, input_schema: schema })),
    };
  }
  if (to === "responses") {
    return {
      model,
      stream: true,
      max_output_tokens: maxTokens,
      input: turns.map(({ role, text }) => ({ role, content: text })),
      tools: tools.map(({ name, description, schema }) => ({
        type: "function",
        name,
        description,
        parameters: schema,
      })),
    };
  }
  return {
    model,
    stream: true,
    stream_options: { include_usage: true },
    max_completion_tokens: maxTokens,
    messages: turns.map(({ role, text }) => ({ role, content: text })),
    tools: tools.map(({ name, description, schema }) => ({
      type: "function",
      function: { name, description, parameters: schema },
    })),
  };
}

async function* sse(body: ReadableStream<Uint8Array>): AsyncGenerator<Json> {
  const decoder = new TextDecoder();
  let buffer = "";
  for await (const chunk of body) {
    buffer += decoder.decode(chunk, { stream: true });
    let end: number;
    while ((end = buffer.indexOf("\n\n")) !== -1) {
      const lines = buffer.slice(0, end).split("\n");
      buffer = buffer.slice(end + 2);
      const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("\n");
      if (data !== "" && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

const STOPS: Record<string, "stop" | "length" | "tool"> = {
  length: "length",
  max_tokens: "length",
  tool_calls: "tool",
  tool_use: "tool",
};

async function* fromChat(events: AsyncGenerator<Json>): AsyncGenerator<Delta> {
  for await (const event of events) {
    const choice = (event.choices as Json[] | undefined)?.[0];
    const delta = choice?.delta as Json | undefined;
    if (delta?.reasoning_content) yield { t: "thinking", delta: String(delta.reasoning_content) };
    if (delta?.content) yield { t: "text", delta: String(delta.content) };
    for (const call of (delta?.tool_calls ?? []) as Json[]) {
      const own = call.function as Json;
      const index = Number(call.index);
      if (call.id !== undefined) yield { t: "tool", index, id: String(call.id), name: String(own.name) };
      if (own.arguments) yield { t: "arguments", index, delta: String(own.arguments) };
    }
    if (choice?.finish_reason) yield { t: "stop", reason: STOPS[String(choice.finish_reason)] ?? "stop" };
    const usage = event.usage as Json | undefined;
    if (usage) yield { t: "usage", input: Number(usage.prompt_tokens), output: Number(usage.completion_tokens) };
  }
}

async function* fromMessages(events: AsyncGenerator<Json>): AsyncGenerator<Delta> {
  let input = 0;
  for await (const event of events) {
    const delta = event.delta as Json | undefined;
    const block = event.content_block as Json | undefined;
    if (event.type === "message_start") {
      input = Number(((event.message as Json).usage as Json).input_tokens);
    } else if (event.type === "content_block_start" && block?.type === "tool_use") {
      yield { t: "tool", index: Number(event.index), id: String(block.id), name: String(block.name) };
    } else if (event.type === "content_block_delta") {
      if (delta?.type === "text_delta") yield { t: "text", delta: String(delta.text) };
      else if (delta?.type === "thinking_delta") yield { t: "thinking", delta: String(delta.thinking) };
      else if (delta?.type === "input_json_delta") {
        yield { t: "arguments", index: Number(event.index), delta: String(delta.partial_json) };
      }
    } else if (event.type === "message_delta") {
      yield { t: "stop", reason: STOPS[String(delta?.stop_reason)] ?? "stop" };
      yield { t: "usage", input, output: Number((event.usage as Json).output_tokens) };
    }
  }
}

async function* fromResponses(events: AsyncGenerator<Json>): AsyncGenerator<Delta> {
  let hasCalls = false;
  for await (const event of events) {
    const index = Number(event.output_index);
    if (event.type === "response.output_text.delta") yield { t: "text", delta: String(event.delta) };
    else if (event.type === "response.reasoning_text.delta" || event.type === "response.reasoning_summary_text.delta") {
      yield { t: "thinking", delta: String(event.delta) };
    } else if (event.type === "response.output_item.added") {
      const item = event.item as Json;
      if (item.type !== "function_call") continue;
      hasCalls = true;
      yield { t: "tool", index, id: String(item.call_id), name: String(item.name) };
    } else if (event.type === "response.function_call_arguments.delta") {
      yield { t: "arguments", index, delta: String(event.delta) };
    } else if (event.type === "response.completed" || event.type === "response.incomplete") {
      const usage = (event.response as Json).usage as Json;
      yield { t: "stop", reason: event.type === "response.incomplete" ? "length" : hasCalls ? "tool" : "stop" };
      yield { t: "usage", input: Number(usage.input_tokens), output: Number(usage.output_tokens) };
    }
  }
}

async function* toChat(deltas: AsyncGenerator<Delta>, model: string): AsyncGenerator<string> {
  const id = `chatcmpl-${crypto.randomUUID()}`;
  const created = Math.floor(Date.now() / 1000);
  const chunk = (delta: Json, finish: string | null = null, more: Json = {}) =>
    `data: ${
      JSON.stringify({
        id,
        object: "chat.completion.chunk",
        created,
        model,
        choices: [{ index: 0, delta, finish_reason: finish }],
        ...more,
      })
    }\n\n`;
  yield chunk({ role: "assistant", content: "" });
  const calls = new Map<number, number>();
  for await (const event of deltas) {
    if (event.t === "text") yield chunk({ content: event.delta });
    else if (event.t === "thinking") yield chunk({ reasoning_content: event.delta });
    else if (event.t === "tool") {
      calls.set(event.index, calls.size);
      const call = { name: event.name, arguments: "" };
      yield chunk({ tool_calls: [{ index: calls.size - 1, id: event.id, type: "function", function: call }] });
    } else if (event.t === "arguments") {
      yield chunk({ tool_calls: [{ index: calls.get(event.index), function: { arguments: event.delta } }] });
    } else if (event.t === "stop") yield chunk({}, event.reason === "tool" ? "tool_calls" : event.reason);
    else {
      const usage = {
        prompt_tokens: event.input,
        completion_tokens: event.output,
        total_tokens: event.input + event.output,
      };
      yield chunk({}, null, { choices: [], usage });
    }
  }
  yield "data: [DONE]\n\n";
}

async function* toMessages(deltas: AsyncGenerator<Delta>, model: string): AsyncGenerator<string> {
  const frame = (type: string, more: Json) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
  const usage = { input_tokens: 0, output_tokens: 0 };
  const id = `msg_${crypto.randomUUID()}`;
  yield frame("message_start", {
    message: {
      id,
      type: "message",
      role: "assistant",
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage,
    },
  });
  let index = -1;
  let open = "";
  let reason = "end_turn";
  for await (const event of deltas) {
    if (event.t === "stop") {
      reason = event.reason === "tool" ? "tool_use" : event.reason === "length" ? "max_tokens" : "end_turn";
    } else if (event.t === "usage") {
      usage.input_tokens = event.input;
      usage.output_tokens = event.output;
    } else {
      const kind = event.t === "arguments" ? open : event.t === "tool" ? event.id : event.t;
      if (kind !== open) {
        if (index >= 0) yield frame("content_block_stop", { index });
        index++;
        open = kind;
        const block = event.t === "tool"
          ? { type: "tool_use", id: event.id, name: event.name, input: {} }
          : event.t === "text"
          ? { type: "text", text: "" }
          : { type: "thinking", thinking: "", signature: "" };
        yield frame("content_block_start", { index, content_block: block });
      }
      if (event.t === "tool") continue;
      const delta = event.t === "text"
        ? { type: "text_delta", text: event.delta }
        : event.t === "thinking"
        ? { type: "thinking_delta", thinking: event.delta }
        : { type: "input_json_delta", partial_json: event.delta };
      yield frame("content_block_delta", { index, delta });
    }
  }
  if (index >= 0) yield frame("content_block_stop", { index });
  yield frame("message_delta", { delta: { stop_reason: reason, stop_sequence: null }, usage });
  yield frame("message_stop", {});
}

async function* toResponses(deltas: AsyncGenerator<Delta>, model: string): AsyncGenerator<string> {
  let sequence = 0;
  const frame = (type: string, more: Json) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence++, ...more })}\n\n`;
  const response: Json = {
    id: `resp_${crypto.randomUUID()}`,
    object: "response",
    created_at: Math.floor(Date.now() / 1000),
    model,
    status: "in_progress",
    output: [],
  };
  yield frame("response.created", { response });
  yield frame("response.in_progress", { response });
  const output: Json[] = [];
  let open = "";
  let item: Json = {};
  let text = "";
  const at = () => ({ item_id: item.id, output_index: output.length });
  const close = function* (): Generator<string> {
    if (open === "") return;
    if (item.type === "message") {
      const part = { type: "output_text", text, annotations: [] };
      item.content = [part];
      yield frame("response.output_text.done", { ...at(), content_index: 0, text });
      yield frame("response.content_part.done", { ...at(), content_index: 0, part });
    } else if (item.type === "reasoning") {
      item.content = [{ type: "reasoning_text", text }];
      yield frame("response.reasoning_text.done", { ...at(), content_index: 0, text });
    } else {
      item.arguments = text;
      yield frame("response.function_call_arguments.done", { ...at(), arguments: text });
    }
    item.status = "completed";
    yield frame("response.output_item.done", { output_index: output.length, item });
    output.push(item);
  };
  for await (const event of deltas) {
    if (event.t === "stop") response.status = event.reason === "length" ? "incomplete" : "completed";
    else if (event.t === "usage") {
      response.usage = {
        input_tokens: event.input,
        output_tokens: event.output,
        total_tokens: event.input + event.output,
      };
    } else {
      const kind = event.t === "arguments" ? open : event.t === "tool" ? event.id : event.t;
      if (kind !== open) {
        yield* close();
        open = kind;
        text = "";
        item = event.t === "tool"
          ? { id: `fc_${output.length}`, type: "function_call", call_id: event.id, name: event.name, arguments: "" }
          : event.t === "text"
          ? { id: `msg_${output.length}`, type: "message", role: "assistant", content: [] }
          : { id: `rs_${output.length}`, type: "reasoning", summary: [], content: [] };
        yield frame("response.output_item.added", { output_index: output.length, item });
        if (event.t === "text") {
          const part = { type: "output_text", text: "", annotations: [] };
          yield frame("response.content_part.added", { ...at(), content_index: 0, part });
        }
      }
      if (event.t === "tool") continue;
      text += event.delta;
      if (event.t === "arguments") {
        yield frame("response.function_call_arguments.delta", { ...at(), delta: event.delta });
      } else {
        const type = event.t === "text" ? "response.output_text.delta" : "response.reasoning_text.delta";
        yield frame(type, { ...at(), content_index: 0, delta: event.delta });
      }
    }
  }
  yield* close();
  response.output = output;
  yield frame("response.completed", { response });
}

const DECODERS = { chat: fromChat, messages: fromMessages, responses: fromResponses };
const ENCODERS = { chat: toChat, messages: toMessages, responses: toResponses };

serveBaseline((upstream) => async (request) => {
  const path = new URL(request.url).pathname;
  const from = (Object.keys(PATHS) as FormatName[]).find((name) => path === PATHS[name]) ?? "chat";
  const body = await request.json() as Json;
  const answer = await fetch(upstream + PATHS[TO], {
    method: "POST",
    headers: { "content-type": "application/json", authorization: request.headers.get("authorization") ?? "" },
    body: JSON.stringify(requestTo(TO, requestFrom(from, body))),
    signal: request.signal,
  });
  const deltas = DECODERS[TO](sse(answer.body as ReadableStream<Uint8Array>));
  const encoder = new TextEncoder();
  const frames = ENCODERS[from](deltas, String(body.model));
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await frames.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    cancel: () => void frames.return(undefined),
  });
  return new Response(stream, { headers: { "content-type": "text/event-stream" } });
});
