/**
 * A request's body on its way through: handed on as fast as it is taken, never held but for its beginning, counted, and
 * broken off where it is too large, goes silent or ends before its announced end.
 */
import { TIMED_OUT, within } from "./clock.ts";
import { type Failure, tooLarge } from "./failure.ts";
import type { Span } from "./json.ts";
import { joinBytes } from "./sse.ts";

export interface UploadLimits {
  maxBytes: number;
  /** Between two pieces. */
  idleMs: number;
  /** What the client's content-length said. */
  declared: number | undefined;
}

export class Upload {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #limits: UploadLimits;
  /** Called when it breaks off, before whoever reads the stream hears of it. */
  readonly #onFailure: () => void;
  #beginning: Uint8Array = new Uint8Array(0);
  #hasEnded = false;
  #isCancelled = false;
  #received = 0;
  /** Bytes that replacing has added. */
  #grown = 0;
  /** What broke it off. */
  failure: Failure | undefined;
  /** `Date.now()` of the last piece. */
  activeAt = Date.now();

  constructor(body: ReadableStream<Uint8Array>, limits: UploadLimits, onFailure: () => void) {
    this.#reader = body.getReader();
    this.#limits = limits;
    this.#onFailure = onFailure;
  }

  /** The length that will be sent, where it is known. */
  get length(): number | undefined {
    const { declared } = this.#limits;
    return declared === undefined ? undefined : declared + this.#grown;
  }

  /** Reads on until `found` finds something in the first `maxBytes`, all of them are here or the body has ended. */
  async peek<T>(maxBytes: number, found: (beginning: Uint8Array) => T | undefined): Promise<T | undefined> {
    let looked = 0;
    for (;;) {
      const { length } = this.#beginning;
      const isLast = this.#hasEnded || this.failure !== undefined || length >= maxBytes;
      // Only when there is twice as much as before: a form that comes byte by byte must not be searched for each.
      const value = isLast || length >= 2 * looked ? found(this.#beginning.subarray(0, maxBytes)) : undefined;
      if (value !== undefined || isLast) return value;
      if (length >= 2 * looked) looked = length;
      const piece = await this.#read();
      if (piece !== undefined) this.#beginning = joinBytes([this.#beginning, piece]);
    }
  }

  /** Replaces a part of what was peeked at. */
  replace({ start, end }: Span, text: string): void {
    const value = new TextEncoder().encode(text);
    const beginning = this.#beginning;
    this.#beginning = joinBytes([beginning.subarray(0, start), value, beginning.subarray(end)]);
    this.#grown += value.length - (end - start);
  }

  /** All of it, a piece when one is asked for. Errors when it breaks off. */
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const piece = this.#takeBeginning() ?? await this.#read();
        if (this.failure !== undefined) return controller.error(new Error(this.failure.message));
        // Who has cancelled meanwhile has closed it already.
        if (this.#isCancelled) return;
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      },
      cancel: () => this.cancel(),
    }, { highWaterMark: 0 });
  }

  /** What still comes is of no use. */
  cancel(): void {
    this.#isCancelled = true;
    this.#reader.cancel().catch(() => {});
  }

  #takeBeginning(): Uint8Array | undefined {
    const beginning = this.#beginning;
    this.#beginning = new Uint8Array(0);
    return beginning.length === 0 ? undefined : beginning;
  }

  /** The next piece; undefined at the end, the bad ones included: then `failure` is set. */
  async #read(): Promise<Uint8Array | undefined> {
    if (this.#hasEnded || this.failure !== undefined) return undefined;
    const read = await within(this.#reader.read(), this.#limits.idleMs).catch((cause: unknown) => ({ cause }));
    this.activeAt = Date.now();
    if (read === TIMED_OUT) return this.#fail(silent(this.#limits.idleMs));
    if ("cause" in read) return this.#fail(brokenOff(read.cause));
    return read.done ? this.#end() : this.#count(read.value);
  }

  #end(): undefined {
    const { declared } = this.#limits;
    if (declared !== undefined && this.#received < declared && !this.#isCancelled) return this.#fail(brokenOff());
    this.#hasEnded = true;
    return undefined;
  }

  #count(piece: Uint8Array): Uint8Array | undefined {
    this.#received += piece.length;
    const { maxBytes } = this.#limits;
    return this.#received > maxBytes ? this.#fail(uploadTooLarge(maxBytes)) : piece;
  }

  #fail(failure: Failure): undefined {
    this.failure = failure;
    this.cancel();
    this.#onFailure();
    return undefined;
  }
}

/** The same failure for what is known to be too large before it comes. */
export function uploadTooLarge(maxBytes: number): Failure {
  return tooLarge(maxBytes, "max_upload_mb");
}

function silent(ms: number): Failure {
  return {
    kind: "timeout",
    source: "client",
    message: `The client sent nothing of its body for ${ms} ms`,
    retry: true,
  };
}

function brokenOff(cause?: unknown): Failure {
  const message = "The body broke off before it was complete";
  return { kind: "cancelled", source: "client", message, retry: true, ...(cause === undefined ? {} : { cause }) };
}
