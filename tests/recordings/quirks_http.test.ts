/** What QUIRKS.md of the recordings tells of statuses, headers and bodies around an answer, through a started gateway. */
import assert from "node:assert/strict";
import { afterAll, beforeAll, describe, test } from "bun:test";
import { asObject, type Json } from "../support/grammar.ts";
import { bodyOf, MODEL, PAIRS, plainBody, post, type Stage, startStage } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import type { FormatName } from "../support/told.ts";
import { json, raw } from "../support/upstream.ts";
import { hearBody } from "./oracle.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

const ERRORS: Readonly<Record<FormatName, Json>> = {
  chat: { error: { message: "No such thing", type: "invalid_request_error", param: null, code: null } },
  messages: {
    type: "error",
    error: { type: "invalid_request_error", message: "No such thing" },
    request_id: "req_upstream",
  },
  responses: { error: { message: "No such thing", type: "invalid_request_error", param: null, code: null } },
};

describe("around real answers", () => {
  for (const { name, client, upstream } of PAIRS) {
    const ask = (fields: Json = {}) => post(stage.gateway.url, client, plainBody(client, MODEL[upstream], fields));

    test(`${name}: retry-after beside status 200 is no advice to the client`, async () => {
      const headers = { "retry-after": "37", "retry-after-ms": "37000" };
      stage.upstreams[upstream].answer(json(bodyOf(upstream, said()), 200, headers));
      const response = await ask();
      assert.equal(response.status, 200);
      assert.equal(hearBody(client, await response.json()).candidates[0]?.text, "Hello from upstream.");
      assert.deepEqual([response.headers.get("retry-after"), response.headers.get("retry-after-ms")], [null, null]);
    });

    test(`${name}: blank lines keep a connection alive before a JSON body`, async () => {
      const body = `\n\n      \n\n${JSON.stringify(bodyOf(upstream, said()))}\n`;
      stage.upstreams[upstream].answer(raw(body, "application/json"));
      const response = await ask();
      assert.equal(hearBody(client, await response.json()).candidates[0]?.text, "Hello from upstream.");
    });

    for (const type of ["application/octet-stream", "application/json", "text/event-stream"]) {
      test(`${name}: an error as ${type}, to a request for a stream`, async () => {
        stage.upstreams[upstream].answer(raw(JSON.stringify(ERRORS[upstream]), type, 400));
        const response = await ask({ stream: true });
        assert.equal(response.status, 400);
        assert.equal(response.headers.get("content-type"), "application/json");
        const body = asObject(await response.json());
        assert.equal(asObject(body["error"])["message"], "No such thing");
        assert.equal(asObject(body["error"])["type"], "invalid_request_error");
      });
    }
  }
});
