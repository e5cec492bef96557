/** TRANSLATION.md, 4.1 and 4.7: is this a legal Chat Completions stream to its last event? */
import {
  asArray,
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

interface Call {
  type: string;
  input: string;
}

interface Choice {
  calls: Call[];
  finish: string | undefined;
  /** The whole array of reasoning details has been sent: only annotations and the finish may follow. */
  detailed: boolean;
}

interface State {
  violations: Violations;
  includeUsage: boolean;
  identity: string | undefined;
  choices: Map<number, Choice>;
  usageSeen: boolean;
  end: "done" | "error" | undefined;
}

const DELTA_KEYS: ReadonlySet<string> = new Set([
  "role",
  "content",
  "refusal",
  "reasoning_content",
  "reasoning_details",
  "tool_calls",
  "annotations",
]);
const FINISH: ReadonlySet<unknown> = new Set(["stop", "length", "tool_calls", "content_filter"]);

/** All that is wrong with a whole stream; empty when it is legal. `includeUsage`: the client asked for the usage chunk. */
export function checkChatStream(text: string, options: { includeUsage?: boolean } = {}): string[] {
  const violations = new Violations();
  const state: State = {
    violations,
    includeUsage: options.includeUsage ?? false,
    identity: undefined,
    choices: new Map(),
    usageSeen: false,
    end: undefined,
  };
  for (const frame of readFrames(text, violations)) checkFrame(frame, state);
  violations.where = "end";
  violations.check(state.end !== undefined, "neither [DONE] nor an error");
  return violations.list;
}

function checkFrame(frame: Frame, state: State): void {
  const { violations } = state;
  violations.where = `frame ${frame.number}`;
  violations.check(state.end === undefined, `data after the ${state.end === "done" ? "[DONE]" : "error"}`);
  violations.check(frame.event === undefined, `an event: line "${frame.event}"`);
  if (frame.data === "[DONE]") return checkDone(state);
  const data = parseObject(frame.data, violations);
  if (data === undefined) return;
  if ("error" in data) return checkError(data, state);
  checkChunk(data, state);
}

function checkDone(state: State): void {
  const { violations } = state;
  state.end = "done";
  violations.check(state.choices.size > 0, "[DONE] without any choice");
  for (const [index, choice] of state.choices) {
    violations.check(choice.finish !== undefined, `choice ${index} has no finish_reason`);
  }
  if (state.includeUsage) violations.check(state.usageSeen, "no usage chunk");
}

function checkError(data: Json, state: State): void {
  state.end = "error";
  const error = asObject(data["error"]);
  requireKeys(error, ["message", "type", "code", "param"], "the error", state.violations);
  state.violations.check(isText(error["message"]), "the error has no message");
  state.violations.check(isText(error["type"]), "the error has no type");
}

function checkChunk(chunk: Json, state: State): void {
  const { violations } = state;
  checkHead(chunk, state);
  violations.check(!("obfuscation" in chunk), "obfuscation, which we never send");
  if (!violations.check(Array.isArray(chunk["choices"]), "choices is no array")) return;
  const choices = asArray(chunk["choices"]);
  checkUsage(chunk, choices.length === 0, state);
  for (const choice of choices) checkChoice(asObject(choice), state);
}

function checkHead(chunk: Json, state: State): void {
  const { violations } = state;
  const { id, object, created, model } = chunk;
  violations.check(isText(id) && id.startsWith("chatcmpl-"), `id ${show(id)}`);
  violations.check(object === "chat.completion.chunk", `object ${show(object)}`);
  violations.check(isCount(created) && created > 0, `created ${show(created)}`);
  violations.check(isText(model), `model ${show(model)}`);
  const identity = show([id, created, model]);
  state.identity ??= identity;
  violations.check(identity === state.identity, `id, created, model ${identity} after ${state.identity}`);
}

function checkUsage(chunk: Json, alone: boolean, state: State): void {
  const { violations } = state;
  const usage = chunk["usage"];
  violations.check(!state.usageSeen, "a chunk after the usage chunk");
  if (!state.includeUsage) {
    violations.check(usage === undefined || usage === null, "usage that nobody asked for");
    violations.check(!alone, "a chunk without choices");
    return;
  }
  if (!alone) {
    violations.check(usage === null, `usage is ${show(usage)} beside choices, not null`);
    return;
  }
  state.usageSeen = true;
  for (const choice of state.choices.values()) {
    violations.check(choice.finish !== undefined, "the usage chunk comes before the finish");
  }
  if (violations.check(isObject(usage), "the usage chunk has no usage")) checkCounts(asObject(usage), violations);
}

function checkCounts(usage: Json, violations: Violations): void {
  const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = usage;
  if (!isCount(prompt) || !isCount(completion) || !isCount(total)) return violations.add(`usage ${show(usage)}`);
  violations.check(total === prompt + completion, `total_tokens ${total} is not ${prompt} + ${completion}`);
  const cached = asObject(usage["prompt_tokens_details"])["cached_tokens"] ?? 0;
  violations.check(isCount(cached) && cached <= prompt, `cached_tokens ${show(cached)} of ${prompt}`);
  const reasoning = asObject(usage["completion_tokens_details"])["reasoning_tokens"] ?? 0;
  violations.check(isCount(reasoning) && reasoning <= completion, `reasoning_tokens ${show(reasoning)}`);
}

function checkChoice(value: Json, state: State): void {
  const { violations } = state;
  const index = value["index"];
  if (!isCount(index)) return violations.add(`choice index ${show(index)}`);
  if (!violations.check(isObject(value["delta"]), "a choice without delta")) return;
  const delta = asObject(value["delta"]);
  const known = state.choices.get(index);
  const choice: Choice = known ?? { calls: [], finish: undefined, detailed: false };
  state.choices.set(index, choice);
  if (known === undefined) checkFirst(delta, violations);
  else violations.check(!("role" in delta), "role sent twice");
  violations.check(choice.finish === undefined, "a delta after the finish");
  checkDelta(delta, choice, violations);
  checkFinish(value["finish_reason"], delta, choice, violations);
}

function checkFirst(delta: Json, violations: Violations): void {
  violations.check(delta["role"] === "assistant", `the first delta's role is ${show(delta["role"])}`);
  violations.check(delta["content"] === "", `the first delta's content is ${show(delta["content"])}`);
  const others = Object.keys(delta).filter((key) => key !== "role" && key !== "content" && delta[key] !== null);
  violations.check(others.length === 0, `the first delta holds ${others.join(", ")}`);
}

function checkDelta(delta: Json, choice: Choice, violations: Violations): void {
  for (const key of Object.keys(delta)) violations.check(DELTA_KEYS.has(key), `unknown delta member "${key}"`);
  for (const key of ["content", "refusal", "reasoning_content"]) {
    const value = delta[key];
    violations.check(value === undefined || value === null || typeof value === "string", `${key} is ${show(value)}`);
    if (isText(value)) violations.check(!choice.detailed, `${key} after reasoning_details`);
  }
  if (delta["tool_calls"] !== undefined) {
    violations.check(!choice.detailed, "tool_calls after reasoning_details");
    violations.check(asArray(delta["tool_calls"]).length > 0, `tool_calls is ${show(delta["tool_calls"])}`);
    for (const call of asArray(delta["tool_calls"])) checkCall(asObject(call), choice, violations);
  }
  if (delta["reasoning_details"] !== undefined) checkDetails(delta["reasoning_details"], choice, violations);
}

function checkDetails(details: unknown, choice: Choice, violations: Violations): void {
  violations.check(!choice.detailed, "reasoning_details sent twice");
  choice.detailed = true;
  violations.check(Array.isArray(details) && details.length > 0, "reasoning_details is no list");
  for (const entry of asArray(details)) {
    violations.check(isCount(asObject(entry)["index"]), "a reasoning_details entry without index");
    violations.check(isText(asObject(entry)["type"]), "a reasoning_details entry without type");
  }
}

function checkCall(call: Json, choice: Choice, violations: Violations): void {
  const index = call["index"];
  if (!isCount(index)) return violations.add(`tool call index ${show(index)}`);
  const known = choice.calls[index];
  if (known !== undefined) return checkNextOfCall(call, known, violations);
  if (!violations.check(index === choice.calls.length, `tool call index ${index} leaves a gap`)) return;
  choice.calls.push(checkNewCall(call, violations));
}

function checkNewCall(call: Json, violations: Violations): Call {
  const type = call["type"];
  violations.check(isText(call["id"]), `a new call's id is ${show(call["id"])}`);
  violations.check(type === "function" || type === "custom", `a new call's type is ${show(type)}`);
  const body = asObject(call[type === "custom" ? "custom" : "function"]);
  const input = body[type === "custom" ? "input" : "arguments"];
  violations.check(isText(body["name"]), `a new call's name is ${show(body["name"])}`);
  violations.check(input === "", `a new call begins with ${show(input)}`);
  return { type: String(type), input: typeof input === "string" ? input : "" };
}

function checkNextOfCall(call: Json, known: Call, violations: Violations): void {
  const key = known.type === "custom" ? "custom" : "function";
  const body = asObject(call[key]);
  for (const member of ["id", "type"]) violations.check(!(member in call), `${member} sent twice`);
  violations.check(!("name" in body), "name sent twice");
  const input = body[known.type === "custom" ? "input" : "arguments"];
  if (violations.check(typeof input === "string", `a call goes on with ${show(call)}`)) known.input += String(input);
}

function checkFinish(reason: unknown, delta: Json, choice: Choice, violations: Violations): void {
  if (reason === null) return;
  if (reason === undefined) return violations.add("a choice without finish_reason");
  violations.check(FINISH.has(reason), `finish_reason ${show(reason)}`);
  violations.check(Object.keys(delta).length === 0, `the finish holds a delta ${show(delta)}`);
  choice.finish ??= String(reason);
  const calls = choice.calls.length;
  violations.check(reason !== "tool_calls" || calls > 0, "finish_reason tool_calls without a call");
  violations.check(reason !== "stop" || calls === 0, "finish_reason stop with calls");
  if (reason !== "tool_calls") return;
  for (const call of choice.calls) {
    violations.check(call.type === "custom" || parsesAsObject(call.input), `arguments ${show(call.input)}`);
  }
}
