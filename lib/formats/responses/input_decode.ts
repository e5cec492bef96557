/**
 * A request's `input`, wire → neutral: items grouped into messages (TRANSLATION.md, 2.2 and 2.9). Consecutive items of
 * the model's form one assistant message, consecutive tool outputs one tool message.
 */
import { defined, describe, type Faults, Fields, isObject } from "../../base/fields.ts";
import type { Item, Message, Part, Role, Tool, ToolResultPart } from "../../neutral.ts";
import { decodeClientItem, foundTools } from "./client_tools.ts";
import { countFromStart, decodeContent } from "./content_decode.ts";
import { decodeItem, decodeMessage, decodeNative, type ItemContext, skipDirectCaller } from "./item_decode.ts";
import { decodeTools } from "./tools_decode.ts";
import { extraOf, FORMAT, isClientItem } from "./wire.ts";

export interface DecodedInput {
  /** System and developer messages before all others. */
  instructions: Part[];
  messages: Message[];
  /** Tools that `additional_tools` items offer, and those that the client's own search has found. */
  tools: Tool[];
  /** Paths of items that no other format can do without. */
  ownFormatOnly: string[];
}

interface State extends DecodedInput {
  context: ItemContext;
}

/** Native encrypted content of a client's history is OpenAI's: no other maker writes any in this format. */
const NATIVE_ISSUER = "openai";

function newState(faults: Faults): State {
  return {
    context: { faults, issuer: NATIVE_ISSUER, isHistory: true },
    instructions: [],
    messages: [],
    tools: [],
    ownFormatOnly: [],
  };
}

/** A string is one user message; a lone object is taken as a list of one. */
export function decodeInput(faults: Faults, input: unknown): DecodedInput {
  const state = newState(faults);
  if (typeof input === "string") {
    state.messages.push({ role: "user", parts: [{ kind: "text", text: input, path: "input" }], path: "input" });
  } else if (Array.isArray(input)) {
    input.forEach((value, index) => decodeInputItem(state, new Fields(faults, value, `input[${index}]`)));
  } else if (isObject(input)) {
    decodeInputItem(state, new Fields(faults, input, "input[0]"));
  } else if (input !== undefined && input !== null) {
    faults.add(`Expected a string or an array but got ${describe(input)}`, "input");
  }
  for (const message of state.messages) if (message.role === "assistant") countFromStart(message.parts);
  return state;
}

function decodeInputItem(state: State, fields: Fields): void {
  const type = typeOf(fields);
  switch (type) {
    case "message":
      return addMessage(state, fields);
    case "function_call_output":
    case "custom_tool_call_output":
      return addToolResult(state, fields, type);
    case "additional_tools":
      return addTools(state, fields);
    case "item_reference":
      return addReference(state, fields);
    case "reasoning":
    case "function_call":
    case "custom_tool_call":
    case "compaction":
      return addModelParts(state, fields, decodeItem(state.context, fields, type));
    default:
      return addNative(state, fields, type);
  }
}

/** An item with a role and no type is a message; one with an id alone refers to a stored item. */
function typeOf(fields: Fields): string {
  if (fields.has("type")) return fields.requiredString("type");
  if (fields.has("role")) return "message";
  return fields.has("id") ? "item_reference" : fields.requiredString("type");
}

function addMessage(state: State, fields: Fields): void {
  const parts = decodeMessage(fields);
  const role = fields.requiredString("role");
  switch (role) {
    case "assistant":
      return addModelParts(state, fields, parts);
    case "system":
    case "developer":
      if (state.messages.length === 0) state.instructions.push(...parts);
      else pushMessage(state, role, parts, fields.path);
      return;
    case "user":
      refuseElsewhere(state, parts);
      return pushMessage(state, role, parts, fields.path);
    default:
      fields.faults.add(
        `Expected one of "user", "assistant", "system" and "developer" but got ${describe(role)}`,
        fields.at("role"),
      );
  }
}

/** Content of a kind that no other format knows would be missing from the question, not just from its history. */
function refuseElsewhere(state: State, parts: readonly Part[]): void {
  for (const part of parts) {
    if (part.kind === "native" && part.path !== undefined) state.ownFormatOnly.push(part.path);
  }
}

function pushMessage(state: State, role: Role, parts: Part[], path: string): void {
  const extra = parts[0]?.item?.extra;
  state.messages.push(defined({ role, parts, path, extra }));
}

/** Adds to the assistant message that is last, or begins one. */
function addModelParts(state: State, fields: Fields, parts: Part[]): void {
  const message = lastOf(state, "assistant", fields.path);
  message.parts.push(...parts);
  const extra = parts[0]?.item?.extra;
  // Kept by the parts' item; told here too so that other formats see what they leave out.
  if (extra !== undefined) message.extra = { format: FORMAT, fields: { ...message.extra?.fields, ...extra.fields } };
}

function lastOf(state: State, role: Role, path: string): Message {
  const last = state.messages.at(-1);
  if (last?.role === role) return last;
  const message: Message = { role, parts: [], path };
  state.messages.push(message);
  return message;
}

function addToolResult(state: State, fields: Fields, type: string): void {
  fields.skip("type");
  const id = fields.string("id");
  const status = fields.string("status");
  const part: ToolResultPart = {
    kind: "tool_result",
    callId: fields.requiredString("call_id"),
    toolKind: type === "custom_tool_call_output" ? "custom" : "function",
    parts: decodeContent(fields.faults, fields.any("output"), fields.at("output")),
    path: fields.path,
  };
  if (id !== undefined || status !== undefined) part.item = defined({ id, status });
  skipDirectCaller(fields);
  const extra = extraOf(fields.rest());
  if (extra !== undefined) part.extra = extra;
  refuseElsewhere(state, part.parts);
  lastOf(state, "tool", fields.path).parts.push(part);
}

/** Tools offered from this point of the conversation on: to other formats they are tools like any. */
function addTools(state: State, fields: Fields): void {
  fields.skip("type");
  const tools = fields.array("tools") ?? [];
  const item: Item = defined({
    id: fields.string("id"),
    role: fields.string("role"),
    status: fields.string("status"),
    extra: extraOf(fields.rest()),
  });
  for (const tool of decodeTools(fields.faults, tools, fields.at("tools"))) state.tools.push({ ...tool, item });
}

/** What a search has found is offered from here on: it is loaded now, whatever was said before. */
function addFound(state: State, fields: Fields): void {
  const tools = decodeTools(fields.faults, foundTools(fields.value), fields.at("tools"));
  const item: Item = { path: fields.path };
  for (const { deferLoading: _, ...tool } of tools) state.tools.push({ ...tool, item, isFound: true });
}

/**
 * A stored item that only its own provider can look up. Reasoning can be done without (the AI SDK refers to it in every
 * turn); anything else would leave a hole in the conversation.
 */
function addReference(state: State, fields: Fields): void {
  const id = fields.requiredString("id");
  if (!id.startsWith("rs_")) state.ownFormatOnly.push(fields.path);
  lastOf(state, "assistant", fields.path).parts.push(decodeNative(fields));
}

function addNative(state: State, fields: Fields, type: string): void {
  const known = decodeClientItem(fields.value, fields.path);
  if (known?.kind === "tool_call") return addModelParts(state, fields, [known]);
  if (known?.kind === "tool_result") {
    addFound(state, fields);
    lastOf(state, "tool", fields.path).parts.push(known);
    return;
  }
  if (type === "compaction_trigger") state.ownFormatOnly.push(fields.path);
  const role = isClientItem(type) ? "user" : "assistant";
  if (role === "assistant") return addModelParts(state, fields, [decodeNative(fields)]);
  pushMessage(state, role, [decodeNative(fields)], fields.path);
}
