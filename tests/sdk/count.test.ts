/** Counting (TRANSLATION.md, 6): natively where the upstream counts, else by a tokenizer that says so; never 404. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { asObject, type Json } from "../support/grammar.ts";
import { providerLine } from "../support/pairs.ts";
import { json, raw, type Reply, startUpstream, type Upstream } from "../support/upstream.ts";

let upstream: Upstream;
let gateway: StartedGateway;

beforeAll(async () => {
  upstream = await startUpstream();
  const provider = (...line: [string, string, string]) => providerLine(upstream, ...line);
  gateway = await startGateway([
    "log: off",
    "providers:",
    provider("oc", "chat", "openai"),
    provider("or", "responses", "openai"),
    provider("an", "messages", "anthropic"),
  ].join("\n"));
});
afterAll(async () => {
  await gateway.stop();
  await upstream.stop();
});

const PATHS = { messages: "/v1/messages/count_tokens", responses: "/v1/responses/input_tokens" };
type Client = keyof typeof PATHS;

const anthropic = () => new Anthropic({ apiKey: "client-key", baseURL: gateway.url, maxRetries: 0 });
const openai = () => new OpenAI({ apiKey: "client-key", baseURL: `${gateway.url}/v1`, maxRetries: 0 });

async function count(client: Client, model: string, content: unknown, fields: Json = {}) {
  const body = client === "messages"
    ? { model, messages: [{ role: "user", content }], ...fields }
    : { model, input: [{ role: "user", content }], ...fields };
  const response = await fetch(`${gateway.url}${PATHS[client]}`, { method: "POST", body: JSON.stringify(body) });
  const answer = asObject(await response.json());
  return { response, answer, tokens: Number(answer["input_tokens"]) };
}

/** Two tokenizers are loaded, on machines that may be busy. */
const LOADING = 30_000;

const NOT_FOUND: Reply = json({ error: { message: "no such endpoint" } }, 404);

describe("the upstream counts", () => {
  test("a responses client, a responses upstream: the body passes", async () => {
    upstream.answer(json({ object: "response.input_tokens", input_tokens: 321, extra: 1 }));
    const counted = await openai().responses.inputTokens.count({ model: "or/gpt-5.6", input: "Hi", personality: "x" });
    assert.deepEqual(counted, { object: "response.input_tokens", input_tokens: 321, extra: 1 });
    const { path, body } = upstream.last();
    assert.equal(path, PATHS.responses);
    assert.deepEqual(body, { model: "gpt-5.6", input: "Hi", personality: "x" });
  });

  test("a messages client, a responses upstream: asked in its words, told in the client's", async () => {
    upstream.answer(json({ object: "response.input_tokens", input_tokens: 77 }));
    const counted = await anthropic().messages.countTokens({
      model: "or/gpt-5.6",
      system: "Be brief.",
      messages: [{ role: "user", content: "Hi" }],
      tools: [{ name: "f", input_schema: { type: "object", properties: {} } }],
    });
    assert.deepEqual(counted, { input_tokens: 77 });
    const { path, body } = upstream.last();
    assert.equal(path, PATHS.responses);
    assert.deepEqual(Object.keys(asObject(body)).toSorted(), ["input", "instructions", "model", "tools"]);
  });

  test("a responses client, a messages upstream: without the limit that requests need", async () => {
    upstream.answer(json({ input_tokens: 88 }));
    const counted = await openai().responses.inputTokens.count({
      model: "an/claude-sonnet-4-5",
      instructions: "Be brief.",
      input: "Hi",
    });
    assert.deepEqual(counted, { object: "response.input_tokens", input_tokens: 88 });
    const { path, body, headers } = upstream.last();
    assert.equal(path, PATHS.messages);
    assert.deepEqual(Object.keys(asObject(body)).toSorted(), ["messages", "model", "system"]);
    assert.ok(headers["anthropic-version"]);
  });

  test("what the upstream refuses is its verdict where the bytes pass", async () => {
    const error = { type: "error", error: { type: "invalid_request_error", message: "messages: at least one" } };
    upstream.answer(json(error, 400));
    const { response, answer } = await count("messages", "an/claude-sonnet-4-5", "Hi");
    assert.equal(response.status, 400);
    assert.match(String(asObject(answer["error"])["message"]), /at least one/);
  });
});

describe("the gateway counts, and says so", () => {
  const marks = (response: Response) => [
    response.headers.get("x-trivium-usage"),
    response.headers.get("x-trivium-tokenizer"),
  ];

  test("by the tokenizer of the model", async () => {
    const asked = upstream.requests.length;
    for (const [model, tokenizer] of [["gpt-4o", "o200k_base"], ["gpt-4", "cl100k_base"], ["small-1", "o200k_base"]]) {
      const { response } = await count("messages", `oc/${model}`, "Hi");
      assert.deepEqual(marks(response), ["estimated", tokenizer]);
    }
    // A chat upstream has nothing that counts: nobody is asked.
    assert.equal(upstream.requests.length, asked);
  }, LOADING);

  test("as it really counts: a word more is a token more, in both clients' formats", async () => {
    for (const client of ["messages", "responses"] as const) {
      const one = await count(client, "oc/gpt-4o", "hello");
      const ten = await count(client, "oc/gpt-4o", `hello${" world".repeat(10)}`);
      assert.equal(ten.tokens - one.tokens, 10);
      assert.ok(one.tokens >= 2 && one.tokens < 15, String(one.tokens));
    }
  });

  test("through every fault of the upstream's (PITFALLS 30), and none of them is a failure", async () => {
    for (const reply of [NOT_FOUND, json({}, 401), json({}, 429), json({}, 500), json({ nothing: 1 }), json("x")]) {
      upstream.answer(reply);
      for (const [client, model] of [["messages", "an/claude-sonnet-4-5"], ["responses", "or/gpt-5.6"]] as const) {
        const { response, tokens } = await count(client, model, "How many are these?");
        assert.equal(response.status, 200);
        assert.deepEqual(marks(response), ["estimated", "o200k_base"]);
        assert.ok(tokens > 4);
      }
      // The translated question too, even where the upstream calls it wrong.
      upstream.answer(json({ error: { message: "no" } }, 400));
      assert.equal((await count("messages", "or/gpt-5.6", "Hi")).response.status, 200);
    }
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    assert.equal(/trivium_failures_total\{kind="(?!invalid_request)/.test(metrics), false, metrics);
  });

  test("a proxy's page is no verdict, and what is no count is none", async () => {
    const pages = [raw("<html>Bad Request</html>", "text/html", 400), raw("<html>", "text/html", 413), json({}, 400)];
    const counts = ["-5", "1.5", "1e999", "null", '"7"'].map((tokens) =>
      raw(`{"input_tokens":${tokens}}`, "application/json")
    );
    for (const reply of [...pages, ...counts]) {
      upstream.answer(reply);
      for (const client of ["messages", "responses"] as const) {
        const { response, tokens } = await count(client, "an/claude-sonnet-4-5", "How many are these?");
        assert.equal(response.status, 200);
        assert.deepEqual(marks(response), ["estimated", "o200k_base"]);
        assert.ok(tokens > 4, String(tokens));
      }
    }
  });

  test("Claude's, whose tokenizer isn't public, by a factor that rather over- than undercounts", async () => {
    upstream.answer(NOT_FOUND);
    const text = "The quick brown fox jumps over the lazy dog. ".repeat(100);
    const [gpt, old, newest] = await Promise.all(
      ["oc/gpt-4o", "an/claude-sonnet-4-5", "an/claude-opus-5-5"].map((model) => count("messages", model, text)),
    );
    assert.ok(gpt && old && newest);
    assert.ok(old.tokens > gpt.tokens * 1.15 && newest.tokens > gpt.tokens * 1.5);
  });

  test("images by their size", async () => {
    const png = Buffer.alloc(33);
    png.write("\x89PNG\r\n\x1a\n", "latin1");
    png.writeUInt32BE(750, 16);
    png.writeUInt32BE(1000, 20);
    const source = { type: "base64", media_type: "image/png", data: png.toString("base64") };
    upstream.answer(NOT_FOUND);
    const of = async (model: string) => {
      const bare = await count("messages", model, [{ type: "text", text: "Hi" }]);
      const image = await count("messages", model, [{ type: "text", text: "Hi" }, { type: "image", source }]);
      return image.tokens - bare.tokens;
    };
    assert.equal(await of("an/claude-sonnet-4-5"), 1000);
    assert.equal(await of("oc/gpt-4o"), 85 + 170 * 4);
  });

  test("35 at once, as Claude Code's /context asks", async () => {
    const all = await Promise.all(
      Array.from({ length: 35 }, (_, index) => count("messages", "oc/gpt-4o", `hello${" world".repeat(index)}`)),
    );
    assert.deepEqual(all.map(({ tokens }) => tokens - (all[0]?.tokens ?? 0)), all.map((_, index) => index));
  });

  test("what would cost the square of its length doesn't", async () => {
    for (const text of ["a".repeat(300_000), "模型网关".repeat(50_000), "=".repeat(300_000), "😀".repeat(50_000)]) {
      const { response, tokens } = await count("messages", "oc/gpt-4o", text);
      assert.deepEqual(marks(response), ["estimated", "o200k_base"]);
      assert.ok(tokens > 1000, String(tokens));
    }
  });

  test("of 20 MB a sample is counted", async () => {
    const words = 20 * 1024 * 1024 / 6;
    const { response, tokens } = await count("messages", "oc/gpt-4o", " world".repeat(words));
    assert.deepEqual(marks(response), ["estimated", "o200k_base"]);
    assert.ok(Math.abs(tokens - words) < words / 100, `${tokens} of ${words}`);
  });

  test("special tokens are text", async () => {
    const { tokens, response } = await count("messages", "oc/gpt-4o", "<|endoftext|><|im_start|>");
    assert.deepEqual(marks(response), ["estimated", "o200k_base"]);
    assert.ok(tokens > 8);
  });

  test("what is malformed is refused, in the client's shape", async () => {
    const { response, answer } = await count("responses", "oc/gpt-4o", 5);
    assert.equal(response.status, 400);
    assert.equal(asObject(answer["error"])["type"], "invalid_request_error");
  });
});

test("responses: earlier turns that are kept here are counted too, and one that nobody knows is refused", async () => {
  const earlier = "Three roads meet here. ".repeat(100);
  const { id } = await openai().conversations.create({ items: [{ type: "message", role: "user", content: earlier }] });
  const asked = { model: "oc/gpt-4o", input: "Go on" };
  const fresh = await openai().responses.inputTokens.count(asked);
  const later = await openai().responses.inputTokens.count({ ...asked, conversation: id });
  assert.ok(later.input_tokens > fresh.input_tokens + 400, `${later.input_tokens} after ${fresh.input_tokens}`);
  const unknown = openai().responses.inputTokens.count({ ...asked, previous_response_id: "resp_0" });
  await assert.rejects(unknown, { status: 404, code: "previous_response_not_found" });
}, LOADING);
