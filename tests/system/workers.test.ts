/** Several workers on one port are one gateway: whichever of them is asked, and whatever happens to one of them. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, test } from "bun:test";
import { openStream, until } from "../support/many.ts";
import { replyOf } from "../support/pairs.ts";
import { IS_BUN, ROOT, runProcess, SOURCE, type StartedProcess, startProcess } from "../support/process.ts";
import { said } from "../support/said.ts";
import { HANG, type Reply, sse, startUpstream, type Upstream } from "../support/upstream.ts";
import { allServe, ask, askAll, isGone, logLines, MANY, metric, pids } from "../support/workers.ts";
import { chatFrames } from "../support/wire_chat.ts";

const LIMIT_MS = 60_000;
const folder = mkdtempSync(join(tmpdir(), "trivium-"));
const executable = join(folder, "trivium");
let upstream: Upstream;
let count = 0;

beforeAll(async () => {
  upstream = await startUpstream();
  writeFileSync(join(folder, "die.ts"), 'if (process.env["TRIVIUM_WORKER"] !== undefined) process.exit(7);\n');
  if (!IS_BUN) return;
  const built = runProcess([SOURCE[0] ?? "", "build", "--compile", `${ROOT}main.ts`, "--outfile", executable]);
  assert.equal(built.code, 0, built.stderr);
}, LIMIT_MS);
afterAll(async () => {
  await upstream.stop();
  rmSync(folder, { recursive: true, force: true });
});

function configText(more = ""): string {
  return `providers:
  mock: {}
  chat: { base_url: "${upstream.url}/v1", formats: [chat], api_key: k }
  messages: { base_url: "${upstream.url}/v1", formats: [messages], family: anthropic, api_key: k }
workers: 2
${more}`;
}

interface Running extends StartedProcess {
  /** Its config's. */
  file: string;
  /** Its temporary folder. */
  own: string;
}

async function start(command: readonly string[] = SOURCE, more = ""): Promise<Running> {
  const file = join(folder, `config${count++}.yaml`);
  const own = mkdtempSync(join(folder, "own-"));
  writeFileSync(file, configText(more));
  const started = await startProcess([...command, "--port", "0", "--config", file], { TMPDIR: own }, folder);
  await allServe(started, 2);
  return { ...started, file, own };
}

async function running(act: (started: Running) => Promise<void>, command: readonly string[]): Promise<void> {
  const started = await start(command);
  try {
    await act(started);
  } finally {
    await started.stop();
  }
}

function chat(model = "mock/echo", more = {}) {
  return { model, messages: [{ role: "user", content: "one two three" }], ...more };
}

/** Streams that have begun, on a connection each. */
async function streams(url: string, model: string) {
  const open = Array.from({ length: 8 }, () => ({
    begun: openStream(url, "/v1/chat/completions", chat(model, { stream: true }), "data: "),
  }));
  for (const { begun } of open) assert.ok(await begun.seen);
  return open.map(({ begun: { socket } }) => {
    let text = "";
    socket.on("data", (bytes: Uint8Array) => text += new TextDecoder().decode(bytes));
    return { text: () => text, closed: new Promise<void>((resolve) => socket.on("close", () => resolve())) };
  });
}

async function allDone(open: Awaited<ReturnType<typeof streams>>): Promise<void> {
  for (const { text } of open) await until("the stream's end", () => text().includes("data: [DONE]"), 20_000);
}

function suite(name: string, command: () => readonly string[]): void {
  describe(name, () => {
    test(
      "all workers answer at one port, metrics and health tell of all of them together",
      () =>
        running(async (started) => {
          const { url } = started;
          for (const { status } of await askAll(url, "/v1/chat/completions", chat())) assert.equal(status, 200);
          await until("both have answered", () => {
            const lines = logLines(started, "request");
            return lines.length === MANY && new Set(lines.map(({ worker }) => worker)).size === 2;
          });
          assert.equal(new Set(pids(started).values()).size, 2);
          assert.ok(![...pids(started).values()].includes(started.pid));
          for (let each = 0; each < MANY; each++) {
            assert.equal(await metric(url, "trivium_requests_total"), MANY);
            assert.equal(await metric(url, "trivium_workers"), 2);
            assert.equal(await metric(url, "trivium_in_flight"), 0);
          }
          for (const { body } of await askAll(url, "/health")) {
            assert.deepEqual([body["status"], body["workers"], body["worker_restarts"]], ["ok", 2, 0]);
          }
        }, command()),
      LIMIT_MS,
    );

    test("a worker that is killed is replaced: no later request fails, no sum falls", () =>
      running(async (started) => {
        const { url } = started;
        await askAll(url, "/v1/chat/completions", chat());
        assert.equal(await metric(url, "trivium_requests_total"), MANY);
        const [number, pid] = [...pids(started)][0] ?? [0, 0];
        process.kill(pid, "SIGKILL");
        await until("another serves", () => ![pid, undefined].includes(pids(started).get(number)), 20_000);
        for (const { status } of await askAll(url, "/v1/chat/completions", chat())) assert.equal(status, 200);
        await until("it counts too", async () => (await ask(url, "/health")).body["workers"] === 2);
        assert.equal(await metric(url, "trivium_requests_total"), 2 * MANY);
        assert.equal(await metric(url, "trivium_worker_restarts_total"), 1);
        const [ended] = logLines(started, "worker_ended");
        assert.deepEqual([ended?.["worker"], ended?.["pid"], ended?.["signal"]], [number, pid, "SIGKILL"]);
      }, command()), LIMIT_MS);

    test("a worker that hangs holds up no metrics, and its last word stands for it", () =>
      running(async (started) => {
        const { url } = started;
        await askAll(url, "/v1/chat/completions", chat());
        assert.equal(await metric(url, "trivium_requests_total"), MANY);
        const pid = pids(started).get(2) ?? 0;
        process.kill(pid, "SIGSTOP");
        try {
          // Some of these connections are the other one's.
          const asking = Array.from({ length: MANY }, () => metric(url, "trivium_requests_total"));
          assert.equal(await Promise.any(asking), MANY);
          process.kill(pid, "SIGCONT");
          assert.deepEqual(new Set(await Promise.all(asking)), new Set([MANY]));
        } finally {
          process.kill(pid, "SIGCONT");
        }
      }, command()), LIMIT_MS);

    test("SIGTERM lets the answers of all workers end, exit code 0, and leaves nothing behind", async () => {
      const started = await start(command());
      assert.equal(readdirSync(started.own).length, 1);
      const [shared = ""] = readdirSync(started.own);
      assert.equal(statSync(join(started.own, shared)).mode & 0o777, 0o700);
      for (const file of readdirSync(join(started.own, shared))) {
        assert.equal(statSync(join(started.own, shared, file)).mode & 0o777, 0o600, file);
      }
      const open = await streams(started.url, "mock/slow-50");
      started.signal("SIGTERM");
      await allDone(open);
      assert.equal(await started.exited, 0);
      assert.ok([...pids(started).values()].every(isGone));
      assert.deepEqual(readdirSync(started.own), []);
    }, LIMIT_MS);

    test("a signal to all processes at once counts as one, a second one ends all at once", async () => {
      const started = await start(command());
      const open = await streams(started.url, "mock/slow-50");
      started.signalAll("SIGINT");
      await allDone(open);
      assert.equal(await started.exited, 0);
      const other = await start(command());
      const held = await streams(other.url, "mock/slow-3000");
      other.signalAll("SIGINT");
      await until("all stop", () => logLines(other, "stopping").length === 3, 20_000);
      other.signalAll("SIGINT");
      assert.equal(await other.exited, 0);
      await Promise.all(held.map(({ closed }) => closed));
      assert.ok(held.some(({ text }) => !text().includes("[DONE]")));
    }, LIMIT_MS);

    test("a parent that is killed takes its workers with it, once their answers have ended", async () => {
      const started = await start(command());
      const open = await streams(started.url, "mock/slow-50");
      const workers = [...pids(started).values()];
      started.signal("SIGKILL");
      await allDone(open);
      await until("no worker is left", () => workers.every(isGone), 40_000);
      assert.deepEqual(readdirSync(started.own), []);
    }, LIMIT_MS);

    test(
      "the port is refused to any other gateway, and one of workers refuses a port that is taken",
      () =>
        running(async (started) => {
          const { port } = new URL(started.url);
          for (const workers of ["1", "2"]) {
            const second = runProcess([...command(), "--port", port, "--workers", workers], {}, folder);
            assert.equal(second.code, 1, second.stderr);
            assert.match(second.stderr, /^Can't listen on 127\.0\.0\.1:\d+: /);
          }
          const alone = await startProcess([...command(), "--port", "0"], {}, folder);
          const taken = new URL(alone.url).port;
          const second = runProcess([...command(), "--port", taken, "--config", started.file], {}, folder);
          assert.equal(second.code, 1);
          assert.match(second.stderr, /^Can't listen on 127\.0\.0\.1/);
          await alone.stop();
        }, command()),
      LIMIT_MS,
    );

    test(
      "SIGHUP takes over a sound config while streams run, and keeps the old one where it is not sound",
      () =>
        running(async (started) => {
          const { url } = started;
          const open = await streams(url, "mock/slow-100");
          writeFileSync(started.file, configText("models: [{ name: fresh, target: mock/echo }]\nmax_body_mb: 31\n"));
          started.signalAll("SIGHUP");
          await until("both have reloaded", () => logLines(started, "reloaded").length === 2, 20_000);
          for (const { status } of await askAll(url, "/v1/chat/completions", chat("fresh"))) assert.equal(status, 200);
          writeFileSync(started.file, `${configText()}modells: []\n`);
          started.signal("SIGHUP");
          await until("it is refused", () => logLines(started, "reload_refused").length === 1, 20_000);
          const [refused] = logLines(started, "reload_refused");
          assert.match(String(refused?.["issues"]), /config\d+\.yaml:6:1 {2}modells {2}Unknown key "modells"/);
          for (const { status } of await askAll(url, "/v1/chat/completions", chat("fresh"))) assert.equal(status, 200);
          writeFileSync(started.file, configText().replace("workers: 2", "workers: 3\nlisten: 127.0.0.1:9\nstate: {}"));
          started.signal("SIGHUP");
          await until("the rest is taken over", () => logLines(started, "reloaded").length === 4, 20_000);
          await until("and what is not", () => logLines(started, "reload_incomplete").length === 1, 20_000);
          const [incomplete] = logLines(started, "reload_incomplete");
          assert.deepEqual(incomplete?.["needs_restart"], ["workers", "state"]);
          await allDone(open);
        }, command()),
      LIMIT_MS,
    );
  });
}

suite("from source", () => SOURCE);
if (IS_BUN) suite("compiled", () => [executable]);
else test.skip("compiled: `bun build --compile` makes executables of Bun alone", () => {});

test("one process reloads by SIGHUP too, and a stream that runs goes on", async () => {
  const file = join(folder, "alone.yaml");
  const text = (more: string) => configText(more).replace("workers: 2\n", "");
  writeFileSync(file, text("models: [{ name: old, target: mock/echo }]\n"));
  const started = await startProcess([...SOURCE, "--port", "0", "--config", file], {}, folder);
  const open = await streams(started.url, "mock/slow-100");
  writeFileSync(file, text("models: [{ name: fresh, target: mock/echo }]\nmodels_only: true\n"));
  started.signal("SIGHUP");
  await until("it has reloaded", () => logLines(started, "reloaded").length === 1, 20_000);
  assert.equal((await ask(started.url, "/v1/chat/completions", chat("fresh"))).status, 200);
  assert.equal((await ask(started.url, "/v1/chat/completions", chat("old"))).status, 404);
  rmSync(file);
  started.signal("SIGHUP");
  await until("it is refused", () => logLines(started, "reload_refused").length === 1, 20_000);
  assert.match(String(logLines(started, "reload_refused")[0]?.["issues"]), /alone\.yaml: no such file/);
  assert.equal((await ask(started.url, "/v1/chat/completions", chat("fresh"))).status, 200);
  await allDone(open);
  assert.equal(await started.stop(), 0);
}, LIMIT_MS);

test("workers that end before they serve end the parent, with exit code 1 and a word why", () => {
  const file = join(folder, "dying.yaml");
  writeFileSync(file, configText());
  const [runtime = "", run = "", ...rest] = SOURCE;
  const command = [runtime, run, "--preload", join(folder, "die.ts"), ...rest, "--port", "0", "--config", file];
  const own = mkdtempSync(join(folder, "own-"));
  const done = runProcess(command, { TMPDIR: own }, folder);
  assert.equal(done.code, 1, done.stderr);
  assert.match(done.stderr, /Worker 1 ended before it served \(exit code 7\)/);
  assert.deepEqual(readdirSync(own), []);
}, LIMIT_MS);

test("a temporary folder that can't be written is told, exit code 1", () => {
  const file = join(folder, "nowhere.yaml");
  writeFileSync(file, configText());
  const done = runProcess([...SOURCE, "--port", "0", "--config", file], { TMPDIR: join(folder, "nowhere") }, folder);
  assert.equal(done.code, 1);
  assert.match(done.stderr, /^Workers need a temporary folder that can be written \(TMPDIR\): /);
}, LIMIT_MS);

test("check and --workers say what a number of workers may be", () => {
  const file = join(folder, "many.yaml");
  writeFileSync(file, configText());
  assert.match(runProcess([...SOURCE, "check", "--config", file], {}, folder).stdout, /Workers:\n {2}2\n/);
  writeFileSync(file, configText().replace("workers: 2", "workers: none"));
  const faulty = runProcess([...SOURCE, "check", "--config", file], {}, folder);
  assert.equal(faulty.code, 2);
  assert.match(faulty.stderr, /many\.yaml:5:10 {2}workers {2}Expected a number from 1 to 64, or auto \(got "none"\)/);
  const option = runProcess([...SOURCE, "--workers", "many"], {}, folder);
  assert.equal(option.code, 2);
  assert.match(option.stderr, /^Expected a number of workers from 1 to 64, or auto, but got "many"\n/);
}, LIMIT_MS);

test("a state file is one for all workers, and for those of the next start", async () => {
  upstream.answer(replyOf("chat", said(), "whole"));
  let started = await start(SOURCE, "state: { path: kept.db }\n");
  const { body: { id } } = await ask(started.url, "/v1/responses", { model: "chat/m", input: "Hi" });
  for (let round = 0; round < 2; round++) {
    for (const { status } of await askAll(started.url, `/v1/responses/${id}`)) assert.equal(status, 200);
    assert.equal(await metric(started.url, "trivium_stored_responses"), 1);
    assert.equal(await started.stop(), 0);
    if (round === 0) started = await start(SOURCE, "state: { path: kept.db }\n");
  }
}, LIMIT_MS);

describe("what one worker keeps, all of them know", () => {
  let started: Running;
  beforeAll(async () => {
    started = await start();
  }, LIMIT_MS);
  afterAll(() => started.stop());

  const answer: Reply = replyOf("chat", said(), "whole");
  const create = (more = {}) => ask(started.url, "/v1/responses", { model: "chat/m", input: "Hi", ...more });
  const statusOf = async (id: string) => (await ask(started.url, `/v1/responses/${id}`)).body["status"];

  test("responses, turns that go on from them, conversations, deletion", async () => {
    upstream.answer(answer);
    const { body: { id } } = await create();
    for (const { status } of await askAll(started.url, `/v1/responses/${id}`)) assert.equal(status, 200);
    const more = { model: "chat/m", input: "On", previous_response_id: id };
    for (const { status, text } of await askAll(started.url, "/v1/responses", more)) assert.equal(status, 200, text);
    const { body: { id: conversation } } = await ask(started.url, "/v1/conversations", {});
    const turn = { model: "chat/m", input: "On", conversation };
    for (const { status, text } of await askAll(started.url, "/v1/responses", turn)) assert.equal(status, 200, text);
    for (const { body } of await askAll(started.url, `/v1/conversations/${conversation}/items?limit=100`)) {
      assert.equal((body["data"] as unknown[]).length, 2 * MANY);
    }
    assert.equal(await metric(started.url, "trivium_stored_responses"), 1 + 2 * MANY);
    await ask(started.url, `/v1/responses/${id}`, undefined, "DELETE");
    for (const { status } of await askAll(started.url, `/v1/responses/${id}`)) assert.equal(status, 404);
  }, LIMIT_MS);

  test("a background response: status, stream and cancellation", async () => {
    const frames = chatFrames(said());
    upstream.answer(sse([...frames.slice(0, 3), HANG]));
    for (let each = 0; each < 10; each++) {
      const { length } = upstream.requests;
      const { body: { id, status } } = await create({ background: true });
      assert.equal(status, "queued");
      for (let turn = 0; turn < 10; turn++) {
        assert.match(String(await statusOf(String(id))), /^(?:queued|in_progress)$/);
      }
      await until("its upstream is asked", () => upstream.requests.length > length, 20_000);
      const cancelled = await ask(started.url, `/v1/responses/${id}/cancel`, {});
      assert.deepEqual([cancelled.status, cancelled.body["status"]], [200, "cancelled"]);
      for (let turn = 0; turn < 10; turn++) assert.equal(await statusOf(String(id)), "cancelled");
    }
    await until("all upstreams are free", () => upstream.requests.filter(({ gone }) => gone).length >= 10, 20_000);
    assert.equal(await metric(started.url, "trivium_background_running"), 0);
  }, LIMIT_MS);

  test("a background response's stream can be joined at any worker, from its beginning to its end", async () => {
    const frames = chatFrames(said());
    let go = (): void => {};
    upstream.answer(
      sse([...frames.slice(0, 3), { until: new Promise<void>((resolve) => go = resolve) }, ...frames.slice(3)]),
    );
    const body = JSON.stringify({ model: "chat/m", input: "Hi", background: true, stream: true });
    const making = await fetch(`${started.url}/v1/responses`, { method: "POST", body });
    let text = "";
    const made = (async () => {
      for await (const piece of making.body ?? []) text += new TextDecoder().decode(piece);
    })();
    const idOf = () => /"id":"(resp_\w+)"/.exec(text)?.[1];
    await until("its id is told", () => idOf() !== undefined, 20_000);
    const id = idOf();
    const joined = Array.from({ length: 10 }, () => ask(started.url, `/v1/responses/${id}?stream=true`));
    await ask(started.url, "/health");
    go();
    await made;
    assert.match(text, /event: response\.completed/);
    for (const heard of await Promise.all(joined)) assert.equal(withoutComments(heard.text), withoutComments(text));
    for (const heard of await askAll(started.url, `/v1/responses/${id}?stream=true`)) {
      assert.equal(withoutComments(heard.text), withoutComments(text));
    }
  }, LIMIT_MS);

  test("no more background responses are made at once than one process may make", async () => {
    upstream.answer(sse([HANG]));
    const made: string[] = [];
    let refused = 0;
    for (let each = 0; each < 140; each++) {
      const { status, body } = await create({ background: true });
      if (status === 200) made.push(String(body["id"]));
      else refused += Number(status === 429);
    }
    assert.deepEqual([made.length, refused], [128, 12]);
    for (const id of made) await ask(started.url, `/v1/responses/${id}`, undefined, "DELETE");
    await until("none is made", async () => await metric(started.url, "trivium_background_running") === 0, 20_000);
  }, LIMIT_MS);

  test(
    "signed thinking that a chat client drops comes back, at whichever worker its next request arrives",
    async () => {
      const tools = [{ type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } }];
      for (let each = 0; each < MANY; each++) {
        const id = `toolu_${each}`;
        upstream.answer(replyOf(
          "messages",
          said({
            blocks: [{ kind: "thinking", text: "Look.", seal: `seal${each}` }, {
              kind: "tool",
              id,
              name: "look",
              args: "{}",
            }],
            stop: "tool_calls",
          }),
          "streamed",
        ));
        const first = chat("messages/claude-sonnet-4-5", { stream: true, tools, reasoning_effort: "low" });
        assert.equal((await ask(started.url, "/v1/chat/completions", first)).status, 200);
        upstream.answer(replyOf("messages", said(), "whole"));
        const call = { id, type: "function", function: { name: "look", arguments: "{}" } };
        const messages = [
          ...first.messages,
          { role: "assistant", content: null, tool_calls: [call] },
          { role: "tool", tool_call_id: id, content: "seen" },
        ];
        const second = await ask(started.url, "/v1/chat/completions", { ...first, stream: false, messages });
        assert.equal(second.status, 200, second.text);
        assert.ok(upstream.last().text.includes(`"signature":"seal${each}"`), upstream.last().text);
      }
    },
    LIMIT_MS,
  );

  test("a background response whose worker has ended has failed, whoever is asked", async () => {
    upstream.answer(sse([HANG]));
    const { body: { id } } = await create({ background: true });
    const before = new Map(pids(started));
    for (const pid of before.values()) process.kill(pid, "SIGKILL");
    await until("others serve", () => [...pids(started)].every(([number, pid]) => before.get(number) !== pid), 20_000);
    for (const { body } of await askAll(started.url, `/v1/responses/${id}`)) assert.equal(body["status"], "failed");
  }, LIMIT_MS);
});

function withoutComments(text: string): string {
  return text.replace(/^:.*\n\n/gm, "");
}
