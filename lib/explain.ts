/**
 * What would happen to a request, without a call upstream and without any key: the same plan that `relay` carries out,
 * shown.
 */
import type { Failure } from "./base/failure.ts";
import type { JsonObject } from "./base/fields.ts";
import { parseJson } from "./base/json.ts";
import { countQuestion } from "./count.ts";
import { apiName } from "./format.ts";
import { toldLoss } from "./loss_report.ts";
import { type Call, destinationOf, planCall, upstreamFormat } from "./plan.ts";
import type { Route } from "./router.ts";
import { type Destination, shownRequest } from "./upstream.ts";

/** The rule that matched, the target, what is sent where, and what is lost; or the error that the client would get. */
export function explain(call: Call, route: Route): JsonObject {
  const planned = planCall(call, route);
  if (!planned.ok) return explainRefusal(call, route, planned.failure);
  const { body, losses } = planned.value;
  return {
    ...headOf(call, route),
    ...sent(destinationOf(call, route, planned.value), body),
    losses: losses.list.map(toldLoss),
  };
}

/** The same of a call that gets no further than this failure. */
export function explainRefusal(call: Call, route: Route, failure: Failure): JsonObject {
  return { ...headOf(call, route), refused: shownError(call, failure) };
}

function headOf(call: Call, route: Route): JsonObject {
  const format = upstreamFormat(call, route);
  return {
    ...routeOf(call, route),
    mode: format === call.client ? "pass-through" : "translation",
    upstream: apiName(format),
  };
}

/** The same of a count of tokens, which is sent only where the upstream counts. */
export function explainCount(call: Call, route: Route): JsonObject {
  const question = countQuestion(call, route);
  const head = routeOf(call, route);
  if (question === undefined) return { ...head, mode: "estimate" };
  const { format, body } = question;
  const mode = format === call.client ? "pass-through" : "translation";
  return { ...head, mode, upstream: format.name, ...sent(question, body) };
}

function routeOf(call: Call, { provider, model, rule }: Route): JsonObject {
  return {
    client: apiName(call.client),
    model: call.model,
    rule,
    targets: [{ provider: provider.name, model }],
    ...(provider.waitsFor === undefined ? {} : { waits_for: provider.waitsFor }),
  };
}

function sent(destination: Destination, body: Uint8Array | string): JsonObject {
  return {
    ...shownRequest(destination),
    body: shownBody(typeof body === "string" ? body : new TextDecoder().decode(body)),
  };
}

/** What passes as bytes may hold escapes or letters that no JSON has: the upstream's to refuse. */
function shownBody(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

function shownError({ client, requestId }: Call, failure: Failure): JsonObject {
  const { status, body } = client.encodeError(failure, requestId);
  return { status, body };
}
