/** Members of a client's request that another format has no place for, by the paths that the client knows. */
import { isObject } from "../base/fields.ts";
import type { Extra, Item, Message } from "../neutral.ts";

/** Leaving such a member out loses nothing: null, and the empty lists that SDKs echo. */
export function saysNothing(value: unknown): boolean {
  return value === null || value === undefined || (Array.isArray(value) && value.length === 0);
}

/** `path`: that of the object which the members stood on; undefined for the body itself. */
export function leftovers(extra: Extra | undefined, path: string | undefined): string[] {
  const { fields = {}, wrapper } = extra ?? {};
  return Object.entries(fields).flatMap(([key, value]) => {
    const at = path === undefined ? key : `${path}.${key}`;
    // An empty string goes back to its own format, where it may be needed; to others it says nothing.
    if (saysNothing(value) || value === "") return [];
    return key === wrapper && isObject(value) ? leftovers({ format: "chat", fields: value }, at) : [at];
  });
}

/** Where a message or its items said which phase of the turn they belong to. */
export function phasesOf(message: Message): string[] {
  const items = new Set<Pick<Item, "path" | "phase"> | undefined>([message, ...message.parts.map((part) => part.item)]);
  return [...items].flatMap((item) => item?.phase === undefined ? [] : [`${item.path ?? "messages"}.phase`]);
}
