/** The bench is worth nothing when its check lets a broken stream pass. */
import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import { expectedOf, StreamCheck } from "../../../scripts/bench/check.ts";
import { DEFAULT_SCRIPT, type FormatName, FORMATS, type Script, spoken } from "../../../scripts/bench/content.ts";
import { framesOf } from "../../../scripts/bench/frames.ts";

const PLAIN: Script = { ...DEFAULT_SCRIPT, deltas: 20 };
const FULL: Script = { ...PLAIN, thinking: true, tools: true };

function framesIn(format: FormatName, script: Script): { text: string; isDelta: boolean }[] {
  return framesOf(format, { model: "bench", said: spoken(script), withUsage: true });
}

function faultOf(format: FormatName, script: Script, texts: readonly string[], split = Infinity): string {
  const check = new StreamCheck(format, expectedOf(script));
  const bytes = new TextEncoder().encode(texts.join(""));
  for (let at = 0; at < bytes.length; at += split) check.push(bytes.subarray(at, at + split));
  return check.end() ?? "none";
}

for (const format of FORMATS) {
  for (const script of [PLAIN, FULL]) {
    describe(`${format}${script.tools ? ", full" : ""}`, () => broken(format, script));
  }
}

function broken(format: FormatName, script: Script): void {
  const frames = framesIn(format, script);
  const texts = frames.map(({ text }) => text);
  const deltas = frames.flatMap(({ isDelta }, at) => isDelta ? [at] : []);

  test("a whole stream has no fault, however its bytes are split", () => {
    for (const split of [1, 7, 64, Infinity]) assert.equal(faultOf(format, script, texts, split), "none");
  });

  test("any delta that is missing is found", () => {
    for (const at of deltas) assert.notEqual(faultOf(format, script, texts.toSpliced(at, 1)), "none", `${at}`);
  });

  test("any delta that comes twice is found", () => {
    for (const at of deltas) {
      assert.notEqual(faultOf(format, script, texts.toSpliced(at, 0, texts[at] ?? "")), "none");
    }
  });

  test("a changed text is found", () => {
    const changed = texts.map((text) => text.replace("w0003 the quick", "w0003 the quack"));
    assert.match(faultOf(format, script, changed), /^content: other/);
  });

  test("a stream that ends before its terminal event is found", () => {
    const end = format === "chat" ? -1 : texts.findIndex((text) => /message_stop|response\.completed/.test(text));
    assert.match(faultOf(format, script, texts.slice(0, end)), /^terminal: no/);
  });

  test("anything after the end is found", () => {
    assert.match(faultOf(format, script, [...texts, texts[0] ?? ""]), /^order: /);
  });

  test("a stream that breaks off within a line is found", () => {
    assert.match(faultOf(format, script, [texts.join("").slice(0, -30)]), /^(?:cut|terminal): /);
  });

  test("a line that is no JSON is found", () => {
    assert.match(faultOf(format, script, [...texts.slice(0, 2), "data: {\n\n", ...texts.slice(2)]), /^json: /);
  });
}

test("an error in the stream is no answer", () => {
  const error = 'data: {"type":"error","sequence_number":0,"error":{"message":"Overloaded"}}\n\n';
  for (const format of FORMATS) assert.match(faultOf(format, PLAIN, [error]), /error event|order: no response.created/);
});
