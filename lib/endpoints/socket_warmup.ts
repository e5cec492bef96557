/**
 * `generate: false`: nothing is asked of a model, but the request is checked as if it were, and its answer is a response
 * without output that later turns go on from (OpenAI's guide "WebSocket mode").
 */
import { servedModels } from "../admin.ts";
import { bodyObject } from "../base/json.ts";
import { type Failure, type Result } from "../base/failure.ts";
import { abortWith, callOf, type Exchange, refuse } from "../exchange.ts";
import { Losses } from "../format.ts";
import { FORMATS } from "../formats/mod.ts";
import type { NeutralEvent, NeutralRequest } from "../neutral.ts";
import { route } from "../router.ts";
import { unknownResponse } from "../translation/history.ts";

const { responses } = FORMATS;

export async function warmup(exchange: Exchange, request: Request): Promise<Response> {
  const { services, requestId } = exchange;
  const bytes = new Uint8Array(await request.arrayBuffer());
  const call = callOf(exchange, responses, bytes, abortWith(request));
  if (!call.ok) return told(exchange, call.failure);
  const routed = route(services.config, call.value.model, () => servedModels(services.config));
  if (!routed.ok) return told(exchange, routed.failure);
  const decoded = decode(bytes, request.headers);
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

function decode(bytes: Uint8Array, headers: Headers): Result<NeutralRequest> {
  const body = bodyObject(bytes);
  if (!body.ok) return body;
  const decoded = responses.decodeRequest(body.value, headers);
  // What is in the socket's memory stands in the input by now.
  if (decoded.ok && decoded.value.state?.previousId !== undefined) {
    return { ok: false, failure: unknownResponse("previous_response_id") };
  }
  return decoded;
}

function told(exchange: Exchange, failure: Failure): Response {
  return refuse(exchange, failure, responses).response;
}

const EMPTY_ANSWER: readonly NeutralEvent[] = [
  { t: "start", id: "", model: "", createdAt: 0 },
  { t: "finish", c: 0, stop: { reason: "stop" } },
  { t: "end" },
];
