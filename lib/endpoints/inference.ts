/** The three roads: a request for a model's answer in any of the formats, and the count of its tokens. */
import type { JsonObject } from "../base/fields.ts";
import { servedModels } from "../admin.ts";
import { countTokens } from "../count.ts";
import { type Failure, type Result, success } from "../base/failure.ts";
import { answer, type Entry, type Exchange, type Handled, type Handler, readCall, refuse } from "../exchange.ts";
import { explain, explainCount, explainRefusal } from "../explain.ts";
import { apiName, type Format } from "../format.ts";
import type { Call } from "../plan.ts";
import { relay } from "../relay.ts";
import type { Relayed } from "../reply.ts";
import { type Route, route } from "../router.ts";

/** How a call is carried out once its route is known. */
export interface Asking {
  /** The call as it is really made on this route: what is explained, and carried out. */
  prepare?(call: Call, route: Route, exchange: Exchange): Result<Call> | Promise<Result<Call>>;
  ask(call: Call, route: Route, exchange: Exchange): Promise<Relayed>;
  explain(call: Call, route: Route): JsonObject;
}

const ANSWER: Asking = { ask: (call, route, exchange) => relay(call, route, exchange.upstream), explain };
const COUNT: Asking = { ask: countTokens, explain: explainCount };

/** `POST` of a request in this format. */
export function answerIn(client: Format): Handler {
  return (exchange) => ask(exchange, client, ANSWER);
}

/** `POST /messages/count_tokens`, `POST /responses/input_tokens` */
export function countIn(client: Format, prepare?: Asking["prepare"]): Handler {
  const asking = prepare === undefined ? COUNT : { ...COUNT, prepare };
  return (exchange) => ask(exchange, client, asking);
}

export async function ask(exchange: Exchange, client: Format, asking: Asking): Promise<Handled> {
  const asked = await readAsked(exchange, client);
  if (!asked.ok) return refuse(exchange, asked.failure, client);
  const { route } = asked.value;
  let { call } = asked.value;
  if (asking.prepare !== undefined) {
    const prepared = await asking.prepare(call, route, exchange);
    if (!prepared.ok) return refusedCall(exchange, call, route, prepared.failure);
    call = prepared.value;
  }
  if (wantsExplanation(exchange)) return answer(exchange, asking.explain(call, route));
  return handled(call, route, await asking.ask(call, route, exchange));
}

/** What is asked for, and where it goes. */
export async function readAsked(exchange: Exchange, client: Format): Promise<Result<{ call: Call; route: Route }>> {
  const prepared = await readCall(exchange, client);
  if (!prepared.ok) return prepared;
  const { config } = exchange.services;
  const routed = route(config, prepared.value.model, () => servedModels(config));
  return routed.ok ? success({ call: prepared.value, route: routed.value }) : routed;
}

/** A call that gets no further, told or explained. */
export function refusedCall(exchange: Exchange, call: Call, route: Route, failure: Failure): Handled {
  return wantsExplanation(exchange)
    ? answer(exchange, explainRefusal(call, route, failure))
    : refuse(exchange, failure, call.client);
}

export function wantsExplanation({ request }: Exchange): boolean {
  return request.headers.get("x-trivium-explain") === "1";
}

/** Only what the log needs of a call is kept: a stream lives long, and its request may be large. */
export function handled(call: Call, route: Route, { response, format, losses, done }: Relayed): Handled {
  const entry: Entry = {
    client: apiName(call.client),
    model: call.model,
    provider: route.provider.name,
    upstream: apiName(format),
    stream: call.stream,
    status: response.status,
    losses,
  };
  return { response, entry, done };
}
