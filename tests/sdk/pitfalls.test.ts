/**
 * Those rows of PITFALLS.md that the first issue promises and no other test here names: each test has its row's number.
 * The others are in `pairs`, `pairs_streams`, `pairs_errors`, `sloppy`, `cases`, `surface` and `hold`.
 */
import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import OpenAI from "openai";
import { openClient } from "../support/clients.ts";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { asArray, asObject, type Json } from "../support/grammar.ts";
import {
  framesOf,
  MODEL,
  MODES,
  type Pair,
  PAIRS,
  plainBody,
  post,
  replyOf,
  type Stage,
  startStage,
} from "../support/pairs.ts";
import { type Block, said } from "../support/said.ts";
import { type FormatName, readTold } from "../support/told.ts";
import { HANG, json, type Reply, sse, startUpstream, type Upstream } from "../support/upstream.ts";
import { chatBody, chatFrames } from "../support/wire_chat.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

const TRANSLATED: readonly Pair[] = PAIRS.filter(({ passes }) => !passes);
const TOOL = { name: "f", description: "d", schema: { type: "object", properties: {} } };

/** A conversation told once: what was said before each call, and each call's result, `""` for none. */
interface Round {
  text: string;
  results: string[];
}

/** The rounds as each client's own history; call ids count up. */
const HISTORIES: Record<FormatName, (rounds: readonly Round[]) => Json> = {
  chat: (rounds) => ({
    messages: [
      { role: "user", content: "Go" },
      ...withIds(rounds).flatMap(({ text, calls }) => [
        {
          role: "assistant",
          content: text === "" ? null : text,
          tool_calls: calls.map(({ id }) => ({ id, type: "function", function: { name: "f", arguments: "{}" } })),
        },
        ...calls.map(({ id, result }) => ({ role: "tool", tool_call_id: id, content: result })),
      ]),
    ],
  }),
  messages: (rounds) => ({
    messages: [
      { role: "user", content: "Go" },
      ...withIds(rounds).flatMap(({ text, calls }) => [
        {
          role: "assistant",
          content: [
            ...(text === "" ? [] : [{ type: "text", text }]),
            ...calls.map(({ id }) => ({ type: "tool_use", id, name: "f", input: {} })),
          ],
        },
        {
          role: "user",
          content: calls.map(({ id, result }) => ({
            type: "tool_result",
            tool_use_id: id,
            ...(result === "" ? {} : { content: result }),
          })),
        },
      ]),
    ],
  }),
  responses: (rounds) => ({
    input: [
      { role: "user", content: "Go" },
      ...withIds(rounds).flatMap(({ text, calls }) => [
        ...(text === "" ? [] : [{ role: "assistant", content: text }]),
        ...calls.map(({ id }) => ({ type: "function_call", call_id: id, name: "f", arguments: "{}" })),
        ...calls.map(({ id, result }) => ({ type: "function_call_output", call_id: id, output: result })),
      ]),
    ],
  }),
};

function withIds(rounds: readonly Round[]): { text: string; calls: { id: string; result: string }[] }[] {
  let count = 0;
  return rounds.map(({ text, results }) => ({
    text,
    calls: results.map((result) => ({ id: `call_${count++}`, result })),
  }));
}

describe("PITFALLS 1: histories keep their order, and empty results are results", () => {
  const round = fc.record({
    text: fc.constantFrom("", "Let me look.", "So…"),
    results: fc.array(fc.constantFrom("", "ok", "sunny\n23 °C"), { minLength: 1, maxLength: 3 }),
  });
  for (const { client, upstream, name } of TRANSLATED) {
    test(name, async () => {
      stage.upstreams[upstream].answer(replyOf(upstream, said(), "whole"));
      await fc.assert(
        fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 4 }), async (rounds) => {
          const body = plainBody(client, MODEL[upstream], HISTORIES[client](rounds));
          const response = await post(stage.gateway.url, client, body);
          assert.equal(response.status, 200, await response.text());
          const calls = withIds(rounds).flatMap((each) => each.calls);
          const told = readTold(upstream, stage.upstreams[upstream].last().body);
          assert.deepEqual(told.calls.map(({ id }) => id), calls.map(({ id }) => id));
          assert.deepEqual(told.results, calls.map(({ id, result }) => ({ id, text: result })));
        }),
        { numRuns: 15 },
      );
    });
  }
});

describe("PITFALLS 2: every delta of a responses stream has its item and its part, and every item its end", () => {
  const kinds: Record<string, Block[]> = {
    text: [{ kind: "text", text: "Hello there." }],
    thinking: [{ kind: "thinking", text: "Hm, hm.", seal: "c2VhbA==" }, { kind: "text", text: "Hello." }],
    calls: [
      { kind: "text", text: "I look." },
      { kind: "tool", id: "call_1", name: "f", args: '{"a":1}' },
      { kind: "tool", id: "call_2", name: "f", args: '{"a":2}' },
    ],
    nothing: [],
  };
  for (const upstream of ["chat", "messages"] as const) {
    for (const [kind, blocks] of Object.entries(kinds)) {
      test(`${kind}, ${upstream} upstream`, async () => {
        stage.upstreams[upstream].answer(sse(framesOf(upstream, said({ blocks }))));
        const body = plainBody("responses", MODEL[upstream], { stream: true });
        const wire = await (await post(stage.gateway.url, "responses", body)).text();
        assert.deepEqual(stage.client("responses").check(wire), []);
        const count = (type: string) => wire.split(`event: response.${type}\n`).length - 1;
        assert.equal(count("output_item.added"), kind === "nothing" ? 0 : blocks.length);
        assert.equal(count("output_item.done"), count("output_item.added"));
        assert.equal(count("completed"), 1);
      });
    }
  }
});

describe("PITFALLS 3: messages clients get true counts in the end, whatever the upstream counted", () => {
  async function deltaUsage(reply: Reply): Promise<{ start: Json; delta: Json }> {
    stage.upstreams.chat.answer(reply);
    const body = plainBody("messages", MODEL.chat, { stream: true, system: "x".repeat(400) });
    const wire = await (await post(stage.gateway.url, "messages", body)).text();
    const events = wire.split("\n").filter((line) => line.startsWith("data: ")).map((line) =>
      asObject(JSON.parse(line.slice("data: ".length)))
    );
    const of = (type: string) => asObject(events.find((event) => event["type"] === type));
    return {
      start: asObject(asObject(of("message_start")["message"])["usage"]),
      delta: asObject(of("message_delta")["usage"]),
    };
  }
  const FIELDS = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"];

  test("an upstream that counts nothing: estimates, all four of them, never 0 input", async () => {
    const { start, delta } = await deltaUsage(sse(chatFrames(said(), { usage: false })));
    assert.deepEqual(FIELDS.filter((field) => typeof delta[field] !== "number"), []);
    for (const usage of [start, delta]) assert.ok(Number(usage["input_tokens"]) >= 100, JSON.stringify(usage));
    assert.ok(Number(delta["output_tokens"]) > 0);
  });

  test("running totals are never summed", async () => {
    const chunk = (content: string, completion: number) =>
      `data: ${
        JSON.stringify({
          choices: [{ index: 0, delta: { content }, finish_reason: null }],
          usage: { prompt_tokens: 50, completion_tokens: completion, total_tokens: 50 + completion },
        })
      }\n\n`;
    const end = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
    const { delta } = await deltaUsage(sse([chunk("a", 1), chunk("b", 2), chunk("c", 3), end]));
    assert.deepEqual(FIELDS.map((field) => delta[field]), [50, 0, 0, 3]);
  });
});

type Raised = InstanceType<typeof OpenAI.APIError> | InstanceType<typeof Anthropic.APIError>;

describe("PITFALLS 10: an upstream's trouble is told in the client's own shape, with its retry-after", () => {
  const body = (format: FormatName): Json =>
    format === "messages"
      ? { type: "error", error: { type: "overloaded_error", message: "Busy" } }
      : { error: { message: "Busy", type: "server_error", param: null, code: null } };
  const overloaded: Record<FormatName, number> = { chat: 503, messages: 529, responses: 503 };

  async function raised(pair: Pair, status: number): Promise<Raised> {
    stage.upstreams[pair.upstream].answer(json(body(pair.upstream), status, { "retry-after": "7" }));
    const client = stage.client(pair.client);
    const asking = client.ask({ model: MODEL[pair.upstream], turns: [{ user: "Hi" }] });
    const error = await asking.then(() => undefined, (reason: unknown) => reason);
    assert.ok(error instanceof OpenAI.APIError || error instanceof Anthropic.APIError, String(error));
    return error;
  }

  for (const pair of TRANSLATED) {
    test(`overloaded: ${pair.name}`, async () => {
      const error = await raised(pair, overloaded[pair.upstream]);
      assert.equal(error.status, overloaded[pair.client]);
      assert.match(JSON.stringify(error.error), pair.client === "messages" ? /"overloaded_error"/ : /"overloaded"/);
      assert.equal(error.headers?.get("retry-after"), "7");
    });

    test(`409 stays what the SDKs retry: ${pair.name}`, async () => {
      const conflict = { error: { type: "conflict_error", message: "Try again" } };
      stage.upstreams[pair.upstream].answer(json({ type: "error", ...conflict }, 409));
      const client = stage.client(pair.client);
      const asking = client.ask({ model: MODEL[pair.upstream], turns: [{ user: "Hi" }] });
      await assert.rejects(asking, pair.client === "messages" ? Anthropic.ConflictError : OpenAI.ConflictError);
    });
  }
});

describe("rate limit headers in the client's own family (TRANSLATION.md, section 5)", () => {
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+Z$/, "Z");
  const anthropic = {
    "anthropic-ratelimit-requests-limit": "1000",
    "anthropic-ratelimit-requests-remaining": "999",
    "anthropic-ratelimit-requests-reset": inAnHour,
  };
  const openai = {
    "x-ratelimit-limit-tokens": "150000",
    "x-ratelimit-remaining-tokens": "149984",
    "x-ratelimit-reset-tokens": "1m30s",
  };

  for (const { client, upstream, name } of PAIRS) {
    test(name, async () => {
      const sent = upstream === "messages" ? anthropic : openai;
      const reply = replyOf(upstream, said(), "whole");
      stage.upstreams[upstream].answer({ ...reply, headers: { ...reply.headers, ...sent } });
      const { headers } = await post(stage.gateway.url, client, plainBody(client, MODEL[upstream]));
      const names = [...headers.keys()].filter((each) => each.includes("ratelimit"));
      assert.equal(names.length, 3);
      const prefix = client === "messages" ? "anthropic-ratelimit-" : "x-ratelimit-";
      assert.deepEqual(names.filter((each) => !each.startsWith(prefix)), []);
      const converts = (client === "messages") !== (upstream === "messages");
      if (!converts) { for (const [each, value] of Object.entries(sent)) assert.equal(headers.get(each), value); }
      else if (client === "messages") {
        assert.equal(headers.get("anthropic-ratelimit-tokens-remaining"), "149984");
        const wait = Date.parse(headers.get("anthropic-ratelimit-tokens-reset") ?? "") - Date.now();
        assert.ok(wait > 0 && wait <= 92_000, `${wait} ms`);
      } else {
        assert.equal(headers.get("x-ratelimit-remaining-requests"), "999");
        assert.match(headers.get("x-ratelimit-reset-requests") ?? "", /^(?:1h0m0s|59m[\d.]+s)$/);
      }
    });
  }
});

describe("PITFALLS 18: cached, written and reasoning tokens keep their names through every pair", () => {
  const usage = { input: 100, cached: 60, written: 30, output: 20, reasoning: 8 };
  const expected: Record<FormatName, RegExp[]> = {
    chat: [/"prompt_tokens":100/, /"cached_tokens":60/, /"cache_write_tokens":30/, /"reasoning_tokens":8/],
    messages: [
      /"input_tokens":10/,
      /"cache_read_input_tokens":60/,
      /"cache_creation_input_tokens":30/,
      /"thinking_tokens":8/,
    ],
    responses: [/"input_tokens":100/, /"cached_tokens":60/, /"cache_write_tokens":30/, /"reasoning_tokens":8/],
  };
  for (const pair of TRANSLATED) {
    for (const mode of MODES) {
      test(`${pair.name}, ${mode}`, async () => {
        stage.upstreams[pair.upstream].answer(replyOf(pair.upstream, said({ usage }), mode));
        const client = stage.client(pair.client);
        const ask = { model: MODEL[pair.upstream], turns: [{ user: "Hi" }] };
        const { wire } = mode === "whole" ? await client.ask(ask) : await client.stream(ask);
        for (const pattern of expected[pair.client]) assert.match(wire, pattern);
      });
    }
  }
});

describe("PITFALLS 20: upstream hosts come from the config alone", () => {
  let decoy: Upstream;
  beforeAll(async () => {
    decoy = await startUpstream(json(chatBody(said())));
  });
  afterAll(() => decoy.stop());

  test("no header, no field and no model's name sends a request elsewhere", async () => {
    stage.upstreams.chat.answer(json(chatBody(said())));
    const headers = {
      "x-portkey-custom-host": decoy.url,
      "x-forwarded-host": new URL(decoy.url).host,
      "x-base-url": `${decoy.url}/v1`,
      host: new URL(decoy.url).host,
    };
    const fields = { base_url: `${decoy.url}/v1`, api_base: decoy.url, custom_host: decoy.url };
    const ok = await post(stage.gateway.url, "chat", plainBody("chat", MODEL.chat, fields), { headers });
    assert.equal(ok.status, 200);
    for (const model of [`${decoy.url}/m`, `${new URL(decoy.url).host}/m`, `local@${decoy.url}/m`, "//evil/m"]) {
      const refused = await post(stage.gateway.url, "chat", plainBody("chat", model), { headers });
      assert.equal(refused.status, 404, model);
    }
    assert.equal(decoy.requests.length, 0);
  });

  test("what is no API of a provider's reaches no upstream (those that are: bytes.test.ts)", async () => {
    const before = Object.values(stage.upstreams).map(({ requests }) => requests.length);
    const others = ["/", "/v1", "/v1/models", "/v1/file", "/v1/images", "/v1/embeddings/x", "/v1/fine_tuning"];
    for (
      const path of [...others, "/metrics", "/health", "/admin", "/v1/proxy/http://evil", "/v1/chat", "/v1/messages/x"]
    ) {
      for (const method of ["GET", "POST", "PUT", "DELETE"]) {
        const body = method === "GET" ? {} : { body: plainBody("chat", MODEL.chat) };
        const response = await fetch(stage.gateway.url + path, { method, ...body });
        await response.body?.cancel();
        assert.ok([200, 404, 405].includes(response.status), `${method} ${path}: ${response.status}`);
        if (method !== "GET") assert.notEqual(response.status, 200, `${method} ${path}`);
      }
    }
    assert.deepEqual(Object.values(stage.upstreams).map(({ requests }) => requests.length), before);
  });
});

describe("PITFALLS 28: response.completed has every count, 0 where nobody knows", () => {
  for (const upstream of ["chat", "messages"] as const) {
    for (const mode of MODES) {
      test(`${upstream} upstream without details, ${mode}`, async () => {
        const usage = { input: 12, cached: 0, written: 0, output: 3, reasoning: 0 };
        const reply = replyOf(upstream, said({ usage }), mode);
        const steps = reply.steps.map((step) =>
          typeof step === "string"
            ? step.replace(/,"(?:prompt|completion)_tokens_details":\{[^}]*\}/g, "").replace(
              /"cache_[a-z]+_input_tokens":0,/g,
              "",
            )
            : step
        );
        stage.upstreams[upstream].answer({ ...reply, steps });
        const body = plainBody("responses", MODEL[upstream], { stream: mode === "streamed" });
        const wire = await (await post(stage.gateway.url, "responses", body)).text();
        const last = mode === "whole" ? wire : wire.replace("data: [DONE]", "").trim().split("\ndata: ").at(-1) ?? "";
        const parsed = asObject(JSON.parse(last));
        assert.deepEqual(asObject(parsed["response"] ?? parsed)["usage"], {
          input_tokens: 12,
          input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
          output_tokens: 3,
          output_tokens_details: { reasoning_tokens: 0 },
          total_tokens: 15,
        });
      });
    }
  }
});

describe("PITFALLS 29: Gemini's signature of a call comes back on the next turn", () => {
  let upstream: Upstream;
  let gateway: StartedGateway;
  beforeAll(async () => {
    upstream = await startUpstream();
    gateway = await startGateway(
      `log: off\nproviders:\n  gemini: { base_url: "${upstream.url}/v1", api_key: k }\n` +
        `  claude: { base_url: "${upstream.url}/v1", formats: [messages], family: anthropic, api_key: k }`,
    );
  });
  afterAll(async () => {
    await gateway.stop();
    await upstream.stop();
  });

  const SIGNATURE = "EpwBCpkB/+sig==";
  const signed = {
    index: 0,
    id: "call_1",
    type: "function",
    function: { name: "f", arguments: '{"a":1}' },
    extra_content: { google: { thought_signature: SIGNATURE } },
  };
  const second = { index: 1, id: "call_2", type: "function", function: { name: "f", arguments: '{"a":2}' } };

  function reply(mode: string): Reply {
    const body = chatBody(said({ blocks: [], stop: "tool_calls" }));
    const message = { role: "assistant", content: null, tool_calls: [signed, second] };
    if (mode === "whole") return json({ ...body, choices: [{ index: 0, message, finish_reason: "tool_calls" }] });
    const frame = (delta: Json, finish: string | null) =>
      `data: ${JSON.stringify({ ...body, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
    // Whole calls in one chunk, as Google's own dialect sends them.
    return sse([
      frame({ role: "assistant", tool_calls: [signed, second] }, null),
      frame({}, "tool_calls"),
      "data: [DONE]\n\n",
    ]);
  }

  for (const client of ["messages", "responses"] as const) {
    for (const mode of MODES) {
      test(`${client} client, ${mode}`, async () => {
        upstream.answer(reply(mode));
        const asking = openClient(client, gateway.url);
        const ask = { model: "gemini/gemini-3-pro", turns: [{ user: "Go" }], tools: [TOOL] };
        const first = mode === "whole" ? await asking.ask(ask) : await asking.stream(ask);
        if (mode === "streamed") assert.deepEqual(asking.check(first.wire), []);
        assert.deepEqual(first.calls.map(({ input }) => input), [{ a: 1 }, { a: 2 }]);

        const results = first.calls.map(({ id }) => ({ id, text: "ok" }));
        const turns = [...ask.turns, { echo: first.echo }, { results }];
        upstream.answer(json(chatBody(said())));
        const next = await asking.ask({ ...ask, turns });
        assert.equal(next.headers.get("x-trivium-loss"), null);
        const messages = asArray(asObject(upstream.last().body)["messages"]).map(asObject);
        const calls = asArray(messages.find(({ role }) => role === "assistant")?.["tool_calls"]).map(asObject);
        assert.deepEqual(calls.map((call) => call["extra_content"]), [
          { google: { thought_signature: SIGNATURE } },
          undefined,
        ]);
        assert.ok(!upstream.last().text.includes("gw1."), "an envelope went upstream");

        // To another family it doesn't go, and that is said.
        upstream.answer(replyOf("messages", said(), "whole"));
        const moved = await asking.ask({ ...ask, model: "claude/claude-sonnet-4-5", turns });
        assert.match(moved.headers.get("x-trivium-loss") ?? "", client === "messages" ? /messages\[1\]/ : /input\[1\]/);
        assert.ok(!upstream.last().text.includes(SIGNATURE) && !upstream.last().text.includes("gw1."));
      });
    }
  }

  test("chat client: it passes as it is", async () => {
    upstream.answer(reply("whole"));
    const wire = await (await post(gateway.url, "chat", plainBody("chat", "gemini/gemini-3-pro"))).text();
    assert.ok(wire.includes(SIGNATURE));
  });
});

describe("PITFALLS 33: an error in mid-stream is one error event, and nobody asks again", () => {
  for (const pair of TRANSLATED) {
    test(pair.name, async () => {
      const upstream = stage.upstreams[pair.upstream];
      const failure = { type: "rate_limit_error", code: "rate_limit_exceeded", message: "Slow down", param: null };
      const error = pair.upstream === "messages"
        ? `event: error\ndata: ${JSON.stringify({ type: "error", error: failure })}\n\n`
        : `event: error\ndata: ${JSON.stringify({ ...failure, type: "error", error: failure })}\n\n`;
      const frames = framesOf(pair.upstream, said({ blocks: [{ kind: "text", text: "Hello from upstream." }] }));
      const middle = frames.findIndex((frame) => frame.includes("Hello")) + 1;
      upstream.answer(sse([...frames.slice(0, middle), error, HANG]));
      const before = upstream.requests.length;
      const body = plainBody(pair.client, MODEL[pair.upstream], {
        stream: true,
        stream_options: { include_usage: true },
      });
      const wire = await (await post(stage.gateway.url, pair.client, body)).text();
      assert.deepEqual(stage.client(pair.client).check(wire), []);
      assert.equal(wire.split('"error":{').length - 1, pair.client === "responses" ? 2 : 1, wire);
      assert.match(wire, /Slow down/);
      assert.equal(upstream.requests.length, before + 1);
    });
  }
});

describe("PITFALLS 36: a client that leaves is counted as such", () => {
  test("by the format it spoke", async () => {
    const left = async () => {
      const text = await (await fetch(`${stage.gateway.url}/metrics`)).text();
      return Number(/trivium_clients_left_total\{client="messages"\} (\d+)/.exec(text)?.[1] ?? 0);
    };
    const before = await left();
    const frames = framesOf("chat", said());
    stage.upstreams.chat.answer(sse([...frames.slice(0, 3), HANG]));
    const response = await post(stage.gateway.url, "messages", plainBody("messages", MODEL.chat, { stream: true }));
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel();
    await stage.upstreams.chat.last().over;
    for (let turn = 0; turn < 100 && await left() === before; turn++) await new Promise((done) => setTimeout(done, 10));
    assert.equal(await left(), before + 1);
  });
});
