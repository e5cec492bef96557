/** Tools and the choice among them: wire → neutral (TRANSLATION.md, 2.4 to 2.6). */
import { defined, describe, Fields, isObject, type JsonObject } from "../../base/fields.ts";
import type { Tool, ToolChoice, WebSearch } from "../../neutral.ts";
import { leftovers } from "../../translation/leftover.ts";
import { memberOf, objectsOf, ownExtra, textOf, unread } from "./wire.ts";

export function decodeTools(fields: Fields): Tool[] {
  const tools = (fields.array("tools") ?? []).map((value, index) =>
    decodeTool(new Fields(fields.faults, value, `tools[${index}]`))
  );
  const functions = (fields.array("functions") ?? []).map((value, index) => {
    const definition = new Fields(fields.faults, value, `functions[${index}]`);
    return { ...functionTool(definition, definition.path), ...ownExtra(unread(definition)) };
  });
  return [...tools, ...functions, ...webSearchOptions(fields)];
}

/** A definition without `type` but with a function is one: older clients leave it out. */
function decodeTool(tool: Fields): Tool {
  const type = tool.string("type") ?? (tool.has("function") ? "function" : "");
  if (type === "function") return wrappedTool(tool, "function", functionTool);
  if (type === "custom") return wrappedTool(tool, "custom", customTool);
  if (type === "") tool.faults.add('Missing required string "type"', tool.at("type"));
  return {
    kind: "native",
    name: type,
    native: { format: "chat", value: tool.value },
    ...(type.includes("web_search") ? typedWebSearch(tool) : { serverTool: "other" }),
    path: tool.path,
  };
}

/** A search among the tools, as gateways to many providers have it: none of its settings is the same everywhere. */
function typedWebSearch(tool: Fields): Pick<Tool, "serverTool" | "webSearch"> {
  const { type: _, ...settings } = tool.value;
  const unread = leftovers({ format: "chat", fields: settings }, tool.path);
  return { serverTool: "web_search", webSearch: unread.length === 0 ? {} : { unread } };
}

function wrappedTool(tool: Fields, key: string, decode: (inner: Fields, path: string) => Tool): Tool {
  const inner = tool.object(key);
  if (inner === undefined) {
    tool.faults.add(`Missing required object "${key}"`, tool.at(key));
    return { kind: "function", name: "" };
  }
  const decoded = { ...decode(inner, tool.path), innerPath: inner.path };
  const rest = unread(inner);
  const own = unread(tool);
  if (rest === undefined && own === undefined) return decoded;
  return { ...decoded, ...ownExtra({ ...own, ...defined({ [key]: rest }) }, key) };
}

function functionTool(definition: Fields, path: string): Tool {
  return {
    kind: "function",
    name: definition.requiredString("name"),
    path,
    ...defined({
      description: definition.string("description"),
      schema: definition.object("parameters")?.value,
      strict: definition.boolean("strict"),
    }),
  };
}

function customTool(definition: Fields, path: string): Tool {
  return {
    kind: "custom",
    name: definition.requiredString("name"),
    path,
    ...defined({
      description: definition.string("description"),
      grammar: grammar(definition.object("format")?.value),
    }),
  };
}

/** This format nests a grammar once more than the neutral form does. */
function grammar(format: JsonObject | undefined): JsonObject | undefined {
  const inner = format?.["grammar"];
  return isObject(inner) ? { type: format?.["type"], ...inner } : format;
}

/** Web search stands beside the tools here, and among them everywhere else. */
function webSearchOptions(fields: Fields): Tool[] {
  const options = fields.object("web_search_options");
  if (options === undefined) return [];
  const approximate = memberOf(options.value["user_location"], "approximate");
  const webSearch: WebSearch = defined({
    contextSize: textOf(options.value["search_context_size"]) || undefined,
    location: isObject(approximate) ? location(approximate) : undefined,
  });
  return [{
    kind: "native",
    name: "web_search",
    serverTool: "web_search",
    webSearch,
    native: { format: "chat", value: { web_search_options: options.value } },
    path: "web_search_options",
  }];
}

function location(value: JsonObject): NonNullable<WebSearch["location"]> {
  return defined({
    city: textOf(value["city"]) || undefined,
    country: textOf(value["country"]) || undefined,
    region: textOf(value["region"]) || undefined,
    timezone: textOf(value["timezone"]) || undefined,
  });
}

export function decodeToolChoice(fields: Fields): ToolChoice | undefined {
  const choice = fields.any("tool_choice") ?? undefined;
  const legacy = fields.any("function_call") ?? undefined;
  if (choice !== undefined) return choiceOf(choice, fields);
  return legacy === undefined ? undefined : legacyChoice(legacy, fields);
}

function choiceOf(choice: unknown, fields: Fields): ToolChoice | undefined {
  if (typeof choice === "string") return choiceWord(choice) ?? { type: "native", format: "chat", value: choice };
  if (!isObject(choice)) return wrongChoice(choice, "tool_choice", fields);
  for (const toolKind of ["function", "custom"] as const) {
    const name = textOf(memberOf(choice[toolKind], "name"));
    if (name !== "") return { type: "tool", name, toolKind };
  }
  return choice["type"] === "allowed_tools" ? allowedTools(choice) : { type: "native", format: "chat", value: choice };
}

function choiceWord(word: string): ToolChoice | undefined {
  // Mistral says `any`.
  const type = word === "any" ? "required" : word;
  return type === "auto" || type === "none" || type === "required" ? { type } : undefined;
}

function wrongChoice(choice: unknown, key: string, fields: Fields): undefined {
  fields.faults.add(`Expected a string or an object but got ${describe(choice)}`, key);
  return undefined;
}

function allowedTools(choice: JsonObject): ToolChoice {
  const allowed = choice["allowed_tools"];
  const names = objectsOf(memberOf(allowed, "tools")).map((tool) =>
    textOf(memberOf(tool["function"], "name")) || textOf(memberOf(tool["custom"], "name"))
  );
  return {
    type: "allowed",
    mode: memberOf(allowed, "mode") === "required" ? "required" : "auto",
    names: names.filter((name) => name !== ""),
  };
}

function legacyChoice(choice: unknown, fields: Fields): ToolChoice | undefined {
  const name = textOf(memberOf(choice, "name"));
  if (name !== "") return { type: "tool", name, toolKind: "function" };
  return typeof choice === "string" ? choiceWord(choice) : wrongChoice(choice, "function_call", fields);
}
