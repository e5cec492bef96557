/** `main.ts explain` as a process: what it prints where, and its exit code, for all that may stand on stdin. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { asArray, asObject, type Json } from "../support/grammar.ts";
import { framesOf, plainBody } from "../support/pairs.ts";
import { runProcess, SOURCE } from "../support/process.ts";
import { said } from "../support/said.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "trivium-explain-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function explain(args: readonly string[], input = "", env: Record<string, string> = {}) {
  return runProcess([...SOURCE, "explain", ...args], env, folder, input);
}

function shown(stdout: string): Json {
  return asObject(JSON.parse(stdout));
}

const CHAT = plainBody("chat", "claude-sonnet-4-5", { seed: 7 });

describe("what would happen", () => {
  test("plan and losses on stdout, without a key", () => {
    const done = explain(["--as", "chat"], CHAT);
    assert.deepEqual([done.code, done.stderr], [0, ""]);
    const plan = shown(done.stdout);
    assert.equal(plan["url"], "https://api.anthropic.com/v1/messages");
    assert.equal(plan["waits_for"], "ANTHROPIC_API_KEY");
    assert.equal(plan["mode"], "translation");
    assert.deepEqual(asArray(plan["losses"]).map((loss) => asObject(loss)["path"]), ["seed"]);
  }, 20_000);

  test("a key of the environment doesn't show", () => {
    const key = "canary-key-1f2e3d4c5b6a";
    const done = explain(["--as", "chat"], CHAT, { ANTHROPIC_API_KEY: key });
    assert.equal(done.code, 0);
    assert.ok(!done.stdout.includes(key));
    assert.equal(asObject(shown(done.stdout)["headers"])["x-api-key"], "***");
  }, 20_000);

  test("another config by --config, and a missing one", () => {
    const file = join(folder, "own.yaml");
    writeFileSync(
      file,
      'providers: { lab: { base_url: "http://127.0.0.1:9/v1", formats: [chat] } }\nmodels: [{ name: own-*, target: lab/* }]\n',
    );
    const done = explain(["--as", "chat", "--config", file], plainBody("chat", "own-m"));
    assert.deepEqual([shown(done.stdout)["rule"], asObject(shown(done.stdout)["body"])["model"]], ["own-*", "m"]);
    const missing = explain(["--as", "chat", "--config", join(folder, "none.yaml")], CHAT);
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /none\.yaml: no such file/);
  }, 20_000);
});

describe("what would be refused ends with 1 and the client's own error", () => {
  const rows: [string, string[], string, RegExp][] = [
    [
      "a request that can't be carried",
      ["--as", "chat"],
      plainBody("chat", "claude-sonnet-4-5", { n: 2 }),
      /"status": 400/,
    ],
    ["a loss, with --strict", ["--as", "chat", "--strict"], CHAT, /seed \(messages has no such field\)/],
    ["a model that nobody serves", ["--as", "chat"], plainBody("chat", "gtp-5"), /is not served here/],
    ["JSON that isn't", ["--as", "messages"], '{"model": "x", ', /not valid JSON: Expected a member name/],
    ["no model", ["--as", "responses"], "{}", /Missing required string/],
  ];
  for (const [name, args, input, expected] of rows) {
    test(name, () => {
      const done = explain(args, input);
      assert.equal(done.code, 1, done.stderr);
      assert.match(done.stdout, expected);
    }, 20_000);
  }
});

describe("what can't be explained ends with 2 and says how to ask", () => {
  const rows: [string, string[], string, RegExp][] = [
    ["nothing on stdin", ["--as", "chat"], " \n", /nothing on stdin; explain reads .* --as chat < request\.json/],
    ["no format", [], CHAT, /explain needs --as chat, --as messages or --as responses\n/],
    ["an unknown format", ["--as", "chatt"], CHAT, /explain needs .*, not --as chatt/],
    ["a missing answer", ["--as", "chat", "--answer", "none.sse"], CHAT, /none\.sse: can't be read/],
    ["an answer of neither kind", ["--as", "chat", "--answer", "a.txt"], CHAT, /a\.txt: an answer's file ends in/],
    ["an unknown flag", ["--as", "chat", "--frob"], CHAT, /--frob/],
  ];
  for (const [name, args, input, expected] of rows) {
    test(name, () => {
      const done = explain(args, input);
      assert.equal(done.code, 2, done.stdout);
      assert.equal(done.stdout, "");
      assert.match(done.stderr, expected);
    }, 20_000);
  }
});

describe("an upstream's answer as the client would see it", () => {
  test("a stream, with what is lost of it on stderr", () => {
    const image = { type: "image_url", image_url: { url: "data:image/png;base64,aW1n" } };
    const [first = "", ...rest] = framesOf("chat", said());
    const chunk = { id: "c", object: "chat.completion.chunk", created: 1, model: "m" };
    const drawn = { ...chunk, choices: [{ index: 0, delta: { images: [image] }, finish_reason: null }] };
    const file = join(folder, "answer.sse");
    writeFileSync(file, [first, `data: ${JSON.stringify(drawn)}\n\n`, ...rest].join(""));
    const config = join(folder, "lab.yaml");
    writeFileSync(config, 'providers: { lab: { base_url: "http://127.0.0.1:9/v1", formats: [chat] } }\n');
    const args = ["--as", "messages", "--config", config, "--answer", file];
    const done = explain(args, plainBody("messages", "lab/m", { stream: true, made_up: 1 }));
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /^event: message_start\n/);
    assert.match(done.stdout, /event: message_stop\n/);
    assert.match(done.stderr, /^HTTP 200\n/);
    assert.match(done.stderr, /x-trivium-loss: made_up;/);
    assert.match(done.stderr, /loss: .*"path":"content\[\d\]".*"in":"answer"/);
  }, 20_000);

  test("an upstream's error, exit code 1", () => {
    const file = join(folder, "error.json");
    writeFileSync(file, JSON.stringify({ error: { message: "Slow down", code: 429, type: "rate_limit" } }));
    const done = explain(["--as", "messages", "--answer", file], plainBody("messages", "gpt-5"));
    assert.equal(done.code, 1);
    assert.equal(asObject(shown(done.stdout)["error"])["type"], "rate_limit_error");
    assert.match(done.stderr, /^HTTP 429\n/);
  }, 20_000);
});
