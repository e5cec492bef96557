/**
 * The items of an upstream's stream as neutral parts: which of them are open, and what was already said of them. What an
 * item's deltas left out is made up for from its last event, which holds it whole.
 */
import { defined, Faults, isObject, type JsonObject } from "../../base/fields.ts";
import type { Citation, Item, NeutralEvent, Part, ReasoningPart, ToolCallPart } from "../../neutral.ts";
import { randomId } from "../../translation/ids.ts";
import { shiftCitation } from "./content_decode.ts";
import { decodeOutputItem, PIECE_BREAK } from "./item_decode.ts";
import { saysNothing, type Seen } from "./response.ts";

interface PartState {
  /** The neutral part's index; a part without content has not begun. */
  i: number | undefined;
  kind: Part["kind"];
  /** Characters sent. */
  length: number;
  citations: number;
  /** Characters of the answer's text before it. */
  before: number;
  ended: boolean;
}

interface MessageState {
  type: "message";
  item: Item;
  /** By content index, in the order of their appearance. */
  parts: Map<number, PartState>;
}
interface ReasoningState {
  type: "reasoning";
  item: Item;
  forms: Map<ReasoningPart["form"], PartState>;
  /** The summary or content part that the last delta belonged to. */
  piece: number;
}
interface CallState {
  type: "call";
  part: PartState;
}
type ItemState = MessageState | ReasoningState | CallState | { type: "whole" } | { type: "done" };

export interface ItemsState {
  issuer: string;
  items: Map<number, ItemState>;
  nextPart: number;
  /** Characters of text sent. */
  textLength: number;
  seen: Seen;
  faults: Faults;
}

export function newItems(issuer: string): ItemsState {
  return {
    issuer,
    items: new Map(),
    nextPart: 0,
    textLength: 0,
    seen: { call: false, refusal: false, compaction: false },
    faults: new Faults(),
  };
}

/** An item is announced. An open one at the same place has ended without saying so. */
export function* beginItem(state: ItemsState, index: number, item: JsonObject): Generator<NeutralEvent> {
  const previous = state.items.get(index);
  if (previous !== undefined) yield* endParts(previous);
  const head: Item = defined({ id: stringOf(item["id"]), phase: stringOf(item["phase"]) });
  switch (item["type"]) {
    case "message":
      state.items.set(index, { type: "message", item: head, parts: new Map() });
      return;
    case "reasoning":
      state.items.set(index, { type: "reasoning", item: head, forms: new Map(), piece: 0 });
      return;
    case "function_call":
    case "custom_tool_call":
      return yield* beginCall(state, index, item);
    default:
      // Built-in items come whole with their last event.
      state.items.set(index, { type: "whole" });
  }
}

function* beginCall(state: ItemsState, index: number, item: JsonObject): Generator<NeutralEvent> {
  const name = stringOf(item["name"]) ?? "";
  if (name === "") {
    state.items.set(index, { type: "whole" });
    return;
  }
  const itemId = stringOf(item["id"]);
  const part: ToolCallPart = defined({
    kind: "tool_call" as const,
    id: stringOf(item["call_id"]) ?? itemId ?? randomId("call_"),
    itemId,
    name,
    namespace: stringOf(item["namespace"]),
    toolKind: item["type"] === "custom_tool_call" ? "custom" as const : "function" as const,
    arguments: "",
  });
  const call: CallState = { type: "call", part: newPart("tool_call") };
  state.items.set(index, call);
  yield start(state, call.part, part);
}

function newPart(kind: Part["kind"]): PartState {
  return { i: undefined, kind, length: 0, citations: 0, before: 0, ended: false };
}

function start(state: ItemsState, part: PartState, neutral: Part): NeutralEvent {
  part.i = state.nextPart++;
  part.before = state.textLength;
  if (part.kind === "tool_call") state.seen.call = true;
  else if (part.kind === "refusal") state.seen.refusal = true;
  else if (part.kind === "compaction") state.seen.compaction = true;
  return { t: "part_start", c: 0, i: part.i, part: neutral };
}

/** A piece of what the assistant says. Its message may never have been announced. */
export function addText(
  state: ItemsState,
  index: number,
  contentIndex: number,
  kind: "text" | "refusal",
  delta: string,
  logprobs?: unknown[],
): NeutralEvent[] {
  const message = messageAt(state, index);
  if (message === undefined || delta === "") return [];
  const part = partAt(message, contentIndex, kind);
  if (part.ended) return [];
  const events = part.i === undefined ? beginText(state, message, part) : [];
  part.length += delta.length;
  if (kind === "text") state.textLength += delta.length;
  events.push({ t: kind, c: 0, i: part.i ?? 0, delta, ...(logprobs === undefined ? {} : { logprobs }) });
  return events;
}

function messageAt(state: ItemsState, index: number): MessageState | undefined {
  const item = state.items.get(index);
  if (item?.type === "message") return item;
  if (item !== undefined) return undefined;
  const message: MessageState = { type: "message", item: {}, parts: new Map() };
  state.items.set(index, message);
  return message;
}

/** Announces a content part, so that it is told apart from those that follow even if it stays empty. */
export function announcePart(state: ItemsState, index: number, contentIndex: number, kind: "text" | "refusal"): void {
  const message = messageAt(state, index);
  if (message !== undefined) partAt(message, contentIndex, kind);
}

function partAt(message: MessageState, contentIndex: number, kind: "text" | "refusal"): PartState {
  let part = message.parts.get(contentIndex);
  if (part === undefined) message.parts.set(contentIndex, part = newPart(kind));
  return part;
}

/** Parts of one message follow each other: the next one's beginning is the last one's end. */
function beginText(state: ItemsState, message: MessageState, part: PartState): NeutralEvent[] {
  const ends = [...endParts(message)];
  const kind = part.kind === "refusal" ? "refusal" : "text";
  return [...ends, start(state, part, { kind, text: "", item: message.item })];
}

export function addCitation(
  state: ItemsState,
  index: number,
  contentIndex: number,
  citation: Citation,
): NeutralEvent[] {
  const message = messageAt(state, index);
  const part = message?.parts.get(contentIndex);
  if (part?.i === undefined || part.ended) return [];
  part.citations++;
  return [{ t: "citation", c: 0, i: part.i, citation: shiftCitation(citation, part.before) }];
}

/** A piece of reasoning, of the `piece`-th summary or content part of its item. */
export function addReasoning(
  state: ItemsState,
  index: number,
  form: "summary" | "full",
  piece: number,
  delta: string,
): NeutralEvent[] {
  const item = state.items.get(index) ?? { type: "reasoning", item: {}, forms: new Map(), piece: 0 };
  if (item.type !== "reasoning" || delta === "") return [];
  state.items.set(index, item);
  const events: NeutralEvent[] = [];
  let part = item.forms.get(form);
  if (part === undefined) {
    events.push(...endParts(item), start(state, part = newPart("reasoning"), emptyReasoning(item, form)));
    item.forms.set(form, part);
  }
  if (part.ended || part.i === undefined) return events;
  const text = part.length > 0 && piece !== item.piece ? PIECE_BREAK + delta : delta;
  item.piece = piece;
  part.length += text.length;
  events.push({ t: "reasoning", c: 0, i: part.i, delta: text });
  return events;
}

function emptyReasoning(state: ReasoningState, form: ReasoningPart["form"]): ReasoningPart {
  return defined({ kind: "reasoning" as const, text: "", form, id: state.item.id, item: state.item });
}

export function addArguments(state: ItemsState, index: number, delta: string): NeutralEvent[] {
  const item = state.items.get(index);
  if (item?.type !== "call" || item.part.i === undefined || item.part.ended) return [];
  item.part.length += delta.length;
  return [{ t: "arguments", c: 0, i: item.part.i, delta }];
}

/** An item's last event, which holds it whole: what wasn't sent of it follows, and its parts end. */
export function* endItem(state: ItemsState, index: number, value: JsonObject): Generator<NeutralEvent> {
  const item = state.items.get(index);
  if (item?.type === "done") return;
  state.items.set(index, { type: "done" });
  const parts = decodeOutputItem(value, `output[${index}]`, state.issuer, state.faults);
  if (state.faults.first !== undefined) return;
  const known = item === undefined ? [] : partsOf(item, parts);
  for (const [k, part] of parts.entries()) {
    const own = item?.type === "message" || item?.type === "reasoning" ? { ...part, item: item.item } : part;
    yield* completePart(state, known[k] ?? newPart(part.kind), own);
  }
  if (item !== undefined) yield* endParts(item);
}

/** What is known of each of an item's final parts. Content indexes don't always begin at 0: the order decides. */
function partsOf(item: ItemState, parts: readonly Part[]): (PartState | undefined)[] {
  switch (item.type) {
    case "message":
      return [...item.parts.values()];
    case "reasoning":
      return parts.map((part) => part.kind === "reasoning" ? item.forms.get(part.form) : undefined);
    case "call":
      return [item.part];
    case "whole":
    case "done":
      return [];
    default:
      return item satisfies never;
  }
}

function* completePart(state: ItemsState, known: PartState, part: Part): Generator<NeutralEvent> {
  if (known.ended || saysNothing(part)) return;
  if (known.i === undefined) yield start(state, known, withoutContent(part));
  const i = known.i ?? 0;
  const text = contentOf(part);
  if (text.length > known.length) {
    const delta = text.slice(known.length);
    if (part.kind === "text") state.textLength += delta.length;
    const logprobs = part.kind === "text" && known.length === 0 ? part.logprobs : undefined;
    yield { t: DELTAS.get(part.kind) ?? "text", c: 0, i, delta, ...(logprobs === undefined ? {} : { logprobs }) };
  }
  for (const citation of citationsOf(part).slice(known.citations)) {
    yield { t: "citation", c: 0, i, citation: shiftCitation(citation, known.before) };
  }
  for (const opaque of part.opaque ?? []) yield { t: "opaque", c: 0, i, opaque };
  known.ended = true;
  yield { t: "part_end", c: 0, i };
}

const DELTAS: ReadonlyMap<Part["kind"], "text" | "refusal" | "reasoning" | "arguments"> = new Map([
  ["text", "text"],
  ["refusal", "refusal"],
  ["reasoning", "reasoning"],
  ["tool_call", "arguments"],
]);

/** The part as it begins: what deltas bring is left out. */
function withoutContent(part: Part): Part {
  switch (part.kind) {
    case "text": {
      const { citations: _, logprobs: __, opaque: ___, ...rest } = part;
      return { ...rest, text: "" };
    }
    case "refusal":
    case "reasoning": {
      const { opaque: _, ...rest } = part;
      return { ...rest, text: "" };
    }
    case "tool_call":
      return { ...part, arguments: "" };
    case "compaction": {
      const { opaque: _, ...rest } = part;
      return rest;
    }
    default:
      return part;
  }
}

function contentOf(part: Part): string {
  switch (part.kind) {
    case "text":
    case "refusal":
    case "reasoning":
      return part.text;
    case "tool_call":
      return part.arguments;
    default:
      return "";
  }
}

function citationsOf(part: Part): readonly Citation[] {
  return part.kind === "text" ? part.citations ?? [] : [];
}

function* endParts(item: ItemState): Generator<NeutralEvent> {
  const parts = item.type === "message"
    ? item.parts.values()
    : item.type === "reasoning"
    ? item.forms.values()
    : item.type === "call"
    ? [item.part]
    : [];
  for (const part of parts) {
    if (part.i === undefined || part.ended) continue;
    part.ended = true;
    yield { t: "part_end", c: 0, i: part.i };
  }
}

/** The answer is over: items that never ended, or were never announced, are taken from its final list. */
export function* endItems(state: ItemsState, output: unknown): Generator<NeutralEvent> {
  const finals = Array.isArray(output) ? output : [];
  const known = state.items.size;
  for (const [index, value] of finals.entries()) {
    const isNew = !state.items.has(index);
    // Where indexes don't match the list, an item that looks new may well be one that was sent.
    if (isObject(value) && (!isNew || known < finals.length)) yield* endItem(state, index, value);
  }
  for (const item of state.items.values()) yield* endParts(item);
}

function stringOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
