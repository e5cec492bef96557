import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import {
  answerId,
  callId,
  derivedId,
  isOwnItemId,
  ownItemId,
  randomId,
  shortCallId,
} from "../../../lib/translation/ids.ts";

describe("ids", () => {
  test("a derived id is the same for the same seed alone", () => {
    assert.match(derivedId("msg_", "a"), /^msg_[0-9A-Za-z]{24}$/);
    assert.equal(derivedId("msg_", "a"), derivedId("msg_", "a"));
    assert.notEqual(derivedId("msg_", "a"), derivedId("msg_", "b"));
  });

  test("random ids have the same shape and differ", () => {
    assert.match(randomId("call_"), /^call_[0-9A-Za-z]{24}$/);
    assert.notEqual(randomId("call_"), randomId("call_"));
  });

  test("an answer keeps an id of the client's own format; any other is of its request, whatever the upstream calls it", () => {
    assert.equal(answerId("msg_", "msg_01Abc", "req_1"), "msg_01Abc");
    assert.equal(answerId("msg_", "chatcmpl-1", "req_1"), derivedId("msg_", "req_1"));
    assert.equal(answerId("msg_", "", "req_1"), derivedId("msg_", "req_1"));
    assert.notEqual(answerId("msg_", "chatcmpl-1", "req_1"), answerId("msg_", "chatcmpl-1", "req_2"));
  });

  test("call_ids_made_legal: a call and its result get the same id without any state", () => {
    assert.equal(callId("call_abc-1", 64), "call_abc-1");
    const legal = callId("functions.Bash:0", 64);
    assert.match(legal, /^call_[0-9A-Za-z]{24}$/);
    assert.equal(callId("functions.Bash:0", 64), legal);
    assert.notEqual(callId("functions.Bash:1", 64), legal);
    assert.equal(callId("x".repeat(41), 40).length, 29);
  });

  test("short ids are nine letters and digits", () => {
    assert.equal(shortCallId("abcDEF123"), "abcDEF123");
    assert.match(shortCallId("call_1"), /^[0-9A-Za-z]{9}$/);
    assert.equal(shortCallId("call_1"), shortCallId("call_1"));
  });
});

test("an item's id that the gateway made is known again, those of makers are not", () => {
  assert.match(ownItemId("msg_"), /^msg_[0-9A-Za-z]{24}$/);
  assert.equal(isOwnItemId(ownItemId("fc_")), true);
  for (const id of ["msg_68a0b1c2d3e4f5", "rs_gw1", randomId("msg_"), undefined]) assert.equal(isOwnItemId(id), false);
});
