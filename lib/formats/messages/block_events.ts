/**
 * The blocks of an upstream's stream (TRANSLATION.md, 4.2 and 4.4). By the grammar one is open at a time; a start or stop
 * that is missing is made up for, and blocks that overlap are kept apart.
 */
import { type Failure, protocolFault } from "../../base/failure.ts";
import { Faults, Fields, isObject, type JsonObject } from "../../base/fields.ts";
import type { Target } from "../../format.ts";
import type { NeutralEvent, Part } from "../../neutral.ts";
import { randomId } from "../../translation/ids.ts";
import { decodeBlock } from "./block_decode.ts";
import { decodeCitation } from "./citation.ts";
import { now } from "./response.ts";
import { formOf, opaquesOf } from "./signature.ts";
import { decodeTier, decodeUsage } from "./usage.ts";

/** A block between its start and its stop. */
interface Block {
  /** Its part's index. */
  i: number;
  kind: "text" | "reasoning" | "tool_call" | "compaction" | "native";
  /** Arguments so far, of calls and of native blocks. */
  input: string;
  /** What the start said the input is; deltas say better. */
  startInput: string;
  signature: string;
  /** kind `native`: the block itself, emitted whole at its stop. */
  value: JsonObject;
}

export interface State {
  target: Target;
  started: boolean;
  id: string;
  /** The stop reason has been told: more content is none. */
  finished: boolean;
  /** After `end` or `error`. */
  done: boolean;
  nextPart: number;
  /** Open blocks by the upstream's index. */
  open: Map<number, Block>;
  hasCall: boolean;
  usage: JsonObject | undefined;
  usageTold: boolean;
  /** What holds the stop reason. */
  stop: JsonObject;
}

export function newState(target: Target): State {
  return {
    target,
    started: false,
    id: "",
    finished: false,
    done: false,
    nextPart: 0,
    open: new Map(),
    hasCall: false,
    usage: undefined,
    usageTold: false,
    stop: {},
  };
}

export function* failed(state: State, failure: Failure): Generator<NeutralEvent> {
  state.done = true;
  yield { t: "error", failure };
}

/** The one `start` event; also for servers that forgot theirs. */
export function* start(state: State, model: unknown): Generator<NeutralEvent> {
  state.started = true;
  const usage = decodeUsage(state.usage);
  const serviceTier = decodeTier(state.usage);
  yield {
    t: "start",
    id: state.id,
    model: typeof model === "string" ? model : state.target.model,
    createdAt: now(),
    // Some servers don't know yet and say 0.
    ...(usage !== undefined && usage.inputTokens > 0 ? { usage } : {}),
    ...(serviceTier === undefined ? {} : { serviceTier }),
  };
}

export function* blockStart(state: State, data: JsonObject): Generator<NeutralEvent> {
  if (state.finished) return;
  if (!state.started) yield* start(state, undefined);
  const index = indexOf(data);
  yield* closeEarlier(state, index);
  const raw = data["content_block"];
  const faults = new Faults();
  const part = decodeBlock(new Fields(faults, withId(raw), "content_block"), {
    side: "answer",
    issuer: state.target.family,
  });
  if (faults.first !== undefined) {
    return yield* failed(state, protocolFault(`The upstream began a malformed block: ${faults.first.message}`));
  }
  yield* beginPart(state, index, part, isObject(raw) ? raw : {});
}

/** Some servers forget a call's id. */
function withId(block: unknown): unknown {
  return isObject(block) && block["type"] === "tool_use" && !block["id"] ? { ...block, id: randomId("toolu_") } : block;
}

export function indexOf(data: JsonObject): number {
  return typeof data["index"] === "number" ? data["index"] : 0;
}

/** A start ends what was open before it, but a call whose arguments aren't complete may still go on. */
function* closeEarlier(state: State, index: number): Generator<NeutralEvent> {
  for (const [key, block] of state.open) {
    if (key === index || block.kind !== "tool_call" || isComplete(block.input)) yield* closeBlock(state, key);
  }
}

function isComplete(input: string): boolean {
  try {
    JSON.parse(input);
    return true;
  } catch {
    return false;
  }
}

function* beginPart(state: State, index: number, part: Part, raw: JsonObject): Generator<NeutralEvent> {
  switch (part.kind) {
    case "text": {
      const { i } = yield* open(state, index, "text", { kind: "text", text: "" });
      if (part.text !== "") yield { t: "text", c: 0, i, delta: part.text };
      for (const citation of part.citations ?? []) yield { t: "citation", c: 0, i, citation };
      return;
    }
    case "reasoning":
      if (part.form === "redacted") return yield* wholePart(state, part);
      return yield* beginReasoning(state, index, part.text, raw);
    case "tool_call": {
      const block = yield* open(state, index, "tool_call", { ...part, arguments: "" });
      block.startInput = part.arguments;
      state.hasCall = true;
      return;
    }
    case "compaction": {
      const { i } = yield* open(state, index, "compaction", {
        kind: "compaction",
        ...(part.extra === undefined ? {} : { extra: part.extra }),
      });
      if (part.text !== undefined && part.text !== "") yield { t: "text", c: 0, i, delta: part.text };
      for (const opaque of part.opaque ?? []) yield { t: "opaque", c: 0, i, opaque };
      return;
    }
    default:
      state.open.set(index, { ...newBlock(-1, "native"), value: raw });
  }
}

function* beginReasoning(state: State, index: number, text: string, raw: JsonObject): Generator<NeutralEvent> {
  const data = raw["type"] === "redacted_thinking" ? raw["data"] : raw["signature"];
  const signature = typeof data === "string" ? data : "";
  const form = formOf(opaquesOf(signature, "signature", state.target.family), text);
  const block = yield* open(state, index, "reasoning", { kind: "reasoning", text: "", form });
  block.signature = signature;
  if (text !== "") yield { t: "reasoning", c: 0, i: block.i, delta: text };
}

function* wholePart(state: State, part: Part): Generator<NeutralEvent> {
  const i = state.nextPart++;
  yield { t: "part_start", c: 0, i, part };
  yield { t: "part_end", c: 0, i };
}

function newBlock(i: number, kind: Block["kind"]): Block {
  return { i, kind, input: "", startInput: "", signature: "", value: {} };
}

function* open(
  state: State,
  index: number,
  kind: Block["kind"],
  part: Part,
): Generator<NeutralEvent, Block> {
  const block = newBlock(state.nextPart++, kind);
  state.open.set(index, block);
  yield { t: "part_start", c: 0, i: block.i, part };
  return block;
}

export function blockDelta(state: State, data: JsonObject): Iterable<NeutralEvent> {
  const delta = data["delta"];
  if (state.finished || !isObject(delta)) return NONE;
  const index = indexOf(data);
  switch (delta["type"]) {
    case "text_delta":
      return textDelta(state, index, "text", textOf(delta["text"]));
    case "thinking_delta":
      return textDelta(state, index, "reasoning", textOf(delta["thinking"]));
    case "input_json_delta":
      return inputDelta(state, index, textOf(delta["partial_json"]));
    case "signature_delta":
      return signatureDelta(state, index, textOf(delta["signature"]));
    case "citations_delta":
      return citationDelta(state, index, delta["citation"]);
    case "compaction_delta":
      return compactionDelta(state, index, delta);
    default:
      return state.started ? [{ t: "native", format: "messages", event: data }] : NONE;
  }
}

const NONE: readonly NeutralEvent[] = [];

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function textDelta(state: State, index: number, kind: "text" | "reasoning", delta: string): Iterable<NeutralEvent> {
  if (delta === "") return NONE;
  const block = state.open.get(index);
  if (block?.kind === kind) return [{ t: kind, c: 0, i: block.i, delta }];
  if (block?.kind !== "native") return unannouncedDelta(state, index, kind, delta);
  const key = kind === "text" ? "text" : "thinking";
  block.value = { ...block.value, [key]: textOf(block.value[key]) + delta };
  return NONE;
}

/** Of a server that forgot the block's start, or goes on with another kind within it. */
function* unannouncedDelta(
  state: State,
  index: number,
  kind: "text" | "reasoning",
  delta: string,
): Generator<NeutralEvent> {
  if (!state.started) yield* start(state, undefined);
  yield* closeBlock(state, index);
  const part: Part = kind === "text" ? { kind, text: "" } : { kind, text: "", form: "full" };
  const { i } = yield* open(state, index, kind, part);
  yield { t: kind, c: 0, i, delta };
}

function inputDelta(state: State, index: number, delta: string): Iterable<NeutralEvent> {
  if (delta === "") return NONE;
  const block = state.open.get(index);
  if (block?.kind !== "native" && block?.kind !== "tool_call") {
    return failed(state, protocolFault("The upstream sent arguments for a tool call that it didn't begin"));
  }
  block.input += delta;
  return block.kind === "native" ? NONE : [{ t: "arguments", c: 0, i: block.i, delta }];
}

/** Held until the stop: a later one replaces it, as it does in the SDKs. */
function signatureDelta(state: State, index: number, signature: string): Iterable<NeutralEvent> {
  const block = state.open.get(index);
  if (block?.kind === "native") block.value = { ...block.value, signature };
  else if (block !== undefined) block.signature = signature;
  return NONE;
}

function* citationDelta(state: State, index: number, value: unknown): Generator<NeutralEvent> {
  const block = state.open.get(index);
  if (!isObject(value) || block?.kind !== "text") return;
  yield { t: "citation", c: 0, i: block.i, citation: decodeCitation(value) };
}

function* compactionDelta(state: State, index: number, delta: JsonObject): Generator<NeutralEvent> {
  const block = state.open.get(index);
  if (block?.kind !== "compaction") return;
  const text = textOf(delta["content"]);
  if (text !== "") yield { t: "text", c: 0, i: block.i, delta: text };
  for (const opaque of opaquesOf(textOf(delta["encrypted_content"]), "compaction", state.target.family)) {
    yield { t: "opaque", c: 0, i: block.i, opaque };
  }
}

export function* closeBlock(state: State, index: number): Generator<NeutralEvent> {
  const block = state.open.get(index);
  if (block === undefined) return;
  state.open.delete(index);
  if (block.kind === "native") return yield* wholePart(state, nativePart(block));
  if (block.kind === "tool_call" && block.input === "") {
    yield { t: "arguments", c: 0, i: block.i, delta: block.startInput };
  }
  if (block.kind === "reasoning") {
    for (const opaque of opaquesOf(block.signature, "signature", state.target.family)) {
      yield { t: "opaque", c: 0, i: block.i, opaque };
    }
  }
  yield { t: "part_end", c: 0, i: block.i };
}

function nativePart(block: Block): Part {
  return { kind: "native", format: "messages", value: { ...block.value, ...inputOf(block.input) } };
}

/** A server tool's input, put together. One that broke off stays as the start gave it. */
function inputOf(text: string): JsonObject {
  try {
    return text === "" ? {} : { input: JSON.parse(text) };
  } catch {
    return {};
  }
}
