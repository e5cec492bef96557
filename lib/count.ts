/**
 * `POST /v1/messages/count_tokens` and `/v1/responses/input_tokens`: the upstream's own count where it has one, else the
 * gateway's, which says so in its headers. Never 404, and never a failure of the provider's.
 */
import { isObject, type JsonObject } from "./base/fields.ts";
import { readBodyWithin } from "./base/body.ts";
import type { Failure } from "./base/failure.ts";
import { type Format, Losses, type Target } from "./format.ts";
import type { NeutralRequest } from "./neutral.ts";
import { type Call, decodeBody, passThrough, targetOf, upstreamFormat } from "./plan.ts";
import type { Relayed } from "./reply.ts";
import type { Route } from "./router.ts";
import { type Count, countInput } from "./tokens/count.ts";
import { send, withoutSecrets } from "./upstream.ts";

export async function countTokens(call: Call, route: Route): Promise<Relayed> {
  const format = upstreamFormat(call, route);
  const target = targetOf(route, format);
  if (format === call.client) {
    const native = await passed(call, route, target);
    if (native !== undefined) return native;
  }
  const decoded = decodeBody(completed(call));
  if (!decoded.ok) return refused(call, route, decoded.failure);
  const request = decoded.value;
  const tokens = format === call.client ? undefined : await translated(call, route, format, target, request);
  if (tokens !== undefined) return answered(call, route, told(call, tokens), {});
  const count = await countInput(request, route.capabilities);
  return answered(call, route, told(call, count.tokens), headersOfCount(count));
}

function headersOfCount({ by }: Count): Record<string, string> {
  return { "x-trivium-usage": "estimated", "x-trivium-tokenizer": by };
}

function told({ client }: Call, tokens: number): string {
  return JSON.stringify(client.counting?.answer(tokens) ?? {});
}

/** The call with what its format needs of a request and counting doesn't. */
function completed(call: Call): Call {
  const { counting } = call.client;
  return counting === undefined ? call : { ...call, complete: counting.complete };
}

/** The upstream's answer, or its verdict on the request; undefined where it has none. */
async function passed(call: Call, route: Route, target: Target): Promise<Relayed | undefined> {
  const { counting } = call.client;
  if (counting === undefined) return undefined;
  const { body, headers } = passThrough(call, route, target, new Losses());
  const told = await asked(call, route, call.client, { path: counting.path, body, headers });
  if (told === undefined) return undefined;
  const { upstream, text } = told;
  if (upstream.ok) return countIn(call.client, text) === undefined ? undefined : answered(call, route, text, {});
  if (upstream.status !== 400 && upstream.status !== 413) return undefined;
  const failure = call.client.decodeError(upstream.status, upstream.headers, text);
  return refused(call, route, withoutSecrets(failure, route.provider));
}

/** What an upstream of another format counts of the translated request; undefined where it doesn't, or won't. */
async function translated(
  call: Call,
  route: Route,
  format: Format,
  target: Target,
  request: NeutralRequest,
): Promise<number | undefined> {
  const { counting } = format;
  if (counting === undefined) return undefined;
  const encoded = format.encodeRequest(request, target, new Losses());
  if (!encoded.ok) return undefined;
  const { body, headers } = encoded.value;
  const told = await asked(call, route, format, {
    path: counting.path,
    body: JSON.stringify(counting.ask(body)),
    headers,
  });
  return told?.upstream.ok === true ? countIn(format, told.text) : undefined;
}

interface Question {
  path: string;
  body: Uint8Array<ArrayBuffer> | string;
  headers: Record<string, string>;
}

/** A count is asked for often and at once: a slow upstream must not hold the client up. */
const MAX_WAIT_MS = 10_000;
const MAX_COUNT_BYTES = 64 * 1024;

async function asked(
  call: Call,
  route: Route,
  format: Format,
  { path, body, headers }: Question,
): Promise<{ upstream: Response; text: string } | undefined> {
  const sent = await send({
    provider: route.provider,
    format,
    path,
    headers: { ...headers, accept: "application/json" },
    body,
    signal: call.abort.signal,
    firstByteMs: Math.min(call.config.timeouts.firstByteMs, MAX_WAIT_MS),
  });
  if (!sent.ok) return undefined;
  const bytes = await readBodyWithin(sent.value, MAX_COUNT_BYTES, MAX_WAIT_MS).catch(() => undefined);
  if (bytes === undefined || typeof bytes === "symbol") {
    call.abort.abort();
    return undefined;
  }
  return { upstream: sent.value, text: new TextDecoder().decode(bytes) };
}

function countIn({ counting }: Format, text: string): number | undefined {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isObject(body) ? counting?.read(body) : undefined;
}

function answered(call: Call, route: Route, text: string, headers: Record<string, string>): Relayed {
  const response = new Response(text, { headers: { ...headersOf(call, route), ...headers } });
  return { response, format: call.client, losses: new Losses(), done: Promise.resolve({ left: false }) };
}

function refused(call: Call, route: Route, failure: Failure): Relayed {
  const { status, body } = call.client.encodeError(failure, call.requestId);
  const response = new Response(JSON.stringify(body satisfies JsonObject), { status, headers: headersOf(call, route) });
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
