import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { ENVELOPE_PREFIX, isEnvelope, openEnvelope, sealEnvelope } from "../../../lib/translation/envelope.ts";
import type { Opaque } from "../../../lib/neutral.ts";

const anyOpaque: fc.Arbitrary<Opaque> = fc.record({
  issuer: fc.string(),
  kind: fc.constantFrom("signature", "redacted", "encrypted", "thought_signature", "compaction"),
  value: fc.string({ unit: "binary" }),
  id: fc.string(),
}, { requiredKeys: ["issuer", "kind", "value"] }).map((opaque) => structuredClone(opaque));

describe("envelope", () => {
  test("gives back byte for byte what was put in", () => {
    fc.assert(fc.property(fc.array(anyOpaque, { maxLength: 3 }), (opaques) => {
      assert.deepEqual(openEnvelope(sealEnvelope(opaques)), opaques);
    }));
  });

  test("travels where JSON and header text do", () => {
    assert.match(sealEnvelope([{ issuer: "openai", kind: "encrypted", value: "gAAA/+=\n" }]), /^gw1\.[A-Za-z0-9_.-]+$/);
  });

  test("native values are no envelopes", () => {
    assert.equal(isEnvelope("EqQBCkYIARgCKkD"), false);
    assert.equal(openEnvelope("EqQBCkYIARgCKkD"), undefined);
  });

  test("any change to it is seen", () => {
    const sealed = sealEnvelope([{ issuer: "openai", kind: "encrypted", value: "value" }]);
    for (let at = ENVELOPE_PREFIX.length; at < sealed.length; at++) {
      const other = sealed[at] === "A" ? "B" : "A";
      assert.equal(openEnvelope(sealed.slice(0, at) + other + sealed.slice(at + 1)), undefined, `at ${at}`);
      assert.equal(openEnvelope(sealed.slice(0, at)), undefined, `cut at ${at}`);
    }
  });
});
