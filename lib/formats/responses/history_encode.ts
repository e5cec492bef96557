/**
 * What the model said and did in earlier turns, neutral → items: reasoning, messages, calls (TRANSLATION.md, 1.3, 2.9
 * and 3.4). Opaque values go to the family of models that minted them alone.
 */
import type { JsonObject } from "../../base/fields.ts";
import type { CompactionPart, Item, Message, Part, ReasoningPart, ToolCallPart } from "../../neutral.ts";
import { callId } from "../../translation/ids.ts";
import { encodeOutputPart } from "./content_encode.ts";
import { carryExtra, type Encoding } from "./encoding.ts";
import type { Placed } from "./input_encode.ts";
import { defined, FORMAT, MAX_CALL_ID, ownFields } from "./wire.ts";

interface State {
  encoding: Encoding;
  placed: Placed[];
  /** The message item that further text joins, and the item that its parts came from. */
  message: { content: JsonObject[]; origin: Item | undefined } | undefined;
  /** The reasoning item that further reasoning of the same origin joins. */
  reasoning: { wire: ReasoningItem; origin: Item | undefined } | undefined;
  /** Ids of items hold only beside the reasoning that they were made with. */
  keepsIds: boolean;
}

interface ReasoningItem extends JsonObject {
  summary: JsonObject[];
  content?: JsonObject[];
  encrypted_content?: string;
}

function newState(encoding: Encoding, message: Message): State {
  const keepsIds = encoding.isOwn && message.parts.every((part) => part.kind !== "reasoning" || isNative(encoding, part));
  return { encoding, placed: [], message: undefined, reasoning: undefined, keepsIds };
}

export function encodeModelParts(encoding: Encoding, message: Message): Placed[] {
  const state = newState(encoding, message);
  for (const part of message.parts) addPart(state, part);
  return state.placed;
}

function addPart(state: State, part: Part): void {
  switch (part.kind) {
    case "text":
    case "refusal":
      return addText(state, part);
    case "reasoning":
      return addReasoning(state, part);
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
  state.reasoning = undefined;
  state.placed.push({ item, path });
}

function addText(state: State, part: Part & { kind: "text" | "refusal" }): void {
  const wire = encodeOutputPart(state.encoding, part);
  if (state.message !== undefined && state.message.origin === part.item) {
    state.message.content.push(wire);
    return;
  }
  const content = [wire];
  const origin = part.item;
  const item = defined({
    type: "message",
    id: state.encoding.isOwn ? origin?.id : undefined,
    status: state.encoding.isOwn ? origin?.status : undefined,
    role: "assistant",
    phase: origin?.phase,
    content,
    ...ownFields(origin?.extra),
  });
  addItem(state, item, part.path);
  state.message = { content, origin };
}

/** Without an opaque value the client's own reasoning stands for itself: it is stored upstream, or needs no signature. */
function isNative(encoding: Encoding, part: ReasoningPart): boolean {
  return encoding.isOwn && (part.opaque === undefined || encryptedOf(encoding, part).length > 0);
}

/** The encrypted values that are this target's. */
function encryptedOf(encoding: Encoding, part: ReasoningPart): string[] {
  return (part.opaque ?? [])
    .filter((opaque) => opaque.issuer === encoding.target.family && opaque.kind === "encrypted")
    .map((opaque) => opaque.value);
}

function addReasoning(state: State, part: ReasoningPart): void {
  const { encoding } = state;
  if (state.reasoning !== undefined && part.item !== undefined && state.reasoning.origin === part.item) {
    return joinReasoning(state.reasoning.wire, encoding, part);
  }
  const values = encryptedOf(encoding, part);
  const isOfOneItem = part.item !== undefined && hasEncryptedSibling(state, part);
  if (values.length === 0 && !isNative(encoding, part) && !isOfOneItem) {
    const says = part.text !== "" || (part.opaque ?? []).length > 0;
    if (says) encoding.losses.add(part.path ?? "messages", "the reasoning isn't signed by this model's maker");
    return;
  }
  const [first, ...others] = values;
  const wire: ReasoningItem = { type: "reasoning", summary: [] };
  if (state.keepsIds && part.item?.id !== undefined) wire["id"] = part.item.id;
  if (state.keepsIds && part.item?.status !== undefined) wire["status"] = part.item.status;
  addItem(state, wire, part.path);
  state.reasoning = { wire, origin: part.item };
  joinReasoning(wire, encoding, part);
  if (first !== undefined) wire.encrypted_content = first;
  // Two values are never merged: each goes back in an item of its own.
  for (const value of others) addItem(state, { type: "reasoning", summary: [], encrypted_content: value }, part.path);
}
