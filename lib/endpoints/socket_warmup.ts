/**
 * `generate: false`: nothing is asked of a model, but the request is checked as if it were, and its answer is a response
 * without output that later turns go on from (OpenAI's guide "WebSocket mode").
 */
import { servedModels } from "../admin.ts";
import { fail, type Failure, type Result, success } from "../base/failure.ts";
import { abortWith, callOf, type Exchange, refuse } from "../exchange.ts";
import { Losses } from "../format.ts";
import { FORMATS } from "../formats/mod.ts";
import type { NeutralEvent, NeutralRequest } from "../neutral.ts";
import { type Call, decodeBody, namedFailure } from "../plan.ts";
import { route } from "../router.ts";
import { wholeCall } from "./responses/history.ts";
import { type Wishes, wishesOf } from "./responses/wishes.ts";

const { responses } = FORMATS;

export async function warmup(exchange: Exchange, request: Request): Promise<Response> {
  const { services, requestId } = exchange;
  const bytes = new Uint8Array(await request.arrayBuffer());
  const call = callOf(exchange, responses, bytes, abortWith(request));
  if (!call.ok) return told(exchange, call.failure);
  const routed = route(services.config, call.value.model, () => servedModels(services.config));
  if (!routed.ok) return told(exchange, routed.failure);
  // What came before is looked for now: the turn that goes on from here is too late to be told that it isn't there.
  const whole = await wholeCall(call.value, routed.value, exchange);
  const decoded = whole.ok ? decode(whole.value, wishesOf(call.value)) : whole;
  if (!decoded.ok) return told(exchange, decoded.failure);
  const encoder = responses.openEncoder({
    requestId,
    model: call.value.model,
    request: decoded.value,
    estimatedInputTokens: 0,
    losses: new Losses(),
  });
  const frames = EMPTY_ANSWER.flatMap((event) => [...encoder.encode(event)]);
  return new Response(frames.join(""), { headers: { "content-type": "text/event-stream" } });
}

/** Nothing of it is stored: the socket alone remembers it, and its answer says so. */
function decode(call: Call, { previousId }: Wishes): Result<NeutralRequest> {
  const decoded = decodeBody(call);
  if (!decoded.ok) return fail(namedFailure(call, decoded.failure));
  const state = { ...decoded.value.state, store: false, ...(previousId === undefined ? {} : { previousId }) };
  return success({ ...decoded.value, state });
}

function told(exchange: Exchange, failure: Failure): Response {
  return refuse(exchange, failure, responses).response;
}

const EMPTY_ANSWER: readonly NeutralEvent[] = [
  { t: "start", id: "", model: "", createdAt: 0 },
  { t: "finish", c: 0, stop: { reason: "stop" } },
  { t: "end" },
];
