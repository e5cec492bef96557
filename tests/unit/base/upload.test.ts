/** A form on its way through, in every way that it may come in pieces. */
import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import fc from "fast-check";
import { findField } from "../../../lib/base/multipart.ts";
import { Upload } from "../../../lib/base/upload.ts";

const B = "three-roads";
const encode = (text: string) => new TextEncoder().encode(text);
const field = (name: string, value: string) =>
  `--${B}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const formWith = (model: string) =>
  `${field("prompt", "mödel")}${field("model", model)}${field("file", "\r\n--")}--${B}--\r\n`;
const FORM = encode(formWith("whisper"));

function inPieces(bytes: Uint8Array, cuts: readonly number[]): ReadableStream<Uint8Array> {
  const edges = [0, ...cuts, bytes.length];
  return new ReadableStream({
    start(controller) {
      for (let i = 1; i < edges.length; i++) controller.enqueue(bytes.slice(edges[i - 1], edges[i]));
      controller.close();
    },
  });
}

/** What goes on when the model is exchanged, and the length that was announced for it. */
async function renamed(cuts: readonly number[], peekBytes: number): Promise<{ text: string; length?: number }> {
  const limits = { maxBytes: 10_000, idleMs: 1000, declared: FORM.length };
  const upload = new Upload(inPieces(FORM, cuts), limits, () => assert.fail("it broke off"));
  const span = await upload.peek(peekBytes, (beginning) => findField(beginning, B, "model"));
  if (span !== undefined) upload.replace(span, "whisper-1");
  const { length } = upload;
  const text = await new Response(upload.stream()).text();
  return length === undefined ? { text } : { text, length };
}

const EXPECTED = formWith("whisper-1");

describe("a form's model is exchanged", () => {
  test("wherever the form is cut in two", async () => {
    for (let cut = 0; cut <= FORM.length; cut++) {
      assert.deepEqual(await renamed([cut], 64 * 1024), { text: EXPECTED, length: encode(EXPECTED).length });
    }
  });

  test("in any pieces; what is beyond the peek passes as it came", () =>
    fc.assert(fc.asyncProperty(
      fc.array(fc.nat(FORM.length)).map((cuts) => cuts.sort((a, b) => a - b)),
      fc.integer({ min: 1, max: 2 * FORM.length }),
      async (cuts, peekBytes) => {
        const { text, length } = await renamed(cuts, peekBytes);
        const isSeen = peekBytes >= FORM.length;
        assert.ok(text === EXPECTED || (!isSeen && text === formWith("whisper")), text);
        assert.equal(length, encode(text).length);
      },
    )));
});

test("a byte too few, or a byte more than allowed, breaks it off", async () => {
  for (const [declared, maxBytes] of [[FORM.length + 1, 10_000], [undefined, FORM.length - 1]] as const) {
    let broken = 0;
    const upload = new Upload(inPieces(FORM, [10]), { maxBytes, idleMs: 1000, declared }, () => broken++);
    await assert.rejects(new Response(upload.stream()).text());
    assert.equal(broken, 1);
    assert.equal(upload.failure?.kind, declared === undefined ? "too_large" : "cancelled");
  }
});
