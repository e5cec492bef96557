/** `/conversations`: kept here for every upstream; those that an upstream keeps are asked for there. */
import { scopeOf } from "../scope.ts";
import { fail, type Failure, invalid, type Result, success } from "../base/failure.ts";
import { describe, isObject, type JsonObject } from "../base/fields.ts";
import { bodyObject } from "../base/json.ts";
import { answer, type Exchange, type Handled, readBytes, refuse } from "../exchange.ts";
import { FORMATS } from "../formats/mod.ts";
import type { Conversation } from "../state/store.ts";
import { randomId } from "../translation/ids.ts";
import { listOf, pageOf, shownItem } from "./listing.ts";
import { noConversation, noItem } from "./responses/failures.ts";
import { forward } from "./responses/remote.ts";
import { withId } from "./responses/turn.ts";

const FORMAT = FORMATS.responses;

/** Items that one request may add. */
const MAX_ITEMS = 20;

/** OpenAI's own limits of metadata. */
const MAX_PAIRS = 16;
const MAX_KEY = 64;
const MAX_VALUE = 512;

/** `POST /conversations` */
export async function createConversation(exchange: Exchange): Promise<Handled> {
  const read = await readBytes(exchange);
  const body = read.ok ? bodyOf(read.value) : read;
  const items = body.ok ? itemsIn(body.value, false) : body;
  const metadata = body.ok ? metadataIn(body.value) : body;
  if (!body.ok) return no(exchange, body.failure);
  if (!items.ok) return no(exchange, items.failure);
  if (!metadata.ok) return no(exchange, metadata.failure);
  const { services: { state }, request } = exchange;
  const scope = scopeOf(request.headers);
  const conversation = { id: randomId("conv_"), scope, createdAt: Date.now(), metadata: metadata.value };
  const isKept = state.putConversation(conversation) &&
    (items.value.length === 0 || state.addItems(scope, conversation.id, items.value));
  return isKept ? told(exchange, conversation) : no(exchange, notKept());
}

/** `GET /conversations/{id}` */
export function retrieveConversation(exchange: Exchange): Promise<Handled> {
  return at(exchange, "GET", "", (conversation) => told(exchange, conversation));
}

/** `POST /conversations/{id}`: its metadata, anew. */
export function updateConversation(exchange: Exchange): Promise<Handled> {
  return at(exchange, "POST", "", (conversation, body) => {
    const metadata = metadataIn(body);
    if (!metadata.ok) return no(exchange, metadata.failure);
    const updated = { ...conversation, metadata: metadata.value };
    return exchange.services.state.putConversation(updated) ? told(exchange, updated) : no(exchange, notKept());
  });
}

/** `DELETE /conversations/{id}` */
export async function removeConversation(exchange: Exchange): Promise<Handled> {
  const { state } = exchange.services;
  const scope = scopeOf(exchange.request.headers);
  const handled = await at(exchange, "DELETE", "", ({ id }) => {
    state.deleteConversation(scope, id);
    return answer(exchange, { id, object: "conversation.deleted", deleted: true });
  });
  if (handled.response.ok) state.unpin(scope, exchange.params[0] ?? "");
  return handled;
}

/** `GET /conversations/{id}/items` */
export function listItems(exchange: Exchange): Promise<Handled> {
  return at(exchange, "GET", "/items", ({ scope, id }) => {
    const page = pageOf(exchange.services.state.items(scope, id).map(shownItem), exchange.url.searchParams);
    return page.ok ? answer(exchange, page.value) : no(exchange, page.failure);
  });
}

/** `POST /conversations/{id}/items` */
export function addItems(exchange: Exchange): Promise<Handled> {
  return at(exchange, "POST", "/items", ({ scope, id }, body) => {
    const items = itemsIn(body, true);
    if (!items.ok) return no(exchange, items.failure);
    const isKept = exchange.services.state.addItems(scope, id, items.value);
    return isKept ? answer(exchange, listOf(items.value.map(shownItem), false)) : no(exchange, notKept());
  });
}

/** `GET /conversations/{id}/items/{item_id}` */
export function retrieveItem(exchange: Exchange): Promise<Handled> {
  const itemId = exchange.params[1] ?? "";
  return at(exchange, "GET", `/items/${encodeURIComponent(itemId)}`, ({ scope, id }) => {
    const item = exchange.services.state.items(scope, id).find((candidate) => candidate["id"] === itemId);
    return item === undefined ? no(exchange, noItem(itemId)) : answer(exchange, shownItem(item));
  });
}

/** `DELETE /conversations/{id}/items/{item_id}`: answers with the conversation. */
export function removeItem(exchange: Exchange): Promise<Handled> {
  const itemId = exchange.params[1] ?? "";
  return at(exchange, "DELETE", `/items/${encodeURIComponent(itemId)}`, (conversation) => {
    const { scope, id } = conversation;
    const isGone = exchange.services.state.deleteItem(scope, id, itemId);
    return isGone ? told(exchange, conversation) : no(exchange, noItem(itemId));
  });
}

/** Does with a conversation that is kept here what `act` says; asks the upstream that keeps it else. */
async function at(
  exchange: Exchange,
  method: "GET" | "POST" | "DELETE",
  rest: string,
  act: (conversation: Conversation, body: JsonObject) => Handled,
): Promise<Handled> {
  const { services: { state }, request, params: [id = ""] } = exchange;
  const scope = scopeOf(request.headers);
  const read = method === "POST" ? await readBytes(exchange) : success(undefined);
  if (!read.ok) return no(exchange, read.failure);
  const conversation = state.conversation(scope, id);
  if (conversation !== undefined) {
    const body = bodyOf(read.value);
    return body.ok ? act(conversation, body.value) : no(exchange, body.failure);
  }
  const pin = state.pinned(scope, id);
  if (pin === undefined) return no(exchange, noConversation(id));
  return await forward(exchange, pin, method, `/conversations/${encodeURIComponent(id)}${rest}`, read.value);
}

/** No body is one without members. */
function bodyOf(bytes: Uint8Array | undefined): Result<JsonObject> {
  return bytes === undefined || bytes.length === 0 ? success({}) : bodyObject(bytes);
}

function metadataIn({ metadata = {} }: JsonObject): Result<JsonObject> {
  if (metadata === null) return success({});
  if (!isObject(metadata)) return fail(invalid(`Expected an object but got ${describe(metadata)}`, "metadata"));
  const entries = Object.entries(metadata);
  if (entries.length > MAX_PAIRS) return fail(invalid(`Expected at most ${MAX_PAIRS} pairs`, "metadata"));
  for (const [key, value] of entries) {
    if (key.length > MAX_KEY) return fail(invalid(`Expected keys of at most ${MAX_KEY} characters`, "metadata"));
    const path = `metadata.${key}`;
    if (typeof value !== "string") return fail(invalid(`Expected a string but got ${describe(value)}`, path));
    if (value.length > MAX_VALUE) return fail(invalid(`Expected at most ${MAX_VALUE} characters`, path));
  }
  return success(metadata);
}

/** Each with an id. */
function itemsIn({ items }: JsonObject, isRequired: boolean): Result<JsonObject[]> {
  if ((items === undefined || items === null) && !isRequired) return success([]);
  if (!Array.isArray(items)) return fail(invalid(`Expected an array but got ${describe(items)}`, "items"));
  if (items.length > MAX_ITEMS) return fail(invalid(`Expected at most ${MAX_ITEMS} items at once`, "items"));
  const wrong = items.findIndex((item) => !isObject(item));
  if (wrong !== -1) return fail(invalid(`Expected an object but got ${describe(items[wrong])}`, `items[${wrong}]`));
  return success(items.filter(isObject).map((item) => withId(item)));
}

function told(exchange: Exchange, { id, createdAt, metadata }: Conversation): Handled {
  return answer(exchange, { id, object: "conversation", created_at: Math.floor(createdAt / 1000), metadata });
}

function no(exchange: Exchange, failure: Failure): Handled {
  return refuse(exchange, failure, FORMAT);
}

function notKept(): Failure {
  const message = "The gateway can't keep this conversation now";
  return { kind: "overloaded", source: "gateway", message, retry: true };
}
