/**
 * WebSocket mode of the Responses API (TRANSLATION.md, section 6; Open Responses 2026-04-24; CLIENTS.md, Codex), over
 * upstreams of each format, which know nothing of it.
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { readLossHeader } from "../support/losses.ts";
import { asArray, asObject, type Json } from "../support/grammar.ts";
import { FORMATS, framesOf, MODEL, plainBody, post, replyOf, type Stage, startStage } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { assertLegalTurn, assertSocketError, type ClientSocket, openSocket } from "../support/socket.ts";
import { type FormatName, readTold } from "../support/told.ts";
import { HANG, json, type Received, sse } from "../support/upstream.ts";

let stage: Stage;
let open: ClientSocket[] = [];
beforeAll(async () => {
  stage = await startStage("max_body_mb: 0.25");
});
afterAll(async () => {
  for (const socket of open) socket.close();
  await stage.stop();
});

async function connect(headers: Record<string, string> = {}): Promise<ClientSocket> {
  const socket = await openSocket(stage.gateway.url, headers);
  open = [...open, socket];
  return socket;
}

function hi(upstream: FormatName, fields: Json = {}): Json {
  return { model: MODEL[upstream], input: "Hi", store: false, ...fields };
}

function responseIn(frames: readonly Json[]): Json {
  return asObject(frames.at(-1)?.["response"]);
}

function typesOf(frames: readonly Json[]): unknown[] {
  return frames.map((frame) => frame["type"]);
}

/** Ids and times that are made up anew in each answer. */
function steady(text: string): string {
  return text.replace(/\b(?:msg|rs|fc|resp)_[A-Za-z0-9]{24}\b/g, "id").replace(
    /"completed_at":\d+/g,
    '"completed_at":0',
  );
}

/** Frames up to the first piece of text, in any format: what the client's stream begins with. */
const OPENING = 5;

/** An answer that begins, then says nothing until the client leaves. */
function hangs(upstream: FormatName) {
  return sse([...framesOf(upstream, said()).slice(0, OPENING), HANG]);
}

for (const upstream of FORMATS) {
  describe(`${upstream} upstream`, () => {
    test("the frames of a turn are the very events of the stream over HTTP, without [DONE]", async () => {
      stage.upstreams[upstream].answer(replyOf(upstream, said(), "streamed"));
      const wire = await (await post(
        stage.gateway.url,
        "responses",
        plainBody("responses", MODEL[upstream], {
          store: false,
          stream: true,
        }),
      )).text();
      const events = wire.split("\n").filter((line) => line.startsWith("data: {")).map((line) => line.slice(6));
      const frames = await (await connect()).turn(hi(upstream));
      assert.equal(steady(JSON.stringify(frames)), steady(`[${events.join(",")}]`));
      if (upstream !== "responses") assertLegalTurn(frames);
    });

    test("the upstream is asked over HTTP for a stream, with what the client said and no more", async () => {
      stage.upstreams[upstream].answer(replyOf(upstream, said(), "streamed"));
      await (await connect()).turn(hi(upstream, { stream_id: "a", background: null }));
      const sent = stage.upstreams[upstream].last();
      assert.equal(sent.method, "POST");
      const body = asObject(sent.body);
      assert.equal(body["stream"], true);
      for (const name of ["type", "stream_id", "background", "generate"]) assert.ok(!(name in body), name);
      if (upstream === "responses") {
        assert.equal(sent.text, '{"model":"gpt-5-mini","input":"Hi","store":false,"stream":true}');
      }
    });

    test("a turn goes on from the one before by its id, with store: false, call and result included", async () => {
      const call = { kind: "tool", id: "call_7", name: "look", args: '{"a":1}' } as const;
      const socket = await connect();
      stage.upstreams[upstream].answer(
        replyOf(
          upstream,
          said({ blocks: [{ kind: "text", text: "Let me see" }, call], stop: "tool_calls" }),
          "streamed",
        ),
      );
      const tools = [{ type: "function", name: "look", parameters: { type: "object", properties: {} }, strict: false }];
      const first = responseIn(await socket.turn(hi(upstream, { tools })));
      assert.equal(first["previous_response_id"] ?? null, null);

      stage.upstreams[upstream].answer(replyOf(upstream, said({ id: "a".repeat(32) }), "streamed"));
      const output = { type: "function_call_output", call_id: "call_7", output: "42" };
      const frames = await socket.turn(
        hi(upstream, { tools, previous_response_id: first["id"], input: [output] }),
      );
      assert.equal(frames.at(-1)?.["type"], "response.completed");
      for (const frame of frames.filter((frame) => "response" in frame)) {
        assert.equal(asObject(frame["response"])["previous_response_id"], first["id"]);
      }
      const told = readTold(upstream, stage.upstreams[upstream].last().body);
      assert.deepEqual(told.calls, [{ id: "call_7", name: "look", input: { a: 1 } }]);
      assert.deepEqual(told.results, [{ id: "call_7", text: "42" }]);
      assert.match(stage.upstreams[upstream].last().text, /"Hi".*Let me see/s);
      assert.ok(!("previous_response_id" in asObject(stage.upstreams[upstream].last().body)));

      const third = await socket.turn(hi(upstream, { previous_response_id: responseIn(frames)["id"], input: "And?" }));
      assert.equal(third.at(-1)?.["type"], "response.completed");
      assert.match(stage.upstreams[upstream].last().text, /"Hi".*Let me see.*42.*Hello from upstream.*And\?/s);
    });

    test("an answer that fails ends its turn with one frame, and what it continued is forgotten", async () => {
      const socket = await connect();
      stage.upstreams[upstream].answer(replyOf(upstream, said(), "streamed"));
      const first = responseIn(await socket.turn(hi(upstream)));
      stage.upstreams[upstream].answer(json({ error: { message: "No", type: "server_error" } }, 500));
      const failed = await socket.turn(hi(upstream, { previous_response_id: first["id"] }));
      assert.equal(failed.length, 1);
      assertSocketError(failed[0], 500, /./);

      stage.upstreams[upstream].answer(({ text }: Received) => {
        assert.match(text, /previous_response_id/);
        const error = { message: "Unknown", type: "invalid_request_error", code: "previous_response_not_found" };
        return json({ error: { ...error, param: "previous_response_id" } }, 400);
      });
      const again = await socket.turn(hi(upstream, { previous_response_id: first["id"] }));
      assertSocketError(again[0], 400, "previous_response_not_found");
      assert.equal(asObject(again[0]?.["error"])["param"], "previous_response_id");
    });

    test("a stream that breaks off ends its turn with one frame, and the socket goes on", async () => {
      const socket = await connect();
      const frames = framesOf(upstream, said());
      stage.upstreams[upstream].answer(sse(frames.slice(0, OPENING)));
      const broken = await socket.turn(hi(upstream));
      assert.ok(["response.failed", "error"].includes(String(broken.at(-1)?.["type"])));
      if (broken.at(-1)?.["type"] === "error") assertSocketError(broken.at(-1), 500, "upstream_stream_cut");
      stage.upstreams[upstream].answer(replyOf(upstream, said(), "streamed"));
      const next = await socket.turn(hi(upstream));
      assert.equal(next[0]?.["type"], "response.created");
      assert.equal(next.at(-1)?.["type"], "response.completed");
    });

    test("a client that leaves takes the upstream's answer with it", async () => {
      const socket = await connect();
      stage.upstreams[upstream].answer(hangs(upstream));
      socket.send({ type: "response.create", ...hi(upstream) });
      await socket.next();
      socket.close();
      const last = stage.upstreams[upstream].last();
      await last.over;
      assert.equal(last.gone, true);
    });

    test("turns wait for the one that runs, in the order they came", async () => {
      const socket = await connect();
      let release = (): void => {};
      const released = new Promise<void>((resolve) => release = resolve);
      const frames = framesOf(upstream, said());
      stage.upstreams[upstream].answer(
        sse([...frames.slice(0, OPENING), { until: released }, ...frames.slice(OPENING)]),
      );
      const before = stage.upstreams[upstream].requests.length;
      for (const input of ["one", "two", "three"]) socket.send({ type: "response.create", ...hi(upstream, { input }) });
      assert.equal((await socket.next())["type"], "response.created");
      assert.equal(stage.upstreams[upstream].requests.length, before + 1);
      release();
      for (let turn = 0; turn < 3; turn++) assert.equal((await socket.rest()).at(-1)?.["type"], "response.completed");
      const asked = stage.upstreams[upstream].requests.slice(before).map(({ text }) => /one|two|three/.exec(text)?.[0]);
      assert.deepEqual(asked, ["one", "two", "three"]);
    });
  });
}

/** The paths that a turn's first event says are lost. */
function lostIn([first]: readonly Json[]): string[] {
  return readLossHeader(String(first?.["x-trivium-loss"] ?? "")).map(({ path }) => path);
}

describe("lanes (stream_id)", () => {
  test("run at once, name their events, and fork from each other's responses", async () => {
    const socket = await connect();
    stage.upstreams.chat.answer(replyOf("chat", said(), "streamed"));
    const parent = responseIn(await socket.turn(hi("chat", { stream_id: "planner" })));

    stage.upstreams.chat.answer(hangs("chat"));
    socket.send({
      type: "response.create",
      ...hi("chat", { stream_id: "planner", previous_response_id: parent["id"] }),
    });
    assert.equal((await socket.next())["stream_id"], "planner");
    stage.upstreams.chat.answer(replyOf("chat", said({ id: "b".repeat(32) }), "streamed"));
    socket.send({
      type: "response.create",
      ...hi("chat", { stream_id: "critic", previous_response_id: parent["id"] }),
    });
    const frames: Json[] = [];
    while (frames.at(-1)?.["type"] !== "response.completed") frames.push(await socket.next());
    const critic = frames.filter((frame) => frame["stream_id"] === "critic");
    assertLegalTurn(critic.map(({ stream_id: _, ...event }) => event));
    assert.ok(frames.every(({ stream_id }) => stream_id === "critic" || stream_id === "planner"));
    socket.close();
  });

  test("a fork that fails leaves its parent to the lane that it came from", async () => {
    const socket = await connect();
    stage.upstreams.chat.answer(replyOf("chat", said(), "streamed"));
    const parent = responseIn(await socket.turn(hi("chat", { stream_id: "main" })));
    stage.upstreams.chat.answer(json({ error: { message: "No" } }, 500));
    const [fork] = await socket.turn(hi("chat", { stream_id: "fork", previous_response_id: parent["id"] }));
    assertSocketError(fork, 500, /./);
    assert.equal(fork?.["stream_id"], "fork");
    stage.upstreams.chat.answer(replyOf("chat", said(), "streamed"));
    const next = await socket.turn(hi("chat", { stream_id: "main", previous_response_id: parent["id"] }));
    assert.equal(next.at(-1)?.["type"], "response.completed");
  });

  test("have sound names, and there are 32 of them at most", async () => {
    const socket = await connect();
    for (const stream_id of ["", "a b", "x".repeat(257), 7]) {
      assertSocketError((await socket.turn(hi("chat", { stream_id })))[0], 400, "invalid_stream_id");
    }
    stage.upstreams.chat.answer(replyOf("chat", said(), "streamed"));
    for (let lane = 0; lane < 32; lane++) {
      const frames = await socket.turn(hi("chat", { stream_id: `lane-${lane}` }));
      assert.equal(frames.at(-1)?.["type"], "response.completed");
    }
    const [refused] = await socket.turn(hi("chat", { stream_id: "one-more" }));
    assertSocketError(refused, 400, "websocket_stream_limit_reached");
    assert.equal((await socket.turn(hi("chat"))).at(-1)?.["type"], "response.completed");
  });
});

describe("generate: false (Codex warms up so)", () => {
  for (const upstream of FORMATS) {
    test(`asks nobody, and the next turn goes on from it: ${upstream} upstream`, async () => {
      const socket = await connect();
      const before = stage.upstreams[upstream].requests.length;
      const warm = await socket.turn(hi(upstream, { generate: false, input: [{ role: "user", content: "Warm" }] }));
      assert.deepEqual(typesOf(warm), ["response.created", "response.in_progress", "response.completed"]);
      assertLegalTurn(warm);
      assert.deepEqual(responseIn(warm)["output"], []);
      assert.equal(stage.upstreams[upstream].requests.length, before);

      stage.upstreams[upstream].answer(replyOf(upstream, said(), "streamed"));
      const frames = await socket.turn(hi(upstream, { previous_response_id: responseIn(warm)["id"], input: [] }));
      assert.equal(responseIn(frames)["previous_response_id"], responseIn(warm)["id"]);
      assert.match(stage.upstreams[upstream].last().text, /Warm/);
    });
  }

  test("is checked like any request", async () => {
    const socket = await connect();
    const bad: [Json, number, RegExp][] = [
      [{ model: "nobody/nothing" }, 404, /model_not_found/],
      [{ model: undefined }, 400, /invalid_request_error/],
      [{ input: 7 }, 400, /invalid_request_error/],
      [{ previous_response_id: "resp_unknown" }, 400, /previous_response_not_found/],
    ];
    for (const [fields, status, code] of bad) {
      const [frame] = await socket.turn(hi("chat", { generate: false, ...fields }));
      assertSocketError(frame, status, code);
    }
  });
});

describe("what is no turn", () => {
  const cases: [string, string | Uint8Array, number, string][] = [
    ["no JSON", '{"type":', 400, "invalid_json"],
    ["no object", "[1]", 400, "invalid_json"],
    [
      "an escape that no JSON has",
      String.raw`{"type":"response.create","model":"x","input":"\q"}`,
      400,
      "invalid_json",
    ],
    ["such an escape while steering", String.raw`{"type":"response.steer","input":"\q"}`, 400, "invalid_json"],
    ["no type", '{"model":"x"}', 400, "unknown_event_type"],
    ["another type", '{"type":"session.update"}', 400, "unknown_event_type"],
    ["a binary frame", new TextEncoder().encode('{"type":"response.create"}'), 400, "invalid_frame"],
    ["a background answer", '{"type":"response.create","model":"x","background":true}', 400, "unsupported"],
    ["no model", '{"type":"response.create","input":"Hi"}', 400, "invalid_request_error"],
    ["an unknown model", '{"type":"response.create","model":"nobody/nothing","input":"Hi"}', 404, "model_not_found"],
    ["too much", `{"type":"response.create","input":"${"x".repeat(300_000)}"}`, 413, "request_too_large"],
  ];
  for (const [name, frame, status, code] of cases) {
    test(`${name} is an error, and the socket goes on`, async () => {
      const socket = await connect();
      socket.send(frame);
      assertSocketError(await socket.next(), status, code);
      stage.upstreams.chat.answer(replyOf("chat", said(), "streamed"));
      assert.equal((await socket.turn(hi("chat"))).at(-1)?.["type"], "response.completed");
    });
  }

  test("steering is refused in its own way, and the input comes back", async () => {
    const socket = await connect();
    socket.send({ type: "response.steer", previous_response_id: "resp_1", input: "Stop" });
    const { error, ...frame } = await socket.next();
    assert.equal(asObject(error)["code"], "steering_not_supported");
    assert.deepEqual(frame, {
      type: "response.steer.failed",
      sequence_number: 0,
      steer: { previous_response_id: "resp_1", input: "Stop" },
    });
  });

  test("turns beyond what may wait are refused at once", async () => {
    const socket = await connect();
    stage.upstreams.chat.answer(hangs("chat"));
    const input = "x".repeat(100_000);
    for (let turn = 0; turn < 4; turn++) socket.send({ type: "response.create", ...hi("chat", { input }) });
    let frame = await socket.next();
    while (frame["type"] !== "error") frame = await socket.next();
    assertSocketError(frame, 429, "rate_limit_exceeded");
    socket.close();
  });
});

describe("errors and headers", () => {
  test("when to retry is told where the SDK's types have it and where Codex reads it", async () => {
    stage.upstreams.chat.answer(json({ error: { message: "Slow down", type: "rate_limit_error" } }, 429, {
      "retry-after": "7",
    }));
    const [frame] = await (await connect()).turn(hi("chat"));
    assertSocketError(frame, 429, "rate_limit_exceeded");
    assert.equal(asObject(frame?.["headers"])["retry-after"], "7");
    assert.equal(asObject(asObject(frame?.["error"])["headers"])["retry-after"], "7");
  });

  test("what is lost is said with the first event", async () => {
    stage.upstreams.messages.answer(replyOf("messages", said(), "streamed"));
    const frames = await (await connect()).turn(hi("messages", { frequency_penalty: 0.5 }));
    assert.deepEqual(lostIn(frames), ["frequency_penalty"]);
    assert.ok(frames.slice(1).every((frame) => !("x-trivium-loss" in frame)));
  });

  test("places in what a turn continues are not told as places in its own input", async () => {
    const socket = await connect();
    stage.upstreams.messages.answer(replyOf("messages", said(), "streamed"));
    const search = { type: "tool_search_call", execution: "server", arguments: {}, status: "completed" };
    const first = await socket.turn(hi("messages", { input: [{ role: "user", content: "Hi" }, search] }));
    assert.deepEqual(lostIn(first), ["input[1]"]);
    const fields = { previous_response_id: responseIn(first)["id"] };
    const next = await socket.turn(hi("messages", { ...fields, input: [{ role: "user", content: "?" }, search] }));
    assert.deepEqual(lostIn(next), ["previous_response_id", "input[1]"]);
    const [bad] = await socket.turn(hi("messages", { ...fields, input: [{ role: "user", content: "?" }, 7] }));
    assertSocketError(bad, 400, /./);
    assert.equal(asObject(bad?.["error"])["param"], "input[1]");
    assert.match(String(asObject(bad?.["error"])["message"]), /input\[1\]/);
  });

  test("a client that leaves is noted as one that left", async () => {
    const left = async () => {
      const text = await (await fetch(`${stage.gateway.url}/metrics`)).text();
      return Number(/^trivium_clients_left_total\{client="responses"\} (\d+)$/m.exec(text)?.[1] ?? 0);
    };
    const before = await left();
    const socket = await connect();
    stage.upstreams.chat.answer(hangs("chat"));
    socket.send({ type: "response.create", ...hi("chat") });
    await socket.next();
    socket.close();
    while (await left() === before) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test("the upgrade's headers are every turn's, WebSocket mode's own beta left out", async () => {
    stage.upstreams.responses.answer(replyOf("responses", said(), "streamed"));
    const socket = await connect({
      authorization: "Bearer own",
      "openai-beta": "responses_websockets=2026-02-06, other=1",
      "session-id": "s-1",
      originator: "codex_exec",
      "x-trivium-explain": "1",
    });
    await socket.turn(hi("responses"));
    const { headers } = stage.upstreams.responses.last();
    assert.equal(headers["openai-beta"], "other=1");
    assert.equal(headers["session-id"], "s-1");
    assert.equal(headers["originator"], "codex_exec");
    assert.ok(!Object.keys(headers).some((name) => name.startsWith("sec-") || name === "upgrade"));
    assert.doesNotMatch(JSON.stringify(headers), /Bearer own/);
  });

  test("x-trivium-strict holds for each turn", async () => {
    const socket = await connect({ "x-trivium-strict": "1" });
    const [frame] = await socket.turn(hi("messages", { frequency_penalty: 0.5 }));
    assertSocketError(frame, 400, /./);
  });
});

describe("the upgrade", () => {
  test("is not for pages of another origin", async () => {
    await assert.rejects(openSocket(stage.gateway.url, { origin: "https://example.com" }));
    await assert.rejects(openSocket(stage.gateway.url, { origin: "null" }));
    await connect({ origin: stage.gateway.url });
  });

  test("a plain GET is 405 with what is allowed", async () => {
    const response = await fetch(`${stage.gateway.url}/v1/responses`);
    assert.equal(response.status, 405);
    assert.match(response.headers.get("allow") ?? "", /POST/);
    await response.body?.cancel();
  });

  test("open sockets are counted", async () => {
    const count = async () => {
      const text = await (await fetch(`${stage.gateway.url}/metrics`)).text();
      return Number(/^trivium_sockets (\d+)$/m.exec(text)?.[1]);
    };
    const socket = await connect();
    await socket.turn({ model: "nobody/nothing" });
    const before = await count();
    assert.ok(before > 0);
    socket.close();
    await socket.closed;
    while (await count() >= before) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});

test("a long answer stays whole for a client that reads late", async () => {
  const text = "0123456789".repeat(200_000);
  stage.upstreams.chat.answer(replyOf("chat", said({ blocks: [{ kind: "text", text }] }), "whole"));
  const frames = await (await connect()).turn(hi("chat"));
  const deltas = frames.map((frame) => frame["type"] === "response.output_text.delta" ? frame["delta"] : "").join("");
  assert.equal(deltas, text);
  const [message] = asArray(responseIn(frames)["output"]).map(asObject);
  assert.equal(asObject(asArray(message?.["content"])[0])["text"], text);
});
