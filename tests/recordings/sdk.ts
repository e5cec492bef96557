/** The official SDKs' accumulators, fed a stream without a network: what their users have in their hands at the end. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { asObject, type Json } from "../support/grammar.ts";
import { textOf } from "./facts.ts";
import type { FormatName } from "../support/told.ts";

function answering(wire: string): () => Promise<Response> {
  return () => Promise.resolve(new Response(wire, { headers: { "content-type": "text/event-stream" } }));
}

const QUESTION = [{ role: "user" as const, content: "Hi" }];

async function chatFinal(wire: string): Promise<unknown> {
  const openai = new OpenAI({ apiKey: "none", baseURL: "http://localhost/v1", maxRetries: 0, fetch: answering(wire) });
  const stream = openai.chat.completions.stream({
    model: "m",
    messages: QUESTION,
    stream_options: { include_usage: true },
  });
  const thinking = new Map<number, string>();
  stream.on("chunk", ({ choices }) => {
    for (const { index, delta } of choices) {
      thinking.set(index, (thinking.get(index) ?? "") + textOf(asObject(delta)["reasoning_content"]));
    }
  });
  const completion = await stream.finalChatCompletion();
  // Of members that it doesn't know the accumulator keeps the last piece alone: users join them, so this does.
  for (const { index, message } of completion.choices) {
    const told = thinking.get(index) ?? "";
    if (told !== "") Object.assign(message, { reasoning_content: told });
  }
  return completion;
}

async function messagesFinal(wire: string): Promise<unknown> {
  const anthropic = new Anthropic({
    apiKey: "none",
    baseURL: "http://localhost",
    maxRetries: 0,
    fetch: answering(wire),
  });
  const body = { model: "m", max_tokens: 1000, messages: QUESTION };
  // What betas bring comes to those who use the beta client: the other's accumulator leaves it out.
  const isBeta = wire.includes('"mcp_tool_use"') || wire.includes('"iterations"');
  return await (isBeta ? anthropic.beta.messages.stream(body) : anthropic.messages.stream(body)).finalMessage();
}

async function responsesFinal(wire: string): Promise<unknown> {
  const openai = new OpenAI({ apiKey: "none", baseURL: "http://localhost/v1", maxRetries: 0, fetch: answering(wire) });
  return await openai.responses.stream({ model: "m", input: "Hi" }).finalResponse();
}

const FINAL: Readonly<Record<FormatName, (wire: string) => Promise<unknown>>> = {
  chat: chatFinal,
  messages: messagesFinal,
  responses: responsesFinal,
};

/** Rejects where the SDK does: on an illegal stream and on one that ends in an error. */
export async function finalOf(client: FormatName, wire: string): Promise<Json> {
  return JSON.parse(JSON.stringify(await FINAL[client](wire)));
}
