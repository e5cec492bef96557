/** Cases of TRANSLATION.md, section 7, and of CLIENTS.md that need a whole request and its answer to show. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { asArray, asObject, type Json } from "../support/grammar.ts";
import { lostPaths } from "../support/losses.ts";
import {
  FORMATS,
  framesOf,
  type Mode,
  MODEL,
  MODES,
  PAIRS,
  PATH,
  replyOf,
  type Stage,
  startStage,
} from "../support/pairs.ts";
import { type Block, said } from "../support/said.ts";
import { type FormatName, readTold } from "../support/told.ts";
import { json, type Reply, sse } from "../support/upstream.ts";
import { chatBody } from "../support/wire_chat.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

/** Sends a body as it is and gives what the upstream was told, with the client's answer. */
async function send(client: FormatName, upstream: FormatName, body: Json): Promise<{ told: Json; response: Response }> {
  stage.upstreams[upstream].answer(replyOf(upstream, said(), "whole"));
  const response = await fetch(`${stage.gateway.url}${PATH[client]}`, {
    method: "POST",
    body: JSON.stringify({ model: MODEL[upstream], ...body }),
  });
  assert.equal(response.status, 200, await response.clone().text());
  return { told: asObject(stage.upstreams[upstream].last().body), response };
}

const rolesOf = (told: Json) => asArray(told["messages"]).map((message) => asObject(message)["role"]);

describe("case 33: images in the results of two parallel calls, chat upstream", () => {
  test("both tool messages, then one user message with the images", async () => {
    const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "aW1n" } };
    const use = (id: string) => ({ type: "tool_use", id, name: "look", input: {} });
    const { told } = await send("messages", "chat", {
      max_tokens: 100,
      tools: [{ name: "look", input_schema: { type: "object", properties: {} } }],
      messages: [
        { role: "user", content: "Look" },
        { role: "assistant", content: [use("toolu_1"), use("toolu_2")] },
        {
          role: "user",
          content: [
            { type: "tool_result", tool_use_id: "toolu_1", content: [{ type: "text", text: "one" }, image] },
            { type: "tool_result", tool_use_id: "toolu_2", content: [image] },
          ],
        },
      ],
    });
    assert.deepEqual(rolesOf(told), ["user", "assistant", "tool", "tool", "user"]);
    assert.deepEqual(readTold("chat", told).images, ["data:image/png;base64,aW1n", "data:image/png;base64,aW1n"]);
  });
});

describe("case 34: a user's text before the result of a call, chat upstream", () => {
  test("the tool message follows the call, the text comes after it", async () => {
    const { told } = await send("messages", "chat", {
      max_tokens: 100,
      tools: [{ name: "f", input_schema: { type: "object", properties: {} } }],
      messages: [
        { role: "user", content: "Go" },
        { role: "assistant", content: [{ type: "tool_use", id: "toolu_1", name: "f", input: {} }] },
        {
          role: "user",
          content: [{ type: "text", text: "By the way" }, {
            type: "tool_result",
            tool_use_id: "toolu_1",
            content: "ok",
          }],
        },
      ],
    });
    assert.deepEqual(rolesOf(told), ["user", "assistant", "tool", "user"]);
    assert.deepEqual(readTold("chat", told).user, ["Go", "By the way"]);
  });
});

describe("case 35: arguments in history that are no JSON, messages upstream", () => {
  test("are kept as text, with a loss", async () => {
    const call = { id: "call_1", type: "function", function: { name: "f", arguments: '{"a": tru' } };
    const { told, response } = await send("chat", "messages", {
      messages: [
        { role: "user", content: "Go" },
        { role: "assistant", content: null, tool_calls: [call] },
        { role: "tool", tool_call_id: "call_1", content: "failed" },
      ],
    });
    assert.deepEqual(readTold("messages", told).calls, [{ id: "call_1", name: "f", input: { _raw: '{"a": tru' } }]);
    assert.ok(lostPaths(response).length > 0, "no loss was named");
  });
});

describe("case 36, PITFALLS 27: a responses client's custom tool", () => {
  const patch = '*** Begin Patch\n*** Update File: a "b" \\ c → é\n+line\n*** End Patch\n';
  const tool = { type: "custom", name: "apply_patch", description: "Patches.", format: { type: "text" } };

  /** An upstream that isn't OpenAI's knows functions alone, and is told of one. */
  function reply(upstream: "chat" | "messages", told: unknown, mode: Mode): Reply {
    const [asked] = asArray(asObject(told)["tools"]).map(asObject);
    assert.notEqual(asked?.["type"], "custom");
    const args = JSON.stringify({ input: patch }).replace("→", "\\u2192");
    const block: Block = { kind: "tool", id: "call_1", name: "apply_patch", args };
    const answer = said({ blocks: [block], stop: "tool_calls" });
    return replyOf(upstream, answer, mode);
  }

  for (const upstream of ["chat", "messages"] as const) {
    for (const mode of MODES) {
      test(`its raw text comes back as a custom call: ${upstream} upstream, ${mode}`, async () => {
        stage.upstreams[upstream].answer(({ body }) => reply(upstream, body, mode));
        const client = stage.client("responses");
        const ask = { model: MODEL[upstream], turns: [{ user: "Patch it" }], extra: { tools: [tool] } };
        const outcome = mode === "whole" ? await client.ask(ask) : await client.stream(ask);
        if (mode === "streamed") assert.deepEqual(client.check(outcome.wire), []);
        const [item] = outcome.echo.map(asObject);
        assert.equal(item?.["type"], "custom_tool_call");
        assert.equal(item?.["name"], "apply_patch");
        assert.equal(item?.["input"], patch);

        stage.upstreams[upstream].answer(replyOf(upstream, said(), "whole"));
        const results = { type: "custom_tool_call_output", call_id: item?.["call_id"], output: "Done" };
        await client.ask({ ...ask, turns: [...ask.turns, { echo: outcome.echo }, { echo: [results] }] });
        const { body } = stage.upstreams[upstream].last();
        assert.deepEqual(readTold(upstream, body).results, [{ id: "call_1", text: "Done" }]);
        // A function's arguments are JSON within JSON for chat, an object for messages.
        const written = upstream === "chat" ? JSON.stringify(JSON.stringify({ input: patch })) : JSON.stringify(patch);
        assert.ok(JSON.stringify(body).includes(written), "the patch isn't in the history");
      });
    }
  }
});

describe("case 37, PITFALLS 38: names and ids that the other side can't hold", () => {
  const name = `mcp__a_server_with_a_very_long_name__${"and_a_tool_with_a_longer_one_".repeat(2)}`.slice(0, 90);

  for (const upstream of ["chat", "responses"] as const) {
    for (const mode of MODES) {
      test(`a tool name of 90 characters: messages client, ${upstream} upstream, ${mode}`, async () => {
        stage.upstreams[upstream].answer((request) => {
          const [tool] = readTold(upstream, request.body).tools;
          const call: Block = { kind: "tool", id: "call_1", name: String(tool?.name), args: "{}" };
          return replyOf(upstream, said({ blocks: [call], stop: "tool_calls" }), mode);
        });
        const client = stage.client("messages");
        const tool = { name, description: "Long.", schema: { type: "object", properties: {} } };
        const ask = { model: MODEL[upstream], turns: [{ user: "Hi" }], tools: [tool] };
        const outcome = mode === "whole" ? await client.ask(ask) : await client.stream(ask);
        assert.match(String(readTold(upstream, stage.upstreams[upstream].last().body).tools[0]?.name), /^[\w-]{1,64}$/);
        assert.deepEqual(outcome.calls, [{ id: "call_1", name, input: {} }]);
      });
    }
  }

  for (const client of ["messages", "responses"] as const) {
    for (const mode of MODES) {
      test(`a call id like functions.Bash:0: ${client} client, chat upstream, ${mode}`, async () => {
        const call: Block = { kind: "tool", id: "functions.Bash:0", name: "Bash", args: "{}" };
        stage.upstreams.chat.answer(replyOf("chat", said({ blocks: [call], stop: "tool_calls" }), mode));
        const tool = { name: "Bash", description: "Runs.", schema: { type: "object", properties: {} } };
        const ask = { model: MODEL.chat, turns: [{ user: "Hi" }], tools: [tool] };
        const asking = stage.client(client);
        const outcome = mode === "whole" ? await asking.ask(ask) : await asking.stream(ask);
        const id = outcome.calls[0]?.id ?? "";
        if (client === "messages") assert.match(id, /^[a-zA-Z0-9_-]+$/);

        const turns = [...ask.turns, { echo: outcome.echo }, { results: [{ id, text: "ok" }] }];
        stage.upstreams.chat.answer(replyOf("chat", said(), "whole"));
        await asking.ask({ ...ask, turns });
        const told = readTold("chat", stage.upstreams.chat.last().body);
        assert.equal(told.calls.length, 1);
        assert.equal(told.results[0]?.id, told.calls[0]?.id);
      });
    }
  }
});

describe("case 39: several system messages, one in mid-conversation", () => {
  for (const upstream of FORMATS) {
    test(`none is lost: chat client, ${upstream} upstream`, async () => {
      const { told } = await send("chat", upstream, {
        messages: [
          { role: "system", content: "First rule." },
          { role: "developer", content: [{ type: "text", text: "Second rule." }] },
          { role: "user", content: "Hi" },
          { role: "assistant", content: "Hello" },
          { role: "system", content: "Third rule." },
          { role: "user", content: "Go on" },
        ],
      });
      const text = JSON.stringify(told);
      const places = ["First rule.", "Second rule.", "Hi", "Hello", "Third rule.", "Go on"].map((part) =>
        text.indexOf(part)
      );
      assert.ok(places.every((place) => place >= 0), `something is missing: ${places}`);
      if (upstream === "chat") assert.deepEqual(places, places.toSorted((a, b) => a - b));
      else assert.ok((places[4] ?? 0) < (places[5] ?? 0) && (places[3] ?? 0) < (places[4] ?? 0), "not in its place");
    });
  }

  test("Claude Code's role system within messages, chat upstream: in its place", async () => {
    const { told } = await send("messages", "chat", {
      max_tokens: 100,
      system: [{ type: "text", text: "You are." }],
      messages: [{ role: "user", content: "Hi" }, { role: "system", content: "Environment." }, {
        role: "user",
        content: "Go",
      }],
    });
    assert.deepEqual(readTold("chat", told).system, ["You are.", "Environment."]);
    assert.deepEqual(rolesOf(told).map((role) => role === "developer" ? "system" : role), [
      "system",
      "user",
      "system",
      "user",
    ]);
  });
});

describe("PITFALLS 31: what Claude Code sends each turn", () => {
  const body: Json = {
    max_tokens: 32_000,
    stream: true,
    thinking: { type: "enabled", budget_tokens: 31_999, display: "omitted" },
    context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] },
    metadata: { user_id: '{"device_id":"d","session_id":"s-1"}' },
    system: [
      { type: "text", text: "x-anthropic-billing-header: cc_version=2.1.329" },
      { type: "text", text: "You are Claude Code.", cache_control: { type: "ephemeral" } },
    ],
    tools: [{
      name: "Bash",
      description: "Runs.",
      input_schema: { $schema: "https://json-schema.org/draft/2020-12/schema", type: "object", properties: {} },
    }],
    messages: [{ role: "user", content: [{ type: "text", text: "Hi", cache_control: { type: "ephemeral" } }] }],
  };

  for (const upstream of ["chat", "responses"] as const) {
    test(`is no reason for a 400: ${upstream} upstream`, async () => {
      stage.upstreams[upstream].answer(sse(framesOf(upstream, said())));
      const response = await fetch(`${stage.gateway.url}/v1/messages?beta=true`, {
        method: "POST",
        headers: {
          "anthropic-version": "2023-06-01",
          "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27",
          authorization: "Bearer x",
        },
        body: JSON.stringify({ model: MODEL[upstream], ...body }),
      });
      assert.equal(response.status, 200);
      assert.deepEqual(stage.client("messages").check(await response.text()), []);
      const told = readTold(upstream, stage.upstreams[upstream].last().body);
      assert.deepEqual(told.system, ["You are Claude Code."], "the attribution line is for Anthropic alone");
    });

    test(`nor is a probe of one token: ${upstream} upstream`, async () => {
      const { told } = await send("messages", upstream, { max_tokens: 1, messages: [{ role: "user", content: "Hi" }] });
      assert.equal(readTold(upstream, told).maxTokens, upstream === "responses" ? 16 : 1);
    });
  }
});

describe("an answer without usage is counted, and says that it was estimated", () => {
  for (const client of ["messages", "responses"] as const) {
    test(`${client} client, chat upstream`, async () => {
      const { usage: _, ...body } = chatBody(said());
      stage.upstreams.chat.answer(json(body));
      const outcome = await stage.client(client).ask({ model: MODEL.chat, turns: [{ user: "Hi" }] });
      assert.equal(outcome.headers.get("x-trivium-usage"), "estimated");
      assert.ok(outcome.usage.input > 0 && outcome.usage.output > 0);
    });
  }
});

describe("the flag of a failed call reaches every upstream in some form", () => {
  for (const upstream of ["chat", "responses"] as const) {
    test(`messages client, ${upstream} upstream`, async () => {
      const { told } = await send("messages", upstream, {
        max_tokens: 100,
        tools: [{ name: "f", input_schema: { type: "object", properties: {} } }],
        messages: [
          { role: "user", content: "Go" },
          { role: "assistant", content: [{ type: "tool_use", id: "toolu_1", name: "f", input: {} }] },
          {
            role: "user",
            content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "No file", is_error: true }],
          },
        ],
      });
      assert.deepEqual(readTold(upstream, told).results, [{ id: "toolu_1", text: "Error: No file" }]);
    });
  }
});

describe("tool choice", () => {
  const told: Record<FormatName, (body: Json) => unknown> = {
    chat: (body) => body["tool_choice"],
    messages: (body) => asObject(body["tool_choice"])["type"] ?? body["tool_choice"],
    responses: (body) => body["tool_choice"],
  };
  const tools: Record<FormatName, Json> = {
    chat: { type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } },
    messages: { name: "f", input_schema: { type: "object", properties: {} } },
    responses: { type: "function", name: "f", parameters: { type: "object", properties: {} }, strict: false },
  };
  const word: Record<FormatName, Json> = {
    chat: { auto: "auto", none: "none", required: "required" },
    messages: { auto: "auto", none: "none", required: "any" },
    responses: { auto: "auto", none: "none", required: "required" },
  };
  for (const { client, upstream, name } of PAIRS.filter(({ passes }) => !passes)) {
    for (const choice of ["auto", "none", "required"]) {
      test(`${choice}: ${name}`, async () => {
        const mine = word[client][choice];
        const body = {
          ...(client === "responses"
            ? { input: "Hi" }
            : { messages: [{ role: "user", content: "Hi" }], max_tokens: 100 }),
          tools: [tools[client]],
          tool_choice: client === "messages" ? { type: mine } : mine,
        };
        const asked = await send(client, upstream, body);
        assert.equal(told[upstream](asked.told), word[upstream][choice]);
      });
    }
  }
});
