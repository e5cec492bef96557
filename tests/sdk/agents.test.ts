/** What coding agents need that smaller clients don't notice; learnt from the real ones in tests/clients. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { lostPaths } from "../support/losses.ts";
import { asArray, asObject } from "../support/grammar.ts";
import { MODEL, MODES, PAIRS, plainBody, post, replyOf, type Stage, startStage } from "../support/pairs.ts";
import { type Block, said } from "../support/said.ts";
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
      return lostPaths(await post(stage.gateway.url, "messages", body));
    };
    test(`${upstream} upstream`, async () => {
      assert.deepEqual(await lossOf({ edits: [{ type: "clear_thinking_20251015", keep: "all" }] }), []);
      for (const management of LOST) assert.deepEqual(await lossOf(management), ["context_management"]);
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

describe("a search for tools that a responses client runs itself (Codex: all MCP tools) works where there is none", () => {
  const query = { type: "object", properties: { query: { type: "string" } }, required: ["query"] };
  const SEARCH = { type: "tool_search", execution: "client", description: "Finds tools.", parameters: query };
  const turn = { type: "function", name: "turn", description: "Turns.", parameters: query, strict: false };
  const found = [
    { type: "namespace", name: "mcp__roads", description: "Roads.", tools: [{ ...turn, defer_loading: true }] },
    { ...turn, name: "stop" },
  ];
  const output = (call_id: string, tools: unknown[]) => ({
    type: "tool_search_output",
    call_id,
    status: "completed",
    execution: "client",
    tools,
  });
  const calling = (name: string, args: string): Block => ({ kind: "tool", id: "call_1", name, args });

  for (const upstream of ["chat", "messages"] as const) {
    for (const mode of MODES) {
      test(`${upstream} upstream, ${mode}`, async () => {
        const client = stage.client("responses");
        const answer = (block: Block) =>
          stage.upstreams[upstream].answer(
            replyOf(upstream, said({ blocks: [block], stop: "tool_calls" }), mode),
          );
        const ask = (turns: Parameters<typeof client.ask>[0]["turns"]) => {
          const request = { model: MODEL[upstream], turns, extra: { tools: [SEARCH] } };
          return mode === "whole" ? client.ask(request) : client.stream(request);
        };

        answer(calling("tool_search", '{"query":"roads"}'));
        const first = await ask([{ user: "Go" }]);
        assert.equal(first.headers.get("x-trivium-loss"), null);
        const { id, ...call } = asObject(first.echo[0]);
        assert.match(String(id), /^tsc_\w+/);
        assert.deepEqual(call, {
          type: "tool_search_call",
          call_id: "call_1",
          status: "completed",
          execution: "client",
          arguments: { query: "roads" },
        });
        const [offered] = readTold(upstream, stage.upstreams[upstream].last().body).tools;
        assert.deepEqual(offered, { name: "tool_search", description: "Finds tools.", schema: query });

        answer(calling("mcp__roads__turn", '{"query":"left"}'));
        // Found twice: offered once.
        const echo = [...first.echo, output("call_1", found), { ...call, call_id: "call_2" }, output("call_2", found)];
        const second = await ask([{ user: "Go" }, { echo }]);
        assert.equal(second.headers.get("x-trivium-loss"), null);
        const told = readTold(upstream, stage.upstreams[upstream].last().body);
        assert.deepEqual(told.calls[0], { id: "call_1", name: "tool_search", input: { query: "roads" } });
        const text = "These tools can be called now:\nmcp__roads__turn: Turns.\nstop: Turns.";
        assert.deepEqual(told.results, [{ id: "call_1", text }, { id: "call_2", text }]);
        assert.deepEqual(told.tools.map(({ name }) => name), ["tool_search", "mcp__roads__turn", "stop"]);
        const { name, namespace } = asObject(second.echo[0]);
        assert.deepEqual([name, namespace], ["turn", "mcp__roads"]);
      });
    }

    test(`${upstream} upstream: a search that the provider would run is lost, and said`, async () => {
      stage.upstreams[upstream].answer(replyOf(upstream, said(), "whole"));
      const tools = [{ type: "tool_search" }, turn];
      const response = await post(stage.gateway.url, "responses", plainBody("responses", MODEL[upstream], { tools }));
      assert.deepEqual(lostPaths(response), ["tools[0]"]);
    });
  }
});

describe("thinking that nobody signed is kept by clients that drop the unsigned (AI SDK), and by no real provider", () => {
  for (const mode of MODES) {
    test(mode, async () => {
      const client = stage.client("messages");
      const blocks: Block[] = [{ kind: "thinking", text: "Left or right?" }, { kind: "text", text: "Left." }];
      stage.upstreams.chat.answer(replyOf("chat", said({ blocks }), mode));
      const first = { model: MODEL.chat, turns: [{ user: "Go" }] };
      const { echo } = await (mode === "whole" ? client.ask(first) : client.stream(first));
      const { type, thinking, signature } = asObject(echo[0]);
      assert.deepEqual([type, thinking], ["thinking", "Left or right?"]);
      assert.match(String(signature), /^gw1\./);

      stage.upstreams.messages.answer(replyOf("messages", said(), "whole"));
      const second = await client.ask({ model: MODEL.messages, turns: [...first.turns, { echo }, { user: "On" }] });
      assert.deepEqual(lostPaths(second), ["messages[1].content[0]"]);
      const { messages } = asObject(stage.upstreams.messages.last().body);
      assert.deepEqual(asArray(asObject(asArray(messages)[1])["content"]).map((block) => asObject(block)["type"]), [
        "text",
      ]);
    });
  }
});

describe("thinking whose words a responses client drops comes back with what seals it (AI SDK)", () => {
  for (const mode of MODES) {
    test(mode, async () => {
      const client = stage.client("responses");
      const blocks: Block[] = [
        { kind: "thinking", text: "Left or right?", seal: "c2VhbA==" },
        { kind: "tool", id: "call_1", name: "turn", args: "{}" },
      ];
      stage.upstreams.messages.answer(replyOf("messages", said({ blocks, stop: "tool_calls" }), mode));
      const extra = { tools: [{ type: "function", name: "turn", parameters: { type: "object", properties: {} } }] };
      const first = { model: MODEL.messages, turns: [{ user: "Go" }], extra };
      const answer = await (mode === "whole" ? client.ask(first) : client.stream(first));
      const [reasoning, call] = answer.echo.map(asObject);
      assert.deepEqual(reasoning?.["content"], [{ type: "reasoning_text", text: "Left or right?" }]);

      stage.upstreams.messages.answer(replyOf("messages", said(), "whole"));
      const { content: _, ...wordless } = reasoning ?? {};
      const result = { type: "function_call_output", call_id: "call_1", output: "Left" };
      await client.ask({ ...first, turns: [{ user: "Go" }, { echo: [wordless, call, result] }] });
      const { messages } = asObject(stage.upstreams.messages.last().body);
      const [thinking] = asArray(asObject(asArray(messages)[1])["content"]);
      assert.deepEqual(thinking, { type: "thinking", thinking: "Left or right?", signature: "c2VhbA==" });
    });
  }
});
