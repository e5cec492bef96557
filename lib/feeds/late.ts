/** Feeds of answers that came after their headers had to go out. */
import type { Failure } from "../base/failure.ts";
import type { Feed } from "./feed.ts";

const encoder = new TextEncoder();

/** A feed that is not there yet: its headers are out because the upstream took long, its outcome is told in the stream. */
export class LateFeed implements Feed {
  #feed: Feed | undefined;
  #failure: Failure | undefined;
  #told = false;

  /** `tell`: a whole stream that says this failure. */
  constructor(
    readonly opening: Promise<Feed | Failure>,
    readonly keepaliveFrame: string,
    readonly tell: (failure: Failure) => string,
    readonly abort: AbortController,
  ) {}

  get failure(): Failure | undefined {
    return this.#failure ?? this.#feed?.failure;
  }

  open(): Promise<Failure | undefined> {
    return Promise.resolve(undefined);
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#feed === undefined && this.#failure === undefined) await this.#arrive();
    if (this.#feed !== undefined) return this.#feed.next();
    if (this.#told || this.#failure === undefined) return undefined;
    this.#told = true;
    return encoder.encode(this.tell(this.#failure));
  }

  async #arrive(): Promise<void> {
    const outcome = await this.opening;
    if ("kind" in outcome) this.#failure ??= outcome;
    // It has been given up meanwhile: what comes now is let go.
    else if (this.#failure !== undefined) outcome.close();
    else this.#feed = outcome;
  }

  keepalive(): Uint8Array | undefined {
    return this.#feed === undefined ? encoder.encode(this.keepaliveFrame) : this.#feed.keepalive();
  }

  silentMs(): number {
    // Until then the time to the first byte is the limit, not the time between two.
    return this.#feed === undefined ? 0 : this.#feed.silentMs();
  }

  fail(failure: Failure): void {
    if (this.#feed !== undefined) return this.#feed.fail(failure);
    this.#failure ??= failure;
    this.abort.abort();
  }

  broken(failure: Failure): Uint8Array | undefined {
    if (this.#feed !== undefined) return this.#feed.broken(failure);
    if (this.#told) return undefined;
    this.#told = true;
    this.#failure = failure;
    return encoder.encode(this.tell(failure));
  }

  close(): void {
    this.abort.abort();
    this.#feed?.close();
  }
}

/** A body that is already whole, for a stream that had to begin before it came. */
export class WholeFeed implements Feed {
  readonly failure = undefined;
  #body: Uint8Array | undefined;

  constructor(body: Uint8Array | string) {
    this.#body = typeof body === "string" ? new TextEncoder().encode(body) : body;
  }

  open(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  next(): Promise<Uint8Array | undefined> {
    const body = this.#body;
    this.#body = undefined;
    return Promise.resolve(body);
  }

  keepalive(): undefined {
    return undefined;
  }

  silentMs(): number {
    return 0;
  }

  broken(): undefined {
    return undefined;
  }

  fail(): void {}
  close(): void {}
}
