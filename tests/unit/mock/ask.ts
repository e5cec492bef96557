/** Asks the mock in each format with that format's own body, and reads its answers back into the neutral form. */
import assert from "node:assert/strict";
import { SseReader } from "../../../lib/base/sse.ts";
import type { Result } from "../../../lib/base/failure.ts";
import type { Target } from "../../../lib/format.ts";
import { capabilitiesOf } from "../../../lib/capabilities.ts";
import { FORMATS } from "../../../lib/formats/mod.ts";
import { mockFetch } from "../../../lib/mock/mod.ts";
import type { FormatName, NeutralEvent, NeutralResponse, Part } from "../../../lib/neutral.ts";
import { collect } from "../../../lib/translation/whole.ts";
import { checkChatStream } from "../../support/grammar_chat.ts";
import { checkMessagesStream } from "../../support/grammar_messages.ts";
import { checkResponsesStream } from "../../support/grammar_responses.ts";

type Json = Record<string, unknown>;

export interface Ask {
  text?: string;
  stream?: boolean;
  maxTokens?: number;
  stop?: string[];
  tools?: readonly { name: string; schema: Json }[];
  /** A tool's name, or `none`. */
  choice?: string;
  /** The result of an earlier call. */
  result?: string;
  schema?: Json;
  /** Further members of the body. */
  more?: Json;
}

export const CHECKS: Readonly<Record<FormatName, (text: string) => string[]>> = {
  chat: (text) => checkChatStream(text, { includeUsage: true }),
  messages: checkMessagesStream,
  responses: checkResponsesStream,
};

const ORIGIN = "http://mock.test/v1";
const FAMILIES: Readonly<Record<FormatName, string>> = { chat: "mock", messages: "anthropic", responses: "openai" };

export function send(path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return mockFetch(new Request(`${ORIGIN}${path}`, { method: "POST", body: text, ...init }));
}

export function get(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Response> {
  return mockFetch(new Request(`${ORIGIN}${path}`, { method, headers }));
}

export function ask(format: FormatName, model: string, asked: Ask = {}, init: RequestInit = {}): Promise<Response> {
  return send(FORMATS[format].path, { ...BODIES[format](model, asked), ...asked.more }, init);
}

/** The answer, not streamed. */
export async function whole(format: FormatName, model: string, asked: Ask = {}): Promise<NeutralResponse> {
  const response = await ask(format, model, asked);
  assert.equal(response.status, 200, await response.clone().text());
  return read(FORMATS[format].decodeResponse(await response.json(), target(format, model)));
}

/** The same as a stream, which must be legal by its format's grammar. */
export async function streamed(format: FormatName, model: string, asked: Ask = {}): Promise<NeutralResponse> {
  const response = await ask(format, model, { ...asked, stream: true });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  assert.deepEqual(CHECKS[format](text), []);
  return read(collect(events(format, text)));
}

export function events(format: FormatName, text: string): NeutralEvent[] {
  const reader = new SseReader();
  const decoder = FORMATS[format].openDecoder(target(format, "m"));
  const frames = [...reader.feed(new TextEncoder().encode(text)), ...reader.end()];
  return [...frames.flatMap((frame) => [...decoder.decode(frame)]), ...decoder.end()];
}

/** The body's chunks as text. */
export async function chunksOf(response: Response): Promise<string[]> {
  const decoder = new TextDecoder();
  const chunks: string[] = [];
  assert.ok(response.body !== null);
  for await (const chunk of response.body) chunks.push(decoder.decode(chunk, { stream: true }));
  return chunks;
}

export function parts(response: NeutralResponse): Part[] {
  return response.candidates[0]?.parts ?? [];
}

export function textOf(response: NeutralResponse): string {
  return parts(response).map((part) => part.kind === "text" ? part.text : "").join("");
}

export function reasonOf(response: NeutralResponse): string | undefined {
  return response.candidates[0]?.stop.reason;
}

function read<T>(result: Result<T>): T {
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

function target(format: FormatName, model: string): Target {
  return {
    provider: "mock",
    model,
    format,
    family: FAMILIES[format],
    flags: new Set(),
    capabilities: capabilitiesOf(model),
  };
}

const BODIES: Readonly<Record<FormatName, (model: string, asked: Ask) => Json>> = {
  chat: chatBody,
  messages: messagesBody,
  responses: responsesBody,
};

function chatBody(
  model: string,
  { text = "Hi", stream = false, maxTokens, stop, tools, choice, result, schema }: Ask,
): Json {
  const messages: Json[] = [{ role: "user", content: text }];
  if (result !== undefined) {
    const call = { id: "call_1", type: "function", function: { name: "f", arguments: "{}" } };
    messages.push({ role: "assistant", content: null, tool_calls: [call] });
    messages.push({ role: "tool", tool_call_id: "call_1", content: result });
  }
  return without({
    model,
    messages,
    stream,
    stream_options: stream ? { include_usage: true } : undefined,
    max_completion_tokens: maxTokens,
    stop,
    tools: tools?.map(({ name, schema }) => ({ type: "function", function: { name, parameters: schema } })),
    tool_choice: choice === undefined || choice === "none" ? choice : { type: "function", function: { name: choice } },
    response_format: schema && { type: "json_schema", json_schema: { name: "answer", schema } },
  });
}

function messagesBody(model: string, asked: Ask): Json {
  const { text = "Hi", stream = false, maxTokens = 1000, stop, tools, choice, result, schema } = asked;
  const messages: Json[] = [{ role: "user", content: text }];
  if (result !== undefined) {
    messages.push({ role: "assistant", content: [{ type: "tool_use", id: "call_1", name: "f", input: {} }] });
    messages.push({ role: "user", content: [{ type: "tool_result", tool_use_id: "call_1", content: result }] });
  }
  return without({
    model,
    messages,
    stream,
    max_tokens: maxTokens,
    stop_sequences: stop,
    tools: tools?.map(({ name, schema }) => ({ name, input_schema: schema })),
    tool_choice: choice === undefined
      ? undefined
      : choice === "none"
      ? { type: "none" }
      : { type: "tool", name: choice },
    output_config: schema && { format: { type: "json_schema", schema } },
  });
}

function responsesBody(
  model: string,
  { text = "Hi", stream = false, maxTokens, tools, choice, result, schema }: Ask,
): Json {
  const input: Json[] = [{ role: "user", content: text }];
  if (result !== undefined) {
    input.push({ type: "function_call", call_id: "call_1", name: "f", arguments: "{}" });
    input.push({ type: "function_call_output", call_id: "call_1", output: result });
  }
  return without({
    model,
    input,
    stream,
    store: false,
    max_output_tokens: maxTokens,
    tools: tools?.map(({ name, schema }) => ({ type: "function", name, parameters: schema, strict: false })),
    tool_choice: choice === undefined || choice === "none" ? choice : { type: "function", name: choice },
    text: schema && { format: { type: "json_schema", name: "answer", schema } },
  });
}

function without(body: Json): Json {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}
