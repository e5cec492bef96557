/** Request → response: path, body, model, route, relay; and the one place where a bug's exception ends. */
import { createHash } from "node:crypto";
import { readBody, TOO_LARGE } from "./base/body.ts";
import { decompress } from "./base/compression.ts";
import { type Failure, invalid, type Result } from "./base/failure.ts";
import { describe, type JsonObject } from "./base/fields.ts";
import { scanObject, type Span, valueAt } from "./base/json.ts";
import type { Log } from "./base/log.ts";
import { health, listModels, oneModel, servedModels, wantsMessagesShape } from "./admin.ts";
import type { Config } from "./config.ts";
import { countTokens } from "./count.ts";
import { explain } from "./explain.ts";
import type { Format, Losses } from "./format.ts";
import { FORMATS } from "./formats/mod.ts";
import { Metrics } from "./metrics.ts";
import type { Call } from "./plan.ts";
import { relay } from "./relay.ts";
import type { Outcome, Relayed } from "./reply.ts";
import { route } from "./router.ts";
import { ReasoningMemory } from "./translation/carry.ts";
import { randomId } from "./translation/ids.ts";

export interface Gateway {
  /** Never rejects. */
  handle(request: Request): Promise<Response>;
  /** What `handle` would answer if the upstream answered `upstream`; nothing is sent. */
  handleWith(request: Request, upstream: Response): Promise<Response>;
  readonly metrics: Metrics;
  /** Answers that are still being written. */
  readonly inFlight: number;
  /** Resolves once no answer is being written any more. */
  idle(): Promise<void>;
}

export interface GatewayOptions {
  log?: Log;
}

/** Everything about a request that its handling needs beside the config. */
interface Context {
  request: Request;
  url: URL;
  requestId: string;
  since: number;
  /** An answer to be taken in instead of sending anything. */
  upstream?: Response;
}

/** What is noted of an answer once it is over. */
interface Entry {
  requestId: string;
  since: number;
  client: string;
  model: string;
  provider: string;
  upstream: string;
  stream: boolean;
  status: number;
  losses: Losses;
}

export function createGateway(config: Config, options: GatewayOptions = {}): Gateway {
  return new TriviumGateway(config, options);
}

class TriviumGateway implements Gateway {
  readonly metrics = new Metrics();
  readonly #memory = new ReasoningMemory(Date.now);
  readonly #since = Date.now();
  #inFlight = 0;
  #onIdle: (() => void)[] = [];

  constructor(readonly config: Config, readonly options: GatewayOptions) {
    this.metrics.gauge("trivium_in_flight", () => this.#inFlight);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  idle(): Promise<void> {
    return this.#inFlight === 0 ? Promise.resolve() : new Promise((resolve) => this.#onIdle.push(resolve));
  }

  handle(request: Request): Promise<Response> {
    return this.#guarded(request);
  }

  handleWith(request: Request, upstream: Response): Promise<Response> {
    return this.#guarded(request, upstream);
  }

  async #guarded(request: Request, upstream?: Response): Promise<Response> {
    const context: Context = {
      request,
      url: urlOf(request),
      requestId: randomId("req_"),
      since: performance.now(),
      ...(upstream === undefined ? {} : { upstream }),
    };
    try {
      return await this.#dispatch(context);
    } catch (error) {
      this.options.log?.error("internal", {
        request_id: context.requestId,
        error: String(error),
        stack: (error as Error)?.stack,
      });
      this.metrics.add("trivium_internal_errors_total");
      return this.#failure(context, {
        kind: "internal",
        source: "gateway",
        message: `Internal error of the gateway; its log has it under ${context.requestId}`,
        retry: true,
      });
    }
  }

  async #dispatch(context: Context): Promise<Response> {
    const { request, url } = context;
    const path = url.pathname.replace(/^(?:\/v1)+(?=\/|$)/, "").replace(/\/+$/, "") || "/";
    const methods = methodsOf(path);
    if (methods === undefined) return this.#failure(context, notFound(request.method, url.pathname));
    if (request.method === "OPTIONS") {
      return new Response(null, { status: 204, headers: { allow: methods.join(", ") } });
    }
    if (request.method === "HEAD") return new Response(null, { status: 200, headers: { allow: methods.join(", ") } });
    if (path === "/responses" && request.method === "GET") return this.#noWebSocket(context);
    if (!methods.includes(request.method)) return this.#wrongMethod(context, methods);
    if (request.method === "POST") return await this.#post(context, path);
    return this.#get(context, path);
  }

  #get(context: Context, path: string): Response {
    const { headers } = context.request;
    switch (path) {
      case "/":
        return Response.json({ name: "trivium", models: "/v1/models", health: "/health" });
      case "/health":
        return Response.json(health(this.config, this.#since));
      case "/metrics":
        return new Response(this.metrics.print(), { headers: { "content-type": "text/plain; version=0.0.4" } });
      case "/models":
        return this.#json(context, listModels(this.config, headers, context.url.searchParams, this.#since));
      default:
        return this.#json(context, oneModel(this.config, headers, decoded(path.slice("/models/".length)), this.#since));
    }
  }

  async #post(context: Context, path: string): Promise<Response> {
    const client = formatOf(path) as Format;
    const prepared = await this.#prepare(context, client);
    if (!prepared.ok) return this.#failure(context, prepared.failure, client);
    const call = prepared.value;
    const routed = route(this.config, call.model, servedModels(this.config));
    if (!routed.ok) return this.#failure(context, routed.failure, client);
    if (context.request.headers.get("x-trivium-explain") === "1") {
      return Response.json(explain(call, routed.value), { headers: idHeaders(context.requestId) });
    }
    this.#inFlight++;
    let relayed: Relayed;
    try {
      relayed = path === "/messages/count_tokens"
        ? await countTokens(call, routed.value)
        : await relay(call, routed.value, context.upstream);
    } catch (error) {
      this.#leave();
      throw error;
    }
    // Only what the log needs is kept: a stream lives long, and its request may be large.
    const entry: Entry = {
      requestId: context.requestId,
      since: context.since,
      client: call.client.name,
      model: call.model,
      provider: routed.value.provider.name,
      upstream: relayed.format.name,
      stream: call.stream,
      status: relayed.response.status,
      losses: relayed.losses,
    };
    void relayed.done.then((outcome) => {
      this.#leave();
      this.#note(entry, outcome);
    });
    return relayed.response;
  }

  /** Reads the body and what routing needs of it: no more is looked at before the format is known. */
  async #prepare(context: Context, client: Format): Promise<Result<Call>> {
    const { request, requestId } = context;
    const abort = new AbortController();
    if (request.signal.aborted) abort.abort();
    request.signal.addEventListener("abort", () => abort.abort(), { once: true });
    const body = await this.#body(request);
    if (!body.ok) return body;
    const bytes = body.value;
    const members = scanObject(bytes);
    if (!members.ok) return members;
    const model = modelOf(bytes, members.value);
    if (!model.ok) return model;
    const streamSpan = members.value.get("stream");
    return {
      ok: true,
      value: {
        config: this.config,
        client,
        requestId,
        headers: request.headers,
        bytes,
        members: members.value,
        model: model.value,
        stream: streamSpan !== undefined && valueAt(bytes, streamSpan) === true,
        strict: request.headers.get("x-trivium-strict") === "1",
        memory: this.#memory,
        scope: scopeOf(request.headers),
        abort,
      },
    };
  }

  async #body(request: Request): Promise<Result<Uint8Array<ArrayBuffer>>> {
    const limit = this.config.maxBodyBytes;
    try {
      const bytes = await readBody(request, limit);
      const encoding = request.headers.get("content-encoding");
      const plain = bytes === TOO_LARGE || encoding === null ? bytes : await decompress(bytes, encoding, limit);
      if (plain === undefined) {
        return { ok: false, failure: invalid(`The body can't be read as content-encoding ${describe(encoding)}`) };
      }
      if (plain !== TOO_LARGE) return { ok: true, value: plain as Uint8Array<ArrayBuffer> };
      return {
        ok: false,
        failure: {
          kind: "too_large",
          source: "client",
          message: `The body is larger than ${limit} bytes; the gateway's max_body_mb sets this limit`,
          retry: false,
        },
      };
    } catch (error) {
      return { ok: false, failure: { ...invalid("The body broke off before it was complete"), cause: error } };
    }
  }

  #note({ losses, since, requestId, ...entry }: Entry, outcome: Outcome): void {
    const { client, upstream, provider, status } = entry;
    this.metrics.add("trivium_requests_total", { client, upstream, provider, status: String(status) });
    if (outcome.left) this.metrics.add("trivium_clients_left_total", { client });
    if (outcome.failure !== undefined) this.metrics.add("trivium_failures_total", { kind: outcome.failure.kind });
    if (losses.list.length > 0) this.metrics.add("trivium_losses_total", { client, upstream }, losses.list.length);
    this.options.log?.info("request", {
      request_id: requestId,
      ...entry,
      duration_ms: Math.round(performance.now() - since),
      ...(losses.list.length > 0 ? { losses: losses.list.slice(0, MAX_LOGGED), losses_count: losses.list.length } : {}),
      ...(outcome.left ? { left: true } : {}),
      ...(outcome.failure === undefined ? {} : { failure: outcome.failure.kind, message: outcome.failure.message }),
    });
  }

  #leave(): void {
    this.#inFlight--;
    if (this.#inFlight > 0) return;
    const waiting = this.#onIdle;
    this.#onIdle = [];
    for (const resolve of waiting) resolve();
  }

  #json(context: Context, result: Result<JsonObject>): Response {
    return result.ok
      ? Response.json(result.value, { headers: idHeaders(context.requestId) })
      : this.#failure(context, result.failure);
  }

  #wrongMethod(context: Context, methods: readonly string[]): Response {
    const response = this.#failure(context, {
      kind: "method_not_allowed",
      source: "client",
      message: `${context.request.method} is not allowed here; use ${methods[0]}`,
      retry: false,
    });
    response.headers.set("allow", methods.join(", "));
    return response;
  }

  /** Clients that try a WebSocket first go on with POST at once on 426; on 404 some try seven times. */
  #noWebSocket(context: Context): Response {
    if (context.request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return this.#wrongMethod(context, ["POST"]);
    }
    return Response.json(
      {
        error: {
          message: "WebSocket is not served here; use POST",
          type: "invalid_request_error",
          param: null,
          code: null,
        },
      },
      { status: 426, headers: idHeaders(context.requestId) },
    );
  }

  #failure(context: Context, failure: Failure, client: Format = callerFormat(context)): Response {
    const { status, body } = client.encodeError(failure, context.requestId);
    this.metrics.add("trivium_refused_total", { kind: failure.kind });
    this.options.log?.info("refused", {
      request_id: context.requestId,
      path: context.url.pathname,
      status,
      failure: failure.kind,
      message: failure.message,
    });
    return Response.json(body, { status, headers: { ...idHeaders(context.requestId), ...failure.retryHeaders } });
  }
}

/** Losses that a log line names. */
const MAX_LOGGED = 50;

const GET_ONLY = ["GET", "HEAD", "OPTIONS"];
const POST_ONLY = ["POST", "HEAD", "OPTIONS"];

/** The methods a path answers to; undefined for a path that nobody knows. */
function methodsOf(path: string): readonly string[] | undefined {
  if (["/", "/health", "/metrics", "/models"].includes(path) || path.startsWith("/models/")) return GET_ONLY;
  return formatOf(path) === undefined ? undefined : POST_ONLY;
}

function formatOf(path: string): Format | undefined {
  if (path === "/messages/count_tokens") return FORMATS.messages;
  return Object.values(FORMATS).find((format) => format.path === path);
}

/** In whose shape an error is told before the path has said it. */
function callerFormat({ request, url }: Context): Format {
  const isMessages = url.pathname.includes("/messages") || wantsMessagesShape(request.headers);
  return isMessages ? FORMATS.messages : FORMATS.chat;
}

function notFound(method: string, path: string): Failure {
  const shown = path.length > 100 ? `${path.slice(0, 100)}…` : path;
  return {
    kind: "not_found",
    source: "client",
    message: `Nothing is served at ${method} ${shown}`,
    retry: false,
    code: "not_found",
  };
}

function modelOf(bytes: Uint8Array, members: ReadonlyMap<string, Span>): Result<string> {
  const span = members.get("model");
  if (span === undefined) return { ok: false, failure: invalid('Missing required string "model"', "model") };
  try {
    const model = valueAt(bytes, span);
    if (typeof model === "string" && model !== "") return { ok: true, value: model };
    return { ok: false, failure: invalid(`Expected model to be a string but got ${describe(model)}`, "model") };
  } catch {
    return { ok: false, failure: invalid("The model's name is not valid JSON", "model") };
  }
}

/** Whose memory a conversation is in: equal credentials share one, and no credential is kept. */
function scopeOf(headers: Headers): string {
  const credential = headers.get("authorization") ?? headers.get("x-api-key") ?? "";
  return credential === "" ? "" : createHash("sha256").update(credential).digest("base64url");
}

/** Some runtimes build a request's URL of its Host header, which may be anything: only path and query count here. */
function urlOf(request: Request): URL {
  const path = /^[a-z]+:\/\/[^/?#]*([^#]*)/i.exec(request.url)?.[1] ?? request.url;
  return new URL(`http://localhost${path.startsWith("/") ? "" : "/"}${path}`);
}

function idHeaders(requestId: string): Record<string, string> {
  return { "x-request-id": requestId, "request-id": requestId };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
