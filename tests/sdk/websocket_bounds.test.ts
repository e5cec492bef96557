/** WebSocket mode within bounds: readers that don't read, sockets that grow old, and the flow of a whole Codex session. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect as connectTcp, type Socket } from "node:net";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { asArray, asObject, type Json } from "../support/grammar.ts";
import { framesOf, MODEL, replyOf, type Stage, startStage } from "../support/pairs.ts";
import { type Block, said } from "../support/said.ts";
import { assertLegalTurn, assertSocketError, openSocket } from "../support/socket.ts";
import { readTold } from "../support/told.ts";
import { sse } from "../support/upstream.ts";

describe("a client that doesn't read", () => {
  /** Far more than the buffers of two connections and two runtimes hold. */
  const EVENTS = 1500;
  const EVENT_BYTES = 64 * 1024;
  const DELTA = "response.output_text.delta";
  let written = 0;
  let upstream: Server;
  let gateway: StartedGateway;

  /** An upstream that writes as fast as it is read, and knows how far it came. */
  beforeAll(async () => {
    upstream = createServer(async (request, response) => {
      request.resume();
      response.writeHead(200, { "content-type": "text/event-stream" });
      const event = `data: ${JSON.stringify({ type: DELTA, delta: "x".repeat(EVENT_BYTES) })}\n\n`;
      for (let count = 0; count < EVENTS; count++) {
        if (!response.write(event)) await new Promise((resolve) => response.once("drain", resolve));
        written += event.length;
      }
      response.end(`data: ${JSON.stringify({ type: "response.completed", response: { id: "resp_1" } })}\n\n`);
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    const { port } = upstream.address() as AddressInfo;
    gateway = await startGateway(
      `log: off\nproviders:\n  local: { base_url: "http://127.0.0.1:${port}/v1", formats: [responses] }\n`,
    );
  });
  afterAll(async () => {
    await gateway.stop();
    upstream.closeAllConnections();
    await new Promise((resolve) => upstream.close(resolve));
  });

  test("holds the upstream back, and loses nothing once it reads", async () => {
    const socket = await rawSocket(gateway.url);
    socket.pause();
    socket.write(textFrame(JSON.stringify({ type: "response.create", model: "local/m", input: "Hi" })));
    const stalled = await settled(() => written);
    assert.ok(stalled < EVENTS * EVENT_BYTES / 2, `${stalled} bytes were read for a client that reads none`);

    let read = 0;
    let tail = "";
    const ended = new Promise<void>((resolve) => {
      socket.on("data", (bytes: Uint8Array) => {
        read += bytes.length;
        tail = (tail + Buffer.from(bytes).toString("latin1")).slice(-4096);
        if (tail.includes("response.completed")) resolve();
      });
    });
    socket.resume();
    await ended;
    assert.ok(read > EVENTS * EVENT_BYTES, `${read} bytes came`);
    socket.destroy();
  }, 60_000);
});

/** The value once it has stood still for a while. */
async function settled(value: () => number): Promise<number> {
  for (;;) {
    const before = value();
    await new Promise((resolve) => setTimeout(resolve, 700));
    if (before > 0 && value() === before) return before;
  }
}

/** A WebSocket by hand: the runtimes' own classes always read. */
async function rawSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connectTcp(Number(port), hostname);
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  socket.write(
    `GET /v1/responses HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  const answer = await new Promise<string>((resolve) => socket.once("data", (bytes) => resolve(String(bytes))));
  assert.match(answer, /^HTTP\/1\.1 101 /);
  return socket;
}

/** One masked text frame of up to 125 bytes; a mask of zeros leaves the text as it is. */
function textFrame(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  assert.ok(bytes.length <= 125);
  return Buffer.concat([Uint8Array.of(0x81, 0x80 | bytes.length, 0, 0, 0, 0), bytes]);
}

describe("a socket that grows old", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage("timeouts: { socket_ms: 300 }");
  });
  afterAll(() => stage.stop());

  test("is told so and closed", async () => {
    const socket = await openSocket(stage.gateway.url);
    assertSocketError(await socket.next(), 400, "websocket_connection_limit_reached");
    assert.equal((await socket.closed).code, 1000);
  });

  test("has its running turn's end first", async () => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => release = resolve);
    const frames = framesOf("chat", said());
    stage.upstreams.chat.answer(sse([...frames.slice(0, 4), { until: released }, ...frames.slice(4)]));
    const socket = await openSocket(stage.gateway.url);
    for (const input of ["one", "two"]) {
      socket.send({ type: "response.create", model: MODEL.chat, store: false, input });
    }
    // Opened later, so that the first one's time is over when this one's is.
    await (await openSocket(stage.gateway.url)).closed;
    release();
    assert.equal((await socket.rest()).at(-1)?.["type"], "response.completed");
    assertSocketError(await socket.next(), 400, "websocket_connection_limit_reached");
    assert.equal((await socket.closed).code, 1000);
    assert.equal(stage.upstreams.chat.requests.length, 1);
  });
});

describe("a Codex session", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage();
  });
  afterAll(() => stage.stop());

  for (const upstream of ["chat", "messages", "responses"] as const) {
    test(`warm-up, a call of a tool in a namespace, its result, the end: ${upstream} upstream`, async () => {
      const socket = await openSocket(stage.gateway.url, {
        "openai-beta": "responses_websockets=2026-02-06",
        originator: "codex_exec",
      });
      const shell = { type: "function", name: "shell", parameters: { type: "object", properties: {} }, strict: false };
      const request: Json = {
        model: MODEL[upstream],
        instructions: "",
        tools: [{ type: "namespace", name: "functions", description: "Tools", tools: [shell] }],
        tool_choice: "auto",
        parallel_tool_calls: true,
        reasoning: { effort: "medium", summary: "auto" },
        store: false,
        stream: true,
        include: ["reasoning.encrypted_content"],
        prompt_cache_key: "0199",
        client_metadata: { "x-codex-window-id": "1" },
      };
      const messages = [
        { type: "message", role: "developer", content: [{ type: "input_text", text: "You are Codex" }] },
        { type: "message", role: "user", content: [{ type: "input_text", text: "List the files" }] },
      ];
      const warm = await socket.turn({ ...request, generate: false, input: messages });
      assert.deepEqual(warm.at(-1)?.["type"], "response.completed");

      const called = upstream === "responses" ? "shell" : "functions__shell";
      const call: Block = { kind: "tool", id: "call_1", name: called, args: "{}" };
      stage.upstreams[upstream].answer(replyOf(upstream, said({ blocks: [call], stop: "tool_calls" }), "streamed"));
      const first = await socket.turn({ ...request, previous_response_id: idOf(warm), input: [] });
      assert.equal(first.at(-1)?.["type"], "response.completed");
      if (upstream !== "responses") assertLegalTurn(withoutLoss(first));
      const [item] = asArray(asObject(first.at(-1)?.["response"])["output"]).map(asObject);
      assert.equal(item?.["name"], "shell");
      if (upstream !== "responses") assert.equal(item?.["namespace"], "functions");
      assert.match(stage.upstreams[upstream].last().text, /You are Codex.*List the files/s);

      stage.upstreams[upstream].answer(replyOf(upstream, said({ id: "c".repeat(32) }), "streamed"));
      const output = { type: "function_call_output", call_id: "call_1", output: "a.txt" };
      const second = await socket.turn({ ...request, previous_response_id: idOf(first), input: [output] });
      assert.equal(second.at(-1)?.["type"], "response.completed");
      const told = readTold(upstream, stage.upstreams[upstream].last().body);
      assert.deepEqual(told.calls, [{ id: "call_1", name: called, input: {} }]);
      assert.deepEqual(told.results, [{ id: "call_1", text: "a.txt" }]);
      socket.close();
    });
  }
});

function idOf(frames: readonly Json[]): unknown {
  return asObject(frames.at(-1)?.["response"])["id"];
}

function withoutLoss(frames: readonly Json[]): Json[] {
  return frames.map(({ "x-trivium-loss": _, ...frame }) => frame);
}
