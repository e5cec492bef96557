/**
 * Output items of a client's stream as frames. An item stays open until the next one begins or the answer ends, since
 * several parts may share it and only the end tells whether it is complete (TRANSLATION.md, 4.3 and 4.6).
 */
import type { JsonObject } from "../../base/fields.ts";
import { Mould } from "../../base/mould.ts";
import { namedFrame } from "../../base/sse.ts";
import type { Answer, Losses } from "../../format.ts";
import type { Citation, Item, Opaque, Part, ReasoningPart, ToolCallPart } from "../../neutral.ts";
import { clientToolsOf } from "./client_tools.ts";
import {
  callItem,
  type ItemStatus,
  messageItem,
  reasoningItem,
  refusalContent,
  textContent,
  wholeArguments,
} from "./output_encode.ts";

export interface OpenMessage {
  type: "message";
  id: string;
  origin: Item | undefined;
  content: JsonObject[];
}
export interface OpenReasoning {
  type: "reasoning";
  id: string;
  /** The part that it began with. */
  part: ReasoningPart;
  summary: string[];
  content: string[];
  opaques: Opaque[];
}
export interface OpenCall {
  type: "call";
  id: string;
  part: ToolCallPart;
  text: string;
}
export type OpenItem = OpenMessage | OpenReasoning | OpenCall;

export interface OpenPart {
  part: Part;
  /** Its place within its item, once it has begun to speak. */
  index: number | undefined;
  text: string;
  citations: Citation[];
  logprobs: unknown[];
  /** A compaction's: reasoning keeps them with its item. */
  opaques: Opaque[];
  /** Of its deltas, once the first has come. */
  mould: FrameMould | undefined;
}

export interface FrameState {
  sequence: number;
  losses: Losses;
  /** Names of tools whose calls are items of their own kinds. */
  clientTools: ReadonlySet<string>;
  /** The items that have ended. */
  output: JsonObject[];
  item: OpenItem | undefined;
  part: OpenPart | undefined;
  hasRefusal: boolean;
  /** Characters of text in parts that have ended: citations count from the answer's beginning. */
  textLength: number;
}

export function newFrameState({ losses, request }: Answer): FrameState {
  return {
    sequence: 0,
    losses,
    clientTools: clientToolsOf(request),
    output: [],
    item: undefined,
    part: undefined,
    hasRefusal: false,
    textLength: 0,
  };
}

/** An event's type, and its members in the vendor's order. */
export type FrameParts = readonly [type: string, members: JsonObject];

/** Every event has its type and its number. */
export function frame(state: FrameState, type: string, members: JsonObject): string {
  return namedFrame(type, JSON.stringify({ type, sequence_number: state.sequence++, ...members }));
}

/** Frames of one type that differ in their number and in one string alone. */
export class FrameMould {
  readonly #head: string;
  readonly #members: Mould;

  /** `make`: the type, and members that hold the string. */
  constructor(make: (text: string) => FrameParts) {
    const [type] = make("");
    this.#head = `event: ${type}\ndata: {"type":${JSON.stringify(type)},"sequence_number":`;
    this.#members = new Mould((text) => `,${JSON.stringify(make(text)[1]).slice(1)}\n\n`);
  }

  /** What `frame` makes of the same. */
  fill(state: FrameState, text: string): string {
    return this.#head + state.sequence++ + this.#members.fill(text);
  }
}

/** Ends the item before it. */
export function* beginItem(state: FrameState, item: OpenItem): Generator<string> {
  yield* endItem(state, "completed");
  state.item = item;
  yield frame(state, "response.output_item.added", {
    output_index: state.output.length,
    item: itemOf(item, "in_progress"),
  });
}

export function* endItem(state: FrameState, status: "completed" | "incomplete"): Generator<string> {
  if (state.item === undefined) return;
  const item = itemOf(state.item, status);
  yield frame(state, "response.output_item.done", { output_index: state.output.length, item });
  state.output.push(item);
  state.item = undefined;
}

/** An item that comes whole, announced and ended at once. */
export function* addWhole(state: FrameState, item: JsonObject): Generator<string> {
  yield* endItem(state, "completed");
  yield frame(state, "response.output_item.added", { output_index: state.output.length, item });
  yield frame(state, "response.output_item.done", { output_index: state.output.length, item });
  state.output.push(item);
}

/** The item with all parts that have ended. Encrypted content is told when it is complete. */
function itemOf(item: OpenItem, status: ItemStatus): JsonObject {
  const isNew = status === "in_progress";
  switch (item.type) {
    case "message":
      return messageItem(item.id, status, item.content, item.origin);
    case "reasoning":
      return reasoningItem(item.id, item, isNew ? null : item.opaques);
    case "call":
      return callItem(item.id, status, item.part, isNew ? "" : wholeArguments(item.part, item.text));
    default:
      return item satisfies never;
  }
}

/** All items, the open one with what it says so far: for an answer that breaks off. */
export function outputSoFar(state: FrameState): JsonObject[] {
  const { item, part } = state;
  if (item === undefined) return state.output;
  if (item.type === "call") {
    return [...state.output, callItem(item.id, "incomplete", item.part, part?.text ?? item.text)];
  }
  return [...state.output, itemOf(part?.index === undefined ? item : withPart(item, part), "incomplete")];
}

function withPart(item: OpenMessage | OpenReasoning, { part, text, logprobs }: OpenPart): OpenItem {
  if (item.type === "message") {
    const content = part.kind === "refusal" ? refusalContent(text) : textContent(text, [], logprobs);
    return { ...item, content: [...item.content, content] };
  }
  return part.kind === "reasoning" && part.form === "full"
    ? { ...item, content: [...item.content, text] }
    : { ...item, summary: [...item.summary, text] };
}
