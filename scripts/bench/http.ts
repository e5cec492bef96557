/** As much of HTTP/1.1 as a bench needs, on raw bytes: requests for the mock, answers for the load generator. */
import { Buffer } from "node:buffer";

const HEAD_END = "\r\n\r\n";

/** Requests of one connection. Bodies come with a length or chunked; nothing is pipelined. */
export class RequestReader {
  readonly #parts: Buffer[] = [];
  #length = 0;
  #body: BodyReader | undefined;
  #path = "";

  constructor(readonly onRequest: (request: { path: string; body: string }) => void) {}

  push(bytes: Buffer): void {
    if (this.#body !== undefined) return this.#feed(this.#body, bytes);
    const head = this.#parts.length === 0 ? bytes : Buffer.concat([...this.#parts, bytes]);
    const end = head.indexOf(HEAD_END);
    this.#parts.length = 0;
    if (end === -1) return void this.#parts.push(head);
    const text = head.toString("latin1", 0, end);
    this.#path = text.split(" ", 2)[1] ?? "/";
    this.#body = new BodyReader(text, 0);
    this.#feed(this.#body, head.subarray(end + HEAD_END.length));
  }

  #feed(body: BodyReader, bytes: Buffer): void {
    const isEnd = body.push(bytes, (part) => void this.#parts.push(part));
    if (!isEnd) return;
    const whole = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts);
    this.#parts.length = 0;
    this.#body = undefined;
    this.onRequest({ path: this.#path, body: whole?.toString("latin1") ?? "" });
  }
}

export interface AnswerEvents {
  onHead(status: number): void;
  onBody(bytes: Buffer): void;
  /** `isKept`: the connection serves for the next request. */
  onEnd(isKept: boolean): void;
}

/** Answers of one connection. */
export class AnswerReader {
  #head: Buffer | undefined;
  #body: BodyReader | undefined;
  #isKept = true;

  constructor(readonly events: AnswerEvents) {}

  push(bytes: Buffer): void {
    if (this.#body !== undefined) return this.#feed(this.#body, bytes);
    const head = this.#head === undefined ? bytes : Buffer.concat([this.#head, bytes]);
    const end = head.indexOf(HEAD_END);
    this.#head = end === -1 ? head : undefined;
    if (end === -1) return;
    const text = head.toString("latin1", 0, end);
    this.#isKept = !/\r\nconnection:\s*close/i.test(text);
    this.#body = new BodyReader(text, Infinity);
    this.events.onHead(Number(text.slice(9, 12)));
    this.#feed(this.#body, head.subarray(end + HEAD_END.length));
  }

  /** The connection is closed: that ends a body without a length. False where it breaks something off. */
  close(): boolean {
    const isWhole = this.#body?.endsWithConnection ?? false;
    if (isWhole) this.#end(false);
    return isWhole;
  }

  #feed(body: BodyReader, bytes: Buffer): void {
    if (body.push(bytes, this.events.onBody)) this.#end(this.#isKept);
  }

  #end(isKept: boolean): void {
    this.#body = undefined;
    this.events.onEnd(isKept);
  }
}

/** The framing of one body. */
class BodyReader {
  readonly #isChunked: boolean;
  /** Bytes that are still to come: of the body, or of the chunk with its line end. */
  #left: number;
  /** The beginning of a size line, or of the trailer. */
  #line = "";
  #isLast = false;

  /** `fallback`: the length where the head names none. */
  constructor(head: string, fallback: number) {
    this.#isChunked = /\r\ntransfer-encoding:[^\r]*chunked/i.test(head);
    const length = /\r\ncontent-length:\s*(\d+)/i.exec(head)?.[1];
    this.#left = this.#isChunked ? 0 : length === undefined ? fallback : Number(length);
  }

  get endsWithConnection(): boolean {
    return this.#left === Infinity;
  }

  /** True once the body has ended. */
  push(bytes: Buffer, onPart: (bytes: Buffer) => void): boolean {
    if (this.#isChunked) return this.#pushChunks(bytes, onPart);
    if (bytes.length > 0) onPart(bytes);
    this.#left -= bytes.length;
    return this.#left <= 0;
  }

  #pushChunks(bytes: Buffer, onPart: (bytes: Buffer) => void): boolean {
    let at = 0;
    while (at < bytes.length) {
      if (this.#left > 0) {
        at = this.#chunk(bytes, at, onPart);
        continue;
      }
      const end = bytes.indexOf(0x0a, at);
      this.#line += bytes.toString("latin1", at, end === -1 ? bytes.length : end);
      if (end === -1) return false;
      at = end + 1;
      const line = this.#line.trim();
      this.#line = "";
      if (this.#isLast && line === "") return true;
      if (this.#isLast) continue;
      const size = parseInt(line, 16);
      if (size === 0) this.#isLast = true;
      else this.#left = size + LINE_END;
    }
    return false;
  }

  #chunk(bytes: Buffer, at: number, onPart: (bytes: Buffer) => void): number {
    const end = Math.min(bytes.length, at + this.#left);
    const bodyEnd = Math.min(end, at + this.#left - LINE_END);
    if (bodyEnd > at) onPart(bytes.subarray(at, bodyEnd));
    this.#left -= end - at;
    return end;
  }
}

/** After the bytes of each chunk. */
const LINE_END = 2;
