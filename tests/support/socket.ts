/** A client's WebSocket on `/v1/responses`, by the runtime's own class, which both runtimes let set headers. */
import assert from "node:assert/strict";
import type { Json } from "./grammar.ts";
import { faultsOfSocketError } from "./open_responses.ts";
import { checkResponsesStream } from "./grammar_responses.ts";

export interface ClientSocket {
  /** Objects as JSON. */
  send(frame: Json | string | Uint8Array): void;
  /** The next frame; rejects when the socket closes before one comes. */
  next(): Promise<Json>;
  /** Sends it, and gives every frame up to the one that ends the turn. */
  turn(create: Json): Promise<Json[]>;
  /** The frames up to one that ends a turn. */
  rest(): Promise<Json[]>;
  closed: Promise<{ code: number; reason: string }>;
  close(): void;
}

type Init = new (url: string, init: { headers: Record<string, string> }) => WebSocket;

function socketUrl(url: string): string {
  return `${url.replace("http", "ws")}/v1/responses`;
}

export async function openSocket(url: string, headers: Record<string, string> = {}): Promise<ClientSocket> {
  const socket = new (WebSocket as unknown as Init)(socketUrl(url), { headers });
  const frames: Json[] = [];
  let wake: () => void = () => {};
  let isClosed = false;
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.onclose = ({ code, reason }) => {
      isClosed = true;
      wake();
      resolve({ code, reason });
    };
  });
  socket.onmessage = ({ data }) => {
    frames.push(JSON.parse(String(data)) as Json);
    wake();
  };
  socket.onerror = (event) => event.preventDefault();
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    void closed.then(() => reject(new Error("The socket was not opened")));
  });
  const next = async (): Promise<Json> => {
    while (frames.length === 0 && !isClosed) await new Promise<void>((resolve) => wake = resolve);
    const frame = frames.shift();
    if (frame === undefined) throw new Error("The socket closed before a frame came");
    return frame;
  };
  const rest = async (): Promise<Json[]> => {
    const list: Json[] = [];
    for (;;) {
      const frame = await next();
      list.push(frame);
      if (ENDS.has(String(frame["type"]))) return list;
    }
  };
  const send = (frame: Json | string | Uint8Array): void =>
    socket.send(typeof frame === "string" || frame instanceof Uint8Array ? frame as string : JSON.stringify(frame));
  return {
    send,
    next,
    rest,
    turn: (create) => {
      send({ type: "response.create", ...create });
      return rest();
    },
    closed,
    close: () => socket.close(),
  };
}

const ENDS: ReadonlySet<string> = new Set(["response.completed", "response.incomplete", "response.failed", "error"]);

/** The frames of a turn are a legal stream of events, whatever was added to them for the socket. */
export function assertLegalTurn(frames: readonly Json[]): void {
  const text = frames.map((frame) => `event: ${frame["type"]}\ndata: ${JSON.stringify(frame)}\n\n`).join("");
  assert.deepEqual(checkResponsesStream(`${text}data: [DONE]\n\n`), []);
}

/** An error as the specification has it on a socket. */
export function assertSocketError(frame: Json | undefined, status: number, code: string | RegExp): void {
  assert.ok(frame !== undefined);
  assert.deepEqual(faultsOfSocketError(frame), []);
  assert.equal(frame["status"], status, JSON.stringify(frame));
  const told = String((frame["error"] as Json)["code"]);
  if (typeof code === "string") assert.equal(told, code);
  else assert.match(told, code);
}
