/** `POST /v1/messages/count_tokens`: the upstream's own count where it has one, else an estimate that says so; never 404. */
import { isObject, type JsonObject } from "./base/fields.ts";
import { parseJson } from "./base/json.ts";
import { type Failure, invalid } from "./base/failure.ts";
import { readBodyWithin } from "./base/body.ts";
import { Losses } from "./format.ts";
import { type Call, passedBody, targetOf } from "./plan.ts";
import type { Relayed } from "./reply.ts";
import type { Route } from "./router.ts";
import { estimateInputTokens } from "./translation/estimate.ts";
import { type Destination, send, withoutSecrets } from "./upstream.ts";

const MAX_COUNT_BYTES = 64 * 1024;

export async function countTokens(call: Call, route: Route): Promise<Relayed> {
  const asked = nativeCount(call, route);
  const native = asked === undefined ? undefined : await counted(call, route, asked);
  return native ?? estimated(call, route);
}

/** What is asked of an upstream that may count by itself; undefined where it speaks another format. */
export function nativeCount(call: Call, { provider, ...route }: Route): (Destination & { body: Body }) | undefined {
  const { client } = call;
  if (!provider.formats.includes(client.name)) return undefined;
  const target = targetOf({ provider, ...route }, client);
  return {
    provider,
    format: client,
    path: `${client.path}/count_tokens`,
    headers: { ...client.passedHeaders(call.headers, target), accept: "application/json" },
    body: passedBody(call, client, target, new Losses()),
  };
}

type Body = Uint8Array<ArrayBuffer>;

/** The upstream's answer, or its verdict on the request; undefined where it has none: then we estimate. */
async function counted(call: Call, route: Route, asked: Destination & { body: Body }): Promise<Relayed | undefined> {
  const sent = await send({
    ...asked,
    signal: call.abort.signal,
    firstByteMs: Math.min(call.config.timeouts.firstByteMs, MAX_WAIT_MS),
  });
  if (!sent.ok) return undefined;
  const bytes = await readBodyWithin(sent.value, MAX_COUNT_BYTES, MAX_WAIT_MS).catch(() => undefined);
  if (bytes === undefined || typeof bytes === "symbol") {
    call.abort.abort();
    return undefined;
  }
  const text = new TextDecoder().decode(bytes);
  if (sent.value.ok) return isCount(text) ? answered(call, route, text, {}) : undefined;
  if (sent.value.status !== 400 && sent.value.status !== 413) return undefined;
  return refused(
    call,
    route,
    withoutSecrets(call.client.decodeError(sent.value.status, sent.value.headers, text), route.provider),
  );
}

/** A count is asked for often and at once: a slow upstream must not hold the client up. */
const MAX_WAIT_MS = 10_000;

function estimated(call: Call, route: Route): Relayed {
  let body: unknown;
  try {
    body = parseJson(new TextDecoder().decode(call.bytes));
  } catch {
    return refused(call, route, invalid("The body is not valid JSON"));
  }
  const request: JsonObject = isObject(body) ? body : {};
  // Counting needs no max_tokens, the messages format does.
  const decoded = call.client.decodeRequest({ max_tokens: 1, ...request }, call.headers);
  if (!decoded.ok) return refused(call, route, decoded.failure);
  const count = JSON.stringify({ input_tokens: estimateInputTokens(decoded.value) });
  return answered(call, route, count, { "x-trivium-usage": "estimated" });
}

function isCount(text: string): boolean {
  try {
    const body: unknown = JSON.parse(text);
    return isObject(body) && typeof body["input_tokens"] === "number";
  } catch {
    return false;
  }
}

function answered(call: Call, route: Route, text: string, headers: Record<string, string>): Relayed {
  const response = new Response(text, { headers: { ...headersOf(call, route), ...headers } });
  return { response, format: call.client, losses: new Losses(), done: Promise.resolve({ left: false }) };
}

function refused(call: Call, route: Route, failure: Failure): Relayed {
  const { status, body } = call.client.encodeError(failure, call.requestId);
  const response = new Response(JSON.stringify(body), { status, headers: headersOf(call, route) });
  return { response, format: call.client, losses: new Losses(), done: Promise.resolve({ left: false, failure }) };
}

function headersOf(call: Call, route: Route): Record<string, string> {
  return {
    "content-type": "application/json",
    "x-request-id": call.requestId,
    "request-id": call.requestId,
    "x-trivium-provider": route.provider.name,
  };
}
