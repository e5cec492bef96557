/**
 * The eight cases that this project was born from (issue 3), by their names: the official clients against a started
 * gateway and a mock upstream over HTTP, with an OpenAI-like provider `[chat, responses]` for `gpt-*` and a Claude-like
 * one `[chat, messages]` for `claude-*`.
 */
import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, test } from "bun:test";
import assert from "node:assert/strict";
import OpenAI from "openai";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { asArray, asObject } from "../support/grammar.ts";
import { checkMessagesStream } from "../support/grammar_messages.ts";
import { checkResponsesStream } from "../support/grammar_responses.ts";
import { type Said, said } from "../support/said.ts";
import { sse, startUpstream, type Upstream } from "../support/upstream.ts";
import { chatFrames } from "../support/wire_chat.ts";
import { messagesFrames } from "../support/wire_messages.ts";

const GPT = "gpt-4o";
const CLAUDE = "claude-sonnet-4-20250514";
const HELLO = "Hello! This is a streamed answer, in several pieces.";
const MESSAGES = [{ role: "user" as const, content: "Hello" }];

let upstream: Upstream;
let gateway: StartedGateway;
let openai: OpenAI;
let anthropic: Anthropic;

beforeAll(async () => {
  upstream = await startUpstream();
  gateway = await startGateway(`
log: off
providers:
  openai-like: { base_url: "${upstream.url}/v1", formats: [chat, responses], api_key: upstream-key }
  claude-like: { base_url: "${upstream.url}/v1", formats: [chat, messages], api_key: upstream-key }
models:
  - { name: gpt-*, target: openai-like/gpt-* }
  - { name: claude-*, target: claude-like/claude-* }
`);
  openai = new OpenAI({ apiKey: "test-key", baseURL: `${gateway.url}/v1`, maxRetries: 0 });
  anthropic = new Anthropic({ apiKey: "test-key", baseURL: gateway.url, maxRetries: 0 });
});

afterAll(async () => {
  await gateway.stop();
  await upstream.stop();
});

function text(text: string): Said {
  return said({ blocks: [{ kind: "text", text }] });
}

/** The raw stream of a request by hand, for the grammar. */
async function wire(path: string, body: unknown): Promise<string> {
  const response = await fetch(`${gateway.url}${path}`, { method: "POST", body: JSON.stringify(body) });
  assert.equal(response.status, 200);
  return await response.text();
}

test("openai_chat_streaming_basic", async () => {
  upstream.answer(sse(chatFrames(text(HELLO))));
  const stream = await openai.chat.completions.create({ model: GPT, messages: MESSAGES, stream: true });
  const chunks: string[] = [];
  for await (const chunk of stream) {
    const content = chunk.choices[0]?.delta.content;
    if (content) chunks.push(content);
  }
  assert.ok(chunks.length > 1, `${chunks.length} chunks`);
  assert.equal(chunks.join(""), HELLO);
  assert.equal(upstream.last().path, "/v1/chat/completions");
  assert.equal(asObject(upstream.last().body)["model"], GPT);
});

test("openai_chat_streaming_tool_calls", async () => {
  const args = '{"text":"hello world","times":2}';
  const blocks = [{ kind: "tool" as const, id: "call_mock_123", name: "echo_tool", args }];
  upstream.answer(sse(chatFrames(said({ blocks, stop: "tool_calls" }))));
  const stream = openai.chat.completions.stream({
    model: GPT,
    messages: MESSAGES,
    tools: [{ type: "function", function: { name: "echo_tool", parameters: { type: "object", properties: {} } } }],
  });
  const completion = await stream.finalChatCompletion();
  const [choice] = completion.choices;
  assert.equal(choice?.finish_reason, "tool_calls");
  const [call] = choice?.message.tool_calls ?? [];
  assert.equal(call?.id, "call_mock_123");
  assert.ok(call?.type === "function");
  assert.equal(call.function.name, "echo_tool");
  assert.deepEqual(JSON.parse(call.function.arguments), { text: "hello world", times: 2 });
});

test("anthropic_messages_streaming_basic", async () => {
  upstream.answer(sse(messagesFrames(text(HELLO))));
  const stream = anthropic.messages.stream({ model: CLAUDE, max_tokens: 100, messages: MESSAGES });
  const pieces: string[] = [];
  stream.on("text", (delta) => pieces.push(delta));
  const message = await stream.finalMessage();
  assert.ok(pieces.length > 1, `${pieces.length} pieces`);
  assert.equal(pieces.join(""), HELLO);
  assert.deepEqual(message.content.map((block) => block.type === "text" && block.text), [HELLO]);
  assert.equal(message.stop_reason, "end_turn");
  assert.equal(upstream.last().path, "/v1/messages");
});

test("anthropic_messages_streaming_thinking", async () => {
  const thinking = "Let me think about this step by step.";
  const blocks = [{ kind: "thinking" as const, text: thinking, seal: "c2ln" }, { kind: "text" as const, text: "42." }];
  upstream.answer(sse(messagesFrames(said({ blocks }))));
  const stream = anthropic.messages.stream({
    model: CLAUDE,
    max_tokens: 4000,
    thinking: { type: "enabled", budget_tokens: 2000 },
    messages: MESSAGES,
  });
  const seen = new Set<string>();
  for await (const event of stream) {
    if (event.type === "content_block_start") seen.add(`start ${event.content_block.type}`);
    if (event.type === "content_block_delta") seen.add(event.delta.type);
  }
  for (const expected of ["start thinking", "thinking_delta", "start text", "text_delta"]) {
    assert.ok(seen.has(expected));
  }
  const { content } = await stream.finalMessage();
  assert.deepEqual(content.map((block) => block.type), ["thinking", "text"]);
  assert.equal(content[0]?.type === "thinking" && content[0].thinking, thinking);
  assert.equal(content[1]?.type === "text" && content[1].text, "42.");
});

test("openai_client_streaming_anthropic_upstream", async () => {
  upstream.answer(sse(chatFrames(text(HELLO))));
  const stream = await openai.chat.completions.create({ model: CLAUDE, messages: MESSAGES, stream: true });
  let content = "";
  for await (const chunk of stream) content += chunk.choices[0]?.delta.content ?? "";
  assert.equal(content, HELLO);
  assert.equal(upstream.last().path, "/v1/chat/completions");
  assert.equal(asObject(upstream.last().body)["model"], CLAUDE);
});

test("anthropic_client_streaming_openai_upstream", async () => {
  upstream.answer(sse(chatFrames(text(HELLO))));
  const body = { model: GPT, max_tokens: 100, system: "Be kind.", messages: MESSAGES };
  const stream = anthropic.messages.stream(body);
  const pieces: string[] = [];
  stream.on("text", (delta) => pieces.push(delta));
  const message = await stream.finalMessage();
  assert.ok(pieces.length > 1, `${pieces.length} pieces`);
  assert.equal(message.content.map((block) => block.type === "text" ? block.text : "").join(""), HELLO);
  assert.equal(message.role, "assistant");
  assert.equal(message.usage.output_tokens, 31);
  assert.equal(upstream.last().path, "/v1/chat/completions");
  assert.deepEqual(asArray(asObject(upstream.last().body)["messages"]).map((each) => asObject(each)["role"]), [
    "system",
    "user",
  ]);
  assert.deepEqual(checkMessagesStream(await wire("/v1/messages", { ...body, stream: true })), []);
});

test("responses_api_streaming_basic", async () => {
  upstream.answer(sse(chatFrames(text(HELLO))));
  const stream = await openai.responses.create({ model: CLAUDE, input: "Hello", stream: true });
  const deltas: string[] = [];
  let completed = false;
  for await (const event of stream) {
    if (event.type === "response.output_text.delta") deltas.push(event.delta);
    if (event.type === "response.completed") completed = true;
  }
  assert.ok(deltas.length > 1, `${deltas.length} deltas`);
  assert.equal(deltas.join(""), HELLO);
  assert.ok(completed, "no response.completed");
  assert.equal(upstream.last().path, "/v1/chat/completions");
});

test("responses_api_streaming_translated_upstream", async () => {
  upstream.answer(sse(chatFrames(text("Translated streaming response!"))));
  const stream = openai.responses.stream({ model: CLAUDE, instructions: "Be kind.", input: "Hello" });
  const deltas: string[] = [];
  stream.on("response.output_text.delta", (event) => deltas.push(event.delta));
  const response = await stream.finalResponse();
  assert.ok(deltas.length > 1, `${deltas.length} deltas`);
  assert.equal(deltas.join(""), "Translated streaming response!");
  assert.equal(response.output_text, "Translated streaming response!");
  assert.equal(response.status, "completed");
  const asked = asObject(upstream.last().body);
  assert.equal(upstream.last().path, "/v1/chat/completions");
  assert.equal(asked["stream"], true);
  assert.deepEqual(asArray(asked["messages"]).map((each) => asObject(each)["content"]), ["Be kind.", "Hello"]);
  const body = { model: CLAUDE, input: "Hello", stream: true };
  assert.deepEqual(checkResponsesStream(await wire("/v1/responses", body)), []);
});
