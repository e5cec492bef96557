/** The feed of an answer that is translated. */
import { TIMED_OUT } from "../base/clock.ts";
import { cutOff, type Failure, protocolFault } from "../base/failure.ts";
import { type SseEvent, SseOverflow, SseReader } from "../base/sse.ts";
import type { StreamDecoder, StreamEncoder } from "../format.ts";
import type { NeutralEvent, Usage } from "../neutral.ts";
import { tokensOfBytes, utf8Length } from "../translation/estimate.ts";
import type { Stage } from "../translation/stage.ts";
import { type Feed, isContent } from "./feed.ts";
import { AFTER_FINISH_MS, type Chunk, Source } from "./source.ts";

const encoder = new TextEncoder();

export interface Translation {
  decoder: StreamDecoder;
  stages: readonly Stage[];
  encoder: StreamEncoder;
  /** A failure's text without the provider's secrets. */
  cleaned(failure: Failure): Failure;
  /** For answers whose upstream counts nothing. */
  estimatedInputTokens: number;
  /** Set by a stop sequence cutter: the answer is over though the upstream goes on. */
  isStopped?: () => boolean;
}

/** Upstream bytes → events → neutral → the client's frames: everything that one read brings is one write. */
export class TranslatedFeed implements Feed {
  readonly #source: Source;
  readonly #translation: Translation;
  readonly #sse = new SseReader();
  #stepping: Promise<void> | undefined;
  /** Nothing is handed out yet. */
  #isHeld = true;
  #out = "";
  #hasContent = false;
  #hasUsage = false;
  #outputBytes = 0;
  /** When the answer is taken for ended, once the upstream has said how it ends. */
  #endBy: number | undefined;
  #done = false;
  /** A failure that came before any content, not yet told to the client. */
  #early: Failure | undefined;
  #failed: Failure | undefined;
  failure: Failure | undefined;

  constructor(body: ReadableStream<Uint8Array>, abort: AbortController, translation: Translation) {
    this.#source = new Source(body, abort);
    this.#translation = translation;
  }

  async open(): Promise<Failure | undefined> {
    while (this.#isHeld && !this.#hasContent && !this.#done) await this.#advance();
    return this.#early;
  }

  next(): Promise<Uint8Array | undefined> | Uint8Array | undefined {
    this.#isHeld = false;
    if (this.#early !== undefined) this.#tell(this.#early);
    if (this.#out !== "") return this.#flush();
    if (this.#done) return undefined;
    if (this.#stepping !== undefined) return this.#stepping.then(this.#again);
    return this.#source.readBeforeThen(this.#endBy, this.#handOn);
  }

  readonly #again = () => this.next();

  /** Of a chunk that was read for `next`: its frames, or the next ones where it made none. */
  readonly #handOn = (chunk: Chunk | typeof TIMED_OUT): Promise<Uint8Array | undefined> | Uint8Array | undefined => {
    this.#take(chunk);
    return this.next();
  };

  #flush(): Uint8Array {
    const bytes = encoder.encode(this.#out);
    this.#out = "";
    return bytes;
  }

  /** One read at a time, whoever asks: `next` may come while `open` is still waiting. */
  #advance(): Promise<void> {
    return this.#stepping ??= this.#step();
  }

  keepalive(): Uint8Array | undefined {
    let frames = "";
    for (const frame of this.#translation.encoder.encode({ t: "keepalive" })) frames += frame;
    return frames === "" ? undefined : encoder.encode(frames);
  }

  silentMs(): number {
    return this.#source.silentMs();
  }

  fail(failure: Failure): void {
    this.#failed = failure;
    this.#source.close();
  }

  broken(failure: Failure): Uint8Array | undefined {
    if (this.failure !== undefined) return undefined;
    this.#done = true;
    this.failure = failure;
    this.#source.close();
    this.#out = "";
    this.#write({ t: "error", failure });
    return this.#flush();
  }

  close(): void {
    // What a read that is still pending brings is told to nobody: whoever keeps answers must not keep it either.
    this.#done = true;
    this.#source.close();
  }

  async #step(): Promise<void> {
    try {
      this.#take(await this.#source.readBefore(this.#endBy));
    } finally {
      this.#stepping = undefined;
    }
  }

  #take(chunk: Chunk | typeof TIMED_OUT): void {
    if (this.#failed !== undefined) return this.#emit({ t: "error", failure: this.#failed });
    if (chunk === undefined || chunk === TIMED_OUT) {
      this.#decodeAll(this.#sse.end());
      if (!this.#done) this.#run(this.#translation.decoder.end());
      if (!this.#done) this.#emit({ t: "error", failure: cutOff() });
      return;
    }
    if (!(chunk instanceof Uint8Array)) {
      // A connection that breaks after the end of the answer breaks nothing.
      return this.#endBy !== undefined
        ? this.#run(this.#translation.decoder.end())
        : this.#emit({ t: "error", failure: chunk });
    }
    try {
      this.#decodeAll(this.#sse.feed(chunk));
    } catch (error) {
      if (!(error instanceof SseOverflow)) throw error;
      this.#emit({
        t: "error",
        failure: protocolFault(`The upstream sent an event that is too large: ${error.message}`),
      });
    }
  }

  #decodeAll(events: readonly SseEvent[]): void {
    for (const event of events) {
      if (this.#done) return;
      this.#run(this.#translation.decoder.decode(event));
    }
  }

  #run(events: Iterable<NeutralEvent>): void {
    this.#send(events, 0);
    if (this.#translation.isStopped?.() === true) this.#source.close();
  }

  /** Through the stages from this one on, to the encoder. */
  #send(events: Iterable<NeutralEvent>, from: number): void {
    const { stages } = this.#translation;
    for (const event of events) {
      if (this.#done) return;
      let at = from;
      if ("delta" in event) { while (stages[at]?.lets?.(event) === true) at++; }
      const stage = stages[at];
      if (stage === undefined) this.#emit(event);
      else this.#send(stage.push(event), at + 1);
    }
  }

  #emit(told: NeutralEvent): void {
    if (this.#done) return;
    const event = told.t === "error" ? { ...told, failure: this.#translation.cleaned(told.failure) } : told;
    this.#observe(event);
    if (event.t === "error" && !this.#hasContent) {
      this.#early = event.failure;
      return;
    }
    if (event.t === "end" && !this.#hasUsage) this.#write({ t: "usage", usage: this.#estimate() });
    this.#write(event);
  }

  #observe(event: NeutralEvent): void {
    this.#hasContent ||= isContent(event);
    if ("delta" in event) this.#outputBytes += utf8Length(event.delta);
    else if (event.t === "usage") this.#hasUsage = true;
    else if (event.t === "finish") this.#endBy ??= Date.now() + AFTER_FINISH_MS;
    else if (event.t === "end") {
      this.#done = true;
      this.#source.finish();
    } else if (event.t === "error") {
      this.failure = event.failure;
      this.#done = true;
      this.#source.close();
    }
  }

  #write(event: NeutralEvent): void {
    for (const frame of this.#translation.encoder.encode(event)) this.#out += frame;
  }

  /** The early failure, told in the stream because its headers are already out. */
  #tell(failure: Failure): void {
    this.#early = undefined;
    this.#write({ t: "error", failure });
  }

  #estimate(): Usage {
    return {
      inputTokens: this.#translation.estimatedInputTokens,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: this.#outputBytes === 0 ? 0 : tokensOfBytes(this.#outputBytes),
      reasoningTokens: 0,
      estimated: true,
    };
  }
}
