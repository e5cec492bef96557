/** TRANSLATION.md, 2.7, every row in both directions, and 2.1's guards by class of model: what the upstream is told. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { lostPaths } from "../support/losses.ts";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { asObject, type Json } from "../support/grammar.ts";
import { bodyOf, FORMATS, PATH, plainBody, post, providerLine } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import type { FormatName } from "../support/told.ts";
import { json, startUpstream, type Upstream } from "../support/upstream.ts";

let upstream: Upstream;
let gateway: StartedGateway;

beforeAll(async () => {
  upstream = await startUpstream(({ path }) =>
    json(bodyOf(FORMATS.find((each) => PATH[each] === path) ?? "chat", said()))
  );
  const provider = (...line: [string, string, string]) => providerLine(upstream, ...line);
  gateway = await startGateway([
    "log: off",
    "providers:",
    provider("oc", "chat", "openai"),
    provider("ocr", "chat, responses", "openai"),
    provider("or", "responses", "openai"),
    provider("an", "messages", "anthropic"),
    provider("lab", "chat", "lab"),
    "capabilities:",
    "  - match: lab/*",
    "    effort_budgets: { low: 100, medium: 200, high: 300 }",
    "    efforts: [low, medium, high, xhigh]",
    "  - { match: an/own-numbers, thinking: budget, effort_budgets: { high: 5000 }, max_output_tokens: 64000 }",
    "  - { match: claude-limited, default_max_tokens: 1234, max_output_tokens: 2345 }",
    "  - { match: claude-contrary, default_max_tokens: 5000, max_output_tokens: 2345 }",
    "  - { match: an/maps, map_server_tools: true }",
    "  - { match: or/maps, map_server_tools: true }",
  ].join("\n"));
});
afterAll(async () => {
  await gateway.stop();
  await upstream.stop();
});

async function told(
  client: FormatName,
  model: string,
  fields: Json,
): Promise<{ body: Json; loss: string; path: string }> {
  const response = await post(gateway.url, client, plainBody(client, model, fields));
  assert.equal(response.status, 200, await response.text());
  const { body, path } = upstream.last();
  return { body: asObject(body), loss: lostPaths(response).join(", "), path };
}

const EFFORT: Record<"chat" | "responses", (effort: string) => Json> = {
  chat: (effort) => ({ reasoning_effort: effort, max_completion_tokens: 64_000 }),
  responses: (effort) => ({ reasoning: { effort, summary: "auto" }, max_output_tokens: 64_000 }),
};

/** Effort → what the classes of Claude are told: `thinking`, `output_config.effort`, and whether something is lost. */
type Told = readonly [thinking: Json | undefined, effort: string | undefined, lossy?: true];
const ADAPTIVE = { type: "adaptive", display: "summarized" };
const budget = (tokens: number): Told => [{ type: "enabled", budget_tokens: tokens }, undefined];
const adaptive = (effort: string): Told => [ADAPTIVE, effort];
const TO_CLAUDE: Record<string, Record<string, Told>> = {
  "claude-opus-4-8": {
    none: [{ type: "disabled" }, undefined],
    minimal: adaptive("low"),
    low: adaptive("low"),
    medium: adaptive("medium"),
    high: adaptive("high"),
    xhigh: adaptive("xhigh"),
    max: adaptive("max"),
  },
  "claude-sonnet-4-6": { xhigh: adaptive("max"), max: adaptive("max") },
  "claude-opus-5-5": { none: [undefined, "low", true], high: adaptive("high") },
  "claude-sonnet-5-5": { none: [{ type: "between_tools" }, undefined, true] },
  "claude-sonnet-4-5": {
    none: [undefined, undefined],
    minimal: budget(1024),
    low: budget(2048),
    medium: budget(8192),
    high: budget(16_384),
    xhigh: budget(24_576),
    max: budget(32_000),
  },
  "claude-opus-4-5": { low: [budget(2048)[0], "low"], max: [budget(32_000)[0], "high"] },
  "own-numbers": { high: budget(5000), low: budget(2048) },
};

describe("2.7: effort to Claude", () => {
  for (const client of ["chat", "responses"] as const) {
    for (const [model, rows] of Object.entries(TO_CLAUDE)) {
      for (const [effort, [thinking, word, lossy]] of Object.entries(rows)) {
        test(`${client} client, ${model}: ${effort}`, async () => {
          const { body, loss } = await told(client, `an/${model}`, EFFORT[client](effort));
          const config = body["output_config"];
          assert.deepEqual(body["thinking"], thinking);
          assert.equal(config === undefined ? undefined : asObject(config)["effort"], word);
          assert.equal(loss !== "", lossy === true, loss);
        });
      }
      test(`${client} client, ${model}: absent is absent`, async () => {
        const { body } = await told(client, `an/${model}`, {});
        assert.equal("thinking" in body || "output_config" in body, false);
      });
    }
  }
});

describe("2.7: case 32, the budget fits into max_tokens", () => {
  const rows: readonly (readonly [number, number | undefined])[] = [
    [1024, undefined],
    [2047, undefined],
    [2048, 1638],
    [
      4096,
      3276,
    ],
    [20_480, 16_384],
    [64_000, 16_384],
  ];
  for (const [max, tokens] of rows) {
    test(`${max} tokens`, async () => {
      const { body, loss } = await told("chat", "an/claude-sonnet-4-5", { reasoning_effort: "high", max_tokens: max });
      assert.deepEqual(body["thinking"], tokens === undefined ? undefined : { type: "enabled", budget_tokens: tokens });
      assert.equal(loss, tokens === undefined ? "reasoning_effort" : "");
      assert.equal(body["max_tokens"], max);
    });
  }
});

/** What a messages client says → effort and summary of an upstream that has all words; the other numbers are clipped. */
const FROM_CLAUDE: readonly (readonly [Json, string | undefined, string | undefined, true?])[] = [
  [{}, undefined, undefined],
  [{ output_config: { effort: "low" } }, "low", undefined],
  [{ output_config: { effort: "medium" } }, "medium", undefined],
  [{ output_config: { effort: "high" } }, "high", undefined],
  [{ output_config: { effort: "xhigh" } }, "xhigh", undefined],
  [{ output_config: { effort: "max" } }, "xhigh", undefined],
  [{ thinking: { type: "adaptive" } }, "high", "auto"],
  [{ thinking: { type: "adaptive", display: "omitted" } }, "high", undefined],
  [{ thinking: { type: "adaptive" }, output_config: { effort: "low" } }, "low", "auto"],
  [{ thinking: { type: "enabled", budget_tokens: 2048 } }, "low", "auto"],
  [{ thinking: { type: "enabled", budget_tokens: 2049 } }, "medium", "auto"],
  [{ thinking: { type: "enabled", budget_tokens: 8192 } }, "medium", "auto"],
  [{ thinking: { type: "enabled", budget_tokens: 16_384 } }, "high", "auto"],
  [{ thinking: { type: "enabled", budget_tokens: 16_385 } }, "xhigh", "auto"],
  [{ thinking: { type: "disabled" } }, "none", undefined],
  [{ thinking: { type: "between_tools" } }, "high", "auto", true],
];

describe("2.7: a messages client to OpenAI", () => {
  for (const [fields, effort, summary, lossy] of FROM_CLAUDE) {
    test(JSON.stringify(fields), async () => {
      const asked = { ...fields, max_tokens: 64_000 };
      const responses = await told("messages", "or/gpt-5.2", asked);
      assert.equal(asObject(responses.body["reasoning"] ?? {})["effort"], effort);
      assert.equal(asObject(responses.body["reasoning"] ?? {})["summary"], summary);
      const chat = await told("messages", "oc/gpt-5.2", asked);
      assert.equal(chat.body["reasoning_effort"], effort);
      assert.equal(responses.loss !== "", lossy === true, responses.loss);
      // Chat can't be told to keep its thinking to itself.
      const isHidden = asObject(asObject(fields)["thinking"] ?? {})["display"] === "omitted";
      assert.equal(chat.loss !== "", lossy === true || isHidden, chat.loss);
    });
  }

  test("words that a model lacks: max → xhigh → high, none → its lowest, with a loss", async () => {
    const word = async (model: string, fields: Json) => {
      const { body, loss } = await told("messages", model, { ...fields, max_tokens: 64_000 });
      return [asObject(body["reasoning"])["effort"], loss];
    };
    const max = { output_config: { effort: "max" } };
    assert.deepEqual(await word("or/gpt-6.1-sol", max), ["max", ""]);
    assert.deepEqual(await word("or/gpt-5.5", max), ["xhigh", ""]);
    assert.deepEqual(await word("or/gpt-5.1", max), ["high", ""]);
    assert.deepEqual(await word("or/gpt-5", { thinking: { type: "disabled" } }), ["minimal", "thinking"]);
    assert.deepEqual(await word("or/gpt-6-astra", { thinking: { type: "disabled" } }), ["low", "thinking"]);
  });

  test("a config's own budgets are read both ways", async () => {
    const { body } = await told("messages", "lab/x", {
      thinking: { type: "enabled", budget_tokens: 1024 },
      max_tokens: 9000,
    });
    assert.equal(body["reasoning_effort"], "xhigh");
  });
});

describe("2.1: guards by class of model", () => {
  const sampling = { temperature: 0.5, top_p: 0.5 };
  const penalties = { frequency_penalty: 1, presence_penalty: 1, logit_bias: { "1": 1 }, logprobs: true };

  test("OpenAI's reasoning models take no sampling fields, unless told not to reason (5.1 and later)", async () => {
    const fields = { ...sampling, max_tokens: 500 };
    const reasoning = await told("messages", "oc/gpt-5.2", fields);
    assert.equal("temperature" in reasoning.body || "top_p" in reasoning.body, false);
    assert.equal(reasoning.loss, "temperature, top_p");
    assert.equal(reasoning.body["max_completion_tokens"], 500);
    const silent = await told("messages", "oc/gpt-5.2", { ...fields, thinking: { type: "disabled" } });
    assert.deepEqual([silent.body["temperature"], silent.loss], [0.5, ""]);
  });

  test("gpt-5-chat reasons not, and takes them", async () => {
    const { body, loss } = await told("messages", "oc/gpt-5-chat-latest", sampling);
    assert.deepEqual([body["temperature"], body["top_p"], loss], [0.5, 0.5, ""]);
  });

  test("system text goes as developer to reasoning models alone", async () => {
    const role = async (model: string) => {
      const { body } = await told("messages", model, { system: "Be brief." });
      return asObject((body["messages"] as unknown[])[0])["role"];
    };
    assert.deepEqual([await role("oc/gpt-5.2"), await role("oc/gpt-4o")], ["developer", "system"]);
  });

  test("reasoning models refuse stop: the gateway cuts (recorded: gpt-5-mini)", async () => {
    for (const model of ["oc/o3", "oc/o4-mini", "oc/gpt-5-mini", "oc/gpt-5.6"]) {
      const { body, loss } = await told("messages", model, { stop_sequences: ["END"] });
      assert.deepEqual(["stop" in body, loss], [false, ""]);
    }
    assert.deepEqual((await told("messages", "oc/gpt-4o", { stop_sequences: ["END"] })).body["stop"], ["END"]);
  });

  test("models that Chat Completions doesn't serve go as responses where they can (case 29)", async () => {
    for (const model of ["gpt-5-codex", "o3-pro", "gpt-5.5-pro"]) {
      assert.equal((await told("messages", `ocr/${model}`, {})).path, PATH.responses);
    }
    assert.equal((await told("messages", "ocr/gpt-5.6", {})).path, PATH.chat);
  });

  test("Claude: case 31, and what older ones take", async () => {
    const newest = await told("chat", "an/claude-opus-5-5", { temperature: 1.5, top_p: 0.5, ...penalties });
    for (const field of ["temperature", "top_p"]) assert.equal(field in newest.body, false);
    const clamped = await told("chat", "an/claude-sonnet-4-5", { temperature: 1.5 });
    assert.deepEqual([clamped.body["temperature"], clamped.loss], [1, "temperature"]);
    const both = await told("chat", "an/claude-3-5-haiku-latest", sampling);
    assert.deepEqual([both.body["temperature"], both.body["top_p"], both.loss], [0.5, undefined, "top_p"]);
  });

  test("max_tokens: the config's, the model's most, 8,192 where nobody knows; clamped with a loss", async () => {
    const rows: readonly (readonly [string, Json, number, string])[] = [
      ["claude-opus-5-5", {}, 128_000, ""],
      ["claude-sonnet-4-5", {}, 64_000, ""],
      ["claude-opus-4-1", {}, 32_000, ""],
      ["unknown-1", {}, 8192, ""],
      ["claude-limited", {}, 1234, ""],
      ["claude-contrary", {}, 2345, ""],
      ["claude-limited", { max_tokens: 2000 }, 2000, ""],
      ["claude-limited", { max_tokens: 9000 }, 2345, "max_tokens"],
      ["claude-sonnet-4-5", { max_tokens: 100_000 }, 64_000, "max_tokens"],
    ];
    for (const [model, fields, expected, lost] of rows) {
      const { body, loss } = await told("chat", `an/${model}`, fields);
      assert.deepEqual([body["max_tokens"], loss], [expected, lost], model);
    }
  });

  test("fields of OpenAI's own go to OpenAI's models alone, whatever serves them", async () => {
    const { body, loss } = await told("responses", "oc/claude-opus-5-5", {
      safety_identifier: "u",
      service_tier: "flex",
    });
    assert.equal("safety_identifier" in body || "service_tier" in body, false);
    assert.equal(loss, "service_tier");
  });
});

describe("GET /v1/models tells the limits, the config's before the table's", () => {
  for (
    const [model, context, output] of [
      ["an/claude-opus-5-5", 1_000_000, 128_000],
      ["an/claude-sonnet-4-5", 200_000, 64_000],
      ["an/claude-limited", 1_000_000, 2345],
      ["lab/somebodys-model", null, null],
    ] as const
  ) {
    test(model, async () => {
      const client = new Anthropic({ apiKey: "client-key", baseURL: gateway.url, maxRetries: 0 });
      const { max_input_tokens, max_tokens } = await client.models.retrieve(model);
      assert.deepEqual([max_input_tokens, max_tokens], [context, output]);
    });
  }
});

describe("inputs: what a model is known not to take is refused, by its path", () => {
  const data = "iVBORw0KGgo=";
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data } };
  const refused: readonly (readonly [FormatName, string, Json, string])[] = [
    ["messages", "lab/deepseek-chat", { messages: [{ role: "user", content: [image] }] }, "messages[0].content[0]"],
    ["responses", "lab/gpt-oss-120b", {
      input: [{ role: "user", content: [{ type: "input_image", image_url: `data:image/png;base64,${data}` }] }],
    }, "input[0].content[0]"],
    ["chat", "an/claude-2.1", {
      messages: [{
        role: "user",
        content: [{ type: "image_url", image_url: { url: `data:image/png;base64,${data}` } }],
      }],
    }, "messages[0].content[0]"],
  ];
  for (const [client, model, fields, param] of refused) {
    test(`${client} client, ${model}`, async () => {
      const before = upstream.requests.length;
      const response = await post(gateway.url, client, plainBody(client, model, fields));
      assert.equal(response.status, 400);
      const error = asObject(asObject(await response.json())["error"]);
      assert.match(String(error["message"]), /takes no image input/);
      if (client !== "messages") assert.equal(error["param"], param);
      assert.equal(upstream.requests.length, before);
    });
  }

  test("an image in a tool's result too; a model of which nobody knows gets it", async () => {
    const messages = [
      { role: "user", content: "Look" },
      { role: "assistant", content: [{ type: "tool_use", id: "a", name: "f", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "a", content: [image] }] },
    ];
    const response = await post(gateway.url, "messages", plainBody("messages", "lab/deepseek-chat", { messages }));
    assert.equal(response.status, 400);
    assert.equal((await told("messages", "lab/somebodys-model", { messages })).loss, "");
  });
});

describe("2.5: code execution is mapped where the config says so", () => {
  const interpreter = { type: "code_interpreter", container: { type: "auto" } };
  const execution = { type: "code_execution_20250825", name: "code_execution" };
  test("responses to messages", async () => {
    assert.deepEqual((await told("responses", "an/maps", { tools: [interpreter] })).body["tools"], [execution]);
    const unmapped = await told("responses", "an/claude-opus-5", { tools: [interpreter] });
    assert.deepEqual(["tools" in unmapped.body, unmapped.loss], [false, "tools[0]"]);
  });
  test("messages to responses", async () => {
    assert.deepEqual((await told("messages", "or/maps", { tools: [execution] })).body["tools"], [interpreter]);
    assert.equal((await told("messages", "or/gpt-5.6", { tools: [execution] })).loss, "tools[0]");
  });
});
