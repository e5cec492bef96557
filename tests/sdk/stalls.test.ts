/** Upstreams that never come to an end: the client does, with a typed error (PITFALLS, 15), on every pair. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { checkResponsesStream } from "../support/grammar_responses.ts";
import {
  bodyOf,
  framesOf,
  MODEL,
  type Pair,
  PAIRS,
  plainBody,
  post,
  type Stage,
  startStage,
} from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { HANG, type Reply, SILENCE, sse } from "../support/upstream.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage("timeouts: { first_byte_ms: 400, idle_ms: 400, keepalive_ms: 100 }");
});
afterAll(() => stage.stop());

function ask(pair: Pair, reply: Reply, stream: boolean): Promise<Response> {
  stage.upstreams[pair.upstream].answer(reply);
  return post(stage.gateway.url, pair.client, plainBody(pair.client, MODEL[pair.upstream], { stream }));
}

const JSON_HEADERS = { "content-type": "application/json" };

describe("a whole answer that stops half-way", () => {
  for (const pair of PAIRS) {
    test(`ends as 504: ${pair.name}`, async () => {
      const text = JSON.stringify(bodyOf(pair.upstream, said()));
      for (const headers of [JSON_HEADERS, { ...JSON_HEADERS, "content-length": String(text.length) }]) {
        const response = await ask(pair, { headers, steps: [text.slice(0, 40), HANG] }, false);
        assert.equal(response.status, 504);
        assert.match(await response.text(), /did not finish its answer/);
      }
    });
  }
});

describe("an error whose text never ends", () => {
  for (const pair of PAIRS) {
    test(`keeps its status: ${pair.name}`, async () => {
      const response = await ask(pair, {
        status: 429,
        headers: { ...JSON_HEADERS, "retry-after": "7" },
        steps: ['{"err', HANG],
      }, false);
      assert.equal(response.status, 429);
      assert.equal(response.headers.get("retry-after"), "7");
    });
  }
});

describe("an upstream that never answers a streaming request", () => {
  for (const pair of PAIRS) {
    test(`the stream ends in the client's own error: ${pair.name}`, async () => {
      const response = await ask(pair, SILENCE, true);
      const text = await response.text();
      assert.match(text, /sent nothing (?:within|for) 400 ms/);
      if (pair.client === "responses") assert.deepEqual(checkResponsesStream(text), []);
    });
  }
});

describe("comments for ever after the end of the answer", () => {
  for (const pair of PAIRS) {
    test(`the client's stream ends all the same: ${pair.name}`, async () => {
      const frames = framesOf(pair.upstream, said()).filter((frame) => pair.passes || !frame.includes("[DONE]"));
      const comments = Array.from({ length: 200 }, () => [": still here\n\n", { pause: 100 }]).flat();
      const response = await ask(pair, sse([...frames, ...comments]), true);
      assert.ok((await response.text()).includes("Hello"));
    }, 10_000);
  }
});
