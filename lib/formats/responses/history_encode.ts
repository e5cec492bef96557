/**
 * What the model said and did in earlier turns, neutral → items: reasoning, messages, calls (TRANSLATION.md, 1.3, 2.9
 * and 3.4). Opaque values go to the family of models that minted them alone.
 */
import { defined, type JsonObject } from "../../base/fields.ts";
import type { CompactionPart, Item, Message, NativePart, Part, ReasoningPart, ToolCallPart } from "../../neutral.ts";
import { summaryText } from "../../translation/compaction.ts";
import { callId } from "../../translation/ids.ts";
import { encodeOutputPart } from "./content_encode.ts";
import { carryExtra, clientName, type Encoding } from "./encoding.ts";
import type { Placed } from "./input_encode.ts";
import { FORMAT, MAX_CALL_ID, ownFields } from "./wire.ts";

interface State {
  encoding: Encoding;
  placed: Placed[];
  /** The message item that further text joins, and the item that its parts came from. */
  message: { content: JsonObject[]; origin: Item | undefined } | undefined;
  /** Characters of text so far: citations count from the turn's beginning. */
  textLength: number;
  /** Ids of calls and reasoning hold only where all reasoning of the turn goes along. */
  keepsIds: boolean;
}

function newState(encoding: Encoding, message: Message): State {
  const keepsIds = encoding.isOwn &&
    message.parts.every((part) => part.kind !== "reasoning" || isNative(encoding, [part]));
  return { encoding, placed: [], message: undefined, textLength: 0, keepsIds };
}

export function encodeModelParts(encoding: Encoding, message: Message): Placed[] {
  const state = newState(encoding, message);
  for (const group of groupReasoning(message.parts)) {
    const [first] = group;
    if (first?.kind === "reasoning") addReasoning(state, group as ReasoningPart[]);
    else if (first !== undefined) addPart(state, first);
  }
  return state.placed;
}

/** Reasoning parts of one item stand together; every other part stands alone. */
function groupReasoning(parts: readonly Part[]): Part[][] {
  const groups: Part[][] = [];
  for (const part of parts) {
    const last = groups.at(-1)?.at(-1);
    const joins = part.kind === "reasoning" && last?.kind === "reasoning" && part.item !== undefined &&
      part.item === last.item;
    if (joins) groups.at(-1)?.push(part);
    else groups.push([part]);
  }
  return groups;
}

function addPart(state: State, part: Exclude<Part, ReasoningPart>): void {
  switch (part.kind) {
    case "text":
    case "refusal":
      return addText(state, part);
    case "tool_call":
      return addItem(state, encodeCall(state, part), part.path);
    case "compaction":
      return addCompaction(state, part);
    case "native":
      return addNative(state, part);
    case "image":
    case "audio":
    case "video":
    case "document":
    case "search_result":
    case "tool_result":
      return state.encoding.losses.add(part.path ?? "messages", `responses has no ${part.kind} of the assistant's`);
    default:
      return part satisfies never;
  }
}

function addItem(state: State, item: JsonObject, path: string | undefined): void {
  state.message = undefined;
  state.placed.push({ item, path });
}

function addText(state: State, part: Part & { kind: "text" | "refusal" }): void {
  const wire = encodeOutputPart(state.encoding, part, state.textLength);
  if (part.kind === "text") state.textLength += part.text.length;
  if (state.message !== undefined && state.message.origin === part.item) {
    state.message.content.push(wire);
    return;
  }
  const origin = part.item;
  const message = { content: [wire], origin };
  addItem(
    state,
    defined({
      type: "message",
      id: origin?.id,
      status: origin?.status,
      role: "assistant",
      phase: origin?.phase,
      content: message.content,
      ...ownFields(origin?.extra),
    }),
    part.path,
  );
  state.message = message;
}

/** The encrypted values that are this target's. */
function encryptedOf(encoding: Encoding, parts: readonly ReasoningPart[]): string[] {
  return parts.flatMap((part) => part.opaque ?? [])
    .filter((opaque) => opaque.issuer === encoding.target.family && opaque.kind === "encrypted")
    .map((opaque) => opaque.value);
}

/** Without an opaque value a client's own reasoning stands for itself: it is stored upstream, or needs no signature. */
function isNative(encoding: Encoding, parts: readonly ReasoningPart[]): boolean {
  if (!encoding.isOwn) return false;
  return parts.every((part) => part.opaque === undefined) || encryptedOf(encoding, parts).length > 0;
}

function addReasoning(state: State, parts: readonly ReasoningPart[]): void {
  const { encoding } = state;
  const [value, ...others] = encryptedOf(encoding, parts);
  const path = parts[0]?.path;
  if (value === undefined && !isNative(encoding, parts)) {
    const isEmpty = parts.every((part) => part.text === "" && (part.opaque ?? []).length === 0);
    if (!isEmpty) encoding.losses.add(path ?? "messages", "this reasoning isn't signed by the model's own maker");
    return;
  }
  const item = state.keepsIds ? parts[0]?.item : undefined;
  const content = textsOf(parts, "full").map((text) => ({ type: "reasoning_text", text }));
  addItem(
    state,
    defined({
      type: "reasoning",
      id: item?.id,
      summary: textsOf(parts, "summary").map((text) => ({ type: "summary_text", text })),
      content: content.length > 0 ? content : undefined,
      encrypted_content: value,
      status: item?.status,
      ...Object.assign({}, ...parts.map((part) => carryExtra(encoding, part.extra, part.path))),
    }),
    path,
  );
  // Two values are never merged: each goes back in an item of its own.
  for (const other of others) addItem(state, { type: "reasoning", summary: [], encrypted_content: other }, path);
}

function textsOf(parts: readonly ReasoningPart[], form: ReasoningPart["form"]): string[] {
  return parts.flatMap((part) => part.form === form && part.text !== "" ? part.pieces ?? [part.text] : []);
}

function encodeCall(state: State, part: ToolCallPart): JsonObject {
  const { encoding, keepsIds } = state;
  if (part.native?.format === FORMAT) return part.native.value;
  const isCustom = part.toolKind === "custom";
  if ((part.opaque ?? []).length > 0) {
    const name = clientName(encoding.request, "callSignature");
    encoding.losses.add(`${part.path}.${name}`, "the signature belongs to another maker's models");
  }
  return defined({
    type: isCustom ? "custom_tool_call" : "function_call",
    id: keepsIds ? part.itemId : undefined,
    call_id: encoding.isOwn ? part.id : callId(part.id, MAX_CALL_ID),
    name: encoding.names.toTarget(part.name, part.namespace),
    namespace: part.namespace,
    ...(isCustom ? { input: part.arguments } : { arguments: argumentsOf(encoding, part) }),
    status: encoding.isOwn ? part.item?.status : undefined,
    ...carryExtra(encoding, part.extra, part.path),
  });
}

/** A call without arguments is `{}` where arguments must be JSON. */
function argumentsOf(encoding: Encoding, part: ToolCallPart): string {
  return !encoding.isOwn && part.arguments.trim() === "" ? "{}" : part.arguments;
}

function addCompaction(state: State, part: CompactionPart): void {
  const { encoding } = state;
  const own = part.opaque?.find((opaque) => opaque.kind === "compaction" && opaque.issuer === encoding.target.family);
  if (own !== undefined) {
    const extra = carryExtra(encoding, part.extra, part.path);
    const item = defined({ type: "compaction", id: part.item?.id, encrypted_content: own.value, ...extra });
    return addItem(state, item, part.path);
  }
  if (part.text !== undefined && part.text !== "") {
    encoding.losses.add(part.path ?? "messages", "emulated: the compaction's summary goes as text");
    const text = summaryText(part.text);
    return addText(state, defined({ kind: "text" as const, text, path: part.path }));
  }
  encoding.losses.add(part.path ?? "messages", "this compaction is another maker's");
}

function addNative(state: State, part: NativePart): void {
  if (part.format === FORMAT && part.item === undefined) return addItem(state, part.value, part.path);
  if (part.format === FORMAT) {
    state.message?.content.push(part.value);
    return;
  }
  const reason = "responses has nothing like it";
  state.encoding.losses.add(
    part.path ?? "messages",
    part.text === undefined ? reason : `emulated: ${reason}, sent as text`,
  );
  if (part.text !== undefined) addText(state, defined({ kind: "text" as const, text: part.text, path: part.path }));
}
