/**
 * What a block without a neutral term says in words, for formats that can't hold it: a server tool's call, its results'
 * titles, URLs, text and errors (TRANSLATION.md, 2.5).
 */
import { isObject, type JsonObject } from "../../base/fields.ts";

/** Undefined when it says nothing that could be put in words. */
export function textOfNative(block: JsonObject): string | undefined {
  const type = block["type"];
  if (typeof type === "string" && type.endsWith("tool_use")) return callText(block);
  if (type === "tool_reference") return `Tool found: ${String(block["tool_name"])}`;
  if (type === "container_upload") return `Uploaded file: ${String(block["file_id"])}`;
  const words = wordsIn(block);
  return words.length === 0 ? undefined : words.join("\n");
}

function callText(block: JsonObject): string {
  return `Called ${String(block["name"])} with ${JSON.stringify(block["input"] ?? {})}`;
}

const TEXT_MEMBERS = ["context", "text", "stdout", "stderr", "tool_name", "error_code", "error_message"] as const;
const NESTED_MEMBERS = ["content", "tool_references", "tool", "source"] as const;

function wordsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(wordsIn);
  if (!isObject(value)) return [];
  const heading = [value["title"], value["url"]].filter(isText).join(": ");
  const words = heading === "" ? [] : [heading];
  for (const key of TEXT_MEMBERS) if (isText(value[key])) words.push(value[key]);
  if (value["media_type"] === "text/plain" && isText(value["data"])) words.push(value["data"]);
  for (const key of NESTED_MEMBERS) {
    const nested = value[key];
    if (isText(nested)) words.push(nested);
    else words.push(...wordsIn(nested));
  }
  return words;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
