/**
 * The bench's own processes: the mock by the official SDKs, and one comparison to its end. How fast anything is, is
 * asserted nowhere.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, test } from "bun:test";
import { Bench } from "../../scripts/bench/bench.ts";
import { compare } from "../../scripts/bench/compare.ts";
import { FORMATS, modelName, scriptOf, spoken, WHOLE_TEXT } from "../../scripts/bench/content.ts";
import { sectionText } from "../../scripts/bench/report.ts";
import { type Started, startScript } from "../../scripts/bench/servers.ts";
import { M2C, streamed } from "../../scripts/bench/variants.ts";
import { openClient } from "../support/clients.ts";

describe("the mock upstream", () => {
  let mock: Started;
  beforeAll(async () => {
    mock = await startScript("mock.ts");
  });
  afterAll(() => mock.stop());

  const url = () => `http://127.0.0.1:${mock.port}`;
  const turns = [{ user: "Say something" }];

  for (const format of FORMATS) {
    test(`${format}: the SDK reads thinking, text and calls of a stream`, async () => {
      const model = modelName("", { deltas: 40, thinking: true, tools: true });
      const outcome = await openClient(format, url()).stream({ model, turns });
      const said = spoken(scriptOf(model));
      assert.equal(outcome.text, said.text.join(""));
      assert.equal(outcome.thinking, said.thinking.join(""));
      assert.equal(outcome.pieces, said.text.length);
      assert.deepEqual(
        outcome.calls.map(({ id, name, input }) => ({ id, name, input })),
        said.calls.map(({ id, name, pieces }) => ({ id, name, input: JSON.parse(pieces.join("")) })),
      );
    });

    test(`${format}: the SDK reads a whole answer, and a paced stream`, async () => {
      const client = openClient(format, url());
      assert.equal((await client.ask({ model: modelName("", {}), turns })).text, WHOLE_TEXT);
      const paced = modelName("", { deltas: 5, paceUs: 2000 });
      assert.equal((await client.stream({ model: paced, turns })).text, spoken(scriptOf(paced)).text.join(""));
    });
  }

  test("a client that leaves is counted as such", async () => {
    const stats = async () => await (await fetch(`${url()}/stats`)).json() as { open: number; cancelled: number };
    const before = (await stats()).cancelled;
    const abort = new AbortController();
    const body = JSON.stringify({ model: modelName("", { deltas: 1000, paceUs: 100_000 }), stream: true });
    const answer = await fetch(`${url()}/v1/messages`, { method: "POST", body, signal: abort.signal });
    await answer.body?.getReader().read();
    assert.equal((await stats()).open, 1);
    abort.abort();
    while ((await stats()).open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal((await stats()).cancelled, before + 1);
  });
});

describe("a comparison", () => {
  const request = streamed(M2C, { thinking: true, tools: true });
  const smoke = compare({
    name: "smoke",
    title: "One connection",
    pressure: { connections: 1 },
    columns: { cpuUsPerRequest: "CPU µs" },
    variants: [
      { name: "gateway", server: { kind: "gateway" }, request },
      { name: "naive", server: { kind: "naive", to: "chat" }, request },
    ],
    claims: [{ figure: "requestsPerSecond", of: "gateway", against: "naive" }],
    warmUpSeconds: 0.1,
  });

  const runToItsEnd = async () => {
    const bench = await Bench.open({ rounds: 1, seconds: 0.3, soakSeconds: 0, isQuick: true });
    try {
      const section = await smoke.run(bench);
      assert.deepEqual(section.samples.map(({ variant }) => variant), ["gateway", "naive"]);
      for (const { figures, variant } of section.samples) {
        for (const name of ["requests", "requestsPerSecond", "deltas", "latencyP50Ms", "residentMb"]) {
          assert.ok((figures[name] ?? 0) > 0, `${variant}: ${name} is ${figures[name]}`);
        }
        assert.equal(figures["faults"], 0);
      }
      assert.match(sectionText(section), /gateway \/ naive: [\d.]+/);
    } finally {
      await bench.close();
    }
  };

  // CPU and memory are read from /proc, which only Linux has.
  test.if(existsSync("/proc/self/stat"))("runs to its end, and has figures of every variant", runToItsEnd, 60_000);
});
