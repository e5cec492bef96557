/**
 * The Vercel AI SDK in a loop of tools. Plain JavaScript, since its packages are installed on demand and so are no part
 * of the type check. Argument: `{url, model, runs: [{format, stream}]}`; prints one JSON line per run.
 */
import process from "node:process";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const { url, model, runs } = JSON.parse(process.argv[2]);

const MODELS = {
  chat: () => createOpenAICompatible({ name: "trivium", baseURL: `${url}/v1`, apiKey: "any" })(model),
  messages: () => createAnthropic({ baseURL: `${url}/v1`, apiKey: "any" })(model),
  responses: () => createOpenAI({ baseURL: `${url}/v1`, apiKey: "any" }).responses(model),
};

const tools = {
  meet: tool({
    description: "Where two roads meet",
    inputSchema: z.object({ first: z.string(), second: z.string() }),
    execute: ({ first, second }) => ({ place: `${first} and ${second} meet` }),
  }),
};

for (const { format, stream } of runs) {
  const request = {
    model: MODELS[format](),
    tools,
    system: "You know all roads.",
    prompt: "Where do the roads meet?",
    stopWhen: stepCountIs(5),
    maxRetries: 0,
  };
  const result = stream ? streamText(request) : await generateText(request);
  if (stream) {
    await result.consumeStream({
      onError: (error) => {
        throw error;
      },
    });
  }
  const steps = await result.steps;
  console.log(JSON.stringify({
    text: await result.text,
    thoughts: steps.map((step) => step.reasoningText ?? ""),
    results: steps.flatMap((step) => step.toolResults.map(({ output }) => output)),
    finish: await result.finishReason,
    usage: await result.totalUsage,
  }));
}
