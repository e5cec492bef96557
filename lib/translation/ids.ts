/**
 * Ids: kept where they are legal for the other side, else a pure function of the old one, so that a call and its result
 * get the same new id without any state (TRANSLATION.md, 2.4 and 3.1).
 */
import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CALL_ID = /^[a-zA-Z0-9_-]+$/;

/** One text made of bytes at once: letters added one by one would leave a rope of as many pieces. */
function base62(bytes: Uint8Array, length: number): string {
  const letters = Buffer.alloc(length);
  for (let i = 0; i < length; i++) letters[i] = BASE62.charCodeAt((bytes[i % bytes.length] ?? 0) % 62);
  return letters.toString("latin1");
}

const ID_CHARACTERS = 24;
/** Random letters in stock: each call for random bytes costs more than the letters of an id. */
const STOCK_IDS = 128;
let stock = "";
let taken = 0;

/** A new id: `prefix` + 24 characters. */
export function randomId(prefix: string): string {
  if (taken === stock.length) {
    stock = base62(randomBytes(STOCK_IDS * ID_CHARACTERS), STOCK_IDS * ID_CHARACTERS);
    taken = 0;
  }
  const from = taken;
  taken += ID_CHARACTERS;
  return prefix + stock.slice(from, taken);
}

/** What stands in an item's id that the gateway made, where its makers' ids are hexadecimal. */
export const OWN_ITEM_MARK = "_gw1";
const OWN_ITEM = /_gw1[0-9A-Za-z]{21}$/;

/** A new id for an item of an answer, known again when a client sends the item back. `prefix`: `msg_`. */
export function ownItemId(prefix: string): string {
  return prefix.slice(0, -1) + OWN_ITEM_MARK + base62(randomBytes(21), 21);
}

export function isOwnItemId(id: unknown): boolean {
  return typeof id === "string" && OWN_ITEM.test(id);
}

/** Always the same id for the same `seed`: `prefix` + 24 characters. */
export function derivedId(prefix: string, seed: string): string {
  return prefix + base62(createHash("sha256").update(seed).digest(), 24);
}

/**
 * The id of an answer: the upstream's own if it has the client format's prefix, else derived from the gateway's id of
 * the request. The upstream's is no seed: Ollama draws it from a thousand, and Claude Code takes two answers of one id
 * for one message.
 */
export function answerId(prefix: string, upstreamId: string, requestId: string): string {
  return upstreamId.startsWith(prefix) ? upstreamId : derivedId(prefix, requestId);
}

/** A tool call's id as the target takes it: `[a-zA-Z0-9_-]`, at most `maxLength`. */
export function callId(id: string, maxLength: number): string {
  return id.length <= maxLength && CALL_ID.test(id) ? id : derivedId("call_", id);
}

/** Exactly nine letters and digits, as Mistral wants them. */
export function shortCallId(id: string): string {
  return /^[a-zA-Z0-9]{9}$/.test(id) ? id : base62(createHash("sha256").update(id).digest(), 9);
}
