/**
 * Five turns with tools and thinking over every pair, before upstreams that refuse altered, reordered, missing and
 * foreign signed blocks as the real ones do (TRANSLATION.md 1.3 and 1.4; cases 12 to 19; PITFALLS 7, 8, 9, 29).
 */
import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { type Mode, MODES } from "../support/pairs.ts";
import type { Step } from "../support/strict.ts";
import {
  assertNothingRefused,
  type ClientKind,
  CLIENTS,
  Conversation,
  lossesOf,
  PARIS,
  theWorld,
  type UpstreamName,
  UPSTREAMS,
} from "../support/turns.ts";

const ROME = { call: "get_weather", args: '{"city":"Rome"}' };
const OSLO = { call: "get_weather", args: '{"city":"Oslo"}' };

const STEPS: readonly Step[] = [
  [{ think: "I must look Paris up." }, PARIS],
  [{ think: "Two more — ünïcödé, too." }, { hide: "a secret" }, { say: "Two more." }, ROME, OSLO],
  [{ think: "Now I know." }, { say: "Sunny, all three." }],
  [{ think: "Again, Paris." }, PARIS],
  [{ think: "Still the same." }, { say: "Still sunny." }],
];

const worldOf = theWorld();

/** What must have come back with the fifth request: everything signed before it that this client can send back. */
function expectedSeals(client: ClientKind, upstream: UpstreamName): string[] {
  const { issued } = worldOf().upstreams[upstream].mint;
  // Of each step's thinking and secret, as far as they had been issued by the fourth answer.
  const [one = "", two = "", secret = "", three = "", four = ""] = [...issued.keys()];
  switch (upstream) {
    case "messages":
    case "responses":
      // Without a field to come back in, thinking is remembered by the calls that followed it alone.
      return client.keeps ? [one, two, secret, three, four] : [one, two, secret, four];
    case "openrouter":
      return client.keeps ? [one, two, three, four] : [one, two, four];
    case "gemini":
      return [one, two, four];
    case "deepseek":
      return [];
    case "plain":
      return [];
  }
}

async function fiveTurns(client: ClientKind, upstream: UpstreamName, mode: Mode) {
  worldOf().begin(STEPS);
  const talk = new Conversation(worldOf(), client, mode);
  const outcomes = [];
  for (const question of ["What is the weather?", "And now?"]) {
    talk.user(question);
    let outcome = await talk.ask(upstream);
    outcomes.push(outcome);
    while (outcome.calls.length > 0) {
      talk.answer(outcome);
      outcome = await talk.ask(upstream);
      outcomes.push(outcome);
    }
  }
  return outcomes;
}

for (const client of CLIENTS) {
  describe(client.label, () => {
    for (const upstream of UPSTREAMS) {
      // Bytes pass: what such a client drops of its own format's dialects, they would refuse without a gateway too.
      if (!client.keeps && ["deepseek", "gemini", "openrouter"].includes(upstream)) continue;
      for (const mode of MODES) {
        test(`${upstream} upstream, ${mode}`, async () => {
          const outcomes = await fiveTurns(client, upstream, mode);
          assertNothingRefused(worldOf());
          assert.equal(outcomes.length, 5);
          assert.deepEqual(outcomes.map(({ text }) => text), [
            "",
            "Two more.",
            "Sunny, all three.",
            "",
            "Still sunny.",
          ]);
          assert.deepEqual(outcomes.map(({ calls }) => calls.length), [1, 2, 0, 1, 0]);
          if (upstream !== "deepseek") {
            assert.deepEqual(worldOf().upstreams[upstream].seals(), expectedSeals(client, upstream));
          }
          for (const outcome of outcomes) assert.deepEqual(lossesOf(outcome), []);
        });
      }
    }
  });
}
