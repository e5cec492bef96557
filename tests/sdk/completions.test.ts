/** `POST /v1/completions`: bytes pass where the provider has it, else the prompt is one user message (section 6). */
import OpenAI from "openai";
import assert from "node:assert/strict";
import { afterAll, beforeAll, beforeEach, describe, test } from "bun:test";
import { lostPaths } from "../support/losses.ts";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { bodyOf, framesOf } from "../support/pairs.ts";
import { type Block, said } from "../support/said.ts";
import type { FormatName } from "../support/told.ts";
import { CUT, json, sse, startUpstream, type Upstream } from "../support/upstream.ts";

const FORMATS: readonly FormatName[] = ["chat", "messages", "responses"];

let upstream: Upstream;
let gateway: StartedGateway;
let openai: OpenAI;

beforeAll(async () => {
  upstream = await startUpstream();
  gateway = await startGateway(`
log: off
timeouts: { keepalive_ms: 200 }
providers:
  native: { preset: vllm, base_url: "${upstream.url}/v1" }
  declared: { base_url: "${upstream.url}/v1", formats: [responses], completions: true }
  declined: { preset: openai, base_url: "${upstream.url}/v1", formats: [chat], completions: false, api_key: k }
  chat: { base_url: "${upstream.url}/v1", formats: [chat], family: local }
  messages: { base_url: "${upstream.url}/v1", formats: [messages], family: anthropic }
  responses: { base_url: "${upstream.url}/v1", formats: [responses] }
`);
  openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: "client", maxRetries: 0 });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.stop();
});
beforeEach(() => {
  upstream.requests.length = 0;
});

const HEAD = { id: "cmpl-1", object: "text_completion", created: 1_790_000_000, model: "opt-125m" };

function chunk(text: string, finish: string | null = null): string {
  return `data: ${
    JSON.stringify({ ...HEAD, choices: [{ index: 0, text, logprobs: null, finish_reason: finish }] })
  }\n\n`;
}

interface Heard {
  text: string;
  finish: string | undefined;
  usage: OpenAI.CompletionUsage | undefined;
  pieces: number;
}

async function heardOf(stream: AsyncIterable<OpenAI.Completion>): Promise<Heard> {
  const heard: Heard = { text: "", finish: undefined, usage: undefined, pieces: 0 };
  for await (const { choices: [choice], usage, object, id } of stream) {
    assert.equal(object, "text_completion");
    assert.match(id, /^cmpl-/);
    heard.text += choice?.text ?? "";
    heard.pieces += choice?.text ? 1 : 0;
    heard.finish = choice?.finish_reason ?? heard.finish;
    heard.usage = usage ?? heard.usage;
  }
  return heard;
}

describe("a provider that has it", () => {
  for (const provider of ["native", "declared"]) {
    test(`${provider}: bytes pass, lists of prompts, logprobs and all`, async () => {
      const answer = {
        ...HEAD,
        choices: [{ index: 0, text: "!", logprobs: { tokens: ["!"] }, finish_reason: "stop" }],
      };
      upstream.answer(json(answer));
      const asked = { prompt: [[1, 2], [3]], echo: true, logprobs: 2, best_of: 3, suffix: "s", use_beam_search: true };
      const body = { model: `${provider}/opt-125m`, ...asked } as OpenAI.CompletionCreateParamsNonStreaming;
      const got = await openai.completions.create(body);
      assert.deepEqual(JSON.parse(JSON.stringify(got)), answer);
      assert.equal(upstream.last().path, "/v1/completions");
      assert.deepEqual(upstream.last().body, { ...asked, model: "opt-125m" });
    });
  }

  test("a stream passes, and its first piece waits for nothing", async () => {
    let go = (): void => {};
    const gone = new Promise<void>((resolve) => go = resolve);
    const frames = [chunk("Three"), { until: gone }, chunk(" roads", "length"), "data: [DONE]\n\n"];
    upstream.answer(sse(frames));
    const stream = await openai.completions.create({ model: "native/opt-125m", prompt: "x", stream: true });
    const parts: string[] = [];
    for await (const part of stream) {
      parts.push(part.choices[0]?.text ?? "");
      go();
    }
    assert.deepEqual(parts, ["Three", " roads"]);
  });

  test("an error at the head of a stream is a status", async () => {
    upstream.answer(sse([`data: {"error":{"message":"slow down","type":"rate_limit_error","code":429}}\n\n`]));
    const asking = openai.completions.create({ model: "native/opt-125m", prompt: "x", stream: true });
    await assert.rejects(asking, OpenAI.RateLimitError);
  });

  test("a stream that breaks off ends in an error", async () => {
    upstream.answer(sse([chunk("Three"), { pause: 20 }, CUT]));
    const stream = await openai.completions.create({ model: "native/opt-125m", prompt: "x", stream: true });
    await assert.rejects(heardOf(stream), OpenAI.APIError);
  });
});

for (const format of FORMATS) {
  describe(`a provider that speaks ${format} alone`, () => {
    const model = `${format}/some-model`;
    const answer = said({ blocks: [{ kind: "text", text: "…and then there were three." }] });

    test("whole: text, finish, usage", async () => {
      upstream.answer(json(bodyOf(format, answer)));
      const got = await openai.completions.create({
        model,
        prompt: "Once",
        max_tokens: 50,
        temperature: 0.5,
        echo: false,
        best_of: 1,
        logprobs: null,
        suffix: null,
        n: 1,
      });
      assert.equal(got.object, "text_completion");
      assert.match(got.id, /^cmpl-/);
      assert.equal(got.model, model);
      assert.equal(got.choices.length, 1);
      const { text, finish_reason, logprobs, index } = got.choices[0] as OpenAI.CompletionChoice;
      assert.deepEqual([text, finish_reason, logprobs, index], ["…and then there were three.", "stop", null, 0]);
      assert.equal(got.usage?.prompt_tokens, 57);
      assert.equal(got.usage?.completion_tokens, 31);
      const sent = JSON.stringify(upstream.last().body);
      assert.ok(sent.includes('"Once"') && sent.includes("0.5") && sent.includes("50"), sent);
      assert.ok(!sent.includes('"prompt"') && !sent.includes("best_of"), sent);
    });

    test("streamed, with usage", async () => {
      upstream.answer(sse(framesOf(format, answer)));
      const heard = await heardOf(
        await openai.completions.create({
          model,
          prompt: ["Once"],
          stream: true,
          stream_options: { include_usage: true },
        }),
      );
      assert.equal(heard.text, "…and then there were three.");
      assert.ok(heard.pieces > 1);
      assert.equal(heard.finish, "stop");
      assert.equal(heard.usage?.completion_tokens, 31);
    });

    test("a stream by its bytes: text_completion chunks, no usage that nobody asked for, [DONE]", async () => {
      upstream.answer(sse(framesOf(format, answer)));
      const body = JSON.stringify({ model, prompt: "Once", stream: true });
      const response = await fetch(`${gateway.url}/v1/completions`, { method: "POST", body });
      assert.match(response.headers.get("content-type") ?? "", /text\/event-stream/);
      const lines = (await response.text()).split("\n\n").filter((line) => line !== "" && !line.startsWith(":"));
      assert.equal(lines.pop(), "data: [DONE]");
      for (const line of lines) {
        const part = JSON.parse(line.slice("data: ".length)) as Record<string, unknown>;
        assert.deepEqual(Object.keys(part), ["id", "object", "created", "model", "choices"]);
      }
    });

    test("what cut it short is told", async () => {
      for (const [stop, finish] of [["max_tokens", "length"], ["content_filter", "content_filter"]] as const) {
        // Messages has no content filter of its own.
        if (format === "messages" && stop === "content_filter") continue;
        upstream.answer(json(bodyOf(format, { ...answer, stop })));
        const got = await openai.completions.create({ model, prompt: "Once" });
        assert.equal(got.choices[0]?.finish_reason, finish);
      }
    });

    test("thinking is a loss that is said; its text is no part of the answer", async () => {
      const blocks: Block[] = [{ kind: "thinking", text: "Hmm." }, { kind: "text", text: "Three." }];
      upstream.answer(json(bodyOf(format, said({ blocks }))));
      const { data, response } = await openai.completions.create({ model, prompt: "Once" }).withResponse();
      assert.equal(data.choices[0]?.text, "Three.");
      assert.deepEqual(lostPaths(response), ["choices[0].reasoning"]);
    });

    test("errors in OpenAI's shape, whole and at the head of a stream", async () => {
      upstream.answer(json({ error: { type: "rate_limit_error", message: "slow down" }, type: "error" }, 429));
      for (const stream of [false, true]) {
        await assert.rejects(openai.completions.create({ model, prompt: "x", stream }), OpenAI.RateLimitError);
      }
    });
  });
}

describe("what no chat can do is a typed 400", () => {
  const REFUSED: readonly (readonly [string, Record<string, unknown>])[] = [
    ["suffix", { suffix: "end" }],
    ["echo", { echo: true }],
    ["best_of", { best_of: 2 }],
    ["logprobs", { logprobs: 0 }],
    ["prompt", { prompt: ["a", "b"] }],
    ["prompt", { prompt: [1, 2] }],
    ["prompt", { prompt: [[1, 2]] }],
    ["prompt", { prompt: undefined }],
    ["prompt", { prompt: {} }],
    ["n", { n: 2, model: "messages/m" }],
    ["n", { n: 0, model: "messages/m" }],
    ["n", { n: -1 }],
    ["messages", { messages: [{ role: "user", content: "y" }] }],
    ["prompt", { prompt: "", model: "messages/m" }],
    ["max_tokens", { max_tokens: -1 }],
  ];
  for (const [param, fields] of REFUSED) {
    test(`${param}: ${JSON.stringify(fields)}`, async () => {
      const body = { model: "chat/m", prompt: "x", ...fields } as OpenAI.CompletionCreateParamsNonStreaming;
      await assert.rejects(openai.completions.create(body), (error: InstanceType<typeof OpenAI.APIError>) => {
        assert.equal(error.status, 400);
        assert.equal(error.param, param);
        return true;
      });
      assert.equal(upstream.requests.length, 0);
    });
  }

  test("a preset's completions can be declined in the config", async () => {
    upstream.answer(json(bodyOf("chat", said())));
    await openai.completions.create({ model: "declined/gpt-4o", prompt: "x" });
    assert.equal(upstream.last().path, "/v1/chat/completions");
  });
});

test("unknown members go on to a chat, and are losses elsewhere", async () => {
  upstream.answer(json(bodyOf("chat", said())));
  const extra = { prompt: "x", min_p: 0.1, user: "u" } as unknown as OpenAI.CompletionCreateParamsNonStreaming;
  await openai.completions.create({ ...extra, model: "chat/m" });
  assert.equal((upstream.last().body as Record<string, unknown>)["min_p"], 0.1);
  upstream.answer(json(bodyOf("messages", said())));
  const { response } = await openai.completions.create({ ...extra, model: "messages/m" }).withResponse();
  assert.match(response.headers.get("x-trivium-loss") ?? "", /\bmin_p\b/);
});

test("x-trivium-strict and x-trivium-explain", async () => {
  const ask = (headers: Record<string, string>) =>
    fetch(`${gateway.url}/v1/completions`, {
      method: "POST",
      headers,
      body: JSON.stringify({ model: "messages/m", prompt: "x", min_p: 0.1 }),
    });
  assert.equal((await ask({ "x-trivium-strict": "1" })).status, 400);
  const told = await (await ask({ "x-trivium-explain": "1" })).json() as Record<string, unknown>;
  assert.equal(told["client"], "completions");
  assert.equal(told["upstream"], "messages");
  assert.equal(upstream.requests.length, 0);
});

test("an upstream that takes long: the stream is kept alive by comments", async () => {
  let go = (): void => {};
  const gone = new Promise<void>((resolve) => go = resolve);
  upstream.answer(async () => {
    await gone;
    return sse(framesOf("messages", said()));
  });
  const body = JSON.stringify({ model: "messages/m", prompt: "x", stream: true });
  const response = await fetch(`${gateway.url}/v1/completions`, { method: "POST", body });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  assert.match(new TextDecoder().decode((await reader.read()).value), /^: /);
  go();
  let rest = "";
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    rest += new TextDecoder().decode(read.value);
  }
  assert.match(rest, /data: \[DONE\]\n\n$/);
});
