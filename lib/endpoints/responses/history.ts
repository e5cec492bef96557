/** What came before a turn: earlier responses, a conversation, items referred to, put into the request where needed. */
import { scopeOf } from "../../scope.ts";
import { fail, type Failure, invalid, type Result, success, tooLarge } from "../../base/failure.ts";
import type { JsonObject } from "../../base/fields.ts";
import type { Exchange } from "../../exchange.ts";
import type { Loss } from "../../neutral.ts";
import { FORMATS } from "../../formats/mod.ts";
import { type Call, upstreamFormat } from "../../plan.ts";
import type { Route } from "../../router.ts";
import type { StoredResponse } from "../../state/store.ts";
import { keptElsewhere, noConversation, noPrevious, noReferred } from "./failures.ts";
import { fetchHistory } from "./remote.ts";
import { isOver, outputOf } from "./turn.ts";
import { inputOf, isReference, mayRefer, type Wishes, wishesOf, withMembers } from "./wishes.ts";

/** Where a turn goes. */
export interface Place {
  exchange: Exchange;
  call: Call;
  /** The provider's name. */
  provider: string;
  /** Its upstream speaks this API itself. */
  isNative: boolean;
}

export interface History {
  /** Oldest first; they are to be put before the turn's own. */
  items: readonly JsonObject[];
  /** A response that the upstream itself keeps, and that these items come after. */
  anchor?: string;
  /** What came before is known here: the request is to hold it. Else it goes on as it is, if it speaks of any. */
  isLocal: boolean;
  inConversation: boolean;
}

const NOTHING: History = { items: [], isLocal: false, inConversation: false };

/** More are no conversation. */
const MAX_TURNS = 5000;

async function historyOf(place: Place, { previousId, conversationId }: Wishes): Promise<Result<History>> {
  if (previousId !== undefined && conversationId !== undefined && !place.isNative) {
    return fail(invalid("previous_response_id and conversation can't be used together", "previous_response_id"));
  }
  if (previousId !== undefined) return await earlierTurns(place, previousId);
  return conversationId === undefined ? success(NOTHING) : conversationItems(place, conversationId);
}

async function earlierTurns(place: Place, first: string): Promise<Result<History>> {
  const turns: JsonObject[][] = [];
  const limit = historyLimit(place.call);
  let length = 0;
  for (let id: string | undefined = first; id !== undefined;) {
    const stored = find(place, id);
    if (stored === undefined || turns.length === MAX_TURNS) {
      return await beyond(place, first, id, turns.reverse().flat());
    }
    if (!isOver(stored.response)) {
      return fail(invalid(`Response '${id}' is not complete yet`, "previous_response_id"));
    }
    if (stored.conversationId !== undefined) {
      const message = `Response '${id}' belongs to a conversation; go on by "conversation": "${stored.conversationId}"`;
      return fail(invalid(message, "previous_response_id"));
    }
    const turn = [...stored.input, ...outputOf(stored.response)];
    // All that is kept may be far more than fits into one request, or into memory.
    length += JSON.stringify(turn).length;
    if (length > limit) return fail(tooLong(limit));
    turns.push(turn);
    id = stored.previousId;
  }
  return success({ items: turns.reverse().flat(), isLocal: true, inConversation: false });
}

function find({ exchange, call }: Place, id: string): StoredResponse | undefined {
  return exchange.services.state.get(scopeOf(call.headers), id);
}

/** The response `id` isn't here: maybe an upstream keeps it. `later`: the turns that came after it. */
async function beyond(place: Place, first: string, id: string, later: JsonObject[]): Promise<Result<History>> {
  const { exchange, call, provider, isNative } = place;
  const pin = exchange.services.state.pinned(scopeOf(call.headers), id);
  const isKnownThere = isNative &&
    (pin === undefined ? id === first && !isForeign(place, id) : pin.provider === provider);
  if (isKnownThere) {
    return success(id === first ? NOTHING : { items: later, anchor: id, isLocal: true, inConversation: false });
  }
  if (pin === undefined) return fail(noPrevious(first, id));
  const fetched = await fetchHistory(exchange, pin, call.abort);
  if (!fetched.ok) return fetched;
  return success({ items: [...fetched.value, ...later], isLocal: true, inConversation: false });
}

/** An upstream sees one caller, the gateway: it would give anyone's response to anyone. */
function isForeign({ exchange, call }: Place, id: string): boolean {
  return exchange.services.state.isForeign(scopeOf(call.headers), id);
}

function conversationItems(place: Place, id: string): Result<History> {
  const { exchange, call, provider, isNative } = place;
  const { state } = exchange.services;
  if (state.conversation(scopeOf(call.headers), id) !== undefined) {
    return success({ items: state.items(scopeOf(call.headers), id), isLocal: true, inConversation: true });
  }
  const pin = state.pinned(scopeOf(call.headers), id);
  const isKnownThere = isNative && (pin === undefined ? !isForeign(place, id) : pin.provider === provider);
  if (isKnownThere) return success(NOTHING);
  return fail(pin === undefined ? noConversation(id, "conversation") : keptElsewhere(id, pin.provider));
}

/** The items of a turn's own input, read when they are needed. */
export interface OwnItems {
  items: () => readonly JsonObject[];
  /** Some were only referred to, and are looked up. */
  isResolved: boolean;
}

/** Thinking that isn't here is only left out, and named. */
function isThinking(id: string): boolean {
  return id.startsWith("rs_");
}

/** A native upstream may know what isn't known here. */
function ownItems({ exchange, call, isNative }: Place): Result<OwnItems> {
  let read: readonly JsonObject[] | undefined;
  if (!mayRefer(call)) return success({ items: () => read ??= inputOf(call), isResolved: false });
  const resolved: JsonObject[] = [];
  let isResolved = false;
  for (const [index, item] of inputOf(call).entries()) {
    const found = isReference(item) ? exchange.services.state.item(scopeOf(call.headers), item.id) : undefined;
    if (found === undefined && isReference(item) && !isNative && !isThinking(item.id)) {
      return fail(noReferred(item.id, `input[${index}]`));
    }
    isResolved ||= found !== undefined;
    resolved.push(found ?? item);
  }
  return success({ items: () => resolved, isResolved });
}

/** A call that is whole, and what made it so. */
export interface Gathered {
  call: Call;
  history: History;
  own: OwnItems;
}

/** A conversation may grow larger than one request, but not without end. */
const MOST_OF_HISTORY = 2;

function historyLimit({ config }: Call): number {
  return MOST_OF_HISTORY * config.maxBodyBytes;
}

export async function gathered(place: Place, wishes: Wishes): Promise<Result<Gathered>> {
  const { call } = place;
  const history = await historyOf(place, wishes);
  if (!history.ok) return history;
  const found = ownItems(place);
  if (!found.ok) return found;
  const own = found.value;
  const whole = history.value.isLocal || own.isResolved ? expanded(place, history.value, own) : call;
  const limit = historyLimit(call);
  return whole.bytes.length > limit ? fail(tooLong(limit)) : success({ call: whole, history: history.value, own });
}

/** The call with all in its input that it refers to and that is known here: for what is asked beside an answer. */
export async function wholeCall(call: Call, route: Route, exchange: Exchange): Promise<Result<Call>> {
  const isNative = upstreamFormat(call, route) === FORMATS.responses;
  const whole = await gathered({ exchange, call, provider: route.provider.name, isNative }, wishesOf(call));
  return whole.ok ? success(whole.value.call) : whole;
}

/** The call with its earlier turns in its body, and nothing left that its upstream would have to know of them. */
function expanded(place: Place, history: History, own: OwnItems): Call {
  const { call, isNative } = place;
  const lost: Loss[] = [];
  const earlier = isNative
    ? history.items.flatMap((item, index) => forNative(item, `earlier_input[${index}]`, lost))
    : history.items;
  const input = own.isResolved ? JSON.stringify(own.items()).slice(1, -1) : ownText(call);
  const texts = [...earlier.map((item) => JSON.stringify(item)), ...(input === "" ? [] : [input])];
  const values = new Map([["input", `[${texts.join(",")}]`]]);
  if (history.isLocal) {
    values.set("previous_response_id", JSON.stringify(history.anchor ?? null));
    if (call.members.has("conversation")) values.set("conversation", "null");
  }
  const isText = isTextInput(call);
  return {
    ...withMembers(call, values),
    lost,
    named: (path) => namedFrom(path, earlier.length, isText),
  };
}

/** The client's own input as the inside of a list, in its own bytes. */
function ownText(call: Call): string {
  const span = call.members.get("input");
  const text = span === undefined ? "null" : new TextDecoder().decode(call.bytes.subarray(span.start, span.end));
  if (text.startsWith("[")) return text.slice(1, -1).trim();
  return inputOf(call).map((item) => JSON.stringify(item)).join(",");
}

function isTextInput({ bytes, members }: Call): boolean {
  const span = members.get("input");
  return span !== undefined && bytes[span.start] === QUOTE;
}

const QUOTE = 0x22;

/** `input[7].content` → `input[0].content`, for a client that sent only what came after the seventh. */
function namedFrom(path: string, earlier: number, isText: boolean): string {
  const [head, index] = /^input\[(\d+)\]/.exec(path) ?? [];
  if (head === undefined) return path;
  const own = Number(index) - earlier;
  const rest = path.slice(head.length);
  if (own < 0) return `earlier_input[${index}]${rest}`;
  return isText ? "input" : `input[${own}]${rest}`;
}

const IDS_ARE_FREE = /^(?:message|(?:function|custom_tool)_call(?:_output)?)$/;

/**
 * An item as another maker's upstream takes it: ids that it didn't make mean nothing to it, and thinking without its
 * encrypted content it would look up by its id, in vain.
 */
function forNative(item: JsonObject, path: string, lost: Loss[]): JsonObject[] {
  const type = typeof item["type"] === "string" ? item["type"] : "message";
  if (type === "reasoning" && typeof item["encrypted_content"] !== "string") {
    lost.push({ path, reason: "thinking that only its own upstream can look up" });
    return [];
  }
  if (!IDS_ARE_FREE.test(type)) return [item];
  const { id: _, ...rest } = item;
  return [rest];
}

function tooLong(limit: number): Failure {
  return tooLarge(limit, "max_body_mb", "With its earlier turns the request");
}
