/**
 * What is asked beside an answer, `POST /v1/responses/compact` and `POST /v1/responses/input_tokens`, of a conversation
 * that the gateway keeps: earlier responses, conversations and items referred to are put in, whatever the upstream speaks.
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import type OpenAI from "openai";
import { asArray, asObject } from "../support/grammar.ts";
import { bodyOf, MODEL, type Stage, startStage } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { answers, create, openAi, refused, text, toldTexts } from "../support/state.ts";
import type { FormatName } from "../support/told.ts";
import { json, type Received, type Reply } from "../support/upstream.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

const client = (key?: string) => openAi(stage.gateway.url, key);

/** Two turns, the second of which goes on from the first. */
async function twoTurns(upstream: FormatName): Promise<OpenAI.Responses.Response> {
  answers(stage, upstream, "whole", text("First answer."));
  const first = await create(client(), { model: MODEL[upstream], input: "First question" }, "whole");
  answers(stage, upstream, "whole", text("Second answer."));
  const next = { model: MODEL[upstream], input: "Second question", previous_response_id: first.id };
  return await create(client(), next, "whole");
}

async function conversation(): Promise<string> {
  const items = [{ type: "message" as const, role: "user" as const, content: "First question" }];
  return (await client().conversations.create({ items })).id;
}

const SUMMARY = "All is said.";
const ALL = ["First question", "First answer.", "Second question", "Second answer."];

/** An upstream that has no such address of its own; what it is asked otherwise is a summary. */
function summarizes(upstream: FormatName): void {
  const summary = json(bodyOf(upstream, said({ blocks: [text(SUMMARY)] })));
  stage.upstreams[upstream].answer((request: Received): Reply =>
    /compact|input_tokens|count_tokens/.test(request.path) ? json({ error: { message: "no" } }, 404) : summary
  );
}

for (const upstream of ["chat", "messages", "responses"] as const) {
  const model = MODEL[upstream];

  describe(`${upstream} upstream: compact`, () => {
    test("an earlier response is compacted with all that came before it", async () => {
      const { id } = await twoTurns(upstream);
      summarizes(upstream);
      const { output } = await client().responses.compact({ model, previous_response_id: id });
      assert.deepEqual(toldTexts(stage, upstream).slice(0, -1), ALL);
      assert.deepEqual(output.map(({ type }) => type), ["message", "message", "compaction"]);
      assert.ok(!stage.upstreams[upstream].last().text.includes(id));
    });

    test("new input stands after it; an item that is referred to is put in", async () => {
      const { id, output: [item] } = await twoTurns(upstream);
      summarizes(upstream);
      const input = [
        { role: "user" as const, content: "You said:" },
        { type: "item_reference" as const, id: String(item?.id) },
        { role: "user" as const, content: "And now?" },
      ];
      await client().responses.compact({ model, input, previous_response_id: id });
      assert.deepEqual(toldTexts(stage, upstream).slice(0, 7), [...ALL, "You said:", "Second answer.", "And now?"]);
    });

    test("another caller's is not found", async () => {
      const { id } = await twoTurns(upstream);
      const count = stage.upstreams[upstream].requests.length;
      const asked = client("key-of-another").responses.compact({ model, previous_response_id: id });
      await refused(asked, 404, "previous_response_not_found");
      assert.equal(stage.upstreams[upstream].requests.length, count);
    });
  });

  describe(`${upstream} upstream: input_tokens`, () => {
    const count = (params: Partial<OpenAI.Responses.InputTokenCountParams>, key?: string) =>
      client(key).responses.inputTokens.count({ model, ...params });
    const asItems = [
      { role: "user" as const, content: "First question" },
      { role: "assistant" as const, content: "First answer." },
      { role: "user" as const, content: "Second question" },
      { role: "assistant" as const, content: "Second answer." },
      { role: "user" as const, content: "And now?" },
    ];

    test("an earlier response counts with all that came before it, a conversation with its items", async () => {
      const { id } = await twoTurns(upstream);
      summarizes(upstream);
      const whole = await count({ input: asItems });
      assert.deepEqual(await count({ input: "And now?", previous_response_id: id }), whole);
      const [first] = asItems;
      assert.ok(first !== undefined);
      const begun = await count({ input: [first, { role: "user", content: "And now?" }] });
      assert.deepEqual(await count({ input: "And now?", conversation: await conversation() }), begun);
      assert.ok(begun.input_tokens < whole.input_tokens);
    });

    test("an item that is referred to counts", async () => {
      const { output: [item] } = await twoTurns(upstream);
      summarizes(upstream);
      const [, , , answer] = asItems;
      assert.ok(answer !== undefined);
      const referring = await count({ input: [{ type: "item_reference", id: String(item?.id) }] });
      assert.deepEqual(referring, await count({ input: [answer] }));
    });

    test("another caller's is not found, nor a conversation", async () => {
      const { id } = await twoTurns(upstream);
      summarizes(upstream);
      await refused(count({ input: "On", previous_response_id: id }, "another"), 404, "previous_response_not_found");
      const conv = await conversation();
      await refused(count({ input: "On", conversation: conv }, "another"), 404, "conversation_not_found");
    });

    test("a fault is named by the client's own path", async () => {
      const { id } = await twoTurns(upstream);
      summarizes(upstream);
      const input = [{ type: "function_call_output", call_id: 7, output: "x" }] as never;
      await assert.rejects(
        async () => await count({ input, previous_response_id: id }),
        (error: unknown) => {
          const { status, param } = asObject(error);
          assert.deepEqual([status, param], [400, "input[0].call_id"]);
          return true;
        },
      );
    });
  });
}

test("a native upstream that counts gets the whole conversation, and no id that it doesn't know", async () => {
  const { id } = await twoTurns("chat");
  stage.upstreams.responses.answer(json({ object: "response.input_tokens", input_tokens: 42 }));
  const counted = await client().responses.inputTokens.count({
    model: MODEL.responses,
    input: "And now?",
    previous_response_id: id,
  });
  assert.equal(counted.input_tokens, 42);
  const body = asObject(stage.upstreams.responses.last().body);
  assert.equal(body["previous_response_id"], null);
  assert.equal(asArray(body["input"]).length, ALL.length + 1);
});

test("turns that only a native upstream knows are not left out of a count in silence", async () => {
  summarizes("responses");
  const model = MODEL.responses;
  await refused(
    client().responses.inputTokens.count({ model, input: "Hi", previous_response_id: "resp_theirs" }),
    400,
    "unsupported_parameter",
  );
});

test("a native upstream without compaction is asked to go on from what it keeps", async () => {
  summarizes("responses");
  const { output } = await client().responses.compact({ model: MODEL.responses, previous_response_id: "resp_theirs" });
  assert.deepEqual(output.map(({ type }) => type), ["compaction"]);
  assert.equal(asObject(stage.upstreams.responses.last().body)["previous_response_id"], "resp_theirs");
});

test("a history that has outgrown what one request may hold is told as such, wherever it is asked for", async () => {
  const small = await startStage("max_body_mb: 0.1");
  try {
    const sdk = openAi(small.gateway.url);
    const model = MODEL.chat;
    const input = "x".repeat(80_000);
    let previous: { previous_response_id?: string } = {};
    for (let turn = 0; turn < 2; turn++) {
      answers(small, "chat", "whole", text("Ok."));
      previous = { previous_response_id: (await sdk.responses.create({ model, input, ...previous })).id };
    }
    answers(small, "chat", "whole", text("Ok."));
    const { id } = await sdk.responses.create({ model, input: "On", ...previous });
    const next = { model, input, previous_response_id: id };
    await refused(sdk.responses.create(next), 413, "request_too_large");
    await refused(sdk.responses.compact(next), 413, "request_too_large");
    await refused(sdk.responses.inputTokens.count(next), 413, "request_too_large");
  } finally {
    await small.stop();
  }
});
