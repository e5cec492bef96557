/** What can happen to a stream once it runs, through every pair: errors, cuts, clients that leave, torn bytes. */
import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import OpenAI from "openai";
import type { Ask } from "../support/clients.ts";
import { checkChatStream } from "../support/grammar_chat.ts";
import { checkMessagesStream } from "../support/grammar_messages.ts";
import { checkResponsesStream } from "../support/grammar_responses.ts";
import {
  framesOf,
  MODEL,
  type Pair,
  PAIRS,
  plainBody,
  post,
  replyOf,
  type Stage,
  startStage,
} from "../support/pairs.ts";
import { type Block, said } from "../support/said.ts";
import type { FormatName } from "../support/told.ts";
import {
  HANG,
  type Reply,
  SILENCE,
  sse,
  sseByteByByte,
  sseCutAfter,
  sseSplitAt,
  type Upstream,
  withCrlf,
} from "../support/upstream.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

const TRANSLATED = PAIRS.filter(({ passes }) => !passes);
const CHECK: Record<FormatName, (wire: string) => string[]> = {
  // Plain requests by hand ask for no usage chunk.
  chat: (wire) => checkChatStream(wire),
  messages: checkMessagesStream,
  responses: checkResponsesStream,
};

const TEXT = "Grüße aus 東京 👩‍🚀, ganz langsam.";
const ANSWER = said({
  blocks: [
    { kind: "thinking", text: "Hm – 考える.", seal: "c2VhbA==" },
    { kind: "text", text: TEXT },
    { kind: "tool", id: "call_1", name: "f", args: '{"city":"Zürich"}' },
    { kind: "tool", id: "call_2", name: "f", args: '{"city":"東京"}' },
  ],
  stop: "tool_calls",
});

function ask(pair: Pair, fields: Partial<Ask> = {}): Ask {
  return { model: MODEL[pair.upstream], turns: [{ user: "Hi" }], ...fields };
}

/** The whole answer's bytes to a streamed request by hand; a body that breaks off is an error. */
async function wireOf(pair: Pair, reply: Reply): Promise<string> {
  stage.upstreams[pair.upstream].answer(reply);
  const body = plainBody(pair.client, MODEL[pair.upstream], { stream: true });
  const response = await post(stage.gateway.url, pair.client, body);
  assert.equal(response.status, 200);
  return await response.text();
}

/** Reads a stream by plain iteration to its end or error. */
async function iterate(pair: Pair, reply: Reply): Promise<{ events: unknown[]; error: unknown }> {
  stage.upstreams[pair.upstream].answer(reply);
  const events: unknown[] = [];
  try {
    for await (const event of stage.client(pair.client).iterate(ask(pair))) events.push(event);
    return { events, error: undefined };
  } catch (error) {
    return { events, error };
  }
}

function assertApiError(pair: Pair, error: unknown): void {
  const expected = pair.client === "messages" ? Anthropic.APIError : OpenAI.APIError;
  assert.ok(error instanceof expected, `raised ${error}`);
}

/** The first frames of an answer's stream, up to and with the second piece of text. */
function beginning(format: FormatName): string[] {
  const frames = framesOf(format, said({ blocks: [{ kind: "text", text: "One two three four five." }] }));
  return frames.slice(0, frames.findIndex((frame) => frame.includes("o thr")) + 1);
}

function errorFrame(format: FormatName): string {
  const message = "The model broke down.";
  if (format === "chat") {
    const error = { message, type: "server_error", param: null, code: null };
    return `data: ${JSON.stringify({ error })}\n\n`;
  }
  if (format === "messages") {
    const error = { type: "error", error: { type: "api_error", message } };
    return `event: error\ndata: ${JSON.stringify(error)}\n\n`;
  }
  const error = { type: "server_error", code: "server_error", message, param: null };
  return `event: error\ndata: ${JSON.stringify({ type: "error", sequence_number: 9, error })}\n\n`;
}

describe("an error in mid-stream (4.7)", () => {
  for (const pair of PAIRS) {
    const reply = sse([...beginning(pair.upstream), { pause: 30 }, errorFrame(pair.upstream)]);
    test(`the SDK raises: ${pair.name}`, async () => {
      const { events, error } = await iterate(pair, reply);
      assert.ok(events.length > 0, "nothing came before the error");
      assertApiError(pair, error);
      assert.match(String(error), /The model broke down\./);
    });
    test(`the stream helper raises: ${pair.name}`, async () => {
      stage.upstreams[pair.upstream].answer(reply);
      await assert.rejects(stage.client(pair.client).stream(ask(pair)));
    });
  }
  for (const pair of TRANSLATED) {
    test(`ends in one error event: ${pair.name}`, async () => {
      const wire = await wireOf(pair, sse([...beginning(pair.upstream), { pause: 30 }, errorFrame(pair.upstream)]));
      assert.deepEqual(CHECK[pair.client](wire), []);
      assert.match(wire, /The model broke down\./);
    });
  }
});

describe("a responses stream that fails by response.failed alone", () => {
  for (const pair of TRANSLATED.filter(({ upstream }) => upstream === "responses")) {
    test(pair.name, async () => {
      const error = { code: "server_error", message: "The model broke down." };
      const response = { id: "resp_1", object: "response", status: "failed", output: [], error };
      const failed = JSON.stringify({ type: "response.failed", sequence_number: 9, response });
      const reply = sse([...beginning("responses"), { pause: 30 }, `event: response.failed\ndata: ${failed}\n\n`]);
      assertApiError(pair, (await iterate(pair, reply)).error);
      assert.deepEqual(CHECK[pair.client](await wireOf(pair, reply)), []);
    });
  }
});

describe("a stream that is cut (case 9; PITFALLS 15)", () => {
  const cuts: [string, (frames: string[]) => Reply][] = [
    ["the socket dies", (frames) => sseCutAfter(frames, new TextEncoder().encode(frames.join("")).length)],
    ["the socket dies inside a frame", (frames) => sseCutAfter(frames, frames.join("").length - 9)],
    ["the body just ends", (frames) => sse(frames)],
    ["the body ends inside a frame", (frames) => sse([frames.join("").slice(0, -9)])],
  ];
  for (const [name, cut] of cuts) {
    for (const pair of PAIRS) {
      test(`${name}: ${pair.name}`, async () => {
        const { events, error } = await iterate(pair, cut(beginning(pair.upstream)));
        assert.ok(events.length > 0, "nothing came before the cut");
        assertApiError(pair, error);
      });
    }
    for (const pair of TRANSLATED) {
      test(`${name}, legal to the end: ${pair.name}`, async () => {
        const wire = await wireOf(pair, cut(beginning(pair.upstream)));
        assert.deepEqual(CHECK[pair.client](wire), []);
      });
    }
  }
});

describe("a stream cut at any frame ends in exactly one terminal event", () => {
  for (const pair of TRANSLATED) {
    test(pair.name, async () => {
      const frames = framesOf(pair.upstream, ANSWER);
      for (let count = 1; count < frames.length; count++) {
        stage.upstreams[pair.upstream].answer(sse(frames.slice(0, count)));
        const body = plainBody(pair.client, MODEL[pair.upstream], { stream: true });
        const response = await post(stage.gateway.url, pair.client, body);
        const wire = await response.text();
        // Nothing of content yet: the cut still gets a status of its own.
        if (response.status === 502) continue;
        assert.equal(response.status, 200);
        assert.deepEqual(CHECK[pair.client](wire), [], `after ${count} of ${frames.length} frames:\n${wire}`);
      }
    }, 30_000);
  }
});

/** Whether the upstream's newest exchange ends within a second because its client left. */
async function isCancelled(upstream: Upstream): Promise<boolean> {
  const request = upstream.last();
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([request.over, new Promise((resolve) => timer = setTimeout(resolve, 1000))]);
  clearTimeout(timer);
  return request.gone;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe("a client that leaves cancels its upstream within a second (PITFALLS 14)", () => {
  for (const pair of PAIRS) {
    for (const stream of [false, true]) {
      test(`before the headers, ${stream ? "streamed" : "whole"}: ${pair.name}`, async () => {
        const upstream = stage.upstreams[pair.upstream];
        upstream.answer(SILENCE);
        const before = upstream.requests.length;
        const abort = new AbortController();
        const body = plainBody(pair.client, MODEL[pair.upstream], { stream });
        const asking = post(stage.gateway.url, pair.client, body, { signal: abort.signal });
        await until(() => upstream.requests.length > before);
        abort.abort();
        await assert.rejects(asking);
        assert.equal(await isCancelled(upstream), true);
      });
    }

    test(`in mid-stream, by the SDK's break: ${pair.name}`, async () => {
      const upstream = stage.upstreams[pair.upstream];
      upstream.answer(sse([...beginning(pair.upstream), HANG]));
      for await (const _event of stage.client(pair.client).iterate(ask(pair))) break;
      assert.equal(await isCancelled(upstream), true);
    });

    test(`in mid-stream, by abort: ${pair.name}`, async () => {
      const upstream = stage.upstreams[pair.upstream];
      upstream.answer(sse([...beginning(pair.upstream), HANG]));
      const abort = new AbortController();
      const body = plainBody(pair.client, MODEL[pair.upstream], { stream: true });
      const response = await post(stage.gateway.url, pair.client, body, { signal: abort.signal });
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      await reader.read();
      abort.abort();
      assert.equal(await isCancelled(upstream), true);
    });
  }
});

describe("what the upstream has said reaches the client before it says more", () => {
  const blocks: [string, Block, string][] = [
    ["text", { kind: "text", text: "Alpha beta gamma delta." }, "Alpha"],
    ["thinking", { kind: "thinking", text: "Alpha beta gamma delta.", seal: "c2VhbA==" }, "Alpha"],
    ["arguments", { kind: "tool", id: "call_1", name: "f", args: '{"Alpha":"beta gamma delta"}' }, "Alp"],
  ];
  for (const [name, block, first] of blocks) {
    for (const pair of PAIRS) {
      test(`${name}: ${pair.name}`, async () => {
        const frames = framesOf(
          pair.upstream,
          said({ blocks: [block], stop: block.kind === "tool" ? "tool_calls" : "stop" }),
        );
        const cut = frames.findIndex((frame) => frame.includes(first)) + 1;
        let go = () => {};
        const gate = new Promise<void>((resolve) => go = resolve);
        stage.upstreams[pair.upstream].answer(sse([...frames.slice(0, cut), { until: gate }, ...frames.slice(cut)]));
        const body = plainBody(pair.client, MODEL[pair.upstream], { stream: true });
        const response = await post(stage.gateway.url, pair.client, body);
        const decoder = new TextDecoder();
        let wire = "";
        for await (const chunk of response.body ?? []) {
          wire += decoder.decode(chunk, { stream: true });
          // Held back, the text would never come: the upstream waits for it.
          if (wire.includes(first)) go();
        }
        if (!pair.passes) assert.deepEqual(CHECK[pair.client](wire), []);
      });
    }
  }
});

/** A stream with what differs from run to run made equal: random ids by order of appearance, and times. */
function normal(wire: string): string {
  const names = new Map<string, string>();
  return wire
    .replaceAll(/"(?:created|created_at|completed_at)":\d+/g, '"time":0')
    .replaceAll(/\b(chatcmpl-|msg_|resp_|rs_|fc_|ctc_)[A-Za-z0-9]+/g, (id, prefix) => {
      if (!names.has(id)) names.set(id, `${prefix}${names.size}`);
      return names.get(id) ?? "";
    });
}

/** Client and upstream: each upstream format once, with a client of another. */
const SPLIT: [FormatName, FormatName][] = [
  ["messages", "chat"],
  ["responses", "messages"],
  ["chat", "responses"],
];

describe("the upstream's bytes, split anywhere, give the same stream (PITFALLS 12)", () => {
  const small = said({
    blocks: [{ kind: "thinking", text: "考え" }, { kind: "text", text: "é👩‍🚀" }],
    usage: { input: 5, cached: 0, written: 0, output: 3, reasoning: 0 },
  });
  for (const [client, upstream] of SPLIT) {
    const pair = PAIRS.find((each) => each.client === client && each.upstream === upstream) as Pair;
    test(`at every byte: ${pair.name}`, async () => {
      const frames = framesOf(upstream, small);
      const whole = await splitWire(pair, frames, 0);
      assert.deepEqual(CHECK[client](whole), []);
      const length = new TextEncoder().encode(frames.join("")).length;
      await inBatches(length, 24, async (at) => {
        const wire = await splitWire(pair, frames, at);
        assert.equal(normal(wire), normal(whole), `split before byte ${at}`);
      });
    }, 60_000);
  }
  for (const pair of PAIRS) {
    test(`byte by byte: ${pair.name}`, async () => {
      const frames = framesOf(pair.upstream, small);
      const whole = await wireOf(pair, sse([frames.join("")]));
      assert.equal(normal(await wireOf(pair, sseByteByByte(frames))), normal(whole));
    }, 20_000);
  }
});

/** Many splits run at once, so the upstream is told which in the user's text; always of one length, that estimates agree. */
async function splitWire(pair: Pair, frames: string[], at: number): Promise<string> {
  stage.upstreams[pair.upstream].answer((request) =>
    sseSplitAt(frames, Number(/split-at-(\d+)/.exec(request.text)?.[1]))
  );
  const body = plainBody(pair.client, MODEL[pair.upstream], { stream: true }).replace(
    '"Hi"',
    `"split-at-${String(at).padStart(5, "0")}"`,
  );
  const response = await post(stage.gateway.url, pair.client, body);
  assert.equal(response.status, 200);
  return await response.text();
}

async function inBatches(count: number, size: number, run: (index: number) => Promise<void>): Promise<void> {
  for (let start = 0; start < count; start += size) {
    await Promise.all(Array.from({ length: Math.min(size, count - start) }, (_, index) => run(start + index)));
  }
}

describe("CRLF line ends", () => {
  for (const pair of PAIRS) {
    test(pair.name, async () => {
      stage.upstreams[pair.upstream].answer(sse(withCrlf(framesOf(pair.upstream, ANSWER))));
      const outcome = await stage.client(pair.client).stream(ask(pair));
      assert.equal(outcome.text, TEXT);
      assert.deepEqual(outcome.calls.map(({ input }) => input), [{ city: "Zürich" }, { city: "東京" }]);
      if (!pair.passes) assert.deepEqual(stage.client(pair.client).check(outcome.wire), []);
    });
  }
});

describe("comments and odd framing", () => {
  for (const pair of PAIRS) {
    test(`comments before and between: ${pair.name}`, async () => {
      const frames = framesOf(pair.upstream, ANSWER).flatMap((frame) => [": PROCESSING\n\n", frame]);
      stage.upstreams[pair.upstream].answer(sse(frames));
      const outcome = await stage.client(pair.client).stream(ask(pair));
      assert.equal(outcome.text, TEXT);
    });
  }
  for (const pair of TRANSLATED) {
    test(`a byte order mark, and no blank line at the end: ${pair.name}`, async () => {
      const text = framesOf(pair.upstream, ANSWER).join("");
      const wire = await wireOf(pair, sse([`\uFEFF${text.slice(0, -2)}`]));
      assert.deepEqual(CHECK[pair.client](wire), []);
      assert.match(wire, /考/);
    });
    test(`[DONE] after the end, and data after that (PITFALLS 39): ${pair.name}`, async () => {
      const text = framesOf(pair.upstream, ANSWER).join("");
      const wire = await wireOf(pair, sse([text, "data: [DONE]\n\n", 'data: {"late":true}\n\n']));
      assert.deepEqual(CHECK[pair.client](wire), []);
      assert.doesNotMatch(wire, /late/);
    });
  }
});

describe("a whole JSON answer to a request for a stream", () => {
  for (const pair of TRANSLATED) {
    test(pair.name, async () => {
      stage.upstreams[pair.upstream].answer(replyOf(pair.upstream, ANSWER, "whole"));
      const outcome = await stage.client(pair.client).stream(ask(pair));
      assert.equal(outcome.text, TEXT);
      assert.deepEqual(stage.client(pair.client).check(outcome.wire), []);
    });
  }
});

describe("a silent upstream is bridged (PITFALLS 13)", () => {
  for (const client of ["chat", "messages", "responses"] as const) {
    for (const upstream of ["chat", "messages", "responses"] as const) {
      test(`${client} client, ${upstream} upstream`, async () => {
        const impatient = await startStage("timeouts: { keepalive_ms: 40 }");
        try {
          const frames = framesOf(upstream, said());
          impatient.upstreams[upstream].answer(sse([...frames.slice(0, -4), { pause: 200 }, ...frames.slice(-4)]));
          const body = plainBody(client, MODEL[upstream], { stream: true });
          const wire = await (await post(impatient.gateway.url, client, body)).text();
          assert.match(wire, client === "messages" ? /event: ping\ndata: / : /^: keepalive$/m);
          if (client !== upstream) assert.deepEqual(CHECK[client](wire), []);
        } finally {
          await impatient.stop();
        }
      });
    }
  }
});
