/** Every recorded stream, byte by byte and in pieces of random sizes: each client gets what it gets of the whole. */
import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import { ABSENT, answerBytes, type Recording, STREAMS } from "./recordings.ts";
import { Client, CLIENTS, eventsOf, steady } from "./translate.ts";

function* bytewise(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at++) yield bytes.subarray(at, at + 1);
}

/** Pieces of 0 to `most` bytes, the same for the same seed. */
function* randomly(bytes: Uint8Array, seed: number, most: number): Generator<Uint8Array> {
  let state = seed;
  for (let at = 0; at < bytes.length;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const end = Math.min(bytes.length, at + state % (most + 1));
    yield bytes.subarray(at, end);
    at = end;
  }
}

function framesOf(recording: Recording, chunks: Iterable<Uint8Array>): string[] {
  const events = eventsOf(recording, chunks);
  return CLIENTS.map((client) => steady(new Client(client).push(events)));
}

describe("recorded streams in pieces", () => {
  if (ABSENT !== undefined) test.skip(ABSENT, () => {});
  for (const [index, recording] of STREAMS.entries()) {
    test(recording.name, () => {
      const bytes = answerBytes(recording);
      const whole = framesOf(recording, [bytes]);
      assert.deepEqual(framesOf(recording, bytewise(bytes)), whole, "byte by byte");
      for (const most of [3, 64, 4096]) {
        assert.deepEqual(framesOf(recording, randomly(bytes, index + most, most)), whole, `pieces of up to ${most}`);
      }
    });
  }
});
