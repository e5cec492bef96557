import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import { boundaryOf, findField } from "../../../lib/base/multipart.ts";

const B = "----three roads";
const encode = (text: string) => new TextEncoder().encode(text);

function part(disposition: string, value: string): string {
  return `--${B}\r\nContent-Type: text/plain\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${value}\r\n`;
}

function found(form: string, name = "model"): string | undefined {
  const bytes = encode(form);
  const span = findField(bytes, B, name);
  return span && new TextDecoder().decode(bytes.subarray(span.start, span.end));
}

describe("findField", () => {
  test("a field after others, whatever their values hold", () => {
    const decoy = part('name="prompt"', 'name="model"\r\n\r\nnot this\r\n--other');
    const file = part('name="file"; filename="a"', "\u0000\r\n\r\n-");
    assert.equal(found(`${decoy}${file}${part('name="model"', "wh\u00efsper")}--${B}--\r\n`), "wh\u00efsper");
  });

  test("at every cut: the whole value or none", () => {
    const form = encode(`preamble\r\n${part('name="n"', "2")}${part('name="model"', "whisper-1")}--${B}--\r\n`);
    const whole = findField(form, B, "model");
    assert.ok(whole !== undefined);
    for (let cut = 0; cut <= form.length; cut++) {
      const span = findField(form.subarray(0, cut), B, "model");
      if (span !== undefined) assert.deepEqual(span, whole);
      else assert.ok(cut < whole.end + `\r\n--${B}`.length);
    }
  });

  test("names without quotes, empty values; a file of that name is none", () => {
    assert.equal(found(`${part("name=model", "x")}--${B}--`), "x");
    assert.equal(found(`${part('name="model"', "")}--${B}--`), "");
    assert.equal(found(`${part('name="model"; filename="m"', "x")}--${B}--`), undefined);
    assert.equal(found(`${part('name="models"', "x")}--${B}--`), undefined);
    assert.equal(found(""), undefined);
    assert.equal(found(`${part('name="n"', "2")}--${B}--\r\n${part('name="model"', "x")}--${B}--`), undefined);
  });
});

test("boundaryOf", () => {
  assert.equal(boundaryOf('multipart/form-data; charset=x; boundary="a b"'), "a b");
  assert.equal(boundaryOf("Multipart/Form-Data;boundary=abc; x=y"), "abc");
  assert.equal(boundaryOf("multipart/form-data; x-boundary=foo; boundary=abc"), "abc");
  assert.equal(boundaryOf("application/json; boundary=abc"), undefined);
  assert.equal(boundaryOf("multipart/form-data"), undefined);
});
