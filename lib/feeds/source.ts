/** What a feed reads from. */
import { TIMED_OUT, within } from "../base/clock.ts";
import { cutOff, type Failure } from "../base/failure.ts";

/** What one read brings; undefined: the end. */
export type Chunk = Uint8Array | undefined | Failure;

function same(chunk: Chunk): Chunk {
  return chunk;
}

/** Reads an upstream's body, and lets go of it in each of the ways that a stream can end. */
export class Source {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #abort: AbortController;
  /** Since when a read is waiting; undefined while nobody asks: a slow client is no silent upstream. */
  #waitingSince: number | undefined;
  #closed = false;

  constructor(body: ReadableStream<Uint8Array>, abort: AbortController) {
    this.#reader = body.getReader();
    this.#abort = abort;
  }

  /** A chunk, undefined at the end, or the failure that broke it off. */
  read(): Promise<Chunk> {
    return this.readThen(same);
  }

  /** What `take` makes of the chunk: one promise less than to wait for it first, for each chunk of each stream. */
  readThen<T>(take: (chunk: Chunk) => T | Promise<T>): Promise<T> {
    this.#waitingSince ??= Date.now();
    return this.#reader.read().then(
      ({ done, value }) => {
        this.#waitingSince = undefined;
        return take(done ? undefined : value);
      },
      (error) => {
        this.#waitingSince = undefined;
        return take({ ...cutOff(), cause: error });
      },
    );
  }

  /** The same as `read`, or `TIMED_OUT` at that time; undefined: there is none. */
  readBefore(time: number | undefined): Promise<Chunk | typeof TIMED_OUT> {
    return time === undefined ? this.read() : within(this.read(), Math.max(0, time - Date.now()));
  }

  /** What `take` makes of that. */
  readBeforeThen<T>(
    time: number | undefined,
    take: (chunk: Chunk | typeof TIMED_OUT) => T | Promise<T>,
  ): Promise<T> {
    return time === undefined ? this.readThen(take) : this.readBefore(time).then(take);
  }

  silentMs(): number {
    return this.#waitingSince === undefined ? 0 : Date.now() - this.#waitingSince;
  }

  /** The answer was complete: what is left is read, so that the connection can serve again. */
  finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    void within(this.#drain(), DRAIN_MS).then((outcome) => outcome === TIMED_OUT && this.#release());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#release();
  }

  async #drain(): Promise<void> {
    try {
      while (!(await this.#reader.read()).done);
    } catch {
      // Broken off after its end: nothing is lost.
    }
  }

  #release(): void {
    this.#reader.cancel().catch(() => {});
    this.#abort.abort();
  }
}

const DRAIN_MS = 1000;

/** How long an upstream may keep its connection open after it has said how the answer ended. */
export const AFTER_FINISH_MS = 2000;
