/** The only file that names Bun or Deno: serving, and what differs around a process. */
import process from "node:process";

export type Handle = (request: Request) => Promise<Response>;

export interface ServeOptions {
  hostname: string;
  /** 0: any free port. */
  port: number;
  handle: Handle;
}

export interface Server {
  port: number;
  url: string;
  /** Stops accepting; resolves when running answers have ended. `force` ends those at once. */
  stop(force?: boolean): Promise<void>;
}

interface BunServer {
  port: number;
  stop(closeActive?: boolean): Promise<void>;
}
interface BunLike {
  serve(options: {
    hostname: string;
    port: number;
    reusePort: boolean;
    idleTimeout: number;
    maxRequestBodySize: number;
    development: boolean;
    fetch: (request: Request) => Promise<Response>;
    error: (error: Error) => Response;
  }): BunServer;
  main: string;
}
interface DenoServer {
  addr: { port: number };
  shutdown(): Promise<void>;
}
interface DenoLike {
  serve(
    options: {
      hostname: string;
      port: number;
      signal: AbortSignal;
      onListen: () => void;
      onError: (error: unknown) => Response;
    },
    handle: (request: Request) => Promise<Response>,
  ): DenoServer;
}

const { Bun: bun, Deno: deno } = globalThis as { Bun?: BunLike; Deno?: DenoLike };

/**
 * Asks for answers that are not compressed: a compressed stream reaches the client in lumps. Deno stops unpacking once
 * the header is set, and some upstreams compress whatever is asked for: there it stays unset.
 */
export const PLAIN_ANSWERS: Readonly<Record<string, string>> = bun === undefined
  ? {}
  : { "accept-encoding": "identity" };

export const RUNTIME: "bun" | "deno" = bun === undefined ? "deno" : "bun";

/** The gateway answers bodies that are too large itself, in the caller's own format; the runtime must not. */
const NO_BODY_LIMIT = Number.MAX_SAFE_INTEGER;

/** Rejects when the address is taken or not ours. */
export function serve(options: ServeOptions): Promise<Server> {
  return bun === undefined ? serveDeno(options) : serveBun(bun, options);
}

// deno-lint-ignore require-await -- a port that is taken rejects here as it does on Deno
async function serveBun(runtime: BunLike, { hostname, port, handle }: ServeOptions): Promise<Server> {
  const server = runtime.serve({
    hostname,
    port,
    // With `development: false` Bun shares a port that is taken, and two gateways would answer in turns.
    reusePort: false,
    // Bun would close a connection that is quiet for 10 s: a model may think longer than that.
    idleTimeout: 0,
    maxRequestBodySize: NO_BODY_LIMIT,
    development: false,
    fetch: handle,
    error: () => lastResort(),
  });
  return { port: server.port, url: urlOf(hostname, server.port), stop: (force = false) => server.stop(force) };
}

// deno-lint-ignore require-await -- as above
async function serveDeno({ hostname, port, handle }: ServeOptions): Promise<Server> {
  const controller = new AbortController();
  const server = (deno as DenoLike).serve(
    { hostname, port, signal: controller.signal, onListen: () => {}, onError: () => lastResort() },
    handle,
  );
  const stop = async (force = false): Promise<void> => {
    if (force) controller.abort();
    await server.shutdown();
  };
  return { port: server.addr.port, url: urlOf(hostname, server.addr.port), stop };
}

function lastResort(): Response {
  return Response.json({ error: { message: "Internal error", type: "server_error", param: null, code: null } }, {
    status: 500,
  });
}

function urlOf(hostname: string, port: number): string {
  return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** True in an executable made by `bun build --compile`. */
export function isCompiled(): boolean {
  return bun !== undefined && /^(?:\/\$bunfs\/|[A-Z]:[\\/]~BUN[\\/])/i.test(bun.main);
}

/** Bun's own maximum for the variable. */
const MAX_HTTP_REQUESTS = "65336";

interface Execve {
  execve?(file: string, args: string[], env: Record<string, string | undefined>): never;
}

/**
 * Bun's `fetch` keeps at most 256 requests in flight, and the variable that lifts this is read before any code runs:
 * so the process replaces itself once, under the same pid. Does nothing where that isn't possible or not needed.
 * Call it before anything that is slow to load.
 */
export function liftFetchCap(): void {
  const { execve } = process as Execve;
  if (bun === undefined || execve === undefined || process.env["BUN_CONFIG_MAX_HTTP_REQUESTS"] !== undefined) return;
  const own = isCompiled() ? process.argv.slice(2) : [...process.execArgv, ...process.argv.slice(1)];
  try {
    execve.call(process, process.execPath, [process.execPath, ...own], {
      ...process.env,
      BUN_CONFIG_MAX_HTTP_REQUESTS: MAX_HTTP_REQUESTS,
    });
  } catch {
    // Where a process can't replace itself (Windows, seccomp) the gateway works, with 256 upstream requests at once.
  }
}

/** A thread. `bundled`: its name in an executable, where only what the build names as an entry is there. */
export function openWorker(url: URL, bundled: string): Worker {
  const worker = new Worker(isCompiled() ? bundled : url, { type: "module" });
  // It must not keep a process alive that has nothing else to do.
  (worker as { unref?(): void }).unref?.();
  return worker;
}
