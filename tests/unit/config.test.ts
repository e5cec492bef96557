import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { describe, test } from "bun:test";
import { type Config, formatIssue, parseConfig, schemaText } from "../../lib/config.ts";

function issues(text: string, env = {}): string[] {
  const result = parseConfig(text, "config.yaml", env);
  return result.ok ? [] : result.issues.map(formatIssue);
}

function config(text: string, env = {}): Config {
  const result = parseConfig(text, "config.yaml", env);
  assert.ok(result.ok, result.ok ? "" : result.issues.map(formatIssue).join("\n"));
  return result.value;
}

describe("parseConfig", () => {
  test("tells every fault at once, of shape and of meaning, with line, column, path and a suggestion", () => {
    const text = `listen: 127.0.0.1
lisen: 3
providers:
  opnai: {}
  lab:
    base_url: http://127.0.0.1:9000/v1
    formats: [chatt, 3]
  b: { preset: anthropi, base_url: foo }
models:
  - name: a
    target: lap/x
  - nam: b
  - 3
  - name: a
    target: b/x
`;
    assert.deepEqual(issues(text), [
      'config.yaml:1:9  listen  Expected host:port but got "127.0.0.1"',
      'config.yaml:2:1  lisen  Unknown key "lisen"; did you mean "listen"?',
      'config.yaml:4:3  providers.opnai  A provider that is no preset needs a base_url; did you mean the preset "openai"?',
      'config.yaml:7:15  providers.lab.formats[0]  Expected "chat", "messages" or "responses" but got "chatt"; did you mean "chat"?',
      'config.yaml:7:22  providers.lab.formats[1]  Expected "chat", "messages" or "responses" but got 3',
      'config.yaml:8:16  providers.b.preset  Expected a known name but got "anthropi"; did you mean "anthropic"?',
      'config.yaml:11:13  models[0].target  No provider "lap"; did you mean "lab"?',
      "config.yaml:12:5  models[1].name  Expected a string but got nothing",
      "config.yaml:12:5  models[1].target  Expected a string but got nothing",
      'config.yaml:12:5  models[1].nam  Unknown key "nam"; did you mean "name"?',
      "config.yaml:13:5  models[2]  Expected an object but got 3",
      'config.yaml:14:11  models[3].name  The name "a" stands here twice: this one would never be reached',
    ]);
  });

  test("points at broken YAML", () => {
    assert.match(issues("providers:\n  a: [1\nmodels: 2")[0] ?? "", /^config\.yaml:3:1 {2}/);
  });

  test("fills variables in, with defaults, in flow style too, and keeps an escaped one", () => {
    const text =
      "providers:\n  lab: { base_url: 'http://h:${PORT:-9}/v1', headers: { a: ${A}, b: '$${A}' }, api_key: ${K:-k}-x }";
    const lab = config(text, { A: "one" }).providers.get("lab");
    assert.equal(lab?.baseUrl, "http://h:9/v1");
    assert.deepEqual(lab?.headers, { a: "one", b: "${A}" });
    assert.equal(lab?.apiKey?.reveal(), "k-x");
  });

  test("a variable that is not set is an error, but a key's makes its provider wait", () => {
    const text = "providers:\n  lab: { base_url: http://h/v1, headers: { a: ${A} } }";
    assert.deepEqual(issues(text), [
      "config.yaml:2:47  providers.lab.headers.a  The environment variable A is not set; set it or write ${A:-default}",
    ]);
    const waiting = config("providers:\n  openai:\n  lab: { base_url: http://h/v1, api_key: ${K} }");
    assert.equal(waiting.providers.get("openai")?.waitsFor, "OPENAI_API_KEY");
    assert.equal(waiting.providers.get("lab")?.waitsFor, "K");
    assert.equal(
      config("providers:\n  openai:", { OPENAI_API_KEY: "sk" }).providers.get("openai")?.waitsFor,
      undefined,
    );
  });

  test("a target needs a known provider, a model, and a pattern for its *", () => {
    const text =
      "providers: { lab: { base_url: http://h/v1 } }\nmodels: [{ name: a, target: lab/* }, { name: b, target: lab }, { name: a*b*, target: lab/x }]";
    assert.equal(issues(text).length, 3);
  });

  test("default providers: known ones, of the right shape; for messages the first that isn't the mock", () => {
    const providers = "providers: { mock: {}, openai: {}, anthropic: {}, other: { preset: anthropic } }";
    const sound = config(`${providers}\ndefault_provider: openai`);
    assert.equal(sound.defaultProvider?.name, "openai");
    assert.equal(sound.defaultMessagesProvider?.name, "anthropic");
    assert.equal(config(`${providers}\ndefault_messages_provider: other`).defaultMessagesProvider?.name, "other");
    assert.equal(config("providers: { mock: {} }").defaultMessagesProvider, undefined);
    assert.equal(config(`${providers}\nmodels_only: true`).defaultMessagesProvider, undefined);
    assert.deepEqual(issues(`${providers}\ndefault_provider: anthropic\ndefault_messages_provider: antropic`), [
      'config.yaml:2:19  default_provider  Provider "anthropic" speaks messages; expected one with chat or responses',
      'config.yaml:3:28  default_messages_provider  No provider "antropic"; did you mean "anthropic"?',
    ]);
  });

  test("what is no config at all is told like any fault, never a crash", () => {
    assert.deepEqual(issues("- 1"), ["config.yaml:1:1  Expected an object but got an array"]);
    assert.match(
      issues("models: [{ name: *-mini, target: a/b }]")[0] ?? "",
      /^config\.yaml:1:18 {2}The alias \*-mini .*quote names/,
    );
    assert.equal(issues("a: &a [*a]").length, 1);
    // No member of its own would slip past by it.
    assert.match(issues("__proto__: { models_only: true }")[0] ?? "", /Unknown key "__proto__"/);
    assert.match(issues("providers: { a: { base_url: http://u:p@h/v1 } }")[0] ?? "", /without user, query or fragment/);
  });

  test("capabilities: each fault at its place, with what may be meant", () => {
    const text = `capabilities:
  - { match: big-*, max_output_tokens: 9000, effort_budgets: { high: 5000 } }
  - { match: a*b* }
  - { match: b, thinkin: budget }
  - { match: c, thinking: bugdet, inputs: [text, imag] }
  - { match: big-*, effort_budgets: { hihg: 1 } }
  - { match: d, max_output_tokens: many }
  - { prefill: true }
`;
    assert.deepEqual(issues(text), [
      'config.yaml:3:14  capabilities[1].match  Expected at most one * but got "a*b*"',
      'config.yaml:4:17  capabilities[2].thinkin  Unknown key "thinkin"; did you mean "thinking"?',
      'config.yaml:5:27  capabilities[3].thinking  Expected "adaptive", "budget", "effort", "none" or "unknown" but got "bugdet"; did you mean "budget"?',
      'config.yaml:5:50  capabilities[3].inputs[1]  Expected "text", "image", "document", "audio" or "video" but got "imag"; did you mean "image"?',
      'config.yaml:6:39  capabilities[4].effort_budgets.hihg  Unknown key "hihg"; did you mean "high"?',
      'config.yaml:7:36  capabilities[5].max_output_tokens  Expected a number but got "many"',
      "config.yaml:8:5  capabilities[6].match  Expected a string but got nothing",
    ]);
    const [rule] =
      config("capabilities: [{ match: x, max_output_tokens: 9, effort_budgets: { high: 5 } }]").capabilities;
    assert.deepEqual(rule, { match: "x", says: { maxOutputTokens: 9, effortBudgets: { high: 5 } } });
  });

  test("what a provider drops: patterns with a * at the end, and nothing that a request needs", () => {
    const text =
      "providers: { lab: { base_url: http://h/v1, drop_fields: [seed, model], drop_betas: [a-*] }, b: { base_url: http://h/v1, drop_betas: ['b*c'] } }";
    assert.deepEqual(issues(text), [
      'config.yaml:1:64  providers.lab.drop_fields[1]  "model" can\'t be dropped: a request is nothing without it',
      'config.yaml:1:134  providers.b.drop_betas[0]  Expected a name with a * at its end at most (got "b*c")',
    ]);
    const { dropFields, dropBetas, allowBetas } = config(
      "providers: { lab: { base_url: http://h/v1, drop_fields: [seed], drop_betas: [a-*], allow_betas: [] } }",
    ).providers.get("lab") ?? {};
    assert.deepEqual({ dropFields, dropBetas, allowBetas }, {
      dropFields: ["seed"],
      dropBetas: ["a-*"],
      allowBetas: [],
    });
  });

  test("keys never print", () => {
    const printed = config("providers:\n  openai: { api_key: canary-key-123 }");
    assert.ok(!inspect(printed, { depth: 9 }).includes("canary"));
    assert.ok(!JSON.stringify([...printed.providers.values()]).includes("canary"));
    assert.ok(!`${printed.providers.get("openai")?.apiKey}`.includes("canary"));
  });

  test("state is in memory unless it is asked for, and then a file", () => {
    assert.deepEqual(config("").state, { path: ":memory:", ttlMs: 2_592_000_000, maxBytes: 64 * 1024 * 1024 });
    assert.deepEqual(config("state: {}").state, {
      path: "trivium.db",
      ttlMs: 2_592_000_000,
      maxBytes: 1024 * 1024 * 1024,
    });
    const small = config("state: { path: s.db, ttl_hours: 0.5, max_mb: 2 }").state;
    assert.deepEqual(small, { path: "s.db", ttlMs: 1_800_000, maxBytes: 2 * 1024 * 1024 });
    assert.deepEqual(issues("state: { ttl_hour: 3, max_mb: 0 }"), [
      'config.yaml:1:10  state.ttl_hour  Unknown key "ttl_hour"; did you mean "ttl_hours"?',
      "config.yaml:1:31  state.max_mb  Too small: expected number to be >0 (got 0)",
    ]);
  });

  test("the shipped config is sound and names the committed schema, which is current", () => {
    const root = new URL("../../", import.meta.url);
    const shipped = readFileSync(new URL("config.yaml", root), "utf8");
    assert.deepEqual(issues(shipped), []);
    const path = /^# yaml-language-server: \$schema=(\S+)\n/.exec(shipped)?.[1] ?? "";
    assert.equal(readFileSync(new URL(path, root), "utf8"), schemaText(), "run `bun run schema`");
  });
});
