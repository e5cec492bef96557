import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import { type Config, parseConfig } from "../../lib/config.ts";
import { route } from "../../lib/router.ts";

function load(text: string): Config {
  const result = parseConfig(text, "config.yaml", {});
  assert.ok(result.ok);
  return result.value;
}

const CONFIG = `
providers: { lab: { base_url: http://a/v1 }, anthropic: {} }
models:
  - { name: fast, target: lab/small-1 }
  - { name: claude-opus, target: lab/own-opus }
  - { name: claude-*, target: anthropic/claude-* }
  - { name: "*-mini", target: lab/* }
  - { name: x*y, target: lab/fixed }
`;

function target(name: string, text = CONFIG): string {
  const routed = route(load(text), name, () => []);
  return routed.ok ? `${routed.value.provider.name}/${routed.value.model}` : routed.failure.message;
}

describe("route", () => {
  test("first match wins, and a * carries what the pattern's * matched", () => {
    assert.equal(target("fast"), "lab/small-1");
    assert.equal(target("claude-opus"), "lab/own-opus");
    assert.equal(target("claude-sonnet-4-5"), "anthropic/claude-sonnet-4-5");
    assert.equal(target("gpt-mini"), "lab/gpt");
    assert.equal(target("xaby"), "lab/fixed");
    assert.equal(target("claude-$&-x"), "anthropic/claude-$&-x");
  });

  test("provider/model is always addressable, unless models_only", () => {
    assert.equal(target("lab/any/thing"), "lab/any/thing");
    assert.match(target("lab/any", `models_only: true\n${CONFIG}`), /not served/);
  });

  test("a model nobody serves is a 404 that suggests the nearest names", () => {
    const routed = route(load(CONFIG), "fsat", () => []);
    assert.ok(!routed.ok);
    assert.equal(routed.failure.kind, "not_found");
    assert.match(routed.failure.message, /"fsat".*did you mean "fast"\?/);
    assert.match(target("lab/"), /not served/);
    assert.match(target("zzzzzzzz"), /GET \/v1\/models/);
  });
});
