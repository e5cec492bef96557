/** `POST /responses`: what came before is put in, the answer is kept, on whatever upstream. */
import { fail, invalid, type Result, success } from "../../base/failure.ts";
import { type Exchange, type Handled, refuse } from "../../exchange.ts";
import { explain } from "../../explain.ts";
import type { Format } from "../../format.ts";
import { FORMATS } from "../../formats/mod.ts";
import { type Call, upstreamFormat } from "../../plan.ts";
import { relay } from "../../relay.ts";
import type { Route } from "../../router.ts";
import { explained, handled, readAsked, refusedCall, wantsExplanation } from "../inference.ts";
import { startInBackground } from "./background.ts";
import { noReferred } from "./failures.ts";
import { expanded, type History, historyOf, ownItems, type Place } from "./history.ts";
import { OwnTurn, PassedTurn, type TurnContext } from "./turn.ts";
import { type Wishes, wishesOf, withMembers } from "./wishes.ts";

const FORMAT = FORMATS.responses;

/** A call that is ready to go, and what becomes of its answer. */
interface Prepared {
  call: Call;
  context: TurnContext;
  /** The turn, where its answer is made here. */
  own?: OwnTurn;
}

export async function answerResponses(exchange: Exchange): Promise<Handled> {
  const asked = await readAsked(exchange, FORMAT);
  if (!asked.ok) return refuse(exchange, asked.failure, FORMAT);
  const { call, route } = asked.value;
  const wishes = wishesOf(call);
  const prepared = await prepare(exchange, call, route, wishes);
  if (!prepared.ok) return refusedCall(exchange, call, route, prepared.failure);
  const { call: ready, own, context } = prepared.value;
  if (wantsExplanation(exchange)) return explained(exchange, explain(ready, route));
  if (own !== undefined && wishes.background && !context.isTrial) {
    return await startInBackground(exchange, { call: ready, own, context }, route);
  }
  return handled(ready, route, await relay(ready, route, exchange.upstream));
}

async function prepare(exchange: Exchange, call: Call, route: Route, wishes: Wishes): Promise<Result<Prepared>> {
  const upstream = upstreamFormat(call, route);
  const isNative = upstream === FORMAT;
  if (wishes.background && !wishes.store && !isNative) {
    return fail(invalid("A background response must be stored: leave store out, or set it to true", "store"));
  }
  const place: Place = { exchange, call, provider: route.provider.name, isNative };
  const history = await historyOf(place, wishes);
  if (!history.ok) return history;
  const own = ownItems(place);
  // Thinking that isn't here is only left out, and named.
  const missing = own.missing.find(({ id }) => !id.startsWith("rs_"));
  if (!isNative && missing !== undefined) return fail(noReferred(missing.id, missing.path));
  const bodied = history.value.isLocal || own.isResolved ? expanded(place, history.value, own) : call;
  const limit = MOST_OF_HISTORY * call.config.maxBodyBytes;
  if (bodied.bytes.length > limit) return fail(tooLong(limit));
  const context: TurnContext = {
    state: exchange.services.state,
    scope: call.scope,
    wishes,
    input: own.items,
    inConversation: history.value.inConversation,
    isTrial: exchange.upstream !== undefined,
  };
  return success(isNative ? passed(bodied, route, context, history.value) : translated(bodied, context, upstream));
}

/** A conversation may grow larger than one request, but not without end. */
const MOST_OF_HISTORY = 2;

function tooLong(limit: number) {
  return {
    kind: "too_large" as const,
    source: "client" as const,
    message:
      `With its earlier turns the request is larger than ${limit} bytes; the gateway's max_body_mb sets this limit`,
    retry: false,
  };
}

function passed(call: Call, route: Route, context: TurnContext, { isLocal }: History): Prepared {
  const { wishes, inConversation } = context;
  const isSeen = wishes.store || isLocal || inConversation;
  if (!isSeen) return { call, context };
  const target = { provider: route.provider.name, model: call.model };
  return { call: { ...call, teller: new PassedTurn(context, isLocal, target) }, context };
}

/**
 * What is ours to do is not asked of the upstream. A wish to store goes on to Chat Completions, which has one of its own
 * and takes metadata only with it.
 */
function translated(call: Call, context: TurnContext, upstream: Format): Prepared {
  const { wishes } = context;
  const own = new OwnTurn(context);
  const ours: readonly (readonly [string, boolean])[] = [
    ["previous_response_id", wishes.previousId !== undefined],
    ["conversation", wishes.conversationId !== undefined],
    ["background", wishes.background],
    ["store", wishes.store && !isStoredTwice(upstream)],
  ];
  const values = new Map(ours.flatMap(([name, is]) => is && call.members.has(name) ? [[name, "null"] as const] : []));
  const ready = withMembers(call, values);
  const isTold = wishes.store || wishes.previousId !== undefined ||
    wishes.conversationId !== undefined;
  return { call: isTold ? { ...ready, teller: own } : ready, context, own };
}

function isStoredTwice(upstream: Format): boolean {
  return upstream === FORMATS.chat;
}
