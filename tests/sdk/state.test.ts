/** Responses that are kept (TRANSLATION.md, section 6): on upstreams of another format, by OpenAI's own SDK. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { asArray, asObject } from "../support/grammar.ts";
import { checkResponsesStream } from "../support/grammar_responses.ts";
import { MODEL, MODES, post, replyOf, type Stage, startStage } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { answers, create, memberOf, openAi, refused, text, toldTexts } from "../support/state.ts";
import { json } from "../support/upstream.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

const client = () => openAi(stage.gateway.url);

for (const upstream of ["chat", "messages"] as const) {
  const model = MODEL[upstream];

  for (const mode of MODES) {
    describe(`${upstream} upstream, ${mode}`, () => {
      test("a turn goes on from the one before, without its instructions; forks are allowed", async () => {
        answers(stage, upstream, mode, text("One."));
        const first = await create(client(), { model, input: "Count", instructions: "Be brief" }, mode);
        assert.deepEqual([memberOf(first, "store"), first.previous_response_id], [true, null]);

        answers(stage, upstream, mode, text("Two."));
        const second = await create(client(), { model, input: "Next", previous_response_id: first.id }, mode);
        assert.equal(second.previous_response_id, first.id);
        assert.notEqual(second.id, first.id);
        const told = JSON.stringify(stage.upstreams[upstream].last().body);
        assert.doesNotMatch(told, /Be brief|previous_response_id|resp_/);
        assert.deepEqual(toldTexts(stage, upstream), ["Count", "One.", "Next"]);

        answers(stage, upstream, mode, text("Fork."));
        const fork = await create(client(), { model, input: "Other", previous_response_id: first.id }, mode);
        assert.deepEqual(toldTexts(stage, upstream), ["Count", "One.", "Other"]);

        answers(stage, upstream, mode, text("Three."));
        await create(client(), { model, input: "Last", previous_response_id: second.id }, mode);
        assert.deepEqual(toldTexts(stage, upstream), ["Count", "One.", "Next", "Two.", "Last"]);
        assert.equal(fork.output_text, "Fork.");
      });

      test("it is looked up as it was told, with its own input, and is gone once it is deleted", async () => {
        answers(stage, upstream, mode, text("Kept."));
        const { input, ...rest } = { model, input: "Keep this", metadata: { a: "b" } };
        const made = await create(client(), { ...rest, input }, mode);
        const found = await client().responses.retrieve(made.id, { include: ["reasoning.encrypted_content"] });
        assert.deepEqual(found.output.map(({ id }) => id), made.output.map(({ id }) => id));
        assert.deepEqual([found.id, found.status, found.output_text, memberOf(found, "store")], [
          made.id,
          "completed",
          "Kept.",
          true,
        ]);
        assert.deepEqual(found.metadata, { a: "b" });
        assert.deepEqual(found.usage, made.usage);

        const items = await client().responses.inputItems.list(made.id);
        assert.deepEqual(items.data.map((item) => asObject(item)["content"]), [[{ type: "input_text", text: input }]]);

        await client().responses.delete(made.id);
        await refused(client().responses.retrieve(made.id), 404, "response_not_found");
        await refused(client().responses.inputItems.list(made.id), 404, "response_not_found");
        await refused(client().responses.delete(made.id), 404, "response_not_found");
        const next = { model, input: "On", previous_response_id: made.id };
        await refused(create(client(), next, mode), 404, "previous_response_not_found");
      });

      test("another caller sees none of it", async () => {
        answers(stage, upstream, mode, text("Mine."));
        const made = await create(client(), { model, input: "Hi" }, mode);
        const other = openAi(stage.gateway.url, "key-of-another");
        await refused(other.responses.retrieve(made.id), 404, "response_not_found");
        await refused(other.responses.delete(made.id), 404, "response_not_found");
        const next = { model, input: "On", previous_response_id: made.id };
        await refused(create(other, next, mode), 404, "previous_response_not_found");
        assert.equal((await client().responses.retrieve(made.id)).output_text, "Mine.");
      });

      test("store: false keeps nothing, and says so", async () => {
        answers(stage, upstream, mode, text("Gone."));
        const made = await create(client(), { model, input: "Hi", store: false }, mode);
        assert.equal(memberOf(made, "store"), false);
        await refused(client().responses.retrieve(made.id), 404, "response_not_found");
      });

      test("an item is referred to by its id", async () => {
        answers(stage, upstream, mode, text("Referred to."));
        const made = await create(client(), { model, input: "Hi" }, mode);
        const [item] = made.output;
        answers(stage, upstream, mode, text("Yes."));
        for (const type of [{ type: "item_reference" as const }, { type: null }, {}]) {
          const input = [
            { role: "user" as const, content: "Hi" },
            { ...type, id: String(item?.id) },
            { role: "user" as const, content: "Go on" },
          ];
          await create(client(), { model, input }, mode);
          assert.deepEqual(toldTexts(stage, upstream), ["Hi", "Referred to.", "Go on"]);
        }
      });

      test("an item that isn't kept is named, with what to do", async () => {
        const reference = { type: "item_reference" as const, id: "msg_gone" };
        const asked = create(client(), { model, input: [{ role: "user", content: "Hi" }, reference] }, mode);
        await assert.rejects(asked, {
          status: 404,
          code: "item_not_found",
          param: "input[1]",
          message: "404 Item with id 'msg_gone' not found; send the item itself instead",
        });
      });

      test("an answer that is cut short is kept as incomplete", async () => {
        const answer = said({ blocks: [text("Only")], stop: "max_tokens" });
        stage.upstreams[upstream].answer(replyOf(upstream, answer, mode));
        const made = await create(client(), { model, input: "Hi" }, mode);
        const found = await client().responses.retrieve(made.id);
        assert.deepEqual([found.status, found.incomplete_details], ["incomplete", { reason: "max_output_tokens" }]);
      });
    });
  }

  test(`${upstream} upstream: a stored response is replayed as a legal stream, and from any number on`, async () => {
    answers(
      stage,
      upstream,
      "whole",
      { kind: "thinking", text: "Let me see", seal: "c2lnbmF0dXJl" },
      text("I look it up."),
      { kind: "tool", id: "call_1", name: "look", args: '{"at":"it"}' },
    );
    const tools = [{ type: "function" as const, name: "look", parameters: { type: "object" }, strict: false }];
    const made = await client().responses.create({ model, input: "Hi", tools });
    const url = `${stage.gateway.url}/v1/responses/${made.id}?stream=true`;
    const headers = { authorization: "Bearer key-of-one" };
    const wire = await (await fetch(url, { headers })).text();
    assert.deepEqual(checkResponsesStream(wire), []);

    const numbers: number[] = [];
    let last: unknown;
    for await (const event of await client().responses.retrieve(made.id, { stream: true, starting_after: 4 })) {
      numbers.push(event.sequence_number);
      last = event.type === "response.completed" ? event.response.output : undefined;
    }
    assert.equal(numbers[0], 5);
    assert.deepEqual(JSON.parse(JSON.stringify(last)), JSON.parse(JSON.stringify(made.output)));
    const late = await (await fetch(`${url}&starting_after=5000`, { headers })).text();
    assert.match(late, /^event: response\.completed\ndata: .*"sequence_number":5001,/);
  });

  test(`${upstream} upstream: a client that leaves its stream leaves nothing behind`, async () => {
    const frames = asArray(replyOf(upstream, said(), "streamed").steps) as string[];
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => release = resolve);
    stage.upstreams[upstream].answer({
      headers: { "content-type": "text/event-stream" },
      steps: [...frames.slice(0, 5), { until: gate }, ...frames.slice(5)],
    });
    const abort = new AbortController();
    const stream = await client().responses.create({ model, input: "Hi", stream: true }, { signal: abort.signal });
    let id = "";
    for await (const event of stream) {
      if (event.type === "response.created") id = event.response.id;
      if (event.type === "response.output_text.delta") break;
    }
    abort.abort();
    await stage.upstreams[upstream].last().over;
    release();
    await refused(client().responses.retrieve(id), 404, "response_not_found");
  });

  test(`${upstream} upstream: a stream that fails is kept as failed`, async () => {
    const frames = asArray(replyOf(upstream, said(), "streamed").steps) as string[];
    stage.upstreams[upstream].answer({
      headers: { "content-type": "text/event-stream" },
      steps: frames.slice(0, 5),
    });
    let id = "";
    await assert.rejects(async () => {
      for await (const event of await client().responses.create({ model, input: "Hi", stream: true })) {
        if (event.type === "response.created") id = event.response.id;
      }
    });
    const found = await client().responses.retrieve(id);
    assert.deepEqual([found.status, found.error?.code], ["failed", "server_error"]);
  });
}

describe("input items", () => {
  test("are paged by order, limit and after, each with an id that stays", async () => {
    const model = MODEL.chat;
    answers(stage, "chat", "whole", text("Ok."));
    const words = ["a", "b", "c", "d", "e"];
    const input = words.map((content) => ({ role: "user" as const, content }));
    const { id } = await client().responses.create({ model, input });
    const wordsOf = (items: unknown[]) =>
      items.map((item) => asObject(asArray(asObject(item)["content"])[0])["text"]).join("");
    const newest = await client().responses.inputItems.list(id, { limit: 2 });
    assert.deepEqual([wordsOf(newest.data), newest.has_more], ["ed", true]);
    const all: unknown[] = [];
    for await (const item of client().responses.inputItems.list(id, { order: "asc", limit: 2 })) all.push(item);
    assert.equal(wordsOf(all), "abcde");
    assert.equal(new Set(all.map((item) => asObject(item)["id"])).size, 5);
    const after = await client().responses.inputItems.list(id, { order: "asc", after: String(asObject(all[2])["id"]) });
    assert.deepEqual([wordsOf(after.data), after.has_more], ["de", false]);
    await refused(client().responses.inputItems.list(id, { limit: 0 }), 400, null);
    await refused(client().responses.inputItems.list(id, { after: "msg_none" }), 400, null);
  });
});

describe("losses and faults after earlier turns", () => {
  test("are named by the path in the client's own input", async () => {
    const model = MODEL.chat;
    answers(stage, "chat", "whole", text("Ok."));
    const first = await client().responses.create({ model, input: "Hi" });
    const bad = { model, previous_response_id: first.id, input: [{ role: "user", content: [{ type: "input_text" }] }] };
    const headers = { authorization: "Bearer key-of-one" };
    const response = await post(stage.gateway.url, "responses", JSON.stringify(bad), { headers });
    const { error } = asObject(await response.json());
    assert.deepEqual([response.status, asObject(error)["param"]], [400, "input[0].content[0].text"]);
    assert.match(String(asObject(error)["message"]), /input\[0\]/);
  });

  test("an id that isn't known is told before anything is sent", async () => {
    const before = stage.upstreams.chat.requests.length;
    const next = { model: MODEL.chat, input: "On", previous_response_id: "resp_nobody" };
    await refused(client().responses.create(next), 404, "previous_response_not_found");
    assert.equal(stage.upstreams.chat.requests.length, before);
  });

  test("an item that isn't known is told by its place, also where its reference has no type", async () => {
    const before = stage.upstreams.chat.requests.length;
    for (const type of [{ type: "item_reference" as const }, { type: null }, {}]) {
      const input = [{ role: "user" as const, content: "Hi" }, { ...type, id: "msg_nobody" }];
      await assert.rejects(async () => await client().responses.create({ model: MODEL.chat, input }), (error) => {
        const { status, code, param } = asObject(error);
        assert.deepEqual([status, code, param], [404, "item_not_found", "input[1]"]);
        return true;
      });
    }
    assert.equal(stage.upstreams.chat.requests.length, before);
  });

  test("an upstream's refusal keeps nothing and is told as it is", async () => {
    stage.upstreams.chat.answer(json({ error: { message: "No", type: "invalid_request_error" } }, 400));
    await refused(client().responses.create({ model: MODEL.chat, input: "Hi" }), 400, null);
  });
});

test("members of a wrong type are told, not taken for their absence", async () => {
  for (
    const wrong of [{ store: "yes" }, { previous_response_id: 3 }, { background: "no" }, { conversation: { id: 3 } }]
  ) {
    const body = JSON.stringify({ model: MODEL.chat, input: "Hi", ...wrong });
    const response = await post(stage.gateway.url, "responses", body);
    const { error } = asObject(await response.json());
    assert.deepEqual([response.status, asObject(error)["param"]], [400, Object.keys(wrong)[0]]);
  }
});

test("explain shows the request with its earlier turns, and keeps nothing", async () => {
  const model = MODEL.messages;
  answers(stage, "messages", "whole", text("First."));
  const first = await client().responses.create({ model, input: "Hi" });
  const before = stage.upstreams.messages.requests.length;
  const body = JSON.stringify({ model, input: "On", previous_response_id: first.id });
  const headers = { authorization: "Bearer key-of-one", "x-trivium-explain": "1" };
  const shown = asObject(await (await post(stage.gateway.url, "responses", body, { headers })).json());
  assert.equal(asArray(asObject(shown["body"])["messages"]).length, 3);
  assert.deepEqual(shown["losses"], []);
  assert.equal(stage.upstreams.messages.requests.length, before);
});

test("five turns with tools on a messages upstream: every signature comes back, byte by byte", async () => {
  const model = MODEL.messages;
  const tools = [{ type: "function" as const, name: "look", parameters: { type: "object" }, strict: false }];
  const seals: string[] = [];
  let previous: string | undefined;
  for (let turn = 0; turn < 5; turn++) {
    const mode = MODES[turn % 2] ?? "whole";
    const seal = `c2VhbA${"+/".repeat(turn + 3)}==`;
    const thinking = { kind: "thinking" as const, text: `Thought ${turn}`, seal };
    answers(stage, "messages", mode, thinking, {
      kind: "tool",
      id: `toolu_${turn}`,
      name: "look",
      args: `{"turn":${turn}}`,
    });
    const input = turn === 0
      ? "Begin"
      : [{ type: "function_call_output" as const, call_id: `toolu_${turn - 1}`, output: `Result ${turn - 1}` }];
    const made = await create(client(), {
      model,
      tools,
      input,
      reasoning: { effort: "medium" },
      ...(previous === undefined ? {} : { previous_response_id: previous }),
    }, mode);
    previous = made.id;
    const messages = asArray(asObject(stage.upstreams.messages.last().body)["messages"]).map(asObject);
    const blocks = messages.flatMap(({ content }) => asArray(content).map(asObject));
    const told = blocks.filter(({ type }) => type === "thinking");
    assert.deepEqual(told.map(({ signature }) => signature), seals);
    assert.deepEqual(told.map(({ thinking }) => thinking), seals.map((_, index) => `Thought ${index}`));
    assert.equal(blocks.filter(({ type }) => type === "tool_use").length, turn);
    seals.push(seal);
  }
});
