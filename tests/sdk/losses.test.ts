/**
 * Every field of TRANSLATION.md, section 2, that has no partner or a lesser one in another format: what becomes of it
 * upstream, and that `x-trivium-loss` names exactly what was lost, by the client's own paths: nothing more, nothing less.
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { asArray, asObject, type Json } from "../support/grammar.ts";
import { lostPaths } from "../support/losses.ts";
import { bodyOf, FORMATS, PATH, plainBody, post } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import type { FormatName } from "../support/told.ts";
import { json, startUpstream, type Upstream } from "../support/upstream.ts";

let upstream: Upstream;
let gateway: StartedGateway;

/** Providers: OpenAI by both of its formats, Anthropic, and a lab that only says that it is compatible. */
beforeAll(async () => {
  upstream = await startUpstream(({ path }) => {
    const format = FORMATS.find((each) => PATH[each] === path) ?? "chat";
    return json(bodyOf(format, said()));
  });
  const provider = (name: string, format: FormatName, family: string) =>
    `  ${name}: { base_url: "${upstream.url}/v1", formats: [${format}], family: ${family}, api_key: k }`;
  gateway = await startGateway([
    "log: off",
    "providers:",
    provider("oc", "chat", "openai"),
    provider("or", "responses", "openai"),
    provider("an", "messages", "anthropic"),
    provider("lab", "chat", "lab"),
  ].join("\n"));
});
afterAll(async () => {
  await gateway.stop();
  await upstream.stop();
});

interface Answered {
  told: Json;
  losses: string[];
}

async function ask(client: FormatName, model: string, fields: Json, headers: Record<string, string> = {}) {
  const response = await post(gateway.url, client, plainBody(client, model, fields), { headers });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  const losses = lostPaths(response);
  return { told: asObject(upstream.last().body), losses } satisfies Answered;
}

/** Client, model, fields, the losses in any order; then what the upstream was told, by a dotted path. */
type Row = readonly [FormatName, string, Json, readonly string[], (readonly [string, unknown])?];

function at(body: Json, path: string): unknown {
  return path.split(".").reduce<unknown>(
    (value, key) => /^\d+$/.test(key) ? asArray(value)[Number(key)] : asObject(value)[key],
    body,
  );
}

function table(rows: readonly Row[]): void {
  for (const [client, model, fields, losses, expected] of rows) {
    test(`${client} to ${model}: ${JSON.stringify(fields).slice(0, 150)}`, async () => {
      const answered = await ask(client, model, fields);
      assert.deepEqual(answered.losses.toSorted(), losses.toSorted());
      if (expected !== undefined) assert.deepEqual(at(answered.told, expected[0]), expected[1]);
    });
  }
}

/** Client, model, fields, the param that the refusal names. Nothing goes upstream. */
function refusals(rows: readonly (readonly [FormatName, string, Json, string])[]): void {
  for (const [client, model, fields, param] of rows) {
    test(`${client} to ${model} is refused: ${JSON.stringify(fields).slice(0, 150)}`, async () => {
      const before = upstream.requests.length;
      const response = await post(gateway.url, client, plainBody(client, model, fields));
      assert.equal(response.status, 400);
      const error = asObject(asObject(await response.json())["error"]);
      if (client === "messages") assert.match(String(error["message"]), new RegExp(param.replace(/[[\].]/g, "\\$&")));
      else assert.equal(error["param"], param);
      assert.equal(upstream.requests.length, before);
    });
  }
}

const OPUS = "an/claude-opus-5-5";
const OPUS_46 = "an/claude-opus-4-6";
const SONNET = "an/claude-sonnet-4-5";
const OPEN = { type: "object", properties: { a: { type: "string" } } };
const CLOSED = { ...OPEN, required: ["a"], additionalProperties: false };
const EMPTY = { type: "object", properties: {} };
const chatTool = { type: "function", function: { name: "f", parameters: EMPTY } };
const messagesTool = { name: "f", input_schema: EMPTY };
const responsesTool = { type: "function", name: "f", parameters: EMPTY, strict: false };
const MARK = { cache_control: { type: "ephemeral" } };

describe("sampling (2.1)", () => {
  table([
    ["chat", SONNET, { temperature: 1.5 }, ["temperature"], ["temperature", 1]],
    ["chat", SONNET, { temperature: 0.5, top_p: 0.5 }, ["top_p"], ["temperature", 0.5]],
    ["chat", SONNET, { top_k: 5 }, [], ["top_k", 5]],
    ["chat", SONNET, { reasoning_effort: "high", temperature: 0.5, top_p: 0.5, top_k: 4 }, [
      "temperature",
      "top_p",
      "top_k",
    ]],
    ["responses", OPUS, { temperature: 0.2, top_p: 0.5 }, ["temperature", "top_p"]],
    ["chat", OPUS, { temperature: 1, top_p: 0.995 }, [], ["top_p", 0.995]],
    ["chat", SONNET, { frequency_penalty: 0.5, presence_penalty: 0.5, seed: 7, logit_bias: { "1": 5 } }, [
      "frequency_penalty",
      "presence_penalty",
      "seed",
      "logit_bias",
    ]],
    ["chat", SONNET, { frequency_penalty: 0, presence_penalty: 0, logit_bias: {}, n: 1, logprobs: false }, []],
    ["chat", "or/gpt-5", { reasoning_effort: "high", temperature: 0.5, logprobs: true }, ["temperature", "logprobs"]],
    ["chat", "or/gpt-5.1", { reasoning_effort: "none", temperature: 0.5 }, [], ["temperature", 0.5]],
    ["messages", "or/gpt-5.1", { thinking: { type: "disabled" }, temperature: 0.5 }, [], ["temperature", 0.5]],
    // It can't be told not to reason, so that it takes no temperature either.
    ["chat", "or/gpt-5", { reasoning_effort: "none", temperature: 0.5 }, ["reasoning_effort", "temperature"]],
    ["messages", "oc/gpt-5", { temperature: 0.5, top_k: 5, top_p: 0.9 }, ["temperature", "top_k", "top_p"]],
    ["messages", "oc/gpt-4o", { temperature: 0.5, top_p: 0.9 }, [], ["temperature", 0.5]],
    ["responses", SONNET, { top_logprobs: 3 }, ["top_logprobs"]],
    ["chat", "or/gpt-4o", { logprobs: true, top_logprobs: 3 }, [], ["top_logprobs", 3]],
  ]);
});

describe("max tokens (2.1)", () => {
  table([
    ["chat", SONNET, {}, [], ["max_tokens", 64_000]],
    ["chat", OPUS, {}, [], ["max_tokens", 128_000]],
    ["chat", "an/claude-opus-4-1", {}, [], ["max_tokens", 32_000]],
    ["chat", "an/some-model", {}, [], ["max_tokens", 8192]],
    ["chat", SONNET, { max_tokens: 200_000 }, ["max_tokens"], ["max_tokens", 64_000]],
    ["messages", "oc/gpt-4o", { max_tokens: 32_000 }, ["max_tokens"], ["max_completion_tokens", 16_384]],
    ["messages", "or/gpt-5", { max_tokens: 1 }, ["max_tokens"], ["max_output_tokens", 16]],
    ["responses", "lab/m", { max_output_tokens: 1 }, [], ["max_completion_tokens", 1]],
  ]);
  refusals([
    ["messages", "oc/gpt-4o", { max_tokens: 0 }, "max_tokens"],
    ["messages", "or/gpt-4o", { max_tokens: 0 }, "max_tokens"],
    ["chat", SONNET, { max_tokens: 0 }, "max_tokens"],
    ["chat", SONNET, { max_completion_tokens: -1 }, "max_completion_tokens"],
    ["responses", SONNET, { max_output_tokens: -1 }, "max_output_tokens"],
  ]);
});

describe("stop sequences (2.1)", () => {
  table([
    ["messages", "oc/gpt-4o", { stop_sequences: ["a", "b", "c", "d", "e"] }, ["stop_sequences"], [
      "stop",
      ["a", "b", "c", "d"],
    ]],
    ["messages", "oc/o3", { stop_sequences: ["a"] }, [], ["stop", undefined]],
    ["messages", "oc/o3", { stop_sequences: ["a"], tools: [messagesTool] }, ["stop_sequences"]],
    ["chat", "or/gpt-4o", { stop: "a", tools: [chatTool] }, ["stop"]],
    ["chat", "or/gpt-4o", { stop: "a", response_format: { type: "json_object" } }, ["stop"]],
    ["chat", "or/gpt-4o", { stop: "a" }, []],
    ["chat", SONNET, { stop: ["\n", "END"] }, [], ["stop_sequences", ["END"]]],
  ]);
});

describe("structured output (2.1, 2.4)", () => {
  const schema = (body: Json, strict?: boolean) => ({
    type: "json_schema",
    json_schema: { name: "n", schema: body, ...(strict === undefined ? {} : { strict }) },
  });
  const messagesFormat = (body: Json) => ({ output_config: { format: { type: "json_schema", schema: body } } });
  table([
    ["chat", SONNET, { response_format: { type: "json_object" } }, ["response_format"], [
      "system",
      "Answer with one JSON object and nothing else: no prose, no code fence.",
    ]],
    ["responses", SONNET, { text: { format: { type: "json_object" } } }, ["text.format"]],
    ["chat", SONNET, { response_format: { type: "text" } }, []],
    ["chat", SONNET, { response_format: schema(CLOSED, true) }, [], ["output_config.format.schema", CLOSED]],
    ["chat", "or/gpt-4o", { response_format: schema(OPEN, true) }, ["response_format"], ["text.format.strict", false]],
    ["chat", "or/gpt-4o", { response_format: schema(OPEN) }, [], ["text.format.strict", undefined]],
    ["messages", "or/gpt-4o", messagesFormat(CLOSED), [], ["text.format.strict", true]],
    ["messages", "or/gpt-4o", messagesFormat(OPEN), ["output_config.format"], ["text.format.strict", false]],
    ["messages", "oc/gpt-4o", messagesFormat(CLOSED), [], ["response_format.json_schema.strict", true]],
    ["messages", "oc/gpt-4o", messagesFormat(OPEN), ["output_config.format"], [
      "response_format.json_schema.name",
      "structured_output",
    ]],
    ["responses", SONNET, { text: { verbosity: "low" } }, ["text.verbosity"]],
    ["responses", "oc/gpt-5", { text: { verbosity: "low" } }, [], ["verbosity", "low"]],
    ["responses", "lab/m", { text: { verbosity: "low" } }, ["text.verbosity"]],
    // The tool must win: there is no text to be formatted (CLIENTS.md).
    ["chat", SONNET, { response_format: { type: "json_object" }, tools: [chatTool], tool_choice: "required" }, []],
  ]);
});

describe("reasoning (2.7)", () => {
  table([
    ["chat", OPUS_46, { reasoning_effort: "xhigh" }, [], ["output_config.effort", "max"]],
    ["chat", OPUS, { reasoning_effort: "xhigh" }, [], ["output_config.effort", "xhigh"]],
    ["chat", OPUS, { reasoning_effort: "minimal" }, [], ["output_config.effort", "low"]],
    ["chat", "an/claude-opus-5", { reasoning_effort: "none" }, [], ["thinking", { type: "disabled" }]],
    ["chat", OPUS, { reasoning_effort: "none" }, ["reasoning_effort"], ["output_config", { effort: "low" }]],
    ["chat", SONNET, { reasoning_effort: "none" }, [], ["thinking", undefined]],
    ["chat", "an/claude-3-5-haiku", { reasoning_effort: "high" }, ["reasoning_effort"]],
    ["responses", SONNET, { reasoning: { effort: "low" } }, [], ["thinking", {
      type: "enabled",
      budget_tokens: 2048,
      display: "omitted",
    }]],
    ["responses", SONNET, { reasoning: { effort: "low", summary: "auto" } }, [], ["thinking", {
      type: "enabled",
      budget_tokens: 2048,
    }]],
    ["responses", "oc/gpt-5.1", { reasoning: { effort: "low", context: "all_turns", mode: "x" } }, [
      "reasoning.context",
      "reasoning.mode",
    ], ["reasoning_effort", "low"]],
    ["responses", SONNET, { reasoning: { effort: "low", context: "all_turns" } }, ["reasoning.context"]],
    ["messages", "oc/gpt-5", { thinking: { type: "enabled", budget_tokens: 2048 } }, [], ["reasoning_effort", "low"]],
    ["messages", "or/gpt-5", { thinking: { type: "enabled", budget_tokens: 8192 } }, [], ["reasoning", {
      effort: "medium",
      summary: "auto",
    }]],
    ["messages", "or/gpt-5.2", { thinking: { type: "enabled", budget_tokens: 30_000 }, max_tokens: 40_000 }, [], [
      "reasoning.effort",
      "xhigh",
    ]],
    ["messages", "or/gpt-5.1", { thinking: { type: "adaptive", display: "omitted" } }, [], ["reasoning", {
      effort: "high",
    }]],
    ["messages", "or/gpt-5.1", { thinking: { type: "between_tools" } }, ["thinking"], ["reasoning.effort", "high"]],
    ["messages", "or/gpt-5", { thinking: { type: "disabled" } }, ["thinking"], ["reasoning.effort", "minimal"]],
    ["messages", "oc/gpt-5.6", { thinking: { type: "adaptive" }, tools: [messagesTool] }, ["thinking"], [
      "reasoning_effort",
      "none",
    ]],
    ["messages", "lab/openai/gpt-5.6", { thinking: { type: "adaptive" }, tools: [messagesTool] }, [], [
      "reasoning_effort",
      "high",
    ]],
    ["messages", "oc/gpt-4o", { thinking: { type: "adaptive" } }, ["thinking"]],
    ["messages", "oc/gpt-4o", { output_config: { effort: "low" } }, ["output_config.effort"]],
    ["messages", "oc/gpt-4o", { thinking: { type: "disabled" } }, []],
  ]);
});

describe("who pays and who asks (2.1)", () => {
  const claudeCode = JSON.stringify({ device_id: "d".repeat(80), session_id: "s-1" });
  table([
    ["chat", SONNET, { service_tier: "auto" }, [], ["service_tier", "auto"]],
    ["chat", SONNET, { service_tier: "default" }, [], ["service_tier", "standard_only"]],
    ["chat", SONNET, { service_tier: "flex" }, ["service_tier"]],
    ["messages", "or/gpt-4o", { service_tier: "standard_only" }, [], ["service_tier", "default"]],
    ["messages", "lab/m", { service_tier: "standard_only" }, [], ["service_tier", undefined]],
    ["responses", "lab/m", { service_tier: "flex" }, ["service_tier"]],
    ["chat", SONNET, { user: "u-1" }, [], ["metadata.user_id", "u-1"]],
    ["chat", SONNET, { user: "a@b.com" }, ["user"]],
    ["messages", "oc/gpt-4o", { metadata: { user_id: "u-1" } }, [], ["safety_identifier", "u-1"]],
    ["messages", "oc/gpt-4o", { metadata: { user_id: claudeCode } }, [], ["prompt_cache_key", "s-1"]],
    ["messages", "or/gpt-4o", { metadata: { user_id: claudeCode } }, [], ["prompt_cache_key", "s-1"]],
    ["messages", "lab/m", { metadata: { user_id: claudeCode } }, []],
    ["chat", SONNET, { metadata: { a: "b" }, store: true }, ["metadata", "store"]],
    // The gateway keeps the response, and with it what is noted on it.
    ["responses", "oc/gpt-4o", { metadata: { a: "b" } }, []],
    ["responses", SONNET, { metadata: { a: "b" } }, []],
    ["responses", "oc/gpt-4o", { metadata: { a: "b" }, store: false }, ["metadata"]],
    ["responses", "oc/gpt-4o", { metadata: {} }, []],
    ["responses", "oc/gpt-4o", { metadata: { a: "b" }, store: true }, [], ["store", true]],
    ["responses", "lab/m", { store: true }, [], ["store", undefined]],
    ["chat", "or/gpt-4o", {}, [], ["store", false]],
  ]);
});

describe("what only one format has (2.1)", () => {
  table([
    ["chat", SONNET, { prediction: { type: "content", content: "x" } }, ["prediction"]],
    ["chat", "or/gpt-4o", { prediction: { type: "content", content: "x" } }, ["prediction"]],
    ["chat", "or/gpt-4o", { moderation: { model: "m" } }, ["moderation"], ["moderation", { model: "m" }]],
    ["responses", "oc/gpt-4o", { moderation: { model: "m" } }, ["moderation"], ["moderation", { model: "m" }]],
    ["responses", SONNET, { truncation: "auto" }, ["truncation"]],
    ["responses", "oc/gpt-4o", { truncation: "disabled", background: false, include: [] }, []],
    ["responses", SONNET, { include: ["reasoning.encrypted_content"] }, []],
    ["responses", SONNET, { include: ["file_search_call.results"] }, ["include"]],
    ["responses", "oc/gpt-4o", { include: ["file_search_call.results"] }, ["include"]],
    ["responses", "oc/gpt-4o", { max_tool_calls: 3, personality: "x", client_metadata: { a: "b" } }, [
      "max_tool_calls",
      "personality",
      "client_metadata",
    ]],
    ["messages", "oc/gpt-4o", { speed: "fast", inference_geo: "us", fallbacks: [{ model: "x" }] }, [
      "speed",
      "inference_geo",
      "fallbacks",
    ]],
    ["messages", "or/gpt-4o", { container: null, mcp_servers: [], diagnostics: null, new_field: 1 }, ["new_field"]],
    ["chat", SONNET, { new_field: null, other: 1 }, ["other"]],
    ["messages", "oc/gpt-4o", { context_management: { edits: [{ type: "clear_thinking_20251015" }] } }, [
      "context_management",
    ]],
    ["messages", "or/gpt-4o", { context_management: { edits: [{ type: "clear_thinking_20251015" }] } }, [
      "context_management",
    ]],
    [
      "messages",
      "or/gpt-4o",
      {
        context_management: { edits: [{ type: "compact_20260112", trigger: { type: "input_tokens", value: 50_000 } }] },
      },
      [],
      ["context_management", [{ type: "compaction", compact_threshold: 50_000 }]],
    ],
    [
      "messages",
      "or/gpt-4o",
      { context_management: { edits: [{ type: "compact_20260112", instructions: "Be brief" }] } },
      ["context_management"],
      ["context_management", [{ type: "compaction", compact_threshold: 150_000 }]],
    ],
  ]);
  refusals([
    ["chat", SONNET, { moderation: { model: "m" } }, "moderation"],
    ["responses", SONNET, { moderation: { model: "m" } }, "moderation"],
    ["responses", "lab/m", { moderation: { model: "m" } }, "moderation"],
    ["messages", "oc/gpt-4o", { container: "c" }, "container"],
    ["messages", "or/gpt-4o", { mcp_servers: [{ name: "s" }] }, "mcp_servers"],
    ["messages", "oc/gpt-4o", { compaction: { enabled: true } }, "compaction"],
    ["responses", SONNET, { prompt: { id: "p" } }, "prompt"],
  ]);

  test("a thread is refused in the words that make the SDK go on without", async () => {
    for (const model of ["oc/gpt-4o", "or/gpt-4o"]) {
      const response = await post(
        gateway.url,
        "messages",
        plainBody("messages", model, { thread: { type: "create" } }),
      );
      assert.equal(response.status, 400);
      const { details } = asObject(asObject(await response.json())["error"]);
      assert.deepEqual(details, { error_code: "thread_unsupported_request", unsupported: ["thread"] });
    }
  });
});

describe("caching (1.5, 2.1)", () => {
  const system = [{ type: "text", text: "a" }, { type: "text", text: "b", ...MARK }];
  const marked = (count: number) => ({
    messages: [{
      role: "user",
      content: Array.from({ length: count }, (_, index) => ({ type: "text", text: `t${index}`, ...MARK })),
    }],
  });
  const hour = { cache_control: { type: "ephemeral", ttl: "1h" } };
  table([
    ["messages", "oc/gpt-4o", { system, tools: [{ ...messagesTool, ...MARK }], ...marked(1) }, [
      "system[1].cache_control",
      "tools[0].cache_control",
      "messages[0].content[0].cache_control",
    ]],
    ["messages", "or/gpt-4o", { system, tools: [{ ...messagesTool, ...MARK }], ...marked(1) }, [
      "system[1].cache_control",
      "tools[0].cache_control",
      "messages[0].content[0].cache_control",
    ]],
    ["messages", "oc/gpt-5.6", { system, ...marked(1) }, [], ["messages.0.content.1.prompt_cache_breakpoint", {
      mode: "explicit",
    }]],
    ["messages", "oc/gpt-5.6", marked(6), [
      "messages[0].content[0].cache_control",
      "messages[0].content[1].cache_control",
    ]],
    ["messages", "or/gpt-5.6", marked(6), [
      "messages[0].content[0].cache_control",
      "messages[0].content[1].cache_control",
    ]],
    ["messages", "or/gpt-5.6", { system: [{ type: "text", text: "a", ...hour }] }, ["system[0].cache_control.ttl"]],
    ["messages", "oc/gpt-5.6", { system: [{ type: "text", text: "a", ...hour }] }, ["system[0].cache_control.ttl"]],
    ["messages", "oc/gpt-4o", MARK, []],
    ["messages", "or/gpt-4o", hour, ["cache_control.ttl"]],
    ["responses", "oc/gpt-4o", {
      input: [{
        role: "user",
        content: [{ type: "input_text", text: "a", prompt_cache_breakpoint: { mode: "explicit" } }],
      }],
    }, ["input[0].content[0].prompt_cache_breakpoint"]],
    ["chat", SONNET, {
      messages: [{ role: "user", content: [1, 2, 3, 4, 5].map((n) => ({ type: "text", text: `${n}`, ...MARK })) }],
    }, ["messages[0].content[0].cache_control"]],
    ["chat", SONNET, { prompt_cache_key: "k" }, ["prompt_cache_key"]],
    ["chat", SONNET, { prompt_cache_retention: "24h" }, ["prompt_cache_retention"]],
    ["chat", SONNET, { prompt_cache_retention: "in_memory" }, []],
    ["responses", SONNET, { prompt_cache_options: { ttl: "30m" } }, ["prompt_cache_options.ttl"]],
    ["chat", SONNET, { prompt_cache_options: { mode: "implicit" } }, [], ["cache_control", { type: "ephemeral" }]],
    ["chat", SONNET, { prompt_cache_options: { mode: "explicit" } }, [], ["cache_control", undefined]],
    ["chat", "or/gpt-4o", { prompt_cache_key: "k", prompt_cache_retention: "24h" }, [], [
      "prompt_cache_retention",
      "24h",
    ]],
  ]);
});

describe("tools (2.4 to 2.6)", () => {
  const namespace = { type: "namespace", name: "ns", tools: [responsesTool] };
  const defaults = {
    input_examples: [],
    eager_input_streaming: false,
    allowed_callers: ["direct"],
    defer_loading: false,
  };
  const said = {
    input_examples: [{ a: 1 }],
    eager_input_streaming: true,
    allowed_callers: ["code_execution"],
    defer_loading: true,
  };
  // Arguments come as they are written, whoever writes them.
  const lost = ["input_examples", "allowed_callers", "defer_loading"].map((key) => `tools[0].${key}`);
  table([
    ["responses", "oc/gpt-4o", { tools: [namespace] }, [], ["tools.0.function.name", "ns__f"]],
    ["responses", SONNET, { tools: [namespace] }, [], ["tools.0.name", "ns__f"]],
    ["responses", SONNET, { tools: [{ ...namespace, description: "D", order: 1 }] }, ["tools[0].order"]],
    ["responses", "oc/gpt-4o", { tools: [{ ...namespace, description: "D", order: 1 }] }, ["tools[0].order"]],
    ["messages", "oc/gpt-4o", { tools: [{ ...messagesTool, ...defaults }] }, []],
    ["messages", "or/gpt-4o", { tools: [{ ...messagesTool, ...defaults }] }, []],
    ["messages", "oc/gpt-4o", { tools: [{ ...messagesTool, ...said }] }, lost],
    ["messages", "or/gpt-4o", { tools: [{ ...messagesTool, ...said }] }, lost],
    ["chat", SONNET, { tools: [{ type: "function", x: 1, function: { name: "f", y: 2 } }] }, [
      "tools[0].x",
      "tools[0].function.y",
    ]],
    ["chat", SONNET, { tools: [{ type: "function", function: { name: "f", parameters: OPEN, strict: true } }] }, [
      "tools[0].function.strict",
    ]],
    ["chat", SONNET, { tools: [{ type: "function", function: { name: "f", parameters: CLOSED, strict: true } }] }, [], [
      "tools.0.strict",
      true,
    ]],
    ["responses", SONNET, { tools: [{ ...responsesTool, defer_loading: true }] }, ["tools[0].defer_loading"]],
    ["responses", "oc/gpt-4o", { tools: [{ ...responsesTool, defer_loading: true }] }, ["tools[0].defer_loading"]],
    ["responses", SONNET, { tools: [{ type: "web_search", external_web_access: false }] }, [
      "tools[0].external_web_access",
    ]],
    ["chat", "or/gpt-4o", { tools: [{ type: "lab:web_search", parameters: { max_uses: 1 } }] }, [
      "tools[0].parameters",
    ]],
    [
      "messages",
      "or/gpt-4o",
      { tools: [{ type: "web_search_20250305", name: "web_search", response_inclusion: "x" }] },
      [
        "tools[0].response_inclusion",
      ],
    ],
    ["messages", "or/gpt-4o", { tools: [{ type: "web_search_20250305", name: "web_search", max_uses: null }] }, []],
    [
      "messages",
      "or/gpt-4o",
      { tools: [{ type: "web_search_20250305", name: "web_search", max_uses: 3, blocked_domains: ["a.b"] }] },
      ["tools[0].max_uses", "tools[0].blocked_domains"],
    ],
    ["chat", SONNET, {
      tools: [{
        type: "custom",
        custom: { name: "f", format: { type: "grammar", grammar: { syntax: "regex", definition: "a" } } },
      }],
    }, ["tools[0].custom.format"]],
    ["responses", SONNET, { input: "Hi", include: ["message.output_text.logprobs"] }, ["include"]],
    ["messages", "oc/gpt-4o", { messages: [{ role: "user", content: "Hi", note: "" }] }, []],
    ["messages", "or/gpt-4o", { tools: [{ type: "bash_20250124", name: "bash" }] }, [], ["tools.0.name", "bash"]],
    ["messages", "oc/gpt-4o", { tools: [messagesTool, { type: "web_search_20250305", name: "web_search" }] }, [
      "tools[1]",
    ]],
    [
      "messages",
      "or/gpt-4o",
      { tools: [{ type: "web_search_20250305", name: "web_search", allowed_domains: ["a"] }] },
      [],
      [
        "tools.0",
        { type: "web_search", filters: { allowed_domains: ["a"] } },
      ],
    ],
    ["responses", SONNET, { tools: [{ type: "web_search", search_context_size: "low" }] }, [
      "tools[0].search_context_size",
    ]],
    ["chat", SONNET, { tool_choice: "required" }, ["tool_choice"]],
    ["chat", SONNET, { tool_choice: "auto", parallel_tool_calls: false }, []],
    ["chat", SONNET, { tools: [chatTool], parallel_tool_calls: false }, [], ["tool_choice", {
      type: "auto",
      disable_parallel_tool_use: true,
    }]],
    [
      "responses",
      SONNET,
      {
        tools: [responsesTool, { ...responsesTool, name: "g" }],
        tool_choice: { type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "f" }] },
      },
      ["tool_choice"],
      ["tool_choice", { type: "any" }],
    ],
  ]);
  refusals([
    ["messages", "oc/gpt-4o", { tools: [{ type: "web_search_20250305", name: "web_search" }] }, "tools"],
    ["responses", SONNET, { tools: [{ type: "file_search", vector_store_ids: ["v"] }] }, "tools[0]"],
    ["responses", "oc/gpt-4o", { tools: [{ type: "mcp", server_label: "s", server_url: "https://s" }] }, "tools[0]"],
    ["messages", "oc/gpt-4o", { tools: [{ type: "computer_20250124", name: "computer" }] }, "tools[0]"],
  ]);
});

describe("content and history (2.2, 2.3, 2.9)", () => {
  const talk = (assistant: Json): Json => ({
    messages: [{ role: "user", content: "Hi" }, { role: "assistant", ...assistant }, { role: "user", content: "x" }],
  });
  const spoken = (...items: Json[]): Json => ({
    input: [{ role: "user", content: "Hi" }, ...items, { role: "user", content: "x" }],
  });
  const output = (part: Json, item: Json = {}) => ({
    type: "message",
    role: "assistant",
    content: [{ type: "output_text", text: "abc", annotations: [], ...part }],
    ...item,
  });
  const cited = {
    type: "web_search_result_location",
    url: "https://u",
    title: "t",
    cited_text: "c",
    encrypted_index: "i",
  };
  const url = { type: "url_citation", url: "https://u", title: "t", start_index: 0, end_index: 1 };
  const document = { title: "T", context: "C", source: { type: "text", media_type: "text/plain", data: "body" } };
  table([
    // What SDKs echo of an answer says nothing, and loses nothing.
    ["chat", SONNET, talk({ content: "a", refusal: null, annotations: [], audio: null, tool_calls: [] }), []],
    ["chat", "or/gpt-4o", talk({ content: "a", refusal: null, annotations: [], audio: null, tool_calls: [] }), []],
    ["responses", SONNET, spoken(output({ logprobs: [] }, { id: "msg_1", status: "completed" })), []],
    ["responses", "oc/gpt-4o", spoken(output({ logprobs: [] }, { id: "msg_1", status: "completed" })), []],
    ["messages", "or/gpt-4o", talk({ content: [{ type: "text", text: "a", citations: null }] }), []],
    [
      "responses",
      "oc/gpt-4o",
      spoken(
        { type: "function_call", id: "fc_1", call_id: "c", name: "f", arguments: "{}", caller: { type: "direct" } },
        { type: "function_call_output", call_id: "c", output: "r", caller: { type: "direct" } },
      ),
      [],
    ],

    ["responses", SONNET, spoken(output({}, { phase: "commentary" })), ["input[1].phase"]],
    ["responses", "oc/gpt-4o", spoken(output({}, { phase: "commentary" })), ["input[1].phase"]],
    ["responses", SONNET, spoken(output({ annotations: [url] })), ["input[1].content[0].annotations"]],
    ["responses", "oc/gpt-4o", spoken(output({ annotations: [url] })), ["input[1].content[0].annotations"]],
    ["messages", "oc/gpt-4o", talk({ content: [{ type: "text", text: "abc", citations: [cited] }] }), [
      "messages[1].content[0].citations",
    ]],
    ["messages", "or/gpt-4o", talk({ content: [{ type: "text", text: "abc", citations: [cited] }] }), [], [
      "input.1.content.0.annotations.0",
      { type: "url_citation", start_index: 0, end_index: 3, title: "t", url: "https://u" },
    ]],
    ["messages", "oc/gpt-4o", { messages: [{ role: "user", content: [{ type: "document", ...document }] }] }, [], [
      "messages.0.content",
      "T\nC\nbody",
    ]],
    [
      "messages",
      "oc/gpt-4o",
      {
        messages: [{
          role: "user",
          content: [{
            type: "search_result",
            source: "https://s",
            title: "T",
            content: [{ type: "text", text: "c" }],
            citations: { enabled: true },
          }],
        }],
      },
      ["messages[0].content[0].citations"],
      ["messages.0.content", "T\nhttps://s\nc"],
    ],
    [
      "messages",
      "oc/gpt-4o",
      talk({ content: [{ type: "compaction", content: "sum" }, { type: "text", text: "a" }] }),
      // What a compaction stands for is left out, as its own maker does.
      ["messages[0]", "messages[1].content[0]"],
      ["messages.0.content", "Summary of the conversation so far: sum\n\na"],
    ],
    ["messages", "oc/gpt-4o", { messages: [{ role: "user", content: "Hi" }, { role: "assistant", content: "So" }] }, [
      "messages[1]",
    ]],
    // Here it is history like any: nobody asked to go on writing.
    ["responses", "oc/gpt-4o", { input: [{ role: "user", content: "Hi" }, { role: "assistant", content: "So" }] }, []],
    ["responses", "oc/gpt-4o", { input: [{ role: "user", content: "Hi" }, { type: "item_reference", id: "rs_1" }] }, [
      "input[1]",
    ]],
    ["chat", SONNET, { messages: [{ role: "user", name: "bob", content: "Hi" }] }, ["messages[0].name"]],
    ["chat", SONNET, {
      messages: [{
        role: "user",
        content: [{ type: "image_url", image_url: { url: "https://e.com/a", detail: "low" } }],
      }],
    }, ["messages[0].content[0].detail"]],
    ["responses", SONNET, {
      input: [{ type: "compaction", encrypted_content: "e" }, { role: "user", content: "Hi" }],
    }, ["input[0]"]],
  ]);
  refusals([
    ["chat", SONNET, {
      messages: [{ role: "user", content: [{ type: "input_audio", input_audio: { data: "AA==", format: "wav" } }] }],
    }, "messages[0].content[0]"],
    ["chat", SONNET, {
      messages: [{ role: "user", content: [{ type: "file", file: { file_id: "file-1" } }] }],
    }, "messages[0].content[0]"],
    ["messages", "or/gpt-4o", {
      messages: [{ role: "user", content: [{ type: "image", source: { type: "file", file_id: "f" } }] }],
    }, "messages[0].content[0]"],
    ["responses", "oc/gpt-4o", {
      input: [{ role: "user", content: [{ type: "input_file", file_url: "https://e.com/a.pdf" }] }],
    }, "input[0].content[0]"],
    ["responses", SONNET, { input: [{ role: "user", content: "Hi" }, { type: "compaction_trigger" }] }, "input[1]"],
  ]);
});

describe("headers (2.10)", () => {
  const budget = { thinking: { type: "enabled", budget_tokens: 1024 }, max_tokens: 4000 };
  const cases: [string, Json, readonly string[]][] = [
    ["prompt-caching-2024-07-31,pdfs-2024-09-25,token-counting-2024-11-01", {}, []],
    ["claude-code-20250219,context-management-2025-06-27,effort-2025-11-24,advanced-tool-use-2025-11-20", {}, []],
    ["context-1m-2025-08-07", {}, ["betas"]],
    ["prompt-caching-2024-07-31, output-128k-2025-02-19, token-efficient-tools-2025-02-19", {}, ["betas"]],
    ["interleaved-thinking-2025-05-14", {}, []],
    ["interleaved-thinking-2025-05-14", budget, ["betas"]],
    ["never-heard-of-2027-01-01", {}, ["betas"]],
  ];
  for (const model of ["oc/gpt-5", "or/gpt-5"]) {
    for (const [betas, fields, losses] of cases) {
      test(`anthropic-beta: ${betas} ${JSON.stringify(fields)} to ${model}`, async () => {
        const answered = await ask("messages", model, fields, { "anthropic-beta": betas });
        assert.deepEqual(answered.losses, losses);
        assert.equal(upstream.last().headers["anthropic-beta"], undefined);
      });
    }
  }

  test("OpenAI's own account headers go on to OpenAI in another format, and to nobody else", async () => {
    const headers = { "OpenAI-Organization": "org-1", "OpenAI-Project": "proj-1", "Idempotency-Key": "i-1" };
    await ask("chat", "or/gpt-4o", {}, headers);
    const sent = upstream.last().headers;
    assert.equal(sent["openai-organization"], "org-1");
    assert.equal(sent["openai-project"], "proj-1");
    assert.equal(sent["idempotency-key"], "i-1");
    for (const model of [SONNET, "lab/m"]) {
      await ask("responses", model, {}, headers);
      assert.equal(upstream.last().headers["openai-organization"], undefined, model);
    }
  });
});

describe("what docs/FIDELITY.md found lost in silence", () => {
  const clientTool = { type: "bash_20250124", name: "bash", defer_loading: true, input_examples: [{ command: "ls" }] };
  const shell = { type: "shell", allowed_callers: ["programmatic"] };
  const inner = { type: "text", text: "c", ...MARK };
  const result = { type: "search_result", source: "https://s", title: "T", content: [inner] };
  const cited = { type: "char_location", cited_text: "c", document_index: 0, start_char_index: 0, end_char_index: 1 };
  const file = { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,QUFB", detail: "high" };
  const breakpoint = { type: "text", text: "a", prompt_cache_breakpoint: { mode: "explicit", ttl: "30m" } };
  table([
    ["messages", "oc/gpt-4o", { tools: [clientTool] }, ["tools[0].defer_loading", "tools[0].input_examples"]],
    ["messages", "or/gpt-4o", { tools: [clientTool] }, ["tools[0].defer_loading", "tools[0].input_examples"]],
    ["responses", "oc/gpt-4o", { tools: [shell] }, ["tools[0].allowed_callers"]],
    ["responses", SONNET, { tools: [shell] }, ["tools[0].allowed_callers"]],
    ["responses", SONNET, { tools: [{ ...shell, allowed_callers: ["direct"] }] }, []],
    ["chat", SONNET, { messages: [{ role: "user", content: [breakpoint] }] }, [
      "messages[0].content[0].prompt_cache_breakpoint.ttl",
    ]],
    ["messages", "oc/gpt-4o", { messages: [{ role: "user", content: [result] }] }, [
      "messages[0].content[0].content[0].cache_control",
    ]],
    ["messages", "or/gpt-4o", { system: [{ type: "text", text: "c", citations: [cited] }] }, ["system[0].citations"]],
    ["messages", "oc/gpt-5", { thinking: { type: "enabled", budget_tokens: 2048, display: "omitted" } }, [
      "thinking.display",
    ]],
    ["responses", "oc/gpt-4o", { prompt_cache_options: { ttl: "12h" } }, ["prompt_cache_options.ttl"]],
    ["responses", SONNET, { input: [{ role: "user", content: [file] }] }, ["input[0].content[0].detail"]],
    ["responses", "oc/gpt-4o", { input: [{ role: "user", content: [file] }] }, ["input[0].content[0].detail"]],
  ]);
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "aW1n" } };
  const document = { type: "document", source: { type: "content", content: [{ type: "text", text: "a" }, image] } };
  refusals([
    ["messages", "oc/gpt-4o", { messages: [{ role: "user", content: [document] }] }, "messages[0].content[0]"],
    ["messages", "or/gpt-4o", { messages: [{ role: "user", content: [document] }] }, "messages[0].content[0]"],
  ]);

  test("Anthropic's account headers pass to Anthropic, and to nobody else", async () => {
    const headers = { "anthropic-user-profile-id": "u-1", "anthropic-workspace-id": "w-1" };
    await ask("messages", SONNET, {}, headers);
    const sent = upstream.last().headers;
    assert.deepEqual([sent["anthropic-user-profile-id"], sent["anthropic-workspace-id"]], ["u-1", "w-1"]);
    await ask("messages", "oc/gpt-4o", {}, headers);
    assert.equal(upstream.last().headers["anthropic-workspace-id"], undefined);
  });
});

describe("answers", () => {
  const image = { type: "image_url", image_url: { url: "data:image/png;base64,aW1n" } };
  const message = { role: "assistant", content: "Here.", images: [image] };
  for (const client of ["messages", "responses"] as const) {
    test(`an image that a chat upstream made is missed by name, ${client} client`, async () => {
      const { choices: _, ...head } = bodyOf("chat", said());
      upstream.answer(json({ ...head, choices: [{ index: 0, message, finish_reason: "stop" }] }));
      const response = await post(gateway.url, client, plainBody(client, "lab/m"));
      assert.match(await response.text(), /"text":"Here\."/);
      assert.notEqual(response.headers.get("x-trivium-loss"), null);
    });
  }
});

describe("losses may be refused", () => {
  test("x-trivium-strict: 1 makes each loss a 400 that names it", async () => {
    const before = upstream.requests.length;
    const body = plainBody("chat", SONNET, { seed: 7 });
    const response = await post(gateway.url, "chat", body, { headers: { "x-trivium-strict": "1" } });
    assert.equal(response.status, 400);
    assert.equal(asObject(asObject(await response.json())["error"])["param"], "seed");
    assert.equal(upstream.requests.length, before);
  });
});
