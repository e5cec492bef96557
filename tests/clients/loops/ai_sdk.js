/**
 * The Vercel AI SDK in a loop of tools. Argument: `{url, model, runs: [{format, stream}]}`; prints one JSON line per run.
 * Plain JavaScript and imports by variable, since its packages are installed on demand and no part of the type check.
 */
import process from "node:process";

const load = (name) => import(name);
const { createAnthropic } = await load("@ai-sdk/anthropic");
const { createOpenAI } = await load("@ai-sdk/openai");
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
const { generateText, stepCountIs, streamText, tool } = await load("ai");
const { z } = await load("zod");

globalThis.AI_SDK_LOG_WARNINGS = false;
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
    results: steps.flatMap((step) => step.toolResults.map(({ output }) => output)),
  }));
}
