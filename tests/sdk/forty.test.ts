/**
 * Those of the forty cases of TRANSLATION.md, section 7, that no other test here covers by number: by the official SDKs
 * where they show it, else by the bytes. The others are in `pairs`, `carry`, `cases`, `sloppy` and their kin.
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { openClient } from "../support/clients.ts";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { asArray, asObject, type Json, readFrames, Violations } from "../support/grammar.ts";
import { lostPaths } from "../support/losses.ts";
import {
  bodyOf,
  framesOf,
  MODEL,
  MODES,
  PATH,
  plainBody,
  post,
  replyOf,
  type Stage,
  startStage,
} from "../support/pairs.ts";
import { type Block, said } from "../support/said.ts";
import { type FormatName, readTold } from "../support/told.ts";
import { json, sse, startUpstream, type Upstream } from "../support/upstream.ts";
import { chatBody, chatFrames } from "../support/wire_chat.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

const WEATHER = { name: "get_weather", description: "Tells the weather.", schema: { type: "object", properties: {} } };
const CALL: Block = { kind: "tool", id: "call_mock_123", name: "get_weather", args: "{}" };

/** The data of each event of a stream of the client's. */
async function streamed(client: FormatName, upstream: FormatName, fields: Json = {}): Promise<Json[]> {
  const response = await post(
    stage.gateway.url,
    client,
    plainBody(client, MODEL[upstream], { stream: true, ...fields }),
  );
  assert.equal(response.status, 200);
  const violations = new Violations();
  const frames = readFrames(await response.text(), violations);
  assert.deepEqual(violations.list, []);
  return frames.filter(({ data }) => data !== "[DONE]").map(({ data }) => asObject(JSON.parse(data)));
}

function typesOf(events: readonly Json[]): unknown[] {
  return events.map((event) => event["type"]).filter((type) => type !== "ping");
}

describe("the end of a chat stream, messages client", () => {
  const answer = said({ usage: { input: 57, cached: 20, written: 0, output: 31, reasoning: 0 } });

  test("case 7: a last chunk with usage and no choices is one message_delta with both", async () => {
    stage.upstreams.chat.answer(sse(chatFrames(answer)));
    const deltas = (await streamed("messages", "chat")).filter((event) => event["type"] === "message_delta");
    assert.equal(deltas.length, 1);
    assert.equal(asObject(deltas[0]?.["delta"])["stop_reason"], "end_turn");
    const { input_tokens, cache_read_input_tokens, output_tokens } = asObject(deltas[0]?.["usage"]);
    assert.deepEqual([input_tokens, cache_read_input_tokens, output_tokens], [37, 20, 31]);
  });

  test("case 8: the finish and [DONE] in different packets are one message_stop", async () => {
    const frames = chatFrames(answer).flatMap((frame) => [frame, { pause: 3 }]);
    stage.upstreams.chat.answer(sse(frames));
    const types = typesOf(await streamed("messages", "chat"));
    assert.deepEqual(types.slice(-2), ["message_delta", "message_stop"]);
    assert.equal(types.filter((type) => type === "message_stop").length, 1);
  });

  test("case 10: nothing but [DONE] is a message without blocks", async () => {
    stage.upstreams.chat.answer(sse(["data: [DONE]\n\n"]));
    assert.deepEqual(typesOf(await streamed("messages", "chat")), ["message_start", "message_delta", "message_stop"]);
  });
});

describe("case 15: reasoning of a responses upstream through a messages client", () => {
  for (const mode of MODES) {
    test(`the encrypted content comes back as it was, without item ids, ${mode}`, async () => {
      const seal = "gAAAAABo/+k==";
      const thinking: Block = { kind: "thinking", text: "Hm.", seal };
      stage.upstreams.responses.answer(
        replyOf("responses", said({ blocks: [thinking, CALL], stop: "tool_calls" }), mode),
      );
      const client = stage.client("messages");
      const ask = { model: MODEL.responses, turns: [{ user: "Weather?" }], tools: [WEATHER], thinking: true };
      const first = mode === "whole" ? await client.ask(ask) : await client.stream(ask);
      stage.upstreams.responses.answer(replyOf("responses", said(), "whole"));
      const results = [{ id: "call_mock_123", text: "sunny" }];
      await client.ask({ ...ask, turns: [...ask.turns, { echo: first.echo }, { results }] });

      const input = asArray(asObject(stage.upstreams.responses.last().body)["input"]).map(asObject);
      const reasoning = input.find((item) => item["type"] === "reasoning");
      assert.equal(reasoning?.["encrypted_content"], seal);
      assert.deepEqual(input.filter((item) => "id" in item), []);
    });
  }
});

describe("case 19: a chat upstream that signs every chunk of its thinking (Mistral)", () => {
  test("the text streams, one signature comes at the end", async () => {
    const chunk = (delta: Json, finish: string | null = null) =>
      `data: ${
        JSON.stringify({
          id: "1",
          object: "chat.completion.chunk",
          created: 1,
          model: "m",
          choices: [{ index: 0, delta, finish_reason: finish }],
        })
      }\n\n`;
    const thought = (text: string, signature: string) =>
      chunk({ content: [{ type: "thinking", thinking: [{ type: "text", text }], signature }] });
    stage.upstreams.chat.answer(
      sse([
        thought("Let", "s1"),
        thought(" me", "s2"),
        thought(" see", "s3"),
        chunk({ content: "Hi" }),
        chunk({}, "stop"),
      ]),
    );
    const deltas = (await streamed("messages", "chat")).map((event) => asObject(event["delta"]));
    const thinking = deltas.filter((delta) => delta["type"] === "thinking_delta").map((delta) => delta["thinking"]);
    assert.deepEqual(thinking, ["Let", " me", " see"]);
    const signatures = deltas.filter((delta) => delta["type"] === "signature_delta");
    assert.equal(signatures.length, 1);
  });
});

describe("usage between the families", () => {
  const usage = { input: 100, cached: 90, written: 4, output: 5, reasoning: 0 };
  for (const mode of MODES) {
    test(`case 21: messages' cached input is within chat's prompt, ${mode}`, async () => {
      stage.upstreams.messages.answer(replyOf("messages", said({ usage }), mode));
      const client = stage.client("chat");
      const ask = { model: MODEL.messages, turns: [{ user: "Hi" }] };
      const { wire } = mode === "whole" ? await client.ask(ask) : await client.stream(ask);
      const last = mode === "whole" ? wire : wire.split("\n").findLast((line) => line.includes('"usage":{')) ?? "";
      const told = asObject(asObject(JSON.parse(last.replace("data: ", "")))["usage"]);
      assert.deepEqual([told["prompt_tokens"], told["completion_tokens"], told["total_tokens"]], [100, 5, 105]);
      assert.equal(asObject(told["prompt_tokens_details"])["cached_tokens"], 90);
    });

    test(`case 22: chat's cached input is beside messages' input, ${mode}`, async () => {
      stage.upstreams.chat.answer(replyOf("chat", said({ usage: { ...usage, written: 0 } }), mode));
      const client = stage.client("messages");
      const ask = { model: MODEL.chat, turns: [{ user: "Hi" }] };
      const { wire } = mode === "whole" ? await client.ask(ask) : await client.stream(ask);
      assert.match(wire, /"input_tokens":10,"cache_creation_input_tokens":0,"cache_read_input_tokens":90/);
    });
  }

  test("case 22: more cached than there was input is never a negative count", async () => {
    const body = chatBody(said());
    const wrong = { prompt_tokens: 10, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 90 } };
    stage.upstreams.chat.answer(json({ ...body, usage: wrong }));
    const { usage } = await stage.client("messages").ask({ model: MODEL.chat, turns: [{ user: "Hi" }] });
    assert.deepEqual(usage, { input: 100, cached: 90, output: 5, reasoning: 0 });
  });

  for (const upstream of ["chat", "responses"] as const) {
    test(`case 23: message_start has an estimate, message_delta the counts, ${upstream} upstream`, async () => {
      stage.upstreams[upstream].answer(sse(framesOf(upstream, said({ usage: { ...usage, written: 0 } }))));
      const events = await streamed("messages", upstream, { system: "x".repeat(4000) });
      const start = asObject(asObject(events[0]?.["message"])["usage"]);
      assert.ok(Number(start["input_tokens"]) > 900, `${start["input_tokens"]} tokens for 4,000 characters`);
      const delta = asObject(events.find((event) => event["type"] === "message_delta")?.["usage"]);
      assert.deepEqual([delta["input_tokens"], delta["cache_read_input_tokens"], delta["output_tokens"]], [10, 90, 5]);
    });
  }
});

describe("models that ask for more than their format", () => {
  let upstream: Upstream;
  let gateway: StartedGateway;
  beforeAll(async () => {
    upstream = await startUpstream(({ path }) => {
      const format = (["chat", "messages", "responses"] as const).find((each) => PATH[each] === path) ?? "chat";
      return json(bodyOf(format, said()));
    });
    const provider = (name: string, formats: string, family: string) =>
      `  ${name}: { base_url: "${upstream.url}/v1", formats: [${formats}], family: ${family}, api_key: k }`;
    gateway = await startGateway([
      "log: off",
      "providers:",
      provider("both", "responses, chat", "openai"),
      provider("swapped", "chat, responses", "openai"),
      provider("chat", "chat", "openai"),
      provider("claude", "messages", "anthropic"),
    ].join("\n"));
  });
  afterAll(async () => {
    await gateway.stop();
    await upstream.stop();
  });

  async function ask(
    client: FormatName,
    model: string,
    fields: Json,
  ): Promise<{ body: Json; path: string; loss: string }> {
    const response = await post(gateway.url, client, plainBody(client, model, fields));
    assert.equal(response.status, 200, await response.clone().text());
    const { body, path } = upstream.last();
    return { body: asObject(body), path, loss: lostPaths(response).join(", ") };
  }

  const tools = [{ name: "f", input_schema: { type: "object", properties: {} } }];
  const thinking = { type: "enabled", budget_tokens: 8000 };
  const asked = { tools, thinking, max_tokens: 20_000 };

  for (const provider of ["both", "swapped"]) {
    test(`case 29: tools and reasoning to gpt-5.6 go as responses where they can, ${provider}`, async () => {
      const { body, path, loss } = await ask("messages", `${provider}/gpt-5.6`, asked);
      assert.equal(path, "/v1/responses");
      assert.equal(asObject(body["reasoning"])["effort"], "medium");
      assert.equal(asArray(body["tools"]).length, 1);
      assert.equal(loss, "");
    });
  }

  test("case 29: where there is only chat, without reasoning and with a loss", async () => {
    const { body, path, loss } = await ask("messages", "chat/gpt-5.6", asked);
    assert.equal(path, "/v1/chat/completions");
    assert.equal(body["reasoning_effort"], "none");
    assert.equal(asArray(body["tools"]).length, 1);
    assert.equal(loss, "thinking");
  });

  test("case 29: neither without tools nor for a model that can do both", async () => {
    assert.equal((await ask("messages", "swapped/gpt-5.6", { thinking, max_tokens: 20_000 })).path, PATH.chat);
    assert.equal((await ask("messages", "swapped/gpt-5.1", asked)).path, PATH.chat);
    const passed = await post(gateway.url, "chat", plainBody("chat", "swapped/gpt-5.6", { tools: [] }));
    assert.equal(passed.status, 200);
    assert.equal(upstream.last().path, PATH.chat);
  });

  for (const model of ["claude/claude-sonnet-4-5", "claude/claude-opus-5"]) {
    test(`case 30: a forced tool and effort: the tool is kept, thinking isn't, ${model}`, async () => {
      const { body, loss } = await ask("chat", model, {
        reasoning_effort: "high",
        tools: [{ type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } }],
        tool_choice: { type: "function", function: { name: "f" } },
      });
      assert.deepEqual(body["tool_choice"], { type: "tool", name: "f" });
      assert.deepEqual(body["thinking"], { type: "disabled" });
      assert.equal(loss, "reasoning_effort");
    });
  }

  test("case 31: temperature 1.5 and top_k 5 to the newest Claude are left out", async () => {
    const { body, loss } = await ask("chat", "claude/claude-opus-5-5", { temperature: 1.5, top_k: 5 });
    assert.equal("temperature" in body || "top_k" in body, false);
    assert.deepEqual(loss.split(", ").toSorted(), ["temperature", "top_k"]);
  });

  test("case 32: effort high within 1,024 tokens is no thinking, within 4,096 a budget of 3,276", async () => {
    const none = await ask("chat", "claude/claude-sonnet-4-5", { reasoning_effort: "high", max_tokens: 1024 });
    assert.equal("thinking" in none.body, false);
    assert.equal(none.loss, "reasoning_effort");
    const clipped = await ask("responses", "claude/claude-sonnet-4-5", {
      reasoning: { effort: "high", summary: "auto" },
      max_output_tokens: 4096,
    });
    assert.deepEqual(clipped.body["thinking"], { type: "enabled", budget_tokens: 3276 });
    assert.equal(clipped.loss, "");
  });
});

describe("case 38: text and a call for a responses client", () => {
  for (const upstream of ["chat", "messages"] as const) {
    test(`indexes rise, and an item's id is the same in all its events, ${upstream} upstream`, async () => {
      const answer = said({ blocks: [{ kind: "text", text: "Let me look." }, CALL], stop: "tool_calls" });
      stage.upstreams[upstream].answer(sse(framesOf(upstream, answer)));
      const events = await streamed("responses", upstream);
      const items = (type: string) =>
        events.filter((event) => event["type"] === type).map((event) => ({
          index: event["output_index"],
          id: asObject(event["item"])["id"],
          type: asObject(event["item"])["type"],
        }));
      const added = items("response.output_item.added");
      assert.deepEqual(added.map(({ index, type }) => [index, type]), [[0, "message"], [1, "function_call"]]);
      assert.deepEqual(items("response.output_item.done"), added);
      const completed = asObject(events.at(-1)?.["response"]);
      assert.deepEqual(asArray(completed["output"]).map((item) => asObject(item)["id"]), added.map(({ id }) => id));
      for (const event of events.filter((event) => "item_id" in event)) {
        assert.equal(event["item_id"], added[Number(event["output_index"])]?.id);
      }
    });
  }
});

describe("more worth having", () => {
  for (const client of ["messages", "responses"] as const) {
    test(`a data line of 5 MiB reaches a ${client} client`, async () => {
      const text = "é".repeat(2.5 * 1024 * 1024);
      const [role = "", ...rest] = chatFrames(said({ blocks: [] }));
      const long = `data: ${
        JSON.stringify({ choices: [{ index: 0, delta: { content: text }, finish_reason: null }] })
      }\n\n`;
      stage.upstreams.chat.answer(sse([role, long, ...rest]));
      const outcome = await openClient(client, stage.gateway.url).stream({
        model: MODEL.chat,
        turns: [{ user: "Hi" }],
      });
      assert.equal(outcome.text.length, text.length);
      assert.ok(outcome.text === text);
    });
  }

  test("duplicate keys and big integers of arguments pass from chat to chat", async () => {
    const args = '{"a":1,"a":2,"n":12345678901234567890}';
    const call = { id: "call_1", type: "function", function: { name: "f", arguments: args } };
    const messages = [{ role: "user", content: "Hi" }, { role: "assistant", content: null, tool_calls: [call] }];
    stage.upstreams.chat.answer(json(chatBody(said({ blocks: [{ ...CALL, args } as Block], stop: "tool_calls" }))));
    const response = await post(stage.gateway.url, "chat", plainBody("chat", MODEL.chat, { messages }));
    assert.ok(stage.upstreams.chat.last().text.includes(JSON.stringify(args)));
    assert.ok((await response.text()).includes(JSON.stringify(args)));
  });

  test("arguments reach a chat upstream from a responses client as they were written", async () => {
    const args = '{"a":1,"a":2,"n":12345678901234567890}';
    stage.upstreams.chat.answer(replyOf("chat", said(), "whole"));
    const input = [
      { role: "user", content: "Hi" },
      { type: "function_call", call_id: "call_1", name: "f", arguments: args },
      { type: "function_call_output", call_id: "call_1", output: "ok" },
    ];
    await post(stage.gateway.url, "responses", plainBody("responses", MODEL.chat, { input }));
    assert.ok(stage.upstreams.chat.last().text.includes(JSON.stringify(args)));
    assert.equal(readTold("chat", stage.upstreams.chat.last().body).calls.length, 1);
  });
});
