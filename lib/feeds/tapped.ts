/** A feed whose bytes are looked at, and maybe changed, as they pass. */
import type { Failure } from "../base/failure.ts";
import type { Tap } from "../format.ts";
import type { Feed } from "./feed.ts";

export class TappedFeed implements Feed {
  readonly #feed: Feed;
  readonly #tap: Tap;
  #ended = false;

  constructor(feed: Feed, tap: Tap) {
    this.#feed = feed;
    this.#tap = tap;
  }

  get failure(): Failure | undefined {
    return this.#feed.failure;
  }

  open(): Promise<Failure | undefined> {
    return this.#feed.open();
  }

  next(): Promise<Uint8Array | undefined> | Uint8Array | undefined {
    return this.#tap.isDone ? this.#feed.next() : this.#tapped();
  }

  async #tapped(): Promise<Uint8Array | undefined> {
    while (!this.#ended) {
      const bytes = await this.#feed.next();
      this.#ended = bytes === undefined;
      const out = bytes === undefined ? this.#tap.end() : this.#tap.push(bytes);
      if (out.length > 0) return out;
    }
    return undefined;
  }

  keepalive(): Uint8Array | undefined {
    return this.#feed.keepalive();
  }

  silentMs(): number {
    return this.#feed.silentMs();
  }

  fail(failure: Failure): void {
    this.#feed.fail(failure);
  }

  broken(failure: Failure): Uint8Array | undefined {
    this.#ended = true;
    return this.#feed.broken(failure);
  }

  close(): void {
    this.#feed.close();
  }
}
