/** The feed of an answer whose bytes pass. */
import { Buffer } from "node:buffer";
import { TIMED_OUT } from "../base/clock.ts";
import { cutOff, type Failure } from "../base/failure.ts";
import { endOfEvents, endsEvent, joinBytes, SseReader } from "../base/sse.ts";
import type { Format, StreamDecoder } from "../format.ts";
import { type Feed, isContent } from "./feed.ts";
import { AFTER_FINISH_MS, type Chunk, Source } from "./source.ts";

const encoder = new TextEncoder();
const BLANK_LINE = encoder.encode("\n\n");
const NOTHING = new Uint8Array(0);

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
  readonly #terminals: readonly Uint8Array[];
  readonly #requestId: string;
  /** Reads the first events, until one has content. */
  #probe: Probe | undefined;
  #stepping: Promise<void> | undefined;
  /** What was read and not yet handed out. */
  #out: Uint8Array[] = [];
  /** A failure that came before any content. */
  #early: Failure | undefined;
  #held = NOTHING;
  /** Part of an event is already out: nothing may be written before its end. */
  #isMidEvent = false;
  /** How that event began. */
  #head = NOTHING;
  /** The last bytes that were whole events. */
  readonly #tail: Uint8Array[] = [];
  #tailBytes = 0;
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
    this.#terminals = terminalsOf(format);
    this.#requestId = requestId;
    this.#probe = { sse: new SseReader(), decoder };
  }

  /** An error among the opening events is a failure of its own, as if the upstream had said it by its status. */
  async open(): Promise<Failure | undefined> {
    while (this.#probe !== undefined && !this.#done) await this.#advance();
    return this.#early;
  }

  next(): Promise<Uint8Array | undefined> | Uint8Array | undefined {
    this.#probe = undefined;
    if (this.#out.length > 0) return this.#flush();
    if (this.#done) return undefined;
    if (this.#stepping !== undefined) return this.#stepping.then(this.#again);
    return this.#source.readBeforeThen(this.#endBy, this.#handOn);
  }

  readonly #again = () => this.next();

  /** Of a chunk that was read for `next`: its bytes, or the next ones where none may go out yet. */
  readonly #handOn = (chunk: Chunk | typeof TIMED_OUT): Promise<Uint8Array | undefined> | Uint8Array | undefined =>
    this.#take(chunk) ?? this.next();

  #flush(): Uint8Array | undefined {
    const out = this.#out;
    this.#out = [];
    return out.length === 1 ? out[0] : joinBytes(out);
  }

  /** One read at a time, whoever asks: `next` may come while `open` is still waiting. */
  #advance(): Promise<void> {
    return this.#stepping ??= this.#step();
  }

  #look(bytes: Uint8Array): void {
    if (this.#probe === undefined) return;
    // Opening events are small: what is larger is content of a kind that the decoder doesn't know.
    if (this.#isMidEvent || this.#out.length > MAX_OPENING_PIECES) this.#probe = undefined;
    else this.#decodeOpening(this.#probe, bytes);
  }

  /** One event after the other: a read may bring a whole answer, and its first content is enough. */
  #decodeOpening(probe: Probe, bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length && this.#probe !== undefined;) {
      const end = indexIn(bytes, BLANK_LINE, from);
      const to = end === -1 ? bytes.length : end + BLANK_LINE.length;
      this.#decodeEvents(probe, bytes.subarray(from, to));
      from = to;
    }
  }

  #decodeEvents({ sse, decoder }: Probe, bytes: Uint8Array): void {
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
    try {
      const bytes = this.#take(await this.#source.readBefore(this.#endBy));
      if (bytes === undefined) return;
      this.#out.push(bytes);
      if (this.failure === undefined) this.#look(bytes);
    } finally {
      this.#stepping = undefined;
    }
  }

  /** What of a chunk may go out. */
  #take(chunk: Chunk | typeof TIMED_OUT): Uint8Array | undefined {
    if (this.#done) return undefined;
    if (chunk instanceof Uint8Array) return this.#upToBoundary(chunk);
    return this.#end(this.#failed ?? (chunk === TIMED_OUT ? undefined : chunk));
  }

  /** The bytes that may go out now; the rest is held. */
  #upToBoundary(chunk: Uint8Array): Uint8Array | undefined {
    const bytes = this.#held.length === 0 ? chunk : joinBytes([this.#held, chunk]);
    if (endsEvent(bytes)) {
      this.#held = NOTHING;
      this.#lookForEnd(bytes, false);
      return bytes;
    }
    const boundary = endOfEvents(bytes);
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
    this.#remember(bytes);
  }

  /** By reference: to copy each chunk would cost more than to look at it. */
  #remember(bytes: Uint8Array): void {
    const piece = bytes.length > 2 * TAIL_BYTES ? bytes.slice(-TAIL_BYTES) : bytes;
    this.#tail.push(piece);
    this.#tailBytes += piece.length;
    for (let first = this.#tail[0]; first !== undefined && this.#tailBytes - first.length >= TAIL_BYTES;) {
      this.#tailBytes -= first.length;
      this.#tail.shift();
      first = this.#tail[0];
    }
  }

  #isTerminal(bytes: Uint8Array): boolean {
    for (const terminal of this.#terminals) if (beginsLine(bytes, terminal)) return true;
    return false;
  }

  #end(failure: Failure | undefined): Uint8Array | undefined {
    this.#done = true;
    const rest = this.#held;
    this.#held = NOTHING;
    const isWhole = rest.length > 0 && !this.#isMidEvent && isWholeEvent(rest);
    if (isWhole) this.#lookForEnd(rest, false);
    const hasEnded = this.#endBy !== undefined ||
      (!this.#isMidEvent && this.#format.endsSoftly(new TextDecoder().decode(joinBytes(this.#tail))));
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

const TERMINALS = new WeakMap<Format, readonly Uint8Array[]>();

/** A format's terminals as bytes, which are found four times as fast as strings. */
function terminalsOf(format: Format): readonly Uint8Array[] {
  let terminals = TERMINALS.get(format);
  if (terminals === undefined) {
    TERMINALS.set(format, terminals = format.terminals.map((terminal) => encoder.encode(terminal)));
  }
  return terminals;
}

/** Whether a line of the bytes begins with `text`. */
function beginsLine(bytes: Uint8Array, text: Uint8Array): boolean {
  for (let at = indexIn(bytes, text, 0); at !== -1; at = indexIn(bytes, text, at + 1)) {
    if (at === 0 || bytes[at - 1] === LF || bytes[at - 1] === CR) return true;
  }
  return false;
}

/** `indexOf` of a Buffer, without making one of the bytes. */
function indexIn(bytes: Uint8Array, text: Uint8Array, from: number): number {
  return Buffer.prototype.indexOf.call(bytes, text, from);
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
