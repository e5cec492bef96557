/**
 * `POST /v1/responses/compact` by the official SDK: bytes pass where the upstream speaks the format, elsewhere a summary
 * that the gateway asks for comes back with the next request, whichever model that goes to (Open Responses 2026-04-24;
 * TRANSLATION.md, section 6).
 */
import { afterAll, beforeAll, beforeEach, describe, test } from "bun:test";
import assert from "node:assert/strict";
import OpenAI from "openai";
import { lostPaths } from "../support/losses.ts";
import { CLIENT_KEY } from "../support/clients.ts";
import { startGateway } from "../support/gateway.ts";
import { asArray, asObject, isObject, type Json } from "../support/grammar.ts";
import { bodyOf, MODEL, type Stage, startStage, TARGET } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { toldTexts } from "../support/state.ts";
import type { FormatName } from "../support/told.ts";
import { json, type Received, type Reply } from "../support/upstream.ts";

let stage: Stage;
/** Another replica: it has seen nothing. */
let replica: Stage;
beforeAll(async () => {
  [stage, replica] = await Promise.all([startStage(), startStage()]);
});
afterAll(() => Promise.all([stage.stop(), replica.stop()]));
beforeEach(() => {
  for (const { requests } of Object.values(stage.upstreams)) requests.length = 0;
});

const EMULATED = ["chat", "messages"] as const;
const SUMMARY = "The user wants Paris — “sunny”, 21 °C. Nothing is left to do.";
const NEXT = "And tomorrow?";

const WINDOW: OpenAI.Responses.ResponseInput = [
  { role: "user", content: "Weather in Paris?" },
  { type: "function_call", call_id: "call_1", name: "get_weather", arguments: '{"city":"Paris"}' },
  { type: "function_call_output", call_id: "call_1", output: "sunny, 21" },
  { type: "message", role: "assistant", content: "Sunny." },
  { role: "user", content: [{ type: "input_text", text: "Thanks." }] },
];

function sdk(on: Stage = stage): OpenAI {
  return new OpenAI({ apiKey: CLIENT_KEY, baseURL: `${on.gateway.url}/v1`, maxRetries: 0 });
}

function summaryReply(format: FormatName): Reply {
  return json(bodyOf(format, said({ blocks: [{ kind: "text", text: SUMMARY }] })));
}

function compact(format: FormatName, fields: Json = {}): Promise<OpenAI.Responses.CompactedResponse> {
  return sdk().responses.compact({ model: MODEL[format], input: WINDOW, ...fields });
}

describe("an upstream that speaks responses", () => {
  const native = {
    id: "resp_1",
    object: "response.compaction",
    created_at: 1_790_000_000,
    output: [{ id: "cmp_1", type: "compaction", encrypted_content: "gAAAAnative" }],
    usage: { input_tokens: 139, output_tokens: 438, total_tokens: 577 },
  };

  test("gets the bytes, at its own address, with the model's name replaced and nothing else", async () => {
    stage.upstreams.responses.answer(json(native));
    assert.deepEqual(await compact("responses", { instructions: "Be brief." }), native);
    const { path, body } = stage.upstreams.responses.last();
    assert.equal(path, "/v1/responses/compact");
    assert.deepEqual(body, { model: TARGET.responses, input: WINDOW, instructions: "Be brief." });
  });

  test("its previous_response_id is its own affair", async () => {
    stage.upstreams.responses.answer(json(native));
    await sdk().responses.compact({ model: MODEL.responses, previous_response_id: "resp_0" });
    assert.deepEqual(stage.upstreams.responses.last().body, {
      model: TARGET.responses,
      previous_response_id: "resp_0",
    });
  });

  test("its refusal passes", async () => {
    const error = {
      message: "Too long",
      type: "invalid_request_error",
      param: "input",
      code: "context_length_exceeded",
    };
    stage.upstreams.responses.answer(json({ error }, 400));
    await assert.rejects(compact("responses"), (thrown: unknown) => {
      assert.ok(thrown instanceof OpenAI.BadRequestError);
      assert.equal(thrown.code, "context_length_exceeded");
      return true;
    });
    assert.equal(stage.upstreams.responses.requests.length, 1);
  });

  test("one without the address is asked for a summary instead", async () => {
    stage.upstreams.responses.answer((request: Received) =>
      request.path.endsWith("/compact") ? json({ error: { message: "no" } }, 404) : summaryReply("responses")
    );
    const compacted = await compact("responses");
    assert.deepEqual(stage.upstreams.responses.requests.map(({ path }) => path), [
      "/v1/responses/compact",
      "/v1/responses",
    ]);
    assert.equal(compacted.output.at(-1)?.type, "compaction");
    assert.equal(asObject(stage.upstreams.responses.last().body)["store"], false);
  });
});

describe("an upstream that doesn't", () => {
  for (const format of EMULATED) {
    test(`${format}: is asked for a summary, not streamed, the window before it`, async () => {
      stage.upstreams[format].answer(summaryReply(format));
      await compact(format, { instructions: "Be brief." });
      const { path, body, text } = stage.upstreams[format].last();
      assert.equal(path, format === "chat" ? "/v1/chat/completions" : "/v1/messages");
      const { model, stream, messages } = asObject(body);
      assert.equal(model, TARGET[format]);
      assert.notEqual(stream, true);
      assert.ok(text.includes("Be brief.") && text.includes("sunny, 21") && text.includes("Thanks."));
      assert.match(JSON.stringify(asArray(messages).at(-1)), /Write a summary/);
    });

    test(`${format}: answers the user's messages and one compaction, as the schema has it, with true usage`, async () => {
      stage.upstreams[format].answer(summaryReply(format));
      const compacted = await compact(format);
      assert.deepEqual(schemaFaults(compacted), []);
      assert.deepEqual(compacted.output.map((item) => item.type), ["message", "message", "compaction"]);
      assert.deepEqual(compacted.output.slice(0, 2).map((item) => asArray(asObject(item)["content"])), [
        [{ type: "input_text", text: "Weather in Paris?" }],
        [{ type: "input_text", text: "Thanks." }],
      ]);
      const { usage } = compacted;
      assert.deepEqual([usage.input_tokens, usage.output_tokens, usage.total_tokens], [57, 31, 88]);
      assert.ok(!JSON.stringify(compacted).includes("sunny"), "the summary is readable on the wire");
    });

    test(`${format}: says that it is emulated, and is refused to those who want nothing else than it`, async () => {
      stage.upstreams[format].answer(summaryReply(format));
      const asked = (headers: Record<string, string>) =>
        fetch(`${stage.gateway.url}/v1/responses/compact`, {
          method: "POST",
          headers: { authorization: `Bearer ${CLIENT_KEY}`, "content-type": "application/json", ...headers },
          body: JSON.stringify({ model: MODEL[format], input: "Weather in Paris?" }),
        });
      const told = await asked({});
      assert.deepEqual([told.status, lostPaths(told)], [200, ["input"]]);
      assert.match(told.headers.get("x-trivium-loss") ?? "", /input;emulated/);
      const refused = await asked({ "x-trivium-strict": "1" });
      assert.equal(refused.status, 400);
      assert.match(await refused.text(), /emulated: the model is asked for a summary/);
    });

    for (const next of ["chat", "messages", "responses"] as const) {
      test(`${format}: the summary comes back to a ${next} upstream, through any replica`, async () => {
        stage.upstreams[format].answer(summaryReply(format));
        const { output } = await compact(format);
        const upstream = replica.upstreams[next];
        upstream.answer(json(bodyOf(next, said())));
        const input = [...output, { role: "user", content: NEXT }] as OpenAI.Responses.ResponseInput;
        const answer = await sdk(replica).responses.create({ model: MODEL[next], input, store: false }).withResponse();
        assert.equal(answer.data.output_text, "Hello from upstream.");
        const { text } = upstream.last();
        assert.ok(text.includes(SUMMARY), text);
        assert.ok(text.indexOf("Thanks.") < text.indexOf(SUMMARY) && text.indexOf(SUMMARY) < text.indexOf(NEXT));
        assert.ok(!text.includes("gw1"), text);
        assert.deepEqual(lostPaths(answer.response), ["input[2]"]);
      });
    }

    test(`${format}: a compacted window can be compacted again`, async () => {
      stage.upstreams[format].answer(summaryReply(format));
      const { output } = await compact(format);
      const again = await compact(format, { input: [...output, { role: "user", content: NEXT }] });
      assert.ok(stage.upstreams[format].last().text.includes(SUMMARY));
      assert.deepEqual(again.output.map((item) => item.type), ["message", "message", "message", "compaction"]);
    });

    test(`${format}: its refusal is told in the client's shape`, async () => {
      stage.upstreams[format].answer(json({ error: { type: "rate_limit_error", message: "Slow down" } }, 429));
      await assert.rejects(compact(format), OpenAI.RateLimitError);
    });

    test(`${format}: an answer without a summary, or with half of one, is a fault of the upstream's`, async () => {
      for (const answer of [said({ blocks: [] }), said({ stop: "max_tokens" })]) {
        stage.upstreams[format].answer(json(bodyOf(format, answer)));
        await assert.rejects(compact(format), (thrown: unknown) => {
          assert.ok(thrown instanceof OpenAI.APIError);
          assert.equal(thrown.status, 502);
          assert.match(thrown.message, /summary/);
          return true;
        });
      }
    });

    test(`${format}: an earlier response that is kept here is what is compacted`, async () => {
      stage.upstreams[format].answer(json(bodyOf(format, said({ blocks: [{ kind: "text", text: "Sunny." }] }))));
      const { id } = await sdk().responses.create({ model: MODEL[format], input: "Weather in Paris?" });
      stage.upstreams[format].answer(summaryReply(format));
      const compacted = await sdk().responses.compact({
        model: MODEL[format],
        previous_response_id: id,
        input: "Thanks.",
      });
      assert.deepEqual(toldTexts(stage, format).slice(0, 3), ["Weather in Paris?", "Sunny.", "Thanks."]);
      assert.deepEqual(compacted.output.map(({ type }) => type), ["message", "message", "compaction"]);
      stage.upstreams[format].answer(summaryReply(format));
      await sdk().responses.compact({ model: MODEL[format], previous_response_id: id });
      assert.deepEqual(toldTexts(stage, format).slice(0, 2), ["Weather in Paris?", "Sunny."]);
    });

    test(`${format}: an earlier response's id that nobody knows is refused by its code`, async () => {
      const asked = sdk().responses.compact({ model: MODEL[format], previous_response_id: "resp_0" });
      await assert.rejects(asked, (thrown: unknown) => {
        assert.ok(thrown instanceof OpenAI.NotFoundError);
        assert.deepEqual([thrown.param, thrown.code], ["previous_response_id", "previous_response_not_found"]);
        return true;
      });
      assert.equal(stage.upstreams[format].requests.length, 0);
    });

    test(`${format}: nothing to compact`, async () => {
      for (const input of [undefined, null, "", []]) {
        const asked = sdk().responses.compact({ model: MODEL[format], ...(input === undefined ? {} : { input }) });
        await assert.rejects(asked, (thrown: unknown) => {
          assert.ok(thrown instanceof OpenAI.BadRequestError);
          assert.equal(thrown.param, "input");
          return true;
        });
      }
    });

    test(`${format}: a string is a window too; tools are shown and not called`, async () => {
      stage.upstreams[format].answer(summaryReply(format));
      const tools = [{ type: "function", name: "get_weather", parameters: { type: "object" }, strict: false }];
      const compacted = await compact(format, { input: "Hello", tools });
      assert.deepEqual(compacted.output.map((item) => item.type), ["message", "compaction"]);
      assert.match(JSON.stringify(asObject(stage.upstreams[format].last().body)["tool_choice"]), /none/);
    });
  }
});

test("explain shows the request that would be sent, on either way", async () => {
  const explained = async (format: FormatName): Promise<string> => {
    const response = await fetch(`${stage.gateway.url}/v1/responses/compact`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-trivium-explain": "1" },
      body: JSON.stringify({ model: MODEL[format], input: WINDOW }),
    });
    assert.equal(response.status, 200);
    return JSON.stringify(await response.json());
  };
  assert.match(await explained("responses"), /\/v1\/responses\/compact/);
  assert.match(await explained("messages"), /\/v1\/messages".*Write a summary/);
});

test("the built-in mock's models can be compacted", async () => {
  const gateway = await startGateway("log: off\nproviders: { mock: {} }\n");
  try {
    const client = new OpenAI({ apiKey: CLIENT_KEY, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    assert.deepEqual(schemaFaults(await client.responses.compact({ model: "mock/echo", input: "Hello" })), []);
  } finally {
    await gateway.stop();
  }
});

test("other methods are refused", async () => {
  const got = await fetch(`${stage.gateway.url}/v1/responses/compact`);
  assert.equal(got.status, 405);
  await got.body?.cancel();
});

/** What the Open Responses schema `CompactResource` requires; written from it, as the specs aren't a part of the project. */
function schemaFaults(value: unknown): string[] {
  const { id, object, output, created_at, usage } = asObject(value);
  const { input_tokens_details, output_tokens_details, ...counts } = asObject(usage);
  const items = asArray(output).map(asObject);
  const faults: readonly (readonly [boolean, string])[] = [
    [/^resp_./.test(String(id)), "id"],
    [object === "response.compaction", "object"],
    [Number.isInteger(created_at), "created_at"],
    [["input_tokens", "output_tokens", "total_tokens"].every((key) => Number.isInteger(counts[key])), "usage"],
    [Number.isInteger(asObject(input_tokens_details)["cached_tokens"]), "cached_tokens"],
    [Number.isInteger(asObject(output_tokens_details)["reasoning_tokens"]), "reasoning_tokens"],
    [items.every(isItem), "output"],
    [items.filter((item) => item["type"] === "compaction").length === 1, "one compaction"],
    [items.at(-1)?.["type"] === "compaction", "the compaction is last"],
  ];
  return faults.flatMap(([holds, name]) => holds ? [] : [name]);
}

function isItem({ id, type, status, role, content, encrypted_content }: Json): boolean {
  if (type === "compaction") return /^cmp_./.test(String(id)) && typeof encrypted_content === "string";
  return type === "message" && /^msg_./.test(String(id)) && status === "completed" && role === "user" &&
    asArray(content).every(isObject);
}
