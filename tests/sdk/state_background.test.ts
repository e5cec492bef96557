/** `background: true` on upstreams that have no such thing: polled, cancelled, left and come back to. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import type OpenAI from "openai";
import { Jobs } from "../../lib/state/jobs.ts";
import { checkResponsesStream } from "../support/grammar_responses.ts";
import { framesOf, MODEL, replyOf, type Stage, startStage } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { memberOf, openAi, refused, text, toldTexts, until } from "../support/state.ts";
import { json, type Reply, SILENCE, sse, type Step } from "../support/upstream.ts";

/** Responses at once in these tests. */
const LIMIT = 3;

let stage: Stage;
beforeAll(async () => {
  stage = await startStage("", { jobs: new Jobs({ count: LIMIT, ms: 60_000, bytes: 1 << 20 }) });
});
afterAll(() => stage.stop());

const client = () => openAi(stage.gateway.url);
const isOver = ({ status }: OpenAI.Responses.Response) => status !== "queued" && status !== "in_progress";
const ended = (id: string) => until(() => client().responses.retrieve(id), isOver);

function gate(): { opened: Promise<void>; open: () => void } {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => open = resolve);
  return { opened, open };
}

for (const upstream of ["chat", "messages"] as const) {
  const model = MODEL[upstream];

  describe(`${upstream} upstream`, () => {
    test("is queued at once, then completed without its client, and can be gone on from", async () => {
      const { opened, open } = gate();
      stage.upstreams[upstream].answer(async () => {
        await opened;
        return replyOf(upstream, said({ blocks: [text("Done.")] }), "whole");
      });
      const made = await client().responses.create({ model, input: "Hi", background: true });
      assert.deepEqual([made.status, made.background, made.output], ["queued", true, []]);
      const running = await client().responses.retrieve(made.id);
      assert.equal(running.status, "in_progress");
      await refused(
        client().responses.create({ model, input: "On", previous_response_id: made.id }),
        400,
        null,
      );
      open();
      const done = await ended(made.id);
      assert.deepEqual([done.id, done.status, done.output_text], [made.id, "completed", "Done."]);
      assert.deepEqual([done.background, memberOf(done, "store")], [true, true]);
      assert.deepEqual((await client().responses.cancel(made.id)).status, "completed");
      stage.upstreams[upstream].answer(replyOf(upstream, said(), "whole"));
      await client().responses.create({ model, input: "On", previous_response_id: made.id });
      assert.deepEqual(toldTexts(stage, upstream), ["Hi", "Done.", "On"]);
    });

    test("cancel frees the upstream, and the response stays cancelled", async () => {
      stage.upstreams[upstream].answer(SILENCE);
      const before = stage.upstreams[upstream].requests.length;
      const made = await client().responses.create({ model, input: "Hi", background: true });
      await until(() => Promise.resolve(stage.upstreams[upstream].requests.length), (count) => count > before);
      const cancelled = await client().responses.cancel(made.id);
      assert.equal(cancelled.status, "cancelled");
      await stage.upstreams[upstream].last().over;
      assert.equal(stage.upstreams[upstream].last().gone, true);
      await until(running, (count) => count === 0);
      assert.equal((await client().responses.retrieve(made.id)).status, "cancelled");
      await client().responses.delete(made.id);
      await refused(client().responses.retrieve(made.id), 404, "response_not_found");
    });

    test("an upstream that refuses makes it a failed response", async () => {
      stage.upstreams[upstream].answer(json({ error: { type: "invalid_request_error", message: "Too odd" } }, 400));
      const made = await client().responses.create({ model, input: "Hi", background: true });
      const failed = await ended(made.id);
      assert.deepEqual([failed.status, failed.error], ["failed", { code: "invalid_prompt", message: "Too odd" }]);
    });

    test("streams to its client, who may leave, come back after any event, and come when it is over", async () => {
      const { opened, open } = gate();
      const { steps } = replyOf(upstream, said({ blocks: [text("A longer answer in many pieces.")] }), "streamed");
      stage.upstreams[upstream].answer(gated(steps, opened));
      let id = "";
      let last = -1;
      const stream = await client().responses.create({ model, input: "Hi", background: true, stream: true });
      for await (const event of stream) {
        last = event.sequence_number;
        if (event.type === "response.created") id = event.response.id;
        if (event.type === "response.output_text.delta") break;
      }
      assert.equal((await client().responses.retrieve(id)).status, "in_progress");
      assert.equal(stage.upstreams[upstream].last().gone, false);

      const back = await client().responses.retrieve(id, { stream: true, starting_after: last });
      open();
      const numbers: number[] = [];
      for await (const event of back) numbers.push(event.sequence_number);
      assert.deepEqual(numbers, numbers.map((_, index) => last + 1 + index));

      await until(running, (count) => count === 0);
      const wire = await (await fetch(`${stage.gateway.url}/v1/responses/${id}?stream=true`, {
        headers: { authorization: "Bearer key-of-one" },
      })).text();
      assert.deepEqual(checkResponsesStream(wire), []);
      const again: number[] = [];
      for await (const event of await client().responses.retrieve(id, { stream: true, starting_after: last })) {
        again.push(event.sequence_number);
      }
      assert.deepEqual(again, numbers);
    });

    test("a stream is cancelled from elsewhere", async () => {
      const { steps } = replyOf(upstream, said(), "streamed");
      stage.upstreams[upstream].answer(gated(steps, new Promise(() => {})));
      const statuses: unknown[] = [];
      let id = "";
      const body = { model, input: "Hi", background: true, stream: true as const };
      for await (const event of await client().responses.create(body)) {
        if (event.type === "response.created") id = event.response.id;
        if (event.type === "response.output_text.delta" && statuses.length === 0) {
          statuses.push((await client().responses.cancel(id)).status);
        }
        if (event.type === "response.failed") statuses.push(event.response.status);
      }
      assert.deepEqual(statuses, ["cancelled", "cancelled"]);
      await stage.upstreams[upstream].last().over;
      assert.equal((await client().responses.retrieve(id)).status, "cancelled");
    });
  });
}

/** The first half of a stream, and the rest once it may. */
function gated(steps: readonly Step[], opened: Promise<void>): Reply {
  const half = Math.ceil(steps.length / 2);
  return {
    headers: { "content-type": "text/event-stream" },
    steps: [...steps.slice(0, half), { until: opened }, ...steps.slice(half)],
  };
}

async function running(): Promise<number> {
  const metrics = await (await fetch(`${stage.gateway.url}/metrics`)).text();
  return Number(/^trivium_background_running (\d+)$/m.exec(metrics)?.[1]);
}

describe("what can't be", () => {
  test("a background response that isn't to be stored", async () => {
    await refused(
      client().responses.create({ model: MODEL.chat, input: "Hi", background: true, store: false }),
      400,
      null,
    );
  });

  test("the cancelling of a response that was made at once", async () => {
    stage.upstreams.chat.answer(replyOf("chat", said(), "whole"));
    const made = await client().responses.create({ model: MODEL.chat, input: "Hi" });
    await refused(client().responses.cancel(made.id), 400, null);
    await refused(client().responses.cancel("resp_nobody"), 404, "response_not_found");
  });

  test("more at once than the limit; a wrong request is told at once", async () => {
    stage.upstreams.chat.answer(SILENCE);
    const ids: string[] = [];
    for (let each = 0; each < LIMIT; each++) {
      ids.push((await client().responses.create({ model: MODEL.chat, input: "Hi", background: true })).id);
    }
    await refused(
      client().responses.create({ model: MODEL.chat, input: "Hi", background: true }),
      429,
      "rate_limit_exceeded",
    );
    await refused(client().responses.retrieve(ids[0] ?? "", { stream: true }), 400, null);
    for (const id of ids) await client().responses.cancel(id);
    const wrong = { model: MODEL.chat, input: 3, background: true } as unknown as { model: string; input: string };
    await refused(client().responses.create(wrong), 400, null);
  });
});

test("a client that is behind what is kept of a stream gets no gap in it, but the whole at its end", async () => {
  const piece = "x".repeat(64 << 10);
  const long = piece.repeat(32);
  const [first = "", ...rest] = framesOf("chat", said({ blocks: [] }));
  const delta = { id: "x", object: "chat.completion.chunk", choices: [{ index: 0, delta: { content: piece } }] };
  const deltas = Array.from({ length: 32 }, () => `data: ${JSON.stringify(delta)}\n\n`);
  stage.upstreams.chat.answer(sse([first, ...deltas, ...rest]));
  const params = { model: MODEL.chat, input: "Hi", background: true, stream: true } as const;
  const events = [];
  for await (const event of await client().responses.create(params)) events.push(event);
  assert.deepEqual(events.slice(0, 1).map(({ type, sequence_number }) => [type, sequence_number]), [[
    "response.created",
    0,
  ]]);
  const last = events.at(-1);
  assert.ok(last?.type === "response.completed");
  const [item] = last.response.output;
  assert.ok(item?.type === "message" && item.content[0]?.type === "output_text" && item.content[0].text === long);
  const numbers = events.map(({ sequence_number }) => sequence_number);
  assert.deepEqual(numbers, numbers.map((_, index) => index));
});

test("one that takes too long fails, and its upstream is freed", async () => {
  const own = await startStage("", { jobs: new Jobs({ count: 1, ms: 30, bytes: 1000 }) });
  try {
    own.upstreams.chat.answer(SILENCE);
    const mine = openAi(own.gateway.url);
    const made = await mine.responses.create({ model: MODEL.chat, input: "Hi", background: true });
    const failed = await until(() => mine.responses.retrieve(made.id), isOver);
    assert.deepEqual([failed.status, failed.error?.message], ["failed", "The response was not complete after 30 ms"]);
    await own.upstreams.chat.requests[0]?.over;
  } finally {
    await own.stop();
  }
});
