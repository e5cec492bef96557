/** The rules of chat's dialects for thinking in a history (TRANSLATION.md, 1.3 and 2.8). */
import { asArray, asObject, type Json } from "./grammar.ts";
import { type Block, pieces, type Said } from "./said.ts";
import { firstRefusal, type Judge, Mint, type Refusal, refused, saidOf } from "./strict.ts";
import { json, type Reply, sse } from "./upstream.ts";
import { chatBody, chatFrames } from "./wire_chat.ts";

const DIALECTS = ["plain", "deepseek", "gemini", "openrouter"] as const;
export type Dialect = (typeof DIALECTS)[number];

/** How a dialect's thinking looks, and what it refuses. */
interface Rules {
  /** Members of an assistant's message that it takes beside the usual ones. */
  members: readonly string[];
  /** Changes a message or delta of an answer. */
  dress(message: Json, blocks: readonly Block[]): Json;
  refusalOf(message: Json, inLoop: boolean, state: State): Refusal | undefined;
  sealsOf(message: Json): unknown[];
}

interface State {
  mint: Mint;
  /** By the turn's first call: its blocks. */
  turns: Map<string, readonly Block[]>;
  /** Values that stood in entries of its own. */
  entries: Set<unknown>;
}

/** `mint`: where the dialect serves a maker's models that others serve too. */
export function chatJudge(dialect: Dialect, mint = new Mint("Cs")): Judge {
  const rules = RULES[dialect];
  const state: State = { mint, turns: new Map(), entries: new Set() };
  return {
    mint: state.mint,
    refusalOf: (body) => refusalOf(body, rules, state),
    answer(blocks, streamed) {
      const call = blocks.find((block) => block.kind === "tool");
      if (call !== undefined) state.turns.set(call.id, blocks);
      for (const { seal } of thinkingOf(blocks)) state.entries.add(seal);
      return answer(saidOf(blocks), rules, streamed);
    },
    error: ({ message }) => ({ error: { message, type: "invalid_request_error", param: null, code: null } }),
    sealsIn: (body) => messagesOf(body).flatMap((message) => rules.sealsOf(message)).map(String),
  };
}

// `parsed` is what OpenAI's own stream helper leaves on messages, which its API takes.
const MEMBERS = ["parsed", "role", "content", "tool_calls", "refusal", "name", "audio", "annotations", "function_call"];

function messagesOf(body: Json): Json[] {
  return asArray(body["messages"]).map(asObject);
}

function refusalOf(body: Json, rules: Rules, state: State): Refusal | undefined {
  const messages = messagesOf(body);
  const loop = messages.findLastIndex((message) => message["role"] === "user");
  return firstRefusal(messages, (message, index) => {
    if (message["role"] !== "assistant") return undefined;
    const unknown = Object.keys(message).find((key) => ![...MEMBERS, ...rules.members].includes(key));
    if (unknown !== undefined) return refused(`Unknown name "${unknown}" at 'messages[${index}]': Cannot find field.`);
    return rules.refusalOf(message, index > loop, state);
  });
}

function callsOf(message: Json): Json[] {
  return asArray(message["tool_calls"]).map(asObject);
}

function blocksOf(message: Json, { turns }: State): readonly Block[] | undefined {
  return turns.get(String(callsOf(message)[0]?.["id"]));
}

function thinkingOf(blocks: readonly Block[]) {
  return blocks.filter((block) => block.kind === "thinking");
}

function withoutThinking({ reasoning_content: _, ...message }: Json): Json {
  return message;
}

function signatureOf(call: Json): unknown {
  return asObject(asObject(call["extra_content"])["google"])["thought_signature"];
}

/** Google's own word for calls that its models didn't make. */
const EXCUSE = "skip_thought_signature_validator";
const UNSIGNED = "Function call is missing a thought_signature in functionCall parts";

const RULES: Readonly<Record<Dialect, Rules>> = {
  plain: {
    members: [],
    dress: withoutThinking,
    refusalOf: (message) =>
      callsOf(message).some((call) => "extra_content" in call)
        ? refused("Unknown parameter: 'extra_content'")
        : undefined,
    sealsOf: () => [],
  },
  deepseek: {
    members: ["reasoning_content", "reasoning", "reasoning_details"],
    dress: (message) => message,
    refusalOf(message, inLoop, state) {
      const blocks = blocksOf(message, state);
      if (!inLoop || blocks === undefined) return undefined;
      const text = thinkingOf(blocks).map((block) => block.text).join("");
      return message["reasoning_content"] === text
        ? undefined
        : refused("Missing `reasoning_content` field in the assistant message");
    },
    sealsOf: ({ reasoning_content }) => reasoning_content === undefined ? [] : [reasoning_content],
  },
  gemini: {
    members: [],
    dress: (message, blocks) => withoutThinking(withSignature(message, sealOf(blocks))),
    refusalOf(message, inLoop, state) {
      const blocks = blocksOf(message, state);
      const [first, ...others] = callsOf(message).map(signatureOf);
      if (others.some((signature) => signature !== undefined)) return refused("A later call is signed");
      if (first === EXCUSE && blocks === undefined) return undefined;
      if (inLoop && blocks === undefined && callsOf(message).length > 0) return refused(UNSIGNED);
      if (first !== undefined && (blocks === undefined || first !== sealOf(blocks))) {
        return refused("Thought signature is not valid");
      }
      return inLoop && blocks !== undefined && first === undefined ? refused(UNSIGNED) : undefined;
    },
    sealsOf: (message) =>
      callsOf(message).map(signatureOf).filter((signature) => signature !== undefined && signature !== EXCUSE),
  },
  openrouter: {
    members: ["reasoning_content", "reasoning", "reasoning_details"],
    dress: withDetails,
    refusalOf(message, inLoop, state) {
      const entries = asArray(message["reasoning_details"]).map(asObject);
      const bad = entries.find((entry) => entry["format"] === FORMAT && !isOwnEntry(entry, state));
      if (bad !== undefined) return refused(`reasoning_details were altered: ${JSON.stringify(bad).slice(0, 80)}`);
      const blocks = blocksOf(message, state);
      if (blocks === undefined || (entries.length === 0 && !inLoop)) return undefined;
      const seals = sealsOfEntries(entries);
      const isWhole = thinkingOf(blocks).every((block, index) => seals[index] === block.seal);
      return isWhole ? undefined : refused("Expected `thinking` in the assistant's turn");
    },
    sealsOf: (message) => sealsOfEntries(asArray(message["reasoning_details"]).map(asObject)),
  },
};

function sealOf(blocks: readonly Block[]): string {
  return thinkingOf(blocks)[0]?.seal ?? "";
}

function withSignature(message: Json, thought_signature: string): Json {
  const calls = message["tool_calls"];
  if (!Array.isArray(calls) || calls.length === 0) return message;
  const [first, ...others] = calls.map(asObject);
  // In a stream, the first delta of the first call alone: the one that names it.
  if (first?.["id"] === undefined || (first["index"] ?? 0) !== 0) return message;
  return { ...message, tool_calls: [{ ...first, extra_content: { google: { thought_signature } } }, ...others] };
}

const FORMAT = "anthropic-claude-v1";

const ENTRY = { type: "reasoning.text", format: FORMAT, id: "rd-0", index: 0 };

/** A stream's deltas hold an entry's text piece by piece, and its signature with the last of them. */
function withDetails(message: Json, blocks: readonly Block[]): Json {
  const { reasoning_content: reasoning, ...rest } = message;
  const [block] = thinkingOf(blocks);
  if (block === undefined || reasoning === undefined) return message;
  const isLast = pieces(block.text).at(-1) === reasoning || block.text === reasoning;
  const entry = { ...ENTRY, text: reasoning, ...(isLast ? { signature: block.seal } : {}) };
  return { ...rest, reasoning, reasoning_details: [entry] };
}

/** What the maker signed elsewhere came without an entry, and so without an id. */
function isOwnEntry({ type, data, id, text, signature }: Json, { mint, entries }: State): boolean {
  if (data !== undefined) return mint.issued.has(String(data));
  return type === ENTRY.type && (!entries.has(signature) || id === ENTRY.id) && mint.signed(signature, text);
}

function sealsOfEntries(entries: readonly Json[]): unknown[] {
  return entries.filter((entry) => entry["format"] === FORMAT).map((entry) => entry["signature"] ?? entry["data"]);
}

function answer(said: Said, rules: Rules, streamed: boolean): Reply {
  if (streamed) return sse(chatFrames(said).map((frame) => dressedFrame(frame, said, rules)));
  const body = chatBody(said);
  const choices = asArray(body["choices"]).map(asObject).map((choice) => ({
    ...choice,
    message: rules.dress(asObject(choice["message"]), said.blocks),
  }));
  return json({ ...body, choices });
}

function dressedFrame(frame: string, { blocks }: Said, rules: Rules): string {
  const data = frame.slice("data: ".length).trim();
  if (data === "[DONE]") return frame;
  const chunk = asObject(JSON.parse(data));
  const choices = asArray(chunk["choices"]).map(asObject).map((choice) => ({
    ...choice,
    delta: rules.dress(asObject(choice["delta"]), blocks),
  }));
  return `data: ${JSON.stringify({ ...chunk, choices })}\n\n`;
}
