/**
 * The mock's embeddings: unit vectors that depend on the input alone, so that equal inputs have equal embeddings. Any
 * mock model embeds; `embed-<n>` has n dimensions. `dimensions` and `encoding_format` are honoured.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { fail, invalid, type Result, success } from "../base/failure.ts";
import { describe, type JsonObject } from "../base/fields.ts";
import { countTokens } from "./tokens.ts";

const DEFAULT_DIMENSIONS = 64;
const MAX_DIMENSIONS = 4096;

/** The body of the answer to a request's body; `model` has been looked up already. */
export function embed(body: JsonObject, model: string): Result<JsonObject> {
  const inputs = inputsOf(body["input"]);
  if (inputs === undefined) {
    return fail(invalid(`Expected input to be text or a list of texts but got ${describe(body["input"])}`, "input"));
  }
  const dimensions = Number(body["dimensions"] ?? /embed-(\d+)$/.exec(model)?.[1] ?? DEFAULT_DIMENSIONS);
  if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    return fail(invalid(`Expected dimensions to be a whole number from 1 to ${MAX_DIMENSIONS}`, "dimensions"));
  }
  const isBase64 = body["encoding_format"] === "base64";
  const data = inputs.map((input, index) => {
    const vector = vectorOf(input, dimensions);
    const embedding = isBase64 ? Buffer.from(vector.buffer).toString("base64") : [...vector];
    return { object: "embedding", index, embedding };
  });
  const tokens = inputs.reduce((sum, input) => sum + countTokens(input), 0);
  return success({ object: "list", data, model, usage: { prompt_tokens: tokens, total_tokens: tokens } });
}

/** Token numbers stand for the text of their digits. */
function inputsOf(input: unknown): string[] | undefined {
  if (typeof input === "string") return [input];
  if (!Array.isArray(input) || input.length === 0) return undefined;
  if (input.every((entry) => typeof entry === "number")) return [input.join(" ")];
  const texts = input.map((entry) => typeof entry === "string" ? entry : Array.isArray(entry) ? entry.join(" ") : "");
  return texts;
}

function vectorOf(text: string, dimensions: number): Float32Array<ArrayBuffer> {
  const vector = new Float32Array(dimensions);
  for (let at = 0; at < dimensions; at += NUMBERS_A_HASH) {
    const hash = createHash("sha256").update(`${at}\n${text}`).digest();
    for (let i = 0; i < NUMBERS_A_HASH && at + i < dimensions; i++) vector[at + i] = hash.readInt32LE(4 * i) / 2 ** 31;
  }
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}

const NUMBERS_A_HASH = 8;
