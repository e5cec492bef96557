/** Tools and the choice among them, neutral → wire (TRANSLATION.md, 2.4 to 2.6). */
import { unsupported } from "../../base/failure.ts";
import { defined, type JsonObject } from "../../base/fields.ts";
import type { NeutralRequest, Tool, ToolChoice } from "../../neutral.ts";
import { isStrictSchema, objectSchema } from "../../translation/schema.ts";
import { carryExtra, clientName, type Encoding } from "./encoding.ts";
import { FORMAT, ownFields } from "./wire.ts";

/** What tools need to know of the request that they stand in: less than its other members do. */
export type ToolEncoding =
  & Pick<Encoding, "request" | "losses" | "faults" | "names" | "isOwn">
  & Partial<Pick<Encoding, "target">>;

/** The request's own list: what items of the conversation offer stands in those, and is no part of it. */
export function listedTools({ tools }: Pick<NeutralRequest, "tools">): Tool[] {
  return tools.filter(({ item, isFound }) => item === undefined && isFound !== true);
}

/** Definitions in order; tools of one namespace stand together where its first one stood. */
export function encodeTools(encoding: ToolEncoding, tools: readonly Tool[]): JsonObject[] {
  const list: JsonObject[] = [];
  const namespaces = new Map<string, JsonObject[]>();
  for (const tool of tools) {
    const wire = encodeTool(encoding, tool);
    if (wire === undefined) continue;
    if (tool.namespace === undefined) {
      list.push(wire);
      continue;
    }
    let members = namespaces.get(tool.namespace);
    if (members === undefined) {
      members = [];
      namespaces.set(tool.namespace, members);
      list.push(encodeNamespace(tool.namespace, tool, members));
    }
    members.push(wire);
  }
  return list;
}

function encodeNamespace(name: string, first: Tool, tools: JsonObject[]): JsonObject {
  const { description = name, extra } = first.namespaceExtra ?? {};
  return { type: "namespace", name, description, ...ownFields(extra), tools };
}

function encodeTool(encoding: ToolEncoding, tool: Tool): JsonObject | undefined {
  if (tool.native?.format === FORMAT) return tool.native.value;
  switch (tool.kind) {
    case "function":
      return encodeFunction(encoding, tool);
    case "custom":
      return encodeCustom(encoding, tool);
    case "native":
      return encodeForeign(encoding, tool);
    default:
      return tool.kind satisfies never;
  }
}

function encodeFunction(encoding: ToolEncoding, tool: Tool): JsonObject {
  return defined({
    type: "function",
    name: encoding.names.toTarget(tool.name, tool.namespace),
    description: tool.description,
    parameters: encoding.isOwn ? tool.schema ?? null : objectSchema(tool.schema),
    strict: encoding.isOwn ? tool.strict : isStrict(encoding, tool),
    ...commonMembers(encoding, tool),
  });
}

/** Said always: unlike elsewhere, strict is what this API takes a silent client to mean. */
function isStrict(encoding: ToolEncoding, tool: Tool): boolean {
  if (tool.strict !== true) return false;
  const strict = isStrictSchema(objectSchema(tool.schema));
  const path = tool.innerPath ?? tool.path ?? "tools";
  if (!strict) encoding.losses.add(`${path}.strict`, "the schema isn't one that strict mode takes");
  return strict;
}

function encodeCustom(encoding: ToolEncoding, tool: Tool): JsonObject {
  return defined({
    type: "custom",
    name: encoding.names.toTarget(tool.name, tool.namespace),
    description: tool.description,
    format: tool.grammar,
    ...commonMembers(encoding, tool),
  });
}

function commonMembers(encoding: ToolEncoding, tool: Tool): JsonObject {
  const extra = carryExtra(encoding, tool.extra, tool.path);
  if (encoding.isOwn) return tool.deferLoading === undefined ? extra : { defer_loading: tool.deferLoading, ...extra };
  // Loading on demand needs this format's own search tool beside it: without, the tool would never be found.
  if (tool.deferLoading === true) {
    encoding.losses.add(`${tool.path ?? "tools"}.defer_loading`, "the tool is loaded at once");
  }
  return extra;
}

/** A built-in tool of another format: web search has a partner here, the others don't. */
function encodeForeign(encoding: ToolEncoding, tool: Tool): JsonObject | undefined {
  const path = tool.path ?? "tools";
  if (tool.serverTool === "web_search") return encodeWebSearch(encoding, tool, path);
  if (tool.serverTool === "code_execution" && encoding.target?.capabilities.mapServerTools === true) {
    return { type: "code_interpreter", container: { type: "auto" } };
  }
  if (isIndispensable(encoding.request, tool)) {
    encoding.faults.addFailure(unsupported(`The Responses API has no partner for the tool "${tool.name}"`, path));
    return undefined;
  }
  encoding.losses.add(path, "responses has no such tool");
  return undefined;
}

/** A tool that the model must call, or whose work nothing else here can do (TRANSLATION.md, 2.5). */
function isIndispensable(request: NeutralRequest, tool: Tool): boolean {
  const isForced = request.toolChoice?.type === "tool" && request.toolChoice.name === tool.name;
  return isForced || HAS_NO_SUBSTITUTE.has(tool.serverTool ?? "other");
}

const HAS_NO_SUBSTITUTE: ReadonlySet<string> = new Set(["file_search", "image_generation", "mcp", "computer"]);

function encodeWebSearch(encoding: ToolEncoding, tool: Tool, path: string): JsonObject {
  const { allowedDomains, blockedDomains, contextSize, location, maxUses } = tool.webSearch ?? {};
  if (blockedDomains !== undefined) encoding.losses.add(`${path}.blocked_domains`, "responses can't block domains");
  for (const at of tool.webSearch?.unread ?? []) encoding.losses.add(at, "responses' web search has no such setting");
  if (maxUses !== undefined) encoding.losses.add(`${path}.max_uses`, "responses doesn't limit the searches of a tool");
  return defined({
    type: "web_search",
    search_context_size: contextSize,
    filters: allowedDomains === undefined ? undefined : { allowed_domains: allowedDomains },
    user_location: location === undefined ? undefined : { type: "approximate", ...location },
  });
}

/** Undefined where nothing was chosen, or where there is nothing to choose among: `count` tools are offered. */
export function encodeToolChoice(encoding: ToolEncoding, count: number): unknown {
  const { request, isOwn } = encoding;
  const choice = request.toolChoice;
  if (choice === undefined) return undefined;
  if (!isOwn && count === 0) {
    if (choice.type !== "auto" && choice.type !== "none") {
      encoding.losses.add(clientName(request, "toolChoice"), "there are no tools to choose from");
    }
    return undefined;
  }
  return encodeChoice(encoding, choice);
}

function encodeChoice(encoding: ToolEncoding, choice: ToolChoice): unknown {
  switch (choice.type) {
    case "auto":
    case "none":
    case "required":
      return choice.type;
    case "tool":
      return encodeForced(encoding, choice);
    case "allowed":
      return { type: "allowed_tools", mode: choice.mode, tools: choice.names.map((name) => named(encoding, name)) };
    case "native":
      if (choice.format === FORMAT) return choice.value;
      encoding.losses.add(clientName(encoding.request, "toolChoice"), "responses has no such choice");
      return undefined;
    default:
      return choice satisfies never;
  }
}

function encodeForced(encoding: ToolEncoding, choice: ToolChoice & { type: "tool" }): unknown {
  const tool = encoding.request.tools.find((candidate) => candidate.name === choice.name);
  if (tool?.serverTool === "web_search" && tool.native?.format !== FORMAT) {
    return { type: "allowed_tools", mode: "required", tools: [{ type: "web_search" }] };
  }
  if (tool?.kind === "function" && tool.native?.format === FORMAT) return { type: tool.name };
  return { type: choice.toolKind, name: encoding.names.toTarget(choice.name) };
}

function named(encoding: ToolEncoding, name: string): JsonObject {
  const tool = encoding.request.tools.find((candidate) => candidate.name === name);
  return { type: tool?.kind === "custom" ? "custom" : "function", name: encoding.names.toTarget(name) };
}
