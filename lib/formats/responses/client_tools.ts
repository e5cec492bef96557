/**
 * Tools of this format that the client runs, named by type alone since OpenAI's models know their arguments. For models of
 * other makers they are functions with the published schema; a call comes back as the item that the client waits for, and
 * that item and its output are a call and a result in the history (TRANSLATION.md, 2.5). Types: openai 7.55.0,
 * `resources/responses`.
 */
import { defined, isObject, type JsonObject } from "../../base/fields.ts";
import { jsonObject } from "../../base/json.ts";
import type { Extra, NeutralRequest, Part, Tool, ToolCallPart, ToolResultPart } from "../../neutral.ts";
import { FORMAT } from "./wire.ts";

interface Definition {
  description: string;
  schema: JsonObject;
  /** The type, the id's prefix and the further members of the item of a call. */
  item: { type: string; prefix: string; members: (args: JsonObject) => JsonObject };
  /** The type of the item that answers it. */
  outputType: string;
  /** The member of that item which holds the arguments. */
  holder: string;
}

const STRING: JsonObject = { type: "string" };
const STRINGS: JsonObject = { type: "array", items: STRING };
const NUMBER: JsonObject = { type: "integer" };

const CLIENT = "client";
const SEARCH_OUTPUT = "tool_search_output";

const DEFINITIONS: Readonly<Record<string, Definition>> = {
  shell: {
    description: "Runs commands in the user's shell, each by itself; output longer than `max_output_length` is cut.",
    schema: schema(["commands"], { commands: STRINGS, timeout_ms: NUMBER, max_output_length: NUMBER }),
    item: {
      type: "shell_call",
      prefix: "sh_",
      members: ({ commands, timeout_ms = null, max_output_length = null }) => ({
        action: { commands: listOf(commands), timeout_ms, max_output_length },
        environment: null,
      }),
    },
    outputType: "shell_call_output",
    holder: "action",
  },
  local_shell: {
    description: "Runs a command on the user's machine: the program and its arguments, one by one.",
    schema: schema(["command"], {
      command: STRINGS,
      working_directory: STRING,
      env: { type: "object", additionalProperties: STRING },
      timeout_ms: NUMBER,
      user: STRING,
    }),
    item: {
      type: "local_shell_call",
      prefix: "lsh_",
      members: ({ command, env = {}, ...options }) => ({
        action: { type: "exec", command: listOf(command), env, ...options },
      }),
    },
    outputType: "local_shell_call_output",
    holder: "action",
  },
  apply_patch: {
    description:
      "Creates, updates or deletes one file. `diff` is in the V4A format: to create, each line begins with " +
      "`+`; to update, sections begin with `@@`, lines of context with a space, old ones with `-`, new ones with `+`.",
    schema: schema(["type", "path"], {
      type: { type: "string", enum: ["create_file", "update_file", "delete_file"] },
      path: STRING,
      diff: STRING,
    }),
    item: { type: "apply_patch_call", prefix: "apc_", members: (operation) => ({ operation }) },
    outputType: "apply_patch_call_output",
    holder: "operation",
  },
  // Only where the client searches (Codex): OpenAI's own search goes through what other models are offered at once.
  tool_search: {
    description: "Searches for further tools by what they are to do. Those that are found can be called from then on.",
    schema: schema(["query"], { query: STRING, limit: NUMBER }),
    item: {
      type: "tool_search_call",
      prefix: "tsc_",
      members: (args) => ({ execution: CLIENT, arguments: args }),
    },
    outputType: SEARCH_OUTPUT,
    holder: "arguments",
  },
};

function schema(required: string[], properties: JsonObject): JsonObject {
  return { type: "object", properties, required };
}

/** Models that were told of a list still write a line now and then. */
function listOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return value === undefined ? [] : [value];
}

/** Undefined for a tool that runs elsewhere, a shell in OpenAI's own containers among them. */
export function decodeClientTool(value: JsonObject, path: string): Tool | undefined {
  const type = String(value["type"]);
  const definition = Object.hasOwn(DEFINITIONS, type) ? DEFINITIONS[type] : undefined;
  if (definition === undefined || !isRunByClient(type, value)) return undefined;
  const { description, schema } = { ...definition, ...ownWords(value) };
  const extra: Extra = { format: FORMAT, fields: ownMembers(value) };
  return { kind: "function", name: type, description, schema, path, extra, native: { format: FORMAT, value } };
}

function isRunByClient(type: string, value: JsonObject): boolean {
  if (type === "tool_search") return value["execution"] === CLIENT;
  return !isObject(value["environment"]) || value["environment"]["type"] === "local";
}

/** What no function has a place for. */
function ownMembers({ allowed_callers: callers, ...value }: JsonObject): JsonObject {
  const { type: _, environment: __, execution: ___, description: ____, parameters: _____, ...fields } = value;
  // Called by the model itself, which is what a function is without a word.
  return JSON.stringify(callers) === '["direct"]' ? fields : defined({ ...fields, allowed_callers: callers });
}

/** What a search is said to be good for, and what it takes, where the client says it. */
function ownWords({ description, parameters }: JsonObject): { description?: string; schema?: JsonObject } {
  return defined({
    description: textOf(description),
    schema: isObject(parameters) ? parameters : undefined,
  });
}

export function isClientTool(type: string): boolean {
  return type !== "tool_search" && Object.hasOwn(DEFINITIONS, type);
}

/** The names under which a request offers such tools: what calls of these are in the answer is not functions. */
export function clientToolsOf(request: NeutralRequest): ReadonlySet<string> {
  const offered = request.tools.filter((tool) => tool.kind === "function" && tool.native?.format === FORMAT);
  return new Set(offered.map(({ name }) => name));
}

/** The item of a call; undefined where its arguments are none that the client could run. */
export function clientCallItem(part: ToolCallPart, text: string, newId: (prefix: string) => string) {
  const definition = DEFINITIONS[part.name];
  const args = jsonObject(text);
  if (definition === undefined || args === undefined) return undefined;
  const { type, prefix, members } = definition.item;
  return { id: newId(prefix), type, call_id: part.id, status: "completed", ...members(args) };
}

/** A call or an output in a client's history; undefined for items of other kinds. */
export function decodeClientItem(value: JsonObject, path: string): ToolCallPart | ToolResultPart | undefined {
  const type = String(value["type"]);
  const [name, definition] =
    Object.entries(DEFINITIONS).find(([, each]) => type === each.item.type || type === each.outputType) ?? [];
  if (name === "tool_search" && !isRunByClient(name, value)) return undefined;
  const callId = textOf(value["call_id"]) ?? textOf(value["id"]);
  if (name === undefined || definition === undefined || callId === undefined) return undefined;
  const native = { format: FORMAT, value };
  if (type === definition.item.type) {
    const args = argumentsIn(value[definition.holder]);
    return { kind: "tool_call", id: callId, name, toolKind: "function", arguments: JSON.stringify(args), path, native };
  }
  const text = type === SEARCH_OUTPUT ? foundText(foundTools(value)) : outputText(value["output"]);
  const parts: Part[] = text === "" ? [] : [{ kind: "text", text }];
  const isError = value["status"] === "failed" ? true : undefined;
  return { kind: "tool_result", callId, toolKind: "function", parts, path, native, ...defined({ isError }) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** The arguments as a model writes them: without what the item only has because its type requires it. */
function argumentsIn(holder: unknown): JsonObject {
  const entries = Object.entries(isObject(holder) ? holder : {});
  return Object.fromEntries(entries.filter(([key, value]) => {
    if (key === "type") return value !== "exec";
    return value !== null && !(key === "env" && isObject(value) && Object.keys(value).length === 0);
  }));
}

/** The tools that a search of the client's has found; none of items of other kinds. */
export function foundTools(value: JsonObject): unknown[] {
  const isFound = value["type"] === SEARCH_OUTPUT && value["execution"] === CLIENT;
  return isFound && Array.isArray(value["tools"]) ? value["tools"] : [];
}

/** Their definitions are among the request's tools from then on: the model is told which. */
function foundText(tools: readonly unknown[]): string {
  const lines = tools.filter(isObject).flatMap((tool) => foundLines(tool, ""));
  return lines.length === 0 ? "No tools were found" : `These tools can be called now:\n${lines.join("\n")}`;
}

/** By the names under which formats without namespaces offer them. */
function foundLines(tool: JsonObject, prefix: string): string[] {
  const name = `${prefix}${String(tool["name"] ?? tool["type"])}`;
  if (Array.isArray(tool["tools"])) {
    return tool["tools"].filter(isObject).flatMap((each) => foundLines(each, `${name}__`));
  }
  const description = textOf(tool["description"]);
  return [description === undefined ? name : `${name}: ${description}`];
}

/** A string, or what each command wrote and how it ended. */
function outputText(output: unknown): string {
  if (!Array.isArray(output)) return textOf(output) ?? "";
  return output.filter(isObject).map(({ stdout, stderr, outcome }) => {
    const code = isObject(outcome) ? outcome["exit_code"] : undefined;
    const ended = code === undefined ? "Timed out" : `Exit code ${String(code)}`;
    return [textOf(stdout), textOf(stderr), ended].filter((line) => line !== undefined).join("\n");
  }).join("\n\n");
}
