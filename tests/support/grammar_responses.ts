/** TRANSLATION.md, 4.3 and 4.7, and Open Responses: is this a legal Responses stream to its last event? */
import { isDeepStrictEqual } from "node:util";
import {
  asArray,
  asObject,
  type Frame,
  isCount,
  isText,
  type Json,
  parseObject,
  parsesAsObject,
  readFrames,
  requireKeys,
  show,
  Violations,
} from "./grammar.ts";
import { faultsOfEvent } from "./open_responses.ts";

/** One content part or summary part of the open item. */
interface Part {
  type: string;
  text: string;
  annotations: unknown[];
  /** Its `….done` with the whole text has come. */
  told: boolean;
  closed: boolean;
}

interface Item {
  id: string;
  type: string;
  added: Json;
  parts: Part[];
  summary: Part[];
  /** Arguments or custom input so far. */
  input: string;
  /** The whole input, once its done event has come. */
  whole: string | undefined;
}

interface State {
  violations: Violations;
  /** Events so far, which is the sequence number that the next must have. */
  events: number;
  id: string | undefined;
  inProgress: boolean;
  open: Item | undefined;
  done: Json[];
  itemIds: Set<string>;
  failed: boolean;
  end: string | undefined;
  /** `[DONE]` has come: nothing may follow it. */
  over: boolean;
}

const STREAM_KEYS = [
  "id",
  "created_at",
  "error",
  "incomplete_details",
  "instructions",
  "metadata",
  "model",
  "object",
  "output",
  "parallel_tool_calls",
  "status",
  "temperature",
  "tool_choice",
  "tools",
  "top_p",
];
const ID_PREFIX: Readonly<Record<string, string>> = {
  message: "msg_",
  reasoning: "rs_",
  function_call: "fc_",
  custom_tool_call: "ctc_",
};
/** Event names of server tools' items (`response.web_search_call.searching`…) that the SDK's union declares. */
const SERVER_EVENT =
  /^response\.(?:web_search_call|file_search_call|code_interpreter_call|code_interpreter_call_code|image_generation_call|mcp_call|mcp_call_arguments|mcp_list_tools|shell_call_command|shell_call_output_content|compaction)\.\w+$/;

/** All that is wrong with a whole stream; empty when it is legal. */
export function checkResponsesStream(text: string): string[] {
  const violations = new Violations();
  const state: State = {
    violations,
    events: 0,
    id: undefined,
    inProgress: false,
    open: undefined,
    done: [],
    itemIds: new Set(),
    failed: false,
    end: undefined,
    over: false,
  };
  for (const frame of readFrames(text, violations)) checkFrame(frame, state);
  violations.where = "end";
  violations.check(state.end !== undefined, "no terminal event");
  violations.check(state.over, "no [DONE]");
  return violations.list;
}

function checkFrame(frame: Frame, state: State): void {
  const { violations } = state;
  violations.where = `frame ${frame.number} (${frame.event})`;
  violations.check(!state.over, "an event after [DONE]");
  if (frame.data === "[DONE]") {
    violations.check(frame.event === undefined, "a [DONE] with a name");
    violations.check(state.end !== undefined, "[DONE] before the end");
    state.over = true;
    return;
  }
  violations.check(state.end === undefined, `an event after ${state.end}`);
  const data = parseObject(frame.data, violations);
  if (data === undefined) return;
  const type = String(data["type"]);
  violations.check(frame.event === type, `event: ${frame.event} but type ${show(type)}`);
  violations.check(data["sequence_number"] === state.events, `sequence_number ${show(data["sequence_number"])}`);
  violations.check(!("obfuscation" in data), "obfuscation, which we never send");
  violations.check(!state.failed || type === "error", "an event other than error after response.failed");
  if (state.events > 0) violations.check(type !== "response.created", "a second response.created");
  else violations.check(type === "response.created", "the first event isn't response.created");
  state.events++;
  if (!SERVER_EVENT.test(type) && type !== "keepalive") {
    for (const fault of faultsOfEvent(data)) violations.add(fault);
  }
  dispatch(type, data, state);
}

function dispatch(type: string, data: Json, state: State): void {
  switch (type) {
    case "keepalive":
      return;
    case "error":
      return checkError(data, state);
    case "response.created":
    case "response.queued":
    case "response.in_progress":
      return checkOpening(type, data, state);
    case "response.completed":
    case "response.incomplete":
    case "response.failed":
      return checkTerminal(type, data, state);
    case "response.output_item.added":
      return checkAdded(data, state);
    case "response.output_item.done":
      return checkItemDone(data, state);
    default:
      return checkBody(type, data, state);
  }
}

function checkError(data: Json, state: State): void {
  const { violations } = state;
  state.end = "error";
  violations.check(state.failed, "error without response.failed before it");
  requireKeys(data, ["code", "message", "param"], "the error event", violations);
  const nested = asObject(data["error"]);
  requireKeys(nested, ["type", "code", "message", "param"], "the nested error", violations);
  violations.check(isText(data["message"]), "the error has no message");
  violations.check(data["message"] === nested["message"], "the two messages differ");
  violations.check(data["code"] === nested["code"], "the two codes differ");
}

function checkResponse(response: Json, status: string, state: State): void {
  const { violations } = state;
  requireKeys(response, STREAM_KEYS, "the response", violations);
  const { id, object, model, created_at, output } = response;
  violations.check(isText(id) && id.startsWith("resp_"), `id ${show(id)}`);
  state.id ??= String(id);
  violations.check(id === state.id, `id ${show(id)} after ${state.id}`);
  violations.check(object === "response", `object ${show(object)}`);
  violations.check(response["status"] === status, `status ${show(response["status"])}`);
  violations.check(isText(model), `model ${show(model)}`);
  violations.check(isCount(created_at) && created_at > 0, `created_at ${show(created_at)}`);
  violations.check(Array.isArray(output), `output ${show(output)}`);
}

function checkOpening(type: string, data: Json, state: State): void {
  const { violations } = state;
  const response = asObject(data["response"]);
  checkResponse(response, type === "response.queued" ? "queued" : "in_progress", state);
  violations.check(asArray(response["output"]).length === 0, "output isn't empty at the start");
  violations.check(response["error"] === null, "an error at the start");
  if (type !== "response.in_progress") {
    violations.check(!state.inProgress, `${type} after response.in_progress`);
    return;
  }
  violations.check(!state.inProgress, "a second response.in_progress");
  state.inProgress = true;
}

function checkTerminal(type: string, data: Json, state: State): void {
  const { violations } = state;
  const status = type.slice("response.".length);
  const response = asObject(data["response"]);
  checkResponse(response, status, state);
  if (status === "failed") {
    state.failed = true;
    const error = asObject(response["error"]);
    violations.check(isText(error["code"]) && isText(error["message"]), `error ${show(response["error"])}`);
    return;
  }
  state.end = type;
  violations.check(state.inProgress, "no response.in_progress before");
  violations.check(state.open === undefined, "an item is still open");
  violations.check(response["error"] === null, "an error in a response that didn't fail");
  const same = isDeepStrictEqual(response["output"], state.done);
  violations.check(same, `output ${show(response["output"])} is not what the items were: ${show(state.done)}`);
  checkUsage(asObject(response["usage"]), violations);
  checkIncomplete(status, response, state);
}

function checkIncomplete(status: string, response: Json, { violations, done }: State): void {
  const details = response["incomplete_details"];
  if (status === "completed") {
    violations.check(details === null, `incomplete_details ${show(details)}`);
    return;
  }
  const reason = asObject(details)["reason"];
  violations.check(reason === "max_output_tokens" || reason === "content_filter", `reason ${show(reason)}`);
  const last = done.at(-1);
  if (last === undefined || last["status"] === undefined) return;
  violations.check(
    last["status"] === "incomplete",
    `the last item of an incomplete response is ${show(last["status"])}`,
  );
}

function checkUsage(usage: Json, violations: Violations): void {
  const { input_tokens: input, output_tokens: output, total_tokens: total } = usage;
  if (!isCount(input) || !isCount(output) || !isCount(total)) return violations.add(`usage ${show(usage)}`);
  violations.check(total === input + output, `total_tokens ${total} is not ${input} + ${output}`);
  const inputDetails = asObject(usage["input_tokens_details"]);
  for (const key of ["cached_tokens", "cache_write_tokens"]) {
    const count = inputDetails[key];
    violations.check(isCount(count) && count <= input, `input_tokens_details.${key} ${show(count)}`);
  }
  const reasoning = asObject(usage["output_tokens_details"])["reasoning_tokens"];
  violations.check(isCount(reasoning) && reasoning <= output, `reasoning_tokens ${show(reasoning)}`);
}

function checkAdded(data: Json, state: State): void {
  const { violations } = state;
  violations.check(state.inProgress, "an item before response.in_progress");
  violations.check(state.open === undefined, "an item is open already");
  violations.check(
    data["output_index"] === state.done.length,
    `output_index ${show(data["output_index"])}, not ${state.done.length}`,
  );
  const added = asObject(data["item"]);
  const type = String(added["type"]);
  const id = String(added["id"]);
  violations.check(isText(added["id"]) && id.startsWith(ID_PREFIX[type] ?? ""), `${type} id ${show(added["id"])}`);
  violations.check(!state.itemIds.has(id), `item id ${id} used twice`);
  state.itemIds.add(id);
  state.open = { id, type, added, parts: [], summary: [], input: "", whole: undefined };
  checkEmpty(added, type, violations);
}

function checkEmpty(added: Json, type: string, violations: Violations): void {
  const empty = (key: string) => Array.isArray(added[key]) && asArray(added[key]).length === 0;
  switch (type) {
    case "message":
      violations.check(added["role"] === "assistant", `role ${show(added["role"])}`);
      violations.check(added["status"] === "in_progress", `status ${show(added["status"])}`);
      return void violations.check(empty("content"), `content ${show(added["content"])}`);
    case "reasoning":
      return void violations.check(empty("summary"), `summary ${show(added["summary"])}`);
    case "function_call":
    case "custom_tool_call": {
      const input = added[type === "function_call" ? "arguments" : "input"];
      violations.check(input === "", `a call begins with ${show(input)}`);
      violations.check(isText(added["call_id"]), `call_id ${show(added["call_id"])}`);
      violations.check(isText(added["name"]), `name ${show(added["name"])}`);
    }
  }
}

function checkBody(type: string, data: Json, state: State): void {
  const { violations, open } = state;
  if (open === undefined) return violations.add("no item is open");
  violations.check(data["item_id"] === open.id, `item_id ${show(data["item_id"])} but ${open.id} is open`);
  violations.check(data["output_index"] === state.done.length, `output_index ${show(data["output_index"])}`);
  switch (open.type) {
    case "message":
      return checkMessageEvent(type, data, open, violations);
    case "reasoning":
      return checkReasoningEvent(type, data, open, violations);
    case "function_call":
      return checkInputEvent(type, "response.function_call_arguments", "arguments", data, open, violations);
    case "custom_tool_call":
      return checkInputEvent(type, "response.custom_tool_call_input", "input", data, open, violations);
    default:
      violations.check(SERVER_EVENT.test(type), "unknown event");
  }
}

function checkMessageEvent(type: string, data: Json, item: Item, violations: Violations): void {
  if (type === "response.content_part.added") return addPart(data, "content_index", item.parts, violations);
  const part = openPart(data, "content_index", item.parts, violations);
  if (part === undefined) return;
  switch (type) {
    case "response.output_text.delta":
    case "response.output_text.done":
      violations.check(part.type === "output_text", `${type} on a ${part.type} part`);
      violations.check(Array.isArray(data["logprobs"]), `logprobs ${show(data["logprobs"])}`);
      return checkText(type, data, "text", part, violations);
    case "response.refusal.delta":
    case "response.refusal.done":
      violations.check(part.type === "refusal", `${type} on a ${part.type} part`);
      return checkText(type, data, "refusal", part, violations);
    case "response.output_text.annotation.added":
      violations.check(data["annotation_index"] === part.annotations.length, "annotation_index");
      part.annotations.push(data["annotation"]);
      return;
    case "response.content_part.done":
      return closePart(data, part, violations);
    default:
      violations.add("unknown event");
  }
}

function checkReasoningEvent(type: string, data: Json, item: Item, violations: Violations): void {
  if (type === "response.content_part.added") return addPart(data, "content_index", item.parts, violations);
  if (type === "response.reasoning_summary_part.added") return addPart(data, "summary_index", item.summary, violations);
  const summary = type.includes("summary");
  const key = summary ? "summary_index" : "content_index";
  const part = openPart(data, key, summary ? item.summary : item.parts, violations);
  if (part === undefined) return;
  switch (type) {
    case "response.reasoning_text.delta":
    case "response.reasoning_text.done":
      violations.check(part.type === "reasoning_text", `${type} on a ${part.type} part`);
      return checkText(type, data, "text", part, violations);
    case "response.reasoning_summary_text.delta":
    case "response.reasoning_summary_text.done":
      violations.check(part.type === "summary_text", `${type} on a ${part.type} part`);
      return checkText(type, data, "text", part, violations);
    case "response.content_part.done":
    case "response.reasoning_summary_part.done":
      return closePart(data, part, violations);
    default:
      violations.add("unknown event");
  }
}

function addPart(data: Json, key: string, parts: Part[], violations: Violations): void {
  violations.check(data[key] === parts.length, `${key} ${show(data[key])}, not ${parts.length}`);
  violations.check(parts.at(-1)?.closed ?? true, "a part is open already");
  const part = asObject(data["part"]);
  const type = String(part["type"]);
  const text = part[type === "refusal" ? "refusal" : "text"];
  violations.check(text === "", `a part begins with ${show(text)}`);
  const annotations = part["annotations"];
  if (type === "output_text") violations.check(Array.isArray(annotations), `annotations ${show(annotations)}`);
  parts.push({ type, text: "", annotations: [], told: false, closed: false });
}

function openPart(data: Json, key: string, parts: Part[], violations: Violations): Part | undefined {
  const part = parts.at(-1);
  if (part === undefined || part.closed) {
    violations.add("no part is open");
    return undefined;
  }
  violations.check(data[key] === parts.length - 1, `${key} ${show(data[key])} but ${parts.length - 1} is open`);
  return part;
}

function checkText(type: string, data: Json, key: string, part: Part, violations: Violations): void {
  violations.check(!part.told, "text after its done event");
  if (type.endsWith(".delta")) {
    if (violations.check(typeof data["delta"] === "string", `delta ${show(data["delta"])}`)) part.text += data["delta"];
    return;
  }
  part.told = true;
  violations.check(data[key] === part.text, `done says ${show(data[key])}, the deltas ${show(part.text)}`);
}

function closePart(data: Json, part: Part, violations: Violations): void {
  violations.check(part.told, "a part is done before its text is");
  part.closed = true;
  checkPart(asObject(data["part"]), part, violations);
}

function checkPart(told: Json, part: Part, violations: Violations): void {
  violations.check(told["type"] === part.type, `part type ${show(told["type"])}, not ${part.type}`);
  const text = told[part.type === "refusal" ? "refusal" : "text"];
  violations.check(text === part.text, `the part says ${show(text)}, the deltas ${show(part.text)}`);
  if (part.type !== "output_text") return;
  violations.check(
    isDeepStrictEqual(told["annotations"], part.annotations),
    `annotations ${show(told["annotations"])}`,
  );
}

function checkInputEvent(
  type: string,
  prefix: string,
  key: string,
  data: Json,
  item: Item,
  violations: Violations,
): void {
  violations.check(item.whole === undefined, "input after its done event");
  switch (type) {
    case `${prefix}.delta`:
      if (violations.check(typeof data["delta"] === "string", `delta ${show(data["delta"])}`)) {
        item.input += data["delta"];
      }
      return;
    case `${prefix}.done`:
      item.whole = String(data[key]);
      violations.check(data[key] === item.input, `done says ${show(data[key])}, the deltas ${show(item.input)}`);
      if (item.type !== "function_call") return;
      violations.check(data["name"] === item.added["name"], `done says the name ${show(data["name"])}`);
      return;
    default:
      violations.add("unknown event");
  }
}

function checkItemDone(data: Json, state: State): void {
  const { violations, open } = state;
  if (open === undefined) return violations.add("no item is open");
  violations.check(data["output_index"] === state.done.length, `output_index ${show(data["output_index"])}`);
  const item = asObject(data["item"]);
  violations.check(item["id"] === open.id, `id ${show(item["id"])}, added as ${open.id}`);
  violations.check(item["type"] === open.type, `type ${show(item["type"])}, added as ${open.type}`);
  checkWhole(item, open, violations);
  state.done.push(item);
  state.open = undefined;
}

function checkWhole(item: Json, open: Item, violations: Violations): void {
  switch (open.type) {
    case "message":
      checkStatus(item, violations);
      return checkParts("content", item, open.parts, violations);
    case "reasoning":
      checkParts("summary", item, open.summary, violations);
      if (open.parts.length > 0) checkParts("content", item, open.parts, violations);
      return;
    case "function_call":
      return checkCall("arguments", item, open, violations);
    case "custom_tool_call":
      return checkCall("input", item, open, violations);
  }
}

function checkStatus(item: Json, violations: Violations): void {
  const status = item["status"];
  violations.check(status === "completed" || status === "incomplete", `status ${show(status)}`);
}

function checkParts(key: string, item: Json, parts: readonly Part[], violations: Violations): void {
  const told = asArray(item[key]);
  violations.check(told.length === parts.length, `${key} has ${told.length} parts, not ${parts.length}`);
  parts.forEach((part, index) => {
    violations.check(part.closed, `${key}[${index}] is still open`);
    checkPart(asObject(told[index]), part, violations);
  });
}

function checkCall(key: string, item: Json, open: Item, violations: Violations): void {
  checkStatus(item, violations);
  violations.check(open.whole !== undefined, "a call is done before its input is");
  violations.check(item[key] === open.input, `the item says ${show(item[key])}, the deltas ${show(open.input)}`);
  for (const same of ["call_id", "name"]) {
    violations.check(
      item[same] === open.added[same],
      `${same} ${show(item[same])}, added as ${show(open.added[same])}`,
    );
  }
  const complete = open.type === "custom_tool_call" || item["status"] !== "completed" || parsesAsObject(open.input);
  violations.check(complete, `a complete call with the arguments ${show(open.input)}`);
}
