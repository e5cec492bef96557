/**
 * One answer of an upstream, given to a client whole and streamed: the stream is legal, the official SDK takes it, what it
 * holds at the end is what a client gets who asked for no stream, and all of it is what the upstream said by an oracle of
 * its own.
 */
import assert from "node:assert/strict";
import type { FormatName, NeutralResponse } from "../../lib/neutral.ts";
import { collect } from "../../lib/translation/whole.ts";
import { assertHeard, assertLegal, assertSameBody, assertWhole } from "./checks.ts";
import { expected, type Heard, isLossy } from "./facts.ts";
import { hearBody, hearSource, hearStream } from "./oracle.ts";
import { answerBytes, type Source } from "./recordings.ts";
import { finalOf } from "./sdk.ts";
import { answerFor, Client, decodeWhole, encodeAsStream, encodeWhole, eventsOf } from "./translate.ts";

export function checkAnswer(source: Source, client: FormatName): Promise<void> {
  return source.isStream ? checkStream(source, client) : checkWhole(source, client);
}

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

async function checkStream(source: Source, client: FormatName): Promise<void> {
  const heard = hearSource(source);
  const events = eventsOf(source, [answerBytes(source)]);
  if (heard.error !== undefined) return await checkFailure(client, new Client(client).push(events), heard.error);
  const whole = collect(events);
  assert.ok(whole.ok, `the stream is no whole answer: ${JSON.stringify(whole)}`);
  await checkGiven(source, client, heard, give(client, (to) => to.push(events), whole.value));
}

async function checkWhole(source: Source, client: FormatName): Promise<void> {
  const heard = hearSource(source);
  const whole = decodeWhole(source, answerBytes(source));
  if (heard.error !== undefined) {
    assert.ok(!whole.ok, "an error was taken for an answer");
    return assert.ok(whole.failure.message.includes(heard.error), whole.failure.message);
  }
  assert.ok(whole.ok, `the answer was refused: ${JSON.stringify(whole)}`);
  const { value } = whole;
  await checkGiven(source, client, heard, give(client, (to) => encodeAsStream(to, value), value));
}

async function checkGiven(source: Source, client: FormatName, heard: Heard, given: Given): Promise<void> {
  const want = expected(heard, client, source.format);
  assertLegal(client, given.stream);
  assertWhole(client, given.whole);
  assertHeard(client, hearStream(client, given.stream), want, "streamed");
  assertHeard(client, hearBody(client, given.whole), want, "whole");
  const final = await finalOf(client, given.stream);
  assertHeard(client, hearBody(client, final), want, "by the SDK");
  assertSameBody(final, given.whole, "the SDK's final message against the whole answer");
  const isNamed = isLossy(heard, client, source.format);
  assert.deepEqual(given.losses.map((count) => count > 0), [isNamed, isNamed], "losses that are named");
}

async function checkFailure(client: FormatName, wire: string, message: string): Promise<void> {
  assertLegal(client, wire);
  assert.ok(hearStream(client, wire).error?.includes(message), `not told: ${message}`);
  await assert.rejects(finalOf(client, wire));
}
