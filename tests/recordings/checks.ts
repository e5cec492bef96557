/** What must hold of an answer that went through the gateway: beside legality, that it says what was said. */
import assert from "node:assert/strict";
import { checkChatStream } from "../support/grammar_chat.ts";
import { asArray, isObject, type Json } from "../support/grammar.ts";
import { checkMessagesStream } from "../support/grammar_messages.ts";
import { checkResponsesStream } from "../support/grammar_responses.ts";
import { faultsOfResponse } from "../support/open_responses.ts";
import type { FormatName } from "../support/told.ts";
import type { Call, Facts, Heard } from "./facts.ts";
import { steady } from "./translate.ts";

const GRAMMARS: Readonly<Record<FormatName, (wire: string) => string[]>> = {
  chat: (wire) => checkChatStream(wire, { includeUsage: true }),
  messages: checkMessagesStream,
  responses: checkResponsesStream,
};

export function assertLegal(client: FormatName, wire: string): void {
  assert.deepEqual(GRAMMARS[client](wire), []);
}

/** The same of an answer that came whole, where the format's own specification says what it must hold. */
export function assertWhole(client: FormatName, body: unknown): void {
  if (client === "responses") assert.deepEqual(faultsOfResponse(body), []);
}

/** `got` was heard by a client of this format, `want` is what it had to hear. */
export function assertHeard(client: FormatName, got: Heard, want: Heard, where: string): void {
  assert.equal(got.error, want.error, where);
  assert.equal(got.candidates.length, want.candidates.length, `${where}: candidates`);
  for (const [index, facts] of want.candidates.entries()) {
    const told = got.candidates[index];
    if (told !== undefined) assertFacts(client, told, facts, where);
  }
  // Where nobody counted the client gets an estimate.
  if (want.usage !== undefined) assert.deepEqual(got.usage, want.usage, `${where}: usage`);
  else assert.ok(got.usage !== undefined, `${where}: no usage at all`);
}

function assertFacts(client: FormatName, got: Facts, want: Facts, where: string): void {
  const ids = got.calls.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, `${where}: two calls have one id: ${ids}`);
  assert.ok(ids.every((id) => isLegalId(client, id)), `${where}: illegal call ids: ${ids}`);
  const calls = got.calls.map((call, index) => sameCall(client, call, want.calls[index] ?? call));
  assert.deepEqual({ ...got, calls }, want, where);
}

/** `got` with what may differ from `want` as it is there. */
function sameCall(client: FormatName, got: Call, want: Call): Call {
  // What the client's format can't hold has got another id.
  const id = isLegalId(client, want.id) ? got.id : want.id;
  const { raw: _, ...call } = { ...got, id };
  if (want.raw === undefined) return call;
  // Arguments of text stay the text that they were, but none at all are an empty object.
  const isSame = got.raw === undefined || got.raw === want.raw || (want.raw.trim() === "" && got.raw === "{}");
  return { ...call, raw: isSame ? want.raw : got.raw ?? "" };
}

function isLegalId(client: FormatName, id: string): boolean {
  return client === "messages" ? /^[a-zA-Z0-9_-]+$/.test(id) : id !== "";
}

/** Two bodies of one format say the same to the last member, but for ids made up, times and what SDKs add. */
export function assertSameBody(one: unknown, other: unknown, where: string): void {
  assert.deepEqual(comparable(one), comparable(other), where);
}

function comparable(body: unknown): unknown {
  return JSON.parse(steady(JSON.stringify(bare(body))));
}

const ADDED_BY_SDK: ReadonlySet<string> = new Set(["parsed", "parsed_arguments", "output_text", "_request_id"]);

/** Without members that say nothing, in the order of their names. A stream's first delta says `""` where a body says null. */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).filter(([key, inner]) => !ADDED_BY_SDK.has(key) && !isNothing(inner));
  const result: Json = {};
  for (const [key, inner] of entries.sort(([a], [b]) => a < b ? -1 : 1)) result[key] = bare(inner);
  return result;
}

function isNothing(value: unknown): boolean {
  return value === null || value === "" || value === undefined || (Array.isArray(value) && asArray(value).length === 0);
}
