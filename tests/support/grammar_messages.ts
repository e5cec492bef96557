/** TRANSLATION.md, 4.2 and 4.7: is this a legal Messages stream to its last event? */
import {
  asObject,
  type Frame,
  isCount,
  isObject,
  isText,
  type Json,
  parseObject,
  parsesAsObject,
  readFrames,
  requireKeys,
  show,
  Violations,
} from "./grammar.ts";

interface Block {
  type: string;
  /** Everything its deltas said, by kind. */
  text: string;
  json: string;
  signed: boolean;
  citations: number;
}

interface State {
  violations: Violations;
  started: boolean;
  blocks: Block[];
  open: Block | undefined;
  stopReason: string | undefined;
  end: "message_stop" | "error" | undefined;
}

const STOP_REASONS: ReadonlySet<unknown> = new Set([
  "end_turn",
  "max_tokens",
  "stop_sequence",
  "tool_use",
  "pause_turn",
  "refusal",
  "compaction",
  "model_context_window_exceeded",
]);
/** Reasons after which a call's JSON may stop anywhere. */
const TRUNCATING: ReadonlySet<string | undefined> = new Set(["max_tokens", "model_context_window_exceeded"]);
const CALLS: ReadonlySet<string> = new Set(["tool_use", "server_tool_use", "mcp_tool_use"]);
/** Blocks that come whole in their start event, without deltas. */
const WHOLE = /^(?:redacted_thinking|container_upload|compaction|\w+_tool_result)$/;
/** Which deltas a block takes. */
const DELTAS: Readonly<Record<string, string>> = {
  text_delta: "text",
  citations_delta: "text",
  thinking_delta: "thinking",
  signature_delta: "thinking",
};

/** All that is wrong with a whole stream; empty when it is legal. */
export function checkMessagesStream(text: string): string[] {
  const violations = new Violations();
  const state: State = {
    violations,
    started: false,
    blocks: [],
    open: undefined,
    stopReason: undefined,
    end: undefined,
  };
  for (const frame of readFrames(text, violations)) checkFrame(frame, state);
  violations.where = "end";
  violations.check(state.end !== undefined, "neither message_stop nor an error");
  return violations.list;
}

function checkFrame(frame: Frame, state: State): void {
  const { violations } = state;
  violations.where = `frame ${frame.number} (${frame.event})`;
  violations.check(state.end === undefined, `an event after ${state.end}`);
  violations.check(frame.event !== undefined, "no event: line");
  const data = parseObject(frame.data, violations);
  if (data === undefined) return;
  violations.check(data["type"] === frame.event, `event: ${frame.event} but type ${show(data["type"])}`);
  switch (data["type"]) {
    case "ping":
      return;
    case "error":
      return checkError(data, state);
    case "message_start":
      return checkStart(data, state);
  }
  violations.check(state.started, "before message_start");
  switch (data["type"]) {
    case "content_block_start":
      return checkBlockStart(data, state);
    case "content_block_delta":
      return checkBlockDelta(data, state);
    case "content_block_stop":
      return checkBlockStop(data, state);
    case "message_delta":
      return checkMessageDelta(data, state);
    case "message_stop":
      return checkStop(state);
    default:
      return violations.add("unknown event");
  }
}

function checkError(data: Json, state: State): void {
  const { violations } = state;
  state.end = "error";
  const error = asObject(data["error"]);
  violations.check(isText(error["type"]), "the error has no type");
  violations.check(isText(error["message"]), "the error has no message");
  violations.check(isText(data["request_id"]), "the error has no request_id");
}

function checkStart(data: Json, state: State): void {
  const { violations } = state;
  violations.check(!state.started, "a second message_start");
  state.started = true;
  const message = asObject(data["message"]);
  const { id, type, role, model, content, stop_reason, stop_sequence } = message;
  violations.check(isText(id) && id.startsWith("msg_"), `id ${show(id)}`);
  violations.check(type === "message", `type ${show(type)}`);
  violations.check(role === "assistant", `role ${show(role)}`);
  violations.check(isText(model), `model ${show(model)}`);
  violations.check(Array.isArray(content) && content.length === 0, `content ${show(content)}`);
  violations.check(stop_reason === null, `stop_reason ${show(stop_reason)}`);
  violations.check(stop_sequence === null, `stop_sequence ${show(stop_sequence)}`);
  requireKeys(message, ["container", "diagnostics", "stop_details"], "the message", violations);
  const usage = asObject(message["usage"]);
  violations.check(isCount(usage["output_tokens"]), `output_tokens ${show(usage["output_tokens"])}`);
  checkInputCounts(usage, violations);
  const input = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]
    .reduce((sum, key) => sum + Number(usage[key] ?? 0), 0);
  violations.check(input > 0, "message_start says 0 input tokens");
}

function checkInputCounts(usage: Json, violations: Violations): void {
  for (const key of ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]) {
    violations.check(isCount(usage[key]), `${key} ${show(usage[key])}`);
  }
}

function checkBlockStart(data: Json, state: State): void {
  const { violations } = state;
  violations.check(state.open === undefined, "a block is open already");
  violations.check(state.stopReason === undefined, "a block after message_delta");
  violations.check(data["index"] === state.blocks.length, `index ${show(data["index"])}, not ${state.blocks.length}`);
  const body = asObject(data["content_block"]);
  const block: Block = { type: String(body["type"]), text: "", json: "", signed: false, citations: 0 };
  state.blocks.push(block);
  state.open = block;
  checkBody(body, block.type, violations);
}

function checkBody(body: Json, type: string, violations: Violations): void {
  switch (type) {
    case "text":
      violations.check(body["text"] === "", `text begins with ${show(body["text"])}`);
      return requireKeys(body, ["citations"], "a text block", violations);
    case "thinking":
      violations.check(body["thinking"] === "", `thinking begins with ${show(body["thinking"])}`);
      return void violations.check(body["signature"] === "", `signature begins with ${show(body["signature"])}`);
    case "redacted_thinking":
      return void violations.check(isText(body["data"]), "redacted_thinking without data");
    case "tool_use":
      return checkToolUse(body, violations);
    default:
      violations.check(CALLS.has(type) || WHOLE.test(type), `unknown block type "${type}"`);
  }
}

function checkToolUse(body: Json, violations: Violations): void {
  const { id, name, input, caller } = body;
  violations.check(isText(id) && /^[a-zA-Z0-9_-]+$/.test(id), `tool id ${show(id)}`);
  violations.check(isText(name), `tool name ${show(name)}`);
  violations.check(isObject(input) && Object.keys(input).length === 0, `input begins with ${show(input)}`);
  violations.check(isText(asObject(caller)["type"]), `caller ${show(caller)}`);
}

function checkBlockDelta(data: Json, state: State): void {
  const { violations, open } = state;
  if (open === undefined) return violations.add("a delta without an open block");
  violations.check(
    data["index"] === state.blocks.length - 1,
    `index ${show(data["index"])} but ${state.blocks.length - 1} is open`,
  );
  const delta = asObject(data["delta"]);
  const type = String(delta["type"]);
  const fits = type === "input_json_delta" ? CALLS.has(open.type) : DELTAS[type] === open.type;
  if (!violations.check(fits, `${type} on a ${open.type} block`)) return;
  checkDelta(type, delta, open, violations);
}

function checkDelta(type: string, delta: Json, block: Block, violations: Violations): void {
  switch (type) {
    case "text_delta":
      if (violations.check(typeof delta["text"] === "string", "text_delta without text")) block.text += delta["text"];
      return;
    case "input_json_delta":
      if (!violations.check(typeof delta["partial_json"] === "string", "input_json_delta without partial_json")) return;
      block.json += delta["partial_json"];
      return;
    case "thinking_delta":
      violations.check(!block.signed, "thinking after its signature");
      if (!violations.check(typeof delta["thinking"] === "string", "thinking_delta without thinking")) return;
      block.text += delta["thinking"];
      return;
    case "signature_delta":
      violations.check(!block.signed, "a second signature_delta");
      violations.check(isText(delta["signature"]), "an empty signature_delta");
      block.signed = true;
      return;
    case "citations_delta":
      violations.check(isText(asObject(delta["citation"])["type"]), "citations_delta without citation");
      block.citations++;
  }
}

function checkBlockStop(data: Json, state: State): void {
  const { violations, open } = state;
  if (open === undefined) return violations.add("a stop without an open block");
  const index = state.blocks.length - 1;
  violations.check(data["index"] === index, `index ${show(data["index"])} but ${index} is open`);
  violations.check(open.type !== "text" || open.text !== "" || open.citations > 0, "an empty text block");
  violations.check(open.type !== "thinking" || open.text !== "" || open.signed, "an empty thinking block");
  state.open = undefined;
}

function checkMessageDelta(data: Json, state: State): void {
  const { violations } = state;
  violations.check(state.stopReason === undefined, "a second message_delta");
  violations.check(state.open === undefined, "message_delta with a block open");
  const delta = asObject(data["delta"]);
  const reason = delta["stop_reason"];
  state.stopReason = String(reason);
  violations.check(STOP_REASONS.has(reason), `stop_reason ${show(reason)}`);
  requireKeys(delta, ["stop_sequence"], "the delta", violations);
  violations.check(
    isText(delta["stop_sequence"]) === (reason === "stop_sequence"),
    `stop_reason ${show(reason)} with stop_sequence ${show(delta["stop_sequence"])}`,
  );
  const usage = asObject(data["usage"]);
  violations.check(isCount(usage["output_tokens"]), `output_tokens ${show(usage["output_tokens"])}`);
  checkInputCounts(usage, violations);
  checkReason(state);
}

function checkReason({ violations, blocks, stopReason }: State): void {
  const called = blocks.some((block) => block.type === "tool_use");
  violations.check(stopReason !== "tool_use" || called, "stop_reason tool_use without a call");
  violations.check(stopReason !== "end_turn" || !called, "stop_reason end_turn with a call");
  if (TRUNCATING.has(stopReason)) return;
  for (const block of blocks) {
    const complete = !CALLS.has(block.type) || block.json === "" || parsesAsObject(block.json);
    violations.check(complete, `a complete call with the input ${show(block.json)}`);
  }
}

function checkStop(state: State): void {
  state.violations.check(state.stopReason !== undefined, "message_stop without message_delta");
  state.end = "message_stop";
}
