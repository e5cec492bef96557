/** The requests that the load generator sends: like those of agents, and of any size. */
import { type FormatName, toolName } from "./content.ts";

export interface RequestShape {
  format: FormatName;
  model: string;
  stream: boolean;
  /** Bytes of the user's text. */
  promptBytes?: number;
  tools?: number;
  thinking?: boolean;
  /** Earlier messages: a round of four is a question, a call, its result, an answer. */
  history?: { messages: number; bytes: number };
}

type Json = Record<string, unknown>;

const SYSTEM = "You are a terse assistant. Answer in the language of the question.";
const SENTENCE = "Explain in plain words how a gateway forwards a streamed answer, and what it must not hold back. ";

function textOf(bytes: number): string {
  return SENTENCE.repeat(Math.ceil(bytes / SENTENCE.length)).slice(0, bytes);
}

interface Turn {
  kind: "user" | "call" | "result" | "assistant";
  text: string;
  id: string;
}

function turnsOf({ promptBytes = 400, history }: RequestShape): Turn[] {
  const messages = history?.messages ?? 0;
  const text = textOf(messages === 0 ? 0 : Math.floor((history?.bytes ?? 0) / messages));
  const kinds = ["user", "call", "result", "assistant"] as const;
  const turns = Array.from({ length: messages }, (_, at) => ({
    kind: kinds[at % 4] ?? "user",
    text,
    id: `call_${Math.floor(at / 4)}`,
  }));
  return [...turns, { kind: "user", text: textOf(promptBytes), id: "" }];
}

const BODIES: Readonly<Record<FormatName, (shape: RequestShape, turns: readonly Turn[]) => Json>> = {
  chat: (shape, turns) => ({
    messages: [{ role: "system", content: SYSTEM }, ...turns.map(chatTurn)],
    max_completion_tokens: 4096,
    ...(shape.stream ? { stream_options: { include_usage: true } } : {}),
    ...(shape.thinking ? { reasoning_effort: "medium" } : { temperature: 0.7 }),
    ...toolsMember(shape, (name, description, parameters) => (
      { type: "function", function: { name, description, parameters } }
    )),
  }),
  messages: (shape, turns) => ({
    system: SYSTEM,
    messages: turns.map(messagesTurn),
    max_tokens: 4096,
    ...(shape.thinking ? { thinking: { type: "enabled", budget_tokens: 2048 } } : { temperature: 0.7 }),
    ...toolsMember(shape, (name, description, input_schema) => ({ name, description, input_schema })),
  }),
  responses: (shape, turns) => ({
    instructions: SYSTEM,
    input: turns.map(responsesTurn),
    max_output_tokens: 4096,
    store: false,
    ...(shape.thinking
      ? { reasoning: { effort: "medium", summary: "auto" }, include: ["reasoning.encrypted_content"] }
      : {}),
    ...toolsMember(shape, (name, description, parameters) => (
      { type: "function", name, description, parameters, strict: false }
    )),
  }),
};

/** JSON as an SDK writes it: the model first, no spaces. */
export function requestBody(shape: RequestShape): string {
  const { format, model, stream } = shape;
  return JSON.stringify({ model, ...(stream ? { stream } : {}), ...BODIES[format](shape, turnsOf(shape)) });
}

function chatTurn({ kind, text, id }: Turn): Json {
  const call = { id, type: "function", function: { name: toolName(0), arguments: JSON.stringify({ query: text }) } };
  if (kind === "call") return { role: "assistant", content: null, tool_calls: [call] };
  return kind === "result" ? { role: "tool", tool_call_id: id, content: text } : { role: kind, content: text };
}

function messagesTurn({ kind, text, id }: Turn): Json {
  const parts: Record<Turn["kind"], Json> = {
    user: { type: "text", text },
    assistant: { type: "text", text },
    call: { type: "tool_use", id, name: toolName(0), input: { query: text } },
    result: { type: "tool_result", tool_use_id: id, content: text },
  };
  return { role: kind === "user" || kind === "result" ? "user" : "assistant", content: [parts[kind]] };
}

function responsesTurn({ kind, text, id }: Turn): Json {
  if (kind === "call") {
    return { type: "function_call", call_id: id, name: toolName(0), arguments: JSON.stringify({ query: text }) };
  }
  if (kind === "result") return { type: "function_call_output", call_id: id, output: text };
  return { role: kind, content: [{ type: kind === "user" ? "input_text" : "output_text", text }] };
}

type ToolForm = (name: string, description: string, schema: Json) => Json;

function toolsMember({ tools = 0 }: RequestShape, form: ToolForm): Json {
  if (tools === 0) return {};
  const description = "Searches the documents of the project and gives the passages that fit best.";
  const schema = {
    type: "object",
    properties: {
      query: { type: "string", description: "What to look for" },
      limit: { type: "integer", description: "How many passages at most", minimum: 1 },
    },
    required: ["query"],
  };
  return { tools: Array.from({ length: tools }, (_, at) => form(toolName(at), description, schema)) };
}
