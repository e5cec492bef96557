/**
 * Every recorded answer of an upstream, given to a client of each format, whole and streamed: the stream is legal, the
 * official SDK takes it, what it holds at the end is what a client gets who asked for no stream, and all of it is what
 * the recording says by an oracle of its own.
 */
import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import type { FormatName, NeutralResponse } from "../../lib/neutral.ts";
import { collect } from "../../lib/translation/whole.ts";
import { assertHeard, assertLegal, assertSameBody } from "./checks.ts";
import { expected, type Heard, isLossy } from "./facts.ts";
import { hearBody, hearRecording, hearStream } from "./oracle.ts";
import { ABSENT, answerBytes, ANSWERS, type Recording } from "./recordings.ts";
import { finalOf } from "./sdk.ts";
import { answerFor, Client, CLIENTS, decodeWhole, encodeAsStream, encodeWhole, eventsOf } from "./translate.ts";

/** Both ways of giving one answer to a client, and what was said to be lost on them. */
interface Given {
  stream: string;
  whole: unknown;
  losses: number[];
}

function give(client: FormatName, stream: (client: Client) => string, whole: NeutralResponse): Given {
  const streaming = new Client(client);
  const answer = answerFor(client);
  const given = { stream: stream(streaming), whole: encodeWhole(client, whole, answer) };
  return { ...given, losses: [streaming.answer.losses, answer.losses].map(({ list }) => list.length) };
}

async function checkStream(recording: Recording, client: FormatName): Promise<void> {
  const heard = hearRecording(recording);
  const events = eventsOf(recording, [answerBytes(recording)]);
  if (heard.error !== undefined) return await checkFailure(client, new Client(client).push(events), heard.error);
  const whole = collect(events);
  assert.ok(whole.ok, `the stream is no whole answer: ${JSON.stringify(whole)}`);
  await checkGiven(recording, client, heard, give(client, (to) => to.push(events), whole.value));
}

async function checkWhole(recording: Recording, client: FormatName): Promise<void> {
  const heard = hearRecording(recording);
  const whole = decodeWhole(recording, answerBytes(recording));
  if (heard.error !== undefined) {
    assert.ok(!whole.ok, "an error was taken for an answer");
    return assert.ok(whole.failure.message.includes(heard.error), whole.failure.message);
  }
  assert.ok(whole.ok, `the answer was refused: ${JSON.stringify(whole)}`);
  const { value } = whole;
  await checkGiven(recording, client, heard, give(client, (to) => encodeAsStream(to, value), value));
}

async function checkGiven(recording: Recording, client: FormatName, heard: Heard, given: Given): Promise<void> {
  const want = expected(heard, client, recording.format);
  assertLegal(client, given.stream);
  assertHeard(client, hearStream(client, given.stream), want, "streamed");
  assertHeard(client, hearBody(client, given.whole), want, "whole");
  const final = await finalOf(client, given.stream);
  assertHeard(client, hearBody(client, final), want, "by the SDK");
  assertSameBody(final, given.whole, "the SDK's final message against the whole answer");
  const isNamed = isLossy(heard, client, recording.format);
  assert.deepEqual(given.losses.map((count) => count > 0), [isNamed, isNamed], "losses that are named");
}

async function checkFailure(client: FormatName, wire: string, message: string): Promise<void> {
  assertLegal(client, wire);
  assert.ok(hearStream(client, wire).error?.includes(message), `not told: ${message}`);
  await assert.rejects(finalOf(client, wire));
}

describe("recorded answers", () => {
  if (ABSENT !== undefined) test.skip(ABSENT, () => {});
  for (const recording of ANSWERS) {
    for (const client of CLIENTS) {
      const check = recording.isStream ? checkStream : checkWhole;
      test(`${recording.name} → ${client}`, () => check(recording, client));
    }
  }
});
