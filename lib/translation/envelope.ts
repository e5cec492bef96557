/**
 * Carries opaque values of one maker's models through a field of another maker's format that clients echo unchanged
 * (TRANSLATION.md, 1.4): `gw1.` + length of the text + `.` + text (base64url of JSON) + `.` + its CRC-32. It needs no
 * key and no store, so that any replica can open it, and has no authority: it is never routed, billed or authorised by.
 */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { isObject } from "../base/fields.ts";
import { bufferOf } from "../base/sse.ts";
import type { Losses } from "../format.ts";
import type { Issuer, Message, Opaque, Part } from "../neutral.ts";

const ENVELOPE_PREFIX = "gw1.";

/** Characters; what is longer is not looked into. */
export const MAX_ENVELOPE = 32 * 1024 * 1024;

/** Of any version, or what a cut left of one. */
const BEGINNING = /^gw(?:\d{1,9}(?:\.|$)|$)/;
/** All but a beginning that something happened to. Values of makers are base64, which has no dots. */
const SHAPE = /\d{1,9}\.[\w-]*\.[0-9a-f]{8}$/;

/** Whole or broken, of this version or another: nothing that a provider may see. */
export function isEnvelope(value: string): boolean {
  return BEGINNING.test(value) || (value.includes(".") && value.length <= MAX_ENVELOPE && SHAPE.test(value));
}

/** What is looked for in bytes, as bytes: that is three times as fast as by strings. */
export type Marks = readonly Uint8Array[];

export function marksOf(...texts: string[]): Marks {
  return texts.map((text) => Buffer.from(text));
}

/** How an envelope is found in bytes: by its beginning, or by what follows a damaged one. */
const MARKS = marksOf('"gw', ".W3siaSI6", ".3.W10.");

/** Whether it is worth to look for envelopes in these bytes of JSON; `marks`: what else would make it so. */
export function mayHoldEnvelope(bytes: Uint8Array, marks: Marks): boolean {
  const buffer = bufferOf(bytes);
  return MARKS.some((mark) => buffer.includes(mark)) || marks.some((mark) => buffer.includes(mark));
}

export function sealEnvelope(opaques: readonly Opaque[]): string {
  const entries = opaques.map((opaque) => ({
    i: opaque.issuer,
    k: opaque.kind,
    v: opaque.value,
    ...(opaque.id === undefined ? {} : { id: opaque.id }),
  }));
  const text = Buffer.from(JSON.stringify(entries)).toString("base64url");
  return `${ENVELOPE_PREFIX}${text.length}.${text}.${checksum(text)}`;
}

/** Undefined for anything that isn't a whole, undamaged envelope of this version. */
export function openEnvelope(value: string): Opaque[] | undefined {
  if (!value.startsWith(ENVELOPE_PREFIX) || value.length > MAX_ENVELOPE) return undefined;
  const [length, text, sum, ...rest] = value.slice(ENVELOPE_PREFIX.length).split(".", 4);
  if (text === undefined || rest.length > 0) return undefined;
  if (length !== String(text.length) || sum !== checksum(text)) return undefined;
  try {
    const entries: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    return Array.isArray(entries) && entries.every(isEntry) ? entries.map(toOpaque) : undefined;
  } catch {
    return undefined;
  }
}

/** Nobody's: no model is of this family. */
const NOBODY: Issuer = "";

/** What an envelope holds; of one that can't be read, a value that goes nowhere, so that its loss is said. */
export function openedOrBroken(value: string, kind: Opaque["kind"]): Opaque[] {
  return openEnvelope(value) ?? [{ issuer: NOBODY, kind, value: "" }];
}

function isBroken(opaque: Opaque): boolean {
  return opaque.issuer === NOBODY;
}

const BROKEN = "its envelope is damaged or of another version";

/** Why the part with these values doesn't go on: what `otherwise` says, or that nobody can read them. */
export function lossOf(opaques: readonly Opaque[], otherwise: string): string {
  return opaques.some(isBroken) ? BROKEN : otherwise;
}

/** A client's messages without the parts whose envelope can't be read. A summary that stands beside it stays. */
export function withoutBroken(messages: readonly Message[], losses: Losses): Message[] {
  return messages.map((message) => {
    if (!message.parts.some((part) => part.opaque?.some(isBroken))) return message;
    return { ...message, parts: message.parts.flatMap((part) => unbroken(part, message, losses)) };
  });
}

function unbroken(part: Part, message: Message, losses: Losses): Part[] {
  if (part.opaque?.some(isBroken) !== true) return [part];
  losses.add(part.path ?? message.path ?? "messages", BROKEN);
  if (part.kind !== "compaction" || part.text === undefined) return [];
  const { opaque: _, ...rest } = part;
  return [rest];
}

interface Entry {
  i: string;
  k: Opaque["kind"];
  v: string;
  id?: string;
}

const KINDS: ReadonlySet<unknown> = new Set([
  "signature",
  "redacted",
  "encrypted",
  "thought_signature",
  "compaction",
  "phase",
]);

function isEntry(entry: unknown): entry is Entry {
  return isObject(entry) && typeof entry["i"] === "string" && KINDS.has(entry["k"]) && typeof entry["v"] === "string";
}

function toOpaque(entry: Entry): Opaque {
  return { issuer: entry.i, kind: entry.k, value: entry.v, ...(typeof entry.id === "string" ? { id: entry.id } : {}) };
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}
