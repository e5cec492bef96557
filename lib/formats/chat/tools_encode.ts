/** Tools and the choice among them: neutral → wire (TRANSLATION.md, 2.4 to 2.6). */
import { unsupported } from "../../base/failure.ts";
import { defined, type JsonObject } from "../../base/fields.ts";
import type { Tool, ToolChoice, WebSearch } from "../../neutral.ts";
import { CUSTOM_TOOL_SCHEMA, customDescription, flatDescription } from "../../translation/arguments.ts";
import { distinctTools } from "../../translation/names.ts";
import { isStrictSchema, objectSchema } from "../../translation/schema.ts";
import { type Encoding, lose, nameOf } from "./encoding.ts";
import { withExtra } from "./wire.ts";

/** The members `tools`, `tool_choice`, `parallel_tool_calls` and `web_search_options`, as far as there are any. */
export function encodeTools(encoding: Encoding): JsonObject {
  const tools: JsonObject[] = [];
  let options: JsonObject = {};
  for (const tool of allowedTools(encoding)) {
    const encoded = encodeTool(tool, encoding);
    if (encoded !== undefined && "web_search_options" in encoded) options = encoded;
    else if (encoded !== undefined) tools.push(encoded);
  }
  const isEmpty = tools.length === 0 && Object.keys(options).length === 0;
  if (isEmpty && encoding.request.tools.length > 0) refuseAll(encoding);
  return {
    ...(tools.length === 0 ? {} : { tools }),
    ...options,
    ...encodeChoice(encoding, tools.length > 0),
    ...parallelCalls(encoding, tools.length > 0),
  };
}

/** The tools less those that the choice leaves out, where the upstream may not know such a choice. */
function allowedTools({ request, isOwn, isOpenAi }: Encoding): readonly Tool[] {
  const choice = request.toolChoice;
  const tools = distinctTools(request.tools);
  if (choice?.type !== "allowed" || isOwn || isOpenAi) return tools;
  return tools.filter((tool) => choice.names.includes(tool.name));
}

function refuseAll({ faults, request }: Encoding): void {
  faults.addFailure(unsupported("None of the tools can be carried to this upstream", nameOf(request, "tools")));
}

function encodeTool(tool: Tool, encoding: Encoding): JsonObject | undefined {
  const { path = "", extra } = tool.namespaceExtra ?? {};
  withExtra({}, extra, path, encoding.losses);
  switch (tool.kind) {
    case "function":
      loseDeferral(tool, encoding);
      return withExtra(functionTool(tool, encoding), tool.extra, pathOf(tool), encoding.losses);
    case "custom":
      loseDeferral(tool, encoding);
      return withExtra(customTool(tool, encoding), tool.extra, pathOf(tool), encoding.losses);
    case "native":
      return nativeTool(tool, encoding);
    default:
      return tool.kind satisfies never;
  }
}

/** Other formats search for deferred tools with a tool of their own; without it they would never be found. */
function loseDeferral(tool: Tool, { losses }: Encoding): void {
  if (tool.deferLoading === true) losses.add(`${pathOf(tool)}.defer_loading`, "the tool is loaded at once");
}

function pathOf(tool: Tool): string {
  return tool.path ?? "tools";
}

function functionTool(tool: Tool, encoding: Encoding): JsonObject {
  const { isOwn, names } = encoding;
  return {
    type: "function",
    function: {
      name: names.toTarget(tool.name, tool.namespace),
      ...defined({
        description: flatDescription(tool),
        parameters: tool.schema === undefined || isOwn ? tool.schema : objectSchema(tool.schema),
        strict: strictness(tool, encoding),
      }),
    },
  };
}

/** Strict mode takes only schemas that leave nothing open; others would be refused. False is the default. */
function strictness(tool: Tool, { isOwn, losses }: Encoding): boolean | undefined {
  if (isOwn) return tool.strict;
  if (tool.strict !== true) return undefined;
  if (isStrictSchema(tool.schema)) return true;
  losses.add(
    `${tool.innerPath ?? pathOf(tool)}.strict`,
    "the schema leaves things open that strict mode doesn't allow",
  );
  return false;
}

function customTool(tool: Tool, { names, takesCustomTools, losses }: Encoding): JsonObject {
  const name = names.toTarget(tool.name, tool.namespace);
  if (takesCustomTools) {
    return {
      type: "custom",
      custom: { name, ...defined({ description: flatDescription(tool), format: nested(tool.grammar) }) },
    };
  }
  if (tool.grammar?.["definition"] !== undefined) {
    losses.add(`${pathOf(tool)}.format`, "emulated: the grammar is described, not enforced");
  }
  const description = defined({ description: customDescription(tool) });
  return { type: "function", function: { name, ...description, parameters: CUSTOM_TOOL_SCHEMA } };
}

/** This format nests a grammar once more than the neutral form does. */
function nested(grammar: JsonObject | undefined): JsonObject | undefined {
  if (grammar?.["type"] !== "grammar") return grammar;
  const { type, ...inner } = grammar;
  return { type, grammar: inner };
}

/** OpenAI's and Perplexity's models that search by themselves: all others refuse the options. */
const SEARCH_MODELS = /search|sonar/;
const REFUSED: ReadonlySet<Tool["serverTool"]> = new Set(["file_search", "image_generation", "mcp", "computer"]);

function nativeTool(tool: Tool, encoding: Encoding): JsonObject | undefined {
  if (tool.native?.format === "chat") return tool.native.value;
  if (tool.serverTool === "web_search" && SEARCH_MODELS.test(encoding.target.model)) {
    return { web_search_options: searchOptions(tool.webSearch ?? {}, tool, encoding) };
  }
  return dropTool(tool, encoding);
}

function searchOptions(search: WebSearch, tool: Tool, { losses }: Encoding): JsonObject {
  for (const key of ["allowedDomains", "blockedDomains", "maxUses"] as const) {
    if (search[key] !== undefined) losses.add(pathOf(tool), "chat's web search can't be limited so");
  }
  for (const at of search.unread ?? []) losses.add(at, "chat's web search has no such setting");
  const { contextSize, location } = search;
  return {
    ...(contextSize === undefined ? {} : { search_context_size: contextSize }),
    ...(location === undefined ? {} : { user_location: { type: "approximate", approximate: location } }),
  };
}

function dropTool(tool: Tool, { losses, faults, request }: Encoding): undefined {
  const choice = request.toolChoice;
  const isForced = choice?.type === "tool" && choice.name === tool.name;
  if (isForced || REFUSED.has(tool.serverTool)) {
    faults.addFailure(unsupported(`A Chat Completions upstream has no tool "${tool.name}"`, pathOf(tool)));
  } else losses.add(pathOf(tool), `chat has no server tool "${tool.name}"`);
  return undefined;
}

function encodeChoice(encoding: Encoding, hasTools: boolean): JsonObject {
  const choice = encoding.request.toolChoice;
  if (choice === undefined) return {};
  if (!hasTools) {
    if (choice.type === "required" || choice.type === "tool") {
      lose(encoding, "toolChoice", "there is no tool to choose");
    }
    return {};
  }
  const value = choiceValue(choice, encoding);
  return value === undefined ? {} : { tool_choice: value };
}

function choiceValue(choice: ToolChoice, encoding: Encoding): unknown {
  switch (choice.type) {
    case "auto":
    case "none":
      return choice.type;
    case "required":
      return requiredWord(encoding);
    case "tool":
      return named(choice.name, choice.toolKind, encoding);
    case "allowed":
      return allowedChoice(choice, encoding);
    case "native":
      return nativeChoice(choice, encoding);
    default:
      return choice satisfies never;
  }
}

function requiredWord({ target }: Encoding): string {
  return target.flags.has("tool_choice_any") ? "any" : "required";
}

function named(name: string, toolKind: "function" | "custom", { names, takesCustomTools }: Encoding): JsonObject {
  const kind = takesCustomTools ? toolKind : "function";
  return { type: kind, [kind]: { name: names.toTarget(name) } };
}

function allowedChoice(choice: Extract<ToolChoice, { type: "allowed" }>, encoding: Encoding): unknown {
  if (!encoding.isOwn && !encoding.isOpenAi) {
    lose(encoding, "toolChoice", "only the allowed tools were sent");
    return choice.mode === "required" ? requiredWord(encoding) : "auto";
  }
  const kinds = new Map(encoding.request.tools.map((tool) => [tool.name, tool.kind]));
  const tools = choice.names.map((name) => named(name, kinds.get(name) === "custom" ? "custom" : "function", encoding));
  return { type: "allowed_tools", allowed_tools: { mode: choice.mode, tools } };
}

/** A choice that only its own format has forces one of that format's server tools. */
function nativeChoice(choice: Extract<ToolChoice, { type: "native" }>, { request, faults }: Encoding): unknown {
  if (choice.format === "chat") return choice.value;
  faults.addFailure(
    unsupported("This choice of a tool can't be carried to a Chat Completions upstream", nameOf(request, "toolChoice")),
  );
  return undefined;
}

/** True is the default, and servers that don't know the field would refuse it. */
function parallelCalls(encoding: Encoding, hasTools: boolean): JsonObject {
  const { request, isOwn, target } = encoding;
  const value = request.parallelToolCalls;
  if (value === undefined || !hasTools || (value && !isOwn)) return {};
  if (!target.flags.has("no_parallel_tool_calls")) return { parallel_tool_calls: value };
  if (!value) lose(encoding, "parallelToolCalls", "this upstream doesn't take it");
  return {};
}
