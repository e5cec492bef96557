/**
 * Takes out of a body that passes as bytes what another maker's model left in it (TRANSLATION.md, 1.3 and 1.4): the
 * gateway's envelopes, and signed thinking that this upstream neither made nor ignores.
 */
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { Losses, Target } from "../../format.ts";
import { isEnvelope } from "../../translation/envelope.ts";
import { PHASE_ISSUER } from "../../translation/phases.ts";
import { entryIssuer } from "./reasoning.ts";
import { listOf, memberOf, textOf } from "./wire.ts";

/** What stands in a body that may hold any of it. */
export const FOREIGN_MARKS: readonly string[] = ['"reasoning_details"', '"thought_signature"'];

/** The same object where nothing is to be left out. */
export function stripEnvelopes(body: JsonObject, target: Target, losses: Losses): JsonObject {
  const messages = changed(body["messages"], (message, index) => {
    const path = `messages[${index}]`;
    return stripCalls(stripDetails(message, path, target, losses), path, target, losses);
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
  if (kept.length > 0) return { ...others, reasoning_details: kept };
  if (!target.flags.has("echo_reasoning_content")) delete others["reasoning_content"];
  return others;
}

function stripCalls(message: JsonObject, path: string, target: Target, losses: Losses): JsonObject {
  if (takesFrom("google", target)) return message;
  const calls = changed(message["tool_calls"], (call, index) => {
    const signature = memberOf(memberOf(call["extra_content"], "google"), "thought_signature");
    if (textOf(signature) === "") return call;
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
