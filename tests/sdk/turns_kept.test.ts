/**
 * What else of a turn must be there in the next one (TRANSLATION.md, 1.3 to 1.5): phases, compactions, citations, cache
 * marks; and what becomes of an envelope that is broken on its way.
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { lostPaths } from "../support/losses.ts";
import { openClient, type Outcome, type Turn } from "../support/clients.ts";
import { asArray, asObject, type Json } from "../support/grammar.ts";
import { type Mode, MODEL, MODES, replyOf, type Stage, startStage } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import type { Step } from "../support/strict.ts";
import type { FormatName } from "../support/told.ts";
import {
  assertNothingRefused,
  CLIENTS,
  Conversation,
  lossesOf,
  PARIS,
  theWorld,
  type UpstreamName,
} from "../support/turns.ts";
import { json } from "../support/upstream.ts";

const worldOf = theWorld();
let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

const [CHAT, , MESSAGES, RESPONSES] = CLIENTS;

describe("phases", () => {
  const steps: readonly Step[] = [
    [{ think: "Look it up." }, { say: "Let me see.", phase: "commentary" }, PARIS],
    [{ think: "Done." }, { say: "Sunny.", phase: "final_answer" }],
    [{ think: "Again." }, { say: "Once more.", phase: "commentary" }, PARIS],
    [{ think: "Done again." }, { say: "Sunny still.", phase: "final_answer" }],
  ];

  async function fourTurns(talk: Conversation, way: readonly UpstreamName[]): Promise<Outcome[]> {
    worldOf().begin(steps);
    const outcomes: Outcome[] = [];
    for (let turn = 0; turn < way.length; turn += 2) {
      talk.user("Weather?");
      const asked = await talk.ask(way[turn] ?? "responses");
      talk.answer(asked);
      outcomes.push(asked, await talk.ask(way[turn + 1] ?? "responses"));
    }
    return outcomes;
  }

  function phasesAt(upstream: UpstreamName): unknown[] {
    return asArray(worldOf().upstreams[upstream].body()["input"]).map(asObject)
      .filter((item) => item["role"] === "assistant").map((item) => item["phase"]);
  }

  for (const client of CLIENTS) {
    for (const mode of MODES) {
      test(`${client.label}, ${mode}: each message has its own again`, async () => {
        await fourTurns(new Conversation(worldOf(), client, mode), [
          "responses",
          "responses",
          "responses",
          "responses",
        ]);
        assertNothingRefused(worldOf());
        // Thinking that no calls follow is not remembered for clients that drop it, and its phase with it.
        const kept = client.keeps ? "final_answer" : undefined;
        assert.deepEqual(phasesAt("responses"), ["commentary", kept, "commentary"]);
      });
    }
  }

  for (const client of [CHAT, MESSAGES, RESPONSES]) {
    test(`${client.label}: another maker's model sees none and the loss says so; they come back`, async () => {
      const talk = new Conversation(worldOf(), client, "whole");
      const outcomes = await fourTurns(talk, ["responses", "responses", "messages", "messages"]);
      assert.ok(!JSON.stringify(worldOf().upstreams.messages.body()).includes("commentary"));
      assert.ok(lossesOf(outcomes[2] as Outcome).length >= 2);
      talk.user("And now?");
      await talk.ask("responses");
      assertNothingRefused(worldOf());
      assert.deepEqual(phasesAt("responses").slice(0, 2), ["commentary", "final_answer"]);
    });
  }

  for (const client of [CHAT, MESSAGES]) {
    test(`${client.label}: one that no thinking can carry is named, and no other message gets it`, async () => {
      const two: readonly Step[] = [[{ say: "Let me see.", phase: "commentary" }], [
        { think: "Done." },
        { say: "Sunny.", phase: "commentary" },
        { say: "Hot.", phase: "final_answer" },
        PARIS,
      ], [{ say: "Ok." }]];
      worldOf().begin(two);
      const talk = new Conversation(worldOf(), client, "whole");
      talk.user("Weather?");
      const alone = await talk.ask("responses");
      assert.deepEqual(lossesOf(alone), ["phase"]);
      talk.answer(alone);
      talk.user("And now?");
      const second = await talk.ask("responses");
      assert.deepEqual(lossesOf(second), ["phase"]);
      talk.answer(second);
      assert.deepEqual(lossesOf(await talk.ask("responses")), []);
      // Chat joins an answer's texts: both are one there.
      assert.deepEqual(phasesAt("responses"), [undefined, "commentary", ...(client === CHAT ? [] : [undefined])]);
    });
  }

  test("bytes that pass to any chat upstream hold none of it", async () => {
    const talk = new Conversation(worldOf(), CHAT, "streamed");
    await fourTurns(talk, ["responses", "responses"]);
    const echo = talk.turns.flatMap((turn) => "echo" in turn ? turn.echo : []);
    assert.ok(JSON.stringify(echo).includes("gateway:phase"));
    const history = [{ role: "user", content: "Weather?" }, ...echo.slice(1), { role: "user", content: "And now?" }];
    const { text, losses } = await told("chat", "chat", { messages: history });
    assert.ok(!text.includes("gateway:"), text);
    assert.deepEqual(losses, ["messages[1].reasoning_details"]);
  });
});

/** One request of this client by hand, and what the upstream was told. */
async function told(
  client: FormatName,
  upstream: FormatName,
  body: Json,
  model = MODEL[upstream],
): Promise<{ body: Json; text: string; losses: string[] }> {
  stage.upstreams[upstream].answer(replyOf(upstream, said(), "whole"));
  const path = { chat: "/v1/chat/completions", messages: "/v1/messages", responses: "/v1/responses" }[client];
  const response = await fetch(`${stage.gateway.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, ...(client === "messages" ? { max_tokens: 4000 } : {}), ...body }),
  });
  const wire = await response.text();
  assert.equal(response.status, 200, wire);
  const last = stage.upstreams[upstream].last();
  return { body: asObject(last.body), text: last.text, losses: lostPaths(response) };
}

describe("compactions", () => {
  const block = (content: string | null, encrypted_content: string | null = null): Json => ({
    role: "assistant",
    content: [{ type: "compaction", content, encrypted_content }],
  });
  const messages = [
    { role: "user", content: "The first question, long ago." },
    { role: "assistant", content: "The first answer." },
    block("An older summary."),
    { role: "user", content: "The second question." },
    block("The newest summary."),
    { role: "user", content: "Now?" },
  ];

  for (const upstream of ["chat", "responses"] as const) {
    test(`messages client, ${upstream} upstream: the newest as text, first; what it stands for is named`, async () => {
      const { text, losses } = await told("messages", upstream, { messages });
      assert.ok(text.includes("Summary of the conversation so far: The newest summary."), text);
      assert.ok(!/first|second|older/i.test(text), text);
      assert.deepEqual(losses, ["messages[0]", "messages[1]", "messages[2]", "messages[3]", "messages[4].content[0]"]);
    });
  }

  test("messages client and upstream: the same bytes", async () => {
    const { body, losses } = await told("messages", "messages", { messages });
    assert.deepEqual([body["messages"], losses], [messages, []]);
  });

  test("one that nobody else can read takes nothing with it", async () => {
    const window = [{ role: "user", content: "The first question." }, block(null, "sealed"), {
      role: "user",
      content: "Now?",
    }];
    const { text, losses } = await told("messages", "chat", { messages: window });
    assert.ok(text.includes("The first question.") && text.includes("Now?"));
    assert.deepEqual(losses, ["messages[1].content[0]"]);
  });

  const input = [
    { role: "user", content: "The first question." },
    { type: "compaction", id: "cmp_1", encrypted_content: "gAAAAAolder" },
    { role: "user", content: "The second question." },
    { type: "compaction", id: "cmp_2", encrypted_content: "gAAAAAnewest" },
    { role: "user", content: "Now?" },
  ];

  for (const upstream of ["chat", "messages"] as const) {
    test(`responses client, ${upstream} upstream: sealed ones stay away by name, the rest goes`, async () => {
      const { text, losses } = await told("responses", upstream, { input });
      assert.ok(!text.includes("gAAAAA"));
      assert.ok(["first", "second", "Now?"].every((word) => text.includes(word)));
      assert.deepEqual(losses, ["input[1]", "input[3]"]);
    });
  }

  test("responses client and upstream: the same items", async () => {
    assert.deepEqual((await told("responses", "responses", { input })).body["input"], input);
  });

  for (const mode of MODES) {
    test(`a messages upstream's own, ${mode}: a responses client gives its text to any model, and names it sealed`, async () => {
      const made = { type: "compaction", content: "What was said.", encrypted_content: "EqSealed" };
      stage.upstreams.messages.answer(mode === "whole" ? json(answerOf(made)) : streamOf(made));
      const asking = openClient("responses", stage.gateway.url);
      const ask = { model: MODEL.messages, turns: [{ user: "Hi" }] as Turn[] };
      const { echo } = await (mode === "whole" ? asking.ask(ask) : asking.stream(ask));
      assert.deepEqual(echo.map((item) => asObject(item)["type"]), ["compaction", "message"]);
      assert.ok(!JSON.stringify(echo).includes("What was said"));
      for (const upstream of ["chat", "messages", "responses"] as const) {
        const next = await told("responses", upstream, { input: [...echo, { role: "user", content: "Now?" }] });
        assert.ok(next.text.includes("What was said."), next.text);
        assert.ok(!next.text.includes("gw1"), next.text);
        assert.deepEqual(next.losses, ["input[0]"]);
      }
    });
  }

  test("a responses upstream's own comes back to it byte-equal through a messages client", async () => {
    const own = { id: "cmp_1", type: "compaction", encrypted_content: "gAAAAAown" };
    stage.upstreams.responses.answer(json({ ...asObject(responsesBody()), output: [own, ...textOutput()] }));
    const asking = openClient("messages", stage.gateway.url);
    const { echo } = await asking.ask({ model: MODEL.responses, turns: [{ user: "Hi" }], maxTokens: 4000 });
    const history = [{ role: "user", content: "Hi" }, { role: "assistant", content: echo }, {
      role: "user",
      content: "Now?",
    }];
    const back = await told("messages", "responses", { messages: history });
    const items = asArray(back.body["input"]).map(asObject);
    // What stands before it is not read by this client's API: it is first in the conversation.
    assert.deepEqual([items[0]?.["type"], items[0]?.["encrypted_content"]], ["compaction", "gAAAAAown"]);
    assert.deepEqual(back.losses, ["messages[0]"]);
    const away = await told("messages", "messages", { messages: history });
    assert.ok(!away.text.includes("gAAAAAown") && !away.text.includes("gw1"));
    assert.deepEqual(away.losses, ["messages[1].content[0]"]);
  });

  function answerOf(compaction: Json): Json {
    const body = asObject(JSON.parse(String(replyOf("messages", said(), "whole").steps[0])));
    return { ...body, content: [compaction, ...asArray(body["content"])] };
  }

  function streamOf({ content, encrypted_content }: Json) {
    const reply = replyOf("messages", said(), "streamed");
    const frame = (type: string, fields: Json) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, index: 0, ...fields })}\n\n`;
    const [start = "", ...rest] = reply.steps.map(String);
    const own = [
      frame("content_block_start", { content_block: { type: "compaction", content: null } }),
      frame("content_block_delta", { delta: { type: "compaction_delta", content, encrypted_content } }),
      frame("content_block_stop", {}),
    ];
    return { ...reply, steps: [start, ...own, ...rest.map((each) => each.replace('"index":0', '"index":1'))] };
  }

  function responsesBody(): unknown {
    return JSON.parse(String(replyOf("responses", said(), "whole").steps[0]));
  }

  function textOutput(): unknown[] {
    return asArray(asObject(responsesBody())["output"]);
  }
});

describe("citations over turns", () => {
  const cited = {
    type: "web_search_result_location",
    url: "https://example.com/a",
    title: "A",
    cited_text: "sunny",
    encrypted_index: "EoEncryptedIndex==",
  };
  const search = [
    { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: "weather" } },
    {
      type: "web_search_tool_result",
      tool_use_id: "srvtoolu_1",
      content: [{ type: "web_search_result", url: "https://example.com/a", title: "A", encrypted_content: "EoPage==" }],
    },
  ];
  const text = { type: "text", text: "It is sunny.", citations: [cited] };
  const answer = [...search, text];

  function fromMessages(content: readonly Json[], mode: Mode, client: FormatName): Promise<Outcome> {
    const body = asObject(JSON.parse(String(replyOf("messages", said(), "whole").steps[0])));
    stage.upstreams.messages.answer(json({ ...body, content }));
    const ask = { model: MODEL.messages, turns: [{ user: "Weather?" }] as Turn[], maxTokens: 4000 };
    const asking = openClient(client, stage.gateway.url);
    return mode === "whole" ? asking.ask(ask) : asking.stream(ask);
  }

  test("messages client: blocks and encrypted_index are the same bytes in the next turn", async () => {
    const { echo } = await fromMessages(answer, "whole", "messages");
    const turns = [{ role: "user", content: "Weather?" }, { role: "assistant", content: echo }, {
      role: "user",
      content: "Sure?",
    }];
    assert.deepEqual((await told("messages", "messages", { messages: turns })).body["messages"], turns);
    assert.deepEqual(asArray(echo), answer);
  });

  test("messages client moves to a responses upstream and back: annotations there, the same bytes here", async () => {
    const turns = [{ role: "user", content: "Weather?" }, { role: "assistant", content: answer }, {
      role: "user",
      content: "Sure?",
    }];
    const away = await told("messages", "responses", { messages: turns });
    assert.ok(!away.text.includes("EoEncryptedIndex") && !away.text.includes("EoPage"));
    assert.match(away.text, /"type":"url_citation","start_index":0,"end_index":12,"title":"A"/);
    assert.ok(away.losses.includes("messages[1].content[1]"));
    assert.deepEqual((await told("messages", "messages", { messages: turns })).body["messages"], turns);
  });

  for (const client of ["chat", "responses"] as const) {
    for (const mode of MODES) {
      test(`${client} client, ${mode}: shown as annotations, their return is a named loss`, async () => {
        const { echo } = await fromMessages(answer, mode, client);
        assert.match(JSON.stringify(echo), /"url_citation"/);
        assert.match(JSON.stringify(echo), /https:\/\/example\.com\/a/);
        const turns = [{ role: "user", content: "Weather?" }, ...echo, { role: "user", content: "Sure?" }];
        const next = await told(client, "messages", { [client === "chat" ? "messages" : "input"]: turns });
        assert.match(next.text, /It is sunny\./);
        assert.equal(next.losses.length, 1, next.losses.join());
        assert.match(next.losses[0] ?? "", /annotations$/);
      });
    }
  }

  test("responses client: annotations go back to a responses upstream as they were", async () => {
    const annotation = { type: "url_citation", url: "https://u", title: "t", start_index: 0, end_index: 2 };
    const item = {
      type: "message",
      role: "assistant",
      content: [{ type: "output_text", text: "Hi", annotations: [annotation] }],
    };
    const { body } = await told("responses", "responses", { input: [item, { role: "user", content: "Sure?" }] });
    assert.deepEqual(asArray(body["input"])[0], item);
  });
});

describe("cache marks over turns", () => {
  const marked = (text: string): Json => ({ type: "text", text, cache_control: { type: "ephemeral" } });

  /** As agents do: the newest turns are marked; here all of them are. */
  function conversation(turns: number): Json {
    const messages = Array.from({ length: turns }, (_, index) => [
      { role: "user", content: [marked(`question ${index}`)] },
      { role: "assistant", content: `answer ${index}` },
    ]).flat();
    return { system: [marked("Be brief.")], messages: messages.slice(0, -1) };
  }

  function count(text: string, name: string): number {
    return text.split(`"${name}"`).length - 1;
  }

  test("messages client and upstream: as many as the client wrote", async () => {
    for (let turns = 1; turns <= 5; turns++) {
      assert.equal(count((await told("messages", "messages", conversation(turns))).text, "cache_control"), turns + 1);
    }
  });

  test("responses client, messages upstream: the last four, those before by name", async () => {
    const input = Array.from({ length: 5 }, (_, index) => ({
      role: "user",
      content: [{ type: "input_text", text: `question ${index}`, prompt_cache_breakpoint: { mode: "explicit" } }],
    })).flatMap((question, index) => index === 4 ? [question] : [question, { role: "assistant", content: "ok" }]);
    const { text, body, losses } = await told("responses", "messages", { input });
    assert.equal(count(text, "cache_control"), 4);
    const [first] = asArray(body["messages"]).map(asObject);
    assert.ok(!JSON.stringify(first).includes("cache_control"));
    assert.deepEqual(losses, ["input[0].content[0].prompt_cache_breakpoint"]);
  });

  test("a mark's time to live goes to formats that have it", async () => {
    const hour = { type: "text", text: "Hi", cache_control: { type: "ephemeral", ttl: "1h" } };
    const { body } = await told("chat", "messages", { messages: [{ role: "user", content: [hour] }] });
    assert.deepEqual(asArray(body["messages"])[0], { role: "user", content: [hour] });
  });

  test("models that take no marks get none over all turns, each by name", async () => {
    for (let turns = 1; turns <= 3; turns++) {
      const { text, losses } = await told("messages", "responses", conversation(turns));
      assert.equal(count(text, "prompt_cache_breakpoint"), 0);
      assert.equal(losses.length, turns + 1);
    }
  });
});

describe("an envelope that is broken on its way", () => {
  const VERSION_2 = "gw2.3.W10.00000000";
  const breaks: Readonly<Record<string, (sealed: string) => string>> = {
    "cut short": (sealed) => sealed.slice(0, -9),
    "cut to its beginning": (sealed) => sealed.slice(0, 4),
    "altered": (sealed) => `${sealed.slice(0, 30)}${sealed[30] === "A" ? "B" : "A"}${sealed.slice(31)}`,
    "altered in its first letter": (sealed) => `h${sealed.slice(1)}`,
    "of a length that isn't its own": (sealed) => sealed.replace(/^gw1\.\d+/, "gw1.7"),
    "of a newer version": () => VERSION_2,
    "garbage": () => "gw1.%%%.\u0000.zzz",
    "huge": (sealed) => `${sealed}${"A".repeat(2_000_000)}`,
  };
  /** Both sides of the fork: bytes that pass, and a translation. */
  const ways = [
    { client: MESSAGES, made: "responses", next: ["messages", "responses", "gemini", "deepseek", "openrouter"] },
    { client: RESPONSES, made: "messages", next: ["responses", "messages", "gemini", "deepseek", "openrouter"] },
  ] as const;

  for (const { client, made, next } of ways) {
    for (const [name, broken] of Object.entries(breaks)) {
      test(`${client.label}, ${name}: a named loss, never a refusal`, async () => {
        worldOf().begin([[{ think: "Hm." }, { say: "Sunny." }]]);
        const talk = new Conversation(worldOf(), client, "whole");
        talk.user("Weather?");
        const { echo } = await talk.ask(made);
        const damaged = echo.map((part) => withSeal(asObject(part), broken));
        assert.notDeepEqual(damaged, echo);
        talk.turns[1] = { echo: damaged };
        talk.user("And now?");
        for (const to of next) {
          const outcome = await talk.ask(to);
          talk.turns.pop();
          assert.equal(outcome.text, "Sunny.");
          assert.deepEqual(lossesOf(outcome), [client === MESSAGES ? "messages[1].content[0]" : "input[1]"], to);
        }
        assertNothingRefused(worldOf());
      });
    }
  }

  function withSeal(part: Json, change: (sealed: string) => string): Json {
    const key = ["signature", "data", "encrypted_content"].find((each) => String(part[each]).startsWith("gw1."));
    return key === undefined ? part : { ...part, [key]: change(String(part[key])) };
  }

  test("chat client: an entry that holds one stays away from every upstream", async () => {
    const details = [{ type: "reasoning.text", text: "hm", signature: VERSION_2, index: 0 }];
    const messages = [{ role: "user", content: "Hi" }, {
      role: "assistant",
      content: "Yes",
      reasoning_details: details,
    }, {
      role: "user",
      content: "Now?",
    }];
    for (const upstream of ["chat", "messages", "responses"] as const) {
      const { text, losses } = await told("chat", upstream, { messages });
      assert.ok(!text.includes("gw2."), text);
      assert.match(losses.join(), /^messages\[1\]\.reasoning_details/, upstream);
    }
  });
});
