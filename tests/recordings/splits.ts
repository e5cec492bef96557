/** A stream byte by byte and in pieces of random sizes: each client gets what it gets of the whole. */
import assert from "node:assert/strict";
import { answerBytes, type Source } from "./recordings.ts";
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

function framesOf(source: Source, chunks: Iterable<Uint8Array>): string[] {
  const events = eventsOf(source, chunks);
  return CLIENTS.map((client) => steady(new Client(client).push(events)));
}

export function checkSplits(source: Source, seed: number): void {
  const bytes = answerBytes(source);
  const whole = framesOf(source, [bytes]);
  assert.deepEqual(framesOf(source, bytewise(bytes)), whole, "byte by byte");
  for (const most of [3, 64, 4096]) {
    assert.deepEqual(framesOf(source, randomly(bytes, seed + most, most)), whole, `pieces of up to ${most}`);
  }
}
