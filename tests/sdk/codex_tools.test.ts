/**
 * Tools as Codex offers them (CLIENTS.md), on upstreams of other formats (TRANSLATION.md, 2.4, 2.5 and case 36): namespaces,
 * `additional_tools` items, custom tools within them, and a search for deferred tools that the client runs. Each over two
 * turns, the second of which repeats the items of the first.
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { lostPaths } from "../support/losses.ts";
import { asArray, asObject, type Json } from "../support/grammar.ts";
import { MODEL, MODES, plainBody, post, replyOf, type Stage, startStage } from "../support/pairs.ts";
import { type Block, said } from "../support/said.ts";
import { readTold } from "../support/told.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

const OBJECT = { type: "object", properties: { id: { type: "string" } }, required: ["id"] };
const fn = (name: string, more: Json = {}): Json => ({
  type: "function",
  name,
  description: `Does ${name}.`,
  parameters: OBJECT,
  strict: false,
  ...more,
});
const AGENTS: Json = {
  type: "namespace",
  name: "multi_agent_v1",
  description: "Agents",
  tools: [fn("spawn"), fn("wait")],
};
const EXEC: Json = {
  type: "custom",
  name: "exec",
  description: "Runs code.",
  format: { type: "grammar", syntax: "lark", definition: "start: /.+/" },
};
const FUNCTIONS: Json = { type: "namespace", name: "functions", description: "Functions", tools: [EXEC] };
const OFFER: Json = { type: "additional_tools", role: "developer", tools: [FUNCTIONS, fn("clock")] };
const SEARCH: Json = {
  type: "tool_search",
  execution: "client",
  description: "Finds tools of the apps.",
  parameters: { type: "object", properties: { query: { type: "string" } }, required: ["query"] },
};
const CALENDAR: Json = {
  type: "namespace",
  name: "mcp__calendar",
  description: "Calendar",
  tools: [fn("add_event", { defer_loading: true })],
};

interface Case {
  /** Members of the request, in both turns. */
  fields: Json;
  /** Items that stand before the user's message. */
  before: Json[];
  /** The names that the upstream is offered. */
  offered: string[];
  call: Block;
  /** The item of the call, without its id. */
  item: Json;
  output: Json;
  /** What the upstream is told of the call and of the output in the second turn. */
  told: { name: string; input: unknown; text: string };
  /** The names that the upstream is offered then. */
  offeredThen?: string[];
  losses: Record<"chat" | "messages", string | null>;
}

const GRAMMAR = "input[0].tools[0].tools[0].format";

const CASES: Record<string, Case> = {
  "a namespace": {
    fields: { tools: [AGENTS, fn("shell")] },
    before: [],
    offered: ["multi_agent_v1__spawn", "multi_agent_v1__wait", "shell"],
    call: { kind: "tool", id: "call_1", name: "multi_agent_v1__spawn", args: '{"id":"a"}' },
    item: {
      type: "function_call",
      call_id: "call_1",
      name: "spawn",
      namespace: "multi_agent_v1",
      arguments: '{"id":"a"}',
      status: "completed",
    },
    output: { type: "function_call_output", call_id: "call_1", output: "spawned" },
    told: { name: "multi_agent_v1__spawn", input: { id: "a" }, text: "spawned" },
    losses: { chat: null, messages: null },
  },
  "a custom tool in a namespace of additional_tools": {
    fields: { parallel_tool_calls: true },
    before: [OFFER],
    offered: ["functions__exec", "clock"],
    call: { kind: "tool", id: "call_1", name: "functions__exec", args: JSON.stringify({ input: 'print("é")\n' }) },
    item: {
      type: "custom_tool_call",
      call_id: "call_1",
      name: "exec",
      namespace: "functions",
      input: 'print("é")\n',
      status: "completed",
    },
    output: { type: "custom_tool_call_output", call_id: "call_1", output: "é" },
    told: { name: "functions__exec", input: { input: 'print("é")\n' }, text: "é" },
    losses: { chat: GRAMMAR, messages: GRAMMAR },
  },
  "a search that the client runs": {
    fields: { tools: [SEARCH, fn("shell")] },
    before: [],
    offered: ["tool_search", "shell"],
    call: { kind: "tool", id: "call_1", name: "tool_search", args: '{"query":"calendar"}' },
    item: {
      type: "tool_search_call",
      call_id: "call_1",
      execution: "client",
      arguments: { query: "calendar" },
      status: "completed",
    },
    output: {
      type: "tool_search_output",
      call_id: "call_1",
      execution: "client",
      status: "completed",
      tools: [CALENDAR, fn("shell")],
    },
    told: {
      name: "tool_search",
      input: { query: "calendar" },
      text: "These tools can be called now:\nmcp__calendar__add_event: Does add_event.\nshell: Does shell.",
    },
    offeredThen: ["tool_search", "shell", "mcp__calendar__add_event"],
    losses: { chat: null, messages: null },
  },
};

for (
  const [name, { fields, before, offered, call, item, output, told, offeredThen, losses }] of Object.entries(CASES)
) {
  describe(name, () => {
    for (const upstream of ["chat", "messages"] as const) {
      for (const mode of MODES) {
        test(`${upstream} upstream, ${mode}`, async () => {
          const to = stage.upstreams[upstream];
          const client = stage.client("responses");
          to.answer(replyOf(upstream, said({ blocks: [call], stop: "tool_calls" }), mode));
          const ask = { model: MODEL[upstream], turns: [{ echo: before }, { user: "Go" }], extra: fields };
          const first = mode === "whole" ? await client.ask(ask) : await client.stream(ask);
          assert.equal(lostPaths(first).join(", ") || null, losses[upstream]);
          assert.deepEqual(readTold(upstream, to.last().body).tools.map((tool) => tool.name), offered);
          // The SDK's own addition in streams.
          const { id, parsed_arguments: _, ...rest } = asObject(first.echo[0]);
          assert.deepEqual(rest, item);
          assert.match(String(id), /^(?:fc|ctc|tsc)_\w+/);
          if (mode === "streamed") assert.deepEqual(client.check(first.wire), []);

          to.answer(replyOf(upstream, said(), "whole"));
          await client.ask({ ...ask, turns: [...ask.turns, { echo: first.echo }, { echo: [output] }] });
          const then = readTold(upstream, to.last().body);
          assert.deepEqual(then.calls, [{ id: "call_1", name: told.name, input: told.input }]);
          assert.deepEqual(then.results, [{ id: "call_1", text: told.text }]);
          assert.deepEqual(then.tools.map((tool) => tool.name), offeredThen ?? offered);
        });
      }
    }
  });
}

describe("otherwise", () => {
  async function sent(upstream: "chat" | "messages", fields: Json): Promise<{ body: Json; loss: string | null }> {
    stage.upstreams[upstream].answer(replyOf(upstream, said(), "whole"));
    const response = await post(stage.gateway.url, "responses", plainBody("responses", MODEL[upstream], fields));
    assert.equal(response.status, 200, await response.text());
    return {
      body: asObject(stage.upstreams[upstream].last().body),
      loss: response.headers.get("x-trivium-loss"),
    };
  }

  for (const upstream of ["chat", "messages"] as const) {
    test(`a found tool is called like any: ${upstream} upstream`, async () => {
      const call: Block = { kind: "tool", id: "call_2", name: "mcp__calendar__add_event", args: '{"id":"x"}' };
      stage.upstreams[upstream].answer(replyOf(upstream, said({ blocks: [call], stop: "tool_calls" }), "whole"));
      const { item, output } = CASES["a search that the client runs"] as Case;
      const input = [{ role: "user", content: "Go" }, { ...item, id: "tsc_1" }, output];
      const response = await post(
        stage.gateway.url,
        "responses",
        plainBody("responses", MODEL[upstream], { tools: [SEARCH], input }),
      );
      const [called] = asArray(asObject(await response.json())["output"]).map(asObject);
      assert.equal(called?.["name"], "add_event");
      assert.equal(called?.["namespace"], "mcp__calendar");
    });

    test(`tools that are offered twice in a conversation are offered once: ${upstream} upstream`, async () => {
      const input = [OFFER, { role: "user", content: "Hi" }, { ...OFFER, tools: [fn("clock"), fn("new")] }];
      const { body } = await sent(upstream, { input });
      assert.deepEqual(readTold(upstream, body).tools.map((tool) => tool.name), ["functions__exec", "clock", "new"]);
    });

    test(`deferred tools without a search of the client's are loaded at once, and said: ${upstream} upstream`, async () => {
      const { body, loss } = await sent(upstream, {
        tools: [{ type: "tool_search" }, fn("late", { defer_loading: true })],
      });
      assert.deepEqual(readTold(upstream, body).tools.map((tool) => tool.name), ["late"]);
      assert.match(loss ?? "", /tools\[0\]/);
      assert.match(loss ?? "", /tools\[1\]\.defer_loading/);
    });

    test(`a search that OpenAI ran is no call of the client's in the history: ${upstream} upstream`, async () => {
      const input = [
        { role: "user", content: "Hi" },
        {
          type: "tool_search_call",
          id: "tsc_1",
          execution: "server",
          call_id: null,
          arguments: {},
          status: "completed",
        },
        { type: "tool_search_output", id: "tso_1", execution: "server", call_id: null, status: "completed", tools: [] },
      ];
      const { body, loss } = await sent(upstream, { input });
      const { calls, results } = readTold(upstream, body);
      assert.deepEqual([calls, results], [[], []]);
      assert.match(loss ?? "", /input\[1\].*input\[2\]/);
    });
  }

  test("to an upstream of its own format all of it goes as it came", async () => {
    const { item, output } = CASES["a search that the client runs"] as Case;
    const input = [OFFER, { role: "user", content: "Go" }, { ...item, id: "tsc_1" }, output];
    const tools = [SEARCH, AGENTS];
    stage.upstreams.responses.answer(replyOf("responses", said(), "whole"));
    await post(stage.gateway.url, "responses", plainBody("responses", MODEL.responses, { input, tools }));
    const body = asObject(stage.upstreams.responses.last().body);
    assert.deepEqual([body["input"], body["tools"]], [input, tools]);
  });
});
