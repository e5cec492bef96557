/**
 * OpenAI's embeddings: bytes pass, but for numbers that come in another shape than was asked for. OpenAI's JS SDK asks for
 * base64 where its caller asked for nothing, and decodes blindly: a list of floats becomes an empty vector
 * (TRANSLATION.md, section 6 and case 40). Types: openai 7.55.0, `resources/embeddings`.
 */
import { Buffer } from "node:buffer";
import { fail, unsupported } from "../../base/failure.ts";
import { isObject, type JsonObject } from "../../base/fields.ts";
import { parseJson, scanObject, valueOrNothing } from "../../base/json.ts";
import type { Format } from "../../format.ts";
import { chat } from "./mod.ts";
import { listOf } from "./wire.ts";

export const embeddings: Format = {
  ...chat,
  api: "embeddings",
  path: "/embeddings",
  // Asked only for a provider without the API: there is no other way to an embedding.
  decodeRequest: () =>
    fail(unsupported(
      "This model's provider speaks messages alone, which has no embeddings; ask for a model of a provider that speaks " +
        "chat or responses",
      "model",
    )),
  stripEnvelopes: (body) => body,
  mendAnswer,
};

/** Parsed only where some embedding isn't as asked for: an answer to a large batch has tens of megabytes. */
function mendAnswer(answer: Uint8Array<ArrayBuffer>, request: Uint8Array): Uint8Array<ArrayBuffer> {
  const wanted = wantedShape(request);
  if (wanted === undefined || !holdsOther(answer, wanted)) return answer;
  const body = parsed(answer);
  if (!isObject(body)) return answer;
  const data = listOf(body["data"]).map((entry) => isObject(entry) ? mended(entry, wanted) : entry);
  return new TextEncoder().encode(JSON.stringify({ ...body, data }));
}

type Shape = "float" | "base64";

/** Undefined where the answer isn't ours to judge: another word, or numbers that are no float32. */
function wantedShape(request: Uint8Array): Shape | undefined {
  const members = scanObject(request);
  if (!members.ok || members.value.has("output_dtype")) return undefined;
  const span = members.value.get("encoding_format");
  const word = span === undefined ? null : valueOrNothing(request, span);
  if (word === null) return "float";
  return word === "float" || word === "base64" ? word : undefined;
}

const MEMBER = '"embedding"';
const BEGINNING: Readonly<Record<Shape, RegExp>> = { float: /^\s*:\s*\[/, base64: /^\s*:\s*"/ };
const LOOK_AHEAD = 32;

/** Whether an embedding begins as it does in the other shape. */
function holdsOther(answer: Uint8Array, wanted: Shape): boolean {
  const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength);
  const other = BEGINNING[wanted === "float" ? "base64" : "float"];
  for (let at = bytes.indexOf(MEMBER); at !== -1; at = bytes.indexOf(MEMBER, at + 1)) {
    const start = at + MEMBER.length;
    if (other.test(bytes.toString("latin1", start, start + LOOK_AHEAD))) return true;
  }
  return false;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return parseJson(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

function mended(entry: JsonObject, wanted: Shape): JsonObject {
  const { embedding } = entry;
  if (wanted === "base64") return isNumbers(embedding) ? { ...entry, embedding: pack(embedding) } : entry;
  const numbers = typeof embedding === "string" ? unpack(embedding) : undefined;
  return numbers === undefined ? entry : { ...entry, embedding: numbers };
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "number");
}

/** Bytes of one float32, little-endian. */
const FLOAT_BYTES = 4;

/** Numbers → base64 of float32. */
function pack(numbers: readonly number[]): string {
  const view = new DataView(new ArrayBuffer(numbers.length * FLOAT_BYTES));
  numbers.forEach((number, index) => view.setFloat32(index * FLOAT_BYTES, number, true));
  return Buffer.from(view.buffer).toString("base64");
}

/** Base64 of float32 → numbers; undefined where it is something else, or holds what no JSON number says (NaN). */
function unpack(text: string): number[] | undefined {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length % FLOAT_BYTES !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const numbers: number[] = [];
  for (let at = 0; at < bytes.length; at += FLOAT_BYTES) {
    const number = view.getFloat32(at, true);
    if (!Number.isFinite(number)) return undefined;
    numbers.push(shortest(number));
  }
  return numbers;
}

/** A float32 written as a double shows digits that nobody measured: 0.1 would be 0.10000000149011612. */
function shortest(value: number): number {
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  for (const digits of [6, 7, 8, 9]) {
    const short = rounded(value, digits, digits - 1 - exponent);
    if (Math.fround(short) === value) return short;
  }
  return value;
}

/** Powers of ten that a double holds exactly: a division by one of them is the decimal number itself. */
const EXACT_POWERS = Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));

/** To so many digits, by arithmetic where that is exact: there are millions of numbers in a batch. */
function rounded(value: number, digits: number, decimals: number): number {
  const scale = EXACT_POWERS[decimals];
  return scale === undefined ? Number(value.toPrecision(digits)) : Math.round(value * scale) / scale;
}
