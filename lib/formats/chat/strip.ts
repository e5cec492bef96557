/**
 * Takes out of a body that passes as bytes what another maker's model left in it (TRANSLATION.md, 1.3 and 1.4): the
 * gateway's envelopes, and signed thinking that this upstream neither made nor ignores.
 */
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { Losses, Target } from "../../format.ts";
import { isEnvelope, marksOf } from "../../translation/envelope.ts";
import { PHASE_ISSUER } from "../../translation/phases.ts";
import { GOOGLE, signatureOf, signedOrExcused, wantsSignedCalls } from "./call_signature.ts";
import { entryIssuer } from "./reasoning.ts";
import { listOf, textOf } from "./wire.ts";

/** What stands in a body that may hold any of it. */
export const FOREIGN_MARKS = marksOf(
  '"reasoning_details"',
  '"reasoning_content"',
  '"reasoning"',
  '"thought_signature"',
);

/** The same object where nothing is to be left out. */
export function stripEnvelopes(body: JsonObject, target: Target, losses: Losses): JsonObject {
  const messages = changed(body["messages"], (message, index) => {
    const path = `messages[${index}]`;
    const plain = stripTexts(stripDetails(message, path, target, losses), path, target, losses);
    const stripped = stripCalls(plain, path, target, losses);
    return stripped === message ? message : excused(stripped, target);
  });
  return messages === undefined ? body : { ...body, messages };
}

/** The list with its objects as `change` makes them; undefined where it leaves all as they are. */
function changed(list: unknown, change: (entry: JsonObject, index: number) => JsonObject): unknown[] | undefined {
  const entries = listOf(list);
  const made = entries.map((entry, index) => isObject(entry) ? change(entry, index) : entry);
  return made.every((entry, index) => entry === entries[index]) ? undefined : made;
}

function stripDetails(message: JsonObject, path: string, target: Target, losses: Losses): JsonObject {
  const details = listOf(message["reasoning_details"]);
  const kept = details.filter((entry) => !isObject(entry) || goesBack(entry, target));
  if (kept.length === details.length) return message;
  losses.add(`${path}.reasoning_details`, FOREIGN);
  const { reasoning_details: _, ...others } = message;
  return kept.length > 0 ? { ...others, reasoning_details: kept } : others;
}

/** Thinking in plain text beside the content, which only the dialects know that answer with it. */
function stripTexts(message: JsonObject, path: string, target: Target, losses: Losses): JsonObject {
  const names = ["reasoning_content", "reasoning"].filter((name) => typeof message[name] === "string");
  if (names.length === 0 || !refusesUnknown(target)) return message;
  const others = { ...message };
  for (const name of names) {
    delete others[name];
    losses.add(`${path}.${name}`, "this upstream takes no thinking back");
  }
  return others;
}

/** A message that another maker's model wrote, as its calls go to Google's. */
function excused(message: JsonObject, target: Target): JsonObject {
  const calls = message["tool_calls"];
  if (!Array.isArray(calls) || !calls.every(isObject) || !wantsSignedCalls(target)) return message;
  return { ...message, tool_calls: signedOrExcused(calls) };
}

function stripCalls(message: JsonObject, path: string, target: Target, losses: Losses): JsonObject {
  if (takesFrom(GOOGLE, target)) return message;
  const calls = changed(message["tool_calls"], (call, index) => {
    if (signatureOf(call) === "") return call;
    losses.add(`${path}.tool_calls[${index}].extra_content`, FOREIGN);
    const { extra_content: _, ...others } = call;
    return others;
  });
  return calls === undefined ? message : { ...message, tool_calls: calls };
}

const FOREIGN = "it was signed by another maker's models";

function goesBack(entry: JsonObject, target: Target): boolean {
  if (isEnvelope(textOf(entry["signature"])) || isEnvelope(textOf(entry["data"]))) return false;
  const issuer = entryIssuer(entry);
  return issuer !== PHASE_ISSUER && takesFrom(issuer, target);
}

/** OpenAI's own models, whose API refuses members that it doesn't know. */
const OPENAI_MODEL = /(?:^|\/)(?:gpt-|chatgpt-|o\d)/;

/**
 * Whether this upstream may be given what `issuer` signed. Nobody knows what stands behind a server that only claims
 * OpenAI's format: what a client sends there is its own affair, as is what names no maker.
 */
function takesFrom(issuer: string | undefined, { family, flags, model }: Target): boolean {
  if (issuer === undefined || flags.has("echo_reasoning_details")) return true;
  return family === "openai" ? !OPENAI_MODEL.test(model) : issuer === family;
}

/** Makers whose APIs answer 400 to a message's member that they don't know. */
const STRICT_FAMILIES: ReadonlySet<string> = new Set([GOOGLE, "mistral"]);

function refusesUnknown({ family, model }: Target): boolean {
  return family === "openai" ? OPENAI_MODEL.test(model) : STRICT_FAMILIES.has(family);
}
