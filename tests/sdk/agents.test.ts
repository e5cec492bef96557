/** What coding agents need that smaller clients don't notice; learnt from the real ones in tests/clients. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { asArray, asObject } from "../support/grammar.ts";
import { MODEL, MODES, PAIRS, plainBody, post, replyOf, type Stage, startStage } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { readTold } from "../support/told.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

describe("two answers that the upstream calls by one id have two (Claude Code takes them for one message)", () => {
  for (const { client, upstream, name } of PAIRS.filter((pair) => !pair.passes)) {
    for (const mode of MODES) {
      test(`${name}, ${mode}`, async () => {
        stage.upstreams[upstream].answer(replyOf(upstream, said(), mode));
        const ids: unknown[] = [];
        for (let turn = 0; turn < 2; turn++) {
          const body = plainBody(client, MODEL[upstream], { stream: mode === "streamed" });
          const wire = await (await post(stage.gateway.url, client, body)).text();
          ids.push(/"id": ?"((?:msg|resp)_|chatcmpl-)(\w+)"/.exec(wire)?.[2]);
        }
        assert.match(String(ids[0]), /^\w{24}$/);
        assert.notEqual(ids[0], ids[1]);
      });
    }
  }
});

describe("context management that takes nothing out is no loss where there is none", () => {
  const LOST = [
    { edits: [{ type: "clear_thinking_20251015", keep: { type: "thinking_turns", value: 1 } }] },
    { edits: [{ type: "clear_thinking_20251015", keep: "all" }, { type: "clear_tool_uses_20250919" }] },
    { edits: [{ type: "clear_thinking_20251015" }] },
  ];
  for (const upstream of ["chat", "responses"] as const) {
    const lossOf = async (context_management: unknown) => {
      stage.upstreams[upstream].answer(replyOf(upstream, said(), "whole"));
      const body = plainBody("messages", MODEL[upstream], { context_management });
      return (await post(stage.gateway.url, "messages", body)).headers.get("x-trivium-loss");
    };
    test(`${upstream} upstream`, async () => {
      assert.equal(await lossOf({ edits: [{ type: "clear_thinking_20251015", keep: "all" }] }), null);
      for (const management of LOST) assert.equal(await lossOf(management), "context_management");
    });
  }
});

describe("what a namespace says of its tools (an MCP server's instructions) is told where there are none", () => {
  const parameters = { type: "object", properties: {} };
  const NAMESPACE = {
    type: "namespace",
    name: "mcp__roads",
    description: "Ask before you turn.",
    tools: [
      { type: "function", name: "turn", description: "Turns.", parameters, strict: false },
      { type: "custom", name: "sing" },
    ],
  };
  for (const upstream of ["chat", "messages"] as const) {
    test(`${upstream} upstream`, async () => {
      stage.upstreams[upstream].answer(replyOf(upstream, said(), "whole"));
      const tools = [NAMESPACE, { ...NAMESPACE, name: "mcp__songs", tools: [NAMESPACE.tools[1]] }];
      const response = await post(stage.gateway.url, "responses", plainBody("responses", MODEL[upstream], { tools }));
      assert.equal(response.headers.get("x-trivium-loss"), null);
      assert.deepEqual(asArray(asObject(await response.json())["tools"]), tools);
      const told = readTold(upstream, stage.upstreams[upstream].last().body).tools;
      assert.deepEqual(told.map(({ name, description }) => [name, description]), [
        ["mcp__roads__turn", "[mcp__roads: Ask before you turn.]\n\nTurns."],
        ["mcp__roads__sing", undefined],
        ["mcp__songs__sing", "[mcp__songs: Ask before you turn.]"],
      ]);
    });
  }
});
