/**
 * Answers that stream. A feed produces bytes, one piece per network chunk of the upstream; `bodyOf` is the one loop that
 * drives it: slow clients push back on it, clients that leave close it, silence is filled with keep-alives.
 */
import { Buffer } from "node:buffer";
import { TIMED_OUT, within } from "./base/clock.ts";
import { cutOff, type Failure, protocolFault } from "./base/failure.ts";
import { joinBytes, type SseEvent, SseOverflow, SseReader } from "./base/sse.ts";
import type { Format, StreamDecoder, StreamEncoder } from "./format.ts";
import type { NeutralEvent, Usage } from "./neutral.ts";
import { tokensOfBytes, utf8Length } from "./translation/estimate.ts";
import type { Stage } from "./translation/stage.ts";

export interface Feed {
  /** What ended the stream, once it has ended in an error. */
  readonly failure: Failure | undefined;
  /**
   * Reads until the first content is here, without handing anything out. A failure before that can still become a
   * status of its own. Called once, before `next`; `next` may be called while it is pending.
   */
  open(): Promise<Failure | undefined>;
  /** The next bytes, undefined at the end. Never rejects. */
  next(): Promise<Uint8Array | undefined>;
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

const TICK = Symbol("tick");

/** The answer's body. `onEnd` is called once, however it ends; `left` tells that the client did not stay to the end. */
export function bodyOf(feed: Feed, pace: Pace, onEnd: (left: boolean) => void): ReadableStream<Uint8Array> {
  let pending: Promise<Uint8Array | undefined> | undefined;
  let wake: ((value: typeof TICK) => void) | undefined;
  let lastWrite = Date.now();
  let ended = false;
  const timer = setInterval(() => {
    if (feed.silentMs() >= pace.idleMs) feed.fail(idleFailure(pace.idleMs));
    else if (Date.now() - lastWrite >= pace.keepaliveMs) wake?.(TICK);
  }, Math.max(1, Math.min(pace.keepaliveMs, pace.idleMs) / 2));
  const end = (left: boolean): void => {
    if (ended) return;
    ended = true;
    clearInterval(timer);
    feed.close();
    onEnd(left);
  };
  /** The next bytes, or `TICK` when a keep-alive is due; the read goes on meanwhile. */
  const nextOrTick = (): Promise<Uint8Array | undefined | typeof TICK> =>
    new Promise((resolve, reject) => {
      wake = resolve;
      (pending ??= feed.next()).then(resolve, reject);
    });
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        const bytes = await nextOrTick().catch((error) => broken(feed, error));
        if (ended) return;
        if (bytes !== TICK) pending = undefined;
        if (bytes === undefined) {
          end(false);
          controller.close();
          return;
        }
        lastWrite = Date.now();
        const out = bytes === TICK ? feed.keepalive() : bytes;
        if (out !== undefined) return controller.enqueue(out);
      }
    },
    cancel: () => end(true),
  });
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

const encoder = new TextEncoder();

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
  async read(): Promise<Uint8Array | undefined | Failure> {
    this.#waitingSince ??= Date.now();
    try {
      const { done, value } = await this.#reader.read();
      return done ? undefined : value;
    } catch (error) {
      return { ...cutOff(), cause: error };
    } finally {
      this.#waitingSince = undefined;
    }
  }

  /** The same, or `TIMED_OUT` at that time; undefined: there is none. */
  async readBefore(time: number | undefined): Promise<Uint8Array | undefined | Failure | typeof TIMED_OUT> {
    return time === undefined ? await this.read() : await within(this.read(), Math.max(0, time - Date.now()));
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
const AFTER_FINISH_MS = 2000;

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

  async next(): Promise<Uint8Array | undefined> {
    this.#isHeld = false;
    for (;;) {
      if (this.#early !== undefined) this.#tell(this.#early);
      if (this.#out !== "") return this.#flush();
      if (this.#done) return undefined;
      await this.#advance();
    }
  }

  #flush(): Uint8Array {
    const bytes = encoder.encode(this.#out);
    this.#out = "";
    return bytes;
  }

  /** One read at a time, whoever asks: `next` may come while `open` is still waiting. */
  #advance(): Promise<void> {
    return this.#stepping ??= this.#step().finally(() => this.#stepping = undefined);
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
    const chunk = await this.#source.readBefore(this.#endBy);
    if (this.#failed !== undefined) return this.#emit({ t: "error", failure: this.#failed });
    if (chunk === undefined || chunk === TIMED_OUT) {
      this.#decodeAll(this.#sse.end());
      if (!this.#done) this.#run(this.#translation.decoder.end(), 0);
      if (!this.#done) this.#emit({ t: "error", failure: cutOff() });
      return;
    }
    if (!(chunk instanceof Uint8Array)) {
      // A connection that breaks after the end of the answer breaks nothing.
      return this.#endBy !== undefined
        ? this.#run(this.#translation.decoder.end(), 0)
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
      this.#run(this.#translation.decoder.decode(event), 0);
    }
  }

  /** Sends events through the stages from `stage` on, to the encoder. */
  #run(events: Iterable<NeutralEvent>, stage: number): void {
    const next = this.#translation.stages[stage];
    for (const event of events) {
      if (this.#done) return;
      if (next === undefined) this.#emit(event);
      else this.#run(next.push(event), stage + 1);
    }
    if (this.#translation.isStopped?.() === true) this.#source.close();
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

/** Whether a client has got something of the answer with this event: from here on an error can have no status. */
function isContent(event: NeutralEvent): boolean {
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

/** An event that never ends is passed on in pieces from here on. */
const MAX_HELD_BYTES = 64 * 1024;

const MAX_OPENING_PIECES = 64;

interface Probe {
  sse: SseReader;
  decoder: StreamDecoder;
}

/**
 * The upstream's bytes as they are, handed on by whole events, so that a keep-alive or an error event can stand between
 * any two. It only looks for the end: a stream that breaks off without one gets the client's error event.
 */
export class PassFeed implements Feed {
  readonly #source: Source;
  readonly #format: Format;
  readonly #requestId: string;
  /** Reads the first events, until one has content. */
  #probe: Probe | undefined;
  #stepping: Promise<void> | undefined;
  /** What was read and not yet handed out. */
  #out: Uint8Array[] = [];
  /** A failure that came before any content. */
  #early: Failure | undefined;
  #held = new Uint8Array(0);
  /** Part of an event is already out: nothing may be written before its end. */
  #isMidEvent = false;
  /** How that event began. */
  #head = new Uint8Array(0);
  /** The last bytes that were whole events. */
  #tail: Uint8Array = new Uint8Array(0);
  /** When the answer is taken for ended, once one of its last events has passed. */
  #endBy: number | undefined;
  #done = false;
  #failed: Failure | undefined;
  failure: Failure | undefined;

  constructor(
    body: ReadableStream<Uint8Array>,
    abort: AbortController,
    format: Format,
    requestId: string,
    decoder: StreamDecoder,
  ) {
    this.#source = new Source(body, abort);
    this.#format = format;
    this.#requestId = requestId;
    this.#probe = { sse: new SseReader(), decoder };
  }

  /** An error among the opening events is a failure of its own, as if the upstream had said it by its status. */
  async open(): Promise<Failure | undefined> {
    while (this.#probe !== undefined && !this.#done) await this.#advance();
    return this.#early;
  }

  async next(): Promise<Uint8Array | undefined> {
    this.#probe = undefined;
    for (;;) {
      if (this.#out.length > 0) return this.#flush();
      if (this.#done) return undefined;
      await this.#advance();
    }
  }

  #flush(): Uint8Array | undefined {
    const out = this.#out;
    this.#out = [];
    return out.length === 1 ? out[0] : joinBytes(out);
  }

  /** One read at a time, whoever asks: `next` may come while `open` is still waiting. */
  #advance(): Promise<void> {
    return this.#stepping ??= this.#step().finally(() => this.#stepping = undefined);
  }

  #look(bytes: Uint8Array): void {
    if (this.#probe === undefined) return;
    // Opening events are small: what is larger is content of a kind that the decoder doesn't know.
    if (this.#isMidEvent || this.#out.length > MAX_OPENING_PIECES) this.#probe = undefined;
    else this.#decodeOpening(this.#probe, bytes);
  }

  #decodeOpening({ sse, decoder }: Probe, bytes: Uint8Array): void {
    for (const event of sse.feed(bytes)) {
      for (const neutral of decoder.decode(event)) {
        if (neutral.t === "error") this.#early ??= neutral.failure;
        else if (!isContent(neutral)) continue;
        this.#probe = undefined;
        return;
      }
    }
  }

  keepalive(): Uint8Array | undefined {
    return this.#isMidEvent ? undefined : encoder.encode(this.#format.keepaliveFrame);
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
    this.close();
    return this.#broken(failure);
  }

  close(): void {
    this.#done = true;
    this.#source.close();
  }

  async #step(): Promise<void> {
    const chunk = await this.#source.readBefore(this.#endBy);
    if (this.#done) return;
    const bytes = chunk instanceof Uint8Array
      ? this.#upToBoundary(chunk)
      : this.#end(this.#failed ?? (chunk === TIMED_OUT ? undefined : chunk));
    if (bytes === undefined) return;
    this.#out.push(bytes);
    if (this.failure === undefined) this.#look(bytes);
  }

  /** The bytes that may go out now; the rest is held. */
  #upToBoundary(chunk: Uint8Array): Uint8Array | undefined {
    const bytes = this.#held.length === 0 ? chunk : joinBytes([this.#held, chunk]);
    const boundary = lastBoundary(bytes);
    if (boundary === 0 && bytes.length < MAX_HELD_BYTES) {
      this.#held = bytes.slice();
      return undefined;
    }
    const out = boundary === 0 ? bytes : bytes.subarray(0, boundary);
    this.#held = bytes.slice(out.length);
    this.#lookForEnd(out, boundary === 0);
    return out;
  }

  /** `isCut`: the event goes on after these bytes, so that it ends nothing yet. */
  #lookForEnd(bytes: Uint8Array, isCut: boolean): void {
    if (isCut && !this.#isMidEvent) this.#head = bytes.slice(0, HEAD_BYTES);
    const ends = isCut ? false : this.#isTerminal(bytes) || (this.#isMidEvent && this.#isTerminal(this.#head));
    this.#isMidEvent = isCut;
    if (ends) this.#endBy ??= Date.now() + AFTER_FINISH_MS;
    this.#tail = bytes.length > TAIL_BYTES
      ? bytes.slice(-TAIL_BYTES)
      : joinBytes([this.#tail, bytes]).slice(-TAIL_BYTES);
  }

  #isTerminal(bytes: Uint8Array): boolean {
    const buffer = bufferOf(bytes);
    return this.#format.terminals.some((terminal) => beginsLine(buffer, terminal));
  }

  #end(failure: Failure | undefined): Uint8Array | undefined {
    this.#done = true;
    const rest = this.#held;
    this.#held = new Uint8Array(0);
    const isWhole = rest.length > 0 && !this.#isMidEvent && isWholeEvent(rest);
    if (isWhole) this.#lookForEnd(rest, false);
    const hasEnded = this.#endBy !== undefined ||
      (!this.#isMidEvent && this.#format.endsSoftly(new TextDecoder().decode(this.#tail)));
    if (hasEnded && this.#failed === undefined) {
      this.#source.finish();
      return isWhole ? rest : undefined;
    }
    this.#source.close();
    return this.#broken(failure ?? this.#mislabelled(rest) ?? cutOff());
  }

  /** What is held is a part of an event that will never be whole: no client could read it. */
  #broken(failure: Failure): Uint8Array {
    this.failure = failure;
    if (this.#probe !== undefined) this.#early ??= failure;
    const frame = this.#format.errorFrame(failure, this.#requestId);
    return encoder.encode(this.#isMidEvent ? `\n\n${frame}` : frame);
  }

  /** An error as JSON where a stream was announced. */
  #mislabelled(rest: Uint8Array): Failure | undefined {
    const text = new TextDecoder().decode(rest).trimStart();
    const isAlone = text.startsWith("{") && this.#tail.length === 0 && this.#probe !== undefined;
    return isAlone ? this.#format.decodeError(MISLABELLED_STATUS, new Headers(), text) : undefined;
  }
}

/** An error that came with status 200: its own words decide. */
const MISLABELLED_STATUS = 502;

const HEAD_BYTES = 256;
const TAIL_BYTES = 4096;

/** Whether a line of the buffer begins with `text`. */
function beginsLine(buffer: Buffer, text: string): boolean {
  for (let at = buffer.indexOf(text); at !== -1; at = buffer.indexOf(text, at + 1)) {
    if (at === 0 || buffer[at - 1] === LF || buffer[at - 1] === CR) return true;
  }
  return false;
}

const LF = 10;
const CR = 13;

/** An event that only lacks its blank line: its data can be read. */
function isWholeEvent(bytes: Uint8Array): boolean {
  const reader = new SseReader();
  const [event] = [...reader.feed(bytes), ...reader.end()];
  if (event === undefined) return false;
  try {
    return event.data === "[DONE]" || typeof JSON.parse(event.data) === "object";
  } catch {
    return false;
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The end of the last whole event in `bytes`, 0 where there is none. */
function lastBoundary(bytes: Uint8Array): number {
  const buffer = bufferOf(bytes);
  const lf = buffer.lastIndexOf("\n\n");
  const crlf = buffer.lastIndexOf("\r\n\r\n");
  return Math.max(lf === -1 ? 0 : lf + 2, crlf === -1 ? 0 : crlf + 4);
}

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
