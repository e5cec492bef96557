/**
 * Tools that a responses client runs itself and names by type alone, on upstreams of other formats (TRANSLATION.md, 2.5):
 * functions there, the client's own items here, over two turns.
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { asArray, asObject, type Json } from "../support/grammar.ts";
import { MODEL, MODES, plainBody, post, replyOf, type Stage, startStage } from "../support/pairs.ts";
import { type Block, said } from "../support/said.ts";
import { readTold } from "../support/told.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

interface Case {
  tool: Json;
  args: Json;
  /** The item of the call, without its id. */
  item: Json;
  output: Json;
  /** What the upstream is told of the output. */
  text: string;
}

const CASES: Record<string, Case> = {
  shell: {
    tool: { type: "shell", environment: { type: "local" } },
    args: { commands: ["ls", "pwd"], timeout_ms: 1000 },
    item: {
      type: "shell_call",
      call_id: "call_1",
      status: "completed",
      action: { commands: ["ls", "pwd"], timeout_ms: 1000, max_output_length: null },
      environment: null,
    },
    output: {
      type: "shell_call_output",
      call_id: "call_1",
      output: [
        { stdout: "a.txt", stderr: "", outcome: { type: "exit", exit_code: 0 } },
        { stdout: "", stderr: "slow", outcome: { type: "timeout" } },
      ],
    },
    text: "a.txt\nExit code 0\n\nslow\nTimed out",
  },
  local_shell: {
    tool: { type: "local_shell" },
    args: { command: ["ls", "-l"], working_directory: "/tmp" },
    item: {
      type: "local_shell_call",
      call_id: "call_1",
      status: "completed",
      action: { type: "exec", command: ["ls", "-l"], env: {}, working_directory: "/tmp" },
    },
    output: { type: "local_shell_call_output", id: "call_1", output: "a.txt" },
    text: "a.txt",
  },
  apply_patch: {
    tool: { type: "apply_patch" },
    args: { type: "update_file", path: "a.txt", diff: "@@\n-a\n+é" },
    item: {
      type: "apply_patch_call",
      call_id: "call_1",
      status: "completed",
      operation: { type: "update_file", path: "a.txt", diff: "@@\n-a\n+é" },
    },
    output: { type: "apply_patch_call_output", call_id: "call_1", status: "failed", output: "No such file" },
    text: "No such file",
  },
};

function callOf(name: string, args: Json): Block {
  return { kind: "tool", id: "call_1", name, args: JSON.stringify(args) };
}

for (const [name, { tool, args, item, output, text }] of Object.entries(CASES)) {
  describe(name, () => {
    for (const upstream of ["chat", "messages"] as const) {
      for (const mode of MODES) {
        test(`${upstream} upstream, ${mode}`, async () => {
          stage.upstreams[upstream].answer(
            replyOf(upstream, said({ blocks: [callOf(name, args)], stop: "tool_calls" }), mode),
          );
          const client = stage.client("responses");
          const ask = {
            model: MODEL[upstream],
            turns: [{ user: "Go" }],
            extra: { tools: [tool], tool_choice: "auto" },
          };
          const first = mode === "whole" ? await client.ask(ask) : await client.stream(ask);
          assert.equal(first.headers.get("x-trivium-loss"), null);
          const [offered] = readTold(upstream, stage.upstreams[upstream].last().body).tools;
          assert.equal(offered?.name, name);
          assert.equal(asObject(offered?.schema)["type"], "object");
          const { id, ...rest } = asObject(first.echo[0]);
          assert.deepEqual(rest, item);
          assert.match(String(id), /^(?:sh|lsh|apc)_\w+/);

          stage.upstreams[upstream].answer(replyOf(upstream, said(), "whole"));
          const turns = [...ask.turns, { echo: first.echo }, { echo: [output] }];
          const second = await client.ask({ ...ask, turns });
          assert.equal(second.headers.get("x-trivium-loss"), null);
          const told = readTold(upstream, stage.upstreams[upstream].last().body);
          assert.deepEqual(told.calls, [{ id: "call_1", name, input: args }]);
          const isError = asObject(output)["status"] === "failed" && upstream === "chat";
          assert.deepEqual(told.results, [{ id: "call_1", text: isError ? `Error: ${text}` : text }]);
        });
      }
    }
  });
}

describe("client tools otherwise", () => {
  const offer = (tools: Json[], fields: Json = {}) => plainBody("responses", MODEL.chat, { tools, ...fields });

  test("a choice of one is a choice of its function", async () => {
    stage.upstreams.chat.answer(replyOf("chat", said(), "whole"));
    await post(stage.gateway.url, "responses", offer([{ type: "shell" }], { tool_choice: { type: "shell" } }));
    const { tool_choice } = asObject(stage.upstreams.chat.last().body);
    assert.deepEqual(tool_choice, { type: "function", function: { name: "shell" } });
  });

  test("the answer repeats the tools as the client wrote them", async () => {
    stage.upstreams.chat.answer(replyOf("chat", said(), "whole"));
    const tools = [{ type: "shell", environment: { type: "local" } }, { type: "apply_patch" }];
    const response = await post(stage.gateway.url, "responses", offer(tools));
    assert.deepEqual(asObject(await response.json())["tools"], tools);
  });

  test("arguments that can't be run are a function call, told as it was written", async () => {
    const call: Block = { kind: "tool", id: "call_1", name: "shell", args: "ls -l" };
    for (const mode of MODES) {
      stage.upstreams.chat.answer(replyOf("chat", said({ blocks: [call], stop: "tool_calls" }), mode));
      const body = offer([{ type: "shell" }], { stream: mode === "streamed" });
      const wire = await (await post(stage.gateway.url, "responses", body)).text();
      assert.match(wire, /"type":"function_call","status":"\w+","call_id":"call_1","name":"shell","arguments":"ls -l"/);
    }
  });

  test("a function of the client's own by such a name stays a function", async () => {
    const own = { type: "function", name: "shell", parameters: { type: "object", properties: {} }, strict: false };
    stage.upstreams.chat.answer(
      replyOf("chat", said({ blocks: [callOf("shell", { commands: ["ls"] })], stop: "tool_calls" }), "whole"),
    );
    const response = await post(stage.gateway.url, "responses", offer([own]));
    const [item] = asArray(asObject(await response.json())["output"]).map(asObject);
    assert.equal(item?.["type"], "function_call");
  });

  test("a shell in OpenAI's own containers is no tool of the client's: alone it is refused", async () => {
    const body = offer([{ type: "shell", environment: { type: "container_auto" } }]);
    assert.equal((await post(stage.gateway.url, "responses", body)).status, 400);
  });
});
