/** What passes as bytes whatever it is: images, audio, files, batches and the like (TRANSLATION.md, section 6). */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, test } from "bun:test";
import { ENDPOINTS } from "../../lib/endpoints/mod.ts";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { startReceiver } from "../support/receiver.ts";
import { CUT, json, raw, sse, startUpstream, type Upstream } from "../support/upstream.ts";

const OPENAI_KEY = "canary-openai-6f1d2c7be0a94e55";
const ANTHROPIC_KEY = "canary-anthropic-98c1a7de5b2f4d10";
const CLIENT_KEY = "client-key-51b6c0ffee";

let openaiUpstream: Upstream;
let anthropicUpstream: Upstream;
let gateway: StartedGateway;
let openai: OpenAI;
let anthropic: Anthropic;

beforeAll(async () => {
  openaiUpstream = await startUpstream();
  anthropicUpstream = await startUpstream();
  gateway = await startGateway(
    `
log: off
default_provider: openai
max_upload_mb: 8
providers:
  mock: {}
  openai: { base_url: "${openaiUpstream.url}/v1" }
  anthropic: { base_url: "${anthropicUpstream.url}/v1" }
models:
  - { name: whisper, target: openai/whisper-1 }
  - { name: painter, target: openai/gpt-image-1 }
  - { name: claude, target: anthropic/claude-sonnet-4-5 }
`,
    { OPENAI_API_KEY: OPENAI_KEY, ANTHROPIC_API_KEY: ANTHROPIC_KEY },
  );
  openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: CLIENT_KEY, maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: gateway.url, apiKey: CLIENT_KEY, maxRetries: 0 });
});
afterAll(async () => {
  await gateway.stop();
  await openaiUpstream.stop();
  await anthropicUpstream.stop();
});
beforeEach(() => {
  openaiUpstream.requests.length = 0;
  anthropicUpstream.requests.length = 0;
});

function assertSent(upstream: Upstream, method: string, path: string): void {
  const sent = upstream.last();
  assert.equal(`${sent.method} ${sent.path}`, `${method} ${path}`);
  const all = JSON.stringify(sent.headers) + sent.path;
  assert.ok(!all.includes(CLIENT_KEY), "the client's credential went on");
  const key = upstream === openaiUpstream ? sent.headers["authorization"] : sent.headers["x-api-key"];
  assert.equal(key, upstream === openaiUpstream ? `Bearer ${OPENAI_KEY}` : ANTHROPIC_KEY);
}

/** The fields of a form as the upstream got them. */
async function formOf(upstream: Upstream): Promise<FormData> {
  const { headers, bytes } = upstream.last();
  const response = new Response(bytes as BodyInit, { headers: { "content-type": headers["content-type"] ?? "" } });
  return await response.formData();
}

const PNG = new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10, 0, 255, 13, 10, 45, 45]);
const bytesOf = async (part: FormDataEntryValue | null) => new Uint8Array(await (part as File).arrayBuffer());

describe("OpenAI's SDK", () => {
  test("images.generate: the model is exchanged in place, everything else is the client's", async () => {
    openaiUpstream.answer(json({ created: 1, data: [{ b64_json: "aGk=" }] }));
    const images = await openai.images.generate({ model: "painter", prompt: "three roads", n: 1 });
    assert.equal(images.data?.[0]?.b64_json, "aGk=");
    assertSent(openaiUpstream, "POST", "/v1/images/generations");
    const sent = openaiUpstream.last().body as Record<string, unknown>;
    assert.equal(sent["model"], "gpt-image-1");
    assert.equal(sent["prompt"], "three roads");
  });

  test("images.generate streamed: the events pass", async () => {
    const event = { type: "image_generation.completed", b64_json: "aGk=", created_at: 1 };
    openaiUpstream.answer(sse([`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`]));
    const seen: string[] = [];
    for await (const part of await openai.images.generate({ model: "painter", prompt: "x", stream: true })) {
      seen.push(part.type);
    }
    assert.deepEqual(seen, ["image_generation.completed"]);
  });

  test("images.edit: a form, its alias exchanged, its file byte for byte", async () => {
    openaiUpstream.answer(json({ created: 1, data: [] }));
    const image = new File([PNG], "road.png", { type: "image/png" });
    await openai.images.edit({ model: "painter", prompt: "mödel", image });
    assertSent(openaiUpstream, "POST", "/v1/images/edits");
    const form = await formOf(openaiUpstream);
    assert.equal(form.get("model"), "gpt-image-1");
    assert.equal(form.get("prompt"), "mödel");
    assert.deepEqual(await bytesOf(form.get("image")), PNG);
  });

  test("audio.transcriptions: the model may come after a small file", async () => {
    openaiUpstream.answer(json({ text: "three roads" }));
    const file = new File([PNG], "speech.wav");
    const heard = await openai.audio.transcriptions.create({ file, model: "whisper" });
    assert.equal(heard.text, "three roads");
    const form = await formOf(openaiUpstream);
    assert.equal(form.get("model"), "whisper-1");
    assert.deepEqual(await bytesOf(form.get("file")), PNG);
  });

  test("a model that no rule knows is the default provider's, by its own name", async () => {
    openaiUpstream.answer(json({ text: "x" }));
    await openai.audio.transcriptions.create({ model: "whisper-large", file: new File([PNG], "a.wav") });
    assert.equal((await formOf(openaiUpstream)).get("model"), "whisper-large");
  });

  test("audio.speech: binary answers pass with their type and length", async () => {
    const sound = new Uint8Array(100_000).map((_, index) => index % 251);
    openaiUpstream.answer({
      headers: { "content-type": "audio/mpeg", "content-length": String(sound.length), "x-request-id": "up-1" },
      steps: [sound.slice(0, 10), { pause: 5 }, sound.slice(10)],
    });
    const answer = await openai.audio.speech.create({ model: "tts-1", voice: "alloy", input: "three" });
    assert.equal(answer.headers.get("content-type"), "audio/mpeg");
    // Bun sends an answer that streams without its length.
    assert.ok([null, String(sound.length)].includes(answer.headers.get("content-length")));
    assert.equal(answer.headers.get("x-trivium-provider"), "openai");
    assert.equal(answer.headers.get("x-request-id"), "up-1");
    assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), sound);
  });

  test("files: create, list with its query, content, delete", async () => {
    const file = { id: "file-1", object: "file", bytes: 4, created_at: 1, filename: "a.jsonl", purpose: "batch" };
    openaiUpstream.answer(json(file));
    const made = await openai.files.create({ file: new File(["{}\r\n"], "a.jsonl"), purpose: "batch" });
    assert.equal(made.id, "file-1");
    assertSent(openaiUpstream, "POST", "/v1/files");
    assert.equal(await ((await formOf(openaiUpstream)).get("file") as File).text(), "{}\r\n");

    openaiUpstream.answer(json({ object: "list", data: [file], has_more: false }));
    const page = await openai.files.list({ purpose: "batch", limit: 3 });
    assert.equal(page.data[0]?.id, "file-1");
    assertSent(openaiUpstream, "GET", "/v1/files?purpose=batch&limit=3");

    openaiUpstream.answer(
      {
        headers: { "content-type": "text/plain", "content-disposition": 'attachment; filename="a"' },
        steps: ["{}\r\n"],
      },
    );
    const content = await openai.files.content("file-1");
    assert.equal(content.headers.get("content-disposition"), 'attachment; filename="a"');
    assert.equal(await content.text(), "{}\r\n");
    assertSent(openaiUpstream, "GET", "/v1/files/file-1/content");
    assert.equal(openaiUpstream.last().headers["content-type"], undefined);

    openaiUpstream.answer(json({ id: "file-1", object: "file", deleted: true }));
    assert.equal((await openai.files.delete("file-1")).deleted, true);
    assertSent(openaiUpstream, "DELETE", "/v1/files/file-1");
  });

  test("batches, moderations, vector stores, uploads, fine-tuning", async () => {
    openaiUpstream.answer((request) => json({ id: "x_1", object: "x", path: request.path, results: [] }));
    await openai.batches.create({ input_file_id: "f", endpoint: "/v1/responses", completion_window: "24h" });
    assertSent(openaiUpstream, "POST", "/v1/batches");
    await openai.batches.cancel("batch_1");
    assertSent(openaiUpstream, "POST", "/v1/batches/batch_1/cancel");
    await openai.moderations.create({ input: "three roads" });
    assertSent(openaiUpstream, "POST", "/v1/moderations");
    await openai.vectorStores.create({ name: "roads" });
    assertSent(openaiUpstream, "POST", "/v1/vector_stores");
    await openai.vectorStores.files.create("vs_1", { file_id: "file-1" });
    assertSent(openaiUpstream, "POST", "/v1/vector_stores/vs_1/files");
    await openai.uploads.create({ bytes: 1, filename: "a", mime_type: "text/plain", purpose: "batch" });
    assertSent(openaiUpstream, "POST", "/v1/uploads");
    await openai.fineTuning.jobs.cancel("ftjob-1");
    assertSent(openaiUpstream, "POST", "/v1/fine_tuning/jobs/ftjob-1/cancel");
    await fetch(`${gateway.url}/v1/fine_tuning/checkpoints/${encodeURIComponent("ft:gpt:org:a:B7R9")}/permissions`);
    assertSent(openaiUpstream, "GET", "/v1/fine_tuning/checkpoints/ft%3Agpt%3Aorg%3Aa%3AB7R9/permissions");
  });

  test("errors: the upstream's own words and status, a refused key as the gateway's fault", async () => {
    const error = { message: "No such File object: file-9", type: "invalid_request_error", param: "id", code: null };
    openaiUpstream.answer(json({ error }, 404));
    await assert.rejects(openai.files.retrieve("file-9"), (thrown: InstanceType<typeof OpenAI.NotFoundError>) => {
      assert.ok(thrown instanceof OpenAI.NotFoundError);
      assert.deepEqual(thrown.error, error);
      return true;
    });
    openaiUpstream.answer(json({ error: { message: `Incorrect API key provided: ${OPENAI_KEY}` } }, 401));
    await assert.rejects(openai.files.retrieve("file-9"), (thrown: InstanceType<typeof OpenAI.APIError>) => {
      assert.equal(thrown.status, 502);
      assert.ok(!JSON.stringify(thrown.error).includes(OPENAI_KEY));
      return true;
    });
    openaiUpstream.answer(raw("<html>Bad gateway</html>", "text/html", 503));
    await assert.rejects(openai.files.list(), OpenAI.InternalServerError);
  });

  test("a redirect is not followed", async () => {
    openaiUpstream.answer({ status: 302, headers: { location: `${anthropicUpstream.url}/elsewhere` }, steps: [] });
    await assert.rejects(openai.files.content("file-1"), /redirect/);
    assert.equal(anthropicUpstream.requests.length, 0);
  });
});

describe("Anthropic's SDK", () => {
  test("messages.batches go to the provider that lists messages", async () => {
    const batch = { id: "msgbatch_1", type: "message_batch", processing_status: "in_progress", results_url: null };
    anthropicUpstream.answer(json(batch, 200, { "request-id": "req_up" }));
    const params = { model: "claude-sonnet-4-5", max_tokens: 1, messages: [{ role: "user" as const, content: "Hi" }] };
    const made = await anthropic.messages.batches.create({ requests: [{ custom_id: "a", params }] });
    assert.equal(made.id, "msgbatch_1");
    assertSent(anthropicUpstream, "POST", "/v1/messages/batches");
    assert.match(anthropicUpstream.last().headers["anthropic-version"] ?? "", /^20\d\d-\d\d-\d\d$/);
    await anthropic.messages.batches.cancel("msgbatch_1");
    assertSent(anthropicUpstream, "POST", "/v1/messages/batches/msgbatch_1/cancel");
    anthropicUpstream.answer(json({ data: [batch], has_more: false, first_id: null, last_id: null }));
    await anthropic.messages.batches.list({ limit: 2 });
    assertSent(anthropicUpstream, "GET", "/v1/messages/batches?limit=2");
    assert.equal(openaiUpstream.requests.length, 0);
  });

  test("batch results are a stream of lines", async () => {
    const line = { custom_id: "a", result: { type: "canceled" } };
    anthropicUpstream.answer((request) =>
      request.path.endsWith("/results")
        ? { headers: { "content-type": "application/x-jsonl" }, steps: [`${JSON.stringify(line)}\n`] }
        : json({ id: "msgbatch_1", results_url: `${gateway.url}/v1/messages/batches/msgbatch_1/results` })
    );
    const results: unknown[] = [];
    for await (const result of await anthropic.messages.batches.results("msgbatch_1")) results.push(result);
    assert.deepEqual(results, [line]);
  });

  test("beta.files: the same path as OpenAI's, told apart by the client's headers", async () => {
    anthropicUpstream.answer(json({ id: "file_1", type: "file", filename: "a.txt" }));
    const file = new File(["roads"], "a.txt", { type: "text/plain" });
    const made = await anthropic.beta.files.upload({ file, betas: ["files-api-2025-04-14"] });
    assert.equal(made.id, "file_1");
    assertSent(anthropicUpstream, "POST", "/v1/files");
    assert.match(anthropicUpstream.last().headers["anthropic-beta"] ?? "", /files-api/);
    assert.equal(await ((await formOf(anthropicUpstream)).get("file") as File).text(), "roads");
    anthropicUpstream.answer(raw("roads", "text/plain"));
    assert.equal(await (await anthropic.beta.files.download("file_1")).text(), "roads");
    assert.equal(openaiUpstream.requests.length, 0);
  });

  test("errors have Anthropic's shape", async () => {
    const body = { type: "error", error: { type: "not_found_error", message: "no batch" }, request_id: "req_up" };
    anthropicUpstream.answer(json(body, 404));
    await assert.rejects(anthropic.messages.batches.retrieve("msgbatch_9"), Anthropic.NotFoundError);
  });
});

describe("who serves it", () => {
  test("nobody by default: a typed 400 that names the config key", async () => {
    const bare = await startGateway("log: off\nproviders: { mock: {} }\n");
    const client = new OpenAI({ baseURL: `${bare.url}/v1`, apiKey: "any", maxRetries: 0 });
    await assert.rejects(client.files.list(), (thrown: InstanceType<typeof OpenAI.APIError>) => {
      assert.equal(thrown.status, 400);
      assert.equal(thrown.code, "no_default_provider");
      assert.match(thrown.message, /default_provider/);
      return true;
    });
    const other = new Anthropic({ baseURL: bare.url, apiKey: "any", maxRetries: 0 });
    await assert.rejects(other.beta.files.list(), /default_messages_provider/);
    const unsaid = new Headers({ "content-type": "application/x-www-form-urlencoded" });
    const request = { method: "POST", headers: unsaid, body: '{"model":"mock/echo"}' };
    const answer = await fetch(`${bare.url}/v1/images/generations`, request);
    assert.match(await answer.text(), /names no model, as JSON by its content-type or in a multipart form/);
    await bare.stop();
  });

  test("a model whose provider has no such API is a typed 400", async () => {
    await assert.rejects(
      openai.images.generate({ model: "claude", prompt: "x" }),
      (thrown: InstanceType<typeof OpenAI.APIError>) => {
        assert.equal(thrown.status, 400);
        assert.equal(thrown.param, "model");
        return true;
      },
    );
  });

  test("models_only: what no rule knows is refused, and so is a form whose model isn't in sight", async () => {
    const strict = await startGateway(
      `
log: off
models_only: true
default_provider: openai
providers: { openai: { base_url: "${openaiUpstream.url}/v1", api_key: k } }
models: [{ name: whisper, target: openai/whisper-1 }]
`,
    );
    const client = new OpenAI({ baseURL: `${strict.url}/v1`, apiKey: "any", maxRetries: 0 });
    const large = new File([new Uint8Array(100_000)], "a.wav");
    await assert.rejects(client.audio.transcriptions.create({ model: "other", file: large }), OpenAI.NotFoundError);
    await assert.rejects(
      client.audio.transcriptions.create({ file: large, model: "other" }),
      OpenAI.BadRequestError,
    );
    assert.equal(openaiUpstream.requests.length, 0);
    openaiUpstream.answer(json({ text: "ok" }));
    await client.audio.transcriptions.create({ model: "whisper", file: large });
    assert.equal((await formOf(openaiUpstream)).get("model"), "whisper-1");
    await strict.stop();
  });

  test("x-trivium-explain shows it and sends nothing", async () => {
    const form = new FormData();
    form.set("model", "whisper");
    form.set("file", new File([PNG], "a.wav"));
    const headers = { "x-trivium-explain": "1" };
    const response = await fetch(`${gateway.url}/v1/audio/transcriptions`, { method: "POST", body: form, headers });
    const told = await response.json() as Record<string, unknown>;
    assert.equal(told["rule"], "whisper");
    assert.equal(told["client"], "audio");
    assert.equal(told["url"], `${openaiUpstream.url}/v1/audio/transcriptions`);
    assert.equal((told["headers"] as Record<string, string>)["authorization"], "***");
    assert.equal(openaiUpstream.requests.length, 0);
  });

  test("a client's key in the query doesn't go on", async () => {
    openaiUpstream.answer(json({}));
    await (await fetch(`${gateway.url}/v1/files?key=secret-1&limit=2&api_key=secret-2`)).text();
    assert.equal(openaiUpstream.last().path, "/v1/files?limit=2");
    await (await fetch(`${gateway.url}/v1/files?limit=2&access_token=secret-3`)).text();
    assert.equal(openaiUpstream.last().path, "/v1/files?limit=2");
    await (await fetch(`${gateway.url}/v1/files?%6bey=s&limit=%32&x-api-key=s&API_KEY&api%5Fkey=s&after=%zz`)).text();
    assert.equal(openaiUpstream.last().path, "/v1/files?limit=%32&after=%zz");
    await (await fetch(`${gateway.url}/v1/files?key=s`)).text();
    assert.equal(openaiUpstream.last().path, "/v1/files");
  });
});

/** A request past every normalising client: the bytes of its first line are ours. */
function rawRequest(line: string): Promise<string> {
  const { port, hostname } = new URL(gateway.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let answer = "";
    socket.on("data", (bytes) => answer += bytes);
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
    socket.write(`${line} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  });
}

describe("PITFALLS 20: no caller chooses a host or leaves the provider's path", () => {
  const TRICKS = [
    "..%2f..%2fadmin",
    "%2e%2e/%2e%2e/admin",
    "../../admin",
    "..\\..\\admin",
    "%252e%252e%252fadmin",
    "..;/admin",
    "//evil.example/x",
    "http://evil.example/x",
    "@evil.example",
    "x%00y",
    "x%0d%0ahost:evil",
    "x#@evil.example",
  ];
  const patterns = [...new Set(ENDPOINTS.map(({ pattern }) => pattern))];

  for (const pattern of patterns) {
    test(pattern, async () => {
      for (const upstream of [openaiUpstream, anthropicUpstream]) upstream.answer(json({}));
      const { host } = new URL(openaiUpstream.url);
      const base = pattern.replace(/\/?\*$/, "").replace(/:\w+/g, "x");
      const first = base.split("/")[1] ?? "";
      for (const trick of [...TRICKS, `http://${host}/x`]) {
        for (const method of ["GET", "POST", "DELETE"]) {
          await rawRequest(`${method} /v1${base}/${trick}`);
          await rawRequest(`${method} ${trick.startsWith("http") ? trick : `/${trick}`}`);
          await rawRequest(`${method} http://evil.example/v1${base}/${trick}`);
        }
      }
      for (const { path, headers } of [...openaiUpstream.requests, ...anthropicUpstream.requests]) {
        assert.match(path, /^\/v1\/[\w/.:@~+=,%-]+(?:\?.*)?$/);
        assert.ok(path.startsWith(`/v1/${first}`), path);
        assert.ok(!/(?:^|\/)\.{1,2}(?:\/|$)|\/\/|admin/.test(decodeURIComponent(path)), path);
        assert.match(headers["host"] ?? "", /^127\.0\.0\.1:/);
      }
    });
  }
});

/** A body that a test writes by hand, a piece at a time. */
function byHand(headers: Record<string, string>) {
  const { port, hostname } = new URL(gateway2.url);
  const socket = connect(Number(port), hostname);
  let answer = "";
  socket.on("error", () => {});
  const answered = new Promise<string>((resolve) => {
    socket.on("data", (bytes) => {
      answer += bytes;
      if (/\r\n\r\n[^]*\}/.test(answer)) resolve(answer);
    });
    socket.on("close", () => resolve(answer));
  });
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.write(`POST /v1/files HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${lines}\r\n`);
  return {
    /** Once a body of JSON is here, or the connection is closed. */
    answered,
    leave: () => socket.destroy(),
    write: (bytes: Uint8Array | string): Promise<void> =>
      new Promise((resolve) => socket.write(bytes, () => resolve())),
    /** Bytes that the system has not taken yet. */
    waiting: () => socket.writableLength,
  };
}

let gateway2: StartedGateway;

describe("uploads stream", () => {
  const MB = 1 << 20;
  const BOUNDARY = "three-roads";
  const HEAD = `--${BOUNDARY}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--${BOUNDARY}\r\n` +
    `content-disposition: form-data; name="file"; filename="a"\r\n\r\n`;
  const TAIL = `\r\n--${BOUNDARY}--\r\n`;
  const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
  const piece = new Uint8Array(MB).map((_, index) => (index * 31) % 251);

  async function withReceiver(
    run: (receiver: Awaited<ReturnType<typeof startReceiver>>) => Promise<void>,
    settings = "",
  ): Promise<void> {
    const receiver = await startReceiver();
    gateway2 = await startGateway(
      `log: off\ndefault_provider: up\n${settings}\nproviders: { up: { base_url: "${receiver.url}/v1", api_key: k } }\n`,
    );
    try {
      await run(receiver);
    } finally {
      await gateway2.stop();
      await receiver.stop();
    }
  }

  test(
    "the upstream has the first bytes before the client has sent the last, and all of them in the end",
    () =>
      withReceiver(async (receiver) => {
        const total = HEAD.length + 64 * MB + TAIL.length;
        const client = byHand({ "content-type": TYPE, "content-length": String(total) });
        await client.write(HEAD);
        await client.write(piece);
        await receiver.begun;
        const hash = createHash("sha256").update(HEAD).update(piece);
        for (let sent = 1; sent < 64; sent++) {
          hash.update(piece);
          await client.write(piece);
        }
        await client.write(TAIL);
        assert.deepEqual(await receiver.over, { whole: true, sha256: hash.update(TAIL).digest("hex") });
        assert.match(await client.answered, /HTTP\/1\.1 200 [\s\S]*"id":"file-1"/);
      }),
    { timeout: 30_000 },
  );

  test("an upstream that stops reading stops the client", () =>
    withReceiver(async (receiver) => {
      receiver.hold(true);
      const client = byHand({ "content-type": TYPE, "content-length": String(400 * MB) });
      await client.write(HEAD);
      let taken = 0;
      for (let sent = 0; sent < 256; sent++) void client.write(piece).then(() => taken += MB);
      await receiver.begun;
      let before = -1;
      // Until nothing moves any more.
      while (before !== taken || client.waiting() === 0) {
        before = taken;
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      assert.ok(taken < 128 * MB, `${taken / MB} MB were taken in`);
      client.leave();
    }), { timeout: 30_000 });

  for (const lengthKnown of [true, false]) {
    test(`a client that leaves in the middle takes its upload along, length ${lengthKnown ? "" : "not "}known`, () =>
      withReceiver(async (receiver) => {
        const length = lengthKnown ? { "content-length": String(64 * MB) } : { "transfer-encoding": "chunked" };
        const client = byHand({ "content-type": TYPE, ...length } as Record<string, string>);
        const body = new Uint8Array([...new TextEncoder().encode(HEAD), ...piece.slice(0, 200_000)]);
        if (!lengthKnown) await client.write(`${body.length.toString(16)}\r\n`);
        await client.write(body);
        await receiver.begun;
        client.leave();
        assert.equal((await receiver.over).whole, false);
      }));
  }

  test("an upstream that refuses before it has read is heard at once", () =>
    withReceiver(async (receiver) => {
      receiver.refuse(413);
      const client = byHand({ "content-type": TYPE, "content-length": String(64 * MB) });
      await client.write(HEAD);
      await client.write(piece);
      assert.match(await client.answered, /HTTP\/1\.1 413 [\s\S]*refused at sight/);
      client.leave();
    }));

  test("max_upload_mb counts what comes, whatever was announced", () =>
    withReceiver(async (receiver) => {
      const client = byHand({ "content-type": TYPE, "transfer-encoding": "chunked" });
      for (let sent = 0; sent < 3; sent++) {
        await client.write(`${MB.toString(16)}\r\n`);
        await client.write(piece);
        await client.write("\r\n");
      }
      assert.match(await client.answered, /HTTP\/1\.1 413 [\s\S]*max_upload_mb/);
      assert.equal((await receiver.over).whole, false);
    }, "max_upload_mb: 2"));

  test("what is announced as too large is refused at once", async () => {
    const file = new File([new Uint8Array(9 * MB)], "a.bin");
    await assert.rejects(openai.files.create({ file, purpose: "batch" }), (thrown: { status?: number }) => {
      assert.equal(thrown.status, 413);
      return true;
    });
    assert.equal(openaiUpstream.requests.length, 0);
  });

  test("a client that goes silent is told so, and its upload ends", () =>
    withReceiver(async (receiver) => {
      const client = byHand({ "content-type": TYPE, "content-length": String(64 * MB) });
      await client.write(HEAD);
      await client.write(piece);
      assert.match(await client.answered, /HTTP\/1\.1 504 [\s\S]*sent nothing of its body/);
      assert.equal((await receiver.over).whole, false);
    }, "timeouts: { idle_ms: 300 }"));
});

test("the counters know each API by its name", async () => {
  openaiUpstream.answer(json({}));
  await (await fetch(`${gateway.url}/v1/vector_stores`)).text();
  const told = await (await fetch(`${gateway.url}/metrics`)).text();
  assert.match(
    told,
    /requests_total\{client="vector_stores",upstream="vector_stores",provider="openai",status="200"\} \d/,
  );
});

describe("answers stream", () => {
  test("an answer that breaks off breaks off for the client too", async () => {
    openaiUpstream.answer({
      headers: { "content-type": "application/octet-stream" },
      steps: [new Uint8Array(1000), { pause: 50 }, CUT],
    });
    const response = await fetch(`${gateway.url}/v1/files/file-1/content`);
    assert.equal(response.status, 200);
    await assert.rejects(response.arrayBuffer());
  });

  test("a stream of events that breaks off ends in an error event", async () => {
    openaiUpstream.answer(sse(["data: {}\n\n", { pause: 50 }, CUT]));
    const response = await fetch(`${gateway.url}/v1/audio/speech`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "tts-1", stream_format: "sse" }),
    });
    assert.match(await response.text(), /^data: \{\}\n\n\s*data: \{"error":/);
  });

  test("PITFALLS 13: events that are long in coming are kept alive, between two events alone", async () => {
    const paced = await startGateway(
      `log: off\ndefault_provider: up\ntimeouts: { keepalive_ms: 20 }\n` +
        `providers: { up: { base_url: "${openaiUpstream.url}/v1", api_key: k } }\n`,
    );
    let go = (): void => {};
    const kept = new Promise<void>((resolve) => go = resolve);
    openaiUpstream.answer(sse(["data: 1\n\n", { until: kept }, "data:", { pause: 100 }, " 2\n\n"]));
    const answer = await fetch(`${paced.url}/v1/images/x`);
    let text = "";
    for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
      text += new TextDecoder().decode(piece);
      if (text.includes("\n: ")) go();
    }
    assert.match(text, /^data: 1\n\n(?:: \w+\n\n)+data: 2\n\n$/);
    openaiUpstream.answer(sse(["data: 1\n\n"], { "content-type": "application/octet-stream" }));
    assert.equal(await (await fetch(`${paced.url}/v1/files/x/content`)).text(), "data: 1\n\n");

    // By CRLF, and under another spelling of the type.
    const again = new Promise<void>((resolve) => go = resolve);
    const crlf = { "content-type": "Text/Event-Stream" };
    openaiUpstream.answer(sse(["data: 1\r\n\r\n", { until: again }, "data: 2\r\n\r\n"], crlf));
    const other = await fetch(`${paced.url}/v1/images/x`);
    for await (const piece of other.body as unknown as AsyncIterable<Uint8Array>) {
      if (new TextDecoder().decode(piece).includes(": ")) go();
    }
    go();
    await paced.stop();
  });

  test("PITFALLS 14: a client that leaves takes the answer along", async () => {
    const forever = Array.from({ length: 10_000 }, () => [new Uint8Array(10_000), { pause: 2 }]).flat();
    openaiUpstream.answer({ headers: { "content-type": "application/octet-stream" }, steps: forever });
    const abort = new AbortController();
    const response = await fetch(`${gateway.url}/v1/files/file-1/content`, { signal: abort.signal });
    await response.body?.getReader().read();
    const { over } = openaiUpstream.last();
    abort.abort();
    await over;
    assert.equal(openaiUpstream.last().gone, true);
  });
});
