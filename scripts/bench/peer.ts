/** One connection of the load generator: asks, reads the answer to its end, says how it went. */
import type { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { type Expected, StreamCheck } from "./check.ts";
import { type FormatName, WHOLE_TEXT } from "./content.ts";
import { AnswerReader } from "./http.ts";

export interface Outcome {
  latencyMs: number;
  firstTokenMs: number | undefined;
  /** Between two reads that brought deltas. */
  gapsMs: readonly number[];
  deltas: number;
  reads: number;
  /** What was wrong, as `word: detail`. */
  fault: string | undefined;
}

/** What is known of the answer that is awaited. */
interface Awaited {
  startedAt: number;
  status: number;
  check: StreamCheck | undefined;
  text: string;
  lastAt: number | undefined;
  firstTokenMs: number | undefined;
  gapsMs: number[];
  reads: number;
  resolve: (outcome: Outcome) => void;
}

/** Answers that aren't streamed are kept up to here. */
const MAX_TEXT = 64 * 1024;

export class Peer {
  #socket: Socket | undefined;
  /** Answers that this connection has brought: a server may close one that it has kept. */
  #answers = 0;
  #awaited: Awaited | undefined;

  /** `format`: of the stream that is to come; undefined: the answer comes whole. */
  constructor(
    readonly port: number,
    readonly request: Buffer,
    readonly format: FormatName | undefined,
    readonly expected: Expected,
  ) {}

  /** Of the stream that is open. */
  get deltas(): number {
    return this.#awaited?.check?.deltas ?? 0;
  }

  /** Never rejects. `startedAt`: when it was to begin, by `performance.now()`. */
  ask(startedAt: number): Promise<Outcome> {
    return new Promise((resolve) => {
      const check = this.format === undefined ? undefined : new StreamCheck(this.format, this.expected);
      this.#awaited = {
        startedAt,
        status: 0,
        check,
        text: "",
        lastAt: undefined,
        firstTokenMs: undefined,
        gapsMs: [],
        reads: 0,
        resolve,
      };
      this.#send();
    });
  }

  leave(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #send(): void {
    this.#socket ??= this.#connect();
    this.#socket.write(this.request);
  }

  #connect(): Socket {
    const socket = connect({ port: this.port, host: "127.0.0.1", noDelay: true });
    this.#answers = 0;
    const reader = new AnswerReader({
      onHead: (status) => {
        if (this.#awaited !== undefined) this.#awaited.status = status;
      },
      onBody: (bytes) => this.#read(bytes),
      onEnd: (isKept) => {
        if (!isKept) this.leave();
        this.#end(undefined);
      },
    });
    socket.on("data", (bytes: Buffer) => {
      if (this.#awaited !== undefined) this.#awaited.reads++;
      reader.push(bytes);
    });
    socket.on("error", (error) => this.#lost(socket, error.message));
    socket.on("close", () => {
      if (!reader.close()) this.#lost(socket, "closed");
    });
    return socket;
  }

  #read(bytes: Buffer): void {
    const awaited = this.#awaited;
    if (awaited === undefined) return;
    const { check } = awaited;
    if (check === undefined || awaited.status !== 200) {
      if (awaited.text.length < MAX_TEXT) awaited.text += bytes.toString();
      return;
    }
    const before = check.deltas;
    check.push(bytes);
    if (check.deltas === before) return;
    const now = performance.now();
    if (awaited.lastAt === undefined) awaited.firstTokenMs = now - awaited.startedAt;
    // The chunks of one read share its time: only later reads count.
    else if (now - awaited.lastAt > SAME_READ_MS) awaited.gapsMs.push(now - awaited.lastAt);
    awaited.lastAt = now;
  }

  /** A connection that was kept, and closed before anything came on it, is no fault: the next one is tried. */
  #lost(socket: Socket, reason: string): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    const awaited = this.#awaited;
    if (awaited === undefined) return;
    if (this.#answers > 0 && awaited.reads === 0) return this.#send();
    this.#end(`connection: ${reason}`);
  }

  #end(fault: string | undefined): void {
    const awaited = this.#awaited;
    if (awaited === undefined) return;
    this.#awaited = undefined;
    this.#answers++;
    const { check, status, text, reads, firstTokenMs, gapsMs } = awaited;
    const latencyMs = performance.now() - awaited.startedAt;
    const found = fault ?? (status === 200 ? check?.end() ?? this.#wholeFault(text) : `status: ${status} ${text}`);
    awaited.resolve({ latencyMs, firstTokenMs, gapsMs, deltas: check?.deltas ?? 0, reads, fault: found });
  }

  #wholeFault(text: string): string | undefined {
    return this.format !== undefined || text.includes(WHOLE_TEXT) ? undefined : `body: ${text.slice(0, 300)}`;
  }
}

const SAME_READ_MS = 0.05;
