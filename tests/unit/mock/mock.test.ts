import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { MOCK_MODELS } from "../../../lib/mock/mod.ts";
import { countTokens } from "../../../lib/mock/tokens.ts";
import { FORMAT_NAMES, type ToolCallPart } from "../../../lib/neutral.ts";
import { type Ask, ask, CHECKS, chunksOf, events, get, parts, reasonOf, send, streamed, textOf, whole } from "./ask.ts";

const TEXT = '  Say "this"\n\n again, naïve 世界 👩‍👩‍👧!  ';
const SCHEMA = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer", minimum: 2 } },
  required: ["city", "days"],
};
const TOOLS = [{ name: "get_weather", schema: SCHEMA }, {
  name: "get_time",
  schema: { type: "object", properties: {} },
}];
const ARGUMENTS = { city: "example city", days: 2 };

function calls(response: Awaited<ReturnType<typeof whole>>): ToolCallPart[] {
  return parts(response).filter((part) => part.kind === "tool_call");
}

for (const format of FORMAT_NAMES) {
  describe(`mock, ${format}`, () => {
    /** Runs a check on the answer as a whole and as a stream: they must say the same. */
    function both(
      name: string,
      model: string,
      asked: Ask,
      check: (response: Awaited<ReturnType<typeof whole>>) => void,
    ) {
      test(`${name}: whole`, async () => check(await whole(format, model, asked)));
      test(`${name}: streamed`, async () => check(await streamed(format, model, asked)));
    }

    both("echo gives the last user text back, white space and all", "echo", { text: TEXT }, (response) => {
      assert.equal(textOf(response), TEXT);
      assert.equal(reasonOf(response), "stop");
      assert.equal(response.usage?.outputTokens, countTokens(TEXT));
      assert.equal(response.usage?.inputTokens, countTokens(TEXT));
    });

    both("lorem-<n> says exactly n tokens", "lorem-37", {}, (response) => {
      assert.equal(textOf(response).split(" ").length, 37);
      assert.equal(response.usage?.outputTokens, 37);
    });

    both("max_tokens cuts and says so", "lorem-100", { maxTokens: 20 }, (response) => {
      assert.equal(textOf(response).split(" ").length, 20);
      assert.equal(reasonOf(response), "max_tokens");
      assert.equal(response.usage?.outputTokens, 20);
    });

    both("an answer as long as max_tokens is complete", "lorem-20", { maxTokens: 20 }, (response) => {
      assert.equal(reasonOf(response), "stop");
    });

    both("tools calls the first tool with arguments that fit", "tools", { tools: TOOLS }, (response) => {
      const [call, ...others] = calls(response);
      assert.equal(others.length, 0);
      assert.equal(call?.name, "get_weather");
      assert.deepEqual(JSON.parse(call?.arguments ?? ""), ARGUMENTS);
      assert.equal(reasonOf(response), "tool_calls");
    });

    both("tools calls the tool that was chosen", "tools", { tools: TOOLS, choice: "get_time" }, (response) => {
      assert.deepEqual(calls(response).map((call) => [call.name, JSON.parse(call.arguments)]), [["get_time", {}]]);
    });

    both("tools that must not be called aren't", "tools", { tools: TOOLS, choice: "none" }, (response) => {
      assert.equal(calls(response).length, 0);
      assert.equal(textOf(response), "I was told to call no tool.");
    });

    both("tools without any says so", "tools", {}, (response) => {
      assert.equal(textOf(response), "There is no tool to call.");
    });

    both(
      "tools answers with the result that it is given",
      "tools",
      { tools: TOOLS, result: "19 °C,\n sunny" },
      (response) => {
        assert.equal(textOf(response), "The tool returned: 19 °C,\n sunny");
        assert.equal(reasonOf(response), "stop");
      },
    );

    both("tools-2 calls two tools", "tools-2", { tools: TOOLS }, (response) => {
      const found = calls(response);
      assert.deepEqual(found.map((call) => [call.name, JSON.parse(call.arguments)]), [
        ["get_weather", ARGUMENTS],
        ["get_time", {}],
      ]);
      assert.notEqual(found[0]?.id, found[1]?.id);
    });

    both("tools-2 with one tool calls it twice", "tools-2", { tools: TOOLS.slice(0, 1) }, (response) => {
      const found = calls(response);
      assert.deepEqual(found.map((call) => JSON.parse(call.arguments)), [ARGUMENTS, ARGUMENTS]);
      assert.notEqual(found[0]?.id, found[1]?.id);
    });

    both(
      "thinking thinks before it answers, with its provider's own seal",
      "thinking",
      { text: "Why?" },
      (response) => {
        const [thought, said] = parts(response);
        assert.ok(thought?.kind === "reasoning" && thought.text.startsWith("The user has asked"));
        assert.ok(said?.kind === "text" && said.text === "I have thought about it: Why?");
        const seals = (thought.opaque ?? []).map(({ issuer, kind }) => [issuer, kind]);
        assert.deepEqual(
          seals,
          {
            chat: [],
            messages: [["anthropic", "signature"]],
            responses: [["openai", "encrypted"]],
          }[format],
        );
        assert.equal(response.usage?.reasoningTokens, countTokens(thought.text));
        assert.equal(response.usage?.outputTokens, countTokens(thought.text) + countTokens(said.text));
      },
    );

    both("json without a schema is an object", "json", {}, (response) => {
      assert.deepEqual(JSON.parse(textOf(response)), { ok: true, said: "Hi" });
    });

    both("json fits the schema", "json", { schema: SCHEMA }, (response) => {
      assert.deepEqual(JSON.parse(textOf(response)), ARGUMENTS);
    });

    test("the stream comes in several chunks and says the same as the whole", async () => {
      const response = await ask(format, "echo", { text: "one two three four", stream: true });
      assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
      const chunks = await chunksOf(response);
      assert.ok(chunks.length >= 4, String(chunks.length));
      const deltas = events(format, chunks.join("")).flatMap((event) => event.t === "text" ? [event.delta] : []);
      assert.deepEqual(deltas, ["one", " two", " three", " four"]);
    });

    test("the same request gives the same ids, another request others", async () => {
      const ids = async (text: string) => {
        const response = await whole(format, "tools-2", { tools: TOOLS, text });
        return [response.id, ...calls(response).map((call) => call.id)];
      };
      assert.deepEqual(await ids("a"), await ids("a"));
      assert.equal(new Set([...await ids("a"), ...await ids("b")]).size, 6);
    });

    test("an unknown model is a typed 404 that names the known ones", async () => {
      for (const stream of [false, true]) {
        const response = await ask(format, "nothing", { stream });
        assert.equal(response.status, 404);
        const text = await response.text();
        assert.match(text, format === "messages" ? /"not_found_error"/ : /"model_not_found"/);
        assert.match(text, /lorem-50/);
      }
    });

    test("error-<status> answers with that status in the format's own shape", async () => {
      for (const status of [400, 401, 403, 404, 413, 418, 429, 500, 503, 529]) {
        const response = await ask(format, `error-${status}`, { stream: true });
        assert.equal(response.status, status);
        assert.equal(response.headers.get("retry-after"), status === 429 ? "1" : null);
        const body = await response.json();
        assert.equal(typeof body.error.message, "string");
        assert.equal(body.type, format === "messages" ? "error" : undefined);
      }
      assert.equal((await ask(format, "error-200")).status, 404);
    });

    test("error-midstream says something and then breaks", async () => {
      const text = await (await ask(format, "error-midstream", { stream: true })).text();
      assert.deepEqual(CHECKS[format](text), []);
      const seen = events(format, text).map((event) => event.t);
      assert.ok(seen.includes("text"));
      assert.equal(seen.at(-1), "error");
      assert.ok((await ask(format, "error-midstream")).status >= 500);
    });

    test("cut ends without an end", async () => {
      const text = await (await ask(format, "cut", { stream: true })).text();
      const seen = events(format, text);
      assert.ok(seen.some((event) => event.t === "text"));
      const last = seen.at(-1);
      assert.ok(last?.t === "error" && last.failure.kind === "upstream_cut", JSON.stringify(last));
      const response = await ask(format, "cut");
      assert.equal(response.status, 200);
      const half = await response.text();
      assert.throws(() => JSON.parse(half));
    });

    test("slow-<ms> waits between pieces, and a reader that leaves ends it", async () => {
      const response = await ask(format, "slow-60000", { stream: true });
      const reader = response.body?.getReader();
      assert.equal((await reader?.read())?.done, false);
      const waiting = reader?.read();
      await reader?.cancel();
      assert.equal((await waiting)?.done, true);
      assert.equal(textOf(await streamed(format, "slow-1")).split(" ").length, 20);
      assert.equal(textOf(await whole(format, "slow-1")).split(" ").length, 20);
    });

    test("slow-<ms>, not streamed, ends when the caller gives up", async () => {
      const abort = new AbortController();
      const waiting = ask(format, "slow-60000", {}, { signal: abort.signal });
      setTimeout(() => abort.abort(), 5);
      assert.equal((await waiting).status, 499);
    });

    test("what isn't JSON, or lacks what it must have, is a 400 in the format's own shape", async () => {
      const path = { chat: "/chat/completions", messages: "/messages", responses: "/responses" }[format];
      for (const body of ["{", "[]", "null", "", { model: 5 }]) {
        const response = await send(path, body);
        assert.equal(response.status, 400, JSON.stringify(body));
        assert.equal((await response.json()).error.type, "invalid_request_error");
      }
      assert.equal((await get(path)).status, 405);
    });

    test("request ids are there, for both kinds of clients", async () => {
      const response = await ask(format, "echo");
      assert.match(response.headers.get("x-request-id") ?? "", /^req_/);
      assert.equal(response.headers.get("request-id"), response.headers.get("x-request-id"));
    });
  });
}

describe("mock, what single formats have", () => {
  for (const format of ["chat", "messages"] as const) {
    for (const stream of [false, true]) {
      test(`stop sequences end the text: ${format}${stream ? ", streamed" : ""}`, async () => {
        const read = stream ? streamed : whole;
        const response = await read(format, "echo", { text: "one two STOP three", stop: ["never", "STOP"] });
        assert.equal(textOf(response), "one two ");
        assert.equal(reasonOf(response), format === "chat" ? "stop" : "stop_sequence");
      });
    }
  }

  test("chat's tools-2 interleaves the arguments of its calls", async () => {
    const text = await (await ask("chat", "tools-2", { tools: TOOLS.slice(0, 1), stream: true })).text();
    const order = events("chat", text).flatMap((event) => event.t === "arguments" ? [event.i] : []);
    assert.deepEqual(order.slice(0, 4), [0, 1, 0, 1]);
  });

  test("parallel_tool_calls: false makes tools-2 call one", async () => {
    const response = await whole("chat", "tools-2", { tools: TOOLS, more: { parallel_tool_calls: false } });
    assert.equal(calls(response).length, 1);
  });

  test("chat's n gives as many answers", async () => {
    for (const read of [whole, streamed]) {
      const response = await read("chat", "echo", { text: "a b", more: { n: 3 } });
      assert.deepEqual(
        response.candidates.map(({ index, parts: [part] }) => [index, part?.kind === "text" && part.text]),
        [
          [0, "a b"],
          [1, "a b"],
          [2, "a b"],
        ],
      );
      assert.equal(response.usage?.outputTokens, 6);
    }
  });

  test("an echo of nothing says so", async () => {
    const image = { type: "image_url", image_url: { url: "https://a.example/x.png" } };
    const response = await whole("chat", "echo", { more: { messages: [{ role: "user", content: [image] }] } });
    assert.equal(textOf(response), "There is no user text to echo.");
  });

  test("custom tools get free text", async () => {
    const custom = { type: "custom", name: "apply_patch" };
    const response = await whole("responses", "tools", { more: { tools: [custom] } });
    assert.deepEqual(calls(response).map((call) => [call.toolKind, call.arguments]), [[
      "custom",
      "example input for the tool",
    ]]);
  });

  test("messages: ?beta=true is the same path, thinking may be omitted or off", async () => {
    const body = { model: "thinking", max_tokens: 100, messages: [{ role: "user", content: "Hi" }] };
    const content = async (thinking: unknown) => {
      const response = await send("/messages?beta=true", { ...body, thinking });
      return (await response.json()).content as Record<string, unknown>[];
    };
    const [omitted] = await content({ type: "adaptive", display: "omitted" });
    assert.equal(omitted?.["thinking"], "");
    assert.ok(String(omitted?.["signature"]).length > 20);
    assert.deepEqual((await content({ type: "disabled" })).map((block) => block["type"]), ["text"]);
  });

  test("count_tokens counts what an answer's usage would", async () => {
    const messages = [{ role: "user", content: "one two three" }];
    const response = await send("/messages/count_tokens?beta=true", { model: "echo", messages });
    assert.deepEqual(await response.json(), { input_tokens: 3 });
    assert.equal((await send("/messages/count_tokens", { model: "echo" })).status, 400);
  });
});

test("mock, responses: what it would have to keep it doesn't know, and says so", async () => {
  for (const [member, value] of [["previous_response_id", "resp_0"], ["conversation", "conv_0"]] as const) {
    const response = await send("/responses", { model: "echo", input: "Hi", [member]: value });
    assert.equal(response.status, 404);
    const { error } = await response.json();
    assert.equal(error.param, member);
    assert.match(error.code, /^(previous_response|conversation)_not_found$/);
    assert.match(error.message, /keeps nothing.*full input/);
  }
});

describe("mock, other paths", () => {
  test("the list of models in the shape of who asks", async () => {
    const chat = await (await get("/models")).json();
    assert.equal(chat.object, "list");
    assert.deepEqual(chat.data.map((model: { id: string }) => model.id), MOCK_MODELS);
    const messages = await (await get("/models", { "anthropic-version": "2026-10-21" })).json();
    assert.equal(messages.has_more, false);
    assert.deepEqual(messages.data.map((model: { id: string }) => model.id), MOCK_MODELS);
    assert.ok(messages.data.every((model: { type: string }) => model.type === "model"));
  });

  test("one model, also one that the list has no room for", async () => {
    assert.equal((await (await get("/models/lorem-7")).json()).id, "lorem-7");
    const response = await get("/models/nothing%20at%20all", { "anthropic-version": "2023-06-01" });
    assert.equal(response.status, 404);
    assert.equal((await response.json()).error.type, "not_found_error");
    assert.equal((await get("/models/%")).status, 404);
  });

  test("unknown paths and HEAD are 404", async () => {
    const response = await send("/nothing", {});
    assert.equal(response.status, 404);
    assert.equal(typeof (await response.json()).error.message, "string");
    assert.equal((await get("/nothing", { "x-api-key": "k" })).status, 404);
    assert.equal((await get("/models", {}, "HEAD")).status, 404);
  });

  test("every model that the list names is there", async () => {
    for (const model of MOCK_MODELS) assert.equal((await get(`/models/${model}`)).status, 200);
  });
});
