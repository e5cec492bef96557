/** Tool definitions and the choice among them, to the upstream (TRANSLATION.md, 2.4 to 2.6). */
import { unsupported } from "../../base/failure.ts";
import { defined, isObject, type JsonObject } from "../../base/fields.ts";
import type { NeutralRequest, Tool, ToolCallPart } from "../../neutral.ts";
import { CUSTOM_TOOL_SCHEMA, customDescription, flatDescription } from "../../translation/arguments.ts";
import { distinctTools } from "../../translation/names.ts";
import { constrainedSchema, isStrictSchema, objectSchema } from "../../translation/schema.ts";
import { setMark } from "./block_encode.ts";
import { clientName, type Encoding, refuse } from "./encoding.ts";
import { withExtra } from "./wire.ts";

/** `tools` and `tool_choice`; `forced` when the model must call one. */
export interface EncodedTools {
  members: JsonObject;
  forced: boolean;
  /** What tells a model that takes no forced choice to call a tool all the same. */
  instruction?: string;
}

export function encodeTools(encoding: Encoding): EncodedTools {
  const { request } = encoding;
  const offered = offeredTools(encoding);
  const tools = offered.map((tool) => encodeTool(tool, encoding)).filter((tool) => tool !== undefined);
  if (encoding.own) return { members: withChoice(tools, encoding), forced: false };
  if (tools.length > 0) {
    const forced = isForced(request);
    const instruction = forced && !encoding.target.capabilities.forcedTools ? callInstruction(encoding) : undefined;
    return { members: withChoice(tools, encoding), forced, ...defined({ instruction }) };
  }
  if (isForced(request)) withoutForcedTool(encoding);
  const synthetic = toolsOfHistory(encoding);
  const members = synthetic.length === 0 ? {} : { tools: synthetic, tool_choice: { type: "none" } };
  return { members, forced: false };
}

/** Clients leave a choice behind that has nothing to choose from; a tool that was offered and can't exist is another thing. */
function withoutForcedTool(encoding: Encoding): void {
  const path = clientName(encoding.request, "toolChoice");
  if (encoding.request.tools.length === 0) encoding.losses.add(path, "no tool is offered");
  else refuse(encoding, unsupported("The messages format has none of the tools that the model is to call", path));
}

function isForced(request: NeutralRequest): boolean {
  const choice = request.toolChoice;
  return choice?.type === "required" || choice?.type === "tool" ||
    (choice?.type === "allowed" && choice.mode === "required");
}

/** Newest Claude models answer 400 to a forced choice: it is asked for in words. */
function callInstruction(encoding: Encoding): string {
  const { toolChoice: choice } = encoding.request;
  encoding.losses.add(clientName(encoding.request, "toolChoice"), "emulated: the model is told to call it, not forced");
  return choice?.type === "tool"
    ? `You must call the tool "${encoding.names.toTarget(choice.name)}" now, whatever else you say.`
    : "You must call one of your tools now, whatever else you say.";
}

function withChoice(tools: JsonObject[], encoding: Encoding): JsonObject {
  return { ...(tools.length === 0 ? {} : { tools }), ...defined({ tool_choice: encodeChoice(encoding) }) };
}

/** There is no choice among some of the tools: only those are offered. */
function offeredTools({ request, losses }: Encoding): readonly Tool[] {
  const choice = request.toolChoice;
  const tools = distinctTools(request.tools);
  if (choice?.type !== "allowed") return tools;
  losses.add(clientName(request, "toolChoice"), "emulated: only the allowed tools are offered");
  return tools.filter((tool) => choice.names.includes(tool.name));
}

function encodeTool(tool: Tool, encoding: Encoding): JsonObject | undefined {
  const path = tool.path ?? "tools";
  const { path: namespace = "", extra } = tool.namespaceExtra ?? {};
  withExtra({}, extra, namespace, encoding.losses);
  if (tool.native?.format === "messages") return tool.native.value;
  switch (tool.kind) {
    case "function":
      return finished(functionTool(tool, path, encoding), tool, path, encoding);
    case "custom":
      return finished(customTool(tool, path, encoding), tool, path, encoding);
    case "native":
      return foreignTool(tool, path, encoding);
    default:
      return tool.kind satisfies never;
  }
}

function finished(encoded: JsonObject, tool: Tool, path: string, encoding: Encoding): JsonObject {
  const whole = withExtra(encoded, tool.extra, path, encoding.losses);
  if (tool.cache !== undefined) setMark(whole, tool.cache, path, encoding);
  return whole;
}

function functionTool(tool: Tool, path: string, encoding: Encoding): JsonObject {
  const { own } = encoding;
  return {
    name: encoding.names.toTarget(tool.name, tool.namespace),
    ...defined({ description: flatDescription(tool) }),
    input_schema: own ? tool.schema : objectSchema(tool.schema),
    ...defined({
      strict: own ? tool.strict : strictOf(tool, path, encoding),
      defer_loading: own ? tool.deferLoading : loadedNow(tool, path, encoding),
    }),
  };
}

/** Strict only where the schema is one that the API takes as strict; its meaning is never edited for it. */
function strictOf(tool: Tool, path: string, encoding: Encoding): true | undefined {
  if (tool.strict !== true) return undefined;
  let refused = false;
  constrainedSchema(tool.schema, () => refused = true);
  if (!refused && isStrictSchema(tool.schema)) return true;
  encoding.losses.add(`${tool.innerPath ?? path}.strict`, "the schema has keywords that messages can't enforce");
  return undefined;
}

/** Other formats search for deferred tools with a tool of their own; without it they would never be found. */
function loadedNow(tool: Tool, path: string, encoding: Encoding): undefined {
  if (tool.deferLoading === true) encoding.losses.add(`${path}.defer_loading`, "the tool is loaded at once");
}

function customTool(tool: Tool, path: string, encoding: Encoding): JsonObject {
  const description = customDescription(tool);
  if (tool.grammar?.["definition"] !== undefined) {
    encoding.losses.add(`${tool.innerPath ?? path}.format`, "emulated: the grammar is described, not enforced");
  }
  if (tool.deferLoading === true) loadedNow(tool, path, encoding);
  return {
    name: encoding.names.toTarget(tool.name, tool.namespace),
    ...(description === undefined ? {} : { description }),
    input_schema: CUSTOM_TOOL_SCHEMA,
  };
}

/** A tool of another format: web search has a partner here, the rest has none. */
function foreignTool(tool: Tool, path: string, encoding: Encoding): JsonObject | undefined {
  switch (tool.serverTool) {
    case "web_search":
      return webSearch(tool, path, encoding);
    case "code_execution":
      return codeExecution(tool, path, encoding);
    case "file_search":
    case "image_generation":
    case "mcp":
    case "computer":
      refuse(encoding, unsupported(`The messages format has no tool like ${tool.name} (${path})`, path));
      return undefined;
    default:
      encoding.losses.add(path, "messages has no such tool");
      return undefined;
  }
}

/** Only where the config says so: the two run in different machines, on different terms (TRANSLATION.md, 2.5). */
function codeExecution(tool: Tool, path: string, encoding: Encoding): JsonObject | undefined {
  if (encoding.target.capabilities.mapServerTools !== true) {
    encoding.losses.add(path, "messages has no such tool; map_server_tools maps it to code_execution");
    return undefined;
  }
  const { container } = tool.native?.value ?? {};
  const files = isObject(container) ? container["file_ids"] : container;
  if (files !== undefined) encoding.losses.add(`${path}.container`, "a container belongs to its own provider");
  return { type: "code_execution_20250825", name: "code_execution" };
}

function webSearch(tool: Tool, path: string, encoding: Encoding): JsonObject {
  const settings = tool.webSearch;
  for (const at of settings?.unread ?? []) encoding.losses.add(at, "not carried to messages' web search");
  if (settings?.contextSize !== undefined && settings.contextSize !== "medium") {
    encoding.losses.add(`${path}.search_context_size`, "messages has no such setting");
  }
  return {
    type: "web_search_20250305",
    name: "web_search",
    ...defined({
      max_uses: settings?.maxUses,
      allowed_domains: settings?.allowedDomains,
      blocked_domains: settings?.blockedDomains,
      user_location: settings?.location && { type: "approximate", ...settings.location },
    }),
  };
}

function encodeChoice(encoding: Encoding): JsonObject | undefined {
  const { request } = encoding;
  const choice = choiceOf(encoding);
  if (request.parallelToolCalls !== false || choice?.["type"] === "none") return choice;
  if (choice === undefined && request.tools.length === 0) return undefined;
  return { ...(choice ?? { type: "auto" }), disable_parallel_tool_use: true };
}

function choiceOf(encoding: Encoding): JsonObject | undefined {
  const choice = encoding.request.toolChoice;
  if (!encoding.own && isForced(encoding.request) && !encoding.target.capabilities.forcedTools) return { type: "auto" };
  switch (choice?.type) {
    case undefined:
      return undefined;
    case "auto":
    case "none":
      return { type: choice.type };
    case "required":
      return { type: "any" };
    case "tool":
      return { type: "tool", name: encoding.names.toTarget(choice.name) };
    case "allowed":
      return { type: choice.mode === "required" ? "any" : "auto" };
    case "native":
      return nativeChoice(choice, encoding);
    default:
      return choice satisfies never;
  }
}

function nativeChoice(choice: { format: string; value: unknown }, encoding: Encoding): JsonObject | undefined {
  if (choice.format === "messages") return choice.value as JsonObject;
  const path = clientName(encoding.request, "toolChoice");
  refuse(encoding, unsupported("The messages format can't force this kind of tool", path));
  return undefined;
}

/** Calls in the history need declared tools; the client offers none, so that none may be called. */
function toolsOfHistory(encoding: Encoding): JsonObject[] {
  const calls = encoding.request.messages.flatMap((message) =>
    message.parts.filter((part): part is ToolCallPart => part.kind === "tool_call")
  );
  const names = new Set(calls.map((call) => encoding.names.toTarget(call.name, call.namespace)));
  return [...names].map((name) => ({ name, input_schema: objectSchema(undefined) }));
}
