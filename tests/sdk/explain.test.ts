/** `x-trivium-explain: 1`: the plan, shown. It must say exactly what would be sent, and nothing that is secret. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { parseJson } from "../../lib/base/json.ts";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { asArray, asObject, type Json } from "../support/grammar.ts";
import { lostPaths } from "../support/losses.ts";
import {
  FORMATS,
  MODEL,
  type Pair,
  PAIRS,
  plainBody,
  post,
  replyOf,
  type Stage,
  startStage,
  UPSTREAM_KEY,
} from "../support/pairs.ts";
import { said } from "../support/said.ts";
import type { FormatName } from "../support/told.ts";
import { json, type Received } from "../support/upstream.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

const EXPLAIN = { "x-trivium-explain": "1" };

interface Shown {
  text: string;
  plan: Json;
}

async function explained(client: FormatName, body: string, headers: Record<string, string> = {}): Promise<Shown> {
  const response = await post(stage.gateway.url, client, body, { headers: { ...headers, ...EXPLAIN } });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return { text, plan: asObject(parseJson(text)) };
}

/** What HTTP itself and the runtime's fetch add; everything else that is sent must be shown. */
const OF_TRANSPORT = /^(?:host|connection|content-length|accept-language|accept-encoding|sec-fetch-.*)$/;

/** The plan against what an upstream got: the URL, every header, every byte of the body. */
function assertTrue(plan: Json, sent: Received, upstreamUrl: string): void {
  assert.equal(plan["url"], `${upstreamUrl}${sent.path}`);
  const shown = asObject(plan["headers"]);
  for (const [name, value] of Object.entries(shown)) {
    if (value === "***") assert.ok(sent.headers[name] !== undefined, `${name} isn't sent`);
    else assert.equal(sent.headers[name], value, name);
  }
  const hidden = Object.keys(sent.headers).filter((name) => shown[name] === undefined && !OF_TRANSPORT.test(name));
  assert.deepEqual(hidden, [], "sent, but not shown");
  assert.equal(JSON.stringify(plan["body"]), sent.text);
}

const golden = fileURLToPath(new URL("../golden/requests/", import.meta.url));

function goldenBodies(client: FormatName): { name: string; body: Json }[] {
  return readdirSync(golden + client).filter((name) => name.endsWith(".json")).map((name) => ({
    name: name.slice(0, -5),
    body: JSON.parse(readFileSync(`${golden}${client}/${name}`, "utf8")),
  }));
}

/** Numbers that no double holds, escapes, members that no format knows. */
const ODD = { temperature: 0.5, made_up: { big: 0 }, stream: false, user: 'é \\ "→"' };

async function checkPair(pair: Pair, body: string, headers: Record<string, string> = {}): Promise<void> {
  const upstream = stage.upstreams[pair.upstream];
  upstream.requests.length = 0;
  upstream.answer(replyOf(pair.upstream, said(), "whole"));
  const { text, plan } = await explained(pair.client, body, headers);
  assert.equal(upstream.requests.length, 0);
  assert.ok(!text.includes(UPSTREAM_KEY[pair.upstream]), "the key shows");
  assert.equal(plan["mode"], pair.passes ? "pass-through" : "translation");
  assert.equal(plan["rule"], MODEL[pair.upstream]);
  const response = await post(stage.gateway.url, pair.client, body, { headers });
  await response.body?.cancel();
  if (plan["refused"] !== undefined) {
    assert.equal(asObject(plan["refused"])["status"], response.status);
    return assert.equal(upstream.requests.length, 0);
  }
  assert.equal(response.status, 200);
  assertTrue(plan, upstream.last(), upstream.url);
  const losses = asArray(plan["losses"]).map((loss) => String(asObject(loss)["path"]));
  assert.deepEqual(losses, lostPaths(response));
}

describe("explain shows what is then sent, to the byte, and sends nothing itself", () => {
  for (const pair of PAIRS) {
    test(pair.name, async () => {
      const body = plainBody(pair.client, MODEL[pair.upstream], ODD).replace('"big":0', '"big":12345678901234567890');
      await checkPair(pair, body, {
        "anthropic-beta": "context-1m-2025-08-07",
        "anthropic-version": "2023-06-01",
        "openai-organization": "org-1",
        authorization: "Bearer the-clients-own",
      });
      await checkPair(pair, plainBody(pair.client, MODEL[pair.upstream], { stream: true }));
    });
    for (const { name, body } of goldenBodies(pair.client)) {
      test(`${pair.name}: ${name}`, () => checkPair(pair, JSON.stringify({ ...body, model: MODEL[pair.upstream] })));
    }
  }
});

describe("explain", () => {
  test("shows the error that the client would get, strict or not", async () => {
    const twice = JSON.stringify({ model: MODEL.messages, n: 2, messages: [{ role: "user", content: "Hi" }] });
    assert.equal(asObject((await explained("chat", twice)).plan["refused"])["status"], 400);
    const losing = plainBody("chat", MODEL.messages, { seed: 1 });
    assert.equal((await explained("chat", losing)).plan["refused"], undefined);
    const strict = asObject((await explained("chat", losing, { "x-trivium-strict": "1" })).plan["refused"]);
    assert.equal(strict["status"], 400);
    assert.match(JSON.stringify(strict["body"]), /seed \(/);
  });

  test("tells each loss with its reason and its kind", async () => {
    const body = plainBody("chat", MODEL.messages, { seed: 1, response_format: { type: "json_object" } });
    const losses = asArray((await explained("chat", body)).plan["losses"]).map(asObject);
    assert.deepEqual(losses.map(({ path, kind }) => [path, kind]).toSorted(), [
      ["response_format", "emulated"],
      ["seed", "dropped"],
    ]);
  });

  test("shows what of a count of tokens is sent, and that nothing is where the upstream doesn't count", async () => {
    const count = async (model: string): Promise<Json> => {
      const response = await fetch(`${stage.gateway.url}/v1/messages/count_tokens`, {
        method: "POST",
        headers: EXPLAIN,
        body: JSON.stringify({ model, messages: [{ role: "user", content: "Hi" }] }),
      });
      return asObject(await response.json());
    };
    const upstream = stage.upstreams.messages;
    upstream.answer(json({ input_tokens: 3 }));
    const plan = await count(MODEL.messages);
    const counted = await fetch(`${stage.gateway.url}/v1/messages/count_tokens`, {
      method: "POST",
      body: JSON.stringify({ model: MODEL.messages, messages: [{ role: "user", content: "Hi" }] }),
    });
    assert.equal(asObject(await counted.json())["input_tokens"], 3);
    assertTrue(plan, upstream.last(), upstream.url);
    const local = await count(MODEL.chat);
    assert.deepEqual([local["url"], local["body"], local["rule"]], [undefined, undefined, MODEL.chat]);
  });

  test("an envelope that a pass-through request echoes is shown as stripped, and named", async () => {
    // What a chat upstream's thinking becomes for a messages client is signed by an envelope of the gateway's.
    const reasoned = {
      role: "assistant",
      content: "Hello",
      reasoning_details: [{
        type: "reasoning.encrypted",
        data: "c2VhbGVk",
        id: "rs_1",
        format: "openai-responses-v1",
      }],
    };
    stage.upstreams.chat.answer(json({
      id: "c1",
      object: "chat.completion",
      created: 1,
      model: "m",
      choices: [{ index: 0, message: reasoned, finish_reason: "stop" }],
    }));
    const first = asObject(await (await post(stage.gateway.url, "messages", plainBody("messages", MODEL.chat))).json());
    assert.ok(JSON.stringify(first["content"]).includes('"gw1.'), "the test needs an envelope");
    const messages = [
      { role: "user", content: "Hi" },
      { role: "assistant", content: first["content"] },
      { role: "user", content: "Go on" },
    ];
    const body = JSON.stringify({ model: MODEL.messages, max_tokens: 100, messages });
    const { text, plan } = await explained("messages", body);
    assert.ok(!text.includes("gw1."));
    assert.ok(asArray(plan["losses"]).length > 0);
    await checkPair(PAIRS.find(({ client, upstream }) => client === "messages" && upstream === client) as Pair, body);
  });

  test("a body whose escapes no JSON has is shown as text where it would pass", async () => {
    const body = `{"model":"${MODEL.chat}","messages":[{"role":"user","content":"\\x"}]}`;
    const response = await post(stage.gateway.url, "chat", body, { headers: EXPLAIN });
    const shown = asObject(await response.json());
    assert.equal(response.status, 200);
    assert.match(String(shown["body"]), /"content":"\\x"/);
  });
});

describe("explain without keys", () => {
  let bare: StartedGateway;
  beforeAll(async () => {
    bare = await startGateway(
      "log: off\nproviders: { openai: {}, anthropic: {} }\nmodels:\n" +
        "  - { name: fast, target: openai/gpt-5-mini }\n  - { name: big-*, target: anthropic/claude-* }\n",
    );
  });
  afterAll(() => bare.stop());

  for (const client of FORMATS) {
    test(`an alias and a pattern, ${client} client`, async () => {
      for (
        const [model, provider, target, variable] of [
          ["fast", "openai", "gpt-5-mini", "OPENAI_API_KEY"],
          ["big-opus-4-5", "anthropic", "claude-opus-4-5", "ANTHROPIC_API_KEY"],
        ]
      ) {
        const response = await post(bare.url, client, plainBody(client, String(model)), { headers: EXPLAIN });
        const plan = asObject(await response.json());
        assert.deepEqual(plan["targets"], [{ provider, model: target }]);
        assert.equal(plan["waits_for"], variable);
        assert.equal(asObject(plan["body"])["model"], target);
        assert.match(String(plan["url"]), /^https:\/\/api\./);
        assert.ok(Object.values(asObject(plan["headers"])).includes("***"));
      }
    });
  }
});
