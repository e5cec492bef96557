/** From what became of an upstream's answer to the client's response: status, headers, body or stream. */
import { TIMED_OUT, within } from "./base/clock.ts";
import type { Failure } from "./base/failure.ts";
import { redact, type Secret } from "./base/secret.ts";
import type { Format, Losses } from "./format.ts";
import { lossHeader } from "./loss_report.ts";
import type { FormatName } from "./neutral.ts";
import type { Call } from "./plan.ts";
import type { Route } from "./router.ts";
import { secretsOf } from "./upstream.ts";
import { bodyOf, type Feed } from "./feeds/feed.ts";
import { LateFeed, WholeFeed } from "./feeds/late.ts";
import { isRateLimit, rateLimitHeaders } from "./translation/ratelimit.ts";

/** An answer that has come, as far as it decides the client's status. */
export type Arrived =
  | { failure: Failure; upstream?: Response; errorText?: string }
  | { feed: Feed; upstream: Response }
  | { body: Uint8Array<ArrayBuffer> | string; upstream: Response; isEstimated?: boolean };

/** What became of a call; `done` resolves once its last byte is out or its client has left. */
export interface Relayed {
  response: Response;
  format: Format;
  losses: Losses;
  done: Promise<Outcome>;
}

export interface Outcome {
  /** The client did not stay to the end. */
  left: boolean;
  failure?: Failure;
}

/** What replies to a call need beside the answer. */
export interface ReplyContext {
  call: Call;
  route: Route;
  /** The upstream's. */
  format: Format;
  losses: Losses;
  /** A whole stream that tells this failure and nothing else, for when the status is already out. */
  errorStream?: (failure: Failure) => string;
}

export const EVENT_STREAM = "text/event-stream; charset=utf-8";

/** Proxies may neither cache a stream nor hold it. */
export const UNBUFFERED = { "cache-control": "no-cache", "x-accel-buffering": "no" } as const;

/** Waits for the answer, but not forever: a stream that takes long is accepted and kept alive meanwhile. */
export async function replyWith(context: ReplyContext, arriving: Promise<Arrived>): Promise<Relayed> {
  const { call } = context;
  if (!call.stream) return settle(context, await arriving);
  const arrived = await within(arriving, call.config.timeouts.keepaliveMs);
  if (arrived !== TIMED_OUT) return settle(context, arrived);
  const opening = arriving.then((late): Feed | Failure =>
    "failure" in late ? late.failure : "feed" in late ? late.feed : new WholeFeed(late.body)
  );
  const tell = context.errorStream ?? ((failure: Failure) => call.client.errorFrame(failure, call.requestId));
  return streamReply(context, new LateFeed(opening, call.client.keepaliveFrame, tell, call.abort));
}

function settle(context: ReplyContext, arrived: Arrived): Relayed {
  if ("failure" in arrived) return failureReply(context, arrived.failure, arrived.upstream, arrived.errorText);
  if ("feed" in arrived) return streamReply(context, arrived.feed, arrived.upstream);
  const headers = replyHeaders(context, arrived.upstream);
  headers["content-type"] = context.call.stream ? EVENT_STREAM : "application/json";
  if (arrived.isEstimated === true) headers["x-trivium-usage"] = "estimated";
  return relayed(context, new Response(arrived.body, { headers }), Promise.resolve({ left: false }));
}

const STREAM_HEADERS = { "content-type": EVENT_STREAM, ...UNBUFFERED };

function streamReply(context: ReplyContext, feed: Feed, upstream?: Response): Relayed {
  const { keepaliveMs, idleMs } = context.call.config.timeouts;
  const headers = Object.assign(replyHeaders(context, upstream), STREAM_HEADERS);
  let ended: (outcome: Outcome) => void = () => {};
  const done = new Promise<Outcome>((resolve) => ended = resolve);
  const body = bodyOf(feed, { keepaliveMs, idleMs }, (left) => {
    const { failure } = feed;
    ended(failure === undefined ? { left } : { left, failure });
  });
  return relayed(context, new Response(body, { headers }), done);
}

/** `errorText`: the upstream's own words, which pass with its own status. */
export function failureReply(
  context: ReplyContext,
  failure: Failure,
  upstream?: Response,
  errorText?: string,
): Relayed {
  const { call } = context;
  call.abort.abort();
  const made = call.client.encodeError(exposed(failure, call), call.requestId);
  const passed = errorText === undefined ? undefined : upstream?.status;
  // A status that HTTP doesn't know can't be passed on.
  const status = passed !== undefined && passed <= 599 ? passed : made.status;
  const headers = replyHeaders(context, upstream);
  headers["content-type"] = "application/json";
  if (upstream !== undefined) headers["x-trivium-upstream-status"] = String(upstream.status);
  Object.assign(headers, failure.retryHeaders);
  const response = new Response(errorText ?? JSON.stringify(made.body), { status, headers });
  return relayed(context, response, Promise.resolve({ left: false, failure }));
}

/** A key that the upstream refuses is the gateway's fault to its clients, unless the operator wants them to see it. */
function exposed(failure: Failure, { config }: Call): Failure {
  const isShown = failure.kind === "upstream_auth" && failure.status === 401 && config.exposeUpstreamAuth;
  return isShown ? { ...failure, kind: "authentication" } : failure;
}

function relayed({ format, losses }: ReplyContext, response: Response, done: Promise<Outcome>): Relayed {
  return { response, format, losses, done };
}

export function replyHeaders(
  { call, route, format, losses }: ReplyContext,
  upstream?: Response,
): Record<string, string> {
  const secrets = secretsOf(route.provider);
  const ownId = upstream?.headers.get("x-request-id") ?? upstream?.headers.get("request-id") ?? undefined;
  const upstreamId = ownId === undefined ? undefined : redact(ownId, secrets);
  // What passes keeps the upstream's own id (its error bodies name it too); what we write has ours.
  const id = format === call.client ? upstreamId ?? call.requestId : call.requestId;
  const headers: Record<string, string> = {
    "x-request-id": id,
    "request-id": id,
    "x-trivium-request-id": call.requestId,
    "x-trivium-provider": route.provider.name,
  };
  if (upstreamId !== undefined) headers["x-trivium-upstream-request-id"] = upstreamId;
  const lost = lossHeader(losses);
  if (lost !== "") headers["x-trivium-loss"] = lost;
  if (upstream !== undefined) copyHeaders(upstream.headers, headers, call.client.name, secrets);
  return headers;
}

const COPIED = /^(?:openai-processing-ms|openai-version)$/;

/**
 * What of an upstream's headers a client may read; encodings and lengths are no longer true, the rest isn't its own. Any
 * may quote what the upstream was sent.
 */
function copyHeaders(
  from: Headers,
  to: Record<string, string>,
  client: FormatName,
  secrets: readonly Secret[],
): void {
  let hasLimits = false;
  from.forEach((value, name) => {
    if (COPIED.test(name)) to[name] = redact(value, secrets);
    else hasLimits ||= isRateLimit(name);
  });
  if (!hasLimits) return;
  for (const [name, value] of Object.entries(rateLimitHeaders(from, client, Date.now()))) {
    to[name] = redact(value, secrets);
  }
}
