/** The strict upstreams refuse what they are there to refuse: else the tests over turns prove nothing. */
import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { asArray, asObject, type Json } from "../../support/grammar.ts";
import { type Judge, Mint } from "../../support/strict.ts";
import { chatJudge } from "../../support/strict_chat.ts";
import { messagesJudge } from "../../support/strict_messages.ts";
import { responsesJudge } from "../../support/strict_responses.ts";
import type { Block } from "../../support/said.ts";

const USER = { role: "user", content: "Hi" };
const CALL: Block = { kind: "tool", id: "call_1", name: "f", args: "{}" };

/** The answer's body after it thought `text` and called a tool. */
function spoken(judge: Judge, text = "hm"): Json {
  const blocks: Block[] = [{ kind: "thinking", text, seal: judge.mint.seal(text) }, {
    kind: "redacted",
    seal: judge.mint.seal("secret"),
  }, CALL];
  return asObject(JSON.parse(String(judge.answer(blocks, false).steps[0])));
}

function refusal(judge: Judge, body: Json): string {
  return judge.refusalOf(body)?.message ?? "";
}

describe("messages", () => {
  const judge = messagesJudge(new Mint("Eq"));
  const [thinking = {}, redacted = {}, call = {}] = asArray(spoken(judge)["content"]).map(asObject);
  const result = { role: "user", content: [{ type: "tool_result", tool_use_id: "call_1", content: "ok" }] };
  const history = (...content: Json[]): Json => ({
    thinking: { type: "enabled" },
    messages: [USER, { role: "assistant", content }, result],
  });

  test("takes its own blocks as they were", () => {
    assert.equal(refusal(judge, history(thinking, redacted, call)), "");
  });

  const cases: readonly (readonly [string, Json, RegExp])[] = [
    ["an altered text", history({ ...thinking, thinking: "hm!" }, redacted, call), /Invalid `signature`/],
    ["a foreign signature", history({ ...thinking, signature: "EqForeign" }, redacted, call), /Invalid `signature`/],
    ["an empty signature", history({ ...thinking, signature: "" }, redacted, call), /Invalid `signature`/],
    ["altered data", history(thinking, { ...redacted, data: `${redacted["data"]}=` }, call), /Invalid `data`/],
    ["another order", history(redacted, thinking, call), /cannot be modified/],
    ["a block left out", history(thinking, call), /cannot be modified/],
    ["thinking after the call", history(call, thinking, redacted), /Expected `thinking`/],
    ["no thinking", history(call), /Expected `thinking`/],
    ["no result", { messages: [USER, { role: "assistant", content: [call] }, USER] }, /without `tool_result`/],
    ["no user first", { messages: [{ role: "assistant", content: "Hi" }] }, /first message/],
  ];
  for (const [name, body, words] of cases) {
    test(`refuses ${name}`, () => assert.match(refusal(judge, body), words));
  }

  test("without manual thinking, a turn may lack it", () => {
    assert.equal(refusal(judge, { ...history(call), thinking: { type: "adaptive" } }), "");
  });
});

describe("responses", () => {
  const judge = responsesJudge();
  const [reasoning = {}, hidden = {}, call = {}] = asArray(spoken(judge)["output"]).map(asObject);
  const output = { type: "function_call_output", call_id: "call_1", output: "ok" };
  const { id: _, ...unnamed } = call;
  const history = (...items: Json[]): Json => ({ input: [USER, ...items, output] });

  test("takes its own items as they were, and calls without ids and reasoning", () => {
    assert.equal(refusal(judge, history(reasoning, hidden, call)), "");
    assert.equal(refusal(judge, history(unnamed)), "");
  });

  const cases: readonly (readonly [string, Json, RegExp])[] = [
    ["foreign content", history({ ...reasoning, encrypted_content: "gAAAAAx" }, call), /could not be verified/],
    ["an altered summary", history({ ...reasoning, summary: [{ text: "hm!" }] }, hidden, call), /altered/],
    ["an id that it never made", history({ ...reasoning, id: "rs_other" }, hidden, call), /not found/],
    ["a call's id without its reasoning", history(call), /required 'reasoning'/],
    ["reasoning with nothing after it", history(unnamed, reasoning), /required following/],
    ["another order", history(hidden, reasoning, call), /out of order/],
    ["a result without its call", history(), /No tool call found/],
  ];
  for (const [name, body, words] of cases) {
    test(`refuses ${name}`, () => assert.match(refusal(judge, body), words));
  }
});

describe("chat's dialects", () => {
  const turn = (judge: Judge): Json => {
    const [choice] = asArray(spoken(judge)["choices"]).map(asObject);
    return asObject(choice?.["message"]);
  };
  const history = (message: Json): Json => ({ messages: [USER, message, { role: "tool", tool_call_id: "call_1" }] });

  test("each takes its own message as it was", () => {
    for (const dialect of ["plain", "deepseek", "gemini", "openrouter"] as const) {
      const judge = chatJudge(dialect);
      assert.equal(refusal(judge, history(turn(judge))), "", dialect);
    }
  });

  test("plain: refuses members that it doesn't know", () => {
    const judge = chatJudge("plain");
    assert.match(refusal(judge, history({ ...turn(judge), reasoning_content: "hm" })), /Unknown name/);
  });

  test("deepseek: wants its thinking back within the loop, unaltered", () => {
    const judge = chatJudge("deepseek");
    const { reasoning_content: _, ...bare } = turn(judge);
    assert.match(refusal(judge, history(bare)), /Missing `reasoning_content`/);
    assert.match(refusal(judge, history({ ...bare, reasoning_content: "hm!" })), /Missing `reasoning_content`/);
    assert.equal(refusal(judge, { messages: [...asArray(history(bare)["messages"]), USER] }), "");
  });

  test("gemini: wants the first call of a step signed by itself, or excused where it isn't its own", () => {
    const judge = chatJudge("gemini");
    const message = turn(judge);
    const [call = {}] = asArray(message["tool_calls"]).map(asObject);
    const signed = (thought_signature: unknown, id = call["id"]): Json =>
      history({ ...message, tool_calls: [{ ...call, id, extra_content: { google: { thought_signature } } }] });
    assert.match(refusal(judge, history({ ...message, tool_calls: [{ id: call["id"] }] })), /missing/);
    assert.match(refusal(judge, signed("CsOther")), /not valid/);
    assert.match(refusal(judge, history({ ...message, tool_calls: [{ id: "call_other" }] })), /missing/);
    assert.equal(refusal(judge, signed("skip_thought_signature_validator", "call_other")), "");
  });

  test("openrouter: wants its entries unaltered", () => {
    const judge = chatJudge("openrouter", new Mint("Eq"));
    const message = turn(judge);
    const [entry = {}] = asArray(message["reasoning_details"]).map(asObject);
    for (const change of [{ text: "hm!" }, { signature: "Eq" }, { id: "other" }, { type: "reasoning.summary" }]) {
      assert.match(refusal(judge, history({ ...message, reasoning_details: [{ ...entry, ...change }] })), /altered/);
    }
    assert.match(refusal(judge, history({ ...message, reasoning_details: [] })), /Expected/);
  });
});
