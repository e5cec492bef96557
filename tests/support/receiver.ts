/** An upstream that reads a request's body piece by piece, for tests of uploads: how much has come, and how it ended. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createHash } from "node:crypto";
import type { AddressInfo } from "node:net";

export interface Receiver {
  url: string;
  /** Bytes of the newest request's body so far. */
  received(): number;
  headers(): Record<string, unknown>;
  /** Resolves once a body's first bytes are here. */
  begun: Promise<void>;
  /** Resolves when the newest body has ended: `true` if it was whole, with its hash. */
  over: Promise<{ whole: boolean; sha256: string }>;
  /** Stops and goes on reading. */
  hold(isHeld: boolean): void;
  /** Answers the next request with this status before it has read anything of its body. */
  refuse(status: number): void;
  stop(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  let received = 0;
  let headers: Record<string, unknown> = {};
  let held: Promise<void> | undefined;
  let refused: number | undefined;
  let release = (): void => {};
  let begin = (): void => {};
  let end = (_outcome: { whole: boolean; sha256: string }): void => {};
  const begun = new Promise<void>((resolve) => begin = resolve);
  const over = new Promise<{ whole: boolean; sha256: string }>((resolve) => end = resolve);
  const server = createServer((request, response) => {
    if (refused !== undefined) {
      response.writeHead(refused, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: "refused at sight", type: "x", param: null, code: null } }));
      return;
    }
    received = 0;
    headers = request.headers;
    void take(request, response).catch(() => end({ whole: false, sha256: "" }));
  });
  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const hash = createHash("sha256");
    for await (const chunk of request) {
      received += (chunk as Uint8Array).length;
      hash.update(chunk as Uint8Array);
      begin();
      await held;
    }
    if (!request.complete) throw new Error("broken off");
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ id: "file-1", object: "file", bytes: received }));
    end({ whole: true, sha256: hash.digest("hex") });
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: () => received,
    headers: () => headers,
    begun,
    over,
    hold: (isHeld) => {
      if (isHeld) held = new Promise((resolve) => release = resolve);
      else release();
    },
    refuse: (status) => refused = status,
    stop: async () => {
      release();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
