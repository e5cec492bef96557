/** `POST /responses`: what came before is put in, the answer is kept, on whatever upstream. */
import { scopeOf } from "../../scope.ts";
import { fail, invalid, type Result, success } from "../../base/failure.ts";
import { answer, type Exchange, type Handled, refuse } from "../../exchange.ts";
import { explain } from "../../explain.ts";
import type { Format } from "../../format.ts";
import { FORMATS } from "../../formats/mod.ts";
import { type Call, upstreamFormat } from "../../plan.ts";
import { relay } from "../../relay.ts";
import type { Route } from "../../router.ts";
import { handled, readAsked, refusedCall, wantsExplanation } from "../inference.ts";
import { startInBackground } from "./background.ts";
import { gathered, type History, type Place } from "./history.ts";
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
  if (wantsExplanation(exchange)) return answer(exchange, explain(ready, route));
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
  const whole = await gathered(place, wishes);
  if (!whole.ok) return whole;
  const { call: bodied, history, own } = whole.value;
  const context: TurnContext = {
    state: exchange.services.state,
    scope: scopeOf(call.headers),
    wishes,
    input: own.items,
    inConversation: history.inConversation,
    isTrial: exchange.upstream !== undefined,
  };
  return success(
    isNative ? passed(bodied, route, context, history) : translated(bodied, context, isStoredTwice(upstream, route)),
  );
}

function passed(call: Call, route: Route, context: TurnContext, { isLocal }: History): Prepared {
  const { wishes, inConversation } = context;
  const isSeen = wishes.store || isLocal || inConversation;
  if (!isSeen) return { call, context };
  const target = { provider: route.provider.name, model: call.model };
  return { call: { ...call, teller: new PassedTurn(context, isLocal, target) }, context };
}

/**
 * What is ours to do is not asked of the upstream. A wish to store goes on to OpenAI's Chat Completions, which have
 * one of their own and take metadata only with it.
 */
function translated(call: Call, context: TurnContext, mayStoreToo: boolean): Prepared {
  const { wishes } = context;
  const storesToo = mayStoreToo && call.members.has("store");
  const own = new OwnTurn(context, storesToo ? undefined : wishes.metadata);
  const ours: readonly (readonly [string, boolean])[] = [
    ["previous_response_id", wishes.previousId !== undefined],
    ["conversation", wishes.conversationId !== undefined],
    ["background", wishes.background],
    ["store", wishes.store && !mayStoreToo],
    ["metadata", wishes.store && own.metadata !== undefined],
  ];
  const values = new Map(ours.flatMap(([name, is]) => is && call.members.has(name) ? [[name, "null"] as const] : []));
  const ready = withMembers(call, values);
  const isTold = wishes.store || wishes.previousId !== undefined ||
    wishes.conversationId !== undefined;
  return { call: isTold ? { ...ready, teller: own } : ready, context, own };
}

function isStoredTwice(upstream: Format, { provider, capabilities }: Route): boolean {
  return upstream === FORMATS.chat && provider.family === "openai" && capabilities.maker === "openai";
}
