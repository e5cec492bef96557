/** Tools and the choice among them, wire → neutral (TRANSLATION.md, 2.4 to 2.6). */
import { defined, describe, type Faults, Fields, isObject, type JsonObject } from "../../base/fields.ts";
import type { Tool, ToolChoice, WebSearch } from "../../neutral.ts";
import { leftovers } from "../../translation/leftover.ts";
import { decodeClientTool, isClientTool } from "./client_tools.ts";
import { extraOf, FORMAT, serverToolOf } from "./wire.ts";

/** Namespaces are flattened: each of their tools carries the namespace's name. */
export function decodeTools(faults: Faults, values: readonly unknown[], path: string): Tool[] {
  return values.flatMap((value, index) => decodeTool(new Fields(faults, value, `${path}[${index}]`)));
}

function decodeTool(fields: Fields): Tool[] {
  const type = fields.requiredString("type");
  switch (type) {
    case "function":
      return [decodeFunction(fields)];
    case "custom":
      return [decodeCustom(fields)];
    case "namespace":
      return decodeNamespace(fields);
    default:
      return [decodeClientTool(fields.value, fields.path) ?? decodeNative(fields, type)];
  }
}

function decodeFunction(fields: Fields): Tool {
  return finish(fields, {
    kind: "function" as const,
    name: fields.requiredString("name"),
    description: fields.string("description"),
    schema: fields.object("parameters")?.value,
    strict: fields.boolean("strict"),
    deferLoading: fields.boolean("defer_loading"),
  });
}

function decodeCustom(fields: Fields): Tool {
  const format = fields.object("format")?.value;
  return finish(fields, {
    kind: "custom" as const,
    name: fields.requiredString("name"),
    description: fields.string("description"),
    // Free text is what a custom tool takes when nothing is said.
    grammar: format?.["type"] === "text" ? undefined : format,
    deferLoading: fields.boolean("defer_loading"),
  });
}

function finish<T extends object>(fields: Fields, members: T) {
  fields.skip("type");
  return defined({ ...members, path: fields.path, extra: extraOf(fields.rest()) });
}

/** The name goes with each of its tools and what it says with the first, for formats that flatten them. */
function decodeNamespace(fields: Fields): Tool[] {
  fields.skip("type");
  const namespace = fields.requiredString("name");
  const tools = decodeTools(fields.faults, fields.array("tools") ?? [], fields.at("tools"));
  const description = fields.string("description");
  const said = defined({ path: fields.path, description, extra: extraOf(fields.rest()) });
  const saysNothing = Object.keys(said).length === 1;
  return tools.map((tool, index) =>
    index > 0 || saysNothing ? { ...tool, namespace } : { ...tool, namespace, namespaceExtra: said }
  );
}

function decodeNative(fields: Fields, type: string): Tool {
  const serverTool = serverToolOf(type);
  return defined({
    kind: "native" as const,
    name: fields.string("name") ?? type,
    path: fields.path,
    native: { format: FORMAT, value: fields.value },
    serverTool,
    webSearch: serverTool === "web_search" ? decodeWebSearch(fields.value, fields.path) : undefined,
  });
}

function decodeWebSearch(value: JsonObject, path: string): WebSearch {
  const { type: _, filters: _filters, search_context_size: _size, user_location: _location, ...others } = value;
  const unread = leftovers({ format: FORMAT, fields: others }, path);
  const filters = isObject(value["filters"]) ? value["filters"] : {};
  const { city, country, region, timezone } = isObject(value["user_location"]) ? value["user_location"] : {};
  const location = defined({
    city: stringOf(city),
    country: stringOf(country),
    region: stringOf(region),
    timezone: stringOf(timezone),
  });
  return defined({
    allowedDomains: stringsOf(filters["allowed_domains"]),
    blockedDomains: stringsOf(filters["blocked_domains"]),
    contextSize: stringOf(value["search_context_size"]),
    location: Object.keys(location).length > 0 ? location : undefined,
    unread: unread.length > 0 ? unread : undefined,
  });
}

function stringOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function stringsOf(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string") ? value : undefined;
}

export function decodeToolChoice(faults: Faults, value: unknown): ToolChoice | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === "auto" || value === "none" || value === "required") return { type: value };
  if (!isObject(value)) {
    faults.add(`Expected "auto", "none", "required" or an object but got ${describe(value)}`, "tool_choice");
    return undefined;
  }
  return decodeToolChoiceObject(new Fields(faults, value, "tool_choice"));
}

function decodeToolChoiceObject(fields: Fields): ToolChoice {
  const type = fields.requiredString("type");
  if (type === "function" || type === "custom") {
    return { type: "tool", name: fields.requiredString("name"), toolKind: type };
  }
  if (type === "auto" || type === "none" || type === "required") return { type };
  if (isClientTool(type)) return { type: "tool", name: type, toolKind: "function" };
  return (type === "allowed_tools" ? decodeAllowed(fields) : undefined) ??
    { type: "native", format: FORMAT, value: fields.value };
}

/** Undefined where the list names built-in tools: only this format can tell those. */
function decodeAllowed(fields: Fields): ToolChoice | undefined {
  const names: string[] = [];
  for (const tool of fields.array("tools") ?? []) {
    if (!isObject(tool) || typeof tool["name"] !== "string") return undefined;
    if (tool["type"] !== "function" && tool["type"] !== "custom") return undefined;
    names.push(tool["name"]);
  }
  return { type: "allowed", mode: fields.string("mode") === "required" ? "required" : "auto", names };
}
