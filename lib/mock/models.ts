/**
 * What the mock models say: each is a function from a request to the parts of an answer, one delta a token. Start,
 * limits, stop sequences, usage and the finish are the business of `answer.ts`.
 */
import { createHash } from "node:crypto";
import type {
  FormatName,
  Message,
  NeutralEvent,
  NeutralRequest,
  Opaque,
  Part,
  Tool,
  ToolResultPart,
} from "../neutral.ts";
import { derivedId } from "../translation/ids.ts";
import { exampleOf, jsonText } from "./example.ts";
import { tokensOf } from "./tokens.ts";

/** One call of a model. */
export interface Turn {
  request: NeutralRequest;
  /** The same for the same request: what ids are made from. */
  seed: string;
}

export type Content = Generator<NeutralEvent, void>;

export interface Model {
  content(turn: Turn): Content;
  /** Milliseconds between two pieces of a stream; before the whole of an answer that isn't streamed. */
  delayMs?: number;
  /** The connection ends before the answer does. */
  isCut?: boolean;
  /** Answers with this HTTP status alone. */
  status?: number;
}

/** The names in the list of models: one of each kind, where a kind has many. */
export const MOCK_MODELS: readonly string[] = [
  "echo",
  "lorem-50",
  "tools",
  "tools-2",
  "thinking",
  "json",
  "slow-200",
  "error-429",
  "error-midstream",
  "cut",
  "embed-64",
];

const KINDS: readonly (readonly [RegExp, (value: number) => Model])[] = [
  [/^echo$/, () => ({ content: echo })],
  [/^lorem-(\d{1,6})$/, (count) => ({ content: () => say(0, lorem(count)) })],
  [/^tools$/, () => ({ content: (turn) => useTools(turn, 1) })],
  [/^tools-2$/, () => ({ content: (turn) => useTools(turn, 2) })],
  [/^thinking$/, () => ({ content: think })],
  [/^json$/, () => ({ content: writeJson })],
  [/^slow-(\d{1,5})$/, (delayMs) => ({ content: () => say(0, lorem(20)), delayMs })],
  [/^error-([45]\d\d)$/, (status) => ({ content: echo, status })],
  [/^error-midstream$/, () => ({ content: breakDown })],
  [/^embed-\d{1,4}$/, () => ({ content: echo })],
  [/^cut$/, () => ({ content: () => say(0, tokensOf(HALF)), isCut: true })],
];

const HALF = "This answer is cut off before it";

/** Undefined for a name that no model has. A name may be the one by which the gateway addresses it, `mock/echo`. */
export function modelOf(name: string): Model | undefined {
  const own = name.replace(/^mock\//, "");
  for (const [pattern, make] of KINDS) {
    const match = pattern.exec(own);
    if (match !== null) return make(Number(match[1] ?? 0));
  }
  return undefined;
}

/** A text part. Without a token there is no part. */
function* say(i: number, tokens: Iterable<string>): Content {
  let hasBegun = false;
  for (const delta of tokens) {
    if (!hasBegun) yield { t: "part_start", c: 0, i, part: { kind: "text", text: "" } };
    hasBegun = true;
    yield { t: "text", c: 0, i, delta };
  }
  if (hasBegun) yield { t: "part_end", c: 0, i };
}

function* echo({ request }: Turn): Content {
  const text = lastUserText(request);
  yield* say(0, tokensOf(text === "" ? "There is no user text to echo." : text));
}

const LOREM =
  "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua"
    .split(" ");

function* lorem(count: number): Generator<string> {
  for (let index = 0; index < count; index++) {
    yield `${index === 0 ? "" : " "}${LOREM[index % LOREM.length]}`;
  }
}

function* think(turn: Turn): Content {
  const { request } = turn;
  const text = lastUserText(request);
  const isThinking = request.reasoning?.mode !== "off";
  if (isThinking) yield* thoughts(turn);
  yield* say(
    isThinking ? 1 : 0,
    tokensOf(text === "" ? "I have thought about it." : `I have thought about it: ${text}`),
  );
}

const THOUGHT = "The user has asked something. Let me think about it step by step before I answer.";

function* thoughts({ request, seed }: Turn): Content {
  const form = request.origin === "responses" ? "summary" : "full";
  yield { t: "part_start", c: 0, i: 0, part: { kind: "reasoning", text: "", form } };
  if (request.reasoning?.display !== "omitted") {
    for (const delta of tokensOf(THOUGHT)) yield { t: "reasoning", c: 0, i: 0, delta };
  }
  const opaque = OPAQUES[request.origin];
  if (opaque !== undefined) {
    const value = createHash("sha512").update(`${seed}:thoughts`).digest("base64");
    yield { t: "opaque", c: 0, i: 0, opaque: { ...opaque, value } };
  }
  yield { t: "part_end", c: 0, i: 0 };
}

/** What each format's own provider signs its thinking with; chat has nothing of the kind. */
const OPAQUES: Readonly<Record<FormatName, Omit<Opaque, "value"> | undefined>> = {
  chat: undefined,
  messages: { issuer: "anthropic", kind: "signature" },
  responses: { issuer: "openai", kind: "encrypted" },
};

function* writeJson({ request }: Turn): Content {
  const schema = request.output?.schema;
  yield* say(
    0,
    tokensOf(jsonText(schema === undefined ? { ok: true, said: lastUserText(request) } : exampleOf(schema))),
  );
}

function* breakDown(): Content {
  yield* say(0, tokensOf("Something is about to go wrong"));
  yield {
    t: "error",
    failure: {
      kind: "overloaded",
      source: "upstream",
      message: "The mock broke down in the middle of its answer, as its name says",
      retry: true,
    },
  };
}

/** Calls, or, once their results are there, an answer with them. */
function* useTools(turn: Turn, count: number): Content {
  const { request } = turn;
  const results = freshResults(request);
  if (results.length > 0) {
    const text = results.map((result) => wordsOf(result.parts)).join("\n");
    return yield* say(0, tokensOf(`The tool returned: ${text}`));
  }
  if (request.toolChoice?.type === "none") return yield* say(0, tokensOf("I was told to call no tool."));
  const [first, ...others] = callable(request);
  if (first === undefined) return yield* say(0, tokensOf("There is no tool to call."));
  const isParallel = count > 1 && request.parallelToolCalls !== false;
  yield* callAll(turn, isParallel ? [first, others[0] ?? first] : [first]);
}

/** Tools that may be called, by the request's choice. */
function callable(request: NeutralRequest): Tool[] {
  const choice = request.toolChoice;
  const tools = request.tools.filter((tool) => tool.kind !== "native");
  if (choice?.type === "tool") return tools.filter((tool) => tool.name === choice.name);
  if (choice?.type === "allowed") return tools.filter((tool) => choice.names.includes(tool.name));
  return tools;
}

const CALL_PREFIX: Readonly<Record<FormatName, string>> = { chat: "call_", messages: "toolu_", responses: "call_" };

/** The calls' arguments come in turns, as parallel calls may. */
function* callAll({ request, seed }: Turn, tools: readonly Tool[]): Content {
  const left = tools.map((tool) => tokensOf(argumentsFor(tool)));
  for (const [i, tool] of tools.entries()) {
    const id = derivedId(CALL_PREFIX[request.origin], `${seed}:${i}`);
    yield { t: "part_start", c: 0, i, part: callPart(id, tool) };
  }
  for (let open = left.length; open > 0;) {
    open = 0;
    for (const [i, tokens] of left.entries()) {
      const next = tokens.next();
      if (next.done === true) continue;
      open++;
      yield { t: "arguments", c: 0, i, delta: next.value };
    }
  }
  for (const i of tools.keys()) yield { t: "part_end", c: 0, i };
}

function callPart(id: string, tool: Tool): Part {
  return {
    kind: "tool_call",
    id,
    name: tool.name,
    toolKind: tool.kind === "custom" ? "custom" : "function",
    arguments: "",
    ...(tool.namespace === undefined ? {} : { namespace: tool.namespace }),
  };
}

function argumentsFor(tool: Tool): string {
  if (tool.kind === "custom") return "example input for the tool";
  const value = exampleOf(tool.schema ?? {});
  return jsonText(typeof value === "object" && value !== null && !Array.isArray(value) ? value : {});
}

/** Tool results that came after the last answer. */
function freshResults(request: NeutralRequest): ToolResultPart[] {
  const last = request.messages.findLastIndex((message) => message.role === "assistant");
  return request.messages.slice(last + 1).flatMap((message) => message.parts).filter((part) =>
    part.kind === "tool_result"
  );
}

function lastUserText(request: NeutralRequest): string {
  for (const message of request.messages.toReversed()) {
    const text = message.role === "user" ? textOf(message) : "";
    if (text !== "") return text;
  }
  return "";
}

function textOf(message: Message): string {
  return message.parts.map((part) => part.kind === "text" ? part.text : "").join("");
}

function wordsOf(parts: readonly Part[]): string {
  return parts.map((part) => part.kind === "text" ? part.text : `[${part.kind}]`).join("");
}
