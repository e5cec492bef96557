/** The conversation, neutral → `input` items (TRANSLATION.md, 2.2, 2.3 and 2.9). */
import { defined, type JsonObject } from "../../base/fields.ts";
import type { Message, Part, Tool, ToolResultPart } from "../../neutral.ts";
import { settleToolResults } from "../../translation/history.ts";
import { callId } from "../../translation/ids.ts";
import { contentOf, encodeInputPart, reportCitations } from "./content_encode.ts";
import { carryExtra, clientName, type Encoding } from "./encoding.ts";
import { encodeModelParts } from "./history_encode.ts";
import { encodeTools } from "./tools_encode.ts";
import { FORMAT, MAX_CALL_ID, ownFields } from "./wire.ts";

/** An item, and where it stood in a client's `input` of this format. */
export interface Placed {
  item: JsonObject;
  path: string | undefined;
}

export interface EncodedInput {
  instructions: string | undefined;
  items: JsonObject[];
}

export function encodeInput(encoding: Encoding): EncodedInput {
  const { request, isOwn } = encoding;
  const { instructions, leading } = encodeInstructions(encoding);
  // A conversation that is partly stored upstream may have results whose calls aren't here.
  const messages = isOwn ? request.messages : settleToolResults(request.messages, encoding.losses);
  const placed = [...leading, ...messages.flatMap((message) => encodeMessage(encoding, message))];
  if (isOwn) placed.push(...additionalTools(encoding));
  reportPrefill(encoding);
  return { instructions, items: (isOwn ? inOwnOrder(placed) : placed).map(({ item }) => item) };
}

/**
 * `instructions` is a plain string: what needs more (a cache mark, an item of its own) goes before all messages as
 * developer messages.
 */
function encodeInstructions(encoding: Encoding): { instructions: string | undefined; leading: Placed[] } {
  const parts = encoding.request.instructions;
  if (encoding.isOwn) {
    const isItem = (part: Part) => part.item !== undefined;
    return {
      instructions: joinTexts(parts.filter((part) => !isItem(part))),
      leading: encodeByItem(encoding, parts.filter(isItem)),
    };
  }
  if (parts.every((part) => part.kind === "text" && !encoding.marks.has(part))) {
    for (const part of parts) {
      carryExtra(encoding, part.extra, part.path);
      if (part.kind === "text") reportCitations(encoding, part);
    }
    return { instructions: joinTexts(parts), leading: [] };
  }
  const item = messageItem(systemRole(encoding), parts.flatMap((part) => encodeInputPart(encoding, part)));
  return { instructions: undefined, leading: [{ item, path: undefined }] };
}

function joinTexts(parts: readonly Part[]): string | undefined {
  const texts = parts.flatMap((part) => part.kind === "text" ? [part.text] : []);
  return texts.length === 0 ? undefined : texts.join("\n\n");
}

function systemRole(encoding: Encoding): string {
  return encoding.target.flags.has("no_developer_role") ? "system" : "developer";
}

/** Leading messages of a client of this format, each with its own role again. */
function encodeByItem(encoding: Encoding, parts: readonly Part[]): Placed[] {
  const placed: Placed[] = [];
  for (let start = 0, end = 0; start < parts.length; start = end) {
    const item = parts[start]?.item;
    while (end < parts.length && parts[end]?.item === item) end++;
    const content = parts.slice(start, end).flatMap((part) => encodeInputPart(encoding, part));
    placed.push({ item: messageItem(item?.role ?? "developer", content, item), path: parts[start]?.path });
  }
  return placed;
}

function messageItem(role: string, content: JsonObject[], item?: Part["item"]): JsonObject {
  return defined({
    type: "message",
    id: item?.id,
    status: item?.status,
    role,
    content: contentOf(content),
    ...ownFields(item?.extra),
  });
}

function encodeMessage(encoding: Encoding, message: Message): Placed[] {
  if (message.name !== undefined) encoding.losses.add(`${message.path}.name`, "responses has no names on messages");
  if (message.extra?.format !== FORMAT) carryExtra(encoding, message.extra, message.path);
  switch (message.role) {
    case "assistant":
      return encodeModelParts(encoding, message);
    case "user":
    case "tool":
      return encodeClientParts(encoding, message, "user");
    case "system":
    case "developer":
      return encodeClientParts(encoding, message, encoding.isOwn ? message.role : systemRole(encoding));
    default:
      return message.role satisfies never;
  }
}

/** A message's parts as items: tool results and native items stand alone, what lies between them is a message. */
function encodeClientParts(encoding: Encoding, message: Message, role: string): Placed[] {
  const placed: Placed[] = [];
  let content: JsonObject[] = [];
  const endMessage = (part?: Part) => {
    if (content.length > 0) placed.push({ item: messageItem(role, content, part?.item), path: message.path });
    content = [];
  };
  for (const part of message.parts) {
    const isItem = part.kind === "native" && part.format === FORMAT && part.item === undefined;
    if (part.kind !== "tool_result" && !isItem) {
      content.push(...encodeInputPart(encoding, part));
      continue;
    }
    endMessage(message.parts[0]);
    const item = part.kind === "tool_result" ? encodeToolResult(encoding, part) : part.value;
    placed.push({ item, path: part.path });
  }
  endMessage(message.parts.at(-1));
  return placed;
}

function encodeToolResult(encoding: Encoding, part: ToolResultPart): JsonObject {
  if (part.native?.format === FORMAT) return part.native.value;
  const parts = part.isError === true ? asError(part.parts) : part.parts;
  const content = parts.flatMap((inner) => encodeInputPart(encoding, inner));
  return defined({
    type: part.toolKind === "custom" ? "custom_tool_call_output" : "function_call_output",
    id: part.item?.id,
    call_id: encoding.isOwn ? part.callId : callId(part.callId, MAX_CALL_ID),
    output: content.length === 0 ? "" : contentOf(content),
    status: part.item?.status,
    ...carryExtra(encoding, part.extra, part.path),
  });
}

/** Results have no flag for failure in this format: the text says it (TRANSLATION.md, 2.9). */
function asError(parts: readonly Part[]): Part[] {
  const [first, ...rest] = parts;
  if (first?.kind === "text") return [{ ...first, text: `Error: ${first.text}` }, ...rest];
  return [{ kind: "text", text: "Error:" }, ...parts];
}

/** The items that offered tools within a client's conversation of this format. */
function additionalTools(encoding: Encoding): Placed[] {
  const byItem = new Map<Tool["item"], Tool[]>();
  for (const tool of encoding.request.tools) {
    if (tool.item === undefined || tool.isFound === true) continue;
    byItem.set(tool.item, [...(byItem.get(tool.item) ?? []), tool]);
  }
  return [...byItem].map(([item, tools]) => ({
    item: defined({
      type: "additional_tools",
      id: item?.id,
      role: item?.role,
      status: item?.status,
      tools: encodeTools(encoding, tools),
      ...ownFields(item?.extra),
    }),
    path: tools[0]?.path,
  }));
}

/** Items in the order of the client's own list: decoding took some of them out of it. */
function inOwnOrder(placed: Placed[]): Placed[] {
  let last = -1;
  const numbered = placed.map((entry) => {
    const index = /^input\[(\d+)\]/.exec(entry.path ?? "")?.[1];
    last = index === undefined ? last : Number(index);
    return { entry, index: last };
  });
  return numbered.sort((a, b) => a.index - b.index).map(({ entry }) => entry);
}

/** Only messages goes on writing where the client's last message ends; here it is history like any. */
function reportPrefill(encoding: Encoding): void {
  const last = encoding.request.messages.at(-1);
  if (encoding.request.origin !== "messages" || last?.role !== "assistant") return;
  encoding.losses.add(
    last.path ?? clientName(encoding.request, "messages"),
    "responses can't go on from a begun answer",
  );
}
