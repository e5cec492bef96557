/** Every recorded error body: each client is told its words, in its own shape and under a status that fits. */
import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import { FORMATS } from "../../lib/formats/mod.ts";
import type { FormatName } from "../../lib/neutral.ts";
import { asObject } from "../support/grammar.ts";
import { errorText, textOf } from "./facts.ts";
import { ABSENT, answerBytes, type Recording, RECORDINGS } from "./recordings.ts";
import { CLIENTS } from "./translate.ts";

const ERRORS = RECORDINGS.filter(({ status }) => status >= 400);

/** Words of another kind that must not be told, or that a client must read in its own (TRANSLATION.md, 5). */
function isTold(recording: Recording, client: FormatName, kind: string, said: string, message: string): boolean {
  if (recording.status === 401) return /credentials/.test(message) && !message.includes(said);
  if (kind === "context_length" && client === "messages") return /prompt is too long/.test(message);
  return said !== "" && message.includes(said);
}

/** A key that the upstream refuses is the gateway's own; too much at once is also told as a rate that is exceeded. */
function statusesFor({ status }: Recording): number[] {
  if (status === 401) return [502];
  return status === 429 ? [429, 400] : [status];
}

function checkError(recording: Recording, client: FormatName): void {
  const text = new TextDecoder().decode(answerBytes(recording));
  const failure = FORMATS[recording.format].decodeError(recording.status, new Headers(), text);
  const said = errorText(JSON.parse(text));
  const { status, body } = FORMATS[client].encodeError(failure, "req_1");
  const error = asObject(body["error"]);
  const message = textOf(error["message"]);
  assert.ok(isTold(recording, client, failure.kind, said, message), `said: ${said}\ntold: ${message}`);
  assert.ok(textOf(error["type"]) !== "", "no type");
  assert.ok(statusesFor(recording).includes(status), `status ${status} for ${recording.status}`);
  assert.equal(FORMATS[client].isErrorBody(body), true);
}

describe("recorded errors", () => {
  if (ABSENT !== undefined) test.skip(ABSENT, () => {});
  for (const recording of ERRORS) {
    for (const client of CLIENTS) test(`${recording.name} → ${client}`, () => checkError(recording, client));
  }
});
