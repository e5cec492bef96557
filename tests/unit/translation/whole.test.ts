import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { NeutralEvent, NeutralResponse } from "../../../lib/neutral.ts";
import { collect, replay } from "../../../lib/translation/whole.ts";
import {
  anyResponse,
  args,
  begin,
  beginText,
  call,
  done,
  END,
  finish,
  signature,
  START,
  text,
  thinking,
} from "../../support/neutral.ts";

const USAGE = { inputTokens: 5, cacheReadTokens: 0, cacheWriteTokens: 0, outputTokens: 2, reasoningTokens: 0 };

function collected(events: Iterable<NeutralEvent>): NeutralResponse {
  const result = collect(events);
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

function failureOf(events: Iterable<NeutralEvent>): string {
  const result = collect(events);
  assert.ok(!result.ok);
  return result.failure.kind;
}

describe("collect", () => {
  test("puts interleaved parts together, each from its own deltas", () => {
    const response = collected([
      START,
      begin(0, thinking("")),
      { t: "reasoning", c: 0, i: 0, delta: "why " },
      { t: "reasoning", c: 0, i: 0, delta: "not" },
      { t: "opaque", c: 0, i: 0, opaque: signature("sig") },
      done(0),
      begin(1, call("a", "f")),
      begin(2, call("b", "g")),
      args(1, '{"x"'),
      args(2, "{}"),
      args(1, ":1}"),
      done(1),
      done(2),
      finish("tool_calls"),
      { t: "usage", usage: { ...USAGE, outputTokens: 1 } },
      { t: "usage", usage: USAGE },
      END,
    ]);
    assert.deepEqual(response, {
      id: "a1",
      model: "m",
      createdAt: 1_790_000_000,
      candidates: [{
        index: 0,
        parts: [
          thinking("why not", signature("sig")),
          call("a", "f", { arguments: '{"x":1}' }),
          call("b", "g", { arguments: "{}" }),
        ],
        stop: { reason: "tool_calls" },
      }],
      usage: USAGE,
    });
  });

  test("keeps citations and logprobs with their text", () => {
    const citation = { kind: "url", url: "https://a.example" } as const;
    const response = collected([
      START,
      beginText(0),
      { t: "text", c: 0, i: 0, delta: "a", logprobs: [1] },
      { t: "citation", c: 0, i: 0, citation },
      { t: "text", c: 0, i: 0, delta: "b", logprobs: [2] },
      done(0),
      finish(),
      END,
    ]);
    assert.deepEqual(response.candidates[0]?.parts, [
      { kind: "text", text: "ab", logprobs: [1, 2], citations: [citation] },
    ]);
  });

  test("the early usage stands when no other comes", () => {
    assert.deepEqual(collected([{ ...START, usage: USAGE } as NeutralEvent, finish(), END]).usage, USAGE);
  });

  test("doesn't change the parts of the events", () => {
    const start = begin(0, thinking("", signature("one")));
    const before = structuredClone(start);
    collected([START, start, { t: "opaque", c: 0, i: 0, opaque: signature("two") }, done(0), finish(), END]);
    assert.deepEqual(start, before);
  });

  test("an error event is the failure, whatever came before", () => {
    const failure = { kind: "overloaded", source: "upstream", message: "busy", retry: true } as const;
    assert.deepEqual(collect([START, beginText(0), text(0, "a"), { t: "error", failure }, END]), {
      ok: false,
      failure,
    });
  });

  test("a stream without its end is cut off, never a short answer", () => {
    assert.equal(failureOf([START, beginText(0), text(0, "half"), done(0), finish()]), "upstream_cut");
    assert.equal(failureOf([]), "upstream_cut");
  });

  test("events against the grammar are a protocol failure", () => {
    assert.equal(failureOf([finish(), END]), "upstream_protocol");
    assert.equal(failureOf([START, text(0, "a"), finish(), END]), "upstream_protocol");
    assert.equal(failureOf([START, beginText(0), args(0, "{}"), finish(), END]), "upstream_protocol");
    assert.equal(failureOf([START, beginText(0), done(0), text(0, "late"), finish(), END]), "upstream_protocol");
  });

  test("candidates come in the order of their index, an answer without any has an empty one", () => {
    const response = collected([START, finish("max_tokens", 1), finish("stop", 0), END]);
    assert.deepEqual(response.candidates.map(({ index, stop }) => [index, stop.reason]), [[0, "stop"], [
      1,
      "max_tokens",
    ]]);
    assert.deepEqual(collected([START, END]).candidates, [{ index: 0, parts: [], stop: { reason: "unknown" } }]);
  });
});

describe("replay", () => {
  test("collecting what was replayed gives the same answer", () => {
    fc.assert(fc.property(anyResponse, (response) => {
      const before = structuredClone(response);
      assert.deepEqual(collected(replay(response)), before);
      assert.deepEqual(response, before);
    }));
  });

  test("gives a stream as decoders do: empty parts, then deltas, then the end", () => {
    const response: NeutralResponse = {
      id: "a1",
      model: "m",
      createdAt: 1_790_000_000,
      candidates: [{
        index: 0,
        parts: [thinking("why", signature("sig")), call("a", "f", { arguments: "{}" }), { kind: "text", text: "" }],
        stop: { reason: "tool_calls" },
      }],
      usage: USAGE,
      extra: { format: "messages", fields: { container: { id: "c1" } } },
    };
    const { extra } = response;
    assert.deepEqual([...replay(response)], [
      { ...START, usage: USAGE, extra },
      begin(0, thinking("")),
      { t: "reasoning", c: 0, i: 0, delta: "why" },
      { t: "opaque", c: 0, i: 0, opaque: signature("sig") },
      done(0),
      begin(1, call("a", "f")),
      args(1, "{}"),
      done(1),
      beginText(2),
      done(2),
      finish("tool_calls"),
      { t: "usage", usage: USAGE },
      END,
    ]);
  });

  test("redacted and native parts come whole in their start", () => {
    const redacted = { kind: "reasoning", text: "", form: "redacted", opaque: [signature("x")] } as const;
    const native = { kind: "native", format: "messages", value: { type: "web_search_tool_result" } } as const;
    const events = [...replay({
      id: "a1",
      model: "m",
      createdAt: 0,
      candidates: [{
        index: 0,
        parts: [{ ...redacted, opaque: [...redacted.opaque] }, native],
        stop: { reason: "stop" },
      }],
      usage: undefined,
    })];
    assert.deepEqual(events.slice(1, 5), [
      begin(0, { ...redacted, opaque: [...redacted.opaque] }),
      done(0),
      begin(1, native),
      done(1),
    ]);
  });
});
