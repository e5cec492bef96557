/**
 * What the files of this folder share about Anthropic's Messages API (TRANSLATION.md, format B): reading and writing
 * of members that stand on many objects. Types: @anthropic-ai/sdk 1.11.0, `resources/messages`.
 */
import { defined, type Fields, isObject, type JsonObject } from "../../base/fields.ts";
import type { Losses } from "../../format.ts";
import type { Extra } from "../../neutral.ts";
import { leftovers } from "../../translation/leftover.ts";

/** What is sent when the client named no version; the only one that still takes sampling fields (CLIENTS.md). */
export const DEFAULT_VERSION = "2023-06-01";

/** The family whose signatures stand in thinking blocks as they are; all others travel in an envelope. */
export const NATIVE_ISSUER = "anthropic";

/** `patch` laid over `base`: objects are merged member by member, everything else of `patch` wins. */
export function mergeJson(base: JsonObject, patch: JsonObject): JsonObject {
  const result = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    const old = result[key];
    result[key] = isObject(old) && isObject(value) ? mergeJson(old, value) : value;
  }
  return result;
}

/** The members nobody read, without null ones, which say nothing. */
export function unread(fields: Fields): JsonObject | undefined {
  const rest = fields.rest();
  if (rest === undefined) return undefined;
  const entries = Object.entries(rest).filter(([, value]) => value !== null);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

export function ownExtra(members: JsonObject | undefined): { extra?: Extra } {
  return members === undefined ? {} : { extra: { format: "messages", fields: members } };
}

/** `block` with the members that came in with it; a loss for each that came in another format. */
export function withExtra(block: JsonObject, extra: Extra | undefined, path: string, losses: Losses): JsonObject {
  if (extra === undefined) return block;
  if (extra.format === "messages") return mergeJson(block, extra.fields);
  for (const at of leftovers(extra, path)) losses.add(at, "messages has no such member");
  return block;
}

/** A `cache_control` member; `rest` is what it holds beside `type` and `ttl`. */
export function decodeCache(fields: Fields): { cache?: { ttl?: string }; rest?: JsonObject } {
  const control = fields.object("cache_control");
  if (control === undefined) return {};
  control.skip("type");
  const ttl = control.string("ttl");
  return { cache: ttl === undefined ? {} : { ttl }, ...defined({ rest: unread(control) }) };
}

/** Only `5m` (the default) and `1h` exist: a longer life becomes `1h`, anything else the default. */
export function encodeCache(cache: { ttl?: string }): JsonObject {
  const ttl = cache.ttl === "24h" || cache.ttl === "12h" ? "1h" : cache.ttl;
  return { type: "ephemeral", ...(ttl === "5m" || ttl === "1h" ? { ttl } : {}) };
}
