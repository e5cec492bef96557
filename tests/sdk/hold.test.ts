/**
 * When the headers of a streamed answer go out: with the first content, so that an error before it keeps its status
 * (PITFALLS, 11), but not later than a moment, and not never.
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import {
  FORMATS,
  framesOf,
  MODEL,
  type Pair,
  PAIRS,
  plainBody,
  post,
  type Stage,
  startStage,
} from "../support/pairs.ts";
import { said } from "../support/said.ts";
import type { FormatName } from "../support/told.ts";
import { sse } from "../support/upstream.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage("timeouts: { keepalive_ms: 300 }");
});
afterAll(() => stage.stop());

/** The frames before the first content, by the upstream's grammar: role chunk; message_start; created, in_progress. */
const OPENING: Record<FormatName, number> = { chat: 1, messages: 1, responses: 2 };
const TERMINAL: Record<FormatName, string> = {
  chat: "data: [DONE]",
  messages: "event: message_stop",
  responses: "event: response.completed",
};

function ask({ client, upstream }: Pair): Promise<Response> {
  return post(stage.gateway.url, client, plainBody(client, MODEL[upstream], { stream: true }));
}

function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => open = resolve);
  return { opened, open: () => open() };
}

describe("an upstream that opens its stream and then thinks for long", () => {
  for (const client of FORMATS) {
    test(`what it has said reaches the ${client} client meanwhile, then the rest`, async () => {
      const patient = await startStage();
      try {
        await Promise.all(FORMATS.map((upstream) => opensAndThinks(patient, client, upstream)));
      } finally {
        await patient.stop();
      }
    }, 20_000);
  }
});

async function opensAndThinks(on: Stage, client: FormatName, upstream: FormatName): Promise<void> {
  const { opened, open } = gate();
  const frames = framesOf(upstream, said());
  const count = OPENING[upstream];
  on.upstreams[upstream].answer(sse([...frames.slice(0, count), { until: opened }, ...frames.slice(count)]));
  const response = await post(on.gateway.url, client, plainBody(client, MODEL[upstream], { stream: true }));
  assert.equal(response.status, 200);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const first = new TextDecoder().decode((await reader.read()).value);
  assert.ok(first.includes("data: {"), `no event of the answer: ${first}`);
  assert.ok(!first.includes("Hello"), first);
  open();
  const text = first + await rest(reader);
  assert.ok(text.includes("Hello"), text);
  assert.equal(text.split(TERMINAL[client]).length, 2, text);
}

async function rest(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  let text = "";
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    text += new TextDecoder().decode(next.value);
  }
  return text;
}

describe("an upstream that takes long to answer at all", () => {
  for (const pair of PAIRS) {
    test(`the stream begins with keep-alives and has the whole answer in the end: ${pair.name}`, async () => {
      const { opened, open } = gate();
      stage.upstreams[pair.upstream].answer(async () => {
        await opened;
        return sse(framesOf(pair.upstream, said()));
      });
      const response = await ask(pair);
      assert.equal(response.status, 200);
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      let text = new TextDecoder().decode((await reader.read()).value);
      assert.match(text, pair.client === "messages" ? /^event: ping\n/ : /^: keepalive\n/);
      open();
      text += await rest(reader);
      assert.equal(text.split(TERMINAL[pair.client]).length, 2, text);
    }, 20_000);
  }
});
