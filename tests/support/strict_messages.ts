/** Anthropic's rules for signed thinking in a history (TRANSLATION.md, 1.3 and 1.4). */
import { asArray, asObject, type Json } from "./grammar.ts";
import { firstRefusal, type Judge, type Mint, type Refusal, refused, saidOf } from "./strict.ts";
import { json, sse } from "./upstream.ts";
import { messagesBody, messagesFrames } from "./wire_messages.ts";

/** `mint`: Anthropic's, whose signatures hold wherever its models are served. */
export function messagesJudge(mint: Mint): Judge {
  /** By call id: the thinking blocks of the turn that made it. */
  const turns = new Map<string, Json[]>();
  return {
    mint,
    refusalOf: (body) => refusalOf(body, mint, turns),
    answer(blocks, streamed) {
      const answer = saidOf(blocks);
      const content = asArray(messagesBody(answer)["content"]).map(asObject);
      for (const block of content) if (block["type"] === "tool_use") turns.set(idOf(block), thinkingOf(content));
      return streamed ? sse(messagesFrames(answer)) : json(messagesBody(answer));
    },
    error: ({ message }) => ({ type: "error", error: { type: "invalid_request_error", message } }),
    sealsIn: (body) => turnsOf(body).flatMap(({ content }) => thinkingOf(content)).map(sealOf),
  };
}

interface Turn {
  role: unknown;
  content: Json[];
}

function turnsOf(body: Json): Turn[] {
  return asArray(body["messages"]).map(asObject).map(({ role, content }) => ({
    role,
    content: typeof content === "string" ? [{ type: "text", text: content }] : asArray(content).map(asObject),
  }));
}

function isThinking(block: Json | undefined): block is Json {
  return block?.["type"] === "thinking" || block?.["type"] === "redacted_thinking";
}

function thinkingOf(content: readonly Json[]): Json[] {
  return content.filter(isThinking);
}

function sealOf(block: Json): string {
  return String(block["signature"] ?? block["data"]);
}

function idOf(block: Json): string {
  return String(block["id"]);
}

function refusalOf(body: Json, mint: Mint, issued: Map<string, Json[]>): Refusal | undefined {
  const turns = turnsOf(body);
  if (turns[0]?.role !== "user") return refused("messages: first message must use the user role");
  const isManual = asObject(body["thinking"])["type"] === "enabled";
  const loop = turns.findLastIndex((turn) => turn.role === "user" && !holds(turn, "tool_result"));
  return firstRefusal(turns, (turn, index) => {
    if (turn.role !== "assistant") return undefined;
    const inLoop = isManual && index > loop;
    return unsigned(turn, index, mint) ?? unanswered(turn, turns[index + 1], index) ??
      misplaced(turn, index, inLoop) ?? modified(turn, index, issued);
  });
}

function holds({ content }: Turn, type: string): boolean {
  return content.some((block) => block["type"] === type);
}

function unsigned({ content }: Turn, index: number, mint: Mint): Refusal | undefined {
  return firstRefusal(content, (block, at) => {
    const path = `messages.${index}.content.${at}`;
    if (block["type"] === "thinking" && !mint.signed(block["signature"], block["thinking"])) {
      return refused(`${path}: Invalid \`signature\` in \`thinking\` block`);
    }
    if (block["type"] === "redacted_thinking" && !mint.issued.has(String(block["data"]))) {
      return refused(`${path}: Invalid \`data\` in \`redacted_thinking\` block`);
    }
    return undefined;
  });
}

function unanswered(turn: Turn, next: Turn | undefined, index: number): Refusal | undefined {
  const results = next?.content.filter((block) => block["type"] === "tool_result").map((block) => block["tool_use_id"]);
  const missing = turn.content.filter((block) => block["type"] === "tool_use")
    .find((call) => results?.includes(call["id"]) !== true);
  return missing && refused(`messages.${index}: \`tool_use\` ids were found without \`tool_result\` blocks`);
}

function misplaced(turn: Turn, index: number, inLoop: boolean): Refusal | undefined {
  if (!holds(turn, "tool_use") || isThinking(turn.content[0])) return undefined;
  const message = `messages.${index}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${
    turn.content[0]?.["type"]
  }\``;
  return inLoop || thinkingOf(turn.content).length > 0 ? refused(message) : undefined;
}

/** A turn's thinking goes back whole and in order, or not at all. */
function modified({ content }: Turn, index: number, issued: Map<string, Json[]>): Refusal | undefined {
  const call = content.find((block) => block["type"] === "tool_use");
  const own = issued.get(call === undefined ? "" : idOf(call));
  const back = thinkingOf(content);
  if (own === undefined || back.length === 0) return undefined;
  const isSame = back.length === own.length && back.every((block, at) => sealOf(block) === sealOf(own[at] ?? {}));
  return isSame ? undefined : refused(`messages.${index}: \`thinking\` blocks of a turn cannot be modified`);
}
