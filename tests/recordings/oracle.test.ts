/** The oracle itself: it hears in a recording what those who made the index saw there, and nothing of it by accident. */
import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import type { Facts } from "./facts.ts";
import { hearSource } from "./oracle.ts";
import { ABSENT, ANSWERS } from "./recordings.ts";

/** How a feature of the index shows in what was heard. */
const SHOWS: readonly (readonly [feature: string, shows: (facts: Facts) => boolean])[] = [
  ["text", ({ text }) => text !== ""],
  ["refusal", ({ refusal }) => refusal !== ""],
  ["tool_call", ({ calls }) => calls.length > 0],
  ["signature", ({ seals }) => seals.length > 0],
  ["redacted_thinking", ({ seals }) => seals.length > 0],
  ["finish_length", ({ stop }) => stop === "max_tokens"],
  ["finish_max_tokens", ({ stop }) => stop === "max_tokens"],
  ["finish_max_output_tokens", ({ stop }) => stop === "max_tokens"],
  ["finish_stop_sequence", ({ stop }) => stop === "stop_sequence"],
  ["finish_pause_turn", ({ stop }) => stop === "pause"],
];

describe("the oracle of recorded answers", () => {
  if (ABSENT !== undefined) test.skip(ABSENT, () => {});
  for (const [feature, shows] of ABSENT === undefined ? SHOWS : []) {
    test(`hears ${feature}`, () => {
      const heard = ANSWERS.filter(({ features }) => features.has(feature))
        .map((recording) => ({ name: recording.name, ...hearSource(recording) }))
        // An answer that ended in an error is nothing but that error.
        .filter(({ error }) => error === undefined);
      assert.ok(heard.length > 0, "no recording has it");
      const deaf = heard.filter(({ candidates }) => !candidates.some(shows)).map(({ name }) => name);
      assert.deepEqual(deaf, []);
    });
  }
  if (ABSENT === undefined) {
    test("hears errors, and reasoning tokens within all others", () => {
      for (const recording of ANSWERS) {
        const { error, usage } = hearSource(recording);
        if (recording.features.has("error_mid_stream")) assert.notEqual(error, undefined, recording.name);
        const isCounted = !recording.features.has("reasoning_tokens") || error !== undefined;
        assert.ok(isCounted || (usage?.reasoning ?? 0) > 0, recording.name);
        if (usage !== undefined) {
          assert.ok(usage.reasoning <= usage.output && usage.cached <= usage.input, recording.name);
        }
      }
    });
  }
});
