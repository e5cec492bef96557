/** The three roads: a request for a model's answer in any of the formats, and the count of its tokens. */
import { servedModels } from "../admin.ts";
import { type Result, success } from "../base/failure.ts";
import { countTokens } from "../count.ts";
import { type Entry, type Exchange, type Handled, type Handler, idHeaders, readCall, refuse } from "../exchange.ts";
import { explain } from "../explain.ts";
import { apiName, type Format } from "../format.ts";
import { FORMATS } from "../formats/mod.ts";
import type { Call } from "../plan.ts";
import { relay } from "../relay.ts";
import type { Relayed } from "../reply.ts";
import { type Route, route } from "../router.ts";

type Ask = (call: Call, route: Route, exchange: Exchange) => Promise<Relayed>;
/** The call as it is really made on this route: what is explained, and carried out. */
type Prepare = (call: Call, route: Route, exchange: Exchange) => Result<Call>;

/** `POST` of a request in this format. */
export function answerIn(client: Format): Handler {
  return (exchange) => ask(exchange, client, (call, route) => relay(call, route, exchange.upstream));
}

/** `POST /messages/count_tokens` */
export function countMessages(exchange: Exchange): Promise<Handled> {
  return ask(exchange, FORMATS.messages, (call, route) => countTokens(call, route));
}

export async function ask(
  exchange: Exchange,
  client: Format,
  by: Ask,
  prepare: Prepare = success,
): Promise<Handled> {
  const { services, request, requestId } = exchange;
  const read = await readCall(exchange, client);
  if (!read.ok) return refuse(exchange, read.failure, client);
  const routed = route(services.config, read.value.model, servedModels(services.config));
  if (!routed.ok) return refuse(exchange, routed.failure, client);
  const prepared = prepare(read.value, routed.value, exchange);
  if (!prepared.ok) return refuse(exchange, prepared.failure, client);
  const call = prepared.value;
  if (request.headers.get("x-trivium-explain") === "1") {
    return { response: Response.json(explain(call, routed.value), { headers: idHeaders(requestId) }) };
  }
  return handled(call, routed.value, await by(call, routed.value, exchange));
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
