/**
 * LangChain in a loop of tools, like `ai_sdk.js` beside it: its agent by `createAgent`, whole or streamed.
 */
import process from "node:process";
import { ChatAnthropic } from "@langchain/anthropic";
import { ChatOpenAI } from "@langchain/openai";
import { createAgent, tool } from "langchain";
import { z } from "zod";

const { url, model, runs } = JSON.parse(process.argv[2]);

function modelOf(format, streaming) {
  if (format === "messages") {
    return new ChatAnthropic({ model, apiKey: "any", anthropicApiUrl: url, maxRetries: 0, maxTokens: 4000, streaming });
  }
  const configuration = { baseURL: `${url}/v1` };
  const useResponsesApi = format === "responses";
  return new ChatOpenAI({ model, apiKey: "any", configuration, maxRetries: 0, useResponsesApi, streaming });
}

const meet = tool(({ first, second }) => ({ place: `${first} and ${second} meet` }), {
  name: "meet",
  description: "Where two roads meet",
  schema: z.object({ first: z.string(), second: z.string() }),
});

for (const { format, stream } of runs) {
  const agent = createAgent({ model: modelOf(format, stream), tools: [meet], systemPrompt: "You know all roads." });
  const input = { messages: [{ role: "user", content: "Where do the roads meet?" }] };
  let pieces = 0;
  let messages;
  if (stream) {
    for await (const [mode, value] of await agent.stream(input, { streamMode: ["messages", "values"] })) {
      if (mode === "messages") pieces++;
      else messages = value.messages;
    }
  } else messages = (await agent.invoke(input)).messages;
  console.log(JSON.stringify({
    text: messages.at(-1).text,
    results: messages.filter((message) => message.getType() === "tool").map(({ content }) => JSON.parse(content)),
    usage: messages.at(-1).usage_metadata,
    pieces,
  }));
}
