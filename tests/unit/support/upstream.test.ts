import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import {
  closedPort,
  CUT,
  HANG,
  json,
  raw,
  SILENCE,
  sse,
  sseByteByByte,
  sseCutAfter,
  sseSplitAt,
  startUpstream,
  type Upstream,
} from "../../support/upstream.ts";

let upstream: Upstream;
beforeAll(async () => {
  upstream = await startUpstream();
});
afterAll(() => upstream.stop());

async function chunks(response: Response): Promise<string[]> {
  const texts: string[] = [];
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) texts.push(decoder.decode(chunk, { stream: true }));
  return texts;
}

describe("the scripted upstream", () => {
  test("records method, path with query, headers, bytes and parsed body", async () => {
    upstream.answer(json({ ok: true }, 201, { "x-one": "1" }));
    const response = await fetch(`${upstream.url}/v1/a?b=c`, {
      method: "POST",
      headers: { "X-Key": "k" },
      body: '{"a":  "ä"}',
    });
    assert.equal(response.status, 201);
    assert.equal(response.headers.get("x-one"), "1");
    assert.deepEqual(await response.json(), { ok: true });
    const request = upstream.last();
    assert.equal(request.method, "POST");
    assert.equal(request.path, "/v1/a?b=c");
    assert.equal(request.headers["x-key"], "k");
    assert.equal(request.text, '{"a":  "ä"}');
    assert.deepEqual(request.body, { a: "ä" });
    await request.over;
    assert.equal(request.gone, false);
  });

  test("a body that isn't JSON is recorded as undefined", async () => {
    upstream.answer(raw("<html>", "text/html", 502));
    const response = await fetch(upstream.url, { method: "POST", body: "{nope" });
    assert.equal(response.headers.get("content-type"), "text/html");
    assert.equal(await response.text(), "<html>");
    assert.equal(upstream.last().body, undefined);
  });

  test("pieces leave one by one", async () => {
    let go = () => {};
    const gate = new Promise<void>((resolve) => go = resolve);
    upstream.answer(sse(["data: 1\n\n", { until: gate }, "data: 2\n\n"]));
    const response = await fetch(upstream.url);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const decoder = new TextDecoder();
    assert.equal(decoder.decode((await reader.read()).value), "data: 1\n\n");
    go();
    assert.equal(decoder.decode((await reader.read()).value), "data: 2\n\n");
    assert.equal((await reader.read()).done, true);
  });

  test("split at a byte and byte by byte give the same text", async () => {
    const frames = ["data: é\n\n", "data: 2\n\n"];
    upstream.answer(sseSplitAt(frames, 7));
    const split = await chunks(await fetch(upstream.url));
    assert.equal(split.join(""), frames.join(""));
    assert.ok(split.length > 1, `arrived as ${split.length}`);
    upstream.answer(sseByteByByte(frames));
    assert.equal((await chunks(await fetch(upstream.url))).join(""), frames.join(""));
  });

  test("a cut breaks the body off with an error", async () => {
    upstream.answer(sseCutAfter(["data: 1234567890\n\n"], 9));
    const response = await fetch(upstream.url);
    assert.equal(response.status, 200);
    await assert.rejects(response.text());
  });

  test("a cut before anything was sent", async () => {
    upstream.answer({ steps: [CUT] });
    await assert.rejects(fetch(upstream.url).then((response) => response.text()));
  });

  test("a client that leaves in mid-stream is noticed", async () => {
    upstream.answer(sse(["data: 1\n\n", HANG]));
    const abort = new AbortController();
    const response = await fetch(upstream.url, { signal: abort.signal });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    abort.abort();
    await upstream.last().over;
    assert.equal(upstream.last().gone, true);
  });

  test("a client that leaves before the headers is noticed", async () => {
    upstream.answer(SILENCE);
    const abort = new AbortController();
    const before = upstream.requests.length;
    const pending = fetch(upstream.url, { signal: abort.signal });
    while (upstream.requests.length === before) await new Promise((resolve) => setTimeout(resolve, 2));
    abort.abort();
    await assert.rejects(pending);
    await upstream.last().over;
    assert.equal(upstream.last().gone, true);
  });

  test("a failing handler says so", async () => {
    upstream.answer(() => {
      throw new Error("expected 1");
    });
    const response = await fetch(upstream.url);
    assert.equal(response.status, 500);
    assert.match(await response.text(), /expected 1/);
  });

  test("a closed port refuses", async () => {
    const port = await closedPort();
    await assert.rejects(fetch(`http://127.0.0.1:${port}`));
  });
});
