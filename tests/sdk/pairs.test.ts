/**
 * Every client × upstream pair by the official SDKs over HTTP, whole and streamed: what the upstream is told, what the
 * client gets, and whether every translated stream is legal by its grammar. Errors and faults of streams are in
 * `pairs_errors.test.ts` and `pairs_streams.test.ts`.
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { Ask, Outcome } from "../support/clients.ts";
import { CLIENT_KEY } from "../support/clients.ts";
import { asArray, asObject } from "../support/grammar.ts";
import { lostPaths } from "../support/losses.ts";
import {
  framesOf,
  type Mode,
  MODEL,
  MODES,
  type Pair,
  PAIRS,
  PATH,
  replyOf,
  type Stage,
  startStage,
  TARGET,
  UPSTREAM_KEY,
} from "../support/pairs.ts";
import { type Block, type Said, said } from "../support/said.ts";
import { type FormatName, readTold, type Told } from "../support/told.ts";
import type { Received } from "../support/upstream.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

const TEXT = 'Grüße aus 東京 👩‍🚀: "quoted"\n\tand \\ more → end.';
const USAGE = { input: 57, cached: 20, written: 10, output: 31, reasoning: 9 };
const WEATHER = {
  name: "get_weather",
  description: "Tells the weather.",
  schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
const CALL: Block = { kind: "tool", id: "call_mock_123", name: "get_weather", args: '{"city":"Zürich"}' };
const SECOND_CALL: Block = { kind: "tool", id: "call_mock_456", name: "get_weather", args: '{"city":"東京"}' };
/** The smallest PNG there is. */
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** Asks through one pair and checks all that holds for every answer. */
async function through(pair: Pair, mode: Mode, answer: Said, ask: Omit<Ask, "model">): Promise<Outcome> {
  stage.upstreams[pair.upstream].answer(replyOf(pair.upstream, answer, mode));
  const client = stage.client(pair.client);
  const full = { model: MODEL[pair.upstream], ...ask };
  const outcome = mode === "whole" ? await client.ask(full) : await client.stream(full);
  if (mode === "streamed") {
    if (pair.passes) assert.equal(outcome.wire, framesOf(pair.upstream, answer).join(""));
    else assert.deepEqual(client.check(outcome.wire), []);
  }
  return outcome;
}

function received(pair: Pair): Received {
  return stage.upstreams[pair.upstream].last();
}

function told(pair: Pair): Told {
  return readTold(pair.upstream, received(pair).body);
}

/** One test for each pair and mode. */
function each(define: (pair: Pair, mode: Mode) => Promise<void>, where: (pair: Pair) => boolean = () => true): void {
  for (const pair of PAIRS.filter(where)) {
    for (const mode of MODES) test(`${pair.name}, ${mode}`, () => define(pair, mode));
  }
}

const STOPPED: Record<FormatName, Record<string, string>> = {
  chat: {
    stop: "stop",
    tool_calls: "tool_calls",
    max_tokens: "length",
    stop_sequence: "stop",
    content_filter: "content_filter",
  },
  messages: {
    stop: "end_turn",
    tool_calls: "tool_use",
    max_tokens: "max_tokens",
    stop_sequence: "stop_sequence",
    content_filter: "refusal",
  },
  responses: {
    stop: "completed",
    tool_calls: "completed",
    max_tokens: "incomplete:max_output_tokens",
    stop_sequence: "completed",
    content_filter: "incomplete:content_filter",
  },
};

describe("text", () => {
  each(async (pair, mode) => {
    const answer = said({ model: TARGET[pair.upstream], blocks: [{ kind: "text", text: TEXT }] });
    const outcome = await through(pair, mode, answer, {
      system: "Be brief.",
      turns: [{ user: "Say hello – 你好" }],
      maxTokens: 4000,
    });
    assert.equal(outcome.text, TEXT);
    assert.equal(outcome.stop, STOPPED[pair.client]["stop"]);
    if (mode === "streamed") assert.ok(outcome.pieces > 1, `the text came in ${outcome.pieces} pieces`);
    if (!pair.passes) assert.equal(outcome.model, MODEL[pair.upstream]);
    assert.equal(outcome.headers.get("x-trivium-loss"), null);

    const asked = told(pair);
    assert.equal(received(pair).path, PATH[pair.upstream]);
    assert.equal(asked.model, TARGET[pair.upstream]);
    assert.deepEqual(asked.system, ["Be brief."]);
    assert.deepEqual(asked.user, ["Say hello – 你好"]);
    assert.equal(asked.maxTokens, 4000);
    assert.equal(asObject(received(pair).body)["stream"] ?? false, mode === "streamed");
  });
});

describe("headers", () => {
  each(async (pair, mode) => {
    const outcome = await through(pair, mode, said(), { turns: [{ user: "Hi" }] });
    const { headers } = received(pair);
    const key = pair.upstream === "messages" ? headers["x-api-key"] : headers["authorization"];
    assert.equal(key, pair.upstream === "messages" ? UPSTREAM_KEY.messages : `Bearer ${UPSTREAM_KEY[pair.upstream]}`);
    assert.ok(!JSON.stringify(headers).includes(CLIENT_KEY), "the client's own key went upstream");
    assert.ok(
      !Object.keys(headers).some((name) => name.startsWith("x-stainless-")),
      "x-stainless headers went upstream",
    );
    if (pair.upstream === "messages") assert.match(headers["anthropic-version"] ?? "", /^20\d\d-\d\d-\d\d$/);

    const id = outcome.headers.get("x-request-id");
    assert.ok(id, "no x-request-id");
    assert.equal(outcome.headers.get("request-id"), id);
    const type = outcome.headers.get("content-type") ?? "";
    assert.match(type, mode === "streamed" ? /^text\/event-stream/ : /^application\/json/);
    if (mode === "streamed" && !pair.passes) assert.equal(outcome.headers.get("cache-control"), "no-cache");
  });
});

describe("usage", () => {
  each(async (pair, mode) => {
    const outcome = await through(pair, mode, said({ usage: USAGE }), { turns: [{ user: "Hi" }] });
    assert.deepEqual(outcome.usage, { input: 57, cached: 20, output: 31, reasoning: 9 });
    if (pair.client === "messages" && !pair.passes) assert.ok(outcome.usage.cached <= outcome.usage.input);
  });
});

describe("a tool round", () => {
  each(async (pair, mode) => {
    const ask = { turns: [{ user: "Weather in Zürich?" }], tools: [WEATHER] };
    const first = await through(pair, mode, said({ blocks: [CALL], stop: "tool_calls" }), ask);
    assert.deepEqual(first.calls, [{ id: "call_mock_123", name: "get_weather", input: { city: "Zürich" } }]);
    assert.equal(first.stop, STOPPED[pair.client]["tool_calls"]);
    assert.deepEqual(told(pair).tools.map(({ name, description }) => ({ name, description })), [
      { name: "get_weather", description: "Tells the weather." },
    ]);
    assert.deepEqual(told(pair).tools[0]?.schema, WEATHER.schema);

    const results = [{ id: "call_mock_123", text: "sunny, 23 °C" }];
    const answer = said({ blocks: [{ kind: "text", text: "It is sunny." }] });
    const second = await through(pair, mode, answer, {
      ...ask,
      turns: [...ask.turns, { echo: first.echo }, { results }],
    });
    assert.equal(second.text, "It is sunny.");
    assert.deepEqual(told(pair).calls, [{ id: "call_mock_123", name: "get_weather", input: { city: "Zürich" } }]);
    assert.deepEqual(told(pair).results, results);
    assert.deepEqual(told(pair).user, ["Weather in Zürich?"]);
  });
});

describe("two parallel calls (PITFALLS 4, 5; cases 1, 2)", () => {
  each(async (pair, mode) => {
    const ask = { turns: [{ user: "Weather here and there?" }], tools: [WEATHER] };
    const blocks: Block[] = [{ kind: "text", text: "Let me look." }, CALL, SECOND_CALL];
    const first = await through(pair, mode, said({ blocks, stop: "tool_calls" }), ask);
    assert.equal(first.text, "Let me look.");
    assert.deepEqual(first.calls, [
      { id: "call_mock_123", name: "get_weather", input: { city: "Zürich" } },
      { id: "call_mock_456", name: "get_weather", input: { city: "東京" } },
    ]);

    const results = [{ id: "call_mock_123", text: "sunny" }, { id: "call_mock_456", text: "rainy" }];
    await through(pair, mode, said(), { ...ask, turns: [...ask.turns, { echo: first.echo }, { results }] });
    assert.deepEqual(told(pair).calls.map(({ id }) => id), ["call_mock_123", "call_mock_456"]);
    assert.deepEqual(told(pair).results, results);
  });
});

describe("a call without arguments", () => {
  each(async (pair, mode) => {
    const call: Block = { kind: "tool", id: "call_1", name: "now", args: "{}" };
    const tool = { name: "now", description: "The time.", schema: { type: "object", properties: {} } };
    const outcome = await through(pair, mode, said({ blocks: [call], stop: "tool_calls" }), {
      turns: [{ user: "What time is it?" }],
      tools: [tool],
    });
    assert.deepEqual(outcome.calls, [{ id: "call_1", name: "now", input: {} }]);
  });
});

describe("thinking, sealed, over two turns (cases 12, 15; PITFALLS 1)", () => {
  each(async (pair, mode) => {
    const seal = pair.upstream === "chat" ? undefined : "RXF1YWwgYnl0ZXMsIHBsZWFzZQ==/+k";
    const thinking: Block = {
      kind: "thinking",
      text: "Zürich… I must look it up.",
      ...(seal === undefined ? {} : { seal }),
    };
    const ask = { turns: [{ user: "Weather?" }], tools: [WEATHER], thinking: true, maxTokens: 20_000 };
    const first = await through(pair, mode, said({ blocks: [thinking, CALL], stop: "tool_calls" }), ask);
    assert.equal(first.thinking, "Zürich… I must look it up.");
    assert.deepEqual(first.calls.map(({ id }) => id), ["call_mock_123"]);
    assertThinkingAsked(pair);

    const results = [{ id: "call_mock_123", text: "sunny" }];
    await through(pair, mode, said(), { ...ask, turns: [...ask.turns, { echo: first.echo }, { results }] });
    if (seal === undefined) return;
    assert.deepEqual(told(pair).seals, [seal]);
    if (pair.upstream === "messages") assertThinkingFirst(pair, thinking.text);
  });
});

function assertThinkingAsked(pair: Pair): void {
  const body = asObject(received(pair).body);
  switch (pair.upstream) {
    case "chat":
      return assert.equal(body["reasoning_effort"], "medium");
    case "responses":
      return assert.equal(asObject(body["reasoning"])["effort"], "medium");
    case "messages":
      assert.equal(asObject(body["thinking"])["type"], "enabled");
      assert.equal(asObject(body["thinking"])["budget_tokens"], pair.passes ? 4000 : 8192);
  }
}

/** The signed block comes back unchanged, before everything else of its turn. */
function assertThinkingFirst(pair: Pair, text: string): void {
  const messages = asArray(asObject(received(pair).body)["messages"]).map(asObject);
  const assistant = messages.find((message) => message["role"] === "assistant");
  const [first] = asArray(assistant?.["content"]).map(asObject);
  assert.equal(first?.["type"], "thinking");
  assert.equal(first?.["thinking"], text);
}

describe("thinking whose text is omitted, signature alone (PITFALLS 9)", () => {
  each(async (pair, mode) => {
    const seal = "c2VhbGVkIHdpdGhvdXQgdGV4dA==";
    const blocks: Block[] = [{ kind: "thinking", text: "", seal }, CALL];
    const ask = { turns: [{ user: "Weather?" }], tools: [WEATHER], thinking: true, maxTokens: 20_000 };
    const first = await through(pair, mode, said({ blocks, stop: "tool_calls" }), ask);
    const results = [{ id: "call_mock_123", text: "sunny" }];
    await through(pair, mode, said(), { ...ask, turns: [...ask.turns, { echo: first.echo }, { results }] });
    assert.deepEqual(told(pair).seals, [seal]);
  }, ({ upstream }) => upstream !== "chat");
});

describe("thinking then text", () => {
  each(async (pair, mode) => {
    const blocks: Block[] = [{ kind: "thinking", text: "Hm, hm, hm.", seal: "c2VhbA==" }, { kind: "text", text: TEXT }];
    const outcome = await through(pair, mode, said({ blocks }), {
      turns: [{ user: "Hi" }],
      thinking: true,
      maxTokens: 20_000,
    });
    assert.equal(outcome.thinking, "Hm, hm, hm.");
    assert.equal(outcome.text, TEXT);
  });
});

describe("stop reasons", () => {
  const told: Record<FormatName, Said["stop"][]> = {
    chat: ["max_tokens", "content_filter"],
    messages: ["max_tokens", "stop_sequence", "content_filter"],
    responses: ["max_tokens", "content_filter"],
  };
  for (const pair of PAIRS) {
    for (const stop of told[pair.upstream]) {
      for (const mode of MODES) {
        test(`${stop}: ${pair.name}, ${mode}`, async () => {
          const answer = said({ stop, ...(stop === "stop_sequence" ? { sequence: "END" } : {}) });
          const outcome = await through(pair, mode, answer, { turns: [{ user: "Hi" }] });
          assert.equal(outcome.stop, STOPPED[pair.client][stop]);
          assert.equal(outcome.text, "Hello from upstream.");
        });
      }
    }
  }
});

describe("a call that the token limit cut (PITFALLS 37)", () => {
  for (const pair of PAIRS.filter(({ passes }) => !passes)) {
    test(pair.name, async () => {
      const blocks: Block[] = [{ kind: "tool", id: "call_1", name: "get_weather", args: '{"city":"Zür' }];
      const answer = said({ blocks, stop: "max_tokens" });
      stage.upstreams[pair.upstream].answer(replyOf(pair.upstream, answer, "streamed"));
      const client = stage.client(pair.client);
      const events: unknown[] = [];
      const ask = { model: MODEL[pair.upstream], turns: [{ user: "Hi" }], tools: [WEATHER] };
      for await (const event of client.iterate(ask)) events.push(event);
      const text = JSON.stringify(events);
      assert.match(text, { chat: /"length"/, messages: /"max_tokens"/, responses: /"max_output_tokens"/ }[pair.client]);
      assert.doesNotMatch(text, /"tool_calls"[,}]|"stop_reason":"tool_use"|"type":"response.completed"/);
    });
  }
});

describe("a refusal", () => {
  const refusal = "I can't help with that.";
  for (const pair of PAIRS.filter(({ upstream }) => upstream !== "messages")) {
    for (const mode of MODES) {
      test(`${pair.name}, ${mode}`, async () => {
        const answer = said({ blocks: [{ kind: "refusal", text: refusal }], stop: "refusal" });
        const outcome = await through(pair, mode, answer, { turns: [{ user: "Hi" }] });
        const { text, stop } = outcome;
        if (pair.client === "messages") assert.deepEqual({ text, stop }, { text: refusal, stop: "refusal" });
        else assert.equal(outcome.refusal, refusal);
      });
    }
  }
});

describe("an image from the user", () => {
  each(async (pair, mode) => {
    await through(pair, mode, said(), { turns: [{ user: "What is it?", image: PNG }] });
    assert.deepEqual(told(pair).images, [`data:image/png;base64,${PNG}`]);
    assert.deepEqual(told(pair).user, ["What is it?"]);
  });
});

describe("structured output", () => {
  const schema = {
    type: "object",
    properties: { city: { type: "string" }, degrees: { type: "integer" } },
    required: ["city", "degrees"],
    additionalProperties: false,
  };
  each(async (pair, mode) => {
    const text = '{"city":"Zürich","degrees":23}';
    const outcome = await through(pair, mode, said({ blocks: [{ kind: "text", text }] }), {
      turns: [{ user: "Weather as JSON" }],
      schema,
    });
    assert.equal(outcome.text, text);
    assert.deepEqual(told(pair).schema, schema);
  });
});

describe("stop sequences", () => {
  each(async (pair, mode) => {
    await through(pair, mode, said(), { turns: [{ user: "Hi" }], stopSequences: ["END", "###"] });
    assert.deepEqual(told(pair).stopSequences, ["END", "###"]);
  }, ({ client, upstream }) => client !== "responses" && upstream !== "responses");
});

describe("stop sequences where the upstream has none: cut by the gateway, across pieces", () => {
  for (const pair of PAIRS.filter(({ client, upstream }) => client !== "responses" && upstream === "responses")) {
    for (const mode of MODES) {
      test(`${pair.name}, ${mode}`, async () => {
        const answer = said({ blocks: [{ kind: "text", text: "one two three STOPPED four" }] });
        const outcome = await through(pair, mode, answer, { turns: [{ user: "Hi" }], stopSequences: ["STOPPED"] });
        assert.equal(outcome.text, "one two three ");
        assert.equal(outcome.stop, STOPPED[pair.client]["stop_sequence"]);
      });
    }
  }
});

describe("what can't be carried is named, not dropped in silence (PITFALLS 16)", () => {
  const lossy: [FormatName, FormatName, Record<string, unknown>, string][] = [
    ["chat", "messages", { seed: 7 }, "seed"],
    ["chat", "messages", { logit_bias: { "50256": -100 } }, "logit_bias"],
    ["chat", "responses", { frequency_penalty: 0.5 }, "frequency_penalty"],
    ["messages", "chat", { top_k: 5 }, "top_k"],
    ["messages", "responses", { top_k: 5 }, "top_k"],
    ["responses", "chat", { truncation: "auto" }, "truncation"],
    ["responses", "messages", { truncation: "auto" }, "truncation"],
  ];
  for (const [client, upstream, extra, path] of lossy) {
    for (const mode of MODES) {
      test(`${path}: ${client} client, ${upstream} upstream, ${mode}`, async () => {
        const pair = PAIRS.find((each) => each.client === client && each.upstream === upstream) as Pair;
        const outcome = await through(pair, mode, said(), { turns: [{ user: "Hi" }], extra });
        const losses = lostPaths(outcome);
        assert.ok(losses.includes(path), `x-trivium-loss: ${losses}`);
      });
    }
  }
});

describe("what would change the meaning is refused before any upstream call", () => {
  const refused: [FormatName, FormatName, Record<string, unknown>][] = [
    ["chat", "messages", { n: 2 }],
    ["chat", "responses", { n: 2 }],
    ["chat", "messages", { modalities: ["text", "audio"], audio: { voice: "alloy", format: "mp3" } }],
    ["responses", "chat", { background: true }],
  ];
  for (const [client, upstream, extra] of refused) {
    test(`${Object.keys(extra)[0]}: ${client} client, ${upstream} upstream`, async () => {
      const before = stage.upstreams[upstream].requests.length;
      const asking = stage.client(client).ask({ model: MODEL[upstream], turns: [{ user: "Hi" }], extra });
      await assert.rejects(asking, (error: { status?: number }) => error.status === 400);
      assert.equal(stage.upstreams[upstream].requests.length, before);
    });
  }
});

describe("ids of the answer have the client's own prefix", () => {
  each(async (pair, mode) => {
    const outcome = await through(pair, mode, said(), { turns: [{ user: "Hi" }] });
    const prefix = { chat: /"id":"chatcmpl-/, messages: /"id":"msg_/, responses: /"id":"resp_/ }[pair.client];
    assert.match(outcome.wire.slice(0, 400), prefix);
  }, ({ passes }) => !passes);
});
