/**
 * Neutral events to a client's stream (TRANSLATION.md, 4.2 and 4.6): one block open at a time (the sequencer sees to
 * it), blocks that open with their first content, one `message_delta` with everything that is only known at the end.
 */
import type { JsonObject } from "../../base/fields.ts";
import { Mould } from "../../base/mould.ts";
import { namedFrame } from "../../base/sse.ts";
import type { Answer, Losses, StreamEncoder } from "../../format.ts";
import type { Citation, NeutralEvent, Opaque, Part, Stop, ToolCallPart, Usage } from "../../neutral.ts";
import { argumentsObject, customAsArguments } from "../../translation/arguments.ts";
import { tokensOfBytes } from "../../translation/estimate.ts";
import { answerId } from "../../translation/ids.ts";
import { answerBlocks, callStart, compactionBlock, endsMidway, newSeen, redactedBlock } from "./answer_block.ts";
import { encodeCitation } from "./citation.ts";
import { errorFrame } from "./error.ts";
import { signatureOf } from "./signature.ts";
import { encodeStop, type Seen } from "./stop.ts";
import { encodeTier, encodeUsage } from "./usage.ts";

/** The part that is open. Text and reasoning have no block before their first content. */
interface Open {
  part: Part;
  started: boolean;
  /** Arguments, or a compaction's text, so far. */
  text: string;
  /** Arguments of an object pass live; anything else waits, and goes as an object at the end. */
  passing: "undecided" | "live" | "held";
  opaques: Opaque[];
  /** Citations that came before the text. */
  citations: Citation[];
  /** Of its deltas, once the first has come. */
  mould: Mould | undefined;
}

interface State {
  requestId: string;
  model: string;
  estimatedInputTokens: number;
  losses: Losses;
  /** The index of the open block, or of the next. */
  index: number;
  open: Open | undefined;
  seen: Seen;
  stop: Stop;
  usage: Usage | undefined;
  /** Members of the answer that this format alone has: its container, say. */
  own: JsonObject;
  outputLength: number;
  done: boolean;
}

function newState(answer: Answer): State {
  return {
    requestId: answer.requestId,
    model: answer.model,
    estimatedInputTokens: answer.estimatedInputTokens,
    losses: answer.losses,
    index: 0,
    open: undefined,
    seen: newSeen(),
    stop: { reason: "unknown" },
    usage: undefined,
    own: {},
    outputLength: 0,
    done: false,
  };
}

export const PING = frame({ type: "ping" });

export function openEncoder(answer: Answer): StreamEncoder {
  const state = newState(answer);
  return { encode: (event) => encodeEvent(state, event) };
}

const NOTHING: readonly string[] = [];

function encodeEvent(state: State, event: NeutralEvent): Iterable<string> {
  // Other candidates were refused when they were asked for.
  if (state.done || ("c" in event && event.c !== 0)) return NOTHING;
  switch (event.t) {
    case "text":
    case "refusal":
      return textDelta(state, event.delta);
    case "reasoning":
      return reasoningDelta(state, event.delta);
    case "arguments":
      return argumentsDelta(state, event.delta);
    case "start":
      return [messageStart(state, event)];
    case "part_start":
      return partStart(state, event.part);
    case "part_end":
      return partEnd(state);
    case "citation":
      return citation(state, event.citation);
    case "opaque":
      state.open?.opaques.push(event.opaque);
      return NOTHING;
    case "finish":
      state.stop = event.stop;
      return NOTHING;
    case "usage":
      state.usage = event.usage;
      return NOTHING;
    case "keepalive":
      return [PING];
    case "native":
      return native(event.format, event.event);
    case "error":
      state.done = true;
      return [errorFrame(event.failure, state.requestId)];
    case "end":
      return messageEnd(state);
    default:
      return event satisfies never;
  }
}

/** Every event of this format has its type as its name too: SDKs skip those without one. */
function frame(event: { type: string } & JsonObject): string {
  return namedFrame(event.type, JSON.stringify(event));
}

function blockDelta(state: State, delta: JsonObject): string {
  return frame({ type: "content_block_delta", index: state.index, delta });
}

function messageStart(state: State, event: Extract<NeutralEvent, { t: "start" }>): string {
  const counted = event.usage !== undefined && event.usage.inputTokens > 0;
  const usage = counted && event.usage !== undefined ? event.usage : estimatedUsage(state);
  if (event.extra?.format === "messages") state.own = event.extra.fields;
  return frame({
    type: "message_start",
    message: {
      id: answerId("msg_", event.id, state.requestId),
      type: "message",
      role: "assistant",
      model: state.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      stop_details: null,
      container: null,
      diagnostics: null,
      ...state.own,
      usage: { ...encodeTier(event.serviceTier), ...encodeUsage(usage) },
    },
  });
}

function estimatedUsage(state: State): Usage {
  return {
    inputTokens: state.estimatedInputTokens,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: state.outputLength === 0 ? 0 : tokensOfBytes(state.outputLength),
    reasoningTokens: 0,
    estimated: true,
  };
}

function* partStart(state: State, part: Part): Generator<string> {
  const open: Open = {
    part,
    started: false,
    text: "",
    passing: "undecided",
    opaques: [...(part.opaque ?? [])],
    citations: [],
    mould: undefined,
  };
  state.open = open;
  switch (part.kind) {
    case "text":
      return yield* textDelta(state, part.text);
    case "refusal":
      state.seen.refusal = true;
      return yield* textDelta(state, part.text);
    case "reasoning":
      return yield* reasoningDelta(state, part.text);
    case "tool_call":
      state.seen.call = true;
      yield startBlock(state, open, callStart(part, {}));
      return yield* argumentsDelta(state, part.arguments);
    case "compaction":
      open.text = part.text ?? "";
      return;
    default:
      return yield* wholeBlocks(state, part);
  }
}

function startBlock(state: State, open: Open, block: JsonObject): string {
  open.started = true;
  return frame({ type: "content_block_start", index: state.index, content_block: block });
}

function stopBlock(state: State): string {
  return frame({ type: "content_block_stop", index: state.index++ });
}

/** Parts that come whole. A server tool's input streams as the API streams it, since clients read it there. */
function* wholeBlocks(state: State, part: Part): Generator<string> {
  for (const block of answerBlocks(part, `content[${state.index}]`, state.seen, state.losses)) {
    const type = block["type"];
    const streamed = typeof type === "string" && type.endsWith("_tool_use") && block["input"] !== undefined;
    yield frame({
      type: "content_block_start",
      index: state.index,
      content_block: streamed ? { ...block, input: {} } : block,
    });
    if (streamed) yield inputDelta(state, JSON.stringify(block["input"]));
    yield stopBlock(state);
  }
}

function textDelta(state: State, delta: string): Iterable<string> {
  const { open } = state;
  if (open === undefined || delta === "") return NOTHING;
  state.outputLength += delta.length;
  if (open.part.kind !== "compaction") {
    open.mould ??= new Mould((text) => blockDelta(state, { type: "text_delta", text }));
    const frame = open.mould.fill(delta);
    return open.started ? [frame] : beginText(state, open, frame);
  }
  open.text += delta;
  return NOTHING;
}

function* beginText(state: State, open: Open, first: string): Generator<string> {
  yield startBlock(state, open, { type: "text", text: "", citations: null });
  for (const early of open.citations) yield* citation(state, early);
  yield first;
}

function reasoningDelta(state: State, delta: string): Iterable<string> {
  const { open } = state;
  if (open === undefined || delta === "") return NOTHING;
  state.outputLength += delta.length;
  open.mould ??= new Mould((thinking) => blockDelta(state, { type: "thinking_delta", thinking }));
  const frame = open.mould.fill(delta);
  return open.started ? [frame] : [startBlock(state, open, EMPTY_THINKING), frame];
}

const EMPTY_THINKING: JsonObject = { type: "thinking", thinking: "", signature: "" };

function argumentsDelta(state: State, delta: string): Iterable<string> {
  const { open } = state;
  if (open === undefined || delta === "") return NOTHING;
  state.outputLength += delta.length;
  open.text += delta;
  if (open.passing === "live") {
    open.mould ??= new Mould((json) => inputDelta(state, json));
    return [open.mould.fill(delta)];
  }
  const text = open.passing === "undecided" ? open.text.trimStart() : "";
  if (text === "") return NOTHING;
  open.passing = text.startsWith("{") && !isCustom(open.part) ? "live" : "held";
  return open.passing === "live" ? [inputDelta(state, text)] : NOTHING;
}

function inputDelta(state: State, json: string): string {
  return blockDelta(state, { type: "input_json_delta", partial_json: json });
}

function isCustom(part: Part): boolean {
  return part.kind === "tool_call" && part.toolKind === "custom";
}

function* citation(state: State, citation: Citation): Generator<string> {
  const { open } = state;
  if (open === undefined) return;
  const encoded = encodeCitation(citation);
  if (encoded === undefined) state.losses.add(`content[${state.index}].citations`, "messages can't hold it");
  else if (open.started) yield blockDelta(state, { type: "citations_delta", citation: encoded });
  else open.citations.push(citation);
}

function* partEnd(state: State): Generator<string> {
  const { open } = state;
  state.open = undefined;
  if (open === undefined) return;
  switch (open.part.kind) {
    case "reasoning":
      return yield* endReasoning(state, open);
    case "tool_call":
      return yield* endCall(state, open, open.part);
    case "compaction":
      return yield* endCompaction(state, open);
    default:
      if (open.opaques.length > 0) lostOpaque(state);
      if (open.started) yield stopBlock(state);
  }
}

function lostOpaque(state: State): void {
  state.losses.add(`content[${state.index}].opaque`, "messages signs thinking alone");
}

/** The signature goes once and whole: clients replace what they have by it. */
function* endReasoning(state: State, open: Open): Generator<string> {
  const { part, opaques } = open;
  if (!open.started && opaques.length === 0) return;
  if (!open.started && part.kind === "reasoning" && part.form === "redacted") {
    yield startBlock(state, open, redactedBlock(opaques));
    return yield stopBlock(state);
  }
  if (!open.started) yield startBlock(state, open, EMPTY_THINKING);
  yield blockDelta(state, { type: "signature_delta", signature: signatureOf(opaques) });
  yield stopBlock(state);
}

/** Arguments that broke off are out already: the stop reason must say that the call isn't complete (PITFALLS, 37). */
function* endCall(state: State, open: Open, part: ToolCallPart): Generator<string> {
  if (open.opaques.length > 0) lostOpaque(state);
  if (open.passing === "live") {
    if (!isJson(open.text)) state.seen.brokenCall = true;
  } else if (open.passing === "held") {
    yield inputDelta(state, heldArguments(state, open.text, part));
  }
  yield stopBlock(state);
}

function heldArguments(state: State, text: string, part: ToolCallPart): string {
  if (part.toolKind === "custom") return customAsArguments(text);
  if (endsMidway(text)) state.seen.brokenCall = true;
  return JSON.stringify(argumentsObject(text, state.losses, `content[${state.index}]`));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Whole in its start, which every accumulator takes; deltas of it only newer ones know. */
function* endCompaction(state: State, open: Open): Generator<string> {
  const part = { kind: "compaction" as const, opaque: open.opaques, ...(open.text === "" ? {} : { text: open.text }) };
  yield startBlock(state, open, compactionBlock(part));
  yield stopBlock(state);
}

/** Events that only this format has, but none of a block's: its index was the upstream's. */
function native(format: string, event: JsonObject): readonly string[] {
  const { type } = event;
  if (format !== "messages" || typeof type !== "string" || type.startsWith("content_block")) return NOTHING;
  return [namedFrame(type, JSON.stringify(event))];
}

function* messageEnd(state: State): Generator<string> {
  state.done = true;
  yield frame({
    type: "message_delta",
    delta: { ...encodeStop(state.stop, state.seen), container: state.own["container"] ?? null },
    usage: encodeUsage(state.usage ?? estimatedUsage(state)),
  });
  yield frame({ type: "message_stop" });
}
