/**
 * Tool names and kinds that a target can't hold, made fit and given back in the answer (TRANSLATION.md, 2.4): names
 * shortened or cleaned with a hash, namespaces flattened to `ns__name`, custom tools as functions of `{input: string}`.
 */
import { createHash } from "node:crypto";
import { fail, type Result, success, unsupported } from "../base/failure.ts";
import type { NeutralRequest, ToolCallPart } from "../neutral.ts";

/** What the client calls a tool that the upstream knows by another name or kind. */
export interface ClientTool {
  name: string;
  namespace?: string;
  toolKind: "function" | "custom";
}

/** Upstream tool name → the client's tool. Holds only what differs: an empty map means that nothing is to be undone. */
export type Restore = ReadonlyMap<string, ClientTool>;

export interface NameRules {
  /** The longest name the target takes. */
  maxLength: number;
  /** Whether the target knows namespaces; else they are flattened. */
  namespaces: boolean;
  /** Whether the target knows custom tools; else they become functions of `{input: string}`. */
  customTools: boolean;
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
  const byClient = new Map<string, string>();
  const byBareName = new Map<string, string>();
  const owners = new Map<string, string>();
  const restore = new Map<string, ClientTool>();

  const learn = (tool: ClientTool): boolean => {
    const key = clientKey(tool.name, tool.namespace);
    if (byClient.has(key)) return true;
    const flat = tool.namespace === undefined || rules.namespaces ? tool.name : `${tool.namespace}__${tool.name}`;
    const target = fit(flat, rules.maxLength);
    const ownerKey = rules.namespaces ? clientKey(target, tool.namespace) : target;
    if (owners.has(ownerKey)) return false;
    owners.set(ownerKey, key);
    byClient.set(key, target);
    if (!byBareName.has(tool.name)) byBareName.set(tool.name, target);
    const emulated = tool.toolKind === "custom" && !rules.customTools;
    if (target !== tool.name || emulated) restore.set(target, tool);
    return true;
  };

  for (const tool of request.tools) {
    if (tool.kind === "native") continue;
    const client: ClientTool = {
      name: tool.name,
      toolKind: tool.kind,
      ...(tool.namespace === undefined ? {} : { namespace: tool.namespace }),
    };
    if (!learn(client)) {
      return fail(
        unsupported(`Two tools have the same name "${tool.name}" for this upstream; rename one`, tool.path ?? "tools"),
      );
    }
  }
  // Calls in the history of tools that are no longer offered need a legal name too, but never clash: they call nothing.
  for (const call of callsOf(request)) {
    learn({
      name: call.name,
      toolKind: call.toolKind,
      ...(call.namespace === undefined ? {} : { namespace: call.namespace }),
    });
  }

  return success({
    toTarget: (name, namespace) =>
      byClient.get(clientKey(name, namespace)) ?? byClient.get(clientKey(name)) ?? byBareName.get(name) ??
        fit(name, rules.maxLength),
    restore,
  });
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
