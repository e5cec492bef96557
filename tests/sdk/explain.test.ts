/** `x-trivium-explain: 1`: the plan, shown. It must say exactly what would be sent, and nothing that is secret. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { asObject } from "../support/grammar.ts";
import { lostPaths } from "../support/losses.ts";
import {
  MODEL,
  PAIRS,
  PATH,
  plainBody,
  post,
  replyOf,
  type Stage,
  startStage,
  UPSTREAM_KEY,
} from "../support/pairs.ts";
import { said } from "../support/said.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

const EXPLAIN = { headers: { "x-trivium-explain": "1" } };

describe("explain", () => {
  for (const pair of PAIRS) {
    test(`shows what is then sent, and sends nothing itself: ${pair.name}`, async () => {
      const upstream = stage.upstreams[pair.upstream];
      upstream.requests.length = 0;
      upstream.answer(replyOf(pair.upstream, said(), "whole"));
      const body = plainBody(pair.client, MODEL[pair.upstream], { temperature: 0.5, made_up: 1 });
      const explained = await post(stage.gateway.url, pair.client, body, EXPLAIN);
      assert.equal(upstream.requests.length, 0);
      const text = await explained.text();
      assert.ok(!text.includes(UPSTREAM_KEY[pair.upstream]), "the key shows");
      const shown = asObject(JSON.parse(text));

      const response = await post(stage.gateway.url, pair.client, body);
      assert.equal(response.status, 200);
      const sent = upstream.last();
      assert.deepEqual(shown["body"], sent.body);
      assert.equal(shown["url"], `${upstream.url}${sent.path}`);
      assert.equal(shown["mode"], pair.passes ? "pass-through" : "translation");
      assert.equal(shown["rule"], MODEL[pair.upstream]);
      const losses = (shown["losses"] as { path: string }[]).map(({ path }) => path);
      assert.deepEqual(losses, lostPaths(response));
      const headers = asObject(shown["headers"]);
      for (const name of Object.keys(headers)) assert.ok(sent.headers[name] !== undefined, `${name} isn't sent`);
    });
  }

  test("shows the error that the client would get", async () => {
    const body = JSON.stringify({ model: MODEL.messages, n: 2, messages: [{ role: "user", content: "Hi" }] });
    const shown = asObject(await (await post(stage.gateway.url, "chat", body, EXPLAIN)).json());
    assert.equal(asObject(shown["refused"])["status"], 400);
    const strict = await fetch(stage.gateway.url + PATH.chat, {
      method: "POST",
      headers: { "x-trivium-strict": "1" },
      body: JSON.stringify({ model: MODEL.messages, seed: 1, messages: [{ role: "user", content: "Hi" }] }),
    });
    assert.equal(strict.status, 400);
    assert.match(await strict.text(), /seed \(/);
  });
});
