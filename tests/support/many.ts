/** Many connections from one process: raw sockets, because the runtimes' own `fetch` may cap what is in flight. */
import { connect, type Socket } from "node:net";

export interface OpenStream {
  socket: Socket;
  /** Resolves with true once `needle` has been in the answer, false when the connection ends before. */
  seen: Promise<boolean>;
}

/** POSTs a JSON body and leaves the connection open. */
export function openStream(url: string, path: string, body: unknown, needle: string): OpenStream {
  const { hostname, port, host } = new URL(url);
  const text = JSON.stringify(body);
  const socket = connect(Number(port), hostname);
  const seen = new Promise<boolean>((resolve) => {
    let tail = "";
    socket.on("data", (bytes: Uint8Array) => {
      tail = (tail + new TextDecoder().decode(bytes)).slice(-4096);
      if (tail.includes(needle)) resolve(true);
    });
    socket.on("error", () => resolve(false));
    socket.on("close", () => resolve(false));
  });
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n` +
      `content-length: ${new TextEncoder().encode(text).length}\r\n\r\n${text}`,
  );
  return { socket, seen };
}

/** Waits until `check` holds; throws with `what` after `ms`. */
export async function until(what: string, check: () => boolean | Promise<boolean>, ms = 5000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
