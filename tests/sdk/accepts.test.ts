/**
 * PITFALLS 8: what an upstream refuses, told in the config without a release: `drop_fields`, `drop_betas`, `allow_betas`.
 * Left out and said, on pass-through and in translation; without such a line nothing is touched.
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { lostPaths } from "../support/losses.ts";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { asObject } from "../support/grammar.ts";
import { bodyOf, FORMATS, PATH, post } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { json, startUpstream, type Upstream } from "../support/upstream.ts";

let upstream: Upstream;
let gateway: StartedGateway;

beforeAll(async () => {
  upstream = await startUpstream(({ path }) =>
    json(bodyOf(FORMATS.find((each) => PATH[each] === path) ?? "chat", said()))
  );
  const base = `base_url: "${upstream.url}/v1", api_key: k`;
  gateway = await startGateway(`
log: off
providers:
  plain: { ${base}, formats: [messages] }
  drops: { ${base}, formats: [messages], drop_fields: [context_management, top_k], drop_betas: [context-management-*, a-1] }
  allows: { ${base}, formats: [messages], allow_betas: [claude-code-20250219, b-*] }
  chat: { ${base}, formats: [chat], drop_fields: [seed, stream_options, user] }
models:
  - { name: strict, target: drops/claude-opus-5-5, on_loss: reject }
`);
});
afterAll(async () => {
  await gateway.stop();
  await upstream.stop();
});

/** As Claude Code sends it, with numbers and spaces that a parser would lose. */
const BODY = (model: string) =>
  `{ "model" : "${model}",  "context_management":{"edits":[{"type":"clear_thinking_20251015"}]}, "max_tokens": 1e3,` +
  ` "messages":[{"role":"user","content":"caf\\u00e9"}], "top_k":null,"big":12345678901234567890 }`;
const BETAS = "claude-code-20250219, context-management-2025-06-27,a-1,b-2";

const send = (model: string, body = BODY(model)) =>
  post(gateway.url, "messages", body, { headers: { "anthropic-beta": BETAS } });

describe("where bytes pass", () => {
  test("nothing is touched unless the config says so", async () => {
    const response = await send("plain/claude-opus-5-5");
    assert.equal(response.headers.get("x-trivium-loss"), null);
    assert.equal(upstream.last().text, BODY("claude-opus-5-5"));
    assert.equal(upstream.last().headers["anthropic-beta"], BETAS);
  });

  test("members and betas are left out and said; what is left keeps its bytes", async () => {
    const response = await send("drops/claude-opus-5-5");
    assert.equal(response.status, 200);
    // top_k was null: leaving that out loses nothing.
    assert.deepEqual(lostPaths(response), [
      "context_management",
      "anthropic-beta.context-management-2025-06-27",
      "anthropic-beta.a-1",
    ]);
    const { text, headers } = upstream.last();
    assert.equal(
      text,
      `{"model":"claude-opus-5-5","max_tokens":1e3,"messages":[{"role":"user","content":"caf\\u00e9"}],` +
        `"big":12345678901234567890}`,
    );
    assert.equal(headers["anthropic-beta"], "claude-code-20250219,b-2");
  });

  test("allow_betas: all others are left out", async () => {
    const response = await send("allows/claude-opus-5-5");
    assert.equal(upstream.last().headers["anthropic-beta"], "claude-code-20250219,b-2");
    assert.match(response.headers.get("x-trivium-loss") ?? "", /anthropic-beta\.a-1/);
    assert.equal(upstream.last().text, BODY("claude-opus-5-5"));
  });

  test("where losses are refused, the request is", async () => {
    const before = upstream.requests.length;
    const response = await send("strict");
    assert.equal(response.status, 400);
    assert.match(await response.text(), /context_management \(the config says that \\"drops\\" refuses it\)/);
    assert.equal(upstream.requests.length, before);
  });

  test("a count is asked for without them too", async () => {
    upstream.requests.length = 0;
    await fetch(`${gateway.url}/v1/messages/count_tokens`, { method: "POST", body: BODY("drops/claude-opus-5-5") });
    assert.equal("context_management" in asObject(upstream.last().body), false);
  });
});

describe("in translation", () => {
  test("the upstream's members are left out; what the gateway adds by itself is no loss", async () => {
    const body = JSON.stringify({ model: "chat/small-1", input: "Hi", stream: true, safety_identifier: "someone" });
    const response = await post(gateway.url, "responses", body);
    await response.body?.cancel();
    const told = asObject(upstream.last().body);
    assert.equal("stream_options" in told || "user" in told, false);
    assert.deepEqual(lostPaths(response), ["user"]);
  });
});
