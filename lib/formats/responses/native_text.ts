/**
 * What built-in items say in words, for formats that can't hold them: the results that a later turn may build upon
 * (TRANSLATION.md, 2.5 and 2.9). Items that only say that something was done have none.
 */
import { isObject, type JsonObject } from "../../base/fields.ts";

export function nativeText(item: JsonObject): string | undefined {
  const text = partsOf(item).filter((part) => part !== "").join("\n");
  return text === "" ? undefined : text;
}

function partsOf(item: JsonObject): string[] {
  switch (item["type"]) {
    case "web_search_call":
      return objects(isObject(item["action"]) ? item["action"]["sources"] : undefined).map(sourceLine);
    case "file_search_call":
      return objects(item["results"]).map((result) => `${string(result["filename"])}: ${string(result["text"])}`);
    case "code_interpreter_call":
      return objects(item["outputs"]).map((output) => string(output["logs"]));
    case "mcp_call":
    case "local_shell_call_output":
    case "apply_patch_call_output":
      return [string(item["output"])];
    case "shell_call_output":
      return objects(item["output"]).flatMap((output) => [string(output["stdout"]), string(output["stderr"])]);
    case "program_output":
      return [string(item["result"])];
    default:
      return [];
  }
}

function sourceLine(source: JsonObject): string {
  const url = string(source["url"]);
  return source["title"] === undefined ? url : `${string(source["title"])} ${url}`;
}

function objects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function string(value: unknown): string {
  return typeof value === "string" ? value : "";
}
