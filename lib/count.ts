/**
 * `POST /v1/messages/count_tokens` and `/v1/responses/input_tokens`: the upstream's own count where it has one, else the
 * gateway's, which says so in its headers. Never 404, and never a failure of the provider's.
 */
import { readBodyWithin } from "./base/body.ts";
import { type Failure, unsupported } from "./base/failure.ts";
import type { JsonObject } from "./base/fields.ts";
import { jsonObject } from "./base/json.ts";
import { type Counting, type Format, Losses } from "./format.ts";
import { type Call, decodeBody, namedFailure, passThrough, targetOf, upstreamFormat } from "./plan.ts";
import type { Relayed } from "./reply.ts";
import type { Route } from "./router.ts";
import { type Count, countInput } from "./tokens/count.ts";
import { type Destination, send, withoutSecrets } from "./upstream.ts";

export async function countTokens(call: Call, route: Route): Promise<Relayed> {
  const question = countQuestion(call, route);
  const native = question === undefined ? undefined : await counted(call, route, question);
  if (native !== undefined) return native;
  const decoded = decodeBody(completed(call));
  if (!decoded.ok) return refused(call, route, namedFailure(call, decoded.failure));
  const { previousId, conversation } = decoded.value.state ?? {};
  if (previousId !== undefined) return refused(call, route, keptUncounted("previous_response_id"));
  if (conversation !== undefined) return refused(call, route, keptUncounted("conversation"));
  const count = await countInput(decoded.value, route.capabilities);
  return answered(call, route, told(call, count.tokens), headersOfCount(count));
}

/** A count without them would be a wrong one that looks right. */
function keptUncounted(param: string): Failure {
  return unsupported("The earlier turns are kept by an upstream that does not count; send them as input", param);
}

/** What is asked of an upstream that counts itself. */
export interface Question extends Destination {
  body: Uint8Array<ArrayBuffer> | string;
}

/** Undefined where nobody but the gateway counts: the format has no such thing, or the request can't be carried there. */
export function countQuestion(call: Call, route: Route): Question | undefined {
  const format = upstreamFormat(call, route);
  const { counting } = format;
  if (counting === undefined) return undefined;
  const asked = format === call.client
    ? passThrough(call, route, targetOf(route, format), new Losses())
    : translated(call, route, format, counting);
  if (asked === undefined) return undefined;
  const { provider } = route;
  return {
    provider,
    format,
    path: counting.path,
    headers: { ...asked.headers, accept: "application/json" },
    body: asked.body,
  };
}

function translated(
  call: Call,
  route: Route,
  format: Format,
  counting: Counting,
): { body: string; headers: Record<string, string> } | undefined {
  const decoded = decodeBody(completed(call));
  const encoded = decoded.ok ? format.encodeRequest(decoded.value, targetOf(route, format), new Losses()) : decoded;
  if (!encoded.ok) return undefined;
  return { body: JSON.stringify(counting.ask(encoded.value.body)), headers: encoded.value.headers };
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

/** The upstream's count, or its verdict on the client's own bytes; undefined where it has neither. */
async function counted(call: Call, route: Route, question: Question): Promise<Relayed | undefined> {
  const asked = await answerTo(call, question);
  if (asked === undefined) return undefined;
  const { upstream, text } = asked;
  if (upstream.ok) {
    const tokens = countIn(question.format, text);
    if (tokens === undefined) return undefined;
    return answered(call, route, question.format === call.client ? text : told(call, tokens), {});
  }
  if (question.format !== call.client || !isVerdict(call.client, upstream, text)) return undefined;
  const failure = call.client.decodeError(upstream.status, upstream.headers, text);
  return refused(call, route, withoutSecrets(failure, route.provider));
}

/** What a proxy in between says is none. */
function isVerdict({ isErrorBody }: Format, { status }: Response, text: string): boolean {
  const body = jsonObject(text);
  return (status === 400 || status === 413) && body !== undefined && isErrorBody(body);
}

/** A count is asked for often and at once: a slow upstream must not hold the client up. */
const MAX_WAIT_MS = 10_000;
const MAX_COUNT_BYTES = 64 * 1024;

async function answerTo(call: Call, question: Question): Promise<{ upstream: Response; text: string } | undefined> {
  const sent = await send({
    ...question,
    abort: call.abort,
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
  const body = jsonObject(text);
  const tokens = body === undefined ? undefined : counting?.read(body);
  return tokens !== undefined && Number.isSafeInteger(tokens) && tokens >= 0 ? tokens : undefined;
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
