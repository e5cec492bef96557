/**
 * Carries opaque values of one maker's models through a field of another maker's format that clients echo unchanged
 * (TRANSLATION.md, 1.4): `gw1.` + base64url(JSON) + `.` + CRC-32 of that text. It needs no key and no store, and has no
 * authority: it is never routed, billed or authorised by.
 */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { isObject } from "../base/fields.ts";
import type { Opaque } from "../neutral.ts";

export const ENVELOPE_PREFIX = "gw1.";

export function isEnvelope(value: string): boolean {
  return value.startsWith(ENVELOPE_PREFIX);
}

export function sealEnvelope(opaques: readonly Opaque[]): string {
  const entries = opaques.map((opaque) => ({
    i: opaque.issuer,
    k: opaque.kind,
    v: opaque.value,
    ...(opaque.id === undefined ? {} : { id: opaque.id }),
  }));
  const text = Buffer.from(JSON.stringify(entries)).toString("base64url");
  return `${ENVELOPE_PREFIX}${text}.${checksum(text)}`;
}

/** Undefined for anything that isn't a whole, undamaged envelope. */
export function openEnvelope(value: string): Opaque[] | undefined {
  if (!isEnvelope(value)) return undefined;
  const dot = value.lastIndexOf(".");
  const text = value.slice(ENVELOPE_PREFIX.length, dot);
  if (dot < ENVELOPE_PREFIX.length || value.slice(dot + 1) !== checksum(text)) return undefined;
  try {
    const entries: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    return Array.isArray(entries) ? entries.filter(isEntry).map(toOpaque) : undefined;
  } catch {
    return undefined;
  }
}

interface Entry {
  i: string;
  k: Opaque["kind"];
  v: string;
  id?: string;
}

const KINDS: ReadonlySet<unknown> = new Set(["signature", "redacted", "encrypted", "thought_signature", "compaction"]);

function isEntry(entry: unknown): entry is Entry {
  return isObject(entry) && typeof entry["i"] === "string" && KINDS.has(entry["k"]) && typeof entry["v"] === "string";
}

function toOpaque(entry: Entry): Opaque {
  return { issuer: entry.i, kind: entry.k, value: entry.v, ...(typeof entry.id === "string" ? { id: entry.id } : {}) };
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}
