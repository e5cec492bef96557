/**
 * Signed and encrypted thinking between turns (TRANSLATION.md, 1.3 and 1.4): it goes back to the family that issued it,
 * byte for byte, and to no other, whatever the client's format keeps of it.
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { type Ask, openClient, type Outcome, type Turn } from "../support/clients.ts";
import { asArray, asObject, type Json } from "../support/grammar.ts";
import { type Mode, MODEL, MODES, PAIRS, replyOf, type Stage, startStage } from "../support/pairs.ts";
import { type Block, said } from "../support/said.ts";
import { type FormatName, readTold } from "../support/told.ts";
import { json, type Reply, sse } from "../support/upstream.ts";
import { messagesBody, messagesFrames } from "../support/wire_messages.ts";

let stage: Stage;
/** Another gateway: it has seen nothing of what the first one answered. */
let stranger: Stage;
beforeAll(async () => {
  [stage, stranger] = await Promise.all([startStage(), startStage()]);
});
afterAll(() => Promise.all([stage.stop(), stranger.stop()]));

const SEAL = "RXF1YWwgYnl0ZXMsIHBsZWFzZQ==/+k";
const WEATHER = { name: "get_weather", description: "Tells the weather.", schema: { type: "object", properties: {} } };
const THINKING: Block = { kind: "thinking", text: "I must look it up.", seal: SEAL };
const CALL: Block = { kind: "tool", id: "call_mock_123", name: "get_weather", args: "{}" };
const QUESTION: Turn = { user: "Weather?" };
const RESULTS: Turn = { results: [{ id: "call_mock_123", text: "sunny" }] };

type Sealing = "messages" | "responses";
const SEALING: readonly Sealing[] = ["messages", "responses"];

async function ask(
  on: Stage,
  client: FormatName,
  upstream: FormatName,
  mode: Mode,
  turns: Turn[],
  reply: Reply,
): Promise<Outcome> {
  on.upstreams[upstream].answer(reply);
  const full: Ask = { model: MODEL[upstream], turns, tools: [WEATHER], thinking: true, maxTokens: 20_000 };
  const asking = openClient(client, on.gateway.url);
  return await (mode === "whole" ? asking.ask(full) : asking.stream(full));
}

function first(client: FormatName, upstream: FormatName, mode: Mode): Promise<Outcome> {
  const answer = said({ blocks: [THINKING, CALL], stop: "tool_calls" });
  return ask(stage, client, upstream, mode, [QUESTION], replyOf(upstream, answer, mode));
}

function second(on: Stage, client: FormatName, upstream: FormatName, echo: readonly unknown[]): Promise<Outcome> {
  return ask(on, client, upstream, "whole", [QUESTION, { echo }, RESULTS], replyOf(upstream, said(), "whole"));
}

function sealsAt(on: Stage, upstream: FormatName): unknown[] {
  return readTold(upstream, on.upstreams[upstream].last().body).seals;
}

/** What a framework keeps of a chat message that only knows the standard fields. */
function standardOnly(echo: readonly unknown[]): Json[] {
  return echo.map((message) => {
    const { role, content, tool_calls } = asObject(message);
    return { role, content, tool_calls };
  });
}

describe("a chat client that keeps what it doesn't know", () => {
  for (const upstream of SEALING) {
    for (const mode of MODES) {
      test(`${upstream} upstream, ${mode}, any gateway`, async () => {
        const { echo } = await first("chat", upstream, mode);
        await second(stranger, "chat", upstream, echo);
        assert.deepEqual(sealsAt(stranger, upstream), [SEAL]);
      });
    }
  }
});

describe("messages and responses clients need no memory of the gateway's", () => {
  for (const { client, upstream, name } of PAIRS) {
    if (client === "chat" || upstream === "chat") continue;
    for (const mode of MODES) {
      test(`${name}, ${mode}`, async () => {
        const { echo } = await first(client, upstream, mode);
        await second(stranger, client, upstream, echo);
        assert.deepEqual(sealsAt(stranger, upstream), [SEAL]);
      });
    }
  }
});

describe("a chat client that drops what it doesn't know (case 14)", () => {
  for (const upstream of SEALING) {
    for (const mode of MODES) {
      test(`the gateway that answered remembers: ${upstream} upstream, ${mode}`, async () => {
        const { echo } = await first("chat", upstream, mode);
        await second(stage, "chat", upstream, standardOnly(echo));
        assert.deepEqual(sealsAt(stage, upstream), [SEAL]);
      });
    }

    test(`another gateway goes on without, and says so: ${upstream} upstream`, async () => {
      const { echo } = await first("chat", upstream, "whole");
      const outcome = await second(stranger, "chat", upstream, standardOnly(echo));
      assert.deepEqual(sealsAt(stranger, upstream), []);
      const body = asObject(stranger.upstreams[upstream].last().body);
      if (upstream === "responses") {
        const ids = asArray(body["input"]).map((item) => String(asObject(item)["id"] ?? ""));
        assert.deepEqual(ids.filter((id) => id.startsWith("fc_")), []);
        return;
      }
      assert.notEqual(asObject(body["thinking"])["type"], "enabled");
      assert.match(outcome.headers.get("x-trivium-loss") ?? "", /reasoning/);
    });
  }
});

describe("what one family sealed never reaches another (case 16)", () => {
  for (const client of ["chat", "messages", "responses"] as const) {
    for (const from of SEALING) {
      const to: Sealing = from === "messages" ? "responses" : "messages";
      for (const mode of MODES) {
        test(`${client} client, from ${from} to ${to}, ${mode}`, async () => {
          const { echo } = await first(client, from, mode);
          const outcome = await second(stage, client, to, echo);
          assert.equal(outcome.text, "Hello from upstream.");
          const { text } = stage.upstreams[to].last();
          assert.ok(!text.includes(SEAL), "the seal went to another family");
          assert.ok(!text.includes('"gw1.'), "an envelope went upstream");
        });
      }
    }
  }
});

describe("redacted thinking through other clients (case 13)", () => {
  const DATA = "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8cr3qpP==";
  const redacted = { type: "redacted_thinking", data: DATA };
  const answer = said({ blocks: [CALL], stop: "tool_calls" });

  function reply(mode: Mode): Reply {
    const body = messagesBody(answer);
    if (mode === "whole") return json({ ...body, content: [redacted, ...asArray(body["content"])] });
    const [start = "", ...rest] = messagesFrames(answer);
    const frame = (type: string, fields: Json) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, index: 0, ...fields })}\n\n`;
    const block = [frame("content_block_start", { content_block: redacted }), frame("content_block_stop", {})];
    return sse([start, ...block, ...rest.map((each) => each.replace('"index":0', '"index":1'))]);
  }

  for (const client of ["chat", "messages", "responses"] as const) {
    for (const mode of MODES) {
      test(`${client} client, ${mode}`, async () => {
        const { echo } = await ask(stage, client, "messages", mode, [QUESTION], reply(mode));
        await second(stranger, client, "messages", echo);
        const messages = asArray(asObject(stranger.upstreams.messages.last().body)["messages"]).map(asObject);
        const assistant = messages.find((message) => message["role"] === "assistant");
        assert.deepEqual(asArray(assistant?.["content"])[0], redacted);
      });
    }
  }
});
