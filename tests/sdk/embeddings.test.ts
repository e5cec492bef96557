/** `POST /v1/embeddings`: bytes pass, but for numbers in another shape than was asked for (TRANSLATION.md, section 6). */
import OpenAI from "openai";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { afterAll, beforeAll, beforeEach, describe, test } from "bun:test";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { json, raw, startUpstream, type Upstream } from "../support/upstream.ts";

let upstream: Upstream;
let gateway: StartedGateway;
let openai: OpenAI;

beforeAll(async () => {
  upstream = await startUpstream();
  gateway = await startGateway(
    `
log: off
providers:
  mock: {}
  chatty: { base_url: "${upstream.url}/v1", formats: [chat], api_key: canary-embeddings-key }
  newer: { base_url: "${upstream.url}/v1", formats: [responses] }
  anthropic: { base_url: "${upstream.url}/v1", api_key: k }
models:
  - { name: small, target: chatty/text-embedding-3-small }
`,
  );
  openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: "client", maxRetries: 0 });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.stop();
});
beforeEach(() => {
  upstream.requests.length = 0;
});

/** Numbers that a float32 holds exactly, and some that it doesn't. */
const EXACT = [0.5, -0.25, 1, 0, -3.75];
const CLOSE = [0.0123456789, -0.987654321, 1e-7, 123.456];

function packed(numbers: readonly number[]): string {
  return Buffer.from(new Float32Array(numbers).buffer).toString("base64");
}

function listOf(...embeddings: unknown[]): Record<string, unknown> {
  const data = embeddings.map((embedding, index) => ({ object: "embedding", index, embedding }));
  return { object: "list", data, model: "text-embedding-3-small", usage: { prompt_tokens: 3, total_tokens: 3 } };
}

/** The body of an answer to a request by hand. */
async function asked(fields: Record<string, unknown>): Promise<{ data: { embedding: unknown }[] }> {
  const response = await fetch(`${gateway.url}/v1/embeddings`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "small", input: "x", ...fields }),
  });
  assert.equal(response.status, 200);
  return await response.json() as { data: { embedding: unknown }[] };
}

describe("TRANSLATION.md, case 40: the SDK asks for base64 where its caller asked for nothing", () => {
  test("an upstream that answers floats: the vector is intact", async () => {
    upstream.answer(json(listOf(EXACT, CLOSE)));
    const { data } = await openai.embeddings.create({ model: "small", input: ["a", "b"] });
    assert.equal((upstream.last().body as Record<string, unknown>)["encoding_format"], "base64");
    assert.deepEqual(data.map(({ embedding }) => embedding), [EXACT, CLOSE.map(Math.fround)]);
  });

  test("an upstream that answers base64: its bytes pass", async () => {
    const body = JSON.stringify(listOf(packed(EXACT)), null, 3);
    upstream.answer(raw(body, "application/json"));
    const response = await openai.embeddings.create({ model: "small", input: "a" }).asResponse();
    assert.equal(await response.text(), body);
  });

  test("only what is in the other shape is touched", async () => {
    upstream.answer(json(listOf(packed(EXACT), EXACT, "", [], null)));
    const { data } = await asked({ encoding_format: "base64" });
    assert.deepEqual(data.map(({ embedding }) => embedding), [packed(EXACT), packed(EXACT), "", "", null]);
  });
});

describe("floats were asked for", () => {
  for (const fields of [{ encoding_format: "float" }, {}, { encoding_format: null }]) {
    test(`${JSON.stringify(fields)}: base64 is unpacked, by as few digits as tell the number`, async () => {
      upstream.answer(json(listOf(packed(EXACT), packed([0.1, -0.3, 1 / 3]))));
      const { data } = await asked(fields);
      assert.deepEqual(data[0]?.embedding, EXACT);
      const numbers = data[1]?.embedding as number[];
      assert.deepEqual(numbers.slice(0, 2), [0.1, -0.3]);
      assert.equal(Math.fround(numbers[2] ?? 0), Math.fround(1 / 3));
    });
  }

  test("what is no list of float32, or holds what JSON can't say, stays as it came", async () => {
    for (const other of ["AAAAAAE=", packed([1, NaN]), packed([Infinity]), packed([-Infinity, 0])]) {
      upstream.answer(json(listOf(other, packed(EXACT))));
      const { data } = await asked({ encoding_format: "float" });
      assert.deepEqual(data.map(({ embedding }) => embedding), [other, EXACT]);
    }
  });

  test("numbers of every size, each by the fewest digits", async () => {
    const sizes = [0.1, 3.4028235e38, 1.1754944e-38, 1e-45, -1.5e-30, 16777217, 8.5e20, 0.30000001, 0, 999999.94];
    upstream.answer(json(listOf(packed(sizes))));
    const { data } = await asked({ encoding_format: "float" });
    const [numbers = []] = data.map(({ embedding }) => embedding as number[]);
    assert.deepEqual(numbers.map(Math.fround), sizes.map(Math.fround));
    assert.deepEqual(numbers.slice(0, 1), [0.1]);
    assert.ok(
      numbers.every((number) => Math.abs(number).toExponential().replace(/e.*/, "").length <= 10),
      `${numbers}`,
    );
  });

  test("a format that no JSON string is, is the upstream's to refuse", async () => {
    upstream.answer(json(listOf(EXACT)));
    const response = await fetch(`${gateway.url}/v1/embeddings`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"model":"small","input":"x","encoding_format":"\\q"}',
    });
    assert.equal(response.status, 200);
    assert.deepEqual((await response.json() as { data: { embedding: unknown }[] }).data[0]?.embedding, EXACT);
  });

  test("by the SDK: floats pass as they are", async () => {
    upstream.answer(json(listOf(CLOSE)));
    const { data } = await openai.embeddings.create({ model: "small", input: "a", encoding_format: "float" });
    assert.deepEqual(data[0]?.embedding, CLOSE);
  });

  test("other words and other number types are not ours to judge", async () => {
    upstream.answer(json(listOf([1, 2])));
    assert.deepEqual((await asked({ encoding_format: "ubinary" })).data[0]?.embedding, [1, 2]);
    upstream.answer(json(listOf("AQI=")));
    assert.deepEqual((await asked({ output_dtype: "int8" })).data[0]?.embedding, "AQI=");
  });
});

describe("where it goes", () => {
  test("the model is exchanged in place, all else is the client's bytes", async () => {
    upstream.answer(json(listOf([1])));
    const body = `{ "input":[1,2, 3],"model" : "small", "dimensions":1e0,"encoding_format":"float" }`;
    const headers = { "content-type": "application/json", authorization: "Bearer client" };
    await (await fetch(`${gateway.url}/v1/embeddings`, { method: "POST", headers, body })).text();
    const { text, path, headers: sent } = upstream.last();
    assert.equal(path, "/v1/embeddings");
    assert.equal(text, body.replace('"small"', '"text-embedding-3-small"'));
    assert.equal(sent["authorization"], "Bearer canary-embeddings-key");
  });

  test("a provider of responses has them too", async () => {
    upstream.answer(json(listOf(EXACT)));
    const { data } = await openai.embeddings.create({ model: "newer/any", input: "a" });
    assert.deepEqual(data[0]?.embedding, EXACT);
  });

  test("one that speaks messages alone: a typed 400 that says what to do", async () => {
    await assert.rejects(
      openai.embeddings.create({ model: "anthropic/claude", input: "a" }),
      (error: InstanceType<typeof OpenAI.APIError>) => {
        assert.equal(error.status, 400);
        assert.equal(error.code, "unsupported_parameter");
        assert.equal(error.param, "model");
        assert.match(error.message, /chat or responses/);
        return true;
      },
    );
    assert.equal(upstream.requests.length, 0);
  });

  test("errors pass in the upstream's words", async () => {
    const error = { message: "Invalid 'dimensions'", type: "invalid_request_error", param: "dimensions", code: null };
    upstream.answer(json({ error }, 400));
    await assert.rejects(openai.embeddings.create({ model: "small", input: "a" }), (thrown: { error?: unknown }) => {
      assert.deepEqual(thrown.error, error);
      return true;
    });
  });

  test("x-trivium-explain shows it and sends nothing", async () => {
    const response = await fetch(`${gateway.url}/v1/embeddings`, {
      method: "POST",
      headers: { "x-trivium-explain": "1" },
      body: JSON.stringify({ model: "small", input: "x" }),
    });
    const told = await response.json() as Record<string, unknown>;
    assert.equal(told["client"], "embeddings");
    assert.equal(told["mode"], "pass-through");
    assert.equal(told["url"], `${upstream.url}/v1/embeddings`);
    assert.equal(upstream.requests.length, 0);
  });
});

describe("the mock embeds", () => {
  test("the same input has the same unit vector, in both shapes and in the length asked for", async () => {
    const input = ["three roads", "two roads", "three roads"];
    const { data, usage } = await openai.embeddings.create({ model: "mock/embed-64", input });
    const [first, second, third] = data.map(({ embedding }) => embedding);
    assert.equal(first?.length, 64);
    assert.deepEqual(first, third);
    assert.notDeepEqual(first, second);
    assert.ok(Math.abs(Math.hypot(...first ?? []) - 1) < 1e-6);
    assert.equal(usage.prompt_tokens, 6);
    const floats = await openai.embeddings.create({ model: "mock/embed-64", input, encoding_format: "float" });
    assert.deepEqual(floats.data[0]?.embedding.map(Math.fround), first);
    const short = await openai.embeddings.create({ model: "mock/echo", input: [1, 2], dimensions: 3 });
    assert.equal(short.data[0]?.embedding.length, 3);
  });

  test("what is wrong is said", async () => {
    for (const wrong of [{ input: {} }, { input: [] }, { dimensions: 0 }, { model: "mock/none" }]) {
      const body = { model: "mock/embed-64", input: "x", ...wrong } as OpenAI.EmbeddingCreateParams;
      await assert.rejects(openai.embeddings.create(body), OpenAI.APIError);
    }
  });
});
