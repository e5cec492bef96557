/**
 * Upstreams that don't keep to their format (TRANSLATION.md, 4.5 and section 7; shapes of real providers): the client
 * gets the whole answer all the same, in a stream that is legal to its last event.
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { CLIENT_KEY } from "../support/clients.ts";
import { keptLog } from "../support/gateway.ts";
import { FORMATS, MODEL, MODES, plainBody, post, type Stage, startStage } from "../support/pairs.ts";
import type { FormatName } from "../support/told.ts";
import { json, sse } from "../support/upstream.ts";
import type { Outcome } from "../support/clients.ts";

type Json = Record<string, unknown>;

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

interface Expected {
  text?: string;
  thinking?: string;
  calls?: { id?: string; name: string; input: unknown }[];
  usage?: { input: number; output: number };
}

const STOP: Record<FormatName, { text: string; calls: string }> = {
  chat: { text: "stop", calls: "tool_calls" },
  messages: { text: "end_turn", calls: "tool_use" },
  responses: { text: "completed", calls: "completed" },
};

function assertOutcome(client: FormatName, outcome: Outcome, expected: Expected): void {
  assert.equal(outcome.text, expected.text ?? "");
  assert.equal(outcome.thinking, expected.thinking ?? "");
  const calls = expected.calls ?? [];
  assert.deepEqual(
    outcome.calls.map(({ name, input }) => ({ name, input })),
    calls.map(({ name, input }) => ({ name, input })),
  );
  assert.equal(new Set(outcome.calls.map(({ id }) => id)).size, calls.length, "two calls have one id");
  calls.forEach(({ id }, index) => {
    if (id === undefined) assert.ok(outcome.calls[index]?.id, "a call has no id");
    else assert.equal(outcome.calls[index]?.id, id);
  });
  assert.equal(outcome.stop, STOP[client][calls.length > 0 ? "calls" : "text"]);
  if (expected.usage !== undefined) {
    assert.deepEqual({ input: outcome.usage.input, output: outcome.usage.output }, expected.usage);
  }
}

/** One test for each client that the upstream's format is foreign to. */
function table(upstream: FormatName, cases: readonly [string, readonly string[], Expected][]): void {
  for (const client of FORMATS.filter((format) => format !== upstream)) {
    for (const [name, frames, expected] of cases) {
      test(`${name}: ${client} client`, async () => {
        stage.upstreams[upstream].answer(sse(frames));
        const asking = stage.client(client);
        const outcome = await asking.stream({ model: MODEL[upstream], turns: [{ user: "Hi" }] });
        assert.deepEqual(asking.check(outcome.wire), []);
        assertOutcome(client, outcome, expected);
      });
    }
  }
}

/** Streams that no client may take for complete: one error event, legal, with the message in it. */
function failing(upstream: FormatName, cases: readonly [string, readonly string[], RegExp][]): void {
  for (const client of FORMATS.filter((format) => format !== upstream)) {
    for (const [name, frames, message] of cases) {
      test(`${name}: ${client} client`, async () => {
        stage.upstreams[upstream].answer(sse(frames));
        const asking = stage.client(client);
        const events: unknown[] = [];
        await assert.rejects(async () => {
          for await (const event of asking.iterate({ model: MODEL[upstream], turns: [{ user: "Hi" }] })) {
            events.push(event);
          }
        }, message);
        assert.ok(events.length > 0, "nothing came before the error");
        const body = plainBody(client, MODEL[upstream], { stream: true, stream_options: { include_usage: true } });
        const wire = await (await post(stage.gateway.url, client, body)).text();
        assert.deepEqual(asking.check(wire), []);
      });
    }
  }
}

// ---- chat

const HEAD = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1790000000, model: "m" };
const DONE = "data: [DONE]\n\n";

function data(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function chunk(delta: Json | undefined, finish: string | null = null, extra: Json = {}): string {
  return data({
    ...HEAD,
    choices: [{ index: 0, ...(delta === undefined ? {} : { delta }), finish_reason: finish }],
    ...extra,
  });
}

const ROLE = chunk({ role: "assistant", content: "" });
const call = (fields: Json, fn: Json) => chunk({ tool_calls: [{ ...fields, function: fn }] });
const usage = (prompt: number, completion: number) => ({
  usage: { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
});
const FINISH = chunk({}, "stop");
const CALLED = chunk({}, "tool_calls");
const F = { name: "f", input: { a: 1 } };
const G = { name: "g", input: { b: 2 } };

describe("a sloppy chat upstream", () => {
  table("chat", [
    ["text, then a call with index 0 (case 2)", [
      ROLE,
      chunk({ content: "Hi" }),
      call({ index: 0, id: "call_1", type: "function" }, { name: "f", arguments: '{"a":1}' }),
      CALLED,
      DONE,
    ], { text: "Hi", calls: [{ id: "call_1", ...F }] }],
    ["id, name and arguments in one chunk, twice (case 3)", [
      ROLE,
      call({ index: 0, id: "call_1", type: "function" }, { name: "f", arguments: '{"a":1}' }),
      call({ index: 1, id: "call_2", type: "function" }, { name: "g", arguments: '{"b":2}' }),
      CALLED,
      DONE,
    ], { calls: [{ id: "call_1", ...F }, { id: "call_2", ...G }] }],
    ["calls without index (case 4)", [
      ROLE,
      call({ id: "call_1", type: "function" }, { name: "f", arguments: '{"a"' }),
      call({}, { arguments: ":1}" }),
      call({ id: "call_2", type: "function" }, { name: "g", arguments: '{"b":2}' }),
      CALLED,
      DONE,
    ], { calls: [{ id: "call_1", ...F }, { id: "call_2", ...G }] }],
    ["every call with index 0 (case 5)", [
      ROLE,
      call({ index: 0, id: "call_1", type: "function" }, { name: "f", arguments: '{"a":1}' }),
      call({ index: 0, id: "call_2", type: "function" }, { name: "g", arguments: '{"b":2}' }),
      CALLED,
      DONE,
    ], { calls: [{ id: "call_1", ...F }, { id: "call_2", ...G }] }],
    ["the name in the second delta (case 6)", [
      ROLE,
      call({ index: 0, id: "call_1", type: "function" }, { arguments: '{"a"' }),
      call({ index: 0 }, { name: "f", arguments: ":1}" }),
      CALLED,
      DONE,
    ], { calls: [{ id: "call_1", ...F }] }],
    ["nothing but [DONE] (case 10)", [DONE], {}],
    ["content and finish in one chunk (case 11)", [ROLE, chunk({ content: "Hi" }, "stop"), DONE], { text: "Hi" }],
    ["an empty thinking delta (case 20)", [
      ROLE,
      chunk({ reasoning_content: "" }),
      chunk({ content: "Hi" }),
      FINISH,
      DONE,
    ], {
      text: "Hi",
    }],
    ["role and content together", [chunk({ role: "assistant", content: "Hi" }), FINISH, DONE], { text: "Hi" }],
    ["no role at all, no [DONE]", [chunk({ content: "Hi" }), FINISH], { text: "Hi" }],
    ["role in every delta, finish twice, usage with the second (OpenRouter)", [
      ": OPENROUTER PROCESSING\n\n",
      chunk({ role: "assistant", content: "H" }),
      chunk({ role: "assistant", content: "i" }),
      chunk({ role: "assistant", content: "" }, "stop"),
      chunk({ role: "assistant", content: "" }, "stop", usage(7, 3)),
      DONE,
    ], { text: "Hi", usage: { input: 7, output: 3 } }],
    ["filter results first, a choice without delta (Azure)", [
      data({ choices: [], created: 0, id: "", model: "", object: "", prompt_filter_results: [{ prompt_index: 0 }] }),
      chunk(undefined, null, { content_filter_results: {} }),
      chunk({ content: "Hi" }),
      FINISH,
      DONE,
    ], { text: "Hi" }],
    ["null for everything (DeepSeek)", [
      chunk({ role: null, content: null, tool_calls: null, reasoning_content: "Hm" }),
      chunk({ role: null, content: "Hi", tool_calls: null, reasoning_content: null }),
      FINISH,
      DONE,
    ], { text: "Hi", thinking: "Hm" }],
    ["thinking as `reasoning` (vLLM, Groq)", [chunk({ reasoning: "Hm" }), chunk({ content: "Hi" }), FINISH, DONE], {
      text: "Hi",
      thinking: "Hm",
    }],
    ["thinking as typed parts, text in the finish chunk (Mistral)", [
      ROLE,
      chunk({ content: [{ type: "thinking", thinking: [{ type: "text", text: "Hm" }] }] }),
      chunk({ content: "H" }),
      chunk({ content: "i" }, "stop", usage(7, 3)),
      DONE,
    ], { text: "Hi", thinking: "Hm", usage: { input: 7, output: 3 } }],
    ["id and name repeated, or empty, in later deltas", [
      ROLE,
      call({ index: 0, id: "call_1", type: "function" }, { name: "f", arguments: "" }),
      call({ index: 0, id: "call_1", type: "function" }, { name: "f", arguments: '{"a"' }),
      call({ index: 0, id: "", type: "function" }, { name: "", arguments: ":1}" }),
      CALLED,
      DONE,
    ], { calls: [{ id: "call_1", ...F }] }],
    ["arguments as an object", [
      ROLE,
      call({ index: 0, id: "call_1" }, { name: "f", arguments: { a: 1 } }),
      CALLED,
      DONE,
    ], {
      calls: [{ id: "call_1", ...F }],
    }],
    ["calls without ids", [
      ROLE,
      call({ index: 0, type: "function" }, { name: "f", arguments: '{"a":1}' }),
      call({ index: 1, type: "function" }, { name: "g", arguments: '{"b":2}' }),
      CALLED,
      DONE,
    ], { calls: [F, G] }],
    ["no arguments", [ROLE, call({ index: 0, id: "call_1", type: "function" }, { name: "f" }), CALLED, DONE], {
      calls: [{ id: "call_1", name: "f", input: {} }],
    }],
    ["legacy function_call", [
      ROLE,
      chunk({ function_call: { name: "f", arguments: "" } }),
      chunk({ function_call: { arguments: '{"a":1}' } }),
      chunk({}, "function_call"),
      DONE,
    ], { calls: [F] }],
    ["finish stop with a call (Ollama, forced functions)", [
      ROLE,
      call({ index: 0, id: "call_1", type: "function" }, { name: "f", arguments: '{"a":1}' }),
      FINISH,
      DONE,
    ], { calls: [{ id: "call_1", ...F }] }],
    ["[DONE] without a finish, after text", [ROLE, chunk({ content: "Hi" }), DONE], { text: "Hi" }],
    ["[DONE] without a finish, after a call", [
      ROLE,
      call({ index: 0, id: "call_1", type: "function" }, { name: "f", arguments: '{"a":1}' }),
      DONE,
    ], { calls: [{ id: "call_1", ...F }] }],
    ["a running total of usage in every chunk", [
      chunk({ role: "assistant", content: "H" }, null, usage(7, 1)),
      chunk({ content: "i" }, null, usage(7, 2)),
      chunk({}, "stop", usage(7, 3)),
      DONE,
    ], { text: "Hi", usage: { input: 7, output: 3 } }],
    ["data after the end", [ROLE, chunk({ content: "Hi" }), FINISH, DONE, chunk({ content: "late" }), DONE], {
      text: "Hi",
    }],
    ["an unknown finish_reason", [ROLE, chunk({ content: "Hi" }), chunk({}, "eos"), DONE], { text: "Hi" }],
    ["text, a call, text again", [
      ROLE,
      chunk({ content: "H" }),
      call({ index: 0, id: "call_1", type: "function" }, { name: "f", arguments: '{"a":1}' }),
      chunk({ content: "i" }),
      CALLED,
      DONE,
    ], { text: "Hi", calls: [{ id: "call_1", ...F }] }],
    ["five calls, interleaved", [
      ROLE,
      ...[0, 1, 2, 3, 4].map((index) =>
        call({ index, id: `call_${index}`, type: "function" }, { name: "f", arguments: "" })
      ),
      ...['{"a', '":', "1}"].flatMap((part) => [4, 2, 0, 3, 1].map((index) => call({ index }, { arguments: part }))),
      CALLED,
      DONE,
    ], { calls: [0, 1, 2, 3, 4].map((index) => ({ id: `call_${index}`, ...F })) }],
  ]);
});

describe("a chat upstream that fails within its stream", () => {
  const begun = [ROLE, chunk({ content: "Hello" }), chunk({ content: " there" })];
  const pause = chunk({ content: "." });
  failing("chat", [
    ["an error object", [...begun, pause, data({ error: { message: "Broken", code: 500 } })], /Broken/],
    ["an error beside choices (OpenRouter)", [
      ...begun,
      chunk({ content: "" }, "error", { error: { code: 400, message: "Broken" } }),
      DONE,
    ], /Broken/],
    ["event: error (Groq)", [...begun, `event: error\n${data({ error: { message: "Broken", type: "x" } })}`], /Broken/],
    ["an error that is a string", [...begun, data({ error: "Broken" })], /Broken/],
    ["an error in an array (Gemini)", [...begun, data([{ error: { code: 503, message: "Broken" } }])], /Broken/],
    ["a line that is no JSON", [...begun, 'data: {"id": \n\n', FINISH, DONE], /./],
    ["a call that never gets a name", [
      ...begun,
      call({ index: 0, id: "call_1", type: "function" }, { arguments: "{}" }),
      CALLED,
      DONE,
    ], /./],
    ["neither finish nor [DONE]", begun, /./],
    ["a call cut in its arguments (PITFALLS 37)", [
      ...begun,
      call({ index: 0, id: "call_1", type: "function" }, { name: "f", arguments: '{"a' }),
    ], /./],
  ]);
});

// ---- responses

function event(type: string, fields: Json): string {
  return `event: ${type}\n${data({ type, sequence_number: 0, ...fields })}`;
}

function response(status: string, fields: Json = {}): Json {
  return {
    response: { id: "resp_1", object: "response", created_at: 1790000000, model: "m", status, output: [], ...fields },
  };
}

const CREATED = event("response.created", response("in_progress"));
const MESSAGE = { id: "msg_1", type: "message", role: "assistant", status: "completed", content: [] };
const AT = { item_id: "msg_1", output_index: 0, content_index: 0 };
const added = (output_index: number, item: Json) => event("response.output_item.added", { output_index, item });
const done = (output_index: number, item: Json) => event("response.output_item.done", { output_index, item });
const TEXT_PART = { type: "output_text", text: "", annotations: [] };
const OPEN_TEXT = [
  added(0, { ...MESSAGE, status: "in_progress" }),
  event("response.content_part.added", { ...AT, part: TEXT_PART }),
];
const textDelta = (delta: string, at: Json = AT) => event("response.output_text.delta", { ...at, delta });
const CLOSE_TEXT = [
  event("response.output_text.done", { ...AT, text: "Hi" }),
  event("response.content_part.done", { ...AT, part: { ...TEXT_PART, text: "Hi" } }),
  done(0, { ...MESSAGE, content: [{ ...TEXT_PART, text: "Hi" }] }),
];
const RESPONSE_USAGE = { usage: { input_tokens: 7, output_tokens: 3, total_tokens: 10 } };
const COMPLETED = event("response.completed", response("completed", RESPONSE_USAGE));
const FUNCTION = {
  id: "fc_1",
  type: "function_call",
  call_id: "call_1",
  name: "f",
  arguments: '{"a":1}',
  status: "completed",
};

describe("a sloppy responses upstream", () => {
  const rotated = (index: number) => ({ ...AT, item_id: `rotating-${index}` });
  const reasoning = { id: "rs_1", type: "reasoning", summary: [] };
  const inReasoning = { item_id: "rs_1", output_index: 0, content_index: 0 };
  table("responses", [
    ["no in_progress, usage without details", [CREATED, ...OPEN_TEXT, textDelta("Hi"), ...CLOSE_TEXT, COMPLETED], {
      text: "Hi",
      usage: { input: 7, output: 3 },
    }],
    ["no event: lines, [DONE] at the end", [
      ...[CREATED, ...OPEN_TEXT, textDelta("Hi"), ...CLOSE_TEXT, COMPLETED].map((frame) =>
        frame.replace(/^event: .*\n/, "")
      ),
      DONE,
    ], { text: "Hi" }],
    ["another item_id in every event (GitHub Copilot)", [
      CREATED,
      ...OPEN_TEXT,
      textDelta("H", rotated(1)),
      textDelta("i", rotated(2)),
      event("response.output_text.done", { ...rotated(3), text: "Hi" }),
      done(0, { ...MESSAGE, id: "rotating-4", content: [{ ...TEXT_PART, text: "Hi" }] }),
      COMPLETED,
    ], { text: "Hi" }],
    ["deltas without item or part before them (PITFALLS 2)", [CREATED, textDelta("H"), textDelta("i"), COMPLETED], {
      text: "Hi",
    }],
    ["a whole call in its done event", [CREATED, done(0, FUNCTION), COMPLETED], {
      calls: [{ id: "call_1", ...F }],
    }],
    ["a call without argument deltas", [
      CREATED,
      added(0, { ...FUNCTION, arguments: "" }),
      event("response.function_call_arguments.done", { item_id: "fc_1", output_index: 0, arguments: '{"a":1}' }),
      done(0, FUNCTION),
      COMPLETED,
    ], { calls: [{ id: "call_1", ...F }] }],
    ["items that overlap, thinking closed after the text (OpenRouter)", [
      CREATED,
      added(0, reasoning),
      event("response.content_part.added", { ...inReasoning, part: { type: "reasoning_text", text: "" } }),
      event("response.reasoning_text.delta", { ...inReasoning, delta: "Hm" }),
      added(1, { ...MESSAGE, status: "in_progress" }),
      event("response.content_part.added", { ...AT, output_index: 1, part: TEXT_PART }),
      textDelta("Hi", { ...AT, output_index: 1 }),
      event("response.output_text.done", { ...AT, output_index: 1, text: "Hi" }),
      done(1, { ...MESSAGE, content: [{ ...TEXT_PART, text: "Hi" }] }),
      done(0, { ...reasoning, content: [{ type: "reasoning_text", text: "Hm" }] }),
      COMPLETED,
    ], { text: "Hi", thinking: "Hm" }],
    ["events and items of no one's", [
      CREATED,
      event("response.moon_phase.changed", { phase: "full" }),
      ...OPEN_TEXT,
      textDelta("Hi"),
      ...CLOSE_TEXT,
      COMPLETED,
    ], { text: "Hi" }],
    ["keepalive events and obfuscation", [
      CREATED,
      event("keepalive", {}),
      ...OPEN_TEXT,
      event("response.output_text.delta", { ...AT, delta: "Hi", obfuscation: "xyz" }),
      ...CLOSE_TEXT,
      COMPLETED,
    ], { text: "Hi" }],
  ]);
  const begun = [CREATED, ...OPEN_TEXT, textDelta("Hello"), textDelta(" there")];
  failing("responses", [
    [
      "a flat error (case 26)",
      [...begun, event("error", { code: "server_error", message: "Broken", param: null })],
      /Broken/,
    ],
    [
      "a nested error (case 26)",
      [...begun, event("error", { error: { type: "server_error", message: "Broken" } })],
      /Broken/,
    ],
    ["response.failed", [
      ...begun,
      event("response.failed", response("failed", { error: { code: "server_error", message: "Broken" } })),
    ], /Broken/],
    ["no terminal event", begun, /./],
  ]);
});

// ---- messages

const named = (type: string, fields: Json = {}) => `event: ${type}\n${data({ type, ...fields })}`;
const START = named("message_start", {
  message: {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "m",
    content: [],
    usage: { input_tokens: 7, output_tokens: 1 },
  },
});
const open = (index: number, content_block: Json) => named("content_block_start", { index, content_block });
const delta = (index: number, delta: Json) => named("content_block_delta", { index, delta });
const close = (index: number) => named("content_block_stop", { index });
const say = (text: string, index = 0) => delta(index, { type: "text_delta", text });
const end = (stop_reason: string, output_tokens = 3) =>
  named("message_delta", { delta: { stop_reason, stop_sequence: null }, usage: { output_tokens } });
const STOPPED = named("message_stop");
const TEXT = { type: "text", text: "" };
const TOOL = { type: "tool_use", id: "toolu_1", name: "f", input: {} };

describe("a sloppy messages upstream", () => {
  table("messages", [
    ["pings before and after everything", [
      named("ping"),
      START,
      named("ping"),
      open(0, TEXT),
      say("Hi"),
      close(0),
      named("ping"),
      end("end_turn"),
      STOPPED,
    ], { text: "Hi", usage: { input: 7, output: 3 } }],
    ["a block that is never closed", [START, open(0, TEXT), say("Hi"), end("end_turn"), STOPPED], { text: "Hi" }],
    ["a block that opens before the last is closed", [
      START,
      open(0, TEXT),
      say("Hi"),
      open(1, TOOL),
      delta(1, { type: "input_json_delta", partial_json: '{"a":1}' }),
      close(1),
      end("tool_use"),
      STOPPED,
    ], { text: "Hi", calls: [{ id: "toolu_1", ...F }] }],
    ["unknown events and blocks", [
      START,
      named("moon_phase", { phase: "full" }),
      open(0, { type: "hologram", data: "x" }),
      close(0),
      open(1, TEXT),
      say("Hi", 1),
      close(1),
      end("end_turn"),
      STOPPED,
    ], { text: "Hi" }],
    ["text in the block's start", [
      START,
      open(0, { type: "text", text: "H" }),
      say("i"),
      close(0),
      end("end_turn"),
      STOPPED,
    ], {
      text: "Hi",
    }],
    ["no arguments at all", [START, open(0, TOOL), close(0), end("tool_use"), STOPPED], {
      calls: [{ id: "toolu_1", name: "f", input: {} }],
    }],
    ["no event: lines, [DONE] at the end (PITFALLS 39)", [
      ...[START, open(0, TEXT), say("Hi"), close(0), end("end_turn"), STOPPED].map((frame) =>
        frame.replace(/^event: .*\n/, "")
      ),
      DONE,
    ], { text: "Hi" }],
    ["empty text blocks", [
      START,
      open(0, TEXT),
      close(0),
      open(1, TEXT),
      say("Hi", 1),
      close(1),
      end("end_turn"),
      STOPPED,
    ], {
      text: "Hi",
    }],
  ]);
  const begun = [START, open(0, TEXT), say("Hello"), say(" there")];
  failing("messages", [
    [
      "an error event",
      [...begun, named("error", { error: { type: "overloaded_error", message: "Broken" } })],
      /Broken/,
    ],
    ["no message_stop, no message_delta", [...begun, close(0)], /./],
    ["a line that is no JSON", [
      ...begun,
      "event: content_block_delta\ndata: {\n\n",
      close(0),
      end("end_turn"),
      STOPPED,
    ], /./],
  ]);
});

describe("an answer that doesn't say why it ended (TRANSLATION.md, 4.5)", () => {
  for (const mode of MODES) {
    test(`${mode}: what is assumed is told as a loss`, async () => {
      const log = keptLog();
      const told = await startStage("", { log });
      try {
        const message = { role: "assistant", content: "Hi" };
        told.upstreams.chat.answer(
          mode === "whole"
            ? json({
              id: "chatcmpl-1",
              object: "chat.completion",
              choices: [{ index: 0, message, finish_reason: null }],
            })
            : sse([chunk({ content: "Hi" }), DONE]),
        );
        const body = plainBody("messages", MODEL.chat, { stream: mode === "streamed" });
        const answer = await post(told.gateway.url, "messages", body, {
          headers: { authorization: `Bearer ${CLIENT_KEY}` },
        });
        assert.match(await answer.text(), /"stop_reason":\s?"end_turn"/);
        const losses = log.lines.filter(({ event }) => event === "loss").flatMap(({ losses }) => losses as Json[]);
        assert.deepEqual(losses.map(({ path }) => path), ["finish_reason"]);
      } finally {
        await told.stop();
      }
    });
  }
});
