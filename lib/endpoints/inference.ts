/** The three roads: a request for a model's answer in any of the formats, and the count of its tokens. */
import { servedModels } from "../admin.ts";
import { countTokens } from "../count.ts";
import { type Entry, type Exchange, type Handled, type Handler, idHeaders, readCall, refuse } from "../exchange.ts";
import { explain } from "../explain.ts";
import type { Format } from "../format.ts";
import type { Call } from "../plan.ts";
import { relay } from "../relay.ts";
import type { Relayed } from "../reply.ts";
import { type Route, route } from "../router.ts";

type Ask = (call: Call, route: Route, exchange: Exchange) => Promise<Relayed>;

/** `POST` of a request in this format. */
export function answerIn(client: Format): Handler {
  return (exchange) => ask(exchange, client, (call, route) => relay(call, route, exchange.upstream));
}

/** `POST /messages/count_tokens`, `POST /responses/input_tokens` */
export function countIn(client: Format): Handler {
  return (exchange) => ask(exchange, client, (call, route) => countTokens(call, route));
}

async function ask(exchange: Exchange, client: Format, by: Ask): Promise<Handled> {
  const { services, request, requestId } = exchange;
  const prepared = await readCall(exchange, client);
  if (!prepared.ok) return refuse(exchange, prepared.failure, client);
  const call = prepared.value;
  const routed = route(services.config, call.model, servedModels(services.config));
  if (!routed.ok) return refuse(exchange, routed.failure, client);
  if (request.headers.get("x-trivium-explain") === "1") {
    return { response: Response.json(explain(call, routed.value), { headers: idHeaders(requestId) }) };
  }
  return handled(call, routed.value, await by(call, routed.value, exchange));
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
