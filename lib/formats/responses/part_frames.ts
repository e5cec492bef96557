/**
 * Parts of a client's stream as frames: no delta before its item and part, no end without its `done`s (PITFALLS 2). Of a
 * part nothing is written before it says something.
 */
import type { JsonObject } from "../../base/fields.ts";
import type { Citation, NativePart, Opaque, Part, ReasoningPart, ToolCallPart } from "../../neutral.ts";
import { ownItemId } from "../../translation/ids.ts";
import { clientCallItem } from "./client_tools.ts";
import {
  addWhole,
  beginItem,
  frame,
  FrameMould,
  type FrameParts,
  type FrameState,
  type OpenPart,
  type OpenReasoning,
} from "./item_frames.ts";
import {
  callPrefix,
  compactionItem,
  encodeAnnotations,
  itemId,
  loseMembers,
  nativeItem,
  refusalContent,
  textContent,
  wholeArguments,
} from "./output_encode.ts";
import { FORMAT } from "./wire.ts";

/** What the part holds already is written at once. */
export function* beginPart(state: FrameState, part: Part): Generator<string> {
  const open: OpenPart = {
    part,
    index: undefined,
    text: "",
    citations: [],
    logprobs: [],
    opaques: [],
    mould: undefined,
  };
  state.part = open;
  switch (part.kind) {
    case "text":
      open.citations.push(...part.citations ?? []);
      return yield* addDelta(state, part.text, part.logprobs);
    case "refusal":
      return yield* addDelta(state, part.text);
    case "reasoning":
      yield* addDelta(state, part.text);
      for (const opaque of part.opaque ?? []) yield* addOpaque(state, opaque);
      return;
    case "tool_call":
      if (!state.clientTools.has(part.name)) yield* beginCall(state, open, part);
      return yield* addDelta(state, part.arguments);
    case "compaction":
      open.text = part.text ?? "";
      open.opaques.push(...part.opaque ?? []);
      return;
    case "native":
      return yield* addNative(state, open, part);
    case "image":
    case "audio":
    case "video":
    case "document":
    case "search_result":
    case "tool_result":
      return yield* addWords(state, open, undefined);
    default:
      return part satisfies never;
  }
}

/** Runs once per token. */
export function addDelta(state: FrameState, delta: string, logprobs?: unknown[]): Iterable<string> {
  const open = state.part;
  if (open === undefined || delta === "") return [];
  if (open.index === undefined) return beginAndAdd(state, open, delta, logprobs);
  return [writeDelta(state, open, delta, logprobs)];
}

function* beginAndAdd(state: FrameState, open: OpenPart, delta: string, logprobs?: unknown[]): Generator<string> {
  yield* beginContent(state, open);
  if (open.index === undefined) open.text += delta;
  else yield writeDelta(state, open, delta, logprobs);
}

function writeDelta(state: FrameState, open: OpenPart, delta: string, logprobs: unknown[] = []): string {
  open.text += delta;
  if (logprobs.length > 0) {
    open.logprobs.push(...logprobs);
    return frame(state, ...deltaEvent(state, open, delta, logprobs));
  }
  open.mould ??= new FrameMould((text) => deltaEvent(state, open, text, logprobs));
  return open.mould.fill(state, delta);
}

function deltaEvent(state: FrameState, { part, index }: OpenPart, delta: string, logprobs: unknown[]): FrameParts {
  const item_id = state.item?.id;
  const output_index = state.output.length;
  switch (part.kind) {
    case "refusal":
      return ["response.refusal.delta", { item_id, output_index, content_index: index, delta }];
    case "reasoning":
      return part.form === "full"
        ? ["response.reasoning_text.delta", { item_id, output_index, content_index: index, delta }]
        : ["response.reasoning_summary_text.delta", { item_id, output_index, summary_index: index, delta }];
    case "tool_call":
      return [argumentsEvent(part, "delta"), { item_id, output_index, delta }];
    default:
      return ["response.output_text.delta", { item_id, output_index, content_index: index, delta, logprobs }];
  }
}

function argumentsEvent(part: ToolCallPart, step: "delta" | "done"): string {
  const name = part.toolKind === "custom" ? "custom_tool_call_input" : "function_call_arguments";
  return `response.${name}.${step}`;
}

/** The part begins to speak: its item first, where that isn't the open one. Some say nothing before their end. */
function beginContent(state: FrameState, open: OpenPart): Iterable<string> {
  switch (open.part.kind) {
    case "text":
    case "refusal":
      return beginMessageContent(state, open, open.part.kind);
    case "reasoning":
      return beginReasoningText(state, open, open.part);
    default:
      return [];
  }
}

function* beginMessageContent(state: FrameState, open: OpenPart, kind: "text" | "refusal"): Generator<string> {
  const origin = open.part.item;
  if (state.item?.type !== "message" || state.item.origin !== origin) {
    // An id is free only when the item before has taken its own.
    const id = itemId("msg_", origin?.id, state.output);
    yield* beginItem(state, { type: "message", id, origin, content: [] });
  }
  open.index = state.item?.type === "message" ? state.item.content.length : 0;
  if (kind === "refusal") state.hasRefusal = true;
  yield frame(state, "response.content_part.added", {
    ...contentPlace(state, open),
    part: kind === "refusal" ? refusalContent("") : textContent("", [], []),
  });
}

function* beginReasoningText(state: FrameState, open: OpenPart, part: ReasoningPart): Generator<string> {
  const item = yield* ensureReasoning(state, part);
  if (part.form === "full") {
    open.index = item.content.length;
    yield frame(state, "response.content_part.added", { ...contentPlace(state, open), part: reasoningText("") });
  } else {
    open.index = item.summary.length;
    yield frame(state, "response.reasoning_summary_part.added", {
      ...summaryPlace(state, open),
      part: summaryText(""),
    });
  }
}

/** Parts of one item of the upstream's stay in one item. */
function* ensureReasoning(state: FrameState, part: ReasoningPart): Generator<string, OpenReasoning> {
  const open = state.item;
  if (open?.type === "reasoning") {
    if (open.part === part || (part.item !== undefined && open.part.item === part.item)) return open;
  }
  const id = itemId("rs_", part.id, state.output);
  const item: OpenReasoning = { type: "reasoning", id, part, summary: [], content: [], opaques: [] };
  yield* beginItem(state, item);
  return item;
}

function contentPlace(state: FrameState, open: OpenPart): JsonObject {
  return { item_id: state.item?.id, output_index: state.output.length, content_index: open.index };
}

function summaryPlace(state: FrameState, open: OpenPart): JsonObject {
  return { item_id: state.item?.id, output_index: state.output.length, summary_index: open.index };
}

function reasoningText(text: string): JsonObject {
  return { type: "reasoning_text", text };
}

function summaryText(text: string): JsonObject {
  return { type: "summary_text", text };
}

export function* addOpaque(state: FrameState, opaque: Opaque): Generator<string> {
  const part = state.part?.part;
  if (part?.kind === "reasoning") (yield* ensureReasoning(state, part)).opaques.push(opaque);
  else if (part?.kind === "compaction") state.part?.opaques.push(opaque);
}

export function addCitation(state: FrameState, citation: Citation): void {
  state.part?.citations.push(citation);
}

function* beginCall(state: FrameState, open: OpenPart, part: ToolCallPart): Generator<string> {
  const id = itemId(callPrefix(part), part.itemId, state.output);
  yield* beginItem(state, { type: "call", id, part, text: "" });
  open.index = 0;
}

function* addNative(state: FrameState, open: OpenPart, part: NativePart): Generator<string> {
  if (part.format === FORMAT && part.item === undefined) return yield* addWhole(state, nativeItem(part));
  yield* addWords(state, open, part.text);
}

/** The next item's place, as a whole answer counts them: the item that is still open is one already. */
function nextPlace({ output, item }: FrameState): number {
  return output.length + (item === undefined ? 0 : 1);
}

/** What this format has no item for, in words where it has any. */
function* addWords(state: FrameState, open: OpenPart, text: string | undefined): Generator<string> {
  state.losses.add(`output[${nextPlace(state)}]`, "responses has no such item");
  if (text === undefined || text === "") return;
  open.part = { kind: "text", text: "" };
  yield* addDelta(state, text);
}

export function* endPart(state: FrameState): Generator<string> {
  const open = state.part;
  if (open === undefined) return;
  if (open.part.kind === "compaction") yield* endCompaction(state, open);
  if (open.part.kind === "tool_call" && open.index === undefined) yield* endClientCall(state, open, open.part);
  if (open.index !== undefined) yield* endContent(state, open);
  state.part = undefined;
}

function* endCompaction(state: FrameState, open: OpenPart): Generator<string> {
  const { text, opaques, part } = open;
  open.text = "";
  loseMembers(part, state.losses, nextPlace(state));
  yield* addWhole(state, compactionItem(itemId("cmp_", part.item?.id, state.output), text, opaques));
}

/** Its item holds the arguments as an object, and so can't be told before they are whole. */
function* endClientCall(state: FrameState, open: OpenPart, part: ToolCallPart): Generator<string> {
  const item = clientCallItem(part, open.text, ownItemId);
  if (item !== undefined) return yield* addWhole(state, item);
  const { text } = open;
  open.text = "";
  yield* beginCall(state, open, part);
  yield* addDelta(state, text);
}

function* endContent(state: FrameState, open: OpenPart): Generator<string> {
  const { item } = state;
  switch (item?.type) {
    case "message":
      item.content.push(open.part.kind === "refusal" ? yield* endRefusal(state, open) : yield* endText(state, open));
      return;
    case "reasoning":
      return yield* endReasoning(state, open, item);
    case "call":
      item.text = open.text;
      return yield* endArguments(state, item.part, open.text);
    case undefined:
      return;
    default:
      return item satisfies never;
  }
}

function* endText(state: FrameState, open: OpenPart): Generator<string, JsonObject> {
  const place = contentPlace(state, open);
  const annotations = encodeAnnotations(open.citations, open.text, state.textLength, state.losses);
  state.textLength += open.text.length;
  for (const [annotation_index, annotation] of annotations.entries()) {
    yield frame(state, "response.output_text.annotation.added", { ...place, annotation_index, annotation });
  }
  const part = textContent(open.text, annotations, open.logprobs);
  yield frame(state, "response.output_text.done", { ...place, text: open.text, logprobs: open.logprobs });
  yield frame(state, "response.content_part.done", { ...place, part });
  return part;
}

function* endRefusal(state: FrameState, open: OpenPart): Generator<string, JsonObject> {
  const place = contentPlace(state, open);
  const part = refusalContent(open.text);
  yield frame(state, "response.refusal.done", { ...place, refusal: open.text });
  yield frame(state, "response.content_part.done", { ...place, part });
  return part;
}

function* endReasoning(state: FrameState, open: OpenPart, item: OpenReasoning): Generator<string> {
  const { part, text } = open;
  if (part.kind === "reasoning" && part.form === "full") {
    const place = contentPlace(state, open);
    yield frame(state, "response.reasoning_text.done", { ...place, text });
    yield frame(state, "response.content_part.done", { ...place, part: reasoningText(text) });
    item.content.push(text);
  } else {
    const place = summaryPlace(state, open);
    yield frame(state, "response.reasoning_summary_text.done", { ...place, text });
    yield frame(state, "response.reasoning_summary_part.done", { ...place, part: summaryText(text) });
    item.summary.push(text);
  }
}

function* endArguments(state: FrameState, part: ToolCallPart, text: string): Generator<string> {
  const place = { item_id: state.item?.id, output_index: state.output.length };
  const whole = wholeArguments(part, text);
  // Clients that add up deltas must come to the same end.
  const rest = whole.slice(text.length);
  if (rest !== "") yield frame(state, argumentsEvent(part, "delta"), { ...place, delta: rest });
  const members = part.toolKind === "custom" ? { input: whole } : { name: part.name, arguments: whole };
  yield frame(state, argumentsEvent(part, "done"), { ...place, ...members });
}
