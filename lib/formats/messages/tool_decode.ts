/** Tool definitions and the choice among them, from the client (TRANSLATION.md, 2.4 to 2.6). */
import { defined, Fields, type JsonObject } from "../../base/fields.ts";
import type { Extra, Tool, ToolChoice, WebSearch } from "../../neutral.ts";
import { leftovers } from "../../translation/leftover.ts";
import { clientTool } from "./client_tools.ts";
import { decodeCache, mergeJson, unread } from "./wire.ts";

export function decodeTools(body: Fields): Tool[] {
  const tools = body.array("tools") ?? [];
  return tools.map((tool, index) => decodeTool(new Fields(body.faults, tool, `tools[${index}]`)));
}

function decodeTool(tool: Fields): Tool {
  const type = tool.string("type");
  if (type === undefined || type === "custom") return functionTool(tool);
  const known = clientTool(type);
  if (known !== undefined) return knownTool(tool, type, known);
  return nativeTool(tool, type);
}

function functionTool(tool: Fields): Tool {
  const name = tool.requiredString("name");
  const schema = tool.object("input_schema");
  if (schema === undefined) tool.faults.add('Missing required object "input_schema"', tool.at("input_schema"));
  const { cache, rest } = decodeCache(tool);
  return {
    kind: "function",
    name,
    ...defined({
      description: tool.string("description"),
      schema: schema?.value,
      strict: tool.boolean("strict"),
      deferLoading: tool.boolean("defer_loading"),
      cache,
    }),
    path: tool.path,
    ...toolExtra(tool, rest),
  };
}

/** Arguments as they are written, word by word. */
const EAGER = "eager_input_streaming";

/** What a tool is without a word: no other format loses it. */
const DEFAULTS: Readonly<Record<string, string>> = {
  allowed_callers: '["direct"]',
  [EAGER]: "false",
  input_examples: "[]",
};

function toolExtra(tool: Fields, control: JsonObject | undefined): { extra?: Extra } {
  for (const [key, value] of Object.entries(DEFAULTS)) if (JSON.stringify(tool.value[key]) === value) tool.skip(key);
  const members = mergeJson(unread(tool) ?? {}, control === undefined ? {} : { cache_control: control });
  if (Object.keys(members).length === 0) return {};
  return { extra: { format: "messages", fields: members, ...(members[EAGER] === true ? { unasked: [EAGER] } : {}) } };
}

/** A function for other formats, its own definition for this one. */
function knownTool(tool: Fields, type: string, known: { description: string; schema: JsonObject }): Tool {
  tool.skip("type");
  const { cache, rest } = decodeCache(tool);
  return {
    kind: "function",
    name: tool.string("name") ?? type,
    ...known,
    ...defined({ strict: tool.boolean("strict"), deferLoading: tool.boolean("defer_loading"), cache }),
    path: tool.path,
    ...toolExtra(tool, rest),
    native: { format: "messages", value: tool.value },
  };
}

function nativeTool(tool: Fields, type: string): Tool {
  const serverTool = serverToolOf(type);
  return {
    kind: "native",
    name: tool.string("name") ?? type,
    path: tool.path,
    native: { format: "messages", value: tool.value },
    serverTool,
    ...(serverTool === "web_search" ? { webSearch: webSearchOf(tool) } : {}),
  };
}

const SERVER_TOOLS: readonly (readonly [string, NonNullable<Tool["serverTool"]>])[] = [
  ["web_search_", "web_search"],
  ["web_fetch_", "web_fetch"],
  ["code_execution_", "code_execution"],
  ["mcp_", "mcp"],
  ["computer_", "computer"],
  ["browser_", "computer"],
];

function serverToolOf(type: string): NonNullable<Tool["serverTool"]> {
  return SERVER_TOOLS.find(([prefix]) => type.startsWith(prefix))?.[1] ?? "other";
}

function webSearchOf(tool: Fields): WebSearch {
  const place = tool.object("user_location");
  tool.skip("type", "name");
  const search = defined({
    allowedDomains: tool.strings("allowed_domains"),
    blockedDomains: tool.strings("blocked_domains"),
    maxUses: tool.number("max_uses"),
    location: place && defined({
      city: place.string("city"),
      country: place.string("country"),
      region: place.string("region"),
      timezone: place.string("timezone"),
    }),
  });
  const unread = leftovers(toolExtra(tool, undefined).extra, tool.path);
  return unread.length === 0 ? search : { ...search, unread };
}

export interface DecodedChoice {
  toolChoice?: ToolChoice;
  parallelToolCalls?: boolean;
}

export function decodeToolChoice(body: Fields): DecodedChoice {
  const choice = body.object("tool_choice");
  if (choice === undefined) return {};
  const disabled = choice.boolean("disable_parallel_tool_use");
  return { toolChoice: choiceOf(choice), ...(disabled === true ? { parallelToolCalls: false } : {}) };
}

function choiceOf(choice: Fields): ToolChoice {
  switch (choice.requiredString("type")) {
    case "auto":
      return { type: "auto" };
    case "none":
      return { type: "none" };
    case "any":
      return { type: "required" };
    case "tool":
      return { type: "tool", name: choice.requiredString("name"), toolKind: "function" };
    default:
      return { type: "native", format: "messages", value: choice.value };
  }
}
