/**
 * What the files of this folder share about OpenAI's Chat Completions and the servers that call themselves compatible
 * (TRANSLATION.md, format A, 2.8): reading and writing of members that stand on many objects. Types: openai 7.55.0,
 * `resources/chat/completions`.
 */
import { defined, type Fields, isObject, type JsonObject } from "../../base/fields.ts";
import type { Losses } from "../../format.ts";
import type { Extra } from "../../neutral.ts";
import { leftovers, saysNothing } from "../../translation/leftover.ts";

/** `""` for anything that is no string: in answers null, `""` and absence all say nothing. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function objectsOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** A member of a value that may be no object. */
export function memberOf(value: unknown, key: string): unknown {
  return isObject(value) ? value[key] : undefined;
}

/** The members nobody read, without those that say nothing: null and the empty lists that SDKs echo. */
export function unread(fields: Fields): JsonObject | undefined {
  const entries = Object.entries(fields.rest() ?? {}).filter(([, value]) => !saysNothing(value));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** `wrapper`: the member that holds the rest of what this format wraps once more. */
export function ownExtra(members: JsonObject | undefined, wrapper?: string): { extra?: Extra } {
  return members === undefined ? {} : { extra: { format: "chat", fields: members, ...defined({ wrapper }) } };
}

/** `object` with the members that came in with it; a loss for each that came in another format. */
export function withExtra(object: JsonObject, extra: Extra | undefined, path: string, losses: Losses): JsonObject {
  if (extra === undefined) return object;
  if (extra.format === "chat") return merged(object, extra.fields);
  for (const at of leftovers(extra, path)) losses.add(at, "chat has no such member");
  return object;
}

/** `patch` laid over `base`: objects are merged member by member, everything else of `patch` wins. */
export function merged(base: JsonObject, patch: JsonObject): JsonObject {
  const result = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    const old = result[key];
    result[key] = isObject(old) && isObject(value) ? merged(old, value) : value;
  }
  return result;
}
