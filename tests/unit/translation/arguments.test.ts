import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { Losses } from "../../../lib/format.ts";
import { argumentsAsCustom, argumentsObject, customAsArguments } from "../../../lib/translation/arguments.ts";

function read(text: string): { value: unknown; losses: string[] } {
  const losses = new Losses();
  const value = argumentsObject(text, losses, "p");
  return { value, losses: losses.list.map((loss) => loss.path) };
}

describe("arguments", () => {
  test("an object is itself, nothing at all is an empty one", () => {
    assert.deepEqual(read('{"a":[1]}'), { value: { a: [1] }, losses: [] });
    for (const empty of ["", " \n", "{}"]) assert.deepEqual(read(empty), { value: {}, losses: [] });
  });

  test("invalid_json_in_history: wrapped and said, never an error", () => {
    assert.deepEqual(read('{"a":'), { value: { _raw: '{"a":' }, losses: ["p"] });
    assert.deepEqual(read("[1]"), { value: { value: [1] }, losses: ["p"] });
    assert.deepEqual(read("null"), { value: { value: null }, losses: ["p"] });
  });

  test("a custom tool's text survives the way to a function and back", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.equal(argumentsAsCustom(customAsArguments(text)), text);
    }));
  });

  test("what isn't {input: string} is taken for the text itself", () => {
    for (const text of ["ls -l", '{"input":1}', "[]", "null"]) assert.equal(argumentsAsCustom(text), text);
  });
});
