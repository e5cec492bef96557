import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { z } from "zod";
import { exampleOf, jsonText } from "../../../lib/mock/example.ts";

const SCHEMAS: Record<string, z.ZodType> = {
  plain: z.object({
    city: z.string(),
    days: z.int().min(3),
    unit: z.enum(["celsius", "fahrenheit"]),
    now: z.boolean(),
  }),
  numbers: z.object({
    a: z.number().min(0.2).max(0.5),
    b: z.int().multipleOf(7).min(10),
    c: z.number().gt(5),
    d: z.int().max(-3),
  }),
  strings: z.object({ a: z.string().min(40), b: z.string().max(3), c: z.literal("x"), d: z.null() }),
  formats: z.object({
    a: z.email(),
    b: z.uuid(),
    c: z.iso.datetime(),
    d: z.iso.date(),
    e: z.url(),
    f: z.ipv4(),
    g: z.ipv6(),
    i: z.iso.duration(),
  }),
  lists: z.object({
    a: z.array(z.object({ b: z.string() })),
    c: z.tuple([z.string(), z.int()]),
    d: z.array(z.int()).min(3),
  }),
  choices: z.object({
    a: z.union([z.null(), z.object({ b: z.int() })]),
    c: z.nullable(z.string()),
    d: z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("x"), x: z.int() }),
      z.object({ kind: z.literal("y") }),
    ]),
  }),
  merged: z.intersection(z.object({ a: z.string() }), z.object({ b: z.int() })),
};

describe("exampleOf", () => {
  for (const [name, schema] of Object.entries(SCHEMAS)) {
    test(`fits its schema: ${name}`, () => {
      const json = z.toJSONSchema(schema);
      const value = exampleOf(json);
      assert.deepEqual(schema.safeParse(value).error?.issues ?? [], [], jsonText(value));
      assert.deepEqual(exampleOf(json), value);
    });
  }

  test("follows references, also round in circles", () => {
    const node = {
      type: "object",
      properties: { name: { type: "string" }, next: { $ref: "#/$defs/node" } },
      required: ["name"],
    };
    const value = exampleOf({ $ref: "#/$defs/node", $defs: { node } }) as { name: string; next: { name: string } };
    assert.equal(value.name, "example name");
    assert.equal(value.next.name, "example name");
    assert.equal(typeof exampleOf({ $ref: "#" }), "string");
    assert.equal(typeof exampleOf({ $ref: "https://elsewhere.example/schema" }), "string");
  });

  test("a schema that asks for endless values gets an end", () => {
    const wide = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`p${index}`, { $ref: "#" }]));
    const text = JSON.stringify(exampleOf({ type: "object", properties: wide, required: Object.keys(wide) }));
    assert.ok(text.length < 200_000);
  });

  test("enums take the first, optional properties are there too", () => {
    const schema = {
      type: "object",
      properties: { a: { enum: ["second", "first"] }, b: { type: ["null", "boolean"] } },
    };
    assert.deepEqual(exampleOf(schema), { a: "second", b: true });
  });

  test("any value for a schema, however wrong, is survived", () => {
    const keys = fc.constantFrom(
      "type",
      "properties",
      "items",
      "anyOf",
      "allOf",
      "oneOf",
      "enum",
      "$ref",
      "required",
      "minItems",
      "minLength",
    );
    const odd = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.jsonValue(),
        fc.constantFrom("#", "#/items", "object", "array"),
        tie("schema"),
        fc.array(tie("schema"), { maxLength: 2 }),
      ),
      schema: fc.dictionary(keys, tie("value"), { maxKeys: 4 }),
    }));
    fc.assert(fc.property(odd.schema, (schema) => {
      assert.equal(typeof JSON.stringify(exampleOf(schema)), "string");
    }));
  });
});

describe("jsonText", () => {
  test("is the same value in several tokens", () => {
    assert.equal(jsonText({ a: "x  y\n z", b: [1, {}] }), '{ "a": "x  y\\n z", "b": [ 1, {} ] }');
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      assert.deepEqual(JSON.parse(jsonText(value)), JSON.parse(JSON.stringify(value)));
    }));
  });
});
