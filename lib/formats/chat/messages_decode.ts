/** `messages` of a request: wire → neutral (TRANSLATION.md, 2.2 and 2.3). */
import { defined, describe, Fields, type JsonObject } from "../../base/fields.ts";
import type { Message, Opaque, Part, ReasoningPart, ToolCallPart, ToolResultPart } from "../../neutral.ts";
import { derivedId } from "../../translation/ids.ts";
import { signatureOf } from "./call_signature.ts";
import { decodeContent } from "./parts_decode.ts";
import { partsOfDetails } from "./reasoning.ts";
import { objectsOf, ownExtra, textOf, unread } from "./wire.ts";

export interface Conversation {
  instructions: Part[];
  messages: Message[];
  /** How the request itself names things, for `NeutralRequest.wireNames`. */
  names: Record<string, string>;
}

/** What one message must know of those before it. */
export interface Reading {
  names: Record<string, string>;
  /** Calls so far, by id. */
  kinds: Map<string, "function" | "custom">;
  /** Ids made for calls that came without one, oldest first: results without an id are theirs, in order. */
  unnamed: string[];
  /** The last deprecated `function_call`'s id. */
  legacyId: string | undefined;
}

function newReading(): Reading {
  return { names: {}, kinds: new Map(), unnamed: [], legacyId: undefined };
}

export function decodeMessages(fields: Fields): Conversation {
  const reading = newReading();
  const values = fields.array("messages");
  if (!fields.has("messages")) fields.faults.add('Missing required array "messages"', "messages");
  if (values?.length === 0) fields.faults.add("Expected at least one message", "messages");
  const decoded = (values ?? []).map((value, index) =>
    decodeMessage(new Fields(fields.faults, value, `messages[${index}]`), index, reading)
  );
  const start = decoded.findIndex((message) => !isInstruction(message));
  const leading = decoded.slice(0, start === -1 ? decoded.length : start);
  if (leading.length > 0 && leading.every((message) => message.role === "developer")) {
    reading.names["instructionsRole"] = "developer";
  }
  return {
    instructions: leading.flatMap(instructionParts),
    messages: decoded.slice(leading.length),
    names: reading.names,
  };
}

function isInstruction(message: Message): boolean {
  return message.role === "system" || message.role === "developer";
}

/** What stood on the message itself goes to its first part: the message is no more. */
function instructionParts(message: Message): Part[] {
  const [first, ...others] = message.parts;
  const own: JsonObject = { ...message.extra?.fields, ...defined({ name: message.name }) };
  if (first === undefined || Object.keys(own).length === 0) return message.parts;
  const extra = { format: "chat" as const, fields: { ...own, ...first.extra?.fields } };
  return [{ ...first, ...defined({ path: message.path }), extra }, ...others];
}

function decodeMessage(message: Fields, index: number, reading: Reading): Message {
  const role = message.requiredString("role");
  switch (role) {
    case "system":
    case "developer":
    case "user":
      return finished(message, role, decodeContent(message, reading, true));
    case "assistant":
      return assistantMessage(message, index, reading);
    case "tool":
      return toolMessage(message, reading);
    case "function":
      return functionMessage(message, reading);
    default:
      if (message.value["role"] !== undefined) {
        message.faults.add(`Expected a role but got ${describe(message.value["role"])}`, message.at("role"));
      }
      return { role: "user", parts: [] };
  }
}

function finished(message: Fields, role: Message["role"], parts: Part[]): Message {
  const name = message.string("name");
  return { role, parts, path: message.path, ...defined({ name }), ...ownExtra(unread(message)) };
}

function assistantMessage(message: Fields, index: number, reading: Reading): Message {
  // Helpers of OpenAI's own SDK leave what they parsed on the messages that they send back.
  message.skip("parsed");
  return finished(message, "assistant", [
    ...decodeReasoning(message),
    ...decodeContent(message, reading, false),
    ...decodeRefusal(message),
    ...decodeToolCalls(message, index, reading),
    ...decodeFunctionCall(message, index, reading),
  ]);
}

/** Thinking that came back: entries with their signatures, else one string under either of its two names. */
function decodeReasoning(message: Fields): ReasoningPart[] {
  const key = textOf(message.value["reasoning_content"]) === "" ? "reasoning" : "reasoning_content";
  const plain = textOf(message.value[key]);
  if (plain !== "") message.skip("reasoning_content", "reasoning");
  const entries = objectsOf(message.array("reasoning_details"));
  if (entries.length > 0) return partsOfDetails(entries, plain, message.at("reasoning_details"));
  return plain === "" ? [] : [{ kind: "reasoning", form: "full", text: plain, path: message.at(key) }];
}

function decodeRefusal(message: Fields): Part[] {
  const text = message.string("refusal") ?? "";
  return text === "" ? [] : [{ kind: "refusal", text, path: message.at("refusal") }];
}

function decodeToolCalls(message: Fields, index: number, reading: Reading): ToolCallPart[] {
  return (message.array("tool_calls") ?? []).map((value, position) => {
    const call = new Fields(message.faults, value, `${message.at("tool_calls")}[${position}]`);
    const id = call.string("id") || mintedId(`${index}.${position}`, reading);
    const toolKind = call.string("type") === "custom" ? "custom" : "function";
    reading.kinds.set(id, toolKind);
    return toolKind === "custom" ? customCall(call, id) : functionCall(call, id);
  });
}

function mintedId(seed: string, reading: Reading): string {
  const id = derivedId("call_", seed);
  reading.unnamed.push(id);
  return id;
}

function functionCall(call: Fields, id: string): ToolCallPart {
  const { inner, rest } = innerObject(call, "function", "parsed_arguments");
  return {
    kind: "tool_call",
    id,
    name: inner.requiredString("name"),
    toolKind: "function",
    arguments: argumentsText(inner),
    path: call.path,
    ...thoughtSignature(call),
    ...ownExtra(callExtra(call, "function", rest()), "function"),
  };
}

/** Some clients send the arguments as the object that they are. */
function argumentsText(inner: Fields): string {
  const value = inner.any("arguments");
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return inner.string("arguments") ?? "";
}

function customCall(call: Fields, id: string): ToolCallPart {
  const { inner, rest } = innerObject(call, "custom");
  return {
    kind: "tool_call",
    id,
    name: inner.requiredString("name"),
    toolKind: "custom",
    arguments: inner.string("input") ?? "",
    path: call.path,
    ...ownExtra(callExtra(call, "custom", rest()), "custom"),
  };
}

function innerObject(call: Fields, key: string, ...skipped: string[]) {
  if (!call.has(key)) call.faults.add(`Missing required object "${key}"`, call.at(key));
  const inner = call.object(key) ?? new Fields(call.faults, {}, call.at(key));
  inner.skip(...skipped);
  return { inner, rest: () => unread(inner) };
}

function callExtra(call: Fields, key: string, inner: JsonObject | undefined): JsonObject | undefined {
  // Streams number their calls; the number means nothing in a history.
  call.skip("index");
  const own = unread(call);
  return own === undefined && inner === undefined ? undefined : { ...own, ...defined({ [key]: inner }) };
}

/** Google's own dialect keeps the signature of a thought on the call that it led to. */
function thoughtSignature(call: Fields): { opaque?: Opaque[] } {
  const value = signatureOf(call.value);
  if (value === "") return {};
  call.skip("extra_content");
  return { opaque: [{ issuer: "google", kind: "thought_signature", value }] };
}

/** The deprecated single call, which has no id. */
function decodeFunctionCall(message: Fields, index: number, reading: Reading): ToolCallPart[] {
  const call = message.object("function_call");
  if (call === undefined || textOf(call.value["name"]) === "") return [];
  const id = `call_fn_${index}`;
  reading.legacyId = id;
  reading.kinds.set(id, "function");
  return [{
    kind: "tool_call",
    id,
    name: call.requiredString("name"),
    toolKind: "function",
    arguments: argumentsText(call),
    path: call.path,
  }];
}

function toolMessage(message: Fields, reading: Reading): Message {
  const id = message.string("tool_call_id") || reading.unnamed.shift();
  if (id === undefined) message.faults.add('Missing required string "tool_call_id"', message.at("tool_call_id"));
  return resultMessage(message, id ?? "", reading);
}

function functionMessage(message: Fields, reading: Reading): Message {
  const id = reading.legacyId;
  reading.legacyId = undefined;
  return resultMessage(message, id ?? `call_fn_${message.string("name") ?? ""}`, reading);
}

/** Unknown members stand on the part: results of one turn are gathered into one message later. */
function resultMessage(message: Fields, callId: string, reading: Reading): Message {
  const part: ToolResultPart = {
    kind: "tool_result",
    callId,
    toolKind: reading.kinds.get(callId) ?? "function",
    parts: decodeContent(message, reading, false),
    path: message.path,
    ...defined({ name: message.string("name") }),
    ...ownExtra(unread(message)),
  };
  return { role: "tool", parts: [part], path: message.path };
}
