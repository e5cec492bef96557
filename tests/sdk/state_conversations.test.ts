/** `/v1/conversations`, and turns within one, on every kind of upstream. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { asArray, asObject } from "../support/grammar.ts";
import { FORMATS, MODEL, MODES, replyOf, type Stage, startStage } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { answers, create, openAi, refused, text, toldTexts } from "../support/state.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

const client = () => openAi(stage.gateway.url);
const user = (content: string) => ({ type: "message" as const, role: "user" as const, content });
const textsOf = (items: readonly unknown[]) =>
  items.map((item) => asObject(asArray(asObject(item)["content"])[0])["text"]);

describe("a conversation", () => {
  test("is made, read, told apart by its caller, changed and deleted", async () => {
    const made = await client().conversations.create({ metadata: { topic: "a" }, items: [user("Hi")] });
    assert.match(made.id, /^conv_/);
    assert.deepEqual([made.object, made.metadata], ["conversation", { topic: "a" }]);
    assert.deepEqual(await client().conversations.retrieve(made.id), made);
    const changed = await client().conversations.update(made.id, { metadata: { topic: "b" } });
    assert.deepEqual(changed.metadata, { topic: "b" });
    assert.deepEqual((await client().conversations.retrieve(made.id)).metadata, { topic: "b" });
    await refused(
      openAi(stage.gateway.url, "key-of-another").conversations.retrieve(made.id),
      404,
      "conversation_not_found",
    );
    const deleted = await client().conversations.delete(made.id);
    assert.deepEqual([deleted.object, deleted.deleted], ["conversation.deleted", true]);
    await refused(client().conversations.retrieve(made.id), 404, "conversation_not_found");
    await refused(client().conversations.items.list(made.id), 404, "conversation_not_found");
  });

  test("has items that are listed, added, read and deleted one by one", async () => {
    const { id } = await client().conversations.create();
    const added = await client().conversations.items.create(id, { items: [user("a"), user("b"), user("c")] });
    assert.deepEqual(textsOf(added.data), ["a", "b", "c"]);
    assert.deepEqual([added.first_id, added.has_more], [added.data[0]?.id, false]);
    const listed = await client().conversations.items.list(id, { limit: 2 });
    assert.deepEqual([textsOf(listed.data), listed.has_more], [["c", "b"], true]);
    const all: unknown[] = [];
    for await (const item of client().conversations.items.list(id, { order: "asc", limit: 1 })) all.push(item);
    assert.deepEqual(textsOf(all), ["a", "b", "c"]);
    const second = added.data[1]?.id ?? "";
    const read = await client().conversations.items.retrieve(second, { conversation_id: id });
    assert.deepEqual(textsOf([read]), ["b"]);
    assert.equal((await client().conversations.items.delete(second, { conversation_id: id })).id, id);
    await refused(client().conversations.items.retrieve(second, { conversation_id: id }), 404, "item_not_found");
    assert.deepEqual(textsOf((await client().conversations.items.list(id, { order: "asc" })).data), ["a", "c"]);
  });

  test("is refused where it is wrong", async () => {
    const odd = (body: unknown) => client().conversations.create(body as Record<string, never>);
    await refused(odd({ metadata: { a: 1 } }), 400, null);
    await refused(odd({ items: "no" }), 400, null);
    const pairs = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, "v"]));
    await refused(odd({ metadata: pairs(17) }), 400, null);
    await refused(odd({ metadata: { ["k".repeat(65)]: "v" } }), 400, null);
    await refused(odd({ metadata: { k: "v".repeat(513) } }), 400, null);
    assert.deepEqual(asObject((await odd({ metadata: pairs(16) })).metadata), pairs(16));
    await refused(odd({ items: Array.from({ length: 21 }, () => user("x")) }), 400, null);
    await refused(client().conversations.items.create("conv_nobody", { items: [] }), 404, "conversation_not_found");
  });
});

for (const upstream of FORMATS) {
  const model = MODEL[upstream];
  for (const mode of MODES) {
    test(`${upstream} upstream, ${mode}: turns grow a conversation, and begin with all of it`, async () => {
      const conversation = await client().conversations.create({ items: [user("Known.")] });
      answers(stage, upstream, mode, text("First."));
      const first = await create(client(), { model, input: "One", conversation: conversation.id }, mode);
      assert.deepEqual(first.conversation, { id: conversation.id });
      assert.deepEqual(toldTexts(stage, upstream), ["Known.", "One"]);
      answers(stage, upstream, mode, text("Second."));
      await create(client(), { model, input: [user("Two")], conversation: { id: conversation.id } }, mode);
      assert.deepEqual(toldTexts(stage, upstream), ["Known.", "One", "First.", "Two"]);
      const items = await client().conversations.items.list(conversation.id, { order: "asc" });
      assert.deepEqual(textsOf(items.data), ["Known.", "One", "First.", "Two", "Second."]);
      assert.equal(new Set(items.data.map((item) => asObject(item)["id"])).size, 5);
    });
  }
}

test("a turn whose conversation is deleted meanwhile says that it is in none", async () => {
  const conversation = await client().conversations.create({});
  stage.upstreams.chat.answer(async () => {
    await client().conversations.delete(conversation.id);
    return replyOf("chat", said(), "whole");
  });
  const made = await client().responses.create({ model: MODEL.chat, input: "Hi", conversation: conversation.id });
  assert.deepEqual([made.status, made.conversation], ["completed", null]);
});

test("one conversation moves from an upstream of one format to the next", async () => {
  const conversation = (await client().conversations.create()).id;
  const known: string[] = [];
  for (const upstream of FORMATS) {
    answers(stage, upstream, "streamed", text(`From ${upstream}.`));
    await create(client(), { model: MODEL[upstream], input: `To ${upstream}`, conversation }, "streamed");
    known.push(`To ${upstream}`);
    assert.deepEqual(toldTexts(stage, upstream), known);
    known.push(`From ${upstream}.`);
  }
});

test("a conversation that nobody knows, and one beside an earlier response, are refused", async () => {
  const model = MODEL.chat;
  await refused(
    create(client(), { model, input: "Hi", conversation: "conv_none" }, "whole"),
    404,
    "conversation_not_found",
  );
  const both = { model, input: "Hi", conversation: "conv_none", previous_response_id: "resp_none" };
  await refused(create(client(), both, "whole"), 400, null);
});

test("a response of a conversation is gone on from by the conversation alone, and says so", async () => {
  const model = MODEL.chat;
  const { id } = await client().conversations.create();
  answers(stage, "chat", "whole", text("Ok."));
  const made = await create(client(), { model, input: "Hi", conversation: id }, "whole");
  await refused(create(client(), { model, input: "On", previous_response_id: made.id }, "whole"), 400, null);
});
