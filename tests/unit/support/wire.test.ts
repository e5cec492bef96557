import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { openClient, type Outcome } from "../../support/clients.ts";
import { type Said, said } from "../../support/said.ts";
import { type FormatName, readTold } from "../../support/told.ts";
import { json, sse, startUpstream, type Upstream } from "../../support/upstream.ts";
import { chatBody, chatFrames } from "../../support/wire_chat.ts";
import { messagesBody, messagesFrames } from "../../support/wire_messages.ts";
import { responsesBody, responsesFrames } from "../../support/wire_responses.ts";

/** The tests' own upstream streams and clients, without a gateway between: what one writes the other must read. */

const WRITERS: Record<FormatName, { body(answer: Said): unknown; frames(answer: Said): string[] }> = {
  chat: { body: chatBody, frames: (answer) => chatFrames(answer, { interleave: true }) },
  messages: { body: messagesBody, frames: messagesFrames },
  responses: { body: responsesBody, frames: responsesFrames },
};

const ANSWER = said({
  blocks: [
    { kind: "thinking", text: "Let me think about it.", seal: "c2lnbmF0dXJl" },
    { kind: "text", text: "Zürich → 東京 👩‍🚀 fine." },
    { kind: "tool", id: "call_1", name: "weather", args: '{"city":"Zürich"}' },
    { kind: "tool", id: "call_2", name: "weather", args: '{"city":"東京"}' },
  ],
  stop: "tool_calls",
  usage: { input: 57, cached: 20, written: 10, output: 31, reasoning: 9 },
});

function assertAnswer(outcome: Outcome): void {
  assert.equal(outcome.text, "Zürich → 東京 👩‍🚀 fine.");
  assert.equal(outcome.thinking, "Let me think about it.");
  assert.deepEqual(outcome.calls, [
    { id: "call_1", name: "weather", input: { city: "Zürich" } },
    { id: "call_2", name: "weather", input: { city: "東京" } },
  ]);
  assert.deepEqual(outcome.usage, { input: 57, cached: 20, output: 31, reasoning: 9 });
}

let upstream: Upstream;
beforeAll(async () => {
  upstream = await startUpstream();
});
afterAll(() => upstream.stop());

for (const [format, writer] of Object.entries(WRITERS) as [FormatName, (typeof WRITERS)[FormatName]][]) {
  describe(`${format} by hand`, () => {
    const ask = {
      model: "m",
      system: "Be brief.",
      turns: [{ user: "Weather?", image: "aW1hZ2U=" }],
      tools: [{ name: "weather", description: "Tells it.", schema: { type: "object", properties: {} } }],
      maxTokens: 5000,
      thinking: true,
    };

    test("the SDK reads a whole answer", async () => {
      upstream.answer(json(writer.body(ANSWER)));
      assertAnswer(await openClient(format, upstream.url).ask(ask));
    });

    test("the SDK's stream helper reads a streamed answer", async () => {
      upstream.answer(sse(writer.frames(ANSWER)));
      const outcome = await openClient(format, upstream.url).stream(ask);
      assertAnswer(outcome);
      assert.ok(outcome.pieces > 1);
      assert.equal(outcome.wire, writer.frames(ANSWER).join(""));
    });

    test("what the client said is read back", async () => {
      upstream.answer(json(writer.body(ANSWER)));
      const client = openClient(format, upstream.url);
      const { echo } = await client.ask(ask);
      const results = [{ id: "call_1", text: "sunny" }, { id: "call_2", text: "rainy" }];
      await client.ask({ ...ask, turns: [...ask.turns, { echo }, { results }] });
      const told = readTold(format, upstream.last().body);
      assert.deepEqual(told.system, ["Be brief."]);
      assert.deepEqual(told.user, ["Weather?"]);
      assert.deepEqual(told.images, ["data:image/png;base64,aW1hZ2U="]);
      assert.deepEqual(told.tools, ask.tools);
      assert.equal(told.maxTokens, 5000);
      assert.deepEqual(told.calls.map((call) => call.input), [{ city: "Zürich" }, { city: "東京" }]);
      assert.deepEqual(told.results, results);
      assert.deepEqual(told.seals, format === "chat" ? [] : ["c2lnbmF0dXJl"]);
    });
  });
}
