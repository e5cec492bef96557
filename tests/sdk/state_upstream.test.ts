/** Upstreams that speak the Responses API themselves: what they keep is asked for there, what they don't is kept here. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { lostPaths } from "../support/losses.ts";
import { asArray, asObject, type Json } from "../support/grammar.ts";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { bodyOf, framesOf, type Mode, MODES } from "../support/pairs.ts";
import { type Block, said } from "../support/said.ts";
import { create, memberOf, openAi, refused, text } from "../support/state.ts";
import { json, type Received, type Reply, sse, startUpstream, type Upstream } from "../support/upstream.ts";

/** A provider that keeps what it answers, as OpenAI does. */
class Keeper {
  readonly kept = new Map<string, { response: Json; input: Json[] }>();
  /** What its answers say of themselves. */
  keeps = true;
  blocks: Block[] = [text("Kept upstream.")];
  #count = 0;

  constructor(readonly name: string) {}

  readonly answer = (request: Received): Reply => {
    const url = new URL(`http://localhost${request.path}`);
    const [, , , id = "", rest] = url.pathname.split("/");
    if (id === "") return this.#create(asObject(request.body));
    const found = this.kept.get(id);
    if (found === undefined) {
      return json({ error: { message: `No ${id} at ${this.name}`, type: "invalid_request_error", code: null } }, 404);
    }
    if (request.method === "DELETE") {
      this.kept.delete(id);
      return json({ id, object: "response", deleted: true });
    }
    if (rest === "cancel") return json({ ...found.response, status: "cancelled" });
    if (rest === "input_items") return this.#page(found.input, url.searchParams);
    if (url.searchParams.get("stream") === "true") {
      return sse([
        "event: response.completed\n",
        `data: ${JSON.stringify({ type: "response.completed", sequence_number: 9, response: found.response })}\n\n`,
      ]);
    }
    return json(found.response);
  };

  #create(body: Json): Reply {
    const answer = said({ id: `${this.name}${this.#count++}`, blocks: this.blocks, model: "upstream-model" });
    const told = {
      store: this.keeps && body["store"] !== false,
      previous_response_id: body["previous_response_id"] ?? null,
    };
    const response = { ...bodyOf("responses", answer), ...told };
    const input: Json[] = asArray(
      typeof body["input"] === "string" ? [{ role: "user", content: body["input"] }] : body["input"],
    )
      .map((item, index) => ({ id: `msg_${this.name}${this.#count}in${index}`, type: "message", ...asObject(item) }));
    if (told.store) this.kept.set(`resp_${answer.id}`, { response, input });
    if (body["stream"] !== true) return json(response);
    const frames = framesOf("responses", answer).map((frame) =>
      frame.replace('"store":false', `"store":${told.store}`)
    );
    return sse(frames);
  }

  /** One item a page, so that who fetches must go on. */
  #page(items: Json[], query: URLSearchParams): Reply {
    const start = items.findIndex(({ id }) => id === query.get("after")) + 1;
    const data = items.slice(start, start + 1);
    return json({
      object: "list",
      data,
      first_id: data[0]?.["id"],
      last_id: data[0]?.["id"],
      has_more: start + 1 < items.length,
    });
  }
}

const a = new Keeper("a");
const b = new Keeper("b");
let upstreams: Record<"a" | "b" | "chat", Upstream>;
let gateway: StartedGateway;

beforeAll(async () => {
  upstreams = { a: await startUpstream(a.answer), b: await startUpstream(b.answer), chat: await startUpstream() };
  gateway = await startGateway(`
log: off
providers:
  a: { base_url: "${upstreams.a.url}/v1", formats: [responses], api_key: key-of-a }
  b: { base_url: "${upstreams.b.url}/v1", formats: [responses], api_key: key-of-b }
  chat: { base_url: "${upstreams.chat.url}/v1", formats: [chat] }
`);
});
afterAll(async () => {
  await gateway.stop();
  await Promise.all(Object.values(upstreams).map((upstream) => upstream.stop()));
});

const client = () => openAi(gateway.url);
const lastOf = (upstream: Upstream) => asObject(upstream.last().body);
const inputTexts = (upstream: Upstream) =>
  asArray(lastOf(upstream)["input"]).map(asObject).map(({ content }) =>
    typeof content === "string" ? content : asObject(asArray(content)[0])["text"]
  );

function chatAnswers(mode: Mode, ...blocks: Block[]): void {
  const answer = said({ blocks });
  upstreams.chat.answer(mode === "whole" ? json(bodyOf("chat", answer)) : sse(framesOf("chat", answer)));
}

for (const mode of MODES) {
  describe(`an upstream that keeps its responses, ${mode}`, () => {
    test("gets every later request for them, with its own key, whatever the caller's model", async () => {
      const made = await create(client(), { model: "a/m", input: "Hi" }, mode);
      const asked = upstreams.b.requests.length;
      assert.equal((await client().responses.retrieve(made.id)).output_text, "Kept upstream.");
      assert.deepEqual(
        [upstreams.a.last().method, upstreams.a.last().path, upstreams.a.last().headers["authorization"]],
        ["GET", `/v1/responses/${made.id}`, "Bearer key-of-a"],
      );
      const items = await client().responses.inputItems.list(made.id, { order: "asc", limit: 7 });
      assert.equal(items.data.length, 1);
      assert.match(upstreams.a.last().path, /\/input_items\?order=asc&limit=7$|\/input_items\?limit=7&order=asc$/);
      const events: string[] = [];
      for await (const event of await client().responses.retrieve(made.id, { stream: true, starting_after: 8 })) {
        events.push(event.type);
      }
      assert.deepEqual(events, ["response.completed"]);
      assert.match(upstreams.a.last().path, /stream=true/);
      assert.equal((await client().responses.cancel(made.id)).status, "cancelled");
      const before = upstreams.a.requests.length;
      await refused(openAi(gateway.url, "another").responses.retrieve(made.id), 404, "response_not_found");
      assert.equal(upstreams.a.requests.length, before);
      await client().responses.delete(made.id);
      assert.equal(a.kept.has(made.id), false);
      await refused(client().responses.retrieve(made.id), 404, "response_not_found");
      assert.equal(upstreams.b.requests.length, asked);
    });

    test("is gone on from there as the client wrote it, also from an id that only it knows", async () => {
      const made = await create(client(), { model: "a/m", input: "Hi" }, mode);
      await create(client(), { model: "a/other", input: "On", previous_response_id: made.id }, mode);
      assert.deepEqual([lastOf(upstreams.a)["input"], lastOf(upstreams.a)["previous_response_id"]], ["On", made.id]);
      await create(client(), { model: "a/m", input: "On", previous_response_id: "resp_older" }, mode);
      assert.equal(lastOf(upstreams.a)["previous_response_id"], "resp_older");
    });

    test("gives its history to a model of another provider, and of another format", async () => {
      const input = [{ role: "user" as const, content: "One" }, { role: "user" as const, content: "Two" }];
      const first = await create(client(), { model: "a/m", input }, mode);
      const second = await create(client(), { model: "a/m", input: "Three", previous_response_id: first.id }, mode);
      // In a stream the test's provider doesn't say where it went on from.
      asObject(a.kept.get(second.id)?.response)["previous_response_id"] = first.id;
      const third = await create(client(), { model: "b/m", input: "Four", previous_response_id: second.id }, mode);
      const history = ["One", "Two", "Kept upstream.", "Three", "Kept upstream."];
      assert.deepEqual(inputTexts(upstreams.b), [...history, "Four"]);
      assert.equal(lastOf(upstreams.b)["previous_response_id"], null);
      assert.equal(third.previous_response_id, second.id);

      chatAnswers(mode, text("From chat."));
      const fourth = await create(client(), { model: "chat/m", input: "Five", previous_response_id: second.id }, mode);
      const messages = asArray(lastOf(upstreams.chat)["messages"]).map((message) => asObject(message)["content"]);
      assert.deepEqual(messages, [...history, "Five"]);

      // From there back to its first provider: what that keeps is only named, what came after it is told.
      await create(client(), { model: "a/m", input: "Six", previous_response_id: fourth.id }, mode);
      assert.deepEqual(inputTexts(upstreams.a), ["Five", "From chat.", "Six"]);
      assert.equal(lastOf(upstreams.a)["previous_response_id"], second.id);
    });

    test("gets turns that were made elsewhere in full, and the client sees what it went on from", async () => {
      chatAnswers(mode, { kind: "thinking", text: "Hm" }, text("From chat."));
      const first = await create(client(), { model: "chat/m", input: "Hi" }, mode);
      const { data: second, response } = await client().responses.create({
        model: "a/m",
        input: "On",
        previous_response_id: first.id,
      }).withResponse();
      assert.deepEqual(inputTexts(upstreams.a), ["Hi", "From chat.", "On"]);
      assert.equal(lastOf(upstreams.a)["previous_response_id"], null);
      assert.equal(asArray(lastOf(upstreams.a)["input"]).some((item) => "id" in asObject(item)), false);
      assert.deepEqual(lostPaths(response), ["earlier_input[1]"]);
      assert.equal(second.previous_response_id, first.id);
      const third = await create(client(), { model: "a/m", input: "More", previous_response_id: second.id }, mode);
      assert.equal(lastOf(upstreams.a)["previous_response_id"], second.id);
      assert.notEqual(third.id, second.id);
    });

    test("is gone on from by nobody else, though its upstream would not mind", async () => {
      const made = await create(client(), { model: "a/m", input: "Hi" }, mode);
      const before = upstreams.a.requests.length;
      const other = openAi(gateway.url, "another");
      const next = { model: "a/m", input: "On", previous_response_id: made.id };
      await refused(create(other, next, mode), 404, "previous_response_not_found");
      const { id } = await client().conversations.create();
      await refused(
        create(other, { model: "a/m", input: "On", conversation: id }, mode),
        404,
        "conversation_not_found",
      );
      assert.equal(upstreams.a.requests.length, before);
    });

    test("store: false passes untouched, and nothing is noted of it", async () => {
      const made = await create(client(), { model: "a/m", input: "Hi", store: false }, mode);
      const before = upstreams.a.requests.length;
      await refused(client().responses.retrieve(made.id), 404, "response_not_found");
      assert.equal(upstreams.a.requests.length, before);
    });
  });

  test(`an upstream that speaks the API and keeps nothing: its responses are kept here, ${mode}`, async () => {
    b.keeps = false;
    try {
      const first = await create(client(), { model: "b/m", input: "Hi" }, mode);
      assert.equal(memberOf(first, "store"), false, "the upstream's own words pass");
      const asked = upstreams.b.requests.length;
      const found = await client().responses.retrieve(first.id);
      assert.deepEqual([found.output_text, memberOf(found, "store")], ["Kept upstream.", true]);
      assert.equal(upstreams.b.requests.length, asked);
      const second = await create(client(), { model: "b/m", input: "On", previous_response_id: first.id }, mode);
      assert.deepEqual(inputTexts(upstreams.b), ["Hi", "Kept upstream.", "On"]);
      assert.equal(second.previous_response_id, first.id);
      await create(client(), { model: "b/m", input: "More", previous_response_id: second.id }, mode);
      assert.deepEqual(inputTexts(upstreams.b), ["Hi", "Kept upstream.", "On", "Kept upstream.", "More"]);
    } finally {
      b.keeps = true;
    }
  });
}

test("thinking that only its own upstream can look up is left out elsewhere, and said", async () => {
  a.blocks = [{ kind: "thinking", text: "Hm" }, text("Thought.")];
  try {
    const made = await client().responses.create({ model: "a/m", input: "Hi" });
    const next = { model: "b/m", input: "On", previous_response_id: made.id };
    const { response } = await client().responses.create(next).withResponse();
    assert.deepEqual(inputTexts(upstreams.b), ["Hi", "Thought.", "On"]);
    assert.deepEqual(lostPaths(response), ["earlier_input[1]"]);
  } finally {
    a.blocks = [text("Kept upstream.")];
  }
});

test("a history that its provider has no more is a clear refusal", async () => {
  const made = await client().responses.create({ model: "a/m", input: "Hi" });
  a.kept.delete(made.id);
  await assert.rejects(
    async () => await client().responses.create({ model: "b/m", input: "On", previous_response_id: made.id }),
    /kept by|keeps it; send the full input/,
  );
  await refused(client().responses.retrieve(made.id), 404, null);
});

test("the built-in models can be gone on from", async () => {
  const mock = await startGateway("log: off\nproviders:\n  mock: {}\n");
  try {
    const mine = openAi(mock.url);
    const first = await mine.responses.create({ model: "mock/echo", input: "One" });
    assert.equal((await mine.responses.retrieve(first.id)).output_text, first.output_text);
    const second = await mine.responses.create({ model: "mock/echo", input: "Two", previous_response_id: first.id });
    assert.equal(second.previous_response_id, first.id);
    assert.equal(second.output_text, "Two");
  } finally {
    await mock.stop();
  }
});
