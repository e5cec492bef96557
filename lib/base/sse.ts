/**
 * Server-sent events: bytes to events, events to frames. A leaf: no dependency, no knowledge of what is inside.
 * Source: WHATWG HTML, "Interpreting an event stream"; tolerances of TRANSLATION.md, section 4.
 */
import { Buffer } from "node:buffer";

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

/**
 * A push parser: `feed` takes any chunk of bytes, however split (inside a character, a CRLF, a field name), and returns
 * the events that are now whole. A chunk is decoded once, in one piece: line ends are ASCII, so that what is broken in one
 * line can't reach into the next. Lines are found by `indexOf`, which is native.
 */
export class SseReader {
  readonly #decoder = new TextDecoder();
  readonly #maxEventLength: number;
  /** The line that isn't complete yet, in the pieces it came in: joined once, when its end is found. */
  #pending: string[] = [];
  #eventLength = 0;
  #event = "";
  /** The `data:` lines so far, joined; undefined before the first. */
  #data: string | undefined;
  /** A CR ended the last line at the end of a chunk: an LF that follows belongs to it. */
  #skipLf = false;

  /** `maxEventLength`: of one event, in UTF-16 units. */
  constructor(maxEventLength: number = 16 * 1024 * 1024) {
    this.#maxEventLength = maxEventLength;
  }

  /** Throws `SseOverflow` when one event grows beyond the limit. */
  feed(chunk: Uint8Array): SseEvent[] {
    return this.#read(this.#decoder.decode(chunk, KEEPS_PARTS));
  }

  /** The body has ended: an event that lacks its blank line still counts. */
  end(): SseEvent[] {
    const events = this.#read(this.#decoder.decode());
    if (this.#pending.length > 0) this.#line(this.#whole(""), events);
    this.#dispatch(events);
    return events;
  }

  #read(text: string): SseEvent[] {
    const events: SseEvent[] = [];
    if (text === "") return events;
    let start = 0;
    if (this.#skipLf) {
      if (text.charCodeAt(0) === LF) start = 1;
      this.#skipLf = false;
    }
    // Asked once a chunk: hardly any upstream ends its lines by CR.
    const hasCr = text.includes("\r");
    for (;;) {
      const end = hasCr ? lineEnd(text, start) : text.indexOf("\n", start);
      if (end === -1) break;
      this.#line(this.#pending.length === 0 ? text.slice(start, end) : this.#whole(text.slice(start, end)), events);
      start = end + 1;
      if (hasCr && text.charCodeAt(end) === CR) {
        if (start === text.length) this.#skipLf = true;
        else if (text.charCodeAt(start) === LF) start++;
      }
    }
    if (start < text.length) this.#hold(text.slice(start));
    return events;
  }

  #hold(piece: string): void {
    this.#grow(piece.length);
    this.#pending.push(piece);
  }

  #whole(last: string): string {
    this.#pending.push(last);
    const line = this.#pending.join("");
    this.#pending = [];
    // What was held has been counted.
    this.#eventLength -= line.length - last.length;
    return line;
  }

  #grow(length: number): void {
    this.#eventLength += length;
    if (this.#eventLength > this.#maxEventLength) {
      throw new SseOverflow(`An event of more than ${this.#maxEventLength} characters`);
    }
  }

  #line(line: string, events: SseEvent[]): void {
    if (line === "") return this.#dispatch(events);
    this.#grow(line.length);
    if (line.startsWith("data:")) return this.#addData(valueFrom(line, 5));
    if (line.startsWith("event:")) this.#event = valueFrom(line, 6);
    else if (line === "data") this.#addData("");
    else if (line === "event") this.#event = "";
    // Comments are no part of any event: a stream of them alone must not add up to the limit.
    else if (line.charCodeAt(0) === COLON && this.#data === undefined) this.#eventLength = 0;
  }

  #addData(value: string): void {
    this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
  }

  #dispatch(events: SseEvent[]): void {
    if (this.#data !== undefined) events.push({ event: this.#event, data: this.#data });
    this.#event = "";
    this.#data = undefined;
    this.#eventLength = 0;
  }
}

const KEEPS_PARTS = { stream: true };
const LF = 10;
const CR = 13;
const COLON = 58;
const SPACE = 32;

function valueFrom(line: string, start: number): string {
  return line.slice(line.charCodeAt(start) === SPACE ? start + 1 : start);
}

/** The index of the next LF or CR. */
function lineEnd(text: string, start: number): number {
  const lf = text.indexOf("\n", start);
  const cr = text.indexOf("\r", start);
  return cr === -1 || (lf !== -1 && lf < cr) ? lf : cr;
}

/** The bytes are whole events: most chunks are. */
export function endsEvent(bytes: Uint8Array): boolean {
  const last = bytes.length - 1;
  if (bytes[last] !== LF) return false;
  return bytes[last - 1] === LF || (bytes[last - 1] === CR && bytes[last - 2] === LF && bytes[last - 3] === CR);
}

/** The end of the last whole event in `bytes`, 0 where there is none. */
export function endOfEvents(bytes: Uint8Array): number {
  const buffer = bufferOf(bytes);
  const lf = buffer.lastIndexOf("\n\n");
  const crlf = buffer.lastIndexOf("\r\n\r\n");
  return Math.max(lf === -1 ? 0 : lf + 2, crlf === -1 ? 0 : crlf + 4);
}

/** The same memory, to be searched natively. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
