/**
 * Tool names and kinds that a target can't hold, made fit and given back in the answer (TRANSLATION.md, 2.4): names
 * shortened or cleaned with a hash, namespaces flattened to `ns__name`, custom tools as functions of `{input: string}`.
 */
import { createHash } from "node:crypto";
import { fail, type Result, success, unsupported } from "../base/failure.ts";
import type { ClientTool, Restore } from "../format.ts";
import type { NeutralRequest, Tool, ToolCallPart } from "../neutral.ts";

export interface NameRules {
  /** The longest name the target takes. */
  maxLength: number;
  /** Whether the target knows namespaces; else they are flattened. */
  namespaces: boolean;
}

/** Names for the target, made once per request from its tools and from the calls in its history. */
export interface ToolNames {
  /** The target's name for a client's tool. A forced choice names a tool without its namespace. */
  toTarget(name: string, namespace?: string): string;
  restore: Restore;
}

const ILLEGAL = /[^A-Za-z0-9_-]/g;
const LEGAL = /^[A-Za-z0-9_-]+$/;

/** Fails when two tools end up with one name. */
export function toolNames(request: NeutralRequest, rules: NameRules): Result<ToolNames> {
  const table = new NameTable(rules);
  for (const tool of request.tools) {
    if (tool.kind !== "native" && !table.learn(clientTool(tool, tool.kind))) {
      return fail(
        unsupported(`Two tools have the same name "${tool.name}" for this upstream; rename one`, tool.path ?? "tools"),
      );
    }
  }
  // Calls in the history of tools that are no longer offered need a legal name too, but never clash: they call nothing.
  for (const call of callsOf(request)) table.learn(clientTool(call, call.toolKind));
  return success(table);
}

/** Without tools that the conversation offers once more (responses' `additional_tools`): a list holds a name once. */
export function distinctTools(tools: readonly Tool[]): readonly Tool[] {
  const seen = new Set<string>();
  return tools.filter((tool) => {
    const key = clientKey(tool.name, tool.namespace);
    const isRepeated = tool.item !== undefined && seen.has(key);
    seen.add(key);
    return !isRepeated;
  });
}

class NameTable implements ToolNames {
  readonly restore = new Map<string, ClientTool>();
  readonly #rules: NameRules;
  readonly #byClient = new Map<string, string>();
  readonly #byBareName = new Map<string, string>();
  readonly #taken = new Set<string>();

  constructor(rules: NameRules) {
    this.#rules = rules;
  }

  toTarget(name: string, namespace?: string): string {
    return this.#byClient.get(clientKey(name, namespace)) ?? this.#byClient.get(clientKey(name)) ??
      this.#byBareName.get(name) ?? fit(name, this.#rules.maxLength);
  }

  /** False when another tool has the target's name already. */
  learn(tool: ClientTool): boolean {
    const { maxLength, namespaces } = this.#rules;
    const key = clientKey(tool.name, tool.namespace);
    if (this.#byClient.has(key)) return true;
    const isFlattened = tool.namespace !== undefined && !namespaces;
    const target = fit(isFlattened ? `${tool.namespace}__${tool.name}` : tool.name, maxLength);
    const place = namespaces ? clientKey(target, tool.namespace) : target;
    if (this.#taken.has(place)) return false;
    this.#taken.add(place);
    this.#byClient.set(key, target);
    if (!this.#byBareName.has(tool.name)) this.#byBareName.set(tool.name, target);
    // A custom tool that the target should know may still come back called as a function.
    if (target !== tool.name || tool.toolKind === "custom") this.restore.set(target, tool);
    return true;
  }
}

function clientTool(named: { name: string; namespace?: string }, toolKind: ClientTool["toolKind"]): ClientTool {
  const { name, namespace } = named;
  return { name, toolKind, ...(namespace === undefined ? {} : { namespace }) };
}

function* callsOf(request: NeutralRequest): Generator<ToolCallPart> {
  for (const message of request.messages) {
    for (const part of message.parts) if (part.kind === "tool_call") yield part;
  }
}

function clientKey(name: string, namespace?: string): string {
  return namespace === undefined ? name : `${namespace}\u0000${name}`;
}

function fit(name: string, maxLength: number): string {
  if (name.length <= maxLength && LEGAL.test(name)) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 8);
  return `${name.replace(ILLEGAL, "_").slice(0, maxLength - 9)}_${hash}`;
}
