/** What the microbenchmarks go through: answers as providers stream them, and requests of all sizes. */
import type { JsonObject } from "../../../lib/base/fields.ts";
import { type SseEvent, SseReader } from "../../../lib/base/sse.ts";
import { capabilitiesOf } from "../../../lib/capabilities.ts";
import { type Answer, Losses, type Target } from "../../../lib/format.ts";
import { FORMATS } from "../../../lib/formats/mod.ts";
import type { NeutralEvent, NeutralRequest, Part } from "../../../lib/neutral.ts";

export const NAMES = ["chat", "messages", "responses"] as const;
export type Name = (typeof NAMES)[number];

export const PATHS: Readonly<Record<Name, string>> = {
  chat: "/v1/chat/completions",
  messages: "/v1/messages",
  responses: "/v1/responses",
};

const WORDS = ["Three ", "roads ", "meet ", "here,\n", "“quoted” ", 'a "b" ', "naïve ", "the ", "of ", "gateway. "];

export function words(count: number): string[] {
  return Array.from({ length: count }, (_, index) => WORDS[index % WORDS.length] ?? "");
}

/** An answer of that many deltas: a quarter thinking, half text, a quarter a tool call's arguments. */
export function events(deltas: number): NeutralEvent[] {
  const quarter = Math.max(1, Math.floor(deltas / 4));
  const piece = (t: "text" | "reasoning" | "arguments", i: number) => (delta: string): NeutralEvent =>
    ({ t, c: 0, i, delta }) as NeutralEvent;
  const part = (i: number, opened: Part, pieces: NeutralEvent[]): NeutralEvent[] => [
    { t: "part_start", c: 0, i, part: opened },
    ...pieces,
    { t: "part_end", c: 0, i },
  ];
  const call: Part = { kind: "tool_call", id: "call_1", name: "search", toolKind: "function", arguments: "" };
  const given = ['{"query":"', ...words(quarter).map((word) => JSON.stringify(word).slice(1, -1)), '"}'];
  return [
    { t: "start", id: "answer_1", model: "bench", createdAt: 1_790_000_000 },
    ...part(0, { kind: "reasoning", text: "", form: "full" }, words(quarter).map(piece("reasoning", 0))),
    ...part(1, { kind: "text", text: "" }, words(2 * quarter).map(piece("text", 1))),
    ...part(2, call, given.map(piece("arguments", 2))),
    { t: "finish", c: 0, stop: { reason: "tool_calls" } },
    {
      t: "usage",
      usage: {
        inputTokens: 90,
        cacheReadTokens: 30,
        cacheWriteTokens: 0,
        outputTokens: deltas,
        reasoningTokens: quarter,
      },
    },
    { t: "end" },
  ];
}

export function targetOf(format: Name): Target {
  const family = format === "messages" ? "anthropic" : "openai";
  return {
    provider: "bench",
    model: "bench",
    format,
    family,
    flags: new Set(),
    capabilities: capabilitiesOf("bench"),
  };
}

export function tools(count: number): JsonObject[] {
  return Array.from({ length: count }, (_, index) => ({
    name: index === 0 ? "search" : `tool_${index}`,
    description: `Looks into shelf ${index} and says what stands there, with its place and its state.`,
    schema: {
      type: "object",
      properties: {
        query: { type: "string", description: "What is looked for" },
        limit: { type: "integer", minimum: 1, maximum: 100 },
        order: { type: "string", enum: ["newest", "oldest", "best"] },
      },
      required: ["query"],
    },
  }));
}

/** A client's body in its format: `turns` messages of about `size` characters, user and assistant by turns. */
export function body(name: Name, turns: number, size: number, toolCount = 1): JsonObject {
  const text = words(Math.ceil(size / 6)).join("");
  const messages = Array.from({ length: turns }, (_, index) => ({
    role: index % 2 === 0 ? "user" : "assistant",
    content: text,
  }));
  messages.push({ role: "user", content: "Where do the roads meet?" });
  const offered = tools(toolCount);
  const common = { model: "bench/bench", stream: true };
  switch (name) {
    case "chat":
      return {
        ...common,
        messages,
        tools: offered.map(({ schema, ...tool }) => ({ type: "function", function: { ...tool, parameters: schema } })),
      };
    case "messages":
      return {
        ...common,
        max_tokens: 4096,
        messages,
        tools: offered.map(({ schema, ...tool }) => ({ ...tool, input_schema: schema })),
      };
    case "responses":
      return {
        ...common,
        store: false,
        input: messages,
        tools: offered.map(({ schema, ...tool }) => ({ type: "function", ...tool, parameters: schema })),
      };
  }
}

/** A request of that many bytes, most of them one image. */
export function imageBody(bytes: number): JsonObject {
  const url = `data:image/png;base64,${"iVBORw0KGgoAAAANSUhEUgAA".repeat(Math.ceil(bytes / 24))}`;
  return {
    messages: [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }],
    stream: true,
    model: "bench/bench",
  };
}

export function bytesOf(value: JsonObject | string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
}

export function requestOf(name: Name, value: JsonObject): NeutralRequest {
  const decoded = FORMATS[name].decodeRequest(value, new Headers());
  if (!decoded.ok) throw new Error(decoded.failure.message);
  return decoded.value;
}

/** What an encoder is opened with for a client that asked this. */
export function answerTo(request: NeutralRequest): Answer {
  return { requestId: "req_1", model: "bench", request, estimatedInputTokens: 90, losses: new Losses() };
}

/** The stream that a provider of the format would send for these events, a text an event. */
export function frames(
  name: Name,
  told: readonly NeutralEvent[],
  request = requestOf(name, body(name, 2, 300)),
): string[] {
  const encoder = FORMATS[name].openEncoder(answerTo(request));
  return told.flatMap((event) => [...encoder.encode(event)]);
}

/** Those as the decoders get them. */
export function sseEvents(texts: readonly string[]): SseEvent[] {
  const reader = new SseReader();
  return [...reader.feed(bytesOf(texts.join(""))), ...reader.end()];
}

/** The text as the network would bring it, `size` bytes at a time. */
export function chunks(text: string, size: number): Uint8Array<ArrayBuffer>[] {
  const bytes = bytesOf(text);
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, index) => bytes.slice(index * size, (index + 1) * size));
}
