import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { Losses } from "../../../lib/format.ts";
import { openSummary, sealSummary } from "../../../lib/translation/compaction.ts";
import {
  isEnvelope,
  MAX_ENVELOPE,
  mayHoldEnvelope,
  openEnvelope,
  sealEnvelope,
  withoutBroken,
} from "../../../lib/translation/envelope.ts";
import type { Message, Opaque } from "../../../lib/neutral.ts";

const anyOpaque: fc.Arbitrary<Opaque> = fc.record({
  issuer: fc.string(),
  kind: fc.constantFrom("signature", "redacted", "encrypted", "thought_signature", "compaction"),
  value: fc.string({ unit: "binary" }),
  id: fc.string(),
}, { requiredKeys: ["issuer", "kind", "value"] }).map((opaque) => structuredClone(opaque));

const anyOpaques = fc.array(anyOpaque, { maxLength: 3 });

/** A sealed envelope in which one character is another one. */
const anyCorrupted = fc.tuple(anyOpaques.map(sealEnvelope), fc.nat(), fc.integer({ min: 0x21, max: 0x7e }))
  .map(([sealed, at, code]) => ({ sealed, at: at % sealed.length, other: String.fromCharCode(code) }))
  .filter(({ sealed, at, other }) => sealed[at] !== other && other !== '"' && other !== "\\")
  .map(({ sealed, at, other }) => sealed.slice(0, at) + other + sealed.slice(at + 1));

const anyCut = fc.tuple(anyOpaques.map(sealEnvelope), fc.nat()).map(([sealed, at]) =>
  sealed.slice(0, at % sealed.length)
);

function bytesOf(value: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ signature: value }));
}

describe("envelope", () => {
  test("gives back byte for byte what was put in", () => {
    fc.assert(fc.property(anyOpaques, (opaques) => {
      assert.deepEqual(openEnvelope(sealEnvelope(opaques)), opaques);
    }));
  });

  test("travels where JSON and header text do, and says its length", () => {
    const sealed = sealEnvelope([{ issuer: "openai", kind: "encrypted", value: "gAAA/+=\n" }]);
    const [, length, text] = /^gw1\.(\d+)\.([A-Za-z0-9_-]+)\.[0-9a-f]{8}$/.exec(sealed) ?? [];
    assert.equal(Number(length), text?.length);
  });

  test("every corruption of one character is seen, and what is left is still known as ours", () => {
    fc.assert(fc.property(anyCorrupted, (corrupted) => {
      assert.equal(openEnvelope(corrupted), undefined);
      assert.equal(isEnvelope(corrupted), true, corrupted);
      assert.equal(mayHoldEnvelope(bytesOf(corrupted), []), true, corrupted);
    }));
  });

  test("every truncation is seen, and what is left is still known as ours", () => {
    fc.assert(fc.property(anyCut, (cut) => {
      assert.equal(openEnvelope(cut), undefined);
      if (cut.length < 2) return;
      assert.equal(isEnvelope(cut), true, cut);
      assert.equal(mayHoldEnvelope(bytesOf(cut), []), true, cut);
    }));
  });

  test("native values are no envelopes", () => {
    fc.assert(fc.property(fc.base64String(), (value) => {
      assert.equal(isEnvelope(value), /^gw\d*$/.test(value));
      assert.equal(openEnvelope(value), undefined);
    }));
    for (const native of ["EqQBCkYIARgCKkD", "gAAAAABo-_x", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJ"]) {
      assert.equal(isEnvelope(native), false, native);
    }
  });

  test("another version, garbage and what is too long are known and not opened", () => {
    const text = "W10";
    const sum = crc32(text).toString(16).padStart(8, "0");
    const sealed = sealEnvelope([]);
    assert.equal(sealed, `gw1.3.${text}.${sum}`);
    const bad = [
      `gw2.3.${text}.${sum}`,
      `gw10.anything at all`,
      `gw1.`,
      `gw1.....`,
      `gw1.4.${text}.${sum}`,
      `gw1.03.${text}.${sum}`,
      `gw1.${text}.${sum}`,
      `${sealed}.`,
      `${sealed} `,
      `gw1.${MAX_ENVELOPE}.${"A".repeat(MAX_ENVELOPE)}.00000000`,
    ];
    for (const value of bad) {
      assert.equal(isEnvelope(value), true, value.slice(0, 40));
      assert.equal(openEnvelope(value), undefined, value.slice(0, 40));
    }
  });

  test("sound by length and checksum, but no list of values", () => {
    for (const json of ["", "{}", "[1]", '[{"i":"a","k":"other","v":"b"}]', "[".repeat(100_000), "[{}"]) {
      const text = Buffer.from(json).toString("base64url");
      const value = `gw1.${text.length}.${text}.${crc32(text).toString(16).padStart(8, "0")}`;
      assert.equal(openEnvelope(value), undefined, json.slice(0, 40));
    }
  });
});

describe("parts whose envelope is broken", () => {
  const broken: Opaque = { issuer: "", kind: "signature", value: "" };
  const fine: Message["parts"][number] = { kind: "text", text: "fine" };

  test("go with a loss, the others stay", () => {
    const losses = new Losses();
    const message: Message = {
      role: "assistant",
      path: "messages[1]",
      parts: [
        { kind: "reasoning", form: "full", text: "hm", opaque: [broken], path: "messages[1].content[0]" },
        fine,
      ],
    };
    assert.deepEqual(withoutBroken([message], losses), [{ ...message, parts: [fine] }]);
    assert.deepEqual(losses.list.map(({ path }) => path), ["messages[1].content[0]"]);
    assert.match(losses.list[0]?.reason ?? "", /damaged/);
  });

  test("a summary in words stays beside a seal that can't be read", () => {
    const losses = new Losses();
    const message: Message = { role: "assistant", parts: [{ kind: "compaction", text: "So far.", opaque: [broken] }] };
    assert.deepEqual(withoutBroken([message], losses), [{
      ...message,
      parts: [{ kind: "compaction", text: "So far." }],
    }]);
    assert.equal(losses.list.length, 1);
  });
});

test("a summary travels among sealed values", () => {
  const own: Opaque = { issuer: "anthropic", kind: "compaction", value: "c" };
  assert.deepEqual(openSummary(sealSummary("So far.", [own])), { text: "So far.", opaque: [own] });
  assert.deepEqual(openSummary(sealSummary(undefined, [own])), { opaque: [own] });
});
