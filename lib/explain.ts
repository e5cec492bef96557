/**
 * What would happen to a request, without a call upstream and without any key: the same plan that `relay` carries out,
 * shown.
 */
import type { JsonObject } from "./base/fields.ts";
import { parseJson } from "./base/json.ts";
import { toldLoss } from "./loss_report.ts";
import { type Call, planCall, upstreamFormat } from "./plan.ts";
import type { Route } from "./router.ts";
import { shownRequest } from "./upstream.ts";

/** The rule that matched, the target, what is sent where, and what is lost; or the error that the client would get. */
export function explain(call: Call, route: Route): JsonObject {
  const { provider, model } = route;
  const format = upstreamFormat(call, route);
  const head = {
    client: call.client.name,
    model: call.model,
    rule: route.rule,
    targets: [{ provider: provider.name, model }],
    mode: format === call.client ? "pass-through" : "translation",
    upstream: format.name,
    ...(provider.waitsFor === undefined ? {} : { waits_for: provider.waitsFor }),
  };
  const planned = planCall(call, route);
  if (!planned.ok) {
    const { status, body } = call.client.encodeError(planned.failure, call.requestId);
    return { ...head, refused: { status, body } };
  }
  const { body, headers, losses } = planned.value;
  const text = typeof body === "string" ? body : new TextDecoder().decode(body);
  return {
    ...head,
    ...shownRequest({ provider, format, path: format.path, headers }),
    body: parseJson(text),
    losses: losses.list.map(toldLoss),
  };
}
