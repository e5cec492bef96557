/**
 * One turn on a socket: the frame becomes a request for a stream that goes the way of every other, and the events of its
 * answer become frames. Upstreams are asked over HTTP, whatever format they speak.
 */
import { scopeOf } from "../scope.ts";
import type { Socket } from "../base/runtime.ts";
import { cutOff, type Failure, protocolFault } from "../base/failure.ts";
import { readerOf } from "../base/byte_stream.ts";
import { isObject, type JsonObject } from "../base/fields.ts";
import { jsonObject } from "../base/json.ts";
import { type SseEvent, SseOverflow, SseReader } from "../base/sse.ts";
import { type Exchange, type Upgrading } from "../exchange.ts";
import { FORMATS } from "../formats/mod.ts";
import type { EarlierTurns, SessionMemory } from "../state/session.ts";
import { errorFrame, laneMember, streamErrorFrame, withMembers } from "./socket_frames.ts";
import { type Frame, inputItems, ownPaths, requestBody } from "./socket_request.ts";
import { warmup } from "./socket_warmup.ts";

export interface SocketContext {
  /** The upgrade's, with the headers that every turn has. */
  exchange: Exchange;
  ask: Upgrading["ask"];
  socket: Socket;
  memory: SessionMemory;
  /** Aborted when the client has gone. */
  signal: AbortSignal;
}

/** Never rejects on what a client or an upstream does. */
export async function runTurn(context: SocketContext, frame: Frame): Promise<void> {
  await new Turn(context, frame).run();
}

const MAX_EVENT_BYTES = 256 * 1024 * 1024;
/** What a slow client may leave unread before no more is read for it. */
const HIGH_WATER_BYTES = 256 * 1024;
const LOOK_AGAIN_MS = 10;

class Turn {
  readonly #own: unknown[];
  readonly #before: EarlierTurns | undefined;
  /** Members that the next event gets: the lane, and with the first event what was lost. */
  #members: JsonObject;
  /** A terminal event is out: nothing may follow it. */
  #over = false;

  constructor(readonly context: SocketContext, readonly frame: Frame) {
    const { previousId } = frame;
    this.#own = inputItems(frame);
    this.#before = previousId === undefined ? undefined : context.memory.upTo(previousId);
    this.#members = laneMember(frame.lane);
  }

  async run(): Promise<void> {
    const { exchange, ask, signal } = this.context;
    const body = requestBody(this.frame, this.#own, this.#before);
    const request = new Request(exchange.url, { method: "POST", headers: exchange.request.headers, body, signal });
    const response = await (this.frame.isWarmup ? warmup(exchange, request) : ask(request));
    if (response.ok && response.body !== null) await this.#forward(response, readerOf(response.body));
    else await this.#tellStatus(response);
  }

  async #tellStatus(response: Response): Promise<void> {
    const body = jsonObject(this.#ownPaths(await response.text())) ??
      FORMATS.responses.encodeError(noAnswer(), "").body;
    const headers: Record<string, string> = {};
    for (const name of ["retry-after", "retry-after-ms", "x-should-retry", "x-request-id"]) {
      const value = response.headers.get(name);
      if (value !== null) headers[name] = value;
    }
    this.#failed();
    this.#send(errorFrame(statusOf(response, body), body, headers));
  }

  async #forward(response: Response, reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const { signal } = this.context;
    const lost = response.headers.get("x-trivium-loss");
    // What HTTP says in a header: nothing is lost in silence here either.
    if (lost !== null) this.#members = { ...this.#members, "x-trivium-loss": this.#ownPaths(lost) };
    // By it the answer's body is seen to be of no more use to anyone.
    const leave = () => void reader.cancel().catch(() => {});
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    try {
      await this.#read(reader);
    } catch (error) {
      if (!(error instanceof SseOverflow)) throw error;
      leave();
    } finally {
      signal.removeEventListener("abort", leave);
    }
    if (!this.#over && !signal.aborted) this.#fail(cutOff());
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const sse = new SseReader(MAX_EVENT_BYTES);
    for (;;) {
      await this.#clientIsReading();
      const { done, value } = await reader.read();
      for (const event of done ? sse.end() : sse.feed(value)) this.#event(event);
      if (done) return;
    }
  }

  #ownPaths(text: string): string {
    return this.#before === undefined ? text : ownPaths(text, this.#before.items.length);
  }

  async #clientIsReading(): Promise<void> {
    const { socket, signal } = this.context;
    while (socket.bufferedBytes() > HIGH_WATER_BYTES && !signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }

  #event({ event, data }: SseEvent): void {
    if (this.#over || data === "[DONE]") return;
    const type = event === "" ? typeOf(data) : event;
    switch (type) {
      case "response.created":
      case "response.queued":
      case "response.in_progress":
        return this.#send(this.#lifecycle(data));
      case "response.completed":
      case "response.incomplete":
        return this.#completed(data);
      case "response.failed":
        this.#failed();
        return this.#send(this.#lifecycle(data));
      case "error":
        this.#failed();
        return this.#send(streamErrorFrame(jsonObject(data) ?? {}));
      default:
        return this.#send(data);
    }
  }

  #send(data: string): void {
    if (this.context.signal.aborted) return;
    this.context.socket.send(withMembers(data, this.#members));
    this.#members = laneMember(this.frame.lane);
  }

  /** The client's own id of the response before, which upstreams were told as the conversation itself. */
  #lifecycle(data: string): string {
    if (this.#before === undefined) return data;
    const event = jsonObject(data);
    if (event === undefined || !isObject(event["response"])) return data;
    const response = { ...event["response"], previous_response_id: this.frame.previousId };
    return JSON.stringify({ ...event, response });
  }

  #completed(data: string): void {
    const { memory, exchange: { request, services } } = this.context;
    const { lane, previousId } = this.frame;
    this.#over = true;
    const told = this.#lifecycle(data);
    const response = jsonObject(told)?.["response"];
    if (isObject(response) && typeof response["id"] === "string" && response["store"] === false) {
      // What the gateway keeps though its upstream doesn't is continued from there.
      if (services.state.get(scopeOf(request.headers), response["id"]) !== undefined) return this.#send(told);
      const input = this.#own.filter(isObject);
      memory.remember({ id: response["id"], previousId, lane, input, response });
    }
    this.#send(told);
  }

  #failed(): void {
    const { lane, previousId } = this.frame;
    this.#over = true;
    if (previousId !== undefined) this.context.memory.forget(previousId, lane);
  }

  #fail(failure: Failure): void {
    this.#failed();
    const { status, body } = FORMATS.responses.encodeError(failure, "");
    this.#send(errorFrame(status, body));
  }
}

function noAnswer(): Failure {
  return protocolFault("The request was answered with something that is no stream");
}

/** On a socket an id that is unknown is a 400 (OpenAI's guide), where it is a 404 over HTTP. */
function statusOf({ ok, status }: Response, { error }: JsonObject): number {
  const isUnknownId = isObject(error) && error["code"] === "previous_response_not_found";
  return isUnknownId ? 400 : ok ? 502 : status;
}

/** Of events whose framing has no name. */
function typeOf(data: string): string {
  return /^\s*\{\s*"type"\s*:\s*"([^"]*)"/.exec(data)?.[1] ?? String(jsonObject(data)?.["type"]);
}
