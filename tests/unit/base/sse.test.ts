import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import fc from "fast-check";
import { type SseEvent, SseOverflow, SseReader } from "../../../lib/base/sse.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function read(chunks: Iterable<Uint8Array>): SseEvent[] {
  const reader = new SseReader();
  const events: SseEvent[] = [];
  for (const chunk of chunks) events.push(...reader.feed(chunk));
  return [...events, ...reader.end()];
}

const STREAM =
  '\ufeff: hello\n\nevent: a\ndata: {"x":"é€😀"}\n\ndata: one\r\ndata: two\r\n\r\ndata:three\r\rid: 7\ndata\n\nretry: 9\n\nevent: last\ndata: cut';
const EVENTS: SseEvent[] = [
  { event: "a", data: '{"x":"é€😀"}' },
  { event: "", data: "one\ntwo" },
  { event: "", data: "three" },
  { event: "", data: "" },
  { event: "last", data: "cut" },
];

describe("SseReader", () => {
  test("reads LF, CRLF, CR, comments, BOM, multi-line data and an event without its blank line", () => {
    assert.deepEqual(read([bytes(STREAM)]), EVENTS);
  });

  test("gives the same events for a cut at every byte offset", () => {
    const whole = bytes(STREAM);
    for (let at = 0; at <= whole.length; at++) {
      assert.deepEqual(read([whole.slice(0, at), whole.slice(at)]), EVENTS, `cut at ${at}`);
    }
  });

  test("gives the same events byte by byte and in random splits", () => {
    const whole = bytes(STREAM);
    assert.deepEqual(read([...whole].map((byte) => Uint8Array.of(byte))), EVENTS);
    fc.assert(fc.property(fc.array(fc.nat(whole.length), { maxLength: 20 }), (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), whole.length];
      assert.deepEqual(read(at.slice(1).map((end, i) => whole.slice(at[i], end))), EVENTS);
    }));
  });

  test("does not keep a chunk's memory: the runtime may reuse it", () => {
    const reader = new SseReader();
    const chunk = bytes("data: held");
    reader.feed(chunk);
    chunk.fill(0x78);
    assert.deepEqual(reader.feed(bytes("\n\n")), [{ event: "", data: "held" }]);
  });

  test("refuses an event beyond the limit, whole or in pieces, but not a long stream of small ones", () => {
    assert.throws(() => new SseReader(10).feed(bytes("data: 0123456789\n\n")), SseOverflow);
    const reader = new SseReader(20);
    reader.feed(bytes("data: 01234"));
    assert.throws(() => reader.feed(bytes("5678901234567890")), SseOverflow);
    const small = new SseReader(20);
    for (let i = 0; i < 100; i++) assert.equal(small.feed(bytes("data: 0123\n\n: comment\n")).length, 1);
  });
});
