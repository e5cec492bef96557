import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { countInput, countTokens, MEDIA_TOKENS, tokensOf } from "../../../lib/mock/tokens.ts";
import { call, message, request } from "../../support/neutral.ts";

describe("tokens", () => {
  test("a word with the white space before it", () => {
    assert.deepEqual([...tokensOf("Hello  big\nworld ")], ["Hello", "  big", "\nworld", " "]);
    assert.deepEqual([...tokensOf("")], []);
  });

  test("joined they are the text, and none is torn within a character", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (text) => {
      const tokens = [...tokensOf(text)];
      assert.equal(tokens.join(""), text);
      assert.ok(tokens.every((token) => token.isWellFormed() && token.length > 0));
      assert.equal(countTokens(text), tokens.length);
    }));
  });

  test("long words come in pieces", () => {
    assert.deepEqual([...tokensOf("x".repeat(70))].map((token) => token.length), [32, 32, 6]);
  });

  test("all that a request brings is counted", () => {
    const asked = request({
      instructions: [{ kind: "text", text: "be brief" }],
      messages: [
        message("user", { kind: "text", text: "one two three" }, { kind: "image", source: { type: "url", url: "u" } }),
        message(
          "assistant",
          { kind: "reasoning", text: "well", form: "full" },
          call("a", "f", { arguments: '{"x": 1}' }),
        ),
        message("tool", {
          kind: "tool_result",
          callId: "a",
          toolKind: "function",
          parts: [{ kind: "text", text: "four five" }],
        }),
      ],
      tools: [{ kind: "function", name: "f", description: "does it", schema: { type: "object" } }],
    });
    assert.equal(countInput(asked), 2 + 3 + MEDIA_TOKENS + 1 + (1 + 2) + 2 + (1 + 2 + 1));
  });
});
