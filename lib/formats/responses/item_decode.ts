/**
 * Items that a model made, wire → neutral parts: the same in a client's history and in an upstream's answer
 * (TRANSLATION.md, 1.3, 2.9 and 3.4).
 */
import { defined, type Faults, Fields, isObject } from "../../base/fields.ts";
import type { Item, Opaque, Part, ReasoningPart, ToolCallPart } from "../../neutral.ts";
import { openSummary } from "../../translation/compaction.ts";
import { isEnvelope, openedOrBroken } from "../../translation/envelope.ts";
import { openWords } from "../../translation/sealed_words.ts";
import { decodeContent, decodeTexts } from "./content_decode.ts";
import { nativeText } from "./native_text.ts";
import { extraOf, FORMAT } from "./wire.ts";

export interface ItemContext {
  faults: Faults;
  /** Whose opaque values these are. */
  issuer: string;
  /** A client's history: its opaque values may be envelopes of ours, and an item may be told by its id alone. */
  isHistory: boolean;
}

/** Parts of one item; none for reasoning in an answer that shows and carries nothing. */
export function decodeItem(context: ItemContext, fields: Fields, type: string): Part[] {
  switch (type) {
    case "message":
      return decodeMessage(fields);
    case "reasoning":
      return decodeReasoning(context, fields);
    case "function_call":
      return [decodeCall(fields, "function")];
    case "custom_tool_call":
      return [decodeCall(fields, "custom")];
    case "compaction":
      return [decodeCompaction(context, fields)];
    default:
      return [decodeNative(fields)];
  }
}

/** The items of an answer's `output`; `path` is that of the item. */
export function decodeOutputItem(value: unknown, path: string, issuer: string, faults: Faults): Part[] {
  const fields = new Fields(faults, value, path);
  return decodeItem({ faults, issuer, isHistory: false }, fields, fields.requiredString("type"));
}

/** A message of any role. What tells of the item itself goes with each of its parts. */
export function decodeMessage(fields: Fields): Part[] {
  fields.skip("type");
  const role = fields.string("role");
  const id = fields.string("id");
  const phase = fields.string("phase");
  const status = fields.string("status");
  const parts = decodeContent(fields.faults, fields.any("content"), fields.at("content"));
  const item: Item = defined({ path: fields.path, id, role, phase, status, extra: extraOf(fields.rest()) });
  for (const part of parts) part.item = item;
  return parts;
}

function decodeReasoning(context: ItemContext, fields: Fields): Part[] {
  fields.skip("type");
  const id = fields.string("id");
  const summary = decodeTexts(fields.any("summary"));
  const content = decodeTexts(fields.any("content"));
  const sealed = decodeOpaque(context, fields.any("encrypted_content"), "encrypted");
  const { words, opaque } = openWords(sealed ?? []);
  if (summary.length + content.length === 0 && words !== "") content.push(words);
  const item: Item = defined({ id, status: fields.string("status") });
  const parts: ReasoningPart[] = [];
  if (summary.length > 0) parts.push(reasoningPart("summary", summary, item, fields.path));
  if (content.length > 0) parts.push(reasoningPart("full", content, item, fields.path));
  if (parts.length === 0 && (context.isHistory || sealed !== undefined)) {
    parts.push(reasoningPart("summary", [], item, fields.path));
  }
  const last = parts.at(-1);
  const own = sealed === undefined ? undefined : opaque;
  if (last !== undefined) Object.assign(last, defined({ opaque: own, extra: extraOf(fields.rest()) }));
  return parts;
}

function reasoningPart(form: "summary" | "full", pieces: string[], item: Item, path: string): ReasoningPart {
  return defined({
    kind: "reasoning" as const,
    text: pieces.join(PIECE_BREAK),
    form,
    id: item.id,
    pieces: pieces.length > 1 ? pieces : undefined,
    item,
    path,
  });
}

/** What stands between two texts of one reasoning item where they become one. */
export const PIECE_BREAK = "\n\n";

/** `[]` for an envelope that holds nothing: ours, but of use to nobody. */
function decodeOpaque(context: ItemContext, value: unknown, kind: Opaque["kind"]): Opaque[] | undefined {
  if (typeof value !== "string" || value === "") return undefined;
  if (context.isHistory && isEnvelope(value)) return openedOrBroken(value, kind);
  return [{ issuer: context.issuer, kind, value }];
}

function decodeCall(fields: Fields, toolKind: "function" | "custom"): ToolCallPart {
  fields.skip("type");
  const itemId = fields.string("id");
  const callId = fields.string("call_id") ?? itemId;
  if (callId === undefined) fields.requiredString("call_id");
  const status = fields.string("status");
  skipDirectCaller(fields);
  const part: ToolCallPart = defined({
    kind: "tool_call" as const,
    id: callId ?? "",
    itemId,
    name: fields.requiredString("name"),
    namespace: fields.string("namespace"),
    toolKind,
    arguments: decodeArguments(fields, toolKind === "custom" ? "input" : "arguments"),
    path: fields.path,
    item: status === undefined ? undefined : { status },
  });
  const extra = extraOf(fields.rest());
  return extra === undefined ? part : { ...part, extra };
}

/** Who calls where nothing else is said: no member worth keeping, as clients echo it with every call and result. */
export function skipDirectCaller(fields: Fields): void {
  const { caller } = fields.value;
  if (isObject(caller) && caller["type"] === "direct") fields.skip("caller");
}

/** Arguments are a string of JSON; an object, which some servers send, is written as one. */
function decodeArguments(fields: Fields, key: string): string {
  const value = fields.any(key);
  return isObject(value) ? JSON.stringify(value) : fields.requiredString(key);
}

function decodeCompaction(context: ItemContext, fields: Fields): Part {
  fields.skip("type");
  const sealed = decodeOpaque(context, fields.any("encrypted_content"), "compaction");
  const { text, opaque } = openSummary(sealed ?? []);
  const id = fields.string("id");
  return defined({
    kind: "compaction" as const,
    text,
    opaque: sealed === undefined ? undefined : opaque,
    item: id === undefined ? undefined : { id },
    path: fields.path,
    extra: extraOf(fields.rest()),
  });
}

export function decodeNative(fields: Fields): Part {
  return defined({
    kind: "native" as const,
    format: FORMAT,
    value: fields.value,
    text: nativeText(fields.value),
    path: fields.path,
  });
}
