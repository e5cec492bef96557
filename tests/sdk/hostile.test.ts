/** Findings of a hostile review, kept: secrets in errors, odd statuses, odd hosts. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { framesOf, PATH, plainBody, post } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { json, sse, startUpstream, type Upstream } from "../support/upstream.ts";

const CANARIES = ["canary-header-11111", "canary-key-22222"];
let upstream: Upstream;
let gateway: StartedGateway;
beforeAll(async () => {
  upstream = await startUpstream();
  const of = (format: string) =>
    `{ base_url: "${upstream.url}/v1", formats: [${format}], api_key: ${CANARIES[1]}, headers: { X-Team: ${
      CANARIES[0]
    } } }`;
  gateway = await startGateway(`providers:\n  c: ${of("chat")}\n  m: ${of("messages")}\n`);
});
afterAll(async () => {
  await gateway.stop();
  await upstream.stop();
});

const QUOTED = {
  error: { message: `You sent ${CANARIES.join(" and ")}`, type: "invalid_request_error", code: null, param: null },
};

describe("a provider's secrets", () => {
  for (const client of ["chat", "messages", "responses"] as const) {
    test(`quoted back by the upstream, never reach a ${client} client`, async () => {
      const [first = ""] = framesOf("chat", said());
      const frames = [
        first,
        'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n',
        `data: ${JSON.stringify(QUOTED)}\n\n`,
      ];
      const replies = [
        json(QUOTED, 400),
        json(QUOTED, 403),
        json(QUOTED, 200),
        sse([first, `data: ${JSON.stringify(QUOTED)}\n\n`]),
      ];
      if (client !== "chat") replies.push(sse(frames));
      for (const reply of replies) {
        upstream.answer(reply);
        const stream = reply.headers?.["content-type"]?.includes("event-stream") === true;
        const response = await post(gateway.url, client, plainBody(client, "c/x", { stream }));
        const text = JSON.stringify([...response.headers]) + await response.text();
        assert.ok(text.includes("***"), text);
        for (const canary of CANARIES) assert.ok(!text.includes(canary), text);
      }
      assert.equal(upstream.last().headers["x-team"], CANARIES[0]);
    });
  }
});

test("a provider's secrets in an error's other members and in headers, at the endpoints that pass", async () => {
  const inMembers = { error: { message: "no", type: "x", param: CANARIES[0], code: CANARIES[1] } };
  const names = ["x-request-id", "content-disposition", "openai-version", "x-ratelimit-limit-requests", "retry-after"];
  const headers = Object.fromEntries(names.map((name) => [name, `${CANARIES.join()}`]));
  const bodies = { "/v1/images/x": {}, "/v1/embeddings": { input: "x" }, "/v1/completions": { prompt: "x" } };
  for (const reply of [json(inMembers, 400, headers), json(inMembers, 200, headers), json({ id: "x" }, 200, headers)]) {
    upstream.answer(reply);
    for (
      const [path, body] of Object.entries({ ...bodies, [PATH.messages]: JSON.parse(plainBody("messages", "c/x")) })
    ) {
      const response = await ask(path, JSON.stringify({ ...body, model: "c/x" }));
      // What passes with status 200 is the answer itself.
      const isAnswer = path.endsWith("images/x") && response.ok;
      const text = JSON.stringify([...response.headers]) + (isAnswer ? "" : await response.text());
      for (const canary of CANARIES) assert.ok(!text.includes(canary), `${path} ${text}`);
    }
  }
});

test("a status that HTTP doesn't know is a typed error", async () => {
  for (const status of [600, 999]) {
    upstream.answer(json({ error: { message: "No", type: "x", code: null, param: null } }, status));
    const response = await post(gateway.url, "chat", plainBody("chat", "c/x"));
    assert.equal(response.status, 502);
    assert.ok(!(await response.text()).includes("Internal error"));
  }
});

test("a Host that makes no URL is no internal error", async () => {
  const { hostname, port } = new URL(gateway.url);
  for (const host of ["Host: a b\r\n", "Host: x:abc\r\n"]) {
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname);
      let text = "";
      socket.on("data", (bytes: Uint8Array) => text += new TextDecoder().decode(bytes));
      socket.on("close", () => resolve(text));
      socket.on("error", () => resolve(text));
      socket.write(`GET /health HTTP/1.1\r\n${host}Connection: close\r\n\r\n`);
    });
    assert.doesNotMatch(answer, /^HTTP\/1\.1 500/);
  }
  assert.equal((await fetch(gateway.url + PATH.chat, { method: "HEAD" })).status, 200);
});

describe("a body that only seems to be JSON", () => {
  const rest = '"prompt":"x","input":"x","max_tokens":9,"messages":[{"role":"user","content":"x"}]';

  for (const path of Object.values(PATH).concat("/v1/completions", "/v1/embeddings", "/v1/messages/count_tokens")) {
    test(`an illegal escape in the word that is looked for is no internal error: ${path}`, async () => {
      upstream.answer(json(QUOTED, 400));
      for (const model of ["c/x", "m/x"]) {
        const response = await ask(path, `{"model":"${model}","stream":"\\q",${rest}}`);
        assert.equal(response.status, 400, await response.text());
      }
    });
  }

  const least = '"input":"x","messages":[{"role":"user","content":"x"}],"max_tokens":9';

  test("a number beyond all numbers is none", async () => {
    const members = { "m/x": [PATH.chat, "seed"], "c/x": [PATH.messages, "temperature"] };
    for (const [model, [path = "", field]] of Object.entries(members)) {
      for (const number of ["1e999", "-1e999", "9".repeat(400)]) {
        const response = await ask(path, `{"model":"${model}",${least},"${field}":${number}}`);
        assert.equal(response.status, 400);
        assert.match(await response.text(), /Expected a number but got -?Infinity/);
      }
    }
  });

  test("a member called __proto__ is lost by its name like any other", async () => {
    upstream.answer(json(QUOTED, 400));
    for (const [client, model] of [["chat", "m/x"], ["messages", "c/x"], ["responses", "m/x"]] as const) {
      const body = `{"__proto__":{"a":1},"constructor":1,${plainBody(client, model).slice(1)}`;
      const response = await ask(PATH[client], body);
      assert.match(response.headers.get("x-trivium-loss") ?? "", /__proto__.*constructor/, client);
    }
  });

  test("an encoding that objects have a member of is unknown all the same", async () => {
    const response = await ask(PATH.chat, `{"model":"c/x",${rest}}`, { "content-encoding": "constructor" });
    assert.equal(response.status, 400);
  });
});

function ask(path: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${gateway.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
}
