import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { constrainedSchema, isStrictSchema, objectSchema } from "../../../lib/translation/schema.ts";

describe("objectSchema", () => {
  test("always an object with properties, otherwise untouched", () => {
    const empty = { type: "object", properties: {} };
    assert.deepEqual(objectSchema(undefined), empty);
    assert.deepEqual(objectSchema({}), empty);
    assert.deepEqual(objectSchema({ type: "object" }), empty);
    assert.deepEqual(objectSchema({ anyOf: [] }), { ...empty, anyOf: [] });
    const whole = { type: "object", properties: { a: { type: "string" } }, required: ["a"] };
    assert.equal(objectSchema(whole), whole);
  });
});

describe("isStrictSchema", () => {
  const leaf = { type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: false };

  test("every property required and no others, at every level", () => {
    assert.equal(isStrictSchema(leaf), true);
    assert.equal(isStrictSchema({ ...leaf, required: [] }), false);
    assert.equal(isStrictSchema({ type: "object", properties: {} }), false);
    const inner = { type: "object", properties: {} };
    for (const nested of [{ type: "array", items: inner }, { anyOf: [leaf, inner] }, inner]) {
      assert.equal(isStrictSchema({ ...leaf, properties: { a: nested } }), false);
      assert.equal(isStrictSchema({ ...leaf, $defs: { a: nested } }), false);
    }
  });

  test("an object that may be null is an object", () => {
    assert.equal(isStrictSchema({ type: ["object", "null"] }), false);
  });

  test("properties that are called like keywords are properties", () => {
    const tricky = { items: { type: "string" }, additionalProperties: { type: "string" } };
    assert.equal(
      isStrictSchema({ ...leaf, properties: tricky, required: ["items", "additionalProperties"] }),
      true,
    );
  });
});

describe("constrainedSchema", () => {
  function constrained(schema: unknown): { schema: unknown; moved: string[] } {
    const moved: string[] = [];
    return { schema: constrainedSchema(schema, (path) => moved.push(path)), moved };
  }

  test("closes every object", () => {
    assert.deepEqual(
      constrained({ type: "object", properties: { a: { type: "array", items: { type: ["object", "null"] } } } }),
      {
        schema: {
          type: "object",
          properties: { a: { type: "array", items: { type: ["object", "null"], additionalProperties: false } } },
          additionalProperties: false,
        },
        moved: [],
      },
    );
  });

  test("refused keywords become words, and their paths are told", () => {
    assert.deepEqual(
      constrained({
        type: "object",
        properties: {
          n: { type: "integer", minimum: 1, description: "How many" },
          s: { type: "string", format: "phone" },
        },
      }),
      {
        schema: {
          type: "object",
          properties: {
            n: { type: "integer", description: "How many (minimum: 1)" },
            s: { type: "string", description: '(format: "phone")' },
          },
          additionalProperties: false,
        },
        moved: ["schema.properties.n.minimum", "schema.properties.s.format"],
      },
    );
  });

  test("properties that are called like refused keywords stay", () => {
    const { moved } = constrained({
      type: "object",
      properties: { pattern: { type: "string" }, not: { type: "string" } },
    });
    assert.deepEqual(moved, []);
  });

  test("a schema for all other members can't bind any more, and that is told", () => {
    const { schema, moved } = constrained({ type: "object", additionalProperties: { type: "string" } });
    assert.deepEqual(schema, {
      type: "object",
      additionalProperties: false,
      description: '(additionalProperties: {"type":"string"})',
    });
    assert.deepEqual(moved, ["schema.additionalProperties"]);
    assert.deepEqual(constrained({ type: "object", additionalProperties: true }).moved, []);
  });

  test("oneOf becomes anyOf, beside an anyOf that is there already", () => {
    const a = { type: "string" };
    const b = { type: "number" };
    assert.deepEqual(constrained({ oneOf: [a, b] }).schema, { anyOf: [a, b] });
    const both = { anyOf: [a], allOf: [{ anyOf: [b] }] };
    assert.deepEqual(constrained({ oneOf: [b], anyOf: [a] }).schema, both);
    assert.deepEqual(constrained({ anyOf: [a], oneOf: [b] }).schema, both);
  });

  test("values are not taken for schemas, and the schema that was given isn't changed", () => {
    const given = { type: "object", properties: {}, default: { minimum: 1 }, enum: [{ pattern: "x" }] };
    const before = structuredClone(given);
    assert.deepEqual(constrained(given).schema, { ...before, additionalProperties: false });
    assert.deepEqual(given, before);
  });
});
