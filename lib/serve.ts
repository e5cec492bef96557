/** A process that serves: the gateway behind its port, from the start over reloads to an orderly end. */
import process from "node:process";
import { banner } from "./banner.ts";
import { createLog, type Log, toSharedStderr } from "./base/log.ts";
import { type Handle, serve, type Server } from "./base/runtime.ts";
import { onUnhandled } from "./base/signals.ts";
import type { Config } from "./config.ts";
import { createGateway, type Gateway, type Group } from "./gateway.ts";
import { mockFetch } from "./mock/mod.ts";

/** How long running answers may take to end once the process is to stop. */
export const DRAIN_MS = 30_000;
/** For the last bytes of the last answer to leave. */
const FLUSH_MS = 200;
/** A frame that is a little too large is told so; one far beyond the limit is not even taken in. */
const FRAME_SLACK_BYTES = 1024 * 1024;

/** One of several workers. */
export interface Membership {
  number: number;
  group: Group;
}

export class Serving {
  readonly #gateway: Gateway;
  readonly #server: Server;
  #config: Config;
  #isDraining = false;

  private constructor(config: Config, gateway: Gateway, server: Server, readonly log: Log, readonly workers: number) {
    this.#config = config;
    this.#gateway = gateway;
    this.#server = server;
  }

  /** The fault as a text where it can't listen. */
  static async open(config: Config, member?: Membership): Promise<Serving | string> {
    const log = member === undefined
      ? createLog(config.logLevel)
      : createLog(config.logLevel, toSharedStderr, { worker: member.number });
    const gateway = createGateway(config, { log, ...(member === undefined ? {} : { group: member.group }) });
    guard(log, gateway);
    const server = await listen(config.host, config.port, (request, upgrade) => gateway.handle(request, upgrade), {
      isShared: member !== undefined,
      maxFrameBytes: config.maxBodyBytes + FRAME_SLACK_BYTES,
    });
    if (typeof server === "string") return server;
    gateway.openState();
    return new Serving(config, gateway, server, log, member?.group.workers ?? 1);
  }

  get config(): Config {
    return this.#config;
  }

  get tell(): Gateway["tell"] {
    return (about, what) => this.#gateway.tell(about, what);
  }

  banner(): string {
    return banner(this.#config, this.#server, this.workers);
  }

  /** Of a config that is sound, and differs only in what can change now (`carriedOver`). */
  reload(config: Config): void {
    this.#config = config;
    this.log.setLevel(config.logLevel);
    this.#gateway.reload(config);
    this.log.info("reloaded", { config: config.file });
  }

  /** No new connections; the process ends once running answers have. `why` is for the log. */
  async drain(why: string): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.log.info("stopping", { signal: why, in_flight: this.#gateway.inFlight });
    setTimeout(() => this.end(), DRAIN_MS);
    this.#gateway.drain();
    const stopped = this.#server.stop().catch(() => {});
    await this.#gateway.idle();
    // Idle keep-alive connections would hold `stop` up for as long as their clients like.
    await Promise.race([stopped, new Promise((done) => setTimeout(done, FLUSH_MS))]);
    this.end();
  }

  /** At once. */
  end(): never {
    this.#gateway.close();
    this.log.flush();
    process.exit(0);
  }
}

/** The mock models, as an upstream of their own. The fault as a text where it can't listen. */
export async function serveMock(hostname: string, port: number): Promise<Server | string> {
  return await listen(hostname, port, mockFetch, {});
}

async function listen(
  hostname: string,
  port: number,
  handle: Handle,
  more: { isShared?: boolean; maxFrameBytes?: number },
): Promise<Server | string> {
  try {
    return await serve({ hostname, port, handle, ...more });
  } catch (error) {
    return cantListen(hostname, port, error);
  }
}

export function cantListen(hostname: string, port: number, error: unknown): string {
  return `Can't listen on ${hostname}:${port}: ${(error as Error).message}\n`;
}

/** What slips through is counted and logged, and is a bug. */
function guard(log: Log, gateway: Gateway): void {
  onUnhandled((event, error) => {
    gateway.metrics.add("trivium_unhandled_total");
    log.error(event, { error: String(error), stack: error instanceof Error ? error.stack : undefined });
  });
}
