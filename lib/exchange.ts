/** One request of a client while it is handled, and what every endpoint needs for it: body, model, refusal. */
import { readBody, TOO_LARGE } from "./base/body.ts";
import { decompress } from "./base/compression.ts";
import { type Failure, invalid, type Result, success, tooLarge } from "./base/failure.ts";
import { describe, type JsonObject } from "./base/fields.ts";
import { isTrue, scanObject, type Span, valueAt } from "./base/json.ts";
import type { Log } from "./base/log.ts";
import type { Upgrade } from "./base/runtime.ts";
import { wantsMessagesShape } from "./admin.ts";
import type { Config } from "./config.ts";
import type { Format, Losses } from "./format.ts";
import { FORMATS } from "./formats/mod.ts";
import type { Metrics } from "./metrics.ts";
import type { Call } from "./plan.ts";
import type { Outcome } from "./reply.ts";
import type { Siblings } from "./siblings.ts";
import type { Jobs } from "./state/jobs.ts";
import type { StateStore } from "./state/store.ts";
import type { ReasoningMemory } from "./translation/carry.ts";

/** What lives as long as the gateway, and all requests share. */
export interface Services {
  readonly config: Config;
  readonly metrics: Metrics;
  readonly log: Log | undefined;
  readonly memory: ReasoningMemory;
  /** The WebSockets that are open. */
  readonly sockets: Set<{ drain(): void }>;
  /** What is kept of responses and conversations. */
  readonly state: StateStore;
  /** Responses that are being made in the background. */
  readonly jobs: Jobs;
  /** The other workers, where there are some. */
  readonly siblings: Siblings | undefined;
  /** Unix milliseconds of the gateway's making; of several workers, of the first one's. */
  readonly since: number;
}

export interface Exchange {
  services: Services;
  request: Request;
  readonly url: URL;
  /** The URL's path without the version before it and without slashes after it: `/chat/completions`. */
  path: string;
  /** What the `:name`s of the endpoint's pattern stand for, decoded, in order. */
  params: readonly string[];
  requestId: string;
  /** `performance.now()` of its arrival. */
  since: number;
  /** An answer to be taken in instead of sending anything. */
  upstream?: Response;
  /** Absent where no WebSocket can be made of the connection. */
  upgrading?: Upgrading;
}

export interface Upgrading {
  upgrade: Upgrade;
  /** Answers a request that was made of a frame as if it had come over HTTP. Never rejects. */
  ask: (request: Request) => Promise<Response>;
}

/** What the log and the counters say of an answer once it is over. */
export interface Entry {
  client: string;
  model: string;
  provider: string;
  upstream: string;
  stream: boolean;
  status: number;
  losses: Losses;
}

export interface Handled {
  response: Response;
  /** Absent where no upstream was asked. */
  entry?: Entry;
  /** Resolves once the answer's last byte is out or its client has left; absent: at once. Never rejects. */
  done?: Promise<Outcome>;
}

export type Handler = (exchange: Exchange) => Handled | Promise<Handled>;

/** `pattern`: `/responses/:id/cancel`; a `*` at its end stands for all that follows. */
export interface Endpoint {
  method: "GET" | "POST" | "DELETE" | "PUT" | "PATCH";
  pattern: string;
  handle: Handler;
}

/** The client's error in its own shape. `client`: whose shape, where the path alone doesn't say it. */
export function refuse(exchange: Exchange, failure: Failure, client: Format = callerFormat(exchange)): Handled {
  const { services, requestId, path } = exchange;
  const { status, body } = client.encodeError(failure, requestId);
  services.metrics.add("trivium_refused_total", { kind: failure.kind });
  services.log?.info("refused", {
    request_id: requestId,
    path,
    status,
    failure: failure.kind,
    message: failure.message,
  });
  return {
    response: Response.json(body, { status, headers: { ...idHeaders(requestId), ...failure.retryHeaders } }),
  };
}

export function json(exchange: Exchange, result: Result<JsonObject>): Handled {
  return result.ok ? answer(exchange, result.value) : refuse(exchange, result.failure);
}

export function answer({ requestId }: Exchange, body: JsonObject): Handled {
  return { response: Response.json(body, { headers: idHeaders(requestId) }) };
}

export function wrongMethod(exchange: Exchange, methods: readonly string[]): Handled {
  const handled = refuse(exchange, {
    kind: "method_not_allowed",
    source: "client",
    message: `${exchange.request.method} is not allowed here; use ${methods[0]}`,
    retry: false,
  });
  handled.response.headers.set("allow", methods.join(", "));
  return handled;
}

export function notFound({ request, url }: Exchange): Failure {
  const path = url.pathname;
  const shown = path.length > 100 ? `${path.slice(0, 100)}…` : path;
  return {
    kind: "not_found",
    source: "client",
    message: `Nothing is served at ${request.method} ${shown}`,
    retry: false,
    code: "not_found",
  };
}

export function idHeaders(requestId: string): Record<string, string> {
  return { "x-request-id": requestId, "request-id": requestId };
}

/** In whose shape an error is told before the path has said it. */
export function callerFormat({ request, url }: Exchange): Format {
  const isMessages = url.pathname.includes("/messages") || wantsMessagesShape(request.headers);
  return isMessages ? FORMATS.messages : FORMATS.chat;
}

/** Reads the body and what routing needs of it: no more is looked at before the format is known. */
export async function readCall(exchange: Exchange, client: Format): Promise<Result<Call>> {
  const { request } = exchange;
  const abort = abortWith(request);
  const body = await readBytes(exchange);
  return body.ok ? callOf(exchange, client, body.value, abort) : body;
}

/** The same of a body that is already here. */
export function callOf(
  { services, request, requestId }: Exchange,
  client: Format,
  bytes: Uint8Array<ArrayBuffer>,
  abort: AbortController,
): Result<Call> {
  const members = scanObject(bytes);
  if (!members.ok) return members;
  const model = modelOf(bytes, members.value);
  if (!model.ok) return model;
  const streamSpan = members.value.get("stream");
  const { headers } = request;
  return success({
    config: services.config,
    client,
    requestId,
    headers,
    bytes,
    members: members.value,
    model: model.value,
    stream: streamSpan !== undefined && isTrue(bytes, streamSpan),
    strict: headers.get("x-trivium-strict") === "1",
    memory: services.memory,
    abort,
  });
}

/** Aborted when the client leaves, and by whoever has no more use for the upstream. */
export function abortWith(request: Request): AbortController {
  const abort = new AbortController();
  if (request.signal.aborted) abort.abort();
  request.signal.addEventListener("abort", () => abort.abort(), { once: true });
  return abort;
}

/** The whole body, unpacked, within the config's limit. */
export async function readBytes({ services, request }: Exchange): Promise<Result<Uint8Array<ArrayBuffer>>> {
  const limit = services.config.maxBodyBytes;
  try {
    const bytes = await readBody(request, limit);
    const encoding = request.headers.get("content-encoding");
    const plain = bytes === TOO_LARGE || encoding === null ? bytes : await decompress(bytes, encoding, limit);
    if (plain === undefined) {
      return { ok: false, failure: invalid(`The body can't be read as content-encoding ${describe(encoding)}`) };
    }
    if (plain !== TOO_LARGE) return success(plain as Uint8Array<ArrayBuffer>);
    return { ok: false, failure: tooLarge(limit, "max_body_mb") };
  } catch (error) {
    return { ok: false, failure: { ...invalid("The body broke off before it was complete"), cause: error } };
  }
}

function modelOf(bytes: Uint8Array, members: ReadonlyMap<string, Span>): Result<string> {
  const span = members.get("model");
  if (span === undefined) return { ok: false, failure: invalid('Missing required string "model"', "model") };
  try {
    const model = valueAt(bytes, span);
    if (typeof model === "string" && model !== "") return success(model);
    return { ok: false, failure: invalid(`Expected model to be a string but got ${describe(model)}`, "model") };
  } catch {
    return { ok: false, failure: invalid("The model's name is not valid JSON", "model") };
  }
}
