import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { responses } from "../../../lib/formats/responses/mod.ts";
import type { Json } from "../../support/grammar.ts";
import { faultsOfEvent, faultsOfResponse, faultsOfSocketError } from "../../support/open_responses.ts";
import { answerTo } from "../formats/responses/support.ts";

const RESPONSE: Json = responses.encodeResponse(
  {
    id: "resp_1",
    model: "m",
    createdAt: 1,
    candidates: [{ index: 0, parts: [{ kind: "text", text: "Hi" }], stop: { reason: "stop" } }],
    usage: undefined,
  },
  answerTo(),
);
const EVENT: Json = { type: "response.output_text.delta", sequence_number: 1, item_id: "msg_1", output_index: 0 };
const DELTA: Json = { ...EVENT, content_index: 0, delta: "a", logprobs: [] };

describe("the shapes of Open Responses", () => {
  test("what we write has them", () => {
    assert.deepEqual(faultsOfResponse(RESPONSE), []);
    assert.deepEqual(faultsOfEvent(DELTA), []);
    assert.deepEqual(faultsOfEvent({ type: "response.completed", sequence_number: 1, response: RESPONSE }), []);
  });

  test("every member that the specification requires is missed", () => {
    const optional = new Set(["user"]);
    for (const name of Object.keys(RESPONSE).filter((name) => !optional.has(name))) {
      const { [name]: _, ...rest } = RESPONSE;
      assert.deepEqual(faultsOfResponse(rest), [`response lacks "${name}"`]);
    }
  });

  test("a wrong type is told by its path, down to the parts of items", () => {
    const content = [{ type: "output_text", text: "Hi", annotations: [] }];
    const output = [{ id: "msg_1", type: "message", status: "completed", role: "assistant", content }];
    assert.deepEqual(faultsOfResponse({ ...RESPONSE, output }), ['response.output[0].content[0] lacks "logprobs"']);
    assert.deepEqual(faultsOfResponse({ ...RESPONSE, store: null }), ["response.store is no boolean: null"]);
    assert.deepEqual(faultsOfResponse({ ...RESPONSE, tools: [{ type: "function", name: "f" }] }).length, 3);
    assert.deepEqual(faultsOfResponse({ ...RESPONSE, status: "done" }).length, 1);
    assert.deepEqual(faultsOfEvent({ ...DELTA, sequence_number: "1" }).length, 1);
    assert.deepEqual(faultsOfEvent({ ...DELTA, type: "response.ping" }).length, 1);
  });

  test("an error of a socket has a status and a code", () => {
    const error = { type: "error", status: 400, error: { code: "x", message: "m", param: null } };
    assert.deepEqual(faultsOfSocketError(error), []);
    assert.deepEqual(faultsOfSocketError({ ...error, status: undefined }), ['error lacks "status"']);
    assert.deepEqual(faultsOfSocketError({ ...error, error: { message: "m", code: null } }), [
      "error.error.code is no string: null",
    ]);
  });
});
