/** What the tests of kept responses share: OpenAI's SDK with a key of one's own, one request in both modes, and errors. */
import assert from "node:assert/strict";
import OpenAI from "openai";
import { asArray, asObject } from "./grammar.ts";
import { type Mode, MODEL, replyOf, type Stage } from "./pairs.ts";
import { type Block, said } from "./said.ts";
import type { FormatName } from "./told.ts";

export type Params = Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, "stream">;

export function openAi(url: string, key = "key-of-one"): OpenAI {
  return new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0 });
}

/** One turn, as the SDK's own accumulator has it when it is streamed. */
export async function create(client: OpenAI, params: Params, mode: Mode): Promise<OpenAI.Responses.Response> {
  if (mode === "whole") return await client.responses.create(params);
  return await client.responses.stream(params as Parameters<typeof client.responses.stream>[0]).finalResponse();
}

let count = 0;

/** Lets an upstream answer the next requests with these blocks. Each call is an answer of its own. */
export function answers(stage: Stage, format: FormatName, mode: Mode, ...blocks: Block[]): void {
  const isCall = blocks.some((block) => block.kind === "tool");
  const answer = said({ id: `answer${count++}`, blocks, stop: isCall ? "tool_calls" : "stop", model: MODEL[format] });
  stage.upstreams[format].answer(replyOf(format, answer, mode));
}

export function text(said: string): Block {
  return { kind: "text", text: said };
}

/** That it is refused, with this status and code. */
export async function refused(promise: PromiseLike<unknown>, status: number, code: string | null): Promise<void> {
  await assert.rejects(async () => await promise, (error: unknown) => {
    assert.ok(error instanceof OpenAI.APIError, String(error));
    assert.deepEqual([error.status, error.code], [status, code], error.message);
    return true;
  });
}

/** Asks again until it holds; the test's own time limit ends it. */
export async function until<T>(ask: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await ask();
    if (holds(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The texts that an upstream was told in its newest request, in order. */
export function toldTexts(stage: Stage, format: FormatName): unknown[] {
  const body = asObject(stage.upstreams[format].last().body);
  const messages = asArray(body[format === "responses" ? "input" : "messages"]).map(asObject);
  return messages.flatMap(({ content }) =>
    typeof content === "string" ? [content] : asArray(content).map((part) => asObject(part)["text"])
  );
}

/** A member that the SDK's types don't name. */
export function memberOf(value: unknown, name: string): unknown {
  return asObject(value)[name];
}
