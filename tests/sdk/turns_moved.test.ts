/**
 * A conversation that moves from one maker's models to another's and back: foreign signed blocks stay away with a loss
 * that names them, and come back byte-equal with the conversation, also where bytes pass, and also through a replica
 * that has seen nothing of it (TRANSLATION.md 1.3 to 1.5; cases 12 to 16; PITFALLS 7, 8, 29).
 */
import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { Outcome } from "../support/clients.ts";
import type { StartedGateway } from "../support/gateway.ts";
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
} from "../support/turns.ts";

const worldOf = theWorld();

/** What each model does on its visit: it thinks, calls a tool, thinks again and answers. */
const VISIT: readonly Step[] = [
  [{ think: "I must look it up." }, PARIS],
  [{ think: "Now I know it." }, { say: "Sunny." }],
];

const WAY: readonly UpstreamName[] = ["messages", "responses", "gemini", "messages", "responses", "gemini"];

interface Visit {
  to: UpstreamName;
  /** Before the visit: what its maker had signed and should get again. */
  owned: string[];
  seals: string[];
  asked: Outcome;
  answered: Outcome;
}

async function travel(client: ClientKind, mode: Mode, gatewayAt: (turn: number) => StartedGateway): Promise<Visit[]> {
  worldOf().begin(VISIT);
  const talk = new Conversation(worldOf(), client, mode);
  const visits: Visit[] = [];
  for (const [turn, to] of WAY.entries()) {
    const { mint, upstream } = worldOf().upstreams[to];
    const owned = [...mint.issued.keys()];
    talk.user("How is the weather?");
    const asked = await talk.ask(to, gatewayAt(2 * turn));
    assert.ok(upstream.requests.length > 0);
    const seals = worldOf().upstreams[to].seals();
    talk.answer(asked);
    const answered = await talk.ask(to, gatewayAt(2 * turn + 1));
    visits.push({ to, owned, seals, asked, answered });
  }
  return visits;
}

/** Of a maker's values, those that this client can bring back. */
function returnable(client: ClientKind, { to, owned }: Visit): string[] {
  // Gemini signs calls alone; without a field of its own thinking is remembered by the calls that follow it.
  const callsOnly = to === "gemini" || !client.keeps;
  return callsOnly ? owned.filter((_, index) => index % 2 === 0) : owned;
}

for (const client of CLIENTS) {
  describe(client.label, () => {
    for (const mode of MODES) {
      test(`there and back, ${mode}`, async () => {
        // A signature that its client dropped is not in the bytes that pass to Gemini: it would refuse its own too.
        if (!client.keeps) return await thereAndBackWithoutGemini(client, mode);
        const visits = await travel(client, mode, () => worldOf().gateway);
        check(client, visits);
      });

      if (client.keeps) {
        test(`each request through another replica, ${mode}`, async () => {
          const visits = await travel(client, mode, (turn) => turn % 2 === 0 ? worldOf().gateway : worldOf().replica);
          check(client, visits);
        });
      }
    }
  });
}

function check(client: ClientKind, visits: readonly Visit[]): void {
  assertNothingRefused(worldOf());
  for (const [index, visit] of visits.entries()) {
    assert.equal(visit.answered.text, "Sunny.", visit.to);
    assert.deepEqual(visit.seals, returnable(client, visit), `${visit.to}, visit ${index}`);
    // What other makers signed stays away from here, and each request says so.
    const isFirst = index === 0;
    assert.equal(lossesOf(visit.asked).length > 0, !isFirst, `${visit.to}, visit ${index}: losses`);
    assert.deepEqual(lossesOf(visit.answered), lossesOf(visit.asked), `${visit.to}, visit ${index}: the same losses`);
  }
}

async function thereAndBackWithoutGemini(client: ClientKind, mode: Mode): Promise<void> {
  worldOf().begin(VISIT);
  const talk = new Conversation(worldOf(), client, mode);
  for (const to of ["messages", "responses", "messages", "responses"] as const) {
    const owned = [...worldOf().upstreams[to].mint.issued.keys()];
    talk.user("How is the weather?");
    const asked = await talk.ask(to);
    assert.deepEqual(worldOf().upstreams[to].seals(), owned.filter((_, index) => index % 2 === 0), to);
    talk.answer(asked);
    assert.equal((await talk.ask(to)).text, "Sunny.");
  }
  assertNothingRefused(worldOf());
}

describe("a move between a call and its result (case 18)", () => {
  const makers = ["messages", "responses", "gemini", "deepseek", "openrouter"] as const;
  for (const client of CLIENTS.filter(({ keeps }) => keeps)) {
    for (const from of makers) {
      for (const to of makers.filter((maker) => maker !== from)) {
        test(`${client.label}, from ${from} to ${to}`, async () => {
          worldOf().begin(VISIT);
          const talk = new Conversation(worldOf(), client, "whole");
          talk.user("How is the weather?");
          talk.answer(await talk.ask(from));
          assert.equal((await talk.ask(to)).text, "Sunny.");
          // The whole of it once more, back where it began.
          talk.user("And now?");
          const back = await talk.ask(from);
          assertNothingRefused(worldOf());
          talk.answer(back);
          assert.equal((await talk.ask(to)).text, "Sunny.");
          assertNothingRefused(worldOf());
        });
      }
    }
  }

  test("Google's models get the excuse on the first call of each step alone, others none (case 17)", async () => {
    const two = [{ think: "Both." }, PARIS, { call: "get_weather", args: '{"city":"Rome"}' }];
    for (const client of CLIENTS.filter(({ keeps }) => keeps)) {
      worldOf().begin([two, [{ say: "Sunny." }]]);
      const talk = new Conversation(worldOf(), client, "whole");
      talk.user("How is the weather?");
      talk.answer(await talk.ask("messages"));
      await talk.ask("gemini");
      const excuses = worldOf().upstreams.gemini.upstream.last().text.split("skip_thought_signature_validator").length -
        1;
      assert.equal(excuses, 1, client.label);
      talk.user("And now?");
      await talk.ask("plain");
      assert.ok(!worldOf().upstreams.plain.upstream.last().text.includes("skip_thought"), client.label);
      assertNothingRefused(worldOf());
    }
  });
});

describe("what a loss names", () => {
  const first = async (client: ClientKind, to: readonly UpstreamName[]) => {
    worldOf().begin(VISIT);
    const talk = new Conversation(worldOf(), client, "whole");
    const losses: string[][] = [];
    for (const name of to) {
      talk.user("How is the weather?");
      const asked = await talk.ask(name);
      losses.push(lossesOf(asked));
      talk.answer(asked);
      await talk.ask(name);
    }
    return losses;
  };
  const [chat, , messages, responses] = CLIENTS;

  test("messages client: the thinking blocks, by their places", async () => {
    assert.deepEqual(await first(messages, ["messages", "responses", "gemini", "messages"]), [
      [],
      ["messages[1].content[0]", "messages[3].content[0]"],
      ["messages[1].content[0]", "messages[3].content[0]", "messages[5].content[0]", "messages[7].content[0]"],
      ["messages[5].content[0]", "messages[7].content[0]", "messages[9].content[0]"],
    ]);
  });

  test("responses client: the reasoning items, by their places", async () => {
    const losses = await first(responses, ["responses", "messages", "gemini", "responses"]);
    assert.deepEqual(losses.slice(0, 3), [
      [],
      ["input[1]", "input[4]"],
      ["input[1]", "input[4]", "input[7]", "input[10]"],
    ]);
    assert.deepEqual(losses[3]?.slice(0, 2), ["input[7]", "input[10]"]);
  });

  test("chat client: the entries, and on bytes that pass the list that held them", async () => {
    assert.deepEqual(await first(chat, ["messages", "gemini"]), [
      [],
      [1, 3].flatMap((at) => [`messages[${at}].reasoning_details`, `messages[${at}].reasoning_content`]),
    ]);
    const [, toResponses] = await first(chat, ["messages", "responses"]);
    assert.deepEqual(toResponses, ["messages[1].reasoning_details[0]", "messages[3].reasoning_details[0]"]);
  });
});
