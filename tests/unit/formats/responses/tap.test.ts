import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { joinBytes } from "../../../../lib/base/sse.ts";
import type { Teller } from "../../../../lib/format.ts";
import { openTap } from "../../../../lib/formats/responses/tap.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

class Named implements Teller {
  isDone = false;
  readonly seen: unknown[] = [];
  constructor(readonly change: (response: JsonObject) => JsonObject, readonly until = Infinity) {}
  tell(response: JsonObject): JsonObject {
    this.seen.push(response["status"]);
    this.isDone = this.seen.length >= this.until;
    return this.change(response);
  }
}

const same = (response: JsonObject) => response;

function stream(end = "\n"): string {
  const delta = `{"type":"response.output_text.delta","delta":"\u00e4 response.completed \\n\\n \u{1f600}"}`;
  return [
    `: hello${end}${end}`,
    `event: response.created${end}data: {"type": "response.created", "response": {"id":"r", "status":"in_progress"}}`,
    `${end}${end}event: response.output_text.delta${end}data: ${delta}${end}${end}`,
    `data: {"type":"response.completed","response":{"id":"r","status":"completed","n":12345678901234567890}}`,
    `${end}${end}data: [DONE]${end}${end}`,
  ].join("");
}

function through(teller: Teller, wire: string, size: number): string {
  const tap = openTap(teller);
  const bytes = encoder.encode(wire);
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) out.push(tap.push(bytes.slice(at, at + size)).slice());
  return decoder.decode(joinBytes([...out, tap.end()]));
}

describe("openTap", () => {
  for (const end of ["\n", "\r\n"]) {
    for (const size of [1, 7, 64, 10_000]) {
      test(`pieces of ${size} bytes, lines end in ${JSON.stringify(end)}`, () => {
        const wire = stream(end);
        const watching = new Named(same);
        assert.equal(through(watching, wire, size), wire);
        assert.deepEqual(watching.seen, ["in_progress", "completed"]);

        const first = new Named(same, 1);
        assert.equal(through(first, wire, size), wire);
        assert.deepEqual(first.seen, ["in_progress"]);

        const changed = through(new Named((response) => ({ ...response, store: true })), wire, size);
        assert.match(changed, /"id":"r","status":"in_progress","store":true/);
        assert.match(changed, /^event: response\.completed\ndata: .*12345678901234567890,"store":true\}\}\n\n/m);
        assert.ok(changed.includes(`event: response.output_text.delta${end}`));
      });
    }
  }

  test("the last event may lack its blank line", () => {
    const wire = stream().slice(0, stream().indexOf("\n\ndata: [DONE]"));
    const watching = new Named(same);
    assert.equal(through(watching, wire, 50), wire);
    assert.deepEqual(watching.seen, ["in_progress", "completed"]);
  });

  test("a whole answer keeps its bytes unless something is changed", () => {
    const bytes = encoder.encode('{ "id": "r",  "status": "completed", "n": 12345678901234567890 }');
    assert.equal(openTap(new Named(same)).whole(bytes), bytes);
    const changed = openTap(new Named((response) => ({ ...response, store: true }))).whole(bytes);
    assert.equal(decoder.decode(changed), '{"id":"r","status":"completed","n":12345678901234567890,"store":true}');
    const other = encoder.encode("no json");
    assert.equal(openTap(new Named(same)).whole(other), other);
  });
});
