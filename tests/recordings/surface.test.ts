/** Recorded exchanges of OpenAI's completions and embeddings through a started gateway, as the upstream gave them. */
import assert from "node:assert/strict";
import { afterAll, beforeAll, describe, test } from "bun:test";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { bodyOf } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { json, raw, startUpstream, type Upstream } from "../support/upstream.ts";
import { ABSENT, type Exchanged, exchangesIn } from "./recordings.ts";

let upstream: Upstream;
let gateway: StartedGateway;

beforeAll(async () => {
  upstream = await startUpstream();
  gateway = await startGateway(`
log: off
providers:
  native: { preset: vllm, base_url: "${upstream.url}/v1" }
  chat: { base_url: "${upstream.url}/v1", formats: [chat] }
`);
});
afterAll(async () => {
  await gateway.stop();
  await upstream.stop();
});

async function asked(provider: string, path: string, { request }: Exchanged): Promise<Response> {
  upstream.requests.length = 0;
  return await fetch(`${gateway.url}/v1/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...request, model: `${provider}/${request["model"]}` }),
  });
}

async function checkPassing(path: string, exchange: Exchanged): Promise<void> {
  const { request, answer, status } = exchange;
  // The gateway's own key was refused: that is no client's fault.
  const isKey = status === 401;
  upstream.answer(raw(answer, "application/json", status));
  const response = await asked("native", path, exchange);
  assert.deepEqual(upstream.last().body, request);
  assert.equal(upstream.last().path, `/v1/${path}`);
  assert.equal(response.status, isKey ? 502 : status);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (!isKey) assert.deepEqual(bytes, answer);
}

/** One text can be emulated; lists of prompts and of tokens are refused by their name. */
async function checkEmulated(exchange: Exchanged): Promise<void> {
  const { prompt } = exchange.request;
  const isOne = typeof prompt === "string" || (Array.isArray(prompt) && prompt.length === 1);
  upstream.answer(json(bodyOf("chat", said())));
  const body = { ...exchange, request: { ...exchange.request, stream: false } };
  const response = await asked("chat", "completions", body);
  const told = await response.json() as { choices?: { text: string }[]; error?: { param: string } };
  assert.equal(response.status, isOne ? 200 : 400, JSON.stringify(told));
  if (isOne) assert.equal(told.choices?.[0]?.text, "Hello from upstream.");
  else assert.equal(told.error?.param, "prompt");
}

for (const path of ["completions", "embeddings"]) {
  const exchanges = exchangesIn(`openai-${path}`);
  describe(`recorded ${path}`, () => {
    if (ABSENT !== undefined) test.skip(ABSENT, () => {});
    else test("there are some", () => assert.ok(exchanges.length > 0));
    for (const exchange of exchanges) {
      test(`${exchange.name} passes`, () => checkPassing(path, exchange));
      if (path === "completions") test(`${exchange.name} on a chat`, () => checkEmulated(exchange));
    }
  });
}
