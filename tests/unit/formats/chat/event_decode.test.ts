import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { chat } from "../../../../lib/formats/chat/mod.ts";
import type { NeutralEvent } from "../../../../lib/neutral.ts";
import { chunk, DONE, events, finishChunk, parts, target, whole } from "./setup.ts";

const text = (content: string) => chunk({ content });
const call = (members: JsonObject) => chunk({ tool_calls: [members] });
const fn = (index: number | undefined, id: string | undefined, name?: string, args?: string): JsonObject => ({
  ...(index === undefined ? {} : { index }),
  ...(id === undefined ? {} : { id, type: "function" }),
  function: { ...(name === undefined ? {} : { name }), ...(args === undefined ? {} : { arguments: args }) },
});

/** Calls as name, arguments pairs. */
function calls(data: readonly (JsonObject | string)[], to = target()): [string, string][] {
  return parts(data, to).flatMap((part) =>
    part.kind === "tool_call" ? [[part.name, part.arguments] as [string, string]] : []
  );
}

function failureOf(data: readonly (JsonObject | string)[]) {
  const last = events(data).at(-1);
  assert.equal(last?.t, "error");
  return last.failure;
}

function stopOf(data: readonly (JsonObject | string)[], to = target()) {
  return whole(data, to).candidates[0]?.stop;
}

test("an ordinary stream, event by event", () => {
  const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 };
  const list = events([
    chunk({ role: "assistant", content: "", refusal: null }, {}, { usage: null, service_tier: "default" }),
    text("Hel"),
    text("lo"),
    finishChunk("stop"),
    { ...chunk({}), choices: [], usage },
    DONE,
  ]);
  assert.deepEqual(list, [
    { t: "start", id: "chatcmpl-1", model: "small-1-0901", createdAt: 1_790_000_000, serviceTier: "default" },
    { t: "part_start", c: 0, i: 0, part: { kind: "text", text: "" } },
    { t: "text", c: 0, i: 0, delta: "Hel" },
    { t: "text", c: 0, i: 0, delta: "lo" },
    { t: "part_end", c: 0, i: 0 },
    { t: "finish", c: 0, stop: { reason: "stop", raw: "stop" } },
    {
      t: "usage",
      usage: { inputTokens: 5, cacheReadTokens: 0, cacheWriteTokens: 0, outputTokens: 2, reasoningTokens: 0 },
    },
    { t: "end" },
  ]);
});

describe("ends", () => {
  test("[DONE] without any finish ends the answer: Snowflake never sends one", () => {
    assert.deepEqual(stopOf([text("a"), DONE]), { reason: "stop", assumed: true });
    assert.deepEqual(stopOf([call(fn(0, "c", "f", "{}")), DONE]), { reason: "tool_calls", assumed: true });
  });

  test("[DONE] alone is an empty answer (case 10)", () => {
    assert.deepEqual(events([DONE]).map((event) => event.t), ["start", "finish", "end"]);
  });

  test("a finish without [DONE] is an end: Perplexity and llama.cpp send none", () => {
    assert.equal(events([text("a"), finishChunk("stop")]).at(-1)?.t, "end");
  });

  test("a body that ends before its finish is cut off, at any place (case 9)", () => {
    const data = [
      chunk({ role: "assistant" }),
      text("half"),
      call(fn(0, "c", "f", '{"a":')),
      finishChunk("tool_calls"),
    ];
    for (let length = 0; length < data.length; length++) {
      assert.equal(failureOf(data.slice(0, length)).kind, "upstream_cut", `after ${length} chunks`);
    }
  });

  test("a candidate without its finish is cut off, though another one is complete", () => {
    const other = chunk(undefined);
    other["choices"] = [{ index: 1, delta: { content: "b" }, finish_reason: null }];
    assert.equal(failureOf([text("a"), other, finishChunk("stop")]).kind, "upstream_cut");
  });

  test("what comes after the end is ignored", () => {
    const list = events([text("a"), finishChunk("stop"), DONE, text("b"), DONE, "not json"]);
    assert.equal(list.filter((event) => event.t === "text").length, 1);
  });

  test("a second finish, and content after the first, are ignored: OpenRouter repeats it", () => {
    const usage = { prompt_tokens: 1, completion_tokens: 1 };
    const answer = whole([text("a"), finishChunk("stop"), finishChunk("stop", { content: "b" }), {
      ...finishChunk("length"),
      usage,
    }]);
    assert.deepEqual(answer.candidates[0]?.parts, [{ kind: "text", text: "a" }]);
    assert.equal(answer.candidates[0]?.stop.reason, "stop");
    assert.equal(answer.usage?.inputTokens, 1);
  });

  test("content and finish in one chunk: content first (case 11)", () => {
    assert.deepEqual(
      events([finishChunk("stop", { role: "assistant", content: "all" }), DONE]).map((event) => event.t),
      [
        "start",
        "part_start",
        "text",
        "part_end",
        "finish",
        "end",
      ],
    );
  });
});

describe("finish reasons", () => {
  const reasons: [string, string][] = [
    ["stop", "stop"],
    ["eos", "stop"],
    ["length", "max_tokens"],
    ["model_length", "context_window"],
    ["content_filter", "content_filter"],
    ["tool_calls", "stop"],
    ["something_new", "stop"],
  ];
  for (const [raw, reason] of reasons) {
    test(`${raw} without a call is ${reason}`, () =>
      assert.equal(stopOf([text("a"), finishChunk(raw)])?.reason, reason));
  }

  test("a call makes stop mean tool_calls: a forced function ends in stop", () => {
    const list = [call(fn(0, "c", "f", "{}"))];
    for (const raw of ["stop", "tool_calls", "function_call", "new"]) {
      assert.equal(stopOf([...list, finishChunk(raw)])?.reason, "tool_calls");
    }
    assert.equal(stopOf([...list, finishChunk("length")])?.reason, "max_tokens");
  });

  test("the stop sequence that vLLM names", () => {
    const stop = (members: JsonObject) => stopOf([text("a"), chunk({}, { finish_reason: "stop", ...members })]);
    assert.deepEqual(stop({ stop_reason: "END" }), { reason: "stop_sequence", sequence: "END", raw: "stop" });
    assert.deepEqual(stop({ stop_reason: null, matched_stop: 1 }), { reason: "stop", raw: "stop" });
  });

  test("an empty finish is none: Snowflake", () => {
    assert.equal(stopOf([chunk({ content: "a" }, { finish_reason: "" }), text("b"), DONE])?.reason, "stop");
  });

  test("words that are errors", () => {
    assert.equal(failureOf([text("a"), finishChunk("error")]).kind, "upstream");
    assert.equal(failureOf([text("a"), finishChunk("insufficient_system_resource")]).kind, "overloaded");
  });
});

describe("chunks that say little", () => {
  test("empty choices: Azure's filter results come before any id, usage alone comes last", () => {
    const filter = { choices: [], created: 0, id: "", model: "", object: "", prompt_filter_results: [{}] };
    const noDelta = chunk(undefined, { content_filter_results: {} });
    const list = events([filter, noDelta, text("a"), finishChunk("stop"), { choices: [], moderation: {} }, DONE]);
    assert.deepEqual(list[0], { t: "start", id: "chatcmpl-1", model: "small-1-0901", createdAt: 1_790_000_000 });
    assert.equal(list.filter((event) => event.t === "text").length, 1);
  });

  test("nulls everywhere: Azure's DeepSeek", () => {
    const nothing = { role: null, content: null, reasoning_content: null, tool_calls: null, function_call: null };
    assert.deepEqual(parts([chunk(nothing), chunk({ ...nothing, content: "a" }), finishChunk("stop", nothing)]), [
      { kind: "text", text: "a" },
    ]);
  });

  test("empty values everywhere: Snowflake", () => {
    const empty = { content: "", refusal: "", role: "assistant", tool_calls: [], reasoning: "" };
    const legacy = { function_call: { name: "", arguments: "" }, audio: { data: "" } };
    const answer = whole([{ ...chunk({ ...empty, ...legacy }), id: "", created: 0, service_tier: "" }, DONE]);
    assert.deepEqual(answer.candidates[0]?.parts, []);
    assert.equal(answer.serviceTier, undefined);
    assert.ok(answer.createdAt > 1_700_000_000);
  });

  test("no model: the target's own name", () => {
    assert.equal(whole([{ ...text("a"), model: "" }, DONE], target({ model: "asked" })).model, "asked");
  });

  test("a time in milliseconds becomes seconds", () => {
    assert.equal(whole([{ ...text("a"), created: 1_790_000_000_123 }, DONE]).createdAt, 1_790_000_000);
  });

  test("data without anything in it", () => {
    assert.deepEqual(parts(["", "  ", text("a"), finishChunk("stop")]), [{ kind: "text", text: "a" }]);
  });

  test("a chunk without choices that isn't an error", () => {
    assert.deepEqual(parts([{ type: "ping" }, text("a"), finishChunk("stop")]), [{ kind: "text", text: "a" }]);
  });

  test("a cumulative message beside each delta: Perplexity", () => {
    const both = (content: string, all: string, finish: string | null = null) =>
      chunk({ content }, { message: { role: "assistant", content: all }, finish_reason: finish });
    assert.deepEqual(parts([both("1", "1"), both(" 2", "1 2"), both("", "1 2", "stop")]), [{
      kind: "text",
      text: "1 2",
    }]);
  });

  test("a whole message in place of deltas", () => {
    const message = { role: "assistant", content: "all", tool_calls: [fn(undefined, "a", "f", "{}")] };
    const list = parts([chunk(undefined, { message, finish_reason: "tool_calls" }), DONE]);
    assert.deepEqual(list.map((part) => part.kind), ["text", "tool_call"]);
  });

  test("a choice without an index is the one at its place", () => {
    const both = { ...chunk(undefined), choices: [{ delta: { content: "a" } }, { delta: { content: "b" } }] };
    assert.deepEqual(whole([both, DONE]).candidates.map((candidate) => candidate.index), [0, 1]);
  });
});

describe("several candidates", () => {
  test("interleaved, each with its own parts", () => {
    const of = (index: number, delta: JsonObject, finish_reason: string | null = null) => ({
      ...chunk(undefined),
      choices: [{ index, delta, finish_reason }],
    });
    const answer = whole([
      of(0, { role: "assistant", content: "" }),
      of(1, { role: "assistant", content: "" }),
      of(0, { content: "a" }),
      of(1, { tool_calls: [fn(0, "x", "f", "{}")] }),
      of(0, { content: "b" }),
      of(1, {}, "tool_calls"),
      of(0, {}, "stop"),
      DONE,
    ]);
    assert.deepEqual(answer.candidates.map(({ index, parts, stop }) => [index, parts[0]?.kind, stop.reason]), [
      [0, "text", "stop"],
      [1, "tool_call", "tool_calls"],
    ]);
  });
});

describe("tool calls", () => {
  test("two calls, arguments interleaved by index (case 1)", () => {
    assert.deepEqual(
      calls([
        call(fn(0, "a", "f", "")),
        call(fn(1, "b", "g", "")),
        call(fn(0, undefined, undefined, '{"x"')),
        call(fn(1, undefined, undefined, '{"y"')),
        call(fn(0, undefined, undefined, ":1}")),
        call(fn(1, undefined, undefined, ":2}")),
        finishChunk("tool_calls"),
      ]),
      [["f", '{"x":1}'], ["g", '{"y":2}']],
    );
  });

  test("a call whose arguments are whole ends when the next one begins, so that this one can stream", () => {
    const list = events([
      call(fn(0, "a", "f", '{"x":1}')),
      call(fn(1, "b", "g", "")),
      call(fn(1, undefined, undefined, '{"y":')),
      finishChunk("length"),
    ]);
    const at = (event: Partial<NeutralEvent> & { i: number }) =>
      list.findIndex((entry) => entry.t === event.t && "i" in entry && entry.i === event.i);
    assert.ok(at({ t: "part_end", i: 0 }) < at({ t: "part_start", i: 1 }));
  });

  test("text after a call whose arguments are whole is a part after it", () => {
    const list = parts([text("a"), call(fn(0, "a", "f", '{"x":1}')), text("b"), finishChunk("tool_calls")]);
    assert.deepEqual(list.map((part) => part.kind), ["text", "tool_call", "text"]);
  });

  test("{} may be a placeholder: what follows still belongs to the call", () => {
    const list = [call(fn(0, "a", "f", "")), call(fn(1, "b", "g", "{}")), call(fn(0, undefined, undefined, "{}"))];
    assert.deepEqual(calls([...list, finishChunk("tool_calls")]), [["f", "{}"], ["g", "{}"]]);
  });

  test("id, name and full arguments in one chunk (case 3)", () => {
    const kinds = events([call(fn(0, "a", "f", '{"x":1}')), finishChunk("tool_calls")]).map((event) => event.t);
    assert.deepEqual(kinds, ["start", "part_start", "arguments", "part_end", "finish", "end"]);
  });

  test("no index: calls are told apart by id (case 4)", () => {
    assert.deepEqual(
      calls([call(fn(undefined, "a", "f", '{"x":1}')), call(fn(undefined, "b", "f", '{"x":2}')), finishChunk("stop")]),
      [["f", '{"x":1}'], ["f", '{"x":2}']],
    );
  });

  test("no index and no id: fragments continue, a name after whole arguments begins a new call", () => {
    assert.deepEqual(
      calls([
        call(fn(undefined, undefined, "f", '{"x"')),
        call(fn(undefined, undefined, undefined, ":1}")),
        call(fn(undefined, undefined, "f", '{"x":2}')),
        call(fn(undefined, undefined, "g", "{}")),
        finishChunk("stop"),
      ]),
      [["f", '{"x":1}'], ["f", '{"x":2}'], ["g", "{}"]],
    );
  });

  test("no index, but the id on every fragment", () => {
    assert.deepEqual(
      calls([
        call(fn(undefined, "a", "f", '{"x"')),
        call(fn(undefined, "b", "g", '{"y"')),
        call(fn(undefined, "a", undefined, ":1}")),
        call(fn(undefined, "b", undefined, ":2}")),
        finishChunk("stop"),
      ]),
      [["f", '{"x":1}'], ["g", '{"y":2}']],
    );
  });

  test("an id that comes after its call has begun is that call's, with a name it is another's", () => {
    const first = call(fn(0, undefined, "f", '{"x"'));
    assert.deepEqual(calls([first, call(fn(0, "late", undefined, ":1}")), finishChunk("stop")]), [["f", '{"x":1}']]);
    assert.deepEqual(calls([first, call(fn(0, "b", "g", "{}")), finishChunk("length")]), [["f", '{"x"'], ["g", "{}"]]);
  });

  test("index 0 for all, but new ids (case 5)", () => {
    const list = [
      call(fn(0, "a", "f", '{"x":1}')),
      call(fn(0, "b", "g", '{"y"')),
      call(fn(0, undefined, undefined, ":2}")),
    ];
    assert.deepEqual(calls([...list, finishChunk("tool_calls")]), [["f", '{"x":1}'], ["g", '{"y":2}']]);
  });

  test("the name comes late: arguments wait for it (case 6)", () => {
    const list = events([
      call(fn(0, "a", undefined, '{"x"')),
      call(fn(0, undefined, "f", ":1}")),
      finishChunk("tool_calls"),
    ]);
    assert.deepEqual(list[1], {
      t: "part_start",
      c: 0,
      i: 0,
      part: { kind: "tool_call", id: "a", name: "f", toolKind: "function", arguments: "" },
    });
    assert.deepEqual(list[2], { t: "arguments", c: 0, i: 0, delta: '{"x":1}' });
  });

  test("the name never comes", () => {
    const failure = failureOf([call(fn(0, "a", undefined, "{}")), finishChunk("tool_calls")]);
    assert.deepEqual([failure.kind, failure.code], ["upstream_protocol", "malformed_tool_call"]);
  });

  test("id and name on every delta", () => {
    const list = [call(fn(0, "a", "f", '{"x"')), call(fn(0, "a", "f", ":1}")), call(fn(0, "a", "f", ""))];
    assert.deepEqual(calls([...list, finishChunk("tool_calls")]), [["f", '{"x":1}']]);
  });

  test("empty and null ids and names overwrite nothing: Alibaba, Mistral's GLM", () => {
    const later = { index: 0, id: "", function: { name: "", arguments: ":1}" } };
    const word = { index: 0, id: "null", function: { name: null, arguments: "" } };
    const [part] = parts([call(fn(0, "a", "f", '{"x"')), call(later), call(word), finishChunk("tool_calls")]);
    assert.deepEqual(part, { kind: "tool_call", id: "a", name: "f", toolKind: "function", arguments: '{"x":1}' });
  });

  test("no id at all: one is made, once", () => {
    const list = parts([
      call(fn(0, undefined, "f", '{"x"')),
      call(fn(0, undefined, undefined, ":1}")),
      finishChunk("stop"),
    ]);
    assert.equal(list.length, 1);
    assert.match(list[0]?.kind === "tool_call" ? list[0].id : "", /^call_\w{24}$/);
  });

  test("arguments as an object, and none at all", () => {
    const object = { index: 0, id: "a", type: "function", function: { name: "f", arguments: { x: 1 } } };
    const none = { index: 1, id: "b", type: "function", function: { name: "g" } };
    assert.deepEqual(calls([call(object), call(none), finishChunk("tool_calls")]), [["f", '{"x":1}'], ["g", ""]]);
  });

  test("cumulative arguments, by flag alone", () => {
    const list = [call(fn(0, "a", "f", '{"x"')), call(fn(0, "a", "f", '{"x":1')), call(fn(0, "a", "f", '{"x":1}'))];
    const to = target({ flags: ["cumulative_arguments"] });
    assert.deepEqual(calls([...list, finishChunk("tool_calls")], to), [["f", '{"x":1}']]);
  });

  test("custom tools: raw input", () => {
    const first = { index: 0, id: "a", type: "custom", custom: { name: "patch", input: "" } };
    const [part] = parts([call(first), call({ index: 0, custom: { input: "*** a" } }), finishChunk("tool_calls")]);
    assert.deepEqual(part, { kind: "tool_call", id: "a", name: "patch", toolKind: "custom", arguments: "*** a" });
  });

  test("an empty custom object beside a function says nothing: Snowflake", () => {
    const both = { ...fn(0, "a", "f", "{}"), custom: { name: "", input: "" } };
    assert.deepEqual(calls([call(both), DONE]), [["f", "{}"]]);
  });

  test("the deprecated function_call is one call", () => {
    const list = [
      chunk({ function_call: { name: "f", arguments: "" } }),
      chunk({ function_call: { arguments: '{"x"' } }),
      chunk({ function_call: { arguments: ":1}" } }),
    ];
    assert.deepEqual(calls([...list, finishChunk("function_call")]), [["f", '{"x":1}']]);
    assert.equal(stopOf([...list, finishChunk("function_call")])?.reason, "tool_calls");
  });

  test("Google's signature on the call that the thought led to", () => {
    const signed = { ...fn(0, "a", "f", "{}"), extra_content: { google: { thought_signature: "sig" } } };
    assert.deepEqual(parts([call(signed), finishChunk("stop")])[0]?.opaque, [
      { issuer: "google", kind: "thought_signature", value: "sig" },
    ]);
  });

  test("arguments that break off never look complete (PITFALLS 37)", () => {
    const broken = [call(fn(0, "a", "f", '{"x": "unfin'))];
    assert.deepEqual(stopOf([...broken, finishChunk("tool_calls")]), { reason: "max_tokens", raw: "tool_calls" });
    assert.equal(stopOf([...broken, DONE])?.reason, "max_tokens");
    assert.equal(stopOf([call(fn(0, "a", "f", "{'x': 1}")), finishChunk("tool_calls")])?.reason, "tool_calls");
    assert.equal(failureOf(broken).kind, "upstream_cut");
  });
});

describe("thinking", () => {
  test("either field, and both with the same words count once", () => {
    for (
      const delta of [{ reasoning: "hm" }, { reasoning_content: "hm" }, { reasoning: "hm", reasoning_content: "hm" }]
    ) {
      assert.deepEqual(parts([chunk({ content: null, ...delta }), text("a"), finishChunk("stop")]), [
        { kind: "reasoning", form: "full", text: "hm" },
        { kind: "text", text: "a" },
      ]);
    }
  });

  test("entries without a string: Snowflake", () => {
    const entry = (text: string) => ({ type: "reasoning.text", text, format: "anthropic-claude-v1", index: 0 });
    const list = [
      chunk({ content: "", reasoning_details: [entry("15")] }),
      chunk({ reasoning_details: [entry(" * 27")] }),
    ];
    assert.deepEqual(parts([...list, text("405"), DONE])[0], { kind: "reasoning", form: "full", text: "15 * 27" });
  });

  test("a string and its entries: text once, the signature at the end", () => {
    const entry = { type: "reasoning.text", format: "anthropic-claude-v1", index: 0 };
    const list = parts([
      chunk({ reasoning: "a", reasoning_details: [{ ...entry, text: "a" }] }),
      chunk({ reasoning: "b", reasoning_details: [{ ...entry, text: "b" }] }),
      chunk({ reasoning: null, reasoning_details: [{ ...entry, signature: "sig" }] }),
      text("c"),
      finishChunk("stop"),
    ]);
    assert.deepEqual(list[0], {
      kind: "reasoning",
      form: "full",
      text: "ab",
      opaque: [{ issuer: "anthropic", kind: "signature", value: "sig" }],
    });
  });

  test("two signed thoughts are two parts, a redacted one is whole", () => {
    const details = (...entries: JsonObject[]) =>
      chunk({ reasoning_details: entries.map((entry) => ({ format: "anthropic-claude-v1", ...entry })) });
    const list = parts([
      details({ type: "reasoning.text", text: "a", index: 0 }),
      details({ type: "reasoning.text", signature: "one", index: 0 }),
      details({ type: "reasoning.encrypted", data: "red", index: 1 }),
      details({ type: "reasoning.text", text: "b", index: 2 }, { type: "reasoning.text", signature: "two", index: 2 }),
      details({ type: "reasoning.text", signature: "three", index: 3 }),
      finishChunk("stop"),
    ]);
    assert.deepEqual(list.map((part) => part.kind === "reasoning" && [part.form, part.text, part.opaque?.[0]?.value]), [
      ["full", "a", "one"],
      ["redacted", "", "red"],
      ["full", "b", "two"],
      ["full", "", "three"],
    ]);
  });

  test("encrypted reasoning of OpenAI's models, alone and after a summary", () => {
    const data = { type: "reasoning.encrypted", data: "enc", format: "openai-responses-v1", id: "rs_1", index: 0 };
    const opaque = [{ issuer: "openai", kind: "encrypted", value: "enc", id: "rs_1" }];
    const alone = parts([chunk({ content: "", reasoning: null, reasoning_details: [data] }), text("a"), DONE]);
    assert.deepEqual(alone[0], { kind: "reasoning", form: "summary", text: "", opaque });
    const summary = { type: "reasoning.summary", summary: "s", format: "openai-responses-v1", id: "rs_1", index: 0 };
    const both = parts([
      chunk({ reasoning: "s", reasoning_details: [summary] }),
      chunk({ reasoning_details: [data] }),
      DONE,
    ]);
    assert.deepEqual(both, [{ kind: "reasoning", form: "summary", text: "s", opaque }]);
  });

  test("an entry without a format was minted by the target's family", () => {
    const entry = { type: "reasoning.encrypted", data: "x", format: null };
    const [part] = parts([chunk({ reasoning_details: [entry] }), DONE], target({ family: "xai" }));
    assert.equal(part?.opaque?.[0]?.issuer, "xai");
  });

  test("content as a list of parts, then as a string: Mistral", () => {
    const thinking = (text: string, more: JsonObject = {}) => ({
      type: "thinking",
      thinking: [{ type: "text", text }],
      ...more,
    });
    const list = parts([
      chunk({ role: "assistant", content: [thinking("2+")] }),
      chunk({ content: [thinking("2"), { type: "text", text: "4" }] }),
      finishChunk("stop", { content: "!" }),
    ]);
    assert.deepEqual(list, [{ kind: "reasoning", form: "full", text: "2+2" }, { kind: "text", text: "4!" }]);
  });

  test("every thinking chunk signed: the last signature counts, at the end (case 19)", () => {
    const signed = (text: string, signature: string) =>
      chunk({ content: [{ type: "thinking", thinking: [{ type: "text", text }], signature }] });
    const list = events(
      [signed("a", "one"), signed("b", "two"), text("c"), finishChunk("stop")],
      target({ family: "lab" }),
    );
    assert.deepEqual(list.filter((event) => event.t === "opaque"), [
      { t: "opaque", c: 0, i: 0, opaque: { issuer: "lab", kind: "signature", value: "two" } },
    ]);
    assert.equal(
      list.findIndex((event) => event.t === "opaque"),
      list.findIndex((event) => event.t === "part_end") - 1,
    );
  });

  test("thinking again after text is a part of its own", () => {
    const list = parts([chunk({ reasoning: "a" }), text("b"), chunk({ reasoning: "c" }), finishChunk("stop")]);
    assert.deepEqual(list.map((part) => part.kind), ["reasoning", "text", "reasoning"]);
  });

  test("<think> is text without the flag, thinking with it", () => {
    const list = ["<th", "ink>\nhm", "m</thi", "nk>\n\n", "yes <think>", " no"].map(text);
    assert.equal(parts([...list, finishChunk("stop")]).length, 1);
    assert.deepEqual(parts([...list, finishChunk("stop")], target({ flags: ["think_tags"] })), [
      { kind: "reasoning", form: "full", text: "\nhmm" },
      { kind: "text", text: "yes <think> no" },
    ]);
  });

  test("with the flag, text that only begins like a tag is text", () => {
    const to = target({ flags: ["think_tags"] });
    assert.deepEqual(parts([text(" <thi"), finishChunk("stop")], to), [{ kind: "text", text: " <thi" }]);
    assert.deepEqual(parts([text("<think>half </th"), finishChunk("length")], to), [
      { kind: "reasoning", form: "full", text: "half </th" },
    ]);
  });
});

describe("refusals, citations, logprobs", () => {
  test("a refusal is a part of its own and a stop reason", () => {
    const answer = whole([
      chunk({ content: null, refusal: "I " }),
      chunk({ refusal: "won't." }),
      finishChunk("stop"),
      DONE,
    ]);
    assert.deepEqual(answer.candidates[0], {
      index: 0,
      parts: [{ kind: "refusal", text: "I won't." }],
      stop: { reason: "refusal", raw: "stop" },
    });
  });

  test("citations before the text wait for it, those without a place have no offsets: OpenRouter", () => {
    const cite = (url: string, place: JsonObject) =>
      chunk({
        content: "",
        annotations: [{ type: "url_citation", url_citation: { url, title: "", content: "c", ...place } }],
      });
    const early = cite("https://a", { start_index: 0, end_index: 0 });
    const late = cite("https://b", { start_index: 2, end_index: 4 });
    const [part] = parts([
      early,
      text("abcdef"),
      late,
      chunk({ annotations: [{ type: "file" }] }),
      finishChunk("stop"),
    ]);
    assert.deepEqual(part, {
      kind: "text",
      text: "abcdef",
      citations: [
        { kind: "url", url: "https://a", citedText: "c" },
        { kind: "url", url: "https://b", citedText: "c", start: 2, end: 4 },
      ],
    });
  });

  test("logprobs go with their text", () => {
    const content = [{ token: "a", logprob: -0.1, bytes: [97], top_logprobs: [] }];
    const [part] = parts([chunk({ content: "a" }, { logprobs: { content, refusal: null } }), finishChunk("stop")]);
    assert.deepEqual(part, { kind: "text", text: "a", logprobs: content });
  });
});

describe("usage", () => {
  const usageOf = (usage: JsonObject) =>
    whole([text("a"), finishChunk("stop"), { ...chunk({}), choices: [], usage }]).usage;

  test("all counts", () => {
    assert.deepEqual(
      usageOf({
        prompt_tokens: 100,
        completion_tokens: 50,
        total_tokens: 150,
        prompt_tokens_details: { cached_tokens: 60, cache_write_tokens: 10, audio_tokens: 5 },
        completion_tokens_details: {
          reasoning_tokens: 20,
          audio_tokens: 4,
          accepted_prediction_tokens: 3,
          rejected_prediction_tokens: 2,
        },
      }),
      {
        inputTokens: 100,
        cacheReadTokens: 60,
        cacheWriteTokens: 10,
        outputTokens: 50,
        reasoningTokens: 20,
        audioInputTokens: 5,
        audioOutputTokens: 4,
        acceptedPredictionTokens: 3,
        rejectedPredictionTokens: 2,
      },
    );
  });

  test("reasoning that the total counts beside the completion: xAI", () => {
    const usage = usageOf({
      prompt_tokens: 291,
      completion_tokens: 26,
      total_tokens: 513,
      completion_tokens_details: { reasoning_tokens: 196 },
    });
    assert.deepEqual([usage?.outputTokens, usage?.reasoningTokens], [222, 196]);
  });

  test("more cached than sent: Anthropic's way of counting", () => {
    const usage = usageOf({ prompt_tokens: 10, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 90 } });
    assert.deepEqual([usage?.inputTokens, usage?.cacheReadTokens], [100, 90]);
  });

  test("names of dialects, odd numbers, null details", () => {
    assert.equal(usageOf({ prompt_tokens: 9, completion_tokens: 1, prompt_cache_hit_tokens: 4 })?.cacheReadTokens, 4);
    assert.equal(usageOf({ prompt_tokens: 9, completion_tokens: 5, reasoning_tokens: 3 })?.reasoningTokens, 3);
    const odd = usageOf({ prompt_tokens: 9.2, completion_tokens: -1, prompt_tokens_details: null });
    assert.deepEqual([odd?.inputTokens, odd?.outputTokens], [9, 0]);
  });

  test("never more reasoning than output", () => {
    const details = { completion_tokens_details: { reasoning_tokens: 11 } };
    const usage = usageOf({ prompt_tokens: 43, completion_tokens: 10, total_tokens: 53, ...details });
    assert.deepEqual([usage?.outputTokens, usage?.reasoningTokens], [10, 10]);
  });

  test("wherever it stands: x_groq, the choice, beside the finish, on every chunk", () => {
    const usage = { prompt_tokens: 7, completion_tokens: 3 };
    const places = [
      [{ ...finishChunk("stop"), x_groq: { usage } }],
      [chunk({}, { finish_reason: "stop", usage })],
      [{ ...finishChunk("stop"), usage }],
      [{ ...text("b"), usage: { prompt_tokens: 7, completion_tokens: 1 } }, { ...finishChunk("stop"), usage }],
    ];
    for (const place of places) assert.equal(whole([text("a"), ...place]).usage?.outputTokens, 3);
  });

  test("none at all", () => assert.equal(whole([text("a"), finishChunk("stop")]).usage, undefined));
});

describe("errors within a stream", () => {
  test("Groq's named event, after text", () => {
    const decoder = chat.openDecoder(target());
    const body = {
      error: { message: "No call", type: "invalid_request_error", code: "tool_use_failed", status_code: 400 },
    };
    const list = [
      ...decoder.decode({ event: "", data: JSON.stringify(text("maybe")) }),
      ...decoder.decode({ event: "error", data: JSON.stringify(body) }),
      ...decoder.end(),
    ];
    assert.deepEqual(list.at(-1), {
      t: "error",
      failure: {
        kind: "invalid_request",
        source: "upstream",
        message: "No call",
        retry: false,
        status: 400,
        code: "tool_use_failed",
      },
    });
  });

  test("an event named error with plain text", () => {
    const [event] = chat.openDecoder(target()).decode({ event: "error", data: "out of memory" });
    assert.ok(event?.t === "error");
    assert.deepEqual([event.failure.kind, event.failure.message], ["upstream", "out of memory"]);
  });

  const shapes: [string, JsonObject | string, string, string][] = [
    ["an object", { error: { message: "m", type: "rate_limit_error" } }, "rate_limit", "m"],
    ["a string", { error: "too bad" }, "upstream", "too bad"],
    [
      "a list of one",
      JSON.stringify([{ error: { code: 503, message: "m", status: "UNAVAILABLE" } }]),
      "overloaded",
      "m",
    ],
    ["vLLM's own", { object: "error", message: "m", type: "BadRequestError", code: 400 }, "invalid_request", "m"],
    ["FastAPI's", { detail: "m" }, "upstream", "m"],
    ["within x_groq", { ...text("a"), x_groq: { error: "over capacity" } }, "upstream", "over capacity"],
    ["within a choice", chunk({}, { error: { code: 502, message: "m" }, finish_reason: "error" }), "upstream", "m"],
  ];
  for (const [name, body, kind, message] of shapes) {
    test(`${name}, as the first event`, () => {
      const failure = failureOf([body]);
      assert.deepEqual([failure.kind, failure.message], [kind, message]);
    });
  }

  test("within one of several choices: nothing of the others comes after it", () => {
    const both = chunk(undefined);
    both["choices"] = [{ index: 0, error: { message: "m" } }, { index: 1, delta: { content: "a" } }];
    assert.deepEqual(events([both]).map((event) => event.t), ["start", "error"]);
  });

  test("beside choices, after the finish: OpenRouter", () => {
    const error = { ...chunk({ content: "" }), error: { code: 400, message: "Token limit reached" } };
    const list = events([text("a"), finishChunk("length"), error, DONE]);
    assert.deepEqual(list.map((event) => event.t).slice(-2), ["finish", "error"]);
  });

  test("null is no error", () => {
    assert.deepEqual(parts([{ ...text("a"), error: null }, finishChunk("stop")]), [{ kind: "text", text: "a" }]);
  });

  test("anything that isn't a JSON object", () => {
    for (const data of ["{broken", "null", "5", "[]", "[1]"]) {
      assert.equal(failureOf([text("a"), data]).kind, "upstream_protocol", data);
    }
  });
});
