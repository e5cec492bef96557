import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import fc from "fast-check";
import { Mould } from "../../../lib/base/mould.ts";

describe("Mould", () => {
  test("makes what the general way makes, whatever the text and what stands around it", () => {
    const texts = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom("~", '"', "\\", "\ud800") }),
    );
    fc.assert(
      fc.property(texts, texts, fc.jsonValue(), fc.array(texts), (name, before, after, fills) => {
        const make = (text: string) => `data: ${JSON.stringify({ before, [`${name}.`]: [{ text }], after })}\n\n`;
        const mould = new Mould(make);
        for (const text of ["", ...fills]) assert.equal(mould.fill(text), make(text));
      }),
      { numRuns: 50 },
    );
  });
});
