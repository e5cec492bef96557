/** The conversation as this format wants it: order, roles and pairs of calls and results (TRANSLATION.md, 2.2). */
import type { JsonObject } from "../../base/fields.ts";
import type { Message } from "../../neutral.ts";
import { settleToolResults } from "../../translation/history.ts";
import { callId, derivedId } from "../../translation/ids.ts";
import { phasesOf } from "../../translation/leftover.ts";
import { encodeParts, shortContent } from "./block_encode.ts";
import { type CallIds, clientName, type Encoding } from "./encoding.ts";
import { withExtra } from "./wire.ts";

interface Turn {
  role: "user" | "assistant" | "system";
  content: JsonObject[];
  path: string;
}

const MAX_ID = 64;

export function newCallIds(own: boolean): CallIds {
  if (own) return { next: (id) => id, latest: (id) => id };
  const uses = new Map<string, number>();
  const current = new Map<string, string>();
  return {
    next(id) {
      const use = uses.get(id) ?? 0;
      uses.set(id, use + 1);
      const fit = use === 0 ? callId(id, MAX_ID) : derivedId("call_", `${id} ${use}`);
      current.set(id, fit);
      return fit;
    },
    latest: (id) => current.get(id) ?? callId(id, MAX_ID),
  };
}

/** `system`: a string where one plain text says it all. */
export function encodeSystem(encoding: Encoding, added: string | undefined): JsonObject {
  const { request } = encoding;
  const blocks = encodeParts(request.instructions, clientName(request, "instructions"), encoding);
  if (encoding.own && request.attribution !== undefined) blocks.unshift(request.attribution);
  if (added !== undefined) blocks.push({ type: "text", text: added });
  return blocks.length === 0 ? {} : { system: shortContent(blocks) };
}

export function encodeMessages(encoding: Encoding): JsonObject[] {
  return encoding.own ? ownMessages(encoding) : translatedMessages(encoding);
}

/** As the client wrote them. Only a turn of which nothing is left, once foreign thinking is gone, goes with it. */
function ownMessages(encoding: Encoding): JsonObject[] {
  return encoding.request.messages.flatMap((message, index): JsonObject[] => {
    const path = message.path ?? `messages[${index}]`;
    const content = encodeParts(message.parts, path, encoding);
    if (content.length === 0 && message.parts.length > 0) return [];
    const silent = message.role === "system" && content.length === 0;
    const turn = { role: message.role, ...(silent ? {} : { content: shortContent(content) }) };
    return [withExtra(turn, message.extra, path, encoding.losses)];
  });
}

function translatedMessages(encoding: Encoding): JsonObject[] {
  const settled = settleToolResults(encoding.request.messages, encoding.losses);
  const turns: Turn[] = [];
  for (const message of settled) addTurn(turns, encodeTurn(message, encoding));
  if (turns.length === 0) return [];
  beginWithUser(turns, encoding);
  endForAnswer(turns, encoding);
  return turns.map((turn) => ({ role: turn.role, content: shortContent(turn.content) }));
}

function encodeTurn(message: Message, encoding: Encoding): Turn {
  const path = message.path ?? "messages";
  for (const phase of phasesOf(message)) encoding.losses.add(phase, "messages has no such member");
  if (message.name !== undefined) encoding.losses.add(`${path}.name`, "messages has no names on messages");
  const content = withExtra(
    { content: encodeParts(message.parts, path, encoding) },
    message.extra,
    path,
    encoding.losses,
  )
    .content as JsonObject[];
  switch (message.role) {
    case "user":
    case "tool":
      return { role: "user", content, path };
    case "assistant":
      return { role: "assistant", content, path };
    case "system":
    case "developer":
      return systemTurn(content, path, encoding);
    default:
      return message.role satisfies never;
  }
}

/** Within the conversation, only newer models take the operator's word as such. */
function systemTurn(content: JsonObject[], path: string, encoding: Encoding): Turn {
  const texts = content.filter((block) => block["type"] === "text");
  if (texts.length < content.length) encoding.losses.add(path, "messages takes only text from the system");
  if (encoding.target.capabilities.midConversationSystem) return { role: "system", content: texts, path };
  if (texts.length > 0) encoding.losses.add(path, "emulated: sent as a reminder of the user's");
  const reminders = texts.map((block) => ({
    ...block,
    text: `<system-reminder>\n${String(block["text"])}\n</system-reminder>`,
  }));
  return { role: "user", content: reminders, path };
}

/** Turns of one role in a row are one turn; a turn without content is none. */
function addTurn(turns: Turn[], turn: Turn): void {
  if (turn.content.length === 0) return;
  const last = turns.at(-1);
  if (last?.role === turn.role) last.content.push(...turn.content);
  else turns.push(turn);
}

function beginWithUser(turns: Turn[], encoding: Encoding): void {
  const first = turns.find((turn) => turn.role !== "system");
  if (first?.role === "user") return;
  encoding.losses.add(first?.path ?? "messages", "a conversation begins with the user: a turn was put before it");
  turns.unshift({ role: "user", content: [{ type: "text", text: "." }], path: "messages" });
}

/** A last turn of the assistant's begins its answer, where the model takes that; else the user says to go on. */
function endForAnswer(turns: Turn[], encoding: Encoding): void {
  const last = turns.at(-1);
  if (last?.role !== "assistant") return;
  if (encoding.prefill) return trimEnd(last);
  encoding.losses.add(last.path, "prefill: the model doesn't take the beginning of its answer, sent as history");
  turns.push({ role: "user", content: [{ type: "text", text: "Continue." }], path: last.path });
}

/** The API refuses white space at the end of a prefill. */
function trimEnd(turn: Turn): void {
  const block = turn.content.at(-1);
  if (block?.["type"] === "text") block["text"] = String(block["text"]).trimEnd();
}
