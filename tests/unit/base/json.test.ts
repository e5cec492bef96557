import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import fc from "fast-check";
import { parseJson, replaceAt, scanObject, setMembers, valueAt } from "../../../lib/base/json.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array) => new TextDecoder().decode(value);

describe("scanObject", () => {
  test("finds the members of any JSON object as JSON.parse reads them", () => {
    fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(4), (object, indent) => {
      const json = bytes(JSON.stringify(object, null, indent));
      const scanned = scanObject(json);
      assert.ok(scanned.ok);
      const read = Object.fromEntries([...scanned.value].map(([key, span]) => [key, valueAt(json, span)]));
      assert.deepEqual(read, JSON.parse(text(json)));
    }));
  });

  test("accepts and refuses exactly what JSON.parse does, but for what is inside strings", () => {
    const alphabet = ["{", "}", "[", "]", ":", ",", '"', "a", "1", "-", ".", "e", "true", "null", " ", "\n", '"k"'];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...alphabet), { maxLength: 14 }), (pieces) => {
        const json = `{"a":${pieces.join("")}}`;
        if (json.includes("\n") && json.includes('"')) return;
        let isSound = true;
        try {
          JSON.parse(json);
        } catch {
          isSound = false;
        }
        assert.equal(scanObject(bytes(json)).ok, isSound, json);
      }),
      { numRuns: 2000 },
    );
  });

  test("says what is wrong and where", () => {
    const refusals: [string, RegExp][] = [
      ["[1]", /Expected a JSON object at byte 0/],
      ["", /at the end of the body/],
      ['{"a":1,}', /Expected a member name in quotes at byte 7/],
      ['{"a":"x', /without its closing quote at the end/],
      ['{"a":1} x', /Unexpected text after the JSON object at byte 8/],
      [`${'{"a":'.repeat(600)}1${"}".repeat(600)}`, /512 levels/],
    ];
    for (const [json, expected] of refusals) {
      const scanned = scanObject(bytes(json));
      assert.ok(!scanned.ok);
      assert.match(scanned.failure.message, expected);
    }
  });

  test("reads long strings full of quotes and backslashes", () => {
    for (
      const value of [
        '\\"'.repeat(100),
        "\\\\".repeat(99),
        `${"x".repeat(100)}\\\\\\"`,
        "x".repeat(23) + '\\"',
        "x".repeat(24) + '\\"y',
      ]
    ) {
      const json = bytes(`{"a":"${value}","model":"m"}`);
      const scanned = scanObject(json);
      assert.ok(scanned.ok, value);
      assert.equal(valueAt(json, scanned.value.get("model") as { start: number; end: number }), "m");
    }
  });
});

describe("replaceAt", () => {
  test("changes one value and no other byte", () => {
    const json = ' { "messages" : [{"model":"inner"}],\t"model"\n:  "outer" , "x": 1e5, "y": 12345678901234567890 }';
    const scanned = scanObject(bytes(json));
    assert.ok(scanned.ok);
    const span = scanned.value.get("model");
    assert.ok(span !== undefined);
    assert.equal(text(replaceAt(bytes(json), span, '"new"')), json.replace('"outer"', '"new"'));
  });

  test("millions of members are refused before they hold anybody up", () => {
    const members = Array.from({ length: 20_000 }, (_, index) => `"m${index}":1`);
    assert.equal(scanObject(new TextEncoder().encode(`{${members.slice(0, 10_000).join(",")}}`)).ok, true);
    const scanned = scanObject(new TextEncoder().encode(`{${members.join(",")}}`));
    assert.match(scanned.ok ? "" : scanned.failure.message, /More than 16384 members at the top level/);
  });

  test("the last of two members of one name counts, as in JSON.parse", () => {
    const json = bytes('{"model":"a","model":"b"}');
    const scanned = scanObject(json);
    assert.ok(scanned.ok);
    assert.equal(valueAt(json, scanned.value.get("model") as { start: number; end: number }), "b");
  });
});

describe("setMembers", () => {
  test("replaces and adds, and leaves all else as it stands", () => {
    const set = (text: string, values: Record<string, string>) => {
      const bytes = new TextEncoder().encode(text);
      const members = scanObject(bytes);
      assert.ok(members.ok);
      return new TextDecoder().decode(setMembers(bytes, members.value, new Map(Object.entries(values))));
    };
    assert.equal(
      set(' { "a" : 1, "b":[2 ,3], "c":"\u00e4" } ', { b: "null", d: "[]" }),
      ' {"d":[], "a" : 1, "b":null, "c":"\u00e4" } ',
    );
    assert.equal(set("{}", { a: "1", b: "2" }), '{"a":1,"b":2}');
    assert.equal(set('{"a":1}', {}), '{"a":1}');
    assert.equal(set('{"c":1,"a":{"c":2}}', { a: "{}", c: "0" }), '{"c":0,"a":{}}');
  });
});

describe("parseJson", () => {
  test("fractions are doubles, however long", () => {
    assert.equal(
      JSON.stringify(parseJson("[0.12345678901234567,-10.1234567890123456789]")),
      "[0.12345678901234566,-10.123456789012346]",
    );
  });

  test("keeps the digits of integers beyond 2^53", () => {
    const json = '{"seed":12345678901234567890,"small":5,"float":1.5,"id":"1234567890123456789"}';
    assert.equal(JSON.stringify(parseJson(json)), json);
  });
});
