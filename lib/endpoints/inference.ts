/** The three roads: a request for a model's answer in any of the formats, and the count of its tokens. */
import { servedModels } from "../admin.ts";
import { countTokens } from "../count.ts";
import { type Result, success } from "../base/failure.ts";
import { type Entry, type Exchange, type Handled, type Handler, idHeaders, readCall, refuse } from "../exchange.ts";
import { explain } from "../explain.ts";
import type { Format } from "../format.ts";
import { FORMATS } from "../formats/mod.ts";
import type { Call } from "../plan.ts";
import { relay } from "../relay.ts";
import type { Relayed } from "../reply.ts";
import { type Route, route } from "../router.ts";

type Ask = (call: Call, route: Route, exchange: Exchange) => Promise<Relayed>;

/** `POST` of a request in this format. */
export function answerIn(client: Format): Handler {
  return (exchange) => ask(exchange, client, (call, route) => relay(call, route, exchange.upstream));
}

/** `POST /messages/count_tokens` */
export function countMessages(exchange: Exchange): Promise<Handled> {
  return ask(exchange, FORMATS.messages, (call, route) => countTokens(call, route));
}

async function ask(exchange: Exchange, client: Format, by: Ask): Promise<Handled> {
  const asked = await readAsked(exchange, client);
  if (!asked.ok) return refuse(exchange, asked.failure, client);
  const { call, route } = asked.value;
  if (wantsExplanation(exchange)) return explained(exchange, call, route);
  return handled(call, route, await by(call, route, exchange));
}

/** What is asked for, and where it goes. */
export async function readAsked(exchange: Exchange, client: Format): Promise<Result<{ call: Call; route: Route }>> {
  const prepared = await readCall(exchange, client);
  if (!prepared.ok) return prepared;
  const { config } = exchange.services;
  const routed = route(config, prepared.value.model, servedModels(config));
  return routed.ok ? success({ call: prepared.value, route: routed.value }) : routed;
}

export function wantsExplanation({ request }: Exchange): boolean {
  return request.headers.get("x-trivium-explain") === "1";
}

export function explained({ requestId }: Exchange, call: Call, route: Route): Handled {
  return { response: Response.json(explain(call, route), { headers: idHeaders(requestId) }) };
}

/** Only what the log needs of a call is kept: a stream lives long, and its request may be large. */
export function handled(call: Call, route: Route, { response, format, losses, done }: Relayed): Handled {
  const entry: Entry = {
    client: call.client.name,
    model: call.model,
    provider: route.provider.name,
    upstream: format.name,
    stream: call.stream,
    status: response.status,
    losses,
  };
  return { response, entry, done };
}
