/**
 * Gives an answer's tool calls their client's name, namespace and kind back (TRANSLATION.md, 2.4), what `names.ts` made
 * of them undone. A custom tool that was called as a function of `{input: string}` becomes free text again, piece by
 * piece as it arrives (case 36).
 */
import type { ClientTool, Restore } from "../format.ts";
import type { NeutralEvent, NeutralResponse, Part, ToolCallPart } from "../neutral.ts";
import { CustomInput } from "./custom_input.ts";
import { type DeltaEvent, NO_EVENTS, partKey, type Stage } from "./stage.ts";

type PartStart = Extract<NeutralEvent, { t: "part_start" }>;
type PartEnd = Extract<NeutralEvent, { t: "part_end" }>;

interface State {
  restore: Restore;
  /** Open calls of custom tools, by part. */
  inputs: Map<number, CustomInput>;
}

function newState(restore: Restore): State {
  return { restore, inputs: new Map() };
}

export function openRestore(restore: Restore): Stage {
  const state = newState(restore);
  return {
    lets: ({ t }) => t !== "arguments" || state.inputs.size === 0,
    push(event) {
      if (event.t === "part_start") return beginPart(state, event);
      if (state.inputs.size === 0) return [event];
      if (event.t === "arguments") return addArguments(state, event);
      return event.t === "part_end" ? endPart(state, event) : [event];
    },
  };
}

export function restoreResponse(response: NeutralResponse, restore: Restore): NeutralResponse {
  const candidates = response.candidates.map((candidate) => ({
    ...candidate,
    parts: candidate.parts.map((part) => restorePart(part, restore)),
  }));
  return { ...response, candidates };
}

function restorePart(part: Part, restore: Restore): Part {
  const tool = part.kind === "tool_call" ? restore.get(part.name) : undefined;
  if (part.kind !== "tool_call" || tool === undefined) return part;
  if (!isEmulated(part, tool)) return renamed(part, tool);
  const input = new CustomInput();
  return { ...renamed(part, tool), arguments: input.feed(part.arguments) + input.end() };
}

function beginPart(state: State, event: PartStart): Iterable<NeutralEvent> {
  const part = event.part;
  const tool = part.kind === "tool_call" ? state.restore.get(part.name) : undefined;
  if (part.kind !== "tool_call" || tool === undefined) return [event];
  if (!isEmulated(part, tool)) return [{ ...event, part: renamed(part, tool) }];
  const input = new CustomInput();
  state.inputs.set(partKey(event), input);
  return [{ ...event, part: { ...renamed(part, tool), arguments: input.feed(part.arguments) } }];
}

function addArguments(state: State, event: DeltaEvent): Iterable<NeutralEvent> {
  const input = state.inputs.get(partKey(event));
  if (input === undefined) return [event];
  const delta = input.feed(event.delta);
  return delta === "" ? NO_EVENTS : [{ ...event, delta }];
}

function endPart(state: State, event: PartEnd): Iterable<NeutralEvent> {
  const key = partKey(event);
  const delta = state.inputs.get(key)?.end() ?? "";
  state.inputs.delete(key);
  return delta === "" ? [event] : [{ t: "arguments", c: event.c, i: event.i, delta }, event];
}

function isEmulated(part: ToolCallPart, tool: ClientTool): boolean {
  return tool.toolKind === "custom" && part.toolKind === "function";
}

function renamed(part: ToolCallPart, tool: ClientTool): ToolCallPart {
  // An upstream that knows namespaces says which one it called: two of them may hold tools of one name.
  const namespace = part.namespace ?? tool.namespace;
  return {
    ...part,
    name: tool.name,
    toolKind: tool.toolKind,
    ...(namespace === undefined ? {} : { namespace }),
  };
}
