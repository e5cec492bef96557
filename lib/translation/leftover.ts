/** Members of a client's request that another format has no place for, by the paths that the client knows. */
import { isObject } from "../base/fields.ts";
import type { Losses } from "../format.ts";
import type { Extra, Item, Message, NeutralRequest, SearchResultPart } from "../neutral.ts";

/** Leaving such a member out loses nothing: null, and the empty lists that SDKs echo. */
export function saysNothing(value: unknown): boolean {
  return value === null || value === undefined || (Array.isArray(value) && value.length === 0);
}

/** `path`: that of the object which the members stood on; undefined for the body itself. */
export function leftovers(extra: Extra | undefined, path: string | undefined): string[] {
  const { fields = {}, wrapper, unasked = [] } = extra ?? {};
  return Object.entries(fields).flatMap(([key, value]) => {
    const at = path === undefined ? key : `${path}.${key}`;
    // An empty string goes back to its own format, where it may be needed; to others it says nothing.
    if (saysNothing(value) || value === "" || unasked.includes(key)) return [];
    return key === wrapper && isObject(value) ? leftovers({ format: "chat", fields: value }, at) : [at];
  });
}

/** Where a message or its items said which phase of the turn they belong to. */
export function phasesOf(message: Message): string[] {
  const items = new Set<Pick<Item, "path" | "phase"> | undefined>([message, ...message.parts.map((part) => part.item)]);
  return [...items].flatMap((item) => item?.phase === undefined ? [] : [`${item.path ?? "messages"}.phase`]);
}

/** A search result that goes as one text: its own texts can hold neither marks nor citations there. */
export function loseWithin(part: SearchResultPart, { wireNames }: NeutralRequest, losses: Losses): void {
  for (const inner of part.parts) {
    const at = inner.path ?? part.path ?? "messages";
    const lose = (member: string) => losses.add(`${at}.${member}`, "the search result goes as one text");
    if (inner.cache !== undefined) lose(wireNames["cache"] ?? "cache_control");
    if (inner.kind === "text" && (inner.citations ?? []).length > 0) lose("citations");
    for (const left of leftovers(inner.extra, at)) losses.add(left, "the search result goes as one text");
  }
}
