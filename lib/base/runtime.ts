/** The only file that names Bun or Deno: serving, sockets, and what differs around a process. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { brotliDecompressSync } from "node:zlib";

/** `upgrade` makes a WebSocket of the request's connection; its response is then the one to give back. */
export type Handle = (request: Request, upgrade?: Upgrade) => Promise<Response>;

/** Undefined where the request is no sound upgrade. `open` is called once, with the socket that is open then. */
export type Upgrade = (open: (socket: Socket) => SocketEvents) => Response | undefined;

/** A WebSocket, server side. Nothing here throws: what can't be sent any more is dropped. */
export interface Socket {
  send(text: string): void;
  /** Bytes that were sent here and have not left yet. */
  bufferedBytes(): number;
  close(code: number, reason: string): void;
}

export interface SocketEvents {
  text(text: string): void;
  binary(): void;
  /** Once, however it ended. */
  closed(): void;
}

export interface ServeOptions {
  hostname: string;
  /** 0: any free port. */
  port: number;
  handle: Handle;
  /** Other processes that say so too listen on the same port, and the system deals the connections out. */
  isShared?: boolean;
  /** The largest frame of a WebSocket, in bytes: larger ones close it with 1009. */
  maxFrameBytes?: number;
}

export interface Server {
  port: number;
  url: string;
  /** Stops accepting; resolves when running answers have ended. `force` ends those at once. */
  stop(force?: boolean): Promise<void>;
}

interface BunSocket {
  data: BunSocketData;
  send(text: string): number;
  getBufferedAmount(): number;
  close(code: number, reason: string): void;
}
interface BunSocketData {
  open: (socket: Socket) => SocketEvents;
  events: SocketEvents | undefined;
}
interface BunServer {
  port: number;
  stop(closeActive?: boolean): Promise<void>;
  upgrade(request: Request, options: { data: BunSocketData }): boolean;
}
interface BunLike {
  serve(options: {
    hostname: string;
    port: number;
    reusePort: boolean;
    idleTimeout: number;
    maxRequestBodySize: number;
    development: boolean;
    fetch: (request: Request, server: BunServer) => Promise<Response | undefined>;
    error: (error: Error) => Response;
    websocket: {
      maxPayloadLength: number;
      backpressureLimit: number;
      idleTimeout: number;
      sendPings: boolean;
      perMessageDeflate: boolean;
      open: (socket: BunSocket) => void;
      message: (socket: BunSocket, message: string | Uint8Array) => void;
      close: (socket: BunSocket) => void;
    };
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
      reusePort: boolean;
      signal: AbortSignal;
      onListen: () => void;
      onError: (error: unknown) => Response;
    },
    handle: (request: Request) => Promise<Response>,
  ): DenoServer;
  upgradeWebSocket(request: Request, options: { idleTimeout: number }): { socket: WebSocket; response: Response };
}

const { Bun: bun, Deno: deno } = globalThis as { Bun?: BunLike; Deno?: DenoLike };

/**
 * Asks for answers that are not compressed: a compressed stream reaches the client in lumps. Deno stops unpacking once
 * the header is set, and some upstreams compress whatever is asked for: there it stays unset.
 */
export const PLAIN_ANSWERS: Readonly<Record<string, string>> = bun === undefined
  ? {}
  : { "accept-encoding": "identity" };

/** Has streams of the type `direct`: what is written to them goes to the socket by no queue, a fifth cheaper a chunk. */
export const DIRECT_STREAMS = bun !== undefined;

export const RUNTIME: "bun" | "deno" = bun === undefined ? "deno" : "bun";

/** The gateway answers bodies that are too large itself, in the caller's own format; the runtime must not. */
const NO_BODY_LIMIT = Number.MAX_SAFE_INTEGER;

/** Rejects when the address is taken or not ours. */
export function serve(options: ServeOptions): Promise<Server> {
  return bun === undefined ? serveDeno(options) : serveBun(bun, options);
}

// deno-lint-ignore require-await -- a port that is taken rejects here as it does on Deno
async function serveBun(
  runtime: BunLike,
  { hostname, port, handle, isShared = false, maxFrameBytes = MAX_FRAME_BYTES }: ServeOptions,
): Promise<Server> {
  const server = runtime.serve({
    hostname,
    port,
    // With `development: false` Bun shares a port that is taken, and two gateways would answer in turns.
    reusePort: isShared,
    // Bun would close a connection that is quiet for 10 s: a model may think longer than that.
    idleTimeout: 0,
    maxRequestBodySize: NO_BODY_LIMIT,
    development: false,
    fetch: (request, server) => request.method === "GET" ? mayUpgrade(handle, request, server) : handle(request),
    error: () => lastResort(),
    websocket: bunSockets(maxFrameBytes),
  });
  return { port: server.port, url: urlOf(hostname, server.port), stop: (force = false) => server.stop(force) };
}

/** What a socket may be silent before it is pinged; without an answer it is closed after as long again. */
const SOCKET_IDLE_SECONDS = 30;
/** Where nothing else is said. Also what Deno holds a message to. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;
const MAX_UINT32 = 0xffff_ffff;

/** A socket begins as a GET: no other request needs what it takes. */
async function mayUpgrade(handle: Handle, request: Request, server: BunServer): Promise<Response | undefined> {
  const { upgrade, hasUpgraded } = bunUpgrade(request, server);
  const response = await handle(request, upgrade);
  // A connection that has been upgraded has had its answer.
  return hasUpgraded() ? undefined : response;
}

function bunUpgrade(request: Request, server: BunServer): { upgrade: Upgrade; hasUpgraded: () => boolean } {
  let upgraded = false;
  const upgrade: Upgrade = (open) => {
    upgraded = server.upgrade(request, { data: { open, events: undefined } });
    return upgraded ? new Response(null) : undefined;
  };
  return { upgrade, hasUpgraded: () => upgraded };
}

function bunSockets(maxFrameBytes: number) {
  return {
    maxPayloadLength: Math.min(maxFrameBytes, MAX_UINT32),
    // Beyond it Bun drops messages in silence; who sends here looks at `bufferedBytes`.
    backpressureLimit: MAX_UINT32,
    idleTimeout: SOCKET_IDLE_SECONDS,
    sendPings: true,
    perMessageDeflate: false,
    open: (socket: BunSocket) => {
      socket.data.events = socket.data.open({
        send: (text) => void socket.send(text),
        bufferedBytes: () => socket.getBufferedAmount(),
        close: (code, reason) => socket.close(code, reason),
      });
    },
    message: ({ data: { events } }: BunSocket, message: string | Uint8Array) =>
      typeof message === "string" ? events?.text(message) : events?.binary(),
    close: ({ data: { events } }: BunSocket) => events?.closed(),
  };
}

function denoUpgrade(runtime: DenoLike, request: Request, sockets: OpenSockets): Upgrade {
  return (open) => {
    try {
      const { socket, response } = runtime.upgradeWebSocket(request, { idleTimeout: SOCKET_IDLE_SECONDS });
      listen(socket, open);
      sockets.add(socket);
      return response;
    } catch {
      return undefined;
    }
  };
}

/** Deno's `shutdown` cuts sockets off in the middle of what they say: it has to wait for them. */
class OpenSockets {
  readonly #open = new Set<WebSocket>();
  #onNone: () => void = () => {};

  add(socket: WebSocket): void {
    this.#open.add(socket);
    socket.addEventListener("close", () => {
      this.#open.delete(socket);
      if (this.#open.size === 0) this.#onNone();
    });
  }

  /** Resolves once none is open. */
  none(): Promise<void> {
    return this.#open.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#onNone = resolve);
  }
}

function listen(socket: WebSocket, open: (socket: Socket) => SocketEvents): void {
  let events: SocketEvents | undefined;
  const isOpen = () => socket.readyState === WebSocket.OPEN;
  const own: Socket = {
    send: (text) => isOpen() ? socket.send(text) : undefined,
    bufferedBytes: () => isOpen() ? socket.bufferedAmount : 0,
    close: (code, reason) => isOpen() ? socket.close(code, reason) : undefined,
  };
  socket.onopen = () => events = open(own);
  socket.onmessage = ({ data }) => typeof data === "string" ? events?.text(data) : events?.binary();
  socket.onclose = () => events?.closed();
  // A close follows every error, and tells all that counts.
  socket.onerror = (event) => event.preventDefault();
}

// deno-lint-ignore require-await -- as above
async function serveDeno({ hostname, port, handle, isShared = false }: ServeOptions): Promise<Server> {
  const controller = new AbortController();
  const runtime = deno as DenoLike;
  const sockets = new OpenSockets();
  const unanswered = new Set<Promise<Response>>();
  let isStopping = false;
  const answer = (request: Request): Promise<Response> => {
    if (isStopping) return Promise.resolve(goingAway());
    const answering = handle(request, denoUpgrade(runtime, request, sockets));
    const answered = () => void unanswered.delete(answering);
    unanswered.add(answering);
    answering.then(answered, answered);
    return answering;
  };
  const server = runtime.serve(
    { hostname, port, reusePort: isShared, signal: controller.signal, onListen: () => {}, onError: () => lastResort() },
    answer,
  );
  const stop = async (force = false): Promise<void> => {
    isStopping = true;
    if (force) controller.abort();
    else {
      await sockets.none();
      // `shutdown` breaks off the bodies that are still being sent.
      await Promise.allSettled([...unanswered]);
    }
    await server.shutdown();
  };
  return { port: server.addr.port, url: urlOf(hostname, server.addr.port), stop };
}

/** For who still comes while open sockets keep the server from closing. */
function goingAway(): Response {
  return new Response(null, { status: 503, headers: { connection: "close" } });
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

/** Elsewhere a shared port is either not to be had or not dealt out fairly. */
export const CAN_SHARE_PORT = process.platform === "linux";

/** The command of this very process, to start it once more; only where a port can be shared. */
export function ownCommand(): { file: string; args: string[] } {
  return { file: process.execPath, args: readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(1, -1) };
}

/** For a process that this one starts: what `liftFetchCap` would do there has been done. */
export function liftedEnvironment(): Record<string, string | undefined> {
  return { BUN_CONFIG_MAX_HTTP_REQUESTS: MAX_HTTP_REQUESTS, ...process.env };
}

/** A thread. `packed`: the name of its code in an executable, where `scripts/build.ts` puts it as Brotli. */
export function openWorker(url: URL, packed: string): Worker {
  const worker = new Worker(isCompiled() ? unpacked(packed) : url, { type: "module" });
  // It must not keep a process alive that has nothing else to do.
  (worker as { unref?(): void }).unref?.();
  return worker;
}

const unpackedUrls = new Map<string, string>();

/** The code that an executable holds under this name, unpacked once. */
function unpacked(name: string): string {
  const known = unpackedUrls.get(name);
  if (known !== undefined) return known;
  const code = brotliDecompressSync(readFileSync(join(dirname(bun?.main ?? ""), name)));
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  unpackedUrls.set(name, url);
  return url;
}
