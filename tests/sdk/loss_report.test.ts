/** How losses are told: in the header, in a strict refusal, in the log and in the counters; of the request and of the answer. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { createLog } from "../../lib/base/log.ts";
import { Losses } from "../../lib/format.ts";
import { lossHeader } from "../../lib/loss_report.ts";
import { type KeptLog, keptLog, type StartedGateway, startGateway } from "../support/gateway.ts";
import { asArray, asObject, type Json } from "../support/grammar.ts";
import { lostPaths, readLossHeader } from "../support/losses.ts";
import { bodyOf, FORMATS, PATH, plainBody, post } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import type { FormatName } from "../support/told.ts";
import { json, sse, startUpstream, type Upstream } from "../support/upstream.ts";

let upstream: Upstream;
let gateway: StartedGateway;
let log: KeptLog;

const plainReply = ({ path }: { path: string }) =>
  json(bodyOf(FORMATS.find((each) => PATH[each] === path) ?? "chat", said()));

beforeAll(async () => {
  upstream = await startUpstream(plainReply);
  log = keptLog();
  const provider = (name: string, format: FormatName, family: string) =>
    `  ${name}: { base_url: "${upstream.url}/v1", formats: [${format}], family: ${family}, api_key: k }`;
  gateway = await startGateway(
    [
      "providers:",
      provider("oc", "chat", "openai"),
      provider("or", "responses", "openai"),
      provider("an", "messages", "anthropic"),
      provider("lab", "chat", "lab"),
      "models:",
      "  - { name: careful, target: an/claude-sonnet-4-5, on_loss: reject }",
    ].join("\n"),
    {},
    { log },
  );
});
afterAll(async () => {
  await gateway.stop();
  await upstream.stop();
});

const SONNET = "an/claude-sonnet-4-5";
/** Of each client: a request that loses `path`, to a model of another format. */
const LOSING: Record<FormatName, { model: string; fields: Json; path: string }> = {
  chat: { model: SONNET, fields: { seed: 7 }, path: "seed" },
  messages: { model: "oc/gpt-4o", fields: { top_k: 5 }, path: "top_k" },
  responses: { model: SONNET, fields: { truncation: "auto" }, path: "truncation" },
};

function headerOf(losses: readonly (readonly [string, string])[]): string {
  const collected = new Losses();
  for (const [path, reason] of losses) collected.add(path, reason);
  return lossHeader(collected);
}

describe("x-trivium-loss", () => {
  for (const client of FORMATS) {
    test(`names the path with its reason: ${client} client`, async () => {
      const { model, fields, path } = LOSING[client];
      const response = await post(gateway.url, client, plainBody(client, model, fields));
      const [loss] = readLossHeader(response.headers.get("x-trivium-loss"));
      assert.equal(loss?.path, path);
      assert.match(loss?.reason ?? "", /no such field/);
      assert.deepEqual([loss?.emulated, loss?.answer], [false, false]);
    });
  }

  test("an emulation says that it is one", async () => {
    const body = plainBody("chat", SONNET, { response_format: { type: "json_object" } });
    const response = await post(gateway.url, "chat", body);
    assert.equal(
      response.headers.get("x-trivium-loss"),
      'response_format;emulated;reason="the model is told to answer in JSON"',
    );
  });

  test("holds nothing that a header can't, or that its grammar gives a meaning to", async () => {
    const hostile = { "a\r\nx-evil: 1": 1, 'b", c;d=e\\': 1, "ü→\u0000": 1, [`long${"x".repeat(5000)}`]: 1 };
    const response = await post(gateway.url, "chat", plainBody("chat", SONNET, hostile));
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("x-evil"), null);
    const value = response.headers.get("x-trivium-loss") ?? "";
    assert.match(value, /^[\x20-\x7e]+$/);
    const told = readLossHeader(value);
    assert.deepEqual(told.slice(0, 3).map(({ path }) => path), ["a??x-evil:?1", "b???c?d=e?", "???"]);
    assert.equal(told.length, 4);
    assert.equal(told[3]?.path, `long${"x".repeat(196)}...`);
  });

  test("a reason's commas, semicolons and quotes can't be taken for the grammar's", () => {
    assert.equal(headerOf([["a", 'one, two; "three"']]), `a;reason="one - two - 'three'"`);
    assert.equal(headerOf([]), "");
  });

  test("is at most 2 KiB: the last reasons go first, then entries, and the rest is counted", () => {
    const long = Array.from({ length: 40 }, (_, index) => [`field_${index}`, "r".repeat(80)] as const);
    const withoutSome = readLossHeader(headerOf(long));
    assert.ok(headerOf(long).length <= 2048);
    assert.deepEqual(withoutSome.map(({ path }) => path), long.map(([path]) => path));
    assert.ok(withoutSome[0]?.reason !== undefined && withoutSome[39]?.reason === undefined);

    const many = Array.from({ length: 3000 }, (_, index) => [`messages[${index}].reasoning`, "why"] as const);
    const header = headerOf(many);
    assert.ok(header.length <= 2048, String(header.length));
    const told = readLossHeader(header).map(({ path }) => path);
    assert.equal(told.at(-1), `...+${3000 - (told.length - 1)}`);
    assert.equal(told[0], "messages[0].reasoning");
  });

  test("one path that is too long for it is cut, not left out", () => {
    assert.match(headerOf([["x".repeat(10_000), "why"]]), /^x{200}\.\.\.;reason="why"$/);
  });
});

test("a name as long as a body makes neither an error nor the log as long", async () => {
  const name = "f".repeat(1_000_000);
  const body = plainBody("chat", SONNET, { [name]: 1 });
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-trivium-strict": "1" },
    body,
  });
  const text = await response.text();
  assert.equal(response.status, 400);
  assert.ok(text.includes("fff...") && text.length < 4000, `${text.length} characters`);

  let line = "";
  const log = createLog("info", (written) => line += written);
  log.info("request", { model: name, nested: { list: [name] } });
  log.flush();
  assert.ok(line.length < 10_000 && JSON.parse(line).model.startsWith("fff"), `${line.length} characters`);
});

describe("losses refused", () => {
  const strict = { headers: { "x-trivium-strict": "1" } };
  const openai = () => new OpenAI({ apiKey: "k", baseURL: `${gateway.url}/v1`, maxRetries: 0 });
  const anthropic = () => new Anthropic({ apiKey: "k", baseURL: gateway.url, maxRetries: 0 });
  /** The SDK's own error, and the error object as its user finds it there. */
  const asks: Record<FormatName, () => Promise<unknown>> = {
    chat: () => openai().chat.completions.create(JSON.parse(plainBody("chat", SONNET, LOSING.chat.fields)), strict),
    messages: () =>
      anthropic().messages.create(JSON.parse(plainBody("messages", "oc/gpt-4o", LOSING.messages.fields)), strict),
    responses: () =>
      openai().responses.create(JSON.parse(plainBody("responses", SONNET, LOSING.responses.fields)), strict),
  };
  for (const client of FORMATS) {
    test(`x-trivium-strict: 1 is a 400 that the SDK raises, with the list as data: ${client}`, async () => {
      const before = upstream.requests.length;
      const error = await asks[client]().then(() => assert.fail("it was answered"), (reason) => reason);
      assert.ok(error instanceof OpenAI.BadRequestError || error instanceof Anthropic.BadRequestError, String(error));
      const raised = asObject(error.error);
      const inner = client === "messages" ? asObject(raised["error"]) : raised;
      const { path } = LOSING[client];
      assert.match(String(inner["message"]), new RegExp(`${path} \\(.*no such field`));
      const details = asObject(inner["details"]);
      assert.equal(details["error_code"], "loss_refused");
      const [loss] = asArray(details["losses"]).map(asObject);
      assert.deepEqual([loss?.["path"], loss?.["kind"]], [path, "dropped"]);
      assert.match(String(loss?.["reason"]), /no such field/);
      assert.equal(upstream.requests.length, before);
    });
  }

  test("so is every request to a model with on_loss: reject, and none that loses nothing", async () => {
    upstream.answer(plainReply);
    assert.equal((await post(gateway.url, "chat", plainBody("chat", "careful", { seed: 1 }))).status, 400);
    assert.equal((await post(gateway.url, "chat", plainBody("chat", "careful"))).status, 200);
  });

  test("emulations are refused as well, by their kind", async () => {
    const body = plainBody("chat", SONNET, { response_format: { type: "json_object" } });
    const response = await post(gateway.url, "chat", body, strict);
    assert.equal(response.status, 400);
    const error = asObject(asObject(await response.json())["error"]);
    assert.deepEqual(asObject(error["details"])["losses"], [
      { path: "response_format", reason: "the model is told to answer in JSON", kind: "emulated" },
    ]);
  });

  test("an answer that has been paid for is given, with what it lost in its header", async () => {
    upstream.answer(json(imageAnswer()));
    const response = await post(gateway.url, "messages", plainBody("messages", "lab/m"), strict);
    assert.equal(response.status, 200);
    assert.deepEqual(lostPaths(response), ["content[1]"]);
    upstream.answer(plainReply);
  });
});

const IMAGE = { type: "image_url", image_url: { url: "data:image/png;base64,aW1n" } };

function imageAnswer(): Json {
  const { choices: _, ...head } = bodyOf("chat", said());
  return {
    ...head,
    choices: [{ index: 0, message: { role: "assistant", content: "Here.", images: [IMAGE] }, finish_reason: "stop" }],
  };
}

function chunk(delta: Json, finish: string | null = null): string {
  const { choices: _, usage: _usage, ...head } = bodyOf("chat", said());
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return `data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", choices })}\n\n`;
}

const DONE = [chunk({}, "stop"), "data: [DONE]\n\n"];

async function counterOf(labels: string): Promise<number> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`trivium_losses_total{${labels}}`));
  return Number(line?.split(" ").at(-1) ?? 0);
}

describe("losses of the answer", () => {
  const imageFirst = [chunk({ role: "assistant", images: [IMAGE] }), chunk({ content: "Here." }), ...DONE];
  const imageLater = [chunk({ role: "assistant", content: "Here." }), chunk({ images: [IMAGE] }), ...DONE];
  for (const client of ["messages", "responses"] as const) {
    const ask = async (stream: boolean): Promise<Response> => {
      const response = await post(gateway.url, client, plainBody(client, "lab/m", { stream }));
      await response.clone().text();
      return response;
    };
    test(`are in the header of a whole answer, marked as the answer's: ${client} client`, async () => {
      upstream.answer(json(imageAnswer()));
      const told = readLossHeader((await ask(false)).headers.get("x-trivium-loss"));
      assert.deepEqual(told.map(({ answer }) => answer), [true]);
      assert.match(told[0]?.reason ?? "", /no such (?:part|item)/);
    });
    test(`and of a whole answer that is told as a stream: ${client} client`, async () => {
      upstream.answer(json(imageAnswer()));
      assert.equal(lostPaths(await ask(true)).length, 1);
    });
    test(`and of a stream, as far as its first content: ${client} client`, async () => {
      upstream.answer(sse(imageFirst));
      assert.equal(lostPaths(await ask(true)).length, 1);
    });
    test(`what a stream loses later is in the log and the counter, once: ${client} client`, async () => {
      const labels = `client="${client}",upstream="chat",in="answer",kind="dropped"`;
      const before = await counterOf(labels);
      log.lines.length = 0;
      const { first, rest } = gate();
      upstream.answer(sse([imageLater[0] ?? "", { until: rest }, ...imageLater.slice(1)]));
      const response = await post(gateway.url, client, plainBody(client, "lab/m", { stream: true, made_up: 1 }));
      assert.deepEqual(lostPaths(response), ["made_up"]);
      first();
      await response.text();
      assert.equal(await counterOf(labels), before + 1);
      const lines = log.lines.filter(({ event }) => event === "loss");
      assert.equal(lines.length, 1);
      const [line] = lines;
      assert.deepEqual([line?.["client"], line?.["upstream"], line?.["provider"], line?.["count"]], [
        client,
        "chat",
        "lab",
        2,
      ]);
      const [asked, answered] = asArray(line?.["losses"]).map(asObject);
      assert.deepEqual([asked?.["path"], asked?.["in"]], ["made_up", undefined]);
      assert.deepEqual([answered?.["in"], answered?.["kind"]], ["answer", "dropped"]);
      assert.equal(line?.["request_id"], response.headers.get("x-trivium-request-id"));
      assert.equal(log.lines.find(({ event }) => event === "request")?.["losses"], 2);
    });
  }

  test("a request without losses has no such line", async () => {
    log.lines.length = 0;
    upstream.answer(plainReply);
    const response = await post(gateway.url, "chat", plainBody("chat", SONNET));
    await response.text();
    assert.equal(response.headers.get("x-trivium-loss"), null);
    assert.deepEqual(log.lines.map(({ event }) => event), ["request"]);
  });
});

function gate(): { first: () => void; rest: Promise<void> } {
  let first: () => void = () => {};
  const rest = new Promise<void>((resolve) => first = resolve);
  return { first, rest };
}
