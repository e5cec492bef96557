/** Tool calls in deltas (TRANSLATION.md, 4.5): which call a fragment belongs to, and when a call begins. */
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { NeutralEvent } from "../../neutral.ts";
import { randomId } from "../../translation/ids.ts";
import { isWholeObject } from "./arguments.ts";
import { signatureOf } from "./call_signature.ts";
import { beginPart, type CallState, type CandidateState, endText, endWholeCalls } from "./candidate.ts";
import { memberOf, objectsOf, textOf } from "./wire.ts";

/** A fragment, whatever its server calls things. */
interface Fragment {
  index: number | undefined;
  id: string;
  name: string;
  arguments: string;
  toolKind: "function" | "custom";
  signature: string;
}

/** The deprecated single call has no index; this one is no server's. */
const LEGACY_INDEX = -1;

export function decodeToolCalls(out: NeutralEvent[], candidate: CandidateState, delta: JsonObject): void {
  for (const entry of objectsOf(delta["tool_calls"])) addFragment(out, candidate, fragmentOf(entry));
  const legacy = delta["function_call"];
  if (isObject(legacy)) addFragment(out, candidate, fragmentOf({ index: LEGACY_INDEX, function: legacy }));
}

function fragmentOf(entry: JsonObject): Fragment {
  const isCustom = entry["type"] === "custom" || (entry["function"] === undefined && isObject(entry["custom"]));
  const body = isCustom ? entry["custom"] : entry["function"];
  const id = textOf(entry["id"]);
  return {
    index: typeof entry["index"] === "number" ? entry["index"] : undefined,
    // Mistral writes the word.
    id: id === "null" ? "" : id,
    name: textOf(memberOf(body, "name")),
    arguments: argumentsOf(memberOf(body, isCustom ? "input" : "arguments")),
    toolKind: isCustom ? "custom" : "function",
    signature: signatureOf(entry),
  };
}

function argumentsOf(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : textOf(value);
}

function addFragment(out: NeutralEvent[], candidate: CandidateState, fragment: Fragment): void {
  const call = callOf(candidate, fragment) ?? newCall(candidate, fragment);
  if (call === undefined) return;
  if (call.name === "") call.name = fragment.name;
  if (fragment.signature !== "") {
    call.opaque = { issuer: "google", kind: "thought_signature", value: fragment.signature };
  }
  const delta = newArguments(candidate, call, fragment.arguments);
  call.arguments += delta;
  if (call.i === undefined) beginCall(out, candidate, call);
  else if (delta !== "") out.push({ t: "arguments", c: candidate.c, i: call.i, delta });
  tellSignature(out, candidate, call);
}

function tellSignature(out: NeutralEvent[], candidate: CandidateState, call: CallState): void {
  if (call.i === undefined || call.opaque === undefined || call.ended) return;
  out.push({ t: "opaque", c: candidate.c, i: call.i, opaque: call.opaque });
  call.opaque = undefined;
}

/** What an upstream still adds to arguments that were whole is white space, or would make them none. */
function newArguments(candidate: CandidateState, call: CallState, sent: string): string {
  if (call.ended) return "";
  if (!candidate.target.flags.has("cumulative_arguments")) return sent;
  return sent.startsWith(call.arguments) ? sent.slice(call.arguments.length) : "";
}

/** The call that a fragment continues; undefined: it begins a new one. */
function callOf({ calls }: CandidateState, fragment: Fragment): CallState | undefined {
  if (fragment.index === undefined) return withoutIndex(calls, fragment);
  const known = calls.findLast((call) => call.index === fragment.index);
  if (known === undefined || fragment.id === "" || fragment.id === known.id) return known;
  // An id of its own on an index in use: this server gives all its calls the same index.
  if (!known.isMinted) return calls.find((call) => call.id === fragment.id);
  return fragment.name === "" ? known : undefined;
}

function withoutIndex(calls: readonly CallState[], fragment: Fragment): CallState | undefined {
  if (fragment.id !== "") return calls.find((call) => call.id === fragment.id);
  const last = calls.at(-1);
  if (last === undefined || fragment.name === "") return last;
  // A name that is only repeated continues; a call after a complete one of the same name is another.
  const isRepeat = fragment.name === last.name && !isWholeObject(last.arguments);
  return isRepeat || last.name === "" ? last : undefined;
}

function newCall(candidate: CandidateState, fragment: Fragment): CallState | undefined {
  const isEmpty = fragment.id === "" && fragment.name === "" && fragment.arguments === "";
  if (isEmpty) return undefined;
  const call: CallState = {
    i: undefined,
    index: fragment.index,
    id: fragment.id || randomId("call_"),
    isMinted: fragment.id === "",
    name: "",
    toolKind: fragment.toolKind,
    arguments: "",
    opaque: undefined,
    ended: false,
  };
  candidate.calls.push(call);
  return call;
}

/** Only once the name is known; arguments that came before it follow at once. */
function beginCall(out: NeutralEvent[], candidate: CandidateState, call: CallState): void {
  if (call.name === "") return;
  endText(out, candidate);
  endWholeCalls(out, candidate);
  const { id, name, toolKind } = call;
  const start = beginPart(candidate, { kind: "tool_call", id, name, toolKind, arguments: "" });
  call.i = start.i;
  candidate.seen.call = true;
  out.push(start);
  // Before the arguments: what carries it may have to stand before the call.
  tellSignature(out, candidate, call);
  if (call.arguments !== "") out.push({ t: "arguments", c: candidate.c, i: start.i, delta: call.arguments });
}
