import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "bun:test";
import { openStream, until } from "../support/many.ts";
import {
  buildExecutable,
  IS_BUN,
  residentBytes,
  SOURCE,
  type StartedProcess,
  startProcess,
} from "../support/process.ts";

const folder = mkdtempSync(join(tmpdir(), "trivium-"));
const executable = join(folder, "trivium");
const config = join(folder, "config.yaml");
let mock: StartedProcess;

/** Every model of the mock, by way of an upstream over HTTP: passed as chat, translated for the other two. */
beforeAll(async () => {
  mock = await startProcess([...SOURCE, "mock", "--port", "0"]);
  writeFileSync(config, `log: error\nproviders: { lab: { base_url: "${mock.url}/v1", formats: [chat] } }\n`);
  if (!IS_BUN) return;
  const built = buildExecutable(executable);
  assert.equal(built.code, 0, built.stderr);
}, 120_000);
afterAll(async () => {
  await mock?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function inFlight(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^trivium_in_flight (\d+)$/m.exec(text)?.[1]);
}

const STREAMS = 2000;

function manyStreams(name: string, command: () => readonly string[]): void {
  test(
    `${STREAMS} streams are open at once, ${name}, and all are freed within a second when their clients leave`,
    async () => {
      const started = await startProcess([...command(), "--config", config, "--port", "0"]);
      try {
        const message = { role: "user", content: "one two three" };
        const streams = Array.from(
          { length: STREAMS },
          (_, index) =>
            index % 2 === 0
              ? openStream(started.url, "/v1/chat/completions", {
                model: "lab/slow-60000",
                stream: true,
                messages: [message],
              }, "lorem")
              : openStream(started.url, "/v1/messages", {
                model: "lab/slow-60000",
                stream: true,
                max_tokens: 9,
                messages: [message],
              }, "lorem"),
        );
        const seen = await Promise.all(streams.map((stream) => stream.seen));
        assert.equal(seen.filter(Boolean).length, STREAMS);
        assert.equal(await inFlight(started.url), STREAMS);
        for (const { socket } of streams) socket.destroy();
        await until("every stream to be freed", async () => await inFlight(started.url) === 0, 10_000);
      } finally {
        await started.stop();
      }
    },
    120_000,
  );
}

describe("many", () => {
  manyStreams("from source", () => SOURCE);
  if (IS_BUN) manyStreams("compiled", () => [executable]);
  else test.skip("compiled: `bun build --compile` makes executables of Bun alone", () => {});

  test("memory stays flat over thousands of streams", async () => {
    const started = await startProcess([...SOURCE, "--config", config, "--port", "0"]);
    try {
      const round = async (streams: number): Promise<number> => {
        for (let done = 0; done < streams; done += 50) {
          await Promise.all(Array.from({ length: 50 }, () => wholeStream(started.url)));
        }
        return residentBytes(started.pid);
      };
      const before = await round(2000);
      const after = await round(4000);
      // A leak of 10 KB a stream would show as 40 MB.
      assert.ok(after - before < 40 * 1024 * 1024, `grew from ${before} to ${after} bytes`);
    } finally {
      await started.stop();
    }
  }, 240_000);
});

async function wholeStream(url: string): Promise<void> {
  const response = await fetch(`${url}/v1/messages`, {
    method: "POST",
    body: JSON.stringify({
      model: "lab/lorem-20",
      stream: true,
      max_tokens: 100,
      messages: [{ role: "user", content: "go" }],
    }),
  });
  assert.match(await response.text(), /message_stop/);
}
