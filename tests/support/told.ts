/**
 * Reads what an upstream was told, in any of the three formats, into the tests' own words, so that one expectation holds
 * for every pair. Reads only what the formats' own references name: what it can't find is simply not there.
 */
import { asArray, asObject, isObject, type Json } from "./grammar.ts";

export type FormatName = "chat" | "messages" | "responses";

export interface Told {
  model: unknown;
  /** System and developer text, in order, one entry a block. */
  system: string[];
  /** The users' texts, in order. */
  user: string[];
  tools: { name: unknown; description: unknown; schema: unknown }[];
  calls: { id: unknown; name: unknown; input: unknown }[];
  results: { id: unknown; text: string }[];
  /** Data URLs or addresses. */
  images: string[];
  /** The schema of a structured answer. */
  schema: unknown;
  maxTokens: unknown;
  stopSequences: unknown[];
  /** Signatures and encrypted values that came back. */
  seals: unknown[];
}

export function readTold(format: FormatName, body: unknown): Told {
  const told: Told = {
    model: asObject(body)["model"],
    system: [],
    user: [],
    tools: [],
    calls: [],
    results: [],
    images: [],
    schema: undefined,
    maxTokens: undefined,
    stopSequences: [],
    seals: [],
  };
  READERS[format](asObject(body), told);
  return told;
}

const READERS: Record<FormatName, (body: Json, told: Told) => void> = {
  chat: readChat,
  messages: readMessages,
  responses: readResponses,
};

function readChat(body: Json, told: Told): void {
  told.maxTokens = body["max_completion_tokens"] ?? body["max_tokens"];
  told.stopSequences = [body["stop"] ?? []].flat();
  told.schema = asObject(asObject(body["response_format"])["json_schema"])["schema"];
  for (const tool of asArray(body["tools"])) {
    const { name, description, parameters } = asObject(asObject(tool)["function"]);
    told.tools.push({ name, description, schema: parameters });
  }
  for (const each of asArray(body["messages"])) readChatMessage(asObject(each), told);
}

function readChatMessage(message: Json, told: Told): void {
  const texts = textsOf(message["content"]);
  switch (message["role"]) {
    case "system":
    case "developer":
      told.system.push(...texts);
      return;
    case "user":
      told.user.push(...texts);
      for (const part of asArray(message["content"])) {
        const { url } = asObject(asObject(part)["image_url"]);
        if (typeof url === "string") told.images.push(url);
      }
      return;
    case "tool":
      told.results.push({ id: message["tool_call_id"], text: texts.join("") });
      return;
    case "assistant":
      for (const call of asArray(message["tool_calls"])) {
        const { name, arguments: input } = asObject(asObject(call)["function"]);
        told.calls.push({ id: asObject(call)["id"], name, input: parse(input) });
      }
      for (const detail of asArray(message["reasoning_details"])) {
        const { signature, data } = asObject(detail);
        if (signature !== undefined || data !== undefined) told.seals.push(signature ?? data);
      }
  }
}

function readMessages(body: Json, told: Told): void {
  told.maxTokens = body["max_tokens"];
  told.stopSequences = asArray(body["stop_sequences"]);
  told.schema = asObject(asObject(body["output_config"])["format"])["schema"];
  told.system.push(...textsOf(body["system"]));
  for (const tool of asArray(body["tools"])) {
    const { name, description, input_schema } = asObject(tool);
    told.tools.push({ name, description, schema: input_schema });
  }
  for (const each of asArray(body["messages"])) {
    const message = asObject(each);
    if (message["role"] === "system") told.system.push(...textsOf(message["content"]));
    else if (typeof message["content"] === "string") told.user.push(message["content"]);
    else for (const block of asArray(message["content"])) readBlock(asObject(block), message["role"], told);
  }
}

function readBlock(block: Json, role: unknown, told: Told): void {
  switch (block["type"]) {
    case "text":
      if (role === "user") told.user.push(String(block["text"]));
      return;
    case "image": {
      const { media_type, data, url } = asObject(block["source"]);
      told.images.push(typeof url === "string" ? url : `data:${media_type};base64,${data}`);
      return;
    }
    case "tool_use":
      told.calls.push({ id: block["id"], name: block["name"], input: block["input"] });
      return;
    case "tool_result":
      told.results.push({ id: block["tool_use_id"], text: textsOf(block["content"]).join("") });
      return;
    case "thinking":
    case "redacted_thinking":
      told.seals.push(block["signature"] ?? block["data"]);
  }
}

function readResponses(body: Json, told: Told): void {
  told.maxTokens = body["max_output_tokens"];
  told.schema = asObject(asObject(body["text"])["format"])["schema"];
  if (typeof body["instructions"] === "string") told.system.push(body["instructions"]);
  for (const tool of asArray(body["tools"])) {
    const { name, description, parameters } = asObject(tool);
    told.tools.push({ name, description, schema: parameters });
  }
  if (typeof body["input"] === "string") told.user.push(body["input"]);
  else for (const item of asArray(body["input"])) readItem(asObject(item), told);
}

function readItem(item: Json, told: Told): void {
  switch (item["type"]) {
    case "function_call":
      told.calls.push({ id: item["call_id"], name: item["name"], input: parse(item["arguments"]) });
      return;
    case "function_call_output":
      told.results.push({ id: item["call_id"], text: textsOf(item["output"]).join("") });
      return;
    case "reasoning":
      if (item["encrypted_content"] !== undefined) told.seals.push(item["encrypted_content"]);
      return;
  }
  if (item["role"] === "system" || item["role"] === "developer") told.system.push(...textsOf(item["content"]));
  if (item["role"] !== "user") return;
  told.user.push(...textsOf(item["content"]));
  for (const part of asArray(item["content"])) {
    const url = asObject(part)["image_url"];
    if (typeof url === "string") told.images.push(url);
  }
}

/** The texts of a string or of a list of parts. */
function textsOf(content: unknown): string[] {
  if (typeof content === "string") return [content];
  return asArray(content).flatMap((part) => {
    const text = isObject(part) ? part["text"] : undefined;
    return typeof text === "string" ? [text] : [];
  });
}

function parse(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return { unparsable: text };
  }
}
