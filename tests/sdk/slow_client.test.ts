/** A client over HTTP that reads slowly, or leaves: its upstream is held back, or let go of. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { type StartedGateway, startGateway } from "../support/gateway.ts";

/** Far more than the buffers of two connections and two runtimes hold. */
const EVENTS = 1500;
const EVENT_BYTES = 64 * 1024;
const END = "data: [DONE]\n\n";

let written = 0;
let closed: () => void = () => {};
let upstream: Server;
let gateway: StartedGateway;

function eventOf(content: string): string {
  const choices = [{ index: 0, delta: { content }, finish_reason: null }];
  return `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", model: "m", choices })}\n\n`;
}

/** `flood`: writes as fast as it is read, and knows how far it came. Any other model says one word and no more. */
beforeAll(async () => {
  upstream = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    response.once("close", () => closed());
    response.writeHead(200, { "content-type": "text/event-stream" });
    if (!body.includes('"flood"')) return void response.write(eventOf("Hi"));
    const event = eventOf("x".repeat(EVENT_BYTES));
    for (let count = 0; count < EVENTS; count++) {
      if (!response.write(event)) await new Promise((resolve) => response.once("drain", resolve));
      written += event.length;
    }
    response.end(END);
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const { port } = upstream.address() as AddressInfo;
  gateway = await startGateway(
    `log: off\nproviders:\n  local: { base_url: "http://127.0.0.1:${port}/v1", formats: [chat] }\n`,
  );
});
afterAll(async () => {
  await gateway.stop();
  upstream.closeAllConnections();
  await new Promise((resolve) => upstream.close(resolve));
});

function ask(model: string): Socket {
  const { hostname, port } = new URL(gateway.url);
  const body = JSON.stringify({ model: `local/${model}`, stream: true, messages: [{ role: "user", content: "Hi" }] });
  const socket = connect(Number(port), hostname);
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n` +
      `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
  return socket;
}

/** The value once it has been the same for a while. */
async function settled(value: () => number): Promise<number> {
  for (let last = -1;;) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    if (value() === last && last > 0) return last;
    last = value();
  }
}

describe("a client", () => {
  test("that doesn't read holds its upstream back, and loses nothing once it reads", async () => {
    const socket = ask("flood");
    socket.pause();
    const stalled = await settled(() => written);
    assert.ok(stalled < EVENTS * EVENT_BYTES / 2, `${stalled} bytes were read for a client that reads none`);
    let read = 0;
    let tail = "";
    socket.on("data", (bytes: Uint8Array) => {
      read += bytes.length;
      tail = (tail + new TextDecoder().decode(bytes)).slice(-200);
    });
    const ended = new Promise((resolve) => socket.once("close", resolve));
    socket.resume();
    await ended;
    assert.ok(read >= written, `${read} of ${written} bytes came`);
    assert.ok(tail.includes(END), tail);
  }, 60_000);

  test("that leaves while its upstream says nothing lets go of it", async () => {
    const gone = new Promise<void>((resolve) => closed = resolve);
    const socket = ask("quiet");
    await new Promise((resolve) => socket.once("data", resolve));
    socket.destroy();
    await gone;
  });
});
