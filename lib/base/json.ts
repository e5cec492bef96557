/**
 * JSON as bytes: a scan that checks the whole text and finds the top-level members without building them, so that a
 * pass-through request of any size is neither parsed nor re-serialised. Source: RFC 8259.
 */
import { fail, type Failure, invalid, type Result, success } from "./failure.ts";
import { describe, isObject, type JsonObject } from "./fields.ts";
import { joinBytes } from "./sse.ts";

/** A value's place in the bytes: `start` inclusive, `end` exclusive. */
export interface Span {
  start: number;
  end: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

const MAX_DEPTH = 512;
/** Top-level members: each is kept by its name, and millions of them would hold everybody up for seconds. */
const MAX_MEMBERS = 16_384;
/** Strings longer than this are searched natively: base64 images are skipped at memory speed. */
const SHORT_STRING = 24;

/** The members of a JSON object by name, the last of equal names as `JSON.parse` has it; 400 when it isn't one. */
export function scanObject(bytes: Uint8Array): Result<Map<string, Span>> {
  const scanner = new Scanner(bytes);
  const members = scanner.document();
  return scanner.fault === undefined ? success(members) : fail(scanner.fault);
}

/** The value at `span`, parsed. */
export function valueAt(bytes: Uint8Array, span: Span): unknown {
  return JSON.parse(decoder.decode(bytes.subarray(span.start, span.end)));
}

/** The same, undefined where it is no JSON: the scan takes a string's illegal escapes for sound. */
export function valueOrNothing(bytes: Uint8Array, span: Span): unknown {
  try {
    return valueAt(bytes, span);
  } catch {
    return undefined;
  }
}

/** Whether the value is `true`, without parsing it. */
export function isTrue(bytes: Uint8Array, { start, end }: Span): boolean {
  return end - start === TRUE.length && TRUE.every((byte, index) => bytes[start + index] === byte);
}

/** The same bytes with `span` replaced; everything else is copied as it is. */
export function replaceAt(bytes: Uint8Array, span: Span, value: string): Uint8Array<ArrayBuffer> {
  return joinBytes([bytes.subarray(0, span.start), new TextEncoder().encode(value), bytes.subarray(span.end)]);
}

/** An object's bytes again, without the members of these names; values are copied as they stand. */
export function withoutMembers(
  bytes: Uint8Array,
  members: ReadonlyMap<string, Span>,
  names: readonly string[],
): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const pieces: Uint8Array[] = [];
  for (const [name, span] of members) {
    if (names.includes(name)) continue;
    const head = `${pieces.length === 0 ? "{" : ","}${JSON.stringify(name)}:`;
    pieces.push(encoder.encode(head), bytes.subarray(span.start, span.end));
  }
  pieces.push(encoder.encode(pieces.length === 0 ? "{}" : "}"));
  return joinBytes(pieces);
}

/** The object with these members' values replaced or added; everything else is copied as it is. */
export function setMembers(
  bytes: Uint8Array,
  members: ReadonlyMap<string, Span>,
  values: ReadonlyMap<string, string>,
): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const begin = bytes.indexOf(OPEN_BRACE) + 1;
  const added = [...values].filter(([name]) => !members.has(name)).map(([name, value]) =>
    `${JSON.stringify(name)}:${value}`
  );
  const pieces: Uint8Array[] = [bytes.subarray(0, begin)];
  if (added.length > 0) pieces.push(encoder.encode(`${added.join(",")}${members.size > 0 ? "," : ""}`));
  let at = begin;
  const inOrder = [...members].sort(([, a], [, b]) => a.start - b.start);
  for (const [name, { start, end }] of inOrder) {
    const value = values.get(name);
    if (value === undefined) continue;
    pieces.push(bytes.subarray(at, start), encoder.encode(value));
    at = end;
  }
  return joinBytes([...pieces, bytes.subarray(at)]);
}

interface RawJson {
  rawJSON(text: string): unknown;
  isRawJSON(value: unknown): value is { rawJSON: string };
  parse(text: string, reviver: (key: string, value: unknown, context?: { source?: string }) => unknown): unknown;
}
const raw = JSON as unknown as RawJson;
/** No fraction: to look at each number of an embedding would take seconds. */
const LONG_NUMBER = /(?<![\d.])\d{16}/;

/**
 * Parses JSON without losing digits: integers beyond 2^53 become raw JSON values that `JSON.stringify` writes as they
 * stood. Throws SyntaxError, as `JSON.parse` does.
 */
export function parseJson(text: string): unknown {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text);
  return raw.parse(text, (_key, value, context) => {
    const isUnsafe = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
    return isUnsafe && context?.source !== undefined ? raw.rawJSON(context.source) : value;
  });
}

/** A client's body as the object that it must be. */
export function bodyObject(bytes: Uint8Array): Result<JsonObject> {
  try {
    const body = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return isObject(body) ? success(body) : fail(invalid(`Expected an object but got ${describe(body)}`));
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : "it is not UTF-8";
    return fail(invalid(`The body is not valid JSON: ${reason}`));
  }
}

/** The object that a text is, undefined where it is none. */
export function jsonObject(text: string): JsonObject | undefined {
  try {
    const value = parseJson(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const decoder = new TextDecoder();

class Scanner {
  fault: Failure | undefined;
  #at = 0;

  constructor(readonly bytes: Uint8Array) {}

  document(): Map<string, Span> {
    const members = new Map<string, Span>();
    this.#space();
    if (this.bytes[this.#at] !== OPEN_BRACE) {
      this.#reject("Expected a JSON object");
      return members;
    }
    this.#object(1, members);
    this.#space();
    if (this.fault === undefined && this.#at < this.bytes.length) this.#reject("Unexpected text after the JSON object");
    return members;
  }

  #value(depth: number): boolean {
    this.#space();
    switch (this.bytes[this.#at]) {
      case QUOTE:
        return this.#string();
      case OPEN_BRACE:
        return this.#object(depth + 1);
      case OPEN_BRACKET:
        return this.#array(depth + 1);
      default:
        return this.#scalar();
    }
  }

  #object(depth: number, members?: Map<string, Span>): boolean {
    if (depth > MAX_DEPTH) return this.#reject(`More than ${MAX_DEPTH} levels of nesting`);
    this.#at++;
    this.#space();
    if (this.bytes[this.#at] === CLOSE_BRACE) return this.#step();
    for (;;) {
      this.#space();
      const keyStart = this.#at;
      if (this.bytes[this.#at] !== QUOTE) return this.#reject("Expected a member name in quotes");
      if (!this.#string()) return false;
      const keyEnd = this.#at;
      this.#space();
      if (this.bytes[this.#at] !== COLON) return this.#reject('Expected ":" after a member name');
      this.#at++;
      this.#space();
      const start = this.#at;
      if (!this.#value(depth)) return false;
      if (members !== undefined && !this.#keep(members, keyStart, keyEnd, start)) return false;
      this.#space();
      const next = this.bytes[this.#at];
      if (next === CLOSE_BRACE) return this.#step();
      if (next !== COMMA) return this.#reject('Expected "," or "}"');
      this.#at++;
    }
  }

  #array(depth: number): boolean {
    if (depth > MAX_DEPTH) return this.#reject(`More than ${MAX_DEPTH} levels of nesting`);
    this.#at++;
    this.#space();
    if (this.bytes[this.#at] === CLOSE_BRACKET) return this.#step();
    for (;;) {
      if (!this.#value(depth)) return false;
      this.#space();
      const next = this.bytes[this.#at];
      if (next === CLOSE_BRACKET) return this.#step();
      if (next !== COMMA) return this.#reject('Expected "," or "]"');
      this.#at++;
    }
  }

  #string(): boolean {
    const bytes = this.bytes;
    let at = this.#at + 1;
    const near = Math.min(at + SHORT_STRING, bytes.length);
    while (at < near) {
      const byte = bytes[at];
      if (byte === QUOTE) {
        this.#at = at + 1;
        return true;
      }
      at += byte === BACKSLASH ? 2 : 1;
    }
    for (let quote = bytes.indexOf(QUOTE, at); quote !== -1; quote = bytes.indexOf(QUOTE, quote + 1)) {
      if (isEscaped(bytes, quote, at)) continue;
      this.#at = quote + 1;
      return true;
    }
    this.#at = bytes.length;
    return this.#reject("A string without its closing quote");
  }

  #scalar(): boolean {
    switch (this.bytes[this.#at]) {
      case 0x74:
        return this.#literal(TRUE);
      case 0x66:
        return this.#literal(FALSE);
      case 0x6e:
        return this.#literal(NULL);
      default:
        return this.#number();
    }
  }

  #literal(word: readonly number[]): boolean {
    for (let i = 0; i < word.length; i++) {
      if (this.bytes[this.#at + i] !== word[i]) return this.#reject("Expected a value");
    }
    this.#at += word.length;
    return true;
  }

  /** `-? (0 | [1-9] digits) (. digits)? ([eE] [+-]? digits)?`, by hand: a body may be made of millions of them. */
  #number(): boolean {
    const { bytes } = this;
    let at = this.#at;
    if (bytes[at] === MINUS) at++;
    const whole = at;
    at = pastDigits(bytes, at);
    if (at === whole || (bytes[whole] === ZERO && at > whole + 1)) return this.#reject("Expected a value");
    if (bytes[at] === POINT) {
      const fraction = at + 1;
      at = pastDigits(bytes, fraction);
      if (at === fraction) return this.#reject("Expected a value");
    }
    if (bytes[at] === 0x65 || bytes[at] === 0x45) {
      const sign = bytes[at + 1] === MINUS || bytes[at + 1] === 0x2b ? at + 2 : at + 1;
      at = pastDigits(bytes, sign);
      if (at === sign) return this.#reject("Expected a value");
    }
    this.#at = at;
    return true;
  }

  #keep(members: Map<string, Span>, keyStart: number, keyEnd: number, start: number): boolean {
    if (members.size >= MAX_MEMBERS) return this.#reject(`More than ${MAX_MEMBERS} members at the top level`);
    members.set(this.#key(keyStart, keyEnd), { start, end: this.#at });
    return true;
  }

  #key(start: number, end: number): string {
    if (isPlain(this.bytes, start + 1, end - 1)) return decoder.decode(this.bytes.subarray(start + 1, end - 1));
    const text = decoder.decode(this.bytes.subarray(start, end));
    try {
      return JSON.parse(text) as string;
    } catch {
      this.#reject("A member name with an illegal escape");
      return "";
    }
  }

  #space(): void {
    for (;;) {
      const byte = this.bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#at++;
    }
  }

  #step(): boolean {
    this.#at++;
    return true;
  }

  #reject(message: string): boolean {
    const where = this.#at >= this.bytes.length ? "the end of the body" : `byte ${this.#at}`;
    this.fault ??= invalid(`The body is not valid JSON: ${message} at ${where}`);
    return false;
  }
}

const TRUE = [0x74, 0x72, 0x75, 0x65];
const FALSE = [0x66, 0x61, 0x6c, 0x73, 0x65];
const NULL = [0x6e, 0x75, 0x6c, 0x6c];
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;

function pastDigits(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at] as number;
    if (byte < ZERO || byte > 0x39) break;
    at++;
  }
  return at;
}

/** ASCII without escapes: a name that reads as it stands. */
function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) return false;
  }
  return true;
}

/** Whether an odd number of backslashes stands before `quote`, none of them before `from`. */
function isEscaped(bytes: Uint8Array, quote: number, from: number): boolean {
  let at = quote - 1;
  while (at >= from && bytes[at] === BACKSLASH) at--;
  return (quote - 1 - at) % 2 === 1;
}
