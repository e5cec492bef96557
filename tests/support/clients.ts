/** The official SDK clients behind one face: the same question in each client's own API, the answer in the tests' words. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { checkChatStream } from "./grammar_chat.ts";
import { checkMessagesStream } from "./grammar_messages.ts";
import { checkResponsesStream } from "./grammar_responses.ts";
import { asArray, asObject, type Json } from "./grammar.ts";
import type { FormatName } from "./told.ts";

export interface Tool {
  name: string;
  description: string;
  schema: Json;
}

export type Turn =
  /** `image`: base64 of a PNG. */
  | { user: string; image?: string }
  /** What a client sends back of an earlier answer: `Outcome.echo`. */
  | { echo: readonly unknown[] }
  | { results: readonly { id: string; text: string }[] };

export interface Ask {
  model: string;
  system?: string;
  turns: readonly Turn[];
  tools?: readonly Tool[];
  maxTokens?: number;
  stopSequences?: readonly string[];
  /** Asks for thinking in the way of the client's own API. */
  thinking?: boolean;
  /** Asks for JSON of this schema. */
  schema?: Json;
  /** Members of the body that this face has no name for. */
  extra?: Json;
  signal?: AbortSignal;
}

export interface Outcome {
  text: string;
  thinking: string;
  refusal: string;
  calls: { id: string; name: string; input: unknown }[];
  /** The client's own word; responses: the status, with `:reason` when it is incomplete. */
  stop: string;
  usage: { input: number; cached: number; output: number; reasoning: number };
  model: string;
  /** What the SDK's user appends to the conversation. */
  echo: unknown[];
  /** How many pieces the text came in; 0 when it was not streamed. */
  pieces: number;
  /** The body as it was on the wire. */
  wire: string;
  headers: Headers;
}

export interface Client {
  name: FormatName;
  ask(ask: Ask): Promise<Outcome>;
  /** By the SDK's own stream helper, read to the end. */
  stream(ask: Ask): Promise<Outcome>;
  /** By plain iteration, which notices less than the helper; gives every event up to the end or the error. */
  iterate(ask: Ask): AsyncIterable<unknown>;
  /** What is wrong with a whole stream for this client; empty when it is legal. */
  check(wire: string): string[];
}

export const CLIENT_KEY = "client-key-0123456789";

export function openClient(name: FormatName, url: string): Client {
  if (name === "chat") return chatClient(url);
  return name === "messages" ? messagesClient(url) : responsesClient(url);
}

/** A fetch that keeps the body and the headers of the answer it got. */
class Recorder {
  headers = new Headers();
  #body: Promise<string> = Promise.resolve("");

  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const response = await fetch(input, init);
    this.headers = response.headers;
    if (response.body === null) return response;
    const [mine, theirs] = response.body.tee();
    // A stream that breaks off is the SDK's to report; what came until then is in no test's interest.
    this.#body = new Response(mine).text().catch(() => "");
    return new Response(theirs, response);
  };

  get wire(): Promise<string> {
    return this.#body;
  }
}

function openAi(url: string, recorder?: Recorder): OpenAI {
  return new OpenAI({
    apiKey: CLIENT_KEY,
    baseURL: `${url}/v1`,
    maxRetries: 0,
    ...(recorder === undefined ? {} : { fetch: recorder.fetch }),
  });
}

function anthropic(url: string, recorder?: Recorder): Anthropic {
  return new Anthropic({
    apiKey: CLIENT_KEY,
    baseURL: url,
    maxRetries: 0,
    ...(recorder === undefined ? {} : { fetch: recorder.fetch }),
  });
}

function options(ask: Ask): { signal?: AbortSignal } {
  return ask.signal === undefined ? {} : { signal: ask.signal };
}

// ---- chat

type ChatBody = OpenAI.Chat.ChatCompletionCreateParamsNonStreaming;

function chatBody(ask: Ask): ChatBody {
  const body: Json = {
    model: ask.model,
    messages: [
      ...(ask.system === undefined ? [] : [{ role: "system", content: ask.system }]),
      ...ask.turns.flatMap(chatTurn),
    ],
    ...(ask.tools === undefined ? {} : {
      tools: ask.tools.map(({ name, description, schema }) => ({
        type: "function",
        function: { name, description, parameters: schema },
      })),
    }),
    ...(ask.maxTokens === undefined ? {} : { max_completion_tokens: ask.maxTokens }),
    ...(ask.stopSequences === undefined ? {} : { stop: ask.stopSequences }),
    ...(ask.thinking ? { reasoning_effort: "medium" } : {}),
    ...(ask.schema === undefined ? {} : {
      response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema: ask.schema } },
    }),
    ...ask.extra,
  };
  return body as unknown as ChatBody;
}

function chatTurn(turn: Turn): unknown[] {
  if ("echo" in turn) return [...turn.echo];
  if ("results" in turn) {
    return turn.results.map(({ id, text }) => ({ role: "tool", tool_call_id: id, content: text }));
  }
  if (turn.image === undefined) return [{ role: "user", content: turn.user }];
  const image = { type: "image_url", image_url: { url: `data:image/png;base64,${turn.image}` } };
  return [{ role: "user", content: [{ type: "text", text: turn.user }, image] }];
}

function chatClient(url: string): Client {
  return {
    name: "chat",
    async ask(ask) {
      const recorder = new Recorder();
      const completion = await openAi(url, recorder).chat.completions.create(chatBody(ask), options(ask));
      const message: Json = { ...completion.choices[0]?.message };
      return chatOutcome(completion, String(message["reasoning_content"] ?? ""), 0, recorder);
    },
    async stream(ask) {
      const recorder = new Recorder();
      const body = { ...chatBody(ask), stream: true as const, stream_options: { include_usage: true } };
      const stream = openAi(url, recorder).chat.completions.stream(body, options(ask));
      let thinking = "";
      let pieces = 0;
      for await (const chunk of stream) {
        const delta: Json = { ...chunk.choices[0]?.delta };
        thinking += String(delta["reasoning_content"] ?? "");
        if (delta["content"]) pieces++;
      }
      return await chatOutcome(await stream.finalChatCompletion(), thinking, pieces, recorder);
    },
    async *iterate(ask) {
      yield* await openAi(url).chat.completions.create({ ...chatBody(ask), stream: true }, options(ask));
    },
    check: (wire) => checkChatStream(wire, { includeUsage: true }),
  };
}

async function chatOutcome(
  completion: OpenAI.Chat.ChatCompletion,
  thinking: string,
  pieces: number,
  recorder: Recorder,
): Promise<Outcome> {
  const [choice] = completion.choices;
  const { usage } = completion;
  return {
    text: choice?.message.content ?? "",
    thinking,
    refusal: choice?.message.refusal ?? "",
    calls: (choice?.message.tool_calls ?? []).map((call) =>
      call.type === "function"
        ? { id: call.id, name: call.function.name, input: JSON.parse(call.function.arguments) }
        : { id: call.id, name: call.custom.name, input: call.custom.input }
    ),
    stop: choice?.finish_reason ?? "",
    usage: {
      input: usage?.prompt_tokens ?? -1,
      cached: usage?.prompt_tokens_details?.cached_tokens ?? 0,
      output: usage?.completion_tokens ?? -1,
      reasoning: usage?.completion_tokens_details?.reasoning_tokens ?? 0,
    },
    model: completion.model,
    echo: choice === undefined ? [] : [choice.message],
    pieces,
    wire: await recorder.wire,
    headers: recorder.headers,
  };
}

// ---- messages

type MessagesBody = Anthropic.MessageCreateParamsNonStreaming;

function messagesBody(ask: Ask): MessagesBody {
  const body: Json = {
    model: ask.model,
    max_tokens: ask.maxTokens ?? 8000,
    ...(ask.system === undefined ? {} : { system: ask.system }),
    messages: ask.turns.map(messagesTurn),
    ...(ask.tools === undefined
      ? {}
      : { tools: ask.tools.map(({ name, description, schema }) => ({ name, description, input_schema: schema })) }),
    ...(ask.stopSequences === undefined ? {} : { stop_sequences: ask.stopSequences }),
    ...(ask.thinking ? { thinking: { type: "enabled", budget_tokens: 4000 } } : {}),
    ...(ask.schema === undefined ? {} : { output_config: { format: { type: "json_schema", schema: ask.schema } } }),
    ...ask.extra,
  };
  return body as unknown as MessagesBody;
}

function messagesTurn(turn: Turn): unknown {
  if ("echo" in turn) return { role: "assistant", content: turn.echo };
  if ("results" in turn) {
    const content = turn.results.map(({ id, text }) => ({ type: "tool_result", tool_use_id: id, content: text }));
    return { role: "user", content };
  }
  if (turn.image === undefined) return { role: "user", content: turn.user };
  const source = { type: "base64", media_type: "image/png", data: turn.image };
  return { role: "user", content: [{ type: "text", text: turn.user }, { type: "image", source }] };
}

function messagesClient(url: string): Client {
  return {
    name: "messages",
    async ask(ask) {
      const recorder = new Recorder();
      const message = await anthropic(url, recorder).messages.create(messagesBody(ask), options(ask));
      return await messagesOutcome(message, 0, recorder);
    },
    async stream(ask) {
      const recorder = new Recorder();
      const stream = anthropic(url, recorder).messages.stream(messagesBody(ask), options(ask));
      let pieces = 0;
      for await (const event of stream) {
        if (event.type === "content_block_delta" && event.delta.type === "text_delta") pieces++;
      }
      return await messagesOutcome(await stream.finalMessage(), pieces, recorder);
    },
    async *iterate(ask) {
      yield* await anthropic(url).messages.create({ ...messagesBody(ask), stream: true }, options(ask));
    },
    check: checkMessagesStream,
  };
}

async function messagesOutcome(message: Anthropic.Message, pieces: number, recorder: Recorder): Promise<Outcome> {
  const { usage } = message;
  const cached = usage.cache_read_input_tokens ?? 0;
  return {
    text: message.content.map((block) => block.type === "text" ? block.text : "").join(""),
    thinking: message.content.map((block) => block.type === "thinking" ? block.thinking : "").join(""),
    refusal: "",
    calls: message.content.flatMap((block) =>
      block.type === "tool_use" ? [{ id: block.id, name: block.name, input: block.input }] : []
    ),
    stop: message.stop_reason ?? "",
    usage: {
      input: usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0),
      cached,
      output: usage.output_tokens,
      reasoning: usage.output_tokens_details?.thinking_tokens ?? 0,
    },
    model: message.model,
    echo: message.content,
    pieces,
    wire: await recorder.wire,
    headers: recorder.headers,
  };
}

// ---- responses

type ResponsesBody = OpenAI.Responses.ResponseCreateParamsNonStreaming;

function responsesBody(ask: Ask): ResponsesBody {
  const body: Json = {
    model: ask.model,
    ...(ask.system === undefined ? {} : { instructions: ask.system }),
    input: ask.turns.flatMap(responsesTurn),
    store: false,
    ...(ask.tools === undefined ? {} : {
      tools: ask.tools.map(({ name, description, schema }) => ({
        type: "function",
        name,
        description,
        parameters: schema,
        strict: false,
      })),
    }),
    ...(ask.maxTokens === undefined ? {} : { max_output_tokens: ask.maxTokens }),
    ...(ask.thinking
      ? { reasoning: { effort: "medium", summary: "auto" }, include: ["reasoning.encrypted_content"] }
      : {}),
    ...(ask.schema === undefined
      ? {}
      : { text: { format: { type: "json_schema", name: "answer", strict: true, schema: ask.schema } } }),
    ...ask.extra,
  };
  return body as unknown as ResponsesBody;
}

function responsesTurn(turn: Turn): unknown[] {
  if ("echo" in turn) return [...turn.echo];
  if ("results" in turn) {
    return turn.results.map(({ id, text }) => ({ type: "function_call_output", call_id: id, output: text }));
  }
  if (turn.image === undefined) return [{ role: "user", content: turn.user }];
  const image = { type: "input_image", image_url: `data:image/png;base64,${turn.image}`, detail: "auto" };
  return [{ role: "user", content: [{ type: "input_text", text: turn.user }, image] }];
}

function responsesClient(url: string): Client {
  return {
    name: "responses",
    async ask(ask) {
      const recorder = new Recorder();
      const response = await openAi(url, recorder).responses.create(responsesBody(ask), options(ask));
      return await responsesOutcome(response, 0, recorder);
    },
    async stream(ask) {
      const recorder = new Recorder();
      const body = { ...responsesBody(ask), stream: true as const };
      const stream = openAi(url, recorder).responses.stream(body, options(ask));
      let pieces = 0;
      for await (const event of stream) if (event.type === "response.output_text.delta") pieces++;
      return await responsesOutcome(await stream.finalResponse(), pieces, recorder);
    },
    async *iterate(ask) {
      yield* await openAi(url).responses.create({ ...responsesBody(ask), stream: true }, options(ask));
    },
    check: checkResponsesStream,
  };
}

async function responsesOutcome(
  response: OpenAI.Responses.Response,
  pieces: number,
  recorder: Recorder,
): Promise<Outcome> {
  const reason = response.incomplete_details?.reason;
  return {
    text: response.output_text,
    thinking: response.output.map(thinkingOfItem).join(""),
    refusal: response.output.flatMap((item) => item.type === "message" ? item.content : [])
      .map((part) => part.type === "refusal" ? part.refusal : "").join(""),
    calls: response.output.flatMap((item) =>
      item.type === "function_call" ? [{ id: item.call_id, name: item.name, input: JSON.parse(item.arguments) }] : []
    ),
    stop: `${response.status}${reason === undefined ? "" : `:${reason}`}`,
    usage: {
      input: response.usage?.input_tokens ?? -1,
      cached: response.usage?.input_tokens_details.cached_tokens ?? -1,
      output: response.usage?.output_tokens ?? -1,
      reasoning: response.usage?.output_tokens_details.reasoning_tokens ?? -1,
    },
    model: response.model,
    echo: response.output,
    pieces,
    wire: await recorder.wire,
    headers: recorder.headers,
  };
}

function thinkingOfItem(item: unknown): string {
  const { type, summary, content } = asObject(item);
  if (type !== "reasoning") return "";
  return [...asArray(summary), ...asArray(content)].map((part) => String(asObject(part)["text"] ?? "")).join("");
}
