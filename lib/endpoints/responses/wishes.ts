/** What a request of the Responses API asks of state, read from its bytes; the rest of it is the formats' matter. */
import { Buffer } from "node:buffer";
import { isObject, type JsonObject } from "../../base/fields.ts";
import { parseJson, scanObject, setMembers } from "../../base/json.ts";
import type { Call } from "../../plan.ts";

export interface Wishes {
  /** The response is to be kept; so it is unless the client says no. */
  store: boolean;
  background: boolean;
  previousId?: string;
  conversationId?: string;
  /** What is noted on the response: of no use to a model, so that whoever keeps the response keeps it too. */
  metadata?: JsonObject;
}

/** Members of a wrong type are left to whoever checks the whole request. */
export function wishesOf(call: Call): Wishes {
  const previousId = member(call, "previous_response_id");
  const conversation = member(call, "conversation");
  const conversationId = isObject(conversation) ? conversation["id"] : conversation;
  return {
    store: (member(call, "store") ?? true) === true,
    background: member(call, "background") === true,
    ...(typeof previousId === "string" && previousId !== "" ? { previousId } : {}),
    ...(typeof conversationId === "string" && conversationId !== "" ? { conversationId } : {}),
    ...metadataOf(call),
  };
}

function metadataOf(call: Call): { metadata?: JsonObject } {
  const metadata = member(call, "metadata");
  return isObject(metadata) && Object.values(metadata).every((value) => typeof value === "string") ? { metadata } : {};
}

function member({ bytes, members }: Call, name: string): unknown {
  const span = members.get(name);
  if (span === undefined) return undefined;
  try {
    return parseJson(new TextDecoder().decode(bytes.subarray(span.start, span.end)));
  } catch {
    return undefined;
  }
}

/** The items of the request's own `input`, as they came; what is no item is left out. */
export function inputOf(call: Call): JsonObject[] {
  return itemsOf(member(call, "input"));
}

/** A string is one user message, an object one item. */
export function itemsOf(input: unknown): JsonObject[] {
  if (typeof input === "string") return [{ type: "message", role: "user", content: input }];
  if (isObject(input)) return [input];
  return Array.isArray(input) ? input.filter(isObject) : [];
}

/** Whether some item may be there by its id alone. */
export function mayRefer({ bytes, members }: Call): boolean {
  const span = members.get("input");
  if (span === undefined) return false;
  const input = Buffer.from(bytes.buffer, bytes.byteOffset + span.start, span.end - span.start);
  return input.includes("item_reference") || BARE_ID.test(input.toString("latin1"));
}

/** The type of a reference may be left out, or null (`ItemReference` of openai 7.55.0). */
const BARE_ID = /\{\s*(?:"type"\s*:\s*null\s*,\s*)?"id"\s*:\s*"[^"]*"\s*(?:,\s*"type"\s*:\s*null\s*)?\}/;

export function isReference(item: JsonObject): item is JsonObject & { id: string } {
  const { type, id, role } = item;
  return typeof id === "string" && (type === "item_reference" || ((type ?? null) === null && role === undefined));
}

/** The call with these members of its body set to these JSON texts. */
export function withMembers(call: Call, values: ReadonlyMap<string, string>): Call {
  if (values.size === 0) return call;
  const bytes = setMembers(call.bytes, call.members, values);
  const scanned = scanObject(bytes);
  return { ...call, bytes, members: scanned.ok ? scanned.value : call.members };
}
