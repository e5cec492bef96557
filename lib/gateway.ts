/** Request → response: the endpoint that serves it, what is noted of it, and the one place where a bug's exception ends. */
import { join } from "node:path";
import type { Log } from "./base/log.ts";
import type { Upgrade } from "./base/runtime.ts";
import { type Config, IN_MEMORY } from "./config.ts";
import { endpointsAt } from "./endpoints/mod.ts";
import { tellCancelled, tellJob, tellNews } from "./endpoints/responses/elsewhere.ts";
import {
  type Entry,
  type Exchange,
  type Handled,
  notFound,
  refuse,
  type Services,
  type Upgrading,
  wrongMethod,
} from "./exchange.ts";
import { countedLosses, loggedLosses } from "./loss_report.ts";
import { Metrics } from "./metrics.ts";
import type { Outcome } from "./reply.ts";
import type { About, Answers, Asked, Siblings } from "./siblings.ts";
import { Jobs } from "./state/jobs.ts";
import { SharedReasoning } from "./state/reasoning.ts";
import { SqliteStore } from "./state/sqlite.ts";
import type { StateStore } from "./state/store.ts";
import { type KeptReasoning, LocalReasoning, ReasoningMemory } from "./translation/carry.ts";
import { randomId } from "./translation/ids.ts";

export interface Gateway {
  /** Never rejects. Without `upgrade` there are no WebSockets. */
  handle(request: Request, upgrade?: Upgrade): Promise<Response>;
  /** What `handle` would answer if the upstream answered `upstream`; nothing is sent. */
  handleWith(request: Request, upstream: Response): Promise<Response>;
  /** New requests go by this config; what runs keeps its own. State, memory, jobs, sockets and counters live on. */
  reload(config: Config): void;
  /** Answers a sibling's question. Never rejects. */
  tell<K extends About>(about: K, what: Asked[K]): Promise<Answers[K]>;
  readonly metrics: Metrics;
  /** Answers that are still being written. */
  readonly inFlight: number;
  /** WebSockets take no more turns, and close once those that run have ended. */
  drain(): void;
  /** Resolves once no answer is being written any more. */
  idle(): Promise<void>;
  /** Opens the state file now, so that one that can't be is told of in the log before anybody relies on it. */
  openState(): void;
  /** Lets go of what is kept; nothing more is kept afterwards. */
  close(): void;
}

export interface GatewayOptions {
  log?: Log;
  /** Where responses and conversations are kept; the config's SQLite unless it is given. */
  state?: StateStore;
  jobs?: Jobs;
  /** The other workers, and what is shared with them. */
  group?: Group;
}

export interface Group {
  siblings: Siblings;
  /** How many there are. */
  workers: number;
  /** When the first of them began, in Unix milliseconds. */
  since: number;
  /** A folder for what they share while they run; theirs alone. */
  folder: string;
}

export function createGateway(config: Config, options: GatewayOptions = {}): Gateway {
  return new TriviumGateway(config, options);
}

class TriviumGateway implements Gateway {
  readonly metrics = new Metrics();
  readonly #reasoning: KeptReasoning;
  #services: Services;
  /** A turn on a socket, as if it had come over HTTP. */
  readonly #ask = (turn: Request): Promise<Response> => this.#guarded(new Arrival(this.#services, turn));
  readonly #sockets = new Set<{ drain(): void }>();
  #inFlight = 0;
  #onIdle: (() => void)[] = [];

  constructor(config: Config, { log, state: given, jobs = new Jobs(), group }: GatewayOptions) {
    const { metrics } = this;
    const state = given ?? openState(config, metrics, log, group);
    const sockets = this.#sockets;
    const siblings = group?.siblings;
    this.#reasoning = openReasoning(metrics, log, group);
    const memory = new ReasoningMemory(this.#reasoning);
    const since = group?.since ?? Date.now();
    this.#services = { config, metrics, log, memory, sockets, state, jobs, siblings, since };
    metrics.gauge("trivium_workers", () => siblings?.count ?? 1, true);
    metrics.gauge("trivium_in_flight", () => this.#inFlight);
    metrics.gauge("trivium_sockets", () => sockets.size);
    metrics.gauge("trivium_background_running", () => jobs.size);
    metrics.gauge("trivium_stored_responses", () => state.stats().responses, true);
    metrics.gauge("trivium_stored_conversations", () => state.stats().conversations, true);
    metrics.gauge("trivium_stored_bytes", () => state.stats().bytes, true);
  }

  reload(config: Config): void {
    this.#services = { ...this.#services, config };
  }

  async tell<K extends About>(about: K, what: Asked[K]): Promise<Answers[K]> {
    return await TELLERS[about](this.#services, what);
  }

  openState(): void {
    // Nothing has this id: any question opens it.
    this.#services.state.pinned("", "");
    void this.#reasoning.isEmpty;
  }

  close(): void {
    this.#services.state.close();
    this.#reasoning.close();
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  idle(): Promise<void> {
    return this.#inFlight === 0 ? Promise.resolve() : new Promise((resolve) => this.#onIdle.push(resolve));
  }

  drain(): void {
    for (const socket of this.#sockets) socket.drain();
  }

  handle(request: Request, upgrade?: Upgrade): Promise<Response> {
    const exchange = new Arrival(this.#services, request);
    if (upgrade !== undefined) exchange.upgrading = { upgrade, ask: this.#ask };
    return this.#guarded(exchange);
  }

  handleWith(request: Request, upstream: Response): Promise<Response> {
    const exchange = new Arrival(this.#services, request);
    exchange.upstream = upstream;
    return this.#guarded(exchange);
  }

  async #guarded(exchange: Exchange): Promise<Response> {
    try {
      return await this.#dispatch(exchange);
    } catch (error) {
      return this.#internalError(exchange, error);
    }
  }

  #dispatch(exchange: Exchange): Response | Promise<Response> {
    const { request, path } = exchange;
    const found = endpointsAt(path);
    if (found.length === 0) return refuse(exchange, notFound(exchange)).response;
    const match = found.find(({ endpoint }) => endpoint.method === request.method);
    if (match !== undefined) {
      exchange.params = match.params;
      return this.#run(match.endpoint.handle, exchange);
    }
    const methods = [...new Set(found.map(({ endpoint }) => endpoint.method)), "HEAD", "OPTIONS"];
    if (request.method !== "OPTIONS" && request.method !== "HEAD") return wrongMethod(exchange, methods).response;
    const status = request.method === "OPTIONS" ? 204 : 200;
    return new Response(null, { status, headers: { allow: methods.join(", ") } });
  }

  async #run(handle: (exchange: Exchange) => Handled | Promise<Handled>, exchange: Exchange): Promise<Response> {
    // Whoever asks for the counters is none of the answers that they count.
    const isAnswer = exchange.request.method !== "GET";
    if (isAnswer) this.#inFlight++;
    let handled: Handled;
    try {
      handled = await handle(exchange);
    } catch (error) {
      if (isAnswer) this.#leave();
      throw error;
    }
    const { response, entry, done } = handled;
    const { requestId, since } = exchange;
    if (done === undefined && isAnswer) this.#leave();
    if (done !== undefined && !isAnswer) this.#inFlight++;
    // The request itself is let go of here: its answer may stream for long.
    void done?.then((outcome) => {
      this.#leave();
      if (entry !== undefined) this.#note(entry, outcome, requestId, since);
    });
    return response;
  }

  #note({ losses, ...entry }: Entry, outcome: Outcome, requestId: string, since: number): void {
    const { client, upstream, provider, status } = entry;
    const { metrics, log } = this.#services;
    metrics.add("trivium_requests_total", { client, upstream, provider, status: String(status) });
    if (outcome.left) metrics.add("trivium_clients_left_total", { client });
    if (outcome.failure !== undefined) metrics.add("trivium_failures_total", { kind: outcome.failure.kind });
    if (losses.count > 0) {
      for (const { count, ...labels } of countedLosses(losses)) {
        metrics.add("trivium_losses_total", { client, upstream, ...labels }, count);
      }
      log?.info("loss", {
        request_id: requestId,
        client,
        upstream,
        provider,
        model: entry.model,
        ...loggedLosses(losses),
      });
    }
    log?.info("request", {
      request_id: requestId,
      ...entry,
      duration_ms: Math.round(performance.now() - since),
      ...(losses.count > 0 ? { losses: losses.count } : {}),
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

  #internalError(exchange: Exchange, error: unknown): Response {
    const { requestId, services } = exchange;
    services.log?.error("internal", {
      request_id: requestId,
      error: String(error),
      stack: (error as Error)?.stack,
    });
    services.metrics.add("trivium_internal_errors_total");
    return refuse(exchange, {
      kind: "internal",
      source: "gateway",
      message: `Internal error of the gateway; its log has it under ${requestId}`,
      retry: true,
    }).response;
  }
}

const TELLERS: { [K in About]: (services: Services, what: Asked[K]) => Answers[K] | Promise<Answers[K]> } = {
  metrics: ({ metrics }) => metrics.snapshot(),
  running: ({ jobs }) => jobs.size,
  job: tellJob,
  cancel: tellCancelled,
  frames: tellNews,
};

/** What several workers keep "in memory" is in a file that they share, and that goes with them. */
function openState({ state }: Config, metrics: Metrics, log: Log | undefined, group: Group | undefined): StateStore {
  const onTrouble = troubleAt(state.path, metrics, log);
  if (group === undefined) return new SqliteStore(state, { onTrouble });
  const { workers: writers } = group;
  if (state.path !== IN_MEMORY) return new SqliteStore(state, { onTrouble, writers });
  const path = join(group.folder, "state.db");
  return new SqliteStore({ ...state, path }, { onTrouble, writers, isTemporary: true });
}

function openReasoning(metrics: Metrics, log: Log | undefined, group: Group | undefined): KeptReasoning {
  if (group === undefined) return new LocalReasoning(Date.now);
  const onTrouble = troubleAt("reasoning.db", metrics, log);
  return new SharedReasoning({ path: join(group.folder, "reasoning.db"), writers: group.workers, onTrouble });
}

/** A request as it comes in. */
class Arrival implements Exchange {
  readonly path: string;
  readonly requestId = randomId("req_");
  readonly since = performance.now();
  params: readonly string[] = [];
  upstream?: Response;
  upgrading?: Upgrading;

  constructor(readonly services: Services, readonly request: Request) {
    this.path = pathOf(request);
  }

  /** Few ask for it: a path is most often plain to see. */
  get url(): URL {
    return urlOf(this.request);
  }
}

/** A store that fails is told of, and never in an answer's way. */
function troubleAt(path: string, metrics: Metrics, log: Log | undefined): (what: string, error: unknown) => void {
  return (what, error) => {
    metrics.add("trivium_state_errors_total");
    log?.warn("state", { what, path, error: reasonOf(error) });
  };
}

/** What the database says of itself; other errors may quote what is kept. */
function reasonOf(error: unknown): string {
  const { code, name, message } = (error ?? {}) as { code?: string; name?: string; message?: string };
  return name === "SyntaxError" || message === undefined ? `${name ?? code}` : message;
}

/** Host, versions, and the rest where it is plain words alone. */
const PLAIN_URL = /^https?:\/\/[^/?#]*(?:\/v1)*((?:\/[\w-]+)+)$/;

/** The request's path without versions before it and slashes after it. */
function pathOf(request: Request): string {
  const plain = PLAIN_URL.exec(request.url)?.[1];
  if (plain !== undefined && plain !== "/v1") return plain;
  return urlOf(request).pathname.replace(/^(?:\/v1)+(?=\/|$)/, "").replace(/\/+$/, "") || "/";
}

/** Some runtimes build a request's URL of its Host header, which may be anything: only path and query count here. */
function urlOf(request: Request): URL {
  const path = /^[a-z]+:\/\/[^/?#]*([^#]*)/i.exec(request.url)?.[1] ?? request.url;
  return new URL(`http://localhost${path.startsWith("/") ? "" : "/"}${path}`);
}
