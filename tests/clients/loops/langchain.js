/** LangChain's agent in a loop of tools: as `ai_sdk.js` beside it. */
import process from "node:process";

const load = (name) => import(name);
const { ChatAnthropic } = await load("@langchain/anthropic");
const { ChatOpenAI } = await load("@langchain/openai");
const { createAgent, tool } = await load("langchain");
const { z } = await load("zod");

const { url, model, runs } = JSON.parse(process.argv[2]);

function modelOf(format) {
  if (format === "messages") {
    return new ChatAnthropic({ model, apiKey: "any", anthropicApiUrl: url, maxRetries: 0, maxTokens: 4000 });
  }
  const configuration = { baseURL: `${url}/v1` };
  const useResponsesApi = format === "responses";
  return new ChatOpenAI({ model, apiKey: "any", configuration, maxRetries: 0, useResponsesApi });
}

const meet = tool(({ first, second }) => ({ place: `${first} and ${second} meet` }), {
  name: "meet",
  description: "Where two roads meet",
  schema: z.object({ first: z.string(), second: z.string() }),
});

for (const { format, stream } of runs) {
  const agent = createAgent({ model: modelOf(format), tools: [meet], systemPrompt: "You know all roads." });
  const input = { messages: [{ role: "user", content: "Where do the roads meet?" }] };
  let messages;
  if (stream) {
    // Not by the models' `streaming`, which fetches a tokenizer from the network.
    for await (const [mode, value] of await agent.stream(input, { streamMode: ["messages", "values"] })) {
      if (mode === "values") messages = value.messages;
    }
  } else messages = (await agent.invoke(input)).messages;
  console.log(JSON.stringify({
    text: messages.at(-1).text,
    results: messages.filter((message) => message.getType() === "tool").map(({ content }) => JSON.parse(content)),
  }));
}
