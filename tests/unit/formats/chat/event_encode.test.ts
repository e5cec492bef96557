import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { cutOff } from "../../../../lib/base/failure.ts";
import { Losses } from "../../../../lib/format.ts";
import { chat } from "../../../../lib/formats/chat/mod.ts";
import type { NeutralEvent, Part, Stop, Usage } from "../../../../lib/neutral.ts";
import { checkChatStream } from "../../../support/grammar_chat.ts";
import { answer, deltas, events, frames, written } from "./setup.ts";

const start: NeutralEvent = { t: "start", id: "msg_1", model: "upstream-model", createdAt: 1_790_000_000 };
const end: NeutralEvent = { t: "end" };
const usage: Usage = {
  inputTokens: 100,
  cacheReadTokens: 90,
  cacheWriteTokens: 0,
  outputTokens: 5,
  reasoningTokens: 2,
};
const finish = (reason: Stop["reason"], more: Partial<Stop> = {}, c = 0): NeutralEvent => ({
  t: "finish",
  c,
  stop: { reason, ...more },
});

/** A whole part: its start, its deltas, its end. */
function part(i: number, value: Part, text: readonly string[], more: NeutralEvent[] = [], c = 0): NeutralEvent[] {
  const t = value.kind === "tool_call"
    ? "arguments"
    : value.kind === "reasoning"
    ? "reasoning"
    : value.kind === "refusal"
    ? "refusal"
    : "text";
  return [
    { t: "part_start", c, i, part: value },
    ...text.map((delta): NeutralEvent => ({ t, c, i, delta })),
    ...more,
    { t: "part_end", c, i },
  ];
}
const text = (i: number, pieces: readonly string[], more: NeutralEvent[] = [], c = 0) =>
  part(i, { kind: "text", text: "" }, pieces, more, c);
const thought = (i: number, pieces: readonly string[], more: NeutralEvent[] = [], form: "full" | "summary" = "full") =>
  part(i, { kind: "reasoning", form, text: "" }, pieces, more);
const call = (i: number, id: string, pieces: readonly string[], more: NeutralEvent[] = [], custom = false) =>
  part(i, { kind: "tool_call", id, name: "f", toolKind: custom ? "custom" : "function", arguments: "" }, pieces, more);

/** The stream, checked against its grammar. */
function stream(list: readonly NeutralEvent[], includeUsage = false, losses = new Losses()): string {
  const out = written(list, answer({ losses }, { includeUsage }));
  assert.deepEqual(checkChatStream(out, { includeUsage }), []);
  return out;
}

function finishOf(list: readonly NeutralEvent[]): unknown {
  const choices = frames(stream(list)).flatMap((frame) =>
    typeof frame === "string" ? [] : frame["choices"] as JsonObject[]
  );
  return choices.findLast((choice) => choice["finish_reason"] !== null)?.["finish_reason"];
}

test("text, frame by frame, in the vendor's order of members", () => {
  const id = "chatcmpl-" + JSON.parse(stream([start, finish("stop"), end]).slice(6).split("\n")[0] ?? "").id.slice(9);
  const frame = (delta: string, reason = "null") =>
    `data: {"id":"${id}","object":"chat.completion.chunk","created":1790000000,"model":"alias",` +
    `"choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${reason}}]}\n\n`;
  assert.equal(
    stream([start, ...text(0, ["Hel", "lo"]), { t: "usage", usage }, finish("stop"), end]),
    frame('{"role":"assistant","content":""}') + frame('{"content":"Hel"}') + frame('{"content":"lo"}') +
      frame("{}", '"stop"') + "data: [DONE]\n\n",
  );
});

test("the upstream's id stays if it is one of ours, and two answers with any other differ", () => {
  const id = (upstream: string, requestId: string) =>
    (frames(written([{ ...start, id: upstream }, finish("stop"), end], answer({ requestId })))[0] as JsonObject)["id"];
  assert.equal(id("chatcmpl-abc", "req_1"), "chatcmpl-abc");
  assert.equal(id("msg_1", "req_1"), id("msg_1", "req_1"));
  assert.notEqual(id("msg_1", "req_1"), id("msg_1", "req_2"));
  assert.notEqual(id("", "req_1"), id("", "req_2"));
});

describe("usage", () => {
  test("only if it was asked for, then null on all other chunks", () => {
    const list = [start, ...text(0, ["a"]), finish("stop"), { t: "usage", usage } as NeutralEvent, end];
    assert.equal(stream(list).includes("usage"), false);
    const out = frames(stream(list, true));
    assert.deepEqual(out.slice(0, -2).map((frame) => (frame as JsonObject)["usage"]), [null, null, null]);
    const last = out.at(-2) as JsonObject;
    assert.deepEqual(last["choices"], []);
    assert.deepEqual(last["usage"], {
      prompt_tokens: 100,
      completion_tokens: 5,
      total_tokens: 105,
      prompt_tokens_details: { cached_tokens: 90, cache_write_tokens: 0, audio_tokens: 0 },
      completion_tokens_details: {
        reasoning_tokens: 2,
        audio_tokens: 0,
        accepted_prediction_tokens: 0,
        rejected_prediction_tokens: 0,
      },
    });
  });

  test("the last total counts; without one the estimate of the input does", () => {
    const last = (list: NeutralEvent[]) =>
      (frames(stream([start, ...list, finish("stop"), end], true)).at(-2) as JsonObject)["usage"] as JsonObject;
    const totals: NeutralEvent[] = [{ t: "usage", usage: { ...usage, outputTokens: 1 } }, { t: "usage", usage }];
    assert.equal(last(totals)["completion_tokens"], 5);
    assert.equal(last([])["prompt_tokens"], 7);
  });
});

describe("tool calls", () => {
  test("index by order of calls, id, type and name once, arguments never null", () => {
    const list = [
      start,
      ...text(0, ["a"]),
      ...call(1, "c1", ['{"x"', ":1}"]),
      ...call(2, "c2", []),
      finish("tool_calls"),
      end,
    ];
    assert.deepEqual(deltas(stream(list)).slice(2, -1), [
      { tool_calls: [{ index: 0, id: "c1", type: "function", function: { name: "f", arguments: "" } }] },
      { tool_calls: [{ index: 0, function: { arguments: '{"x"' } }] },
      { tool_calls: [{ index: 0, function: { arguments: ":1}" } }] },
      { tool_calls: [{ index: 1, id: "c2", type: "function", function: { name: "f", arguments: "" } }] },
      { tool_calls: [{ index: 1, function: { arguments: "{}" } }] },
    ]);
  });

  test("overlapping calls keep their index", () => {
    const [begin1, delta1, end1] = call(0, "c1", ["{}"]);
    const [begin2, delta2, end2] = call(1, "c2", ["{}"]);
    const list = [start, begin1, begin2, delta2, delta1, end1, end2, finish("tool_calls"), end] as NeutralEvent[];
    const indexes = deltas(stream(list)).slice(1, -1).map((delta) =>
      (delta["tool_calls"] as JsonObject[])[0]?.["index"]
    );
    assert.deepEqual(indexes, [0, 1, 1, 0]);
  });

  test("custom tools: raw input", () => {
    const list = [start, ...call(0, "c", ["***"], [], true), finish("tool_calls"), end];
    assert.deepEqual(deltas(stream(list)).slice(1, -1), [
      { tool_calls: [{ index: 0, id: "c", type: "custom", custom: { name: "f", input: "" } }] },
      { tool_calls: [{ index: 0, custom: { input: "***" } }] },
    ]);
  });

  test("a signature of the call's own", () => {
    const opaque: NeutralEvent = {
      t: "opaque",
      c: 0,
      i: 0,
      opaque: { issuer: "google", kind: "thought_signature", value: "s" },
    };
    const list = [start, ...call(0, "c", ["{}"], [opaque]), finish("tool_calls"), end];
    assert.deepEqual(deltas(stream(list))[3], {
      tool_calls: [{ index: 0, function: { arguments: "" }, extra_content: { google: { thought_signature: "s" } } }],
    });
  });
});

describe("thinking", () => {
  const opaque = (
    i: number,
    issuer: string,
    kind: "signature" | "encrypted",
    value: string,
    id?: string,
  ): NeutralEvent => ({
    t: "opaque",
    c: 0,
    i,
    opaque: { issuer, kind, value, ...(id === undefined ? {} : { id }) },
  });

  test("unsigned thinking is told in reasoning_content alone", () => {
    assert.deepEqual(
      deltas(stream([start, ...thought(0, ["h", "m"]), ...text(1, ["a"]), finish("stop"), end])).slice(1, -1),
      [
        { reasoning_content: "h" },
        { reasoning_content: "m" },
        { content: "a" },
      ],
    );
  });

  test("signed and encrypted thinking is told once more, whole, before the finish (cases 12, 13)", () => {
    const redacted: Part = {
      kind: "reasoning",
      form: "redacted",
      text: "",
      opaque: [{ issuer: "anthropic", kind: "redacted", value: "red" }],
    };
    const list = [
      start,
      ...thought(0, ["h", "m"], [opaque(0, "anthropic", "signature", "sig")]),
      ...part(1, redacted, []),
      ...thought(2, ["sum"], [opaque(2, "openai", "encrypted", "enc", "rs_1")], "summary"),
      ...thought(3, [], [opaque(3, "lab", "encrypted", "x")]),
      ...text(4, ["a"]),
      finish("stop"),
      end,
    ];
    assert.deepEqual(deltas(stream(list)).at(-2), {
      reasoning_details: [
        { type: "reasoning.text", text: "hm", signature: "sig", format: "anthropic-claude-v1", index: 0 },
        { type: "reasoning.encrypted", data: "red", format: "anthropic-claude-v1", index: 1 },
        { type: "reasoning.summary", summary: "sum", format: "openai-responses-v1", index: 2 },
        { type: "reasoning.encrypted", data: "enc", id: "rs_1", format: "openai-responses-v1", index: 3 },
        { type: "reasoning.encrypted", data: "x", format: "lab", index: 4 },
      ],
    });
  });

  test("the events that were given are not changed", () => {
    const list = [start, ...thought(0, ["h"], [opaque(0, "anthropic", "signature", "s")]), finish("stop"), end];
    const before = JSON.stringify(list);
    written(list);
    assert.equal(JSON.stringify(list), before);
  });
});

describe("text that is more than text", () => {
  test("citations once, with the place of their part in the whole text", () => {
    const cite = (i: number, url: string, place: JsonObject = {}): NeutralEvent => ({
      t: "citation",
      c: 0,
      i,
      citation: { kind: "url", url, title: "T", ...place },
    });
    const list = [
      start,
      ...text(0, ["abc"]),
      ...text(1, ["de"], [cite(1, "https://a"), cite(1, "https://b", { start: 1, end: 2 })]),
      finish("stop"),
      end,
    ];
    assert.deepEqual(deltas(stream(list)).at(-2), {
      annotations: [
        { type: "url_citation", url_citation: { start_index: 3, end_index: 5, title: "T", url: "https://a" } },
        { type: "url_citation", url_citation: { start_index: 1, end_index: 2, title: "T", url: "https://b" } },
      ],
    });
  });

  test("a citation that comes before its text covers all of it", () => {
    const citation: NeutralEvent = {
      t: "citation",
      c: 0,
      i: 0,
      citation: { kind: "url", url: "https://a", title: "T" },
    };
    const [first, ...others] = text(0, ["abc"]);
    if (first === undefined) throw new Error("text() gives no events");
    assert.deepEqual(deltas(stream([start, first, citation, ...others, finish("stop"), end])).at(-2), {
      annotations: [
        { type: "url_citation", url_citation: { start_index: 0, end_index: 3, title: "T", url: "https://a" } },
      ],
    });
  });

  test("logprobs beside their text", () => {
    const logprobs = [{ token: "a", logprob: -1 }];
    const list: NeutralEvent[] = [
      start,
      { t: "part_start", c: 0, i: 0, part: { kind: "text", text: "" } },
      { t: "text", c: 0, i: 0, delta: "a", logprobs },
      { t: "part_end", c: 0, i: 0 },
      finish("stop"),
      end,
    ];
    const [choice] = (frames(stream(list))[1] as JsonObject)["choices"] as JsonObject[];
    assert.deepEqual(choice?.["logprobs"], { content: logprobs, refusal: null });
  });

  test("what can't be shown is lost by name", () => {
    const losses = new Losses();
    const native: Part = { kind: "native", format: "messages", value: {} };
    const cited: NeutralEvent = { t: "citation", c: 0, i: 1, citation: { kind: "document", unit: "page", index: 0 } };
    stream([start, ...part(0, native, []), ...text(1, ["a"], [cited]), finish("pause"), end], false, losses);
    assert.deepEqual(losses.list.map((loss) => loss.path), [
      "choices[0].message",
      "choices[0].message.annotations",
      "choices[0].finish_reason",
    ]);
  });
});

describe("finish", () => {
  const reasons: [Stop["reason"], string][] = [
    ["stop", "stop"],
    ["stop_sequence", "stop"],
    ["max_tokens", "length"],
    ["context_window", "length"],
    ["tool_calls", "stop"],
    ["content_filter", "content_filter"],
    ["refusal", "content_filter"],
    ["pause", "stop"],
    ["compaction", "stop"],
    ["malformed_tool_call", "stop"],
    ["unknown", "stop"],
  ];
  for (const [reason, word] of reasons) {
    test(`${reason} after text is ${word}`, () => {
      assert.equal(finishOf([start, ...text(0, ["a"]), finish(reason), end]), word);
    });
  }

  test("a call makes it tool_calls, but not where the answer broke off", () => {
    const list = [start, ...call(0, "c", ["{}"])];
    assert.equal(finishOf([...list, finish("stop"), end]), "tool_calls");
    assert.equal(finishOf([...list, finish("max_tokens"), end]), "length");
  });

  test("a refusal in words ends in stop, one without words is given some", () => {
    const said = [start, ...part(0, { kind: "refusal", text: "" }, ["No."]), finish("refusal"), end];
    assert.equal(finishOf(said), "stop");
    assert.deepEqual(deltas(stream(said))[1], { refusal: "No." });
    const silent = [start, finish("refusal"), end];
    assert.equal(finishOf(silent), "content_filter");
    assert.deepEqual(deltas(stream(silent))[1], { refusal: "The model refused." });
    assert.deepEqual(deltas(stream([start, finish("refusal", { explanation: "Why." }), end]))[1], { refusal: "Why." });
  });

  test("a call that nobody can read, and nothing else, is an error", () => {
    const out = frames(stream([start, finish("malformed_tool_call"), end]));
    assert.ok("error" in (out.at(-1) as JsonObject));
  });
});

describe("several candidates", () => {
  test("each has its role, its tool indexes and its finish", () => {
    const other = part(
      0,
      { kind: "tool_call", id: "d", name: "f", toolKind: "function", arguments: "" },
      ["{}"],
      [],
      1,
    );
    const out = stream([start, ...text(0, ["a"]), ...other, finish("stop"), finish("tool_calls", {}, 1), end]);
    assert.deepEqual(deltas(out, 1)[0], { role: "assistant", content: "" });
    assert.deepEqual(deltas(out, 1)[1], {
      tool_calls: [{ index: 0, id: "d", type: "function", function: { name: "f", arguments: "" } }],
    });
  });
});

describe("errors and silence", () => {
  test("an error ends the stream: no [DONE], nothing after it (case 9)", () => {
    const out = written([start, ...text(0, ["half"]), { t: "error", failure: cutOff() }, finish("stop"), end]);
    assert.deepEqual(checkChatStream(out), []);
    assert.deepEqual(frames(out).at(-1), {
      error: {
        message: "The upstream closed the stream before it was complete",
        type: "server_error",
        param: null,
        code: "upstream_stream_cut",
      },
    });
    assert.equal(out.includes(chat.errorFrame(cutOff(), "req_1")), true);
  });

  test("an error before anything else", () => {
    assert.equal(frames(written([{ t: "error", failure: cutOff() }])).length, 1);
  });

  test("a keep-alive is a comment, at any time", () => {
    assert.equal(written([{ t: "keepalive" }]), ": keepalive\n\n");
    assert.equal(chat.keepaliveFrame, ": keepalive\n\n");
  });

  test("events of other formats are nothing here", () => {
    assert.equal(written([{ t: "native", format: "messages", event: { type: "x" } }]), "");
  });
});

test("what this format's own decoder reads is what its encoder wrote", () => {
  const list = [
    start,
    ...thought(0, ["hm"], [{
      t: "opaque",
      c: 0,
      i: 0,
      opaque: { issuer: "anthropic", kind: "signature", value: "s" },
    }]),
    ...text(1, ["a", "b"]),
    ...call(2, "c", ['{"x":1}']),
    finish("tool_calls"),
    { t: "usage", usage } as NeutralEvent,
    end,
  ];
  const back = events(frames(stream(list, true)));
  assert.deepEqual(back.flatMap((event) => event.t === "text" ? [event.delta] : []), ["a", "b"]);
  assert.deepEqual(back.find((event) => event.t === "opaque")?.opaque, {
    issuer: "anthropic",
    kind: "signature",
    value: "s",
  });
  assert.deepEqual(back.find((event) => event.t === "usage")?.usage, usage);
});
