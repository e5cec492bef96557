/** Answers of upstreams of each format, to clients of the others, whole and told as a stream. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { capabilitiesOf } from "../../lib/capabilities.ts";
import type { Losses, Target } from "../../lib/format.ts";
import { FORMATS } from "../../lib/formats/mod.ts";
import type { FormatName } from "../../lib/neutral.ts";
import { FAMILY_OF_FORMAT } from "../../lib/providers.ts";
import { answerFor, Client, CLIENTS, encodeAsStream, encodeWhole, steady } from "../recordings/translate.ts";
import { asArray, asObject, isObject, type Json } from "../support/grammar.ts";
import { type Became, type Column, Explorer, type Subject } from "./explore.ts";
import { MOOT_ANSWERS } from "./moot.ts";
import { declared, NONE } from "./requests.ts";
import { branchesOf, type Type } from "./types.ts";

function columnsOf(upstream: FormatName): Column[] {
  return CLIENTS.filter((client) => client !== upstream).map((client) => ({
    name: client,
    run: (body) => answer(upstream, client, body),
  }));
}

function targetOf(upstream: FormatName): Target {
  const capabilities = capabilitiesOf("nobodys-model");
  const family = FAMILY_OF_FORMAT[upstream];
  return { provider: "lab", model: "m", format: upstream, family, flags: new Set(), capabilities };
}

function answer(upstream: FormatName, client: FormatName, body: Json): Became {
  const decoded = FORMATS[upstream].decodeResponse(body, targetOf(upstream));
  if (!decoded.ok) return { bodies: [], refusal: decoded.failure.message, losses: [], ownWork: "" };
  const { whole, streamed, losses } = given(upstream, client, body);
  return { bodies: [JSON.stringify(whole), streamed].map(steady).map(unsealed), losses: losses.list, ownWork: "" };
}

/** The answer as this client gets it, in both ways, which lose the same. */
function given(
  upstream: FormatName,
  client: FormatName,
  body: Json,
): { whole: Json; streamed: string; losses: Losses } {
  const decoded = FORMATS[upstream].decodeResponse(body, targetOf(upstream));
  assert.ok(decoded.ok, JSON.stringify(decoded));
  const [answer, streaming] = [answerFor(client), answerFor(client)];
  const whole = encodeWhole(client, decoded.value, answer);
  const streamed = encodeAsStream(new Client(client, streaming), decoded.value);
  const paths = [answer, streaming].map(({ losses }) => losses.list.map(({ path }) => path).toSorted().join());
  assert.equal(paths[1], paths[0], "a stream names other losses than a whole answer");
  return { whole, streamed, losses: answer.losses };
}

/** With what the gateway's envelopes hold laid open behind it. */
function unsealed(text: string): string {
  const sealed = [...text.matchAll(/gw1\.\d+\.([\w-]+)\./g)].map(([, inner = ""]) =>
    Buffer.from(inner, "base64url").toString()
  );
  return text + sealed.join("");
}

type Answers = Omit<Subject, "columns" | "moot">;

const CHAT: Answers = {
  type: declared("openai/resources/chat/completions/completions.d.ts", "ChatCompletion"),
  base: {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1_790_000_000,
    model: "m",
    choices: [{
      index: 0,
      finish_reason: "stop",
      logprobs: null,
      message: { role: "assistant", content: "Hi", refusal: null },
    }],
  },
  prefersNull: true,
  namesElsewhere: true,
  needs: [
    [/^choices\[\]\.message$/, () => ({ content: "Hello" })],
    [/^choices\[\]\.logprobs$/, (mark) => ({
      content: [{ token: mark("content[].token"), bytes: null, logprob: -1, top_logprobs: [] }],
    })],
  ],
  skipped: /^(?:model|object|created|choices\[\]\.index|choices\[\]\.finish_reason)$/,
  beside: () => NONE,
  completed: (body) => body,
};

const MESSAGES: Answers = {
  type: declared("@anthropic-ai/sdk/resources/beta/messages/messages.d.ts", "BetaMessage"),
  base: {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "m",
    content: [{ type: "text", text: "Hi", citations: null }],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 5, output_tokens: 5 },
  },
  prefersNull: true,
  namesElsewhere: true,
  needs: [],
  skipped: /^(?:model|type|role|stop_reason)$/,
  beside: (path, element) =>
    path === "content" && isObject(element)
      ? { before: [{ type: "text", text: "Hi", citations: null }], after: [] }
      : NONE,
  completed: (body) => body,
};

const MESSAGE = {
  type: "message",
  id: "msg_1",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text: "Hi", annotations: [] }],
};

const RESPONSES: Answers = {
  type: declared("openai/resources/responses/responses.d.ts", "Response"),
  base: {
    id: "resp_1",
    object: "response",
    created_at: 1_790_000_000,
    status: "completed",
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    model: "m",
    output: [MESSAGE],
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: "auto",
    tools: [],
    top_p: 1,
  },
  prefersNull: true,
  namesElsewhere: true,
  needs: [[/\[output_text\]$/, () => ({ annotations: [] })]],
  skipped:
    /^(?:model|object|created_at|status|error|incomplete_details|output_text)$|^(?:instructions|tools|tool_choice)[[(]/,
  beside: (path, element) => {
    if (path === "output") return { before: [MESSAGE], after: [] };
    if (/\.content$/.test(path) && isObject(element) && /^output_|^refusal/.test(String(element["type"]))) {
      return { before: [{ type: "output_text", text: "a", annotations: [] }], after: [] };
    }
    return NONE;
  },
  completed: (body) => body,
};

export const ANSWERS: Readonly<Record<FormatName, Answers>> = { chat: CHAT, messages: MESSAGES, responses: RESPONSES };

export function exploreAnswers(upstream: FormatName): Explorer {
  const explorer = new Explorer({ ...ANSWERS[upstream], columns: columnsOf(upstream), moot: MOOT_ANSWERS[upstream] });
  explorer.run();
  return explorer;
}

/** A whole answer that ended in the upstream's word. */
const ENDED: Readonly<Record<FormatName, { words: readonly string[]; body: (word: string) => Json }>> = {
  chat: {
    words: literalsOf(CHAT.type, "choices", "finish_reason"),
    body: (word) => ({ ...CHAT.base, choices: [{ index: 0, finish_reason: word, message: chatMessage(word) }] }),
  },
  messages: {
    words: literalsOf(MESSAGES.type, "stop_reason"),
    body: (word) => ({
      ...MESSAGES.base,
      stop_reason: word,
      ...(word === "stop_sequence" ? { stop_sequence: "END" } : {}),
      ...(word === "tool_use" ? { content: [{ type: "tool_use", id: "toolu_1", name: "f", input: {} }] } : {}),
    }),
  },
  responses: {
    words: [
      "completed",
      ...literalsOf(RESPONSES.type, "incomplete_details", "reason").map((reason) => `incomplete: ${reason}`),
    ],
    body: (word) => {
      const [status, reason] = word.split(": ");
      return { ...RESPONSES.base, status, incomplete_details: reason === undefined ? null : { reason } };
    },
  },
};

function chatMessage(word: string): Json {
  const message = { role: "assistant", content: "Hi", refusal: null };
  const call = { id: "call_1", type: "function", function: { name: "f", arguments: "{}" } };
  if (word === "tool_calls") return { ...message, tool_calls: [call] };
  return word === "function_call" ? { ...message, function_call: call.function } : message;
}

/** The words of a union, down a way of members. */
export function literalsOf(type: Type, ...way: string[]): string[] {
  const [first, ...rest] = way;
  const branches = branchesOf(type).flatMap((branch) => branch.kind === "array" ? branchesOf(branch.of) : [branch]);
  if (first === undefined) return branches.flatMap((branch) => branch.kind === "literal" ? [String(branch.value)] : []);
  return branches.flatMap((branch) => {
    const member = branch.kind === "object" ? branch.members.find(({ name }) => name === first) : undefined;
    return member === undefined ? [] : literalsOf(member.type, ...rest);
  });
}

/** What the client is told, with the loss where one is named. */
const TOLD: Readonly<Record<FormatName, (body: Json) => string>> = {
  chat: (body) => String(asObject(asArray(body["choices"])[0])["finish_reason"]),
  messages: (body) => String(body["stop_reason"]),
  responses: (body) => {
    const details = body["incomplete_details"];
    return isObject(details) ? `${String(body["status"])}: ${String(details["reason"])}` : String(body["status"]);
  },
};

export interface StopRow {
  word: string;
  /** By client. */
  told: Map<FormatName, string>;
}

export function stopRows(upstream: FormatName): StopRow[] {
  const { words, body } = ENDED[upstream];
  return words.map((word) => ({
    word,
    told: new Map(
      CLIENTS.filter((client) => client !== upstream).map((client) => {
        const { whole, losses } = given(upstream, client, body(word));
        const reasons = losses.list.map(({ reason }) => ` (– ${reason})`).join("");
        return [client, TOLD[client](whole) + reasons];
      }),
    ),
  }));
}
