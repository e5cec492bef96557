/**
 * Server-sent events: bytes to events, events to frames. A leaf: no dependency, no knowledge of what is inside.
 * Source: WHATWG HTML, "Interpreting an event stream"; tolerances of TRANSLATION.md, section 4.
 */

export interface SseEvent {
  /** The value of the last `event:` line, `""` when there was none. */
  event: string;
  /** All `data:` lines, joined by LF. */
  data: string;
}

/** One frame with an `event:` line. `data` must hold no raw line break, which `JSON.stringify` guarantees. */
export function namedFrame(event: string, data: string): string {
  return `event: ${event}\ndata: ${data}\n\n`;
}

export function dataFrame(data: string): string {
  return `data: ${data}\n\n`;
}

export function commentFrame(text: string): string {
  return `: ${text}\n\n`;
}

export class SseOverflow extends Error {}

const LF = 10;
const CR = 13;
const COLON = 58;
const SPACE = 32;

/**
 * A push parser: `feed` takes any chunk of bytes, however split (inside a character, a CRLF, a field name), and returns
 * the events that are now whole. Framing is done on bytes; a line is decoded once, when it is complete.
 */
export class SseReader {
  readonly #decoder = new TextDecoder();
  readonly #maxEventBytes: number;
  /** The bytes of the line that isn't complete yet, in the pieces they came in: joined once, when its end is found. */
  #pending: Uint8Array[] = [];
  #eventBytes = 0;
  #event = "";
  #data: string[] = [];
  #started = false;
  /** A CR ended the last line at the end of a chunk: an LF that follows belongs to it. */
  #skipLf = false;

  constructor(maxEventBytes: number = 16 * 1024 * 1024) {
    this.#maxEventBytes = maxEventBytes;
  }

  /** Throws `SseOverflow` when one event grows beyond the limit. */
  feed(chunk: Uint8Array): SseEvent[] {
    const events: SseEvent[] = [];
    let start = 0;
    if (this.#skipLf && chunk.length > 0) {
      if (chunk[0] === LF) start = 1;
      this.#skipLf = false;
    }
    while (start < chunk.length) {
      const end = lineEnd(chunk, start);
      if (end === -1) break;
      this.#line(this.#take(chunk, start, end), events);
      start = end + 1;
      if (chunk[end] === CR) {
        if (start === chunk.length) this.#skipLf = true;
        else if (chunk[start] === LF) start++;
      }
    }
    if (start < chunk.length) {
      this.#grow(chunk.length - start);
      // A copy: the runtime may reuse the chunk's memory once it is handled.
      this.#pending.push(chunk.slice(start));
    }
    return events;
  }

  /** The body has ended: an event that lacks its blank line still counts. */
  end(): SseEvent[] {
    const events: SseEvent[] = [];
    if (this.#pending.length > 0) this.#line(this.#take(new Uint8Array(0), 0, 0), events);
    this.#dispatch(events);
    return events;
  }

  #take(chunk: Uint8Array, start: number, end: number): Uint8Array {
    const last = chunk.subarray(start, end);
    this.#grow(last.length);
    if (this.#pending.length === 0) return last;
    const whole = joinBytes([...this.#pending, last]);
    this.#pending = [];
    return whole;
  }

  #grow(bytes: number): void {
    this.#eventBytes += bytes;
    if (this.#eventBytes > this.#maxEventBytes) {
      throw new SseOverflow(`An event of more than ${this.#maxEventBytes} bytes`);
    }
  }

  #line(bytes: Uint8Array, events: SseEvent[]): void {
    if (!this.#started) {
      this.#started = true;
      if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = bytes.subarray(3);
    }
    if (bytes.length === 0) return this.#dispatch(events);
    const colon = bytes.indexOf(COLON);
    if (colon === 0) {
      // Comments are no part of any event: a stream of them alone must not add up to the limit.
      if (this.#data.length === 0) this.#eventBytes = 0;
      return;
    }
    const nameEnd = colon === -1 ? bytes.length : colon;
    if (isName(bytes, nameEnd, DATA)) this.#data.push(this.#value(bytes, colon));
    else if (isName(bytes, nameEnd, EVENT)) this.#event = this.#value(bytes, colon);
  }

  #value(bytes: Uint8Array, colon: number): string {
    if (colon === -1) return "";
    return this.#decoder.decode(bytes.subarray(bytes[colon + 1] === SPACE ? colon + 2 : colon + 1));
  }

  #dispatch(events: SseEvent[]): void {
    if (this.#data.length > 0) events.push({ event: this.#event, data: this.#data.join("\n") });
    this.#event = "";
    this.#data = [];
    this.#eventBytes = 0;
  }
}

const DATA = [100, 97, 116, 97];
const EVENT = [101, 118, 101, 110, 116];

function isName(bytes: Uint8Array, end: number, name: readonly number[]): boolean {
  if (end !== name.length) return false;
  for (let i = 0; i < end; i++) if (bytes[i] !== name[i]) return false;
  return true;
}

/** The index of the next LF or CR. `indexOf` is native: it beats a loop over bytes by an order of magnitude. */
function lineEnd(chunk: Uint8Array, start: number): number {
  const lf = chunk.indexOf(LF, start);
  const cr = chunk.subarray(start, lf === -1 ? chunk.length : lf).indexOf(CR);
  return cr === -1 ? lf : start + cr;
}

export function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
