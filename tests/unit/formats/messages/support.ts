import assert from "node:assert/strict";
import type { Failure, Result } from "../../../../lib/base/failure.ts";
import { isObject, type JsonObject } from "../../../../lib/base/fields.ts";
import { SseReader } from "../../../../lib/base/sse.ts";
import { type Capabilities, capabilitiesOf } from "../../../../lib/capabilities.ts";
import { type Answer, type EncodedRequest, Losses, type Target } from "../../../../lib/format.ts";
import { messages } from "../../../../lib/formats/messages/mod.ts";
import type { NeutralEvent, NeutralRequest, Opaque, Part } from "../../../../lib/neutral.ts";

export const SONNET_45 = "claude-sonnet-4-5";
export const OPUS_46 = "claude-opus-4-6";
export const NEWEST = "claude-opus-5-5";

export function target(model = NEWEST, more: Partial<Target> = {}, capabilities: Partial<Capabilities> = {}): Target {
  return {
    provider: "anthropic",
    model,
    format: "messages",
    family: "anthropic",
    flags: new Set(),
    capabilities: { ...capabilitiesOf(model), ...capabilities },
    ...more,
  };
}

/** A request as a chat client's decoder would give it. */
export function chatRequest(more: Partial<NeutralRequest> = {}): NeutralRequest {
  return {
    origin: "chat",
    model: "claude",
    instructions: [],
    messages: [user("Hi")],
    tools: [],
    stopSequences: [],
    include: [],
    stream: false,
    includeUsage: true,
    betas: [],
    extensions: {},
    wireNames: { reasoning: "reasoning_effort", maxOutputTokens: "max_completion_tokens", topP: "top_p" },
    ...more,
  };
}

export function text(words: string, more: Partial<Part> = {}): Part {
  return { kind: "text", text: words, ...more } as Part;
}

export function user(words: string) {
  return { role: "user" as const, parts: [text(words)], path: "messages[0]" };
}

export function call(id: string, args = "{}", name = "look"): Part {
  return { kind: "tool_call", id, name, toolKind: "function", arguments: args, path: `calls.${id}` };
}

export function result(callId: string, words = "found"): Part {
  return { kind: "tool_result", callId, toolKind: "function", parts: words === "" ? [] : [text(words)] };
}

export function thought(words: string, ...opaque: Opaque[]): Part {
  return {
    kind: "reasoning",
    text: words,
    form: "full",
    path: "messages[1].reasoning",
    ...(opaque.length === 0 ? {} : { opaque }),
  };
}

export function signature(value: string, issuer = "anthropic"): Opaque {
  return { issuer, kind: "signature", value };
}

export const LOOK = { kind: "function" as const, name: "look", path: "tools[0]", schema: { type: "object" } };

export function decode(body: JsonObject, headers: Record<string, string> = {}): NeutralRequest {
  return ok(messages.decodeRequest({ model: "m", max_tokens: 100, messages: [], ...body }, new Headers(headers)));
}

export function decodeFailure(body: JsonObject): Failure {
  return failureOf(messages.decodeRequest(body, new Headers()));
}

export interface Encoded extends EncodedRequest {
  losses: string[];
}

export function encode(request: NeutralRequest, to: Target = target()): Encoded {
  const losses = new Losses();
  const encoded = ok(messages.encodeRequest(request, to, losses));
  // What is sent is JSON: undefined members are none.
  const body = JSON.parse(JSON.stringify(encoded.body)) as JsonObject;
  return { ...encoded, body, losses: losses.list.map((loss) => loss.path) };
}

export function encodeFailure(request: NeutralRequest, to: Target = target()): Failure {
  return failureOf(messages.encodeRequest(request, to, new Losses()));
}

export function ok<T>(result: Result<T>): T {
  if (!result.ok) assert.fail(result.failure.message);
  return result.value;
}

export function failureOf(result: Result<unknown>): Failure {
  if (result.ok) assert.fail("Expected a failure");
  return result.failure;
}

export function answer(losses = new Losses()): Answer {
  return { requestId: "req_1", model: "asked-for", request: chatRequest(), estimatedInputTokens: 42, losses };
}

/** A stream of this format's events, as an upstream sends it. */
export function sse(events: readonly JsonObject[]): string {
  return events.map((event) => `event: ${String(event["type"])}\ndata: ${JSON.stringify(event)}\n\n`).join("");
}

export function decodeStream(body: string, to: Target = target()): NeutralEvent[] {
  const reader = new SseReader();
  const decoder = messages.openDecoder(to);
  const events: NeutralEvent[] = [];
  const frames = [...reader.feed(new TextEncoder().encode(body)), ...reader.end()];
  for (const frame of frames) events.push(...decoder.decode(frame));
  events.push(...decoder.end());
  return events;
}

/** The time of an answer is the moment of its decoding: left out, so that events can be compared. */
export function timeless(events: readonly NeutralEvent[]): unknown[] {
  return events.map((event) => event.t === "start" ? { ...event, createdAt: 0 } : event);
}

export const START: NeutralEvent = { t: "start", id: "msg_1", model: "m", createdAt: 0 };
export const END: NeutralEvent = { t: "end" };

export function finish(reason: "stop" | "tool_calls" | "max_tokens" | "refusal" = "stop"): NeutralEvent {
  return { t: "finish", c: 0, stop: { reason } };
}

/** The events of one part, from its start to its end. */
export function part(i: number, part: Part, ...inner: { t: string; [key: string]: unknown }[]): NeutralEvent[] {
  return [
    { t: "part_start", c: 0, i, part },
    ...inner.map((event) => ({ ...event, c: 0, i }) as NeutralEvent),
    { t: "part_end", c: 0, i },
  ];
}

export function frames(events: readonly NeutralEvent[], to: Answer = answer()): JsonObject[] {
  const encoder = messages.openEncoder(to);
  let body = "";
  for (const event of events) for (const frame of encoder.encode(event)) body += frame;
  return parseFrames(body);
}

/** Each frame has its event's type as its name, or SDKs skip it. */
export function parseFrames(body: string): JsonObject[] {
  const reader = new SseReader();
  return [...reader.feed(new TextEncoder().encode(body)), ...reader.end()].map(({ event, data }) => {
    const value = JSON.parse(data) as JsonObject;
    assert.equal(event, value["type"]);
    return value;
  });
}

/** Fails where a whole stream breaks the grammar of TRANSLATION.md, 4.2; returns the message it adds up to. */
export function accumulate(events: readonly JsonObject[]): JsonObject {
  let message: JsonObject | undefined;
  const content: JsonObject[] = [];
  let open: { block: JsonObject; json: string } | undefined;
  let state: "before" | "within" | "told" | "stopped" = "before";
  for (const event of events) {
    assert.notEqual(state, "stopped", "an event after message_stop");
    switch (event["type"]) {
      case "ping":
        break;
      case "message_start":
        assert.equal(state, "before");
        state = "within";
        message = event["message"] as JsonObject;
        assert.deepEqual(message["content"], []);
        assert.ok(Number((message["usage"] as JsonObject)["input_tokens"]) > 0);
        break;
      case "content_block_start":
        assert.equal(state, "within");
        assert.equal(open, undefined, "two open blocks");
        assert.equal(event["index"], content.length);
        open = { block: { ...event["content_block"] as JsonObject }, json: "" };
        break;
      case "content_block_delta":
        assert.ok(open, "a delta without a block");
        assert.equal(event["index"], content.length);
        add(open, event["delta"] as JsonObject);
        break;
      case "content_block_stop":
        assert.ok(open, "a stop without a block");
        assert.equal(event["index"], content.length);
        if (open.json !== "") open.block["input"] = JSON.parse(open.json);
        content.push(open.block);
        open = undefined;
        break;
      case "message_delta":
        assert.equal(state, "within");
        assert.equal(open, undefined, "message_delta within a block");
        state = "told";
        message = { ...message, ...event["delta"] as JsonObject, usage: event["usage"] };
        break;
      case "message_stop":
        assert.equal(state, "told");
        state = "stopped";
        break;
      default:
        assert.fail(`unexpected event ${String(event["type"])}`);
    }
  }
  assert.equal(state, "stopped", "no message_stop");
  for (const block of content) if (block["type"] === "text") assert.notEqual(block["text"], "", "an empty text block");
  return { ...message, content };
}

const MEMBERS: Readonly<Record<string, string>> = {
  text_delta: "text",
  thinking_delta: "thinking",
  signature_delta: "signature",
};

function add(open: { block: JsonObject; json: string }, delta: JsonObject): void {
  const { block } = open;
  const type = String(delta["type"]);
  const member = MEMBERS[type];
  if (type === "input_json_delta") open.json += String(delta["partial_json"]);
  else if (type === "citations_delta") {
    block["citations"] = [...(block["citations"] as unknown[] ?? []), delta["citation"]];
  } else if (type === "compaction_delta") Object.assign(block, { ...delta, type: block["type"] });
  else if (member === undefined) assert.fail(`unexpected delta ${type}`);
  else if (type === "signature_delta") assert.equal(block[member], ""), block[member] = delta[member];
  else block[member] = String(block[member]) + String(delta[member]);
}

/** What an answer's stream must keep to, whatever the upstream sent (lib/neutral.ts, `NeutralEvent`). */
export function checkGrammar(events: readonly NeutralEvent[]): void {
  let started = false;
  let over = false;
  let finished = false;
  let next = 0;
  const open = new Set<number>();
  for (const event of events) {
    assert.equal(over, false, `${event.t} after the end`);
    if (event.t === "end" || event.t === "error") over = true;
    if (event.t === "error") continue;
    if (event.t === "start") {
      assert.equal(started, false, "two starts");
      started = true;
      continue;
    }
    assert.equal(started, true, `${event.t} before the start`);
    if (event.t === "finish") {
      assert.equal(open.size, 0, "finish with an open part");
      assert.equal(finished, false, "two finishes");
      finished = true;
    } else if (event.t === "end") assert.equal(finished, true, "end without finish");
    else if (event.t === "part_start") assert.equal(event.i, next++), open.add(event.i);
    else if (event.t === "part_end") assert.ok(open.delete(event.i));
    else if ("i" in event) assert.ok(open.has(event.i), `${event.t} for a closed part`);
  }
  assert.equal(over, true, "neither end nor error");
}

/** Object members in one order, null ones and what this format says in two ways left out: JSON that means the same. */
export function meaning(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(meaning);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).filter(([, member]) => member !== null).map(([key, member]) => [
    key,
    (key === "content" || key === "system") && typeof member === "string" && value["type"] !== "compaction"
      ? [{ type: "text", text: member }]
      : meaning(member),
  ]);
  return Object.fromEntries(entries);
}
