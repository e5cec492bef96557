/** The gateway's own surface: lists, health, what it refuses itself, and the bytes that it lets pass. */
import Anthropic from "@anthropic-ai/sdk";
import { Buffer } from "node:buffer";
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import OpenAI from "openai";
import { parseConfig } from "../../lib/config.ts";
import { createGateway } from "../../lib/gateway.ts";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { asArray, asObject, type Json } from "../support/grammar.ts";
import { bodyOf, FORMATS, framesOf, PATH, plainBody, post } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import type { FormatName } from "../support/told.ts";
import { json, raw, sse, startUpstream, type Upstream } from "../support/upstream.ts";

const CANARY = { LAB_KEY: "canary-lab-8d969eef6ecad3c2", ANTHROPIC_API_KEY: "canary-anthropic-9a8b7c6d5e4f" };

let upstream: Upstream;
let gateway: StartedGateway;

beforeAll(async () => {
  upstream = await startUpstream();
  gateway = await startGateway(
    `
log: off
max_body_mb: 1
providers:
  lab:
    base_url: "${upstream.url}/v1"
    formats: [chat, messages, responses]
    api_key: "\${LAB_KEY}"
    headers: { x-team: blue }
  chatty: { base_url: "${upstream.url}/v1", formats: [chat], api_key: "\${LAB_KEY}" }
  anthropic: { base_url: "${upstream.url}/v1" }
models:
  - { name: fast, target: lab/small-1 }
  - { name: team/fast, target: lab/small-2 }
  - { name: claude-exact, target: anthropic/claude-sonnet-4-5 }
  - { name: to-chat, target: chatty/local }
  - { name: same, target: lab/same }
  - { name: gpt-*, target: lab/gpt-* }
  - { name: "*-mini", target: lab/never }
`,
    CANARY,
  );
});

afterAll(async () => {
  await gateway.stop();
  await upstream.stop();
});

const BEARER = { authorization: "Bearer client-key" };
const ANTHROPIC = { "x-api-key": "client-key", "anthropic-version": "2023-06-01" };

function get(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Response> {
  return fetch(`${gateway.url}${path}`, { method, headers });
}

/** An error body in the shape of one family. */
async function assertError(response: Response, status: number, shape: "openai" | "anthropic"): Promise<Json> {
  assert.equal(response.status, status);
  assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
  const body = asObject(await response.json());
  const error = asObject(body["error"]);
  assert.equal(typeof error["message"], "string");
  assert.equal(typeof error["type"], "string");
  if (shape === "anthropic") {
    assert.equal(body["type"], "error");
    assert.equal(body["request_id"], response.headers.get("request-id"));
  } else {
    assert.deepEqual(Object.keys(body), ["error"]);
    assert.ok("code" in error && "param" in error, JSON.stringify(error));
  }
  return error;
}

function shapeOf(format: FormatName): "openai" | "anthropic" {
  return format === "messages" ? "anthropic" : "openai";
}

describe("GET /v1/models", () => {
  const names = ["fast", "team/fast", "claude-exact", "to-chat", "same"];

  test("in OpenAI's shape, by its SDK", async () => {
    const client = new OpenAI({ apiKey: "client-key", baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    const models = [];
    for await (const model of client.models.list()) models.push(model);
    const ids = models.map(({ id }) => id);
    for (const name of names) assert.ok(ids.includes(name), `${name} is not in ${ids}`);
    assert.ok(!ids.some((id) => id.includes("*")), `a pattern is listed: ${ids}`);
    for (const { object, created, owned_by } of models) {
      assert.equal(object, "model");
      assert.equal(typeof created, "number");
      assert.equal(typeof owned_by, "string");
    }
  });

  test("in Anthropic's shape, by its SDK", async () => {
    const client = new Anthropic({ apiKey: "client-key", baseURL: gateway.url, maxRetries: 0 });
    const ids = [];
    for await (const model of client.models.list()) {
      ids.push(model.id);
      assert.equal(model.type, "model");
      assert.equal(typeof model.display_name, "string");
      assert.equal(typeof model.created_at, "string");
      for (const key of ["capabilities", "max_input_tokens", "max_tokens", "lifecycle", "line", "deprecated_at"]) {
        assert.ok(key in model, `${model.id} lacks ${key}`);
      }
    }
    for (const name of names) assert.ok(ids.includes(name), `${name} is not in ${ids}`);
  });

  test("the shape goes by who asks", async () => {
    const openai = asObject(await (await get("/v1/models", BEARER)).json());
    assert.equal(openai["object"], "list");
    const plain = asObject(await (await get("/v1/models")).json());
    assert.equal(plain["object"], "list");
    for (const headers of [ANTHROPIC, { "x-api-key": "k" }, { ...BEARER, "anthropic-version": "2023-06-01" }]) {
      const list = asObject(await (await get("/v1/models?limit=1000", headers)).json());
      for (const key of ["data", "has_more", "first_id", "last_id"]) assert.ok(key in list, `no ${key}`);
      assert.equal(list["object"], undefined);
      assert.equal(list["has_more"], false);
    }
    const both = asObject(await (await get("/v1/models", { ...BEARER, "x-api-key": "k" })).json());
    assert.equal(both["object"], "list");
  });

  test("pages by limit, after_id and before_id", async () => {
    const page = async (query: string) => asObject(await (await get(`/v1/models?${query}`, ANTHROPIC)).json());
    const idsOf = (list: Json) => asArray(list["data"]).map((model) => asObject(model)["id"]);
    const all = idsOf(await page("limit=1000"));
    const first = await page("limit=2");
    assert.deepEqual(idsOf(first), all.slice(0, 2));
    assert.equal(first["has_more"], true);
    assert.equal(first["first_id"], all[0]);
    assert.equal(first["last_id"], all[1]);
    const second = await page(`limit=2&after_id=${all[1]}`);
    assert.deepEqual(idsOf(second), all.slice(2, 4));
    const back = await page(`limit=2&before_id=${encodeURIComponent(String(all[2]))}`);
    assert.deepEqual(idsOf(back), all.slice(0, 2));
  });
});

describe("GET /v1/models/{id}", () => {
  test("by OpenAI's SDK, with and without a slash in the name", async () => {
    const client = new OpenAI({ apiKey: "client-key", baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    assert.equal((await client.models.retrieve("fast")).id, "fast");
    assert.equal((await client.models.retrieve("team/fast")).id, "team/fast");
    await assert.rejects(client.models.retrieve("nobody"), OpenAI.NotFoundError);
  });

  test("by Anthropic's SDK", async () => {
    const client = new Anthropic({ apiKey: "client-key", baseURL: gateway.url, maxRetries: 0 });
    const model = await client.models.retrieve("team/fast");
    assert.equal(model.id, "team/fast");
    assert.equal(model.type, "model");
    await assert.rejects(client.models.retrieve("nobody"), Anthropic.NotFoundError);
  });

  test("a slash needs no encoding", async () => {
    for (const path of ["/v1/models/team/fast", "/v1/models/team%2Ffast", "/v1/models/team%2ffast"]) {
      const response = await get(path);
      assert.equal(response.status, 200, path);
      assert.equal(asObject(await response.json())["id"], "team/fast");
    }
  });

  test("what a pattern or provider/model reaches is there too", async () => {
    for (const id of ["gpt-9", "lab/anything"]) assert.equal((await get(`/v1/models/${id}`)).status, 200, id);
  });

  test("a broken escape is no crash", async () => {
    const response = await get("/v1/models/%E0%A4%A");
    assert.ok(response.status === 404 || response.status === 400, `status ${response.status}`);
    await assertError(response, response.status, "openai");
  });
});

describe("health, HEAD, OPTIONS", () => {
  test("GET /health", async () => {
    const response = await get("/health");
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type") ?? "", /json/);
    await response.json();
  });

  test("HEAD answers without body and without upstream", async () => {
    const before = upstream.requests.length;
    for (const path of ["/", "/health", "/v1/models", "/v1/messages"]) {
      const response = await get(path, {}, "HEAD");
      assert.equal(response.status, 200, path);
      assert.equal(await response.text(), "");
    }
    // Claude Code looks whether anyone is there; any answer will do.
    assert.ok((await get("/api/hello", {}, "HEAD")).status < 500);
    assert.equal(upstream.requests.length, before);
  });

  test("OPTIONS names the methods", async () => {
    const before = upstream.requests.length;
    for (const path of [...Object.values(PATH), "/v1/messages/count_tokens"]) {
      const response = await get(path, {}, "OPTIONS");
      assert.ok(response.status === 204 || response.status === 200, `${path}: ${response.status}`);
      assert.match(response.headers.get("allow") ?? "", /POST/);
    }
    assert.match((await get("/v1/models", {}, "OPTIONS")).headers.get("allow") ?? "", /GET/);
    assert.equal(upstream.requests.length, before);
  });
});

describe("unknown paths and methods", () => {
  test("404 in the caller's shape", async () => {
    for (const path of ["/v1/nothing", "/v1/chat", "/v1/chat/completions/x", "/nothing"]) {
      await assertError(await get(path, BEARER), 404, "openai");
      const error = await assertError(await get(path, ANTHROPIC), 404, "anthropic");
      assert.equal(error["type"], "not_found_error");
    }
    const posted = await fetch(`${gateway.url}/v1/nothing`, { method: "POST", body: "{}" });
    await assertError(posted, 404, "openai");
  });

  for (const format of FORMATS) {
    test(`405 with allow: ${format}`, async () => {
      for (const method of ["GET", "PUT", "DELETE", "PATCH"]) {
        const response = await get(PATH[format], {}, method);
        assert.match(response.headers.get("allow") ?? "", /POST/);
        await assertError(response, 405, shapeOf(format));
      }
    });
  }

  test("405 with allow: models", async () => {
    const response = await get("/v1/models", {}, "POST");
    assert.match(response.headers.get("allow") ?? "", /GET/);
    await assertError(response, 405, "openai");
  });

  test("a WebSocket upgrade on /v1/responses is accepted (Codex), 426 where there are no sockets, never 404", async () => {
    const headers = {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    };
    const accept = await new Promise<string | undefined>((resolve, reject) => {
      const asking = httpRequest(`${gateway.url}/v1/responses`, { headers });
      asking.on("upgrade", (response, socket) => {
        socket.destroy();
        resolve(response.headers["sec-websocket-accept"]);
      });
      asking.on("response", (response) => reject(new Error(`status ${response.statusCode}`)));
      asking.on("error", reject);
      asking.end();
    });
    assert.equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    const parsed = parseConfig("providers: { mock: {} }", "test.yaml", {});
    assert.ok(parsed.ok);
    const { status } = await createGateway(parsed.value).handle(new Request("http://h/v1/responses", { headers }));
    assert.equal(status, 426);
  });
});

describe("bodies that are refused here", () => {
  const malformed: [string, string][] = [
    ["an open brace", '{"model": "fast"'],
    ["no JSON at all", "model=fast"],
    ["nothing", ""],
    ["an array", '[{"model":"fast"}]'],
    ["a string", '"fast"'],
    ["null", "null"],
    ["two values", '{"model":"fast"}{"model":"fast"}'],
    ["a trailing comma", '{"model":"fast","messages":[],}'],
    ["a raw line break in a string", '{"model":"fa\nst"}'],
    ["a number with a leading zero", '{"model":"fast","n":01}'],
  ];
  for (const format of FORMATS) {
    for (const [name, body] of malformed) {
      test(`malformed, ${name}: ${format}`, async () => {
        const before = upstream.requests.length;
        const error = await assertError(await post(gateway.url, format, body), 400, shapeOf(format));
        assert.equal(error["type"], "invalid_request_error");
        assert.equal(upstream.requests.length, before);
      });
    }

    test(`no model: ${format}`, async () => {
      for (const model of [undefined, null, "", 5, ["fast"]]) {
        const body = JSON.stringify({ ...JSON.parse(plainBody(format, "x")), model });
        const error = await assertError(await post(gateway.url, format, body), 400, shapeOf(format));
        assert.equal(error["type"], "invalid_request_error");
        assert.match(String(error["message"]), /model/);
        if (format !== "messages") assert.equal(error["param"], "model");
      }
    });

    test(`a model nobody serves: ${format}`, async () => {
      const response = await post(gateway.url, format, plainBody(format, "fsat"));
      const error = await assertError(response, 404, shapeOf(format));
      assert.match(String(error["message"]), /fsat/);
      assert.match(String(error["message"]), /\bfast\b/, "no near name is suggested");
      assert.equal(error["type"], format === "messages" ? "not_found_error" : "invalid_request_error");
      if (format !== "messages") assert.equal(error["code"], "model_not_found");
    });

    test(`a provider nobody configured: ${format}`, async () => {
      await assertError(await post(gateway.url, format, plainBody(format, "nowhere/m")), 404, shapeOf(format));
    });
  }
});

describe("wrong fields, where the request is translated", () => {
  const user = (content: unknown) => ({ messages: [{ role: "user", content }], max_tokens: 10 });
  const wrong: [FormatName, Json, RegExp | undefined][] = [
    ["chat", { messages: undefined }, /^messages$/],
    ["chat", { messages: "Hi" }, /^messages$/],
    ["chat", { messages: [] }, /^messages$/],
    ["chat", { messages: [5] }, /^messages\[0\]/],
    ["chat", user(5), /^messages\[0\]\.content/],
    ["chat", { messages: [{ content: "Hi" }] }, /^messages\[0\]\.role/],
    ["chat", { messages: [{ role: "wizard", content: "Hi" }] }, /^messages\[0\]\.role/],
    ["chat", user([{ type: "text" }]), /^messages\[0\]\.content\[0\]/],
    ["chat", user([{ type: "image_url", image_url: {} }]), /^messages\[0\]\.content\[0\]\.image_url/],
    ["chat", { stream: "yes" }, /^stream$/],
    ["messages", { stream: "yes" }, undefined],
    ["responses", { stream: "yes" }, /^stream$/],
    ["chat", { temperature: "hot" }, /^temperature$/],
    ["chat", { max_tokens: "many" }, /^max_tokens$/],
    ["chat", { tools: {} }, /^tools$/],
    ["chat", { tools: [{ type: "function" }] }, /^tools\[0\]/],
    ["chat", { stop: [5] }, /^stop/],
    ["chat", { messages: [{ role: "tool", content: "x" }] }, /^messages\[0\]\.tool_call_id/],
    ["messages", { messages: undefined }, undefined],
    ["messages", { messages: "Hi" }, undefined],
    ["messages", user(5), undefined],
    ["messages", { messages: [{ role: "wizard", content: "Hi" }] }, undefined],
    ["messages", user([{ type: "tool_result", content: "x" }]), undefined],
    ["messages", { system: 5 }, undefined],
    ["messages", { tools: [{ description: "no name" }] }, undefined],
    ["messages", { max_tokens: "many" }, undefined],
    ["responses", { input: 5 }, /^input/],
    ["responses", { input: undefined }, /^input$/],
    ["responses", { input: [{ role: "user", content: 5 }] }, /^input\[0\]\.content/],
    ["responses", { input: [{ type: "function_call_output", output: "x" }] }, /^input\[0\]\.call_id/],
    ["responses", { tools: [{ type: "function" }] }, /^tools\[0\]/],
    ["responses", { max_output_tokens: "many" }, /^max_output_tokens$/],
  ];
  for (const [format, fields, param] of wrong) {
    test(`${format}: ${JSON.stringify(fields)}`, async () => {
      const before = upstream.requests.length;
      const model = format === "chat" ? "claude-exact" : "to-chat";
      const response = await post(gateway.url, format, plainBody(format, model, fields));
      const error = await assertError(response, 400, shapeOf(format));
      assert.equal(error["type"], "invalid_request_error");
      if (param !== undefined) assert.match(String(error["param"]), param);
      assert.equal(upstream.requests.length, before);
    });
  }

  test("bytes that are no UTF-8", async () => {
    const body = Buffer.concat([
      Buffer.from('{"model":"claude-exact","messages":[{"role":"user","content":"'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('"}]}'),
    ]);
    await assertError(await post(gateway.url, "chat", body), 400, "openai");
  });
});

describe("a body over the limit", () => {
  for (const format of FORMATS) {
    test(`413: ${format}`, async () => {
      const before = upstream.requests.length;
      const response = await post(gateway.url, format, plainBody(format, "fast", { pad: "x".repeat(1_200_000) }));
      const error = await assertError(response, 413, shapeOf(format));
      assert.equal(error["type"], format === "messages" ? "request_too_large" : "invalid_request_error");
      if (format !== "messages") assert.equal(error["code"], "request_too_large");
      assert.equal(upstream.requests.length, before);
    });
  }

  test("413 without content-length too, and the gateway goes on", async () => {
    const piece = new TextEncoder().encode("x".repeat(100_000));
    let left = 12;
    const body = new ReadableStream({
      pull(controller) {
        if (left-- > 0) controller.enqueue(piece);
        else controller.close();
      },
    });
    const init = { method: "POST", body, duplex: "half" } as RequestInit;
    const response = await fetch(`${gateway.url}${PATH.chat}`, init);
    await assertError(response, 413, "openai");
    assert.equal((await get("/health")).status, 200);
  });

  test("just under the limit passes", async () => {
    upstream.answer(json(bodyOf("chat", said())));
    const body = plainBody("chat", "fast", { pad: "x".repeat(1_000_000) });
    assert.equal((await post(gateway.url, "chat", body)).status, 200);
  });
});

describe("pass-through: the request's bytes, but for the model (PITFALLS 7)", () => {
  const rest = '"messages":[{"role":"user","content":"Hi"}],"max_tokens":10';
  const bodies: [string, string, string][] = [
    ["plain", `{"model":"fast",${rest}}`, `{"model":"small-1",${rest}}`],
    ["model last", `{${rest},"model":"fast"}`, `{${rest},"model":"small-1"}`],
    [
      "white space everywhere",
      `\n {  "model"  :\t "fast"  ,\r\n  ${rest}  } \n\n`,
      `\n {  "model"  :\t "small-1"  ,\r\n  ${rest}  } \n\n`,
    ],
    [
      "escapes kept, in text and in the model's own name",
      `{"model":"\\u0066ast","messages":[{"role":"user","content":"\\u00fc \\ud83d\\ude00 \\/ ü"}],"max_tokens":1}`,
      `{"model":"small-1","messages":[{"role":"user","content":"\\u00fc \\ud83d\\ude00 \\/ ü"}],"max_tokens":1}`,
    ],
    ["an escaped key", `{"mod\\u0065l":"fast",${rest}}`, `{"mod\\u0065l":"small-1",${rest}}`],
    [
      "nested model keys",
      `{"metadata":{"model":"fast"},"tools":[{"model":"fast"}],"model":"fast",${rest}}`,
      `{"metadata":{"model":"fast"},"tools":[{"model":"fast"}],"model":"small-1",${rest}}`,
    ],
    [
      "the model's name in text",
      `{"messages":[{"role":"user","content":"\\"model\\":\\"fast\\" }"}],"model":"fast","max_tokens":1}`,
      `{"messages":[{"role":"user","content":"\\"model\\":\\"fast\\" }"}],"model":"small-1","max_tokens":1}`,
    ],
    [
      "unknown fields, big numbers, odd exponents, duplicate keys",
      `{"model":"fast","new_field":{"a":[1,null,{}]},"seed":12345678901234567890,"x":1.0E+2,"y":-0,"k":1,"k":2,${rest}}`,
      `{"model":"small-1","new_field":{"a":[1,null,{}]},"seed":12345678901234567890,"x":1.0E+2,"y":-0,"k":1,"k":2,${rest}}`,
    ],
    ["a name that stays", ` {"model": "same",${rest}}`, ` {"model": "same",${rest}}`],
    ["a pattern", `{"model":"gpt-5-mini",${rest}}`, `{"model":"gpt-5-mini",${rest}}`],
    ["provider/model", `{"model":"lab/x/y",${rest}}`, `{"model":"x/y",${rest}}`],
  ];
  for (const [name, sent, expected] of bodies) {
    for (const format of FORMATS) {
      test(`${name}: ${format}`, async () => {
        upstream.answer(json(bodyOf(format, said())));
        assert.equal((await post(gateway.url, format, sent)).status, 200);
        assert.equal(upstream.last().text, expected);
        assert.equal(upstream.last().path, PATH[format]);
      });
    }
  }
});

describe("pass-through: the answer's bytes (PITFALLS 7)", () => {
  for (const format of FORMATS) {
    test(`whole: ${format}`, async () => {
      const answer = `\n\n  ${JSON.stringify({ ...bodyOf(format, said()), new_field: { a: 1 } }, null, 3)} \n`
        .replace('"new_field"', '"big": 12345678901234567890, "e": 1.0E+2, "u": "\\u00fc\\/", "new_field"');
      upstream.answer(raw(answer, "application/json"));
      const response = await post(gateway.url, format, plainBody(format, "fast"));
      assert.equal(await response.text(), answer);
    });

    test(`streamed: ${format}`, async () => {
      const frames = framesOf(format, said({ blocks: [{ kind: "text", text: "Grüße 東京" }] }));
      const odd = [": comment\n\n", "id: 7\nretry: 10\n", ...frames].join("").replaceAll("\n", "\r\n");
      upstream.answer(sse([odd]));
      const response = await post(gateway.url, format, plainBody(format, "fast", { stream: true }));
      assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
      assert.equal(await response.text(), odd);
    });
  }

  test("an answer that is compressed though nobody asked arrives unpacked", async () => {
    const answer = JSON.stringify(bodyOf("chat", said()));
    const packed = await new Response(new Blob([answer]).stream().pipeThrough(new CompressionStream("gzip"))).bytes();
    upstream.answer({
      headers: { "content-type": "application/json", "content-encoding": "gzip" },
      steps: [packed],
    });
    const response = await post(gateway.url, "chat", plainBody("chat", "fast"));
    assert.equal(await response.text(), answer);
  });

  test("rate limit headers pass", async () => {
    upstream.answer(json(bodyOf("chat", said()), 200, { "x-ratelimit-remaining-requests": "41" }));
    const response = await post(gateway.url, "chat", plainBody("chat", "fast"));
    assert.equal(response.headers.get("x-ratelimit-remaining-requests"), "41");
  });
});

describe("headers to the upstream", () => {
  test("anthropic-version and anthropic-beta pass untouched, keys are exchanged", async () => {
    upstream.answer(json(bodyOf("messages", said())));
    const headers = {
      "x-api-key": "client-key",
      "anthropic-version": "2026-10-21",
      "anthropic-beta": "context-management-2025-06-27,future-beta-2027-01-01",
    };
    await post(gateway.url, "messages", plainBody("messages", "claude-exact"), { headers });
    const got = upstream.last().headers;
    assert.equal(got["anthropic-version"], "2026-10-21");
    assert.equal(got["anthropic-beta"], headers["anthropic-beta"]);
    assert.equal(got["x-api-key"], CANARY.ANTHROPIC_API_KEY);
    assert.ok(!JSON.stringify(got).includes("client-key"));
  });

  test("the config's headers are sent", async () => {
    upstream.answer(json(bodyOf("chat", said())));
    await post(gateway.url, "chat", plainBody("chat", "fast"));
    assert.equal(upstream.last().headers["x-team"], "blue");
    assert.equal(upstream.last().headers["authorization"], `Bearer ${CANARY.LAB_KEY}`);
  });
});

describe("?beta=true", () => {
  test("is the same endpoint, whole and streamed, passing and translated", async () => {
    for (const [model, format] of [["fast", "messages"], ["to-chat", "chat"]] as const) {
      for (const stream of [false, true]) {
        upstream.answer(stream ? sse(framesOf(format, said())) : json(bodyOf(format, said())));
        const body = plainBody("messages", model, { stream });
        const response = await fetch(`${gateway.url}/v1/messages?beta=true`, { method: "POST", body });
        assert.equal(response.status, 200);
        assert.match(await response.text(), stream ? /message_stop/ : /"end_turn"/);
      }
    }
  });
});

describe("count_tokens", () => {
  const client = () => new Anthropic({ apiKey: "client-key", baseURL: gateway.url, maxRetries: 0 });
  const messages = [{ role: "user" as const, content: "How many tokens are these, would you say?" }];

  test("passes to an upstream that serves messages", async () => {
    upstream.answer(json({ input_tokens: 123 }));
    assert.equal((await client().messages.countTokens({ model: "claude-exact", messages })).input_tokens, 123);
    assert.equal(upstream.last().path.replace(/\?.*/, ""), "/v1/messages/count_tokens");
    assert.equal(asObject(upstream.last().body)["model"], "claude-sonnet-4-5");
  });

  test("is estimated elsewhere, and says so", async () => {
    for (const path of ["/v1/messages/count_tokens", "/v1/messages/count_tokens?beta=true"]) {
      upstream.answer(json({ error: { message: "no such endpoint" } }, 404));
      const body = JSON.stringify({ model: "to-chat", messages });
      const response = await fetch(`${gateway.url}${path}`, { method: "POST", body });
      assert.equal(response.status, 200);
      assert.ok(Number(asObject(await response.json())["input_tokens"]) > 5);
      assert.equal(response.headers.get("x-trivium-usage"), "estimated");
    }
  }, 30_000);

  test("is estimated when the upstream has no such endpoint (PITFALLS 30)", async () => {
    upstream.answer(json({ type: "error", error: { type: "not_found_error", message: "Not found" } }, 404));
    const response = await fetch(`${gateway.url}/v1/messages/count_tokens`, {
      method: "POST",
      body: JSON.stringify({ model: "claude-exact", messages }),
    });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("x-trivium-usage"), "estimated");
  });

  test("grows with the text", async () => {
    const count = async (content: string) =>
      (await client().messages.countTokens({ model: "to-chat", messages: [{ role: "user", content }] })).input_tokens;
    assert.ok(await count("word ".repeat(1000)) > 10 * await count("word ".repeat(10)));
  });

  test("refuses what is malformed, in its shape", async () => {
    const url = `${gateway.url}/v1/messages/count_tokens`;
    await assertError(await fetch(url, { method: "POST", body: "{" }), 400, "anthropic");
    const body = JSON.stringify({ model: "fsat", messages });
    await assertError(await fetch(url, { method: "POST", body }), 404, "anthropic");
  });
});

describe("routing", () => {
  test("the first match wins, a * carries its text", async () => {
    upstream.answer(json(bodyOf("chat", said())));
    await post(gateway.url, "chat", plainBody("chat", "gpt-4o-mini"));
    assert.equal(asObject(upstream.last().body)["model"], "gpt-4o-mini");
    await post(gateway.url, "chat", plainBody("chat", "some-mini"));
    assert.equal(asObject(upstream.last().body)["model"], "never");
  });

  test("models_only: provider/model is no name then", async () => {
    const strict = await startGateway(`
log: off
models_only: true
providers:
  lab: { base_url: "${upstream.url}/v1", formats: [chat], api_key: none }
models:
  - { name: fast, target: lab/small-1 }
`);
    try {
      upstream.answer(json(bodyOf("chat", said())));
      assert.equal((await post(strict.url, "chat", plainBody("chat", "fast"))).status, 200);
      await assertError(await post(strict.url, "chat", plainBody("chat", "lab/small-1")), 404, "openai");
    } finally {
      await strict.stop();
    }
  });
});

describe("keys of the environment never show (PITFALLS 21)", () => {
  const places: [string, () => Promise<Response>][] = [
    ["/health", () => get("/health")],
    ["/v1/models", () => get("/v1/models")],
    ["/v1/models, Anthropic's", () => get("/v1/models", ANTHROPIC)],
    ["a model", () => get("/v1/models/fast")],
    ["an unknown path", () => get("/v1/nothing")],
    ["a wrong method", () => get("/v1/messages", {}, "PUT")],
    ["malformed JSON", () => post(gateway.url, "chat", "{")],
    ["an unknown model", () => post(gateway.url, "chat", plainBody("chat", "nothing"))],
    ["a wrong field", () => post(gateway.url, "chat", plainBody("chat", "claude-exact", { messages: 5 }))],
    ["an answer", () => post(gateway.url, "chat", plainBody("chat", "fast"))],
    ["a translated answer", () => post(gateway.url, "messages", plainBody("messages", "to-chat"))],
  ];
  for (const [name, ask] of places) {
    test(name, async () => {
      upstream.answer(json(bodyOf("chat", said()), 200, { "x-echo": CANARY.LAB_KEY, "set-cookie": "a=b" }));
      const response = await ask();
      const everything = JSON.stringify([...response.headers]) + await response.text();
      assert.deepEqual(Object.values(CANARY).filter((key) => everything.includes(key)), []);
      assert.equal(response.headers.get("set-cookie"), null);
    });
  }
});
