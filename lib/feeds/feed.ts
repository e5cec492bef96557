/**
 * Answers that stream. A feed produces bytes, one piece per network chunk of the upstream; `bodyOf` is the one loop that
 * drives it: slow clients push back on it, clients that leave close it, silence is filled with keep-alives.
 */
import { type ByteSource, byteStream, type Sink } from "../base/byte_stream.ts";
import { every } from "../base/clock.ts";
import type { Failure } from "../base/failure.ts";
import type { NeutralEvent } from "../neutral.ts";

export interface Feed {
  /** What ended the stream, once it has ended in an error. */
  readonly failure: Failure | undefined;
  /**
   * Reads until the first content is here, without handing anything out. A failure before that can still become a
   * status of its own. Called once, before `next`; `next` may be called while it is pending.
   */
  open(): Promise<Failure | undefined>;
  /** The next bytes, undefined at the end; at once where they are here already. Never rejects. */
  next(): Promise<Uint8Array | undefined> | Uint8Array | undefined;
  /** What may be written now, while `next` is pending. */
  keepalive(): Uint8Array | undefined;
  /** Milliseconds since anything came from the upstream. */
  silentMs(): number;
  /** Ends the stream with this failure: a pending `next` resolves with the client's error event. */
  fail(failure: Failure): void;
  /** Ends the stream after an exception: the bytes that tell the client, once; undefined afterwards. */
  broken(failure: Failure): Uint8Array | undefined;
  /** Frees the upstream. Idempotent. */
  close(): void;
}

export interface Pace {
  keepaliveMs: number;
  idleMs: number;
}

/** The answer's body. `onEnd` is called once, however it ends; `left` tells that the client did not stay to the end. */
export function bodyOf(feed: Feed, pace: Pace, onEnd: (left: boolean) => void): ReadableStream<Uint8Array> {
  return byteStream(new Drive(feed, pace, onEnd));
}

/** The loop: reads the feed, writes what it gives, waits where the client is slow. */
class Drive implements ByteSource {
  readonly #feed: Feed;
  readonly #pace: Pace;
  readonly #onEnd: (left: boolean) => void;
  readonly #stopBeat: () => void;
  #sink: Sink | undefined;
  /** `next` is pending: the client waits for the upstream, and a keep-alive may be written. */
  #isReading = false;
  /** Pending where a keep-alive had no room. */
  #room: Promise<unknown> | undefined;
  #lastWrite = Date.now();
  #hasEnded = false;

  constructor(feed: Feed, pace: Pace, onEnd: (left: boolean) => void) {
    this.#feed = feed;
    this.#pace = pace;
    this.#onEnd = onEnd;
    this.#stopBeat = every(Math.max(1, Math.min(pace.keepaliveMs, pace.idleMs) / 2), this.#beat);
  }

  start(sink: Sink): void {
    this.#sink = sink;
    this.#read();
  }

  cancel(): void {
    this.#end(true);
  }

  /** The same functions for every read: a closure each would cost as much as all else here. */
  readonly #read = (): void => {
    while (!this.#hasEnded) {
      const next = this.#next();
      if (next instanceof Promise) {
        this.#isReading = true;
        next.then(this.#took, this.#broke);
        return;
      }
      if (!this.#write(next)) return;
    }
  };

  #next(): ReturnType<Feed["next"]> {
    try {
      return this.#feed.next();
    } catch (error) {
      return broken(this.#feed, error);
    }
  }

  readonly #took = (bytes: Uint8Array | undefined): void => {
    this.#isReading = false;
    if (this.#room !== undefined) void this.#room.then(() => this.#took(bytes));
    else if (!this.#hasEnded && this.#write(bytes)) this.#read();
  };

  readonly #broke = (error: unknown): void => this.#took(broken(this.#feed, error));

  /** Whether to go on at once. */
  #write(bytes: Uint8Array | undefined): boolean {
    if (bytes === undefined) {
      this.#end(false);
      this.#sink?.end();
      return false;
    }
    this.#lastWrite = Date.now();
    const room = this.#sink?.write(bytes);
    void room?.then(this.#read);
    return room === undefined;
  }

  readonly #beat = (): void => {
    const { keepaliveMs, idleMs } = this.#pace;
    if (this.#feed.silentMs() >= idleMs) this.#feed.fail(idleFailure(idleMs));
    else if (this.#isReading && this.#room === undefined && Date.now() - this.#lastWrite >= keepaliveMs) {
      this.#keepAlive();
    }
  };

  #keepAlive(): void {
    this.#lastWrite = Date.now();
    const bytes = this.#feed.keepalive();
    this.#room = bytes === undefined ? undefined : this.#sink?.write(bytes);
    void this.#room?.then(() => this.#room = undefined);
  }

  #end(left: boolean): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#stopBeat();
    this.#feed.close();
    this.#onEnd(left);
  }
}

/** A bug of ours within a stream: the client gets an error event and an end, never silence. */
function broken(feed: Feed, error: unknown): Uint8Array | undefined {
  return feed.broken({
    kind: "internal",
    source: "gateway",
    message: "Internal error of the gateway",
    retry: true,
    cause: error,
  });
}

export function idleFailure(ms: number): Failure {
  return { kind: "timeout", source: "upstream", message: `The upstream sent nothing for ${ms} ms`, retry: true };
}

/** Whether a client has got something of the answer with this event: from here on an error can have no status. */
export function isContent(event: NeutralEvent): boolean {
  switch (event.t) {
    case "text":
    case "reasoning":
    case "refusal":
    case "arguments":
    case "finish":
    case "end":
      return true;
    case "part_start":
      return event.part.kind === "tool_call" || event.part.kind === "native";
    case "start":
    case "usage":
    case "opaque":
    case "citation":
    case "part_end":
    case "keepalive":
    case "native":
    case "error":
      return false;
    default:
      return event satisfies never;
  }
}
