import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { estimateInputTokens, tokensOfBytes, utf8Length } from "../../../lib/translation/estimate.ts";
import type { Part } from "../../../lib/neutral.ts";
import { call, message, request } from "../../support/neutral.ts";

function estimate(...parts: Part[]): number {
  return estimateInputTokens(request({ messages: [message("user", ...parts)] }));
}

describe("estimate", () => {
  test("never 0", () => {
    assert.equal(estimateInputTokens(request()), 1);
    assert.equal(tokensOfBytes(0), 1);
  });

  test("counts UTF-8 bytes as they would be written", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
      assert.equal(utf8Length(text), Buffer.byteLength(text));
    }));
  });

  test("grows with text, calls, results, instructions and tools", () => {
    const long = "x".repeat(4000);
    const result: Part = {
      kind: "tool_result",
      callId: "a",
      toolKind: "function",
      parts: [{ kind: "text", text: long }],
    };
    const inner: Part = { kind: "search_result", source: "s", title: "t", parts: [{ kind: "text", text: long }] };
    for (const part of [result, inner, call("a", "f", { arguments: long }), { kind: "text", text: long } as const]) {
      assert.ok(estimate(part) >= 1000 && estimate(part) < 1100, part.kind);
    }
    assert.ok(estimateInputTokens(request({ instructions: [{ kind: "text", text: long }] })) >= 1000);
    const tool = { kind: "function", name: "f", schema: { description: long } } as const;
    assert.ok(estimateInputTokens(request({ tools: [tool] })) >= 1000);
  });

  test("media count by their kind, not by their size", () => {
    const data = "A".repeat(100_000);
    assert.equal(estimate({ kind: "image", source: { type: "base64", data } }), 1603);
    assert.equal(estimate({ kind: "document", source: { type: "base64", data } }), 3003);
    assert.equal(estimate({ kind: "document", source: { type: "text", text: "x".repeat(400) } }), 103);
  });
});
