/**
 * A scripted upstream over real HTTP, on node:http, which both runtimes carry. It says what a test tells it to, in the
 * pieces and with the faults that the test asks for, and keeps every request it got. Knows nothing of `lib/`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Buffer } from "node:buffer";
import type { AddressInfo } from "node:net";
import { setImmediate } from "node:timers";

/** One request as it came in, and what became of it. */
export interface Received {
  method: string;
  /** With the query. */
  path: string;
  /** Lower-case names. */
  headers: Record<string, string>;
  bytes: Uint8Array;
  text: string;
  /** The parsed body, undefined where it isn't JSON. */
  body: unknown;
  /** The client closed the connection before the answer was complete. */
  gone: boolean;
  /** Settles when the exchange is over, either way. */
  over: Promise<void>;
}

export const CUT: unique symbol = Symbol("cut");
export const HANG: unique symbol = Symbol("hang");

/**
 * What is done next: bytes to write, a pause in ms, a promise to await, CUT destroys the socket, HANG says nothing
 * more until the client leaves.
 */
export type Step = string | Uint8Array | { pause: number } | { until: Promise<unknown> } | typeof CUT | typeof HANG;

export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  steps: readonly Step[];
  /** Nothing at all is sent, not even a status. */
  silent?: boolean;
}

export type Handler = (request: Received) => Reply | Promise<Reply>;

export interface Upstream {
  /** `http://127.0.0.1:12345`, without a path. */
  url: string;
  requests: Received[];
  /** The newest request; throws when there is none. */
  last(): Received;
  /** What the next requests are answered. */
  answer(handler: Handler | Reply): void;
  stop(): Promise<void>;
}

/** Holds the request without answering. */
export const SILENCE: Reply = { steps: [], silent: true };

const SSE_HEADERS = { "content-type": "text/event-stream; charset=utf-8" };

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Reply {
  return { status, headers: { "content-type": "application/json", ...headers }, steps: [JSON.stringify(body)] };
}

/** Any body under any content type. */
export function raw(body: string | Uint8Array, contentType: string, status = 200): Reply {
  return { status, headers: { "content-type": contentType }, steps: [body] };
}

/** One write per frame. */
export function sse(frames: readonly Step[], headers: Record<string, string> = {}): Reply {
  return { headers: { ...SSE_HEADERS, ...headers }, steps: frames };
}

/** The stream as two writes, split before byte `at`, far enough apart to arrive as two. */
export function sseSplitAt(frames: readonly string[], at: number): Reply {
  const bytes = new TextEncoder().encode(frames.join(""));
  return sse([bytes.slice(0, at), { pause: 2 }, bytes.slice(at)]);
}

/** One write for each byte. */
export function sseByteByByte(frames: readonly string[]): Reply {
  const bytes = new TextEncoder().encode(frames.join(""));
  return sse(Array.from(bytes, (byte) => Uint8Array.of(byte)));
}

/** The same stream with CRLF line ends. */
export function withCrlf(frames: readonly string[]): string[] {
  return frames.map((frame) => frame.replaceAll("\n", "\r\n"));
}

/** The first `bytes` bytes of the stream, then a destroyed socket. */
export function sseCutAfter(frames: readonly string[], bytes: number): Reply {
  return sse([new TextEncoder().encode(frames.join("")).slice(0, bytes), { pause: 20 }, CUT]);
}

export async function startUpstream(first: Handler | Reply = json({ error: "no answer set" }, 500)): Promise<Upstream> {
  let handler = toHandler(first);
  const requests: Received[] = [];
  const server = createServer((request, response) => {
    void exchange(request, response, requests, (received) => handler(received));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    last: () => {
      const newest = requests.at(-1);
      if (newest === undefined) throw new Error("The upstream got no request");
      return newest;
    },
    answer: (next) => {
      handler = toHandler(next);
    },
    stop: () => stop(server),
  };
}

/** A port of the loopback address where nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await stop(server);
  return port;
}

function toHandler(answer: Handler | Reply): Handler {
  return typeof answer === "function" ? answer : () => answer;
}

async function stop(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}

async function exchange(
  request: IncomingMessage,
  response: ServerResponse,
  requests: Received[],
  handler: Handler,
): Promise<void> {
  const received = await receive(request, response);
  requests.push(received);
  try {
    const reply = await handler(received);
    if (reply.silent) return;
    response.writeHead(reply.status ?? 200, reply.headers);
    response.flushHeaders();
    await play(reply.steps, response, received);
  } catch (error) {
    // A handler's own assertion: the test sees it as a 500 that says so.
    if (!response.headersSent) response.writeHead(500, { "content-type": "text/plain" });
    response.end(`The test's upstream failed: ${error}`);
  }
}

async function receive(request: IncomingMessage, response: ServerResponse): Promise<Received> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  const bytes = Buffer.concat(chunks);
  const text = bytes.toString("utf8");
  const received: Received = {
    method: request.method ?? "",
    path: request.url ?? "",
    headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
    bytes: new Uint8Array(bytes),
    text,
    body: parse(text),
    gone: false,
    over: Promise.resolve(),
  };
  received.over = new Promise<void>((resolve) => {
    response.on("close", () => {
      received.gone = !response.writableFinished;
      resolve();
    });
  });
  return received;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function play(steps: readonly Step[], response: ServerResponse, received: Received): Promise<void> {
  for (const step of steps) {
    if (received.gone) return;
    if (step === CUT) {
      response.socket?.destroy();
      return;
    }
    if (step === HANG) return void await received.over;
    if (typeof step === "string" || step instanceof Uint8Array) await write(response, step);
    else if ("pause" in step) await sleep(step.pause);
    else await Promise.race([step.until, received.over]);
  }
  response.end();
}

/** A turn of the event loop after each write, so that the pieces leave one by one. */
async function write(response: ServerResponse, piece: string | Uint8Array): Promise<void> {
  response.write(piece);
  await new Promise((resolve) => setImmediate(resolve));
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
