/**
 * Requests in one way of writing them, so that two that say the same are equal. Each rule is a freedom that the vendor's
 * reference gives: a string for a list of one text, a default that may be left out. Everything else must match to the
 * last member, unknown ones included. Knows nothing of `lib/`.
 */
import { asArray, asObject, isObject, type Json } from "../support/grammar.ts";
import type { FormatName } from "../support/told.ts";

export function canonical(format: FormatName, body: Json): unknown {
  return CANONICAL[format](said(body));
}

const CANONICAL: Readonly<Record<FormatName, (body: Json) => Json>> = {
  chat: canonicalChat,
  messages: canonicalMessages,
  responses: canonicalResponses,
};

/** Without members that say nothing: null, and an empty list where the reference has a list. */
function said(object: Json): Json {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) =>
      value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0)
    ),
  );
}

function mapObjects(value: unknown, map: (object: Json) => unknown): unknown {
  return Array.isArray(value) ? value.map((entry) => isObject(entry) ? map(said(entry)) : entry) : value;
}

function without(object: Json, ...defaults: [string, unknown][]): Json {
  const result = { ...object };
  for (const [key, value] of defaults) if (result[key] === value) delete result[key];
  return result;
}

/** A string is a list of one text of this type. */
function parts(content: unknown, type: string): unknown {
  return typeof content === "string" ? [{ type, text: content }] : mapObjects(content, (part) => part);
}

// ---- chat

function canonicalChat(body: Json): Json {
  const { max_tokens, max_completion_tokens, functions, function_call, stream_options, stop, messages, ...others } =
    body;
  const tools = [
    ...asArray(others["tools"]),
    ...asArray(functions).map((definition) => ({ type: "function", function: definition })),
  ];
  const choice = others["tool_choice"] ?? legacyChoice(function_call);
  return said({
    ...without(others, ["stream", false], ["temperature", 1], ["logprobs", false]),
    messages: chatMessages(asArray(messages).map(asObject).map(said)),
    max_completion_tokens: max_completion_tokens ?? max_tokens,
    tools: mapObjects(tools, (tool) => ({ type: "function", ...tool, function: said(asObject(tool["function"])) })),
    // A choice among no tools is none.
    tool_choice: tools.length === 0 ? undefined : choice,
    stop: typeof stop === "string" ? [stop] : stop,
    stream_options: streamOptions(asObject(stream_options)),
  });
}

function legacyChoice(choice: unknown): unknown {
  return isObject(choice) ? { type: "function", function: choice } : choice;
}

/** What the gateway asks of the stream is its own business: usage always, padding never. */
function streamOptions({ include_usage: _, include_obfuscation: __, ...others }: Json): Json | undefined {
  return Object.keys(others).length === 0 ? undefined : others;
}

/** Leading system messages are one: their texts follow each other. */
function chatMessages(messages: Json[]): Json[] {
  const canonical = messages.map(chatMessage);
  const start = canonical.findIndex(({ role }) => role !== "system");
  const leading = canonical.slice(0, start === -1 ? canonical.length : start);
  if (leading.length < 2) return canonical;
  const content = leading.flatMap((message) => asArray(message["content"]));
  return [Object.assign({}, ...leading, { content }), ...canonical.slice(leading.length)];
}

function chatMessage(message: Json): Json {
  const { role, content, reasoning, reasoning_content, ...others } = message;
  return said({
    ...others,
    // Some clients send one thought under both of its names.
    reasoning_content: reasoning_content ?? reasoning,
    // Where an entry stands says what `index` repeats; without `format` its value tells the maker.
    reasoning_details: mapObjects(message["reasoning_details"], ({ index: _, format: __, ...entry }) => entry),
    // One role by two names.
    role: role === "developer" ? "system" : role,
    content: parts(content, "text"),
    tool_calls: mapObjects(message["tool_calls"], ({ index: _, ...call }) => ({ type: "function", ...call })),
  });
}

// ---- messages

function canonicalMessages(body: Json): Json {
  const { system, messages, tools, ...others } = body;
  return said({
    ...without(others, ["stream", false]),
    system: parts(system, "text"),
    messages: mapObjects(messages, (message) => ({ ...message, content: blocks(message["content"]) })),
    tools: mapObjects(tools, (tool) => tool),
  });
}

function blocks(content: unknown): unknown {
  return asArray(parts(content, "text")).map(asObject).map((block) =>
    block["type"] === "tool_result" ? { ...block, content: blocks(block["content"]) } : block
  );
}

// ---- responses

function canonicalResponses(body: Json): Json {
  const { input, tools, ...others } = body;
  const items = typeof input === "string" ? [{ role: "user", content: input }] : input;
  return said({
    ...without(others, ["stream", false], ["instructions", ""], ["model", ""], ["top_logprobs", 0]),
    reasoning: isObject(others["reasoning"]) ? said(others["reasoning"]) : undefined,
    input: mapObjects(items, responsesItem),
    tools: mapObjects(tools, (tool) => said(tool)),
  });
}

function responsesItem(item: Json): Json {
  const typed: Json = "role" in item ? { type: "message", ...item } : item;
  if (typed["type"] === "message") {
    const type = typed["role"] === "assistant" ? "output_text" : "input_text";
    return { ...typed, content: mapObjects(parts(typed["content"], type), responsesPart) };
  }
  return "output" in typed ? { ...typed, output: parts(typed["output"], "input_text") } : typed;
}

function responsesPart(part: Json): Json {
  return part["type"] === "input_image" ? { detail: "auto", ...part } : part;
}
