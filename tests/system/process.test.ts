import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "bun:test";
import { buildExecutable, IS_BUN, runProcess, SOURCE, type StartedProcess, startProcess } from "../support/process.ts";
import { openSocket } from "../support/socket.ts";
import { until } from "../support/many.ts";

const folder = mkdtempSync(join(tmpdir(), "trivium-"));
const executable = join(folder, "trivium");

beforeAll(() => {
  if (!IS_BUN) return;
  const built = buildExecutable(executable);
  assert.equal(built.code, 0, built.stderr);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const REQUESTS: readonly (readonly [string, object, string])[] = [
  ["/v1/chat/completions", { messages: [{ role: "user", content: "Three roads" }] }, "data: [DONE]"],
  ["/v1/messages", { max_tokens: 100, messages: [{ role: "user", content: "Three roads" }] }, "event: message_stop"],
  ["/v1/responses", { input: "Three roads" }, "event: response.completed"],
];

async function smoke(started: StartedProcess): Promise<void> {
  for (const [path, body, terminal] of REQUESTS) {
    const response = await fetch(started.url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "mock/echo", stream: true, ...body }),
    });
    assert.equal(response.status, 200);
    const text = await response.text();
    assert.ok(text.includes("Three"), text);
    assert.ok(text.includes(terminal), text);
  }
}

function suite(name: string, command: () => readonly string[]): void {
  describe(name, () => {
    test("counts tokens with the tokenizer, which is in the executable too", async () => {
      const started = await startProcess([...command(), "--port", "0"], {}, folder);
      try {
        const response = await fetch(`${started.url}/v1/responses/input_tokens`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ model: "mock/echo", input: "hello there, how are the roads today" }),
        });
        assert.deepEqual(await response.json(), { object: "response.input_tokens", input_tokens: 16 });
      } finally {
        await started.stop();
      }
    }, 20_000);

    test("starts with nothing, streams through each API, stops by SIGTERM with exit code 0", async () => {
      const started = await startProcess([...command(), "--port", "0"], {}, folder);
      await smoke(started);
      assert.match(started.output(), /mock\/echo/);
      assert.match(started.output(), /set OPENAI_API_KEY/);
      assert.match(started.output(), /curl -N http/);
      started.signal("SIGTERM");
      assert.equal(await started.exited, 0);
    }, 20_000);

    test("a running answer is let to its end by SIGTERM", async () => {
      const started = await startProcess([...command(), "--port", "0"], {}, folder);
      const response = await fetch(`${started.url}/v1/chat/completions`, {
        method: "POST",
        body: JSON.stringify({
          model: "mock/slow-100",
          stream: true,
          messages: [{ role: "user", content: "one two three" }],
        }),
      });
      started.signal("SIGTERM");
      assert.match(await response.text(), /data: \[DONE\]\n\n$/);
      assert.equal(await started.exited, 0);
    }, 20_000);

    test("a request whose body is still being sent at SIGTERM is answered", async () => {
      const started = await startProcess([...command(), "--port", "0"], {}, folder);
      const body = JSON.stringify({ model: "mock/echo", messages: [{ role: "user", content: "How many are these?" }] });
      const { port, hostname } = new URL(started.url);
      const socket = connect(Number(port), hostname);
      let answer = "";
      socket.on("data", (bytes) => answer += bytes);
      const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
      const head = "POST /v1/messages/count_tokens HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
      const begun = `${head}content-length: ${body.length}\r\n\r\n${body.slice(0, 20)}`;
      await new Promise<void>((resolve) => socket.write(begun, () => resolve()));
      // By its answer what was sent before it is known to be there.
      await (await fetch(`${started.url}/health`)).text();
      started.signal("SIGTERM");
      await until(
        "it takes no more requests",
        async () => await fetch(`${started.url}/health`).then(({ ok }) => !ok, () => true),
      );
      socket.write(body.slice(20));
      await closed;
      assert.match(answer, /^HTTP\/1\.1 200 [\s\S]*"input_tokens":\d+/);
      assert.equal(await started.exited, 0);
    }, 20_000);

    test(
      "a running turn of a WebSocket is let to its end by SIGTERM, then the socket is closed, idle ones at once",
      async () => {
        const started = await startProcess([...command(), "--port", "0"], {}, folder);
        const [busy, idle] = [await openSocket(started.url), await openSocket(started.url)];
        busy.send({ type: "response.create", model: "mock/slow-100", input: "one two three" });
        await busy.next();
        started.signal("SIGTERM");
        assert.equal((await idle.closed).code, 1001);
        assert.equal((await busy.rest()).at(-1)?.["type"], "response.completed");
        assert.equal((await busy.closed).code, 1001);
        assert.equal(await started.exited, 0);
      },
      20_000,
    );

    test("a faulty config is told with its place, exit code 2; check only checks", () => {
      const file = join(folder, "faulty.yaml");
      writeFileSync(file, "providers:\n  lab: { base_url: http://h/v1, formats: [chatt] }\n");
      for (const args of [["--config", file], ["check", "--config", file]]) {
        const done = runProcess([...command(), ...args], {}, folder);
        assert.equal(done.code, 2);
        assert.match(
          done.stderr,
          /faulty\.yaml:2:43 {2}providers\.lab\.formats\[0\] {2}Expected .* but got "chatt"; did you mean "chat"\?/,
        );
      }
      const sound = runProcess([...command(), "check"], {}, folder);
      assert.equal(sound.code, 0, sound.stderr);
      assert.match(sound.stdout, /is sound/);
    }, 20_000);

    test("a state file that can't be opened is told at the start, and the gateway serves", async () => {
      const file = join(folder, "unkept.yaml");
      writeFileSync(file, "providers: { mock: {} }\nstate: { path: nowhere/trivium.db }\n");
      const started = await startProcess([...command(), "--port", "0", "--config", file], {}, folder);
      assert.equal(await started.stop(), 0);
      assert.match(started.output(), /"event":"state","what":"open","path":"nowhere\/trivium\.db"/);
    }, 20_000);

    test("an unknown option is named, exit code 2", () => {
      const done = runProcess([...command(), "--prot", "3"], {}, folder);
      assert.equal(done.code, 2);
      assert.match(done.stderr, /^Unknown option '--prot'\n\n/);
    }, 20_000);

    test("a flag goes before the environment, the environment before the file", async () => {
      const file = join(folder, "own.yaml");
      writeFileSync(file, "listen: 127.0.0.1:1\nproviders: { mock: {} }\nmodels: [{ name: own, target: mock/echo }]\n");
      const started = await startProcess([...command(), "--port", "0"], { PORT: "2", TRIVIUM_CONFIG: file }, folder);
      const models = await (await fetch(`${started.url}/v1/models`)).json() as { data: { id: string }[] };
      assert.ok(models.data.some(({ id }) => id === "own"));
      assert.equal(await started.stop(), 0);
    }, 20_000);

    test("explain reads a request on stdin, needs no key, and shows an answer as the client would see it", () => {
      const request = JSON.stringify({ model: "gpt-5", max_tokens: 50, messages: [{ role: "user", content: "Hi" }] });
      const explained = runProcess([...command(), "explain", "--as", "messages"], {}, folder, request);
      assert.equal(explained.code, 0, explained.stderr);
      const shown = JSON.parse(explained.stdout);
      assert.equal(shown.url, "https://api.openai.com/v1/responses");
      assert.equal(shown.rule, "gpt-*");
      const file = join(folder, "answer.json");
      writeFileSync(
        file,
        JSON.stringify({
          id: "resp_1",
          object: "response",
          created_at: 1,
          status: "completed",
          model: "m",
          output: [{
            type: "message",
            id: "msg_1",
            role: "assistant",
            status: "completed",
            content: [{ type: "output_text", text: "Hello", annotations: [] }],
          }],
        }),
      );
      const answered = runProcess([...command(), "explain", "--as", "messages", "--answer", file], {}, folder, request);
      assert.equal(JSON.parse(answered.stdout).content[0].text, "Hello");
      assert.equal(runProcess([...command(), "explain"], {}, folder).code, 2);
    }, 20_000);

    test("mock serves the mock models as an upstream of its own", async () => {
      const mock = await startProcess([...command(), "mock", "--port", "0"], {}, folder);
      const file = join(folder, "over.yaml");
      writeFileSync(
        file,
        `providers: { lab: { base_url: "${mock.url}/v1", formats: [messages] } }\nmodels: [{ name: mock/*, target: lab/* }]\n`,
      );
      const started = await startProcess([...command(), "--port", "0", "--config", file], {}, folder);
      await smoke(started);
      assert.equal(await started.stop(), 0);
      assert.equal(await mock.stop(), 0);
    }, 20_000);

    test("a port that is taken is told, exit code 1", async () => {
      const started = await startProcess([...command(), "--port", "0"], {}, folder);
      const { port } = new URL(started.url);
      const second = runProcess([...command(), "--port", port], {}, folder);
      assert.equal(second.code, 1);
      assert.match(second.stderr, /Can't listen on 127\.0\.0\.1/);
      await started.stop();
      await until("the port to be free", () => fetch(started.url).then(() => false, () => true));
    }, 20_000);
  });
}

suite("from source", () => SOURCE);
if (IS_BUN) suite("compiled", () => [executable]);
else test.skip("compiled: `bun build --compile` makes executables of Bun alone", () => {});
