import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { sampleOf, shortPieces } from "../../../lib/tokens/pieces.ts";

describe("shortPieces", () => {
  test("are the text, short, and never half a character", () => {
    const run = fc.record({ text: fc.string({ unit: "grapheme" }), times: fc.integer({ min: 1, max: 200 }) });
    fc.assert(fc.property(fc.array(run, { maxLength: 6 }), (runs) => {
      const text = runs.map(({ text, times }) => text.repeat(times)).join(" ");
      const pieces = [...shortPieces(text)];
      assert.equal(pieces.join(""), text);
      assert.deepEqual(pieces.filter((piece) => piece.length > 128 || !piece.isWellFormed()), []);
    }));
  });

  test("begin with the space where there is one", () => {
    assert.deepEqual([...shortPieces(" word".repeat(60))].map((piece) => piece[0]), [" ", " ", " "]);
  });
});

describe("sampleOf", () => {
  test("short texts are counted whole", () => {
    assert.deepEqual(sampleOf(["a", "b"], 10), { texts: ["a", "b"], scale: 1 });
  });

  test("of long ones about the limit, from all of them", () => {
    const { texts, scale } = sampleOf(["a".repeat(1_000_000), "b".repeat(1_000_000), "c"], 100_000);
    const taken = texts.join("").length;
    assert.ok(taken > 80_000 && taken <= 110_000, String(taken));
    assert.equal(scale, 2_000_001 / taken);
    assert.ok(texts.join("").includes("a") && texts.join("").includes("b"));
  });

  test("of many short ones too", () => {
    const { texts, scale } = sampleOf(Array.from({ length: 100_000 }, () => "0123456789"), 50_000);
    assert.ok(Math.abs(texts.join("").length * scale - 1_000_000) < 1);
  });
});
