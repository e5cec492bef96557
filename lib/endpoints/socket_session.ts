/** One WebSocket: which turn runs when, what is refused, and how it ends. */
import type { Socket, SocketEvents } from "../base/runtime.ts";
import { type Failure, invalid } from "../base/failure.ts";
import type { Exchange, Upgrading } from "../exchange.ts";
import { FORMATS } from "../formats/mod.ts";
import { SessionMemory } from "../state/session.ts";
import { errorFrame, laneMember, steerRefusal, withMembers } from "./socket_frames.ts";
import { DEFAULT_LANE, type Frame, readFrame } from "./socket_request.ts";
import { runTurn, type SocketContext } from "./socket_turn.ts";

/** OpenAI's own limits: answers at once on one socket, and lanes that have a name. */
const MAX_RUNNING = 16;
const MAX_LANES = 32;
/** Turns that wait for their lane or for a place; their bytes together stay within the limit of one body. */
const MAX_WAITING = 64;

const GOING_AWAY = 1001;
const NORMAL = 1000;

interface Ending {
  code: number;
  reason: string;
  /** Told before the socket closes. */
  failure?: Failure;
}

export class SocketSession implements SocketEvents {
  readonly #context: SocketContext;
  readonly #maxBytes: number;
  readonly #abort = new AbortController();
  readonly #lanes = new Set<string>();
  /** Lanes that have a turn running. */
  readonly #running = new Set<string>();
  #waiting: Frame[] = [];
  #waitingBytes = 0;
  #ending: Ending | undefined;
  readonly #lifetime: ReturnType<typeof setTimeout>;

  constructor(
    exchange: Exchange,
    ask: Upgrading["ask"],
    readonly socket: Socket,
    readonly onClosed: () => void,
  ) {
    const { maxBodyBytes, timeouts } = exchange.services.config;
    this.#maxBytes = maxBodyBytes;
    const memory = new SessionMemory(maxBodyBytes);
    this.#context = { exchange, ask, socket, memory, signal: this.#abort.signal };
    this.#lifetime = setTimeout(() => this.#end(tooOld(timeouts.socketMs)), timeouts.socketMs);
  }

  text(text: string): void {
    if (this.#ending !== undefined) return;
    const read = readFrame(text, this.#maxBytes);
    if (!read.ok) return this.#refuse(read.failure, read.lane);
    const { frame } = read;
    if (frame.kind === "steer") return this.socket.send(steerRefusal(frame.steer));
    const failure = this.#enter(frame) ?? this.#queue(frame);
    if (failure !== undefined) this.#refuse(failure, frame.lane);
  }

  binary(): void {
    if (this.#ending === undefined) this.#refuse({ ...invalid("Expected a text frame"), code: "invalid_frame" });
  }

  closed(): void {
    clearTimeout(this.#lifetime);
    this.#waiting = [];
    this.#abort.abort();
    this.onClosed();
  }

  /** The gateway goes away: turns that run may end, those that wait never begin. */
  drain(): void {
    this.#end({ code: GOING_AWAY, reason: "The gateway is going away" });
  }

  #end(ending: Ending): void {
    this.#ending ??= ending;
    this.#waiting = [];
    this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    if (this.#ending === undefined || this.#running.size > 0) return;
    const { code, reason, failure } = this.#ending;
    if (failure !== undefined) this.#refuse(failure);
    this.socket.close(code, reason);
  }

  #refuse(failure: Failure, lane: string = DEFAULT_LANE): void {
    const { status, body } = FORMATS.responses.encodeError(failure, this.#context.exchange.requestId);
    this.socket.send(withMembers(errorFrame(status, body), laneMember(lane)));
  }

  /** A lane keeps its name for the socket's life. */
  #enter({ lane }: Frame): Failure | undefined {
    if (lane === DEFAULT_LANE || this.#lanes.has(lane)) return undefined;
    if (this.#lanes.size < MAX_LANES) return void this.#lanes.add(lane);
    const message = `This socket has ${MAX_LANES} streams already: use one of them, or open another socket`;
    return { ...invalid(message, "stream_id"), code: "websocket_stream_limit_reached" };
  }

  #queue(frame: Frame): Failure | undefined {
    if (this.#waiting.length >= MAX_WAITING || this.#waitingBytes + frame.bytes.length > this.#maxBytes) {
      const message = "Too many turns are waiting on this socket: send the next when one has ended";
      return { kind: "rate_limit", source: "gateway", message, retry: true };
    }
    this.#waiting.push(frame);
    this.#waitingBytes += frame.bytes.length;
    this.#next();
    return undefined;
  }

  /** Begins every turn whose lane is free, in the order they came. */
  #next(): void {
    if (this.#ending !== undefined) return this.#closeWhenIdle();
    for (const frame of [...this.#waiting]) {
      if (this.#running.size >= MAX_RUNNING) return;
      if (this.#running.has(frame.lane)) continue;
      this.#waiting.splice(this.#waiting.indexOf(frame), 1);
      this.#waitingBytes -= frame.bytes.length;
      this.#running.add(frame.lane);
      void this.#run(frame);
    }
  }

  async #run(frame: Frame): Promise<void> {
    try {
      await runTurn(this.#context, frame);
    } catch (cause) {
      this.#refuse(internal(cause), frame.lane);
      this.#context.exchange.services.log?.error("internal", { error: String(cause), stack: (cause as Error)?.stack });
    }
    this.#running.delete(frame.lane);
    this.#next();
  }
}

function internal(cause: unknown): Failure {
  return { kind: "internal", source: "gateway", message: "Internal error of the gateway", retry: true, cause };
}

function tooOld(ms: number): Ending {
  const minutes = Math.max(1, Math.round(ms / 60_000));
  const message = `A WebSocket lives ${minutes} minutes at most: open another one to go on`;
  const failure = { ...invalid(message), code: "websocket_connection_limit_reached" };
  return { code: NORMAL, reason: "Connection limit reached", failure };
}
