/**
 * The official SDK's own client of WebSocket mode (openai 7.55.0, `ResponsesWSBase`), over the runtime's WebSocket: the class
 * that it ships for Node wants the package `ws`.
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import OpenAI from "openai";
import { ResponsesWSBase } from "openai/resources/responses/ws-base";
import type { Response as OpenAIResponse, ResponsesClientEvent } from "openai/resources/responses/responses";
import { CLIENT_KEY } from "../support/clients.ts";
import { FORMATS, MODEL, replyOf, type Stage, startStage } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { json } from "../support/upstream.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

type Init = new (url: string, init: { headers: Record<string, string> }) => WebSocket;

type SdkSocket = InstanceType<typeof ResponsesWSBase>["socket"];
type Listener = (...values: unknown[]) => void;

/** The runtime's WebSocket as the SDK takes one: its own adapters aren't exported. */
class Adapter {
  readonly #socket: WebSocket;
  readonly #listeners = new Map<string, Set<Listener>>();

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onopen = () => this.#tell("open");
    socket.onmessage = ({ data }) => this.#tell("message", data, typeof data !== "string");
    socket.onclose = ({ code, reason }) => this.#tell("close", code, reason);
    socket.onerror = (event) => {
      event.preventDefault();
      this.#tell("error", new Error("The socket failed"));
    };
  }

  get readyState(): number {
    return this.#socket.readyState;
  }

  send(data: Parameters<SdkSocket["send"]>[0]): void {
    this.#socket.send(data as string);
  }

  close(code?: number, reason?: string): void {
    this.#socket.close(code, reason);
  }

  on(event: string, listener: Listener): void {
    this.#listeners.set(event, (this.#listeners.get(event) ?? new Set()).add(listener));
  }

  off(event: string, listener: Listener): void {
    this.#listeners.get(event)?.delete(listener);
  }

  once(event: string, listener: Listener): void {
    const once: Listener = (...values) => {
      this.off(event, once);
      listener(...values);
    };
    this.on(event, once);
  }

  #tell(event: string, ...values: unknown[]): void {
    for (const listener of [...this.#listeners.get(event) ?? []]) listener(...values);
  }
}

class ResponsesSocket extends ResponsesWSBase<SdkSocket> {
  constructor(client: OpenAI) {
    super(client);
    this._connectInitial();
  }

  protected override _createSocket(url: URL, headers: Record<string, string>): SdkSocket {
    return new Adapter(new (WebSocket as unknown as Init)(url.href, { headers })) as SdkSocket;
  }
}

function connect(): ResponsesSocket {
  return new ResponsesSocket(new OpenAI({ apiKey: CLIENT_KEY, baseURL: `${stage.gateway.url}/v1`, maxRetries: 0 }));
}

type Create = ResponsesClientEvent.ResponseCreate;

/** Runs a turn to its end, as the guide's examples do. */
async function turn(socket: ResponsesSocket, fields: Partial<Create>): Promise<OpenAIResponse> {
  const events = socket.stream();
  socket.send({ type: "response.create", store: false, ...fields });
  for await (const event of events) {
    if (event.type === "error") throw event.error;
    if (event.type === "close") throw new Error("closed");
    if (event.type !== "message") continue;
    if (event.message.type === "response.completed") return event.message.response;
  }
  throw new Error("The socket ended");
}

describe("the SDK's own socket", () => {
  for (const upstream of FORMATS) {
    test(`several turns over a ${upstream} upstream`, async () => {
      const socket = connect();
      let previous: string | undefined;
      for (const [index, input] of ["one", "two", "three"].entries()) {
        const id = String(index).repeat(32);
        stage.upstreams[upstream].answer(replyOf(upstream, said({ id }), "streamed"));
        const response = await turn(socket, {
          model: MODEL[upstream],
          stream_id: "main",
          input,
          ...(previous === undefined ? {} : { previous_response_id: previous }),
        });
        assert.equal(response.status, "completed");
        assert.equal(response.previous_response_id ?? undefined, previous);
        previous = response.id;
      }
      assert.match(stage.upstreams[upstream].last().text, /one.*Hello from upstream.*two.*Hello from upstream.*three/s);
      socket.close();
    });
  }

  test("an error is raised with what it says, and the socket goes on", async () => {
    const socket = connect();
    stage.upstreams.messages.answer(
      json({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }, 529),
    );
    await assert.rejects(turn(socket, { model: MODEL.messages, input: "Hi" }), /Overloaded/);
    stage.upstreams.messages.answer(replyOf("messages", said(), "streamed"));
    assert.equal((await turn(socket, { model: MODEL.messages, input: "Hi" })).status, "completed");
    socket.close();
  });
});
