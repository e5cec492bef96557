/**
 * Tool arguments between the two ways of writing them: a raw string (chat, responses) and an object (messages)
 * (TRANSLATION.md, 3.4).
 */
import { isObject, type JsonObject } from "../base/fields.ts";
import { parseJson } from "../base/json.ts";
import type { Losses } from "../format.ts";
import type { Tool } from "../neutral.ts";

/** String to object. What isn't an object is wrapped, and said; nothing is thrown away. */
export function argumentsObject(text: string, losses: Losses, path: string): JsonObject {
  if (text.trim() === "") return {};
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    losses.add(path, "the arguments are no valid JSON: sent as {_raw}");
    return { _raw: text };
  }
  if (isObject(value)) return value;
  losses.add(path, "the arguments are no object: sent as {value}");
  return { value };
}

/** A custom tool's free text as a function's arguments. */
export function customAsArguments(input: string): string {
  return JSON.stringify({ input });
}

/** The free text of a custom tool that was called as a function; the raw string where it isn't `{input: string}`. */
export function argumentsAsCustom(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value) && typeof value["input"] === "string") return value["input"];
  } catch {
    // Not JSON: the model wrote the text itself.
  }
  return text;
}

/** The schema that a custom tool has where only functions exist. */
export const CUSTOM_TOOL_SCHEMA: JsonObject = {
  type: "object",
  properties: { input: { type: "string" } },
  required: ["input"],
  additionalProperties: false,
};

/** A tool's description where there are no namespaces: what its own said of all its tools goes before the first one's. */
export function flatDescription({ namespace, namespaceExtra, description }: Tool): string | undefined {
  const ofAll = namespaceExtra?.description ?? "";
  if (ofAll === "" || ofAll === namespace) return description;
  const words = `[${namespace}: ${ofAll}]`;
  return description === undefined ? words : `${words}\n\n${description}`;
}

/**
 * The description of a custom tool that is sent as a function: its own, then its grammar in words, which binds no one.
 * Undefined where there is nothing to say.
 */
export function customDescription(tool: Tool): string | undefined {
  const { grammar } = tool;
  const description = flatDescription(tool);
  if (grammar?.["definition"] === undefined) return description;
  const words = `The input must follow this grammar (${String(grammar["syntax"])}):\n${String(grammar["definition"])}`;
  return description === undefined ? words : `${description}\n\n${words}`;
}
