/** One value that fits a JSON Schema, always the same for the same schema. Never throws, whatever the schema. */
import { isObject, type JsonObject } from "../base/fields.ts";

/** A recursive schema ends here: from then on objects hold what they must, then nothing. */
const LEAN_DEPTH = 4;
const MAX_DEPTH = 12;
/** Values in one example: a schema may ask for more than any memory holds. */
const MAX_VALUES = 500;

export function exampleOf(schema: unknown): unknown {
  return example(schema, { root: schema, name: "value", depth: 0, left: { values: MAX_VALUES } });
}

/** The example as JSON text with spaces between its tokens, as models write it. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 1).replace(/\n */g, " ");
}

interface Place {
  root: unknown;
  /** The property that the value is for. */
  name: string;
  depth: number;
  left: { values: number };
}

function example(given: unknown, place: Place): unknown {
  const schema = resolved(given, place.root);
  if (!isObject(schema)) return `example ${place.name}`;
  if ("const" in schema) return schema["const"];
  if (Array.isArray(schema["enum"]) && schema["enum"].length > 0) return schema["enum"][0];
  if (place.depth > MAX_DEPTH || place.left.values-- <= 0) return null;
  const choice = firstChoice(schema, place.root);
  if (choice !== undefined) return example(choice, { ...place, depth: place.depth + 1 });
  switch (typeOf(schema)) {
    case "object":
      return exampleObject(schema, place);
    case "array":
      return exampleArray(schema, place);
    case "integer":
    case "number":
      return exampleNumber(schema);
    case "boolean":
      return true;
    case "null":
      return null;
    default:
      return exampleString(schema, place.name);
  }
}

/** The schema itself, behind its `$ref` and with what `allOf` adds. */
function resolved(given: unknown, root: unknown): unknown {
  let schema = given;
  for (let hop = 0; hop < 8 && isObject(schema) && typeof schema["$ref"] === "string"; hop++) {
    schema = pointed(schema["$ref"], root);
  }
  if (!isObject(schema) || !Array.isArray(schema["allOf"])) return schema;
  const { allOf, ...own } = schema;
  return (allOf as unknown[]).reduce<JsonObject>(
    (all, each) => merged(all, isObject(each) ? pointedAt(each, root) : {}),
    own,
  );
}

function pointedAt(schema: JsonObject, root: unknown): JsonObject {
  const target = typeof schema["$ref"] === "string" ? pointed(schema["$ref"], root) : schema;
  return isObject(target) ? target : {};
}

/** What a JSON pointer within the document points at (RFC 6901). */
function pointed(ref: string, root: unknown): unknown {
  if (ref === "#") return root;
  if (!ref.startsWith("#/")) return undefined;
  let value: unknown = root;
  for (const step of ref.slice(2).split("/")) {
    const key = unescaped(step);
    if (Array.isArray(value)) value = value[Number(key)];
    else value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value;
}

function unescaped(step: string): string {
  const plain = step.replaceAll("~1", "/").replaceAll("~0", "~");
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}

function merged(one: JsonObject, other: JsonObject): JsonObject {
  const properties = { ...objectOf(one["properties"]), ...objectOf(other["properties"]) };
  const required = [...listOf(one["required"]), ...listOf(other["required"])];
  return {
    ...other,
    ...one,
    ...(Object.keys(properties).length === 0 ? {} : { properties }),
    ...(required.length === 0 ? {} : { required }),
  };
}

function firstChoice(schema: JsonObject, root: unknown): unknown {
  const choices = [...listOf(schema["anyOf"]), ...listOf(schema["oneOf"])];
  const choice = choices.find((each) => isObject(each) && resolvedType(each, root) !== "null") ?? choices[0];
  if (!isObject(choice)) return choice;
  const { anyOf: _anyOf, oneOf: _oneOf, ...own } = schema;
  return Object.keys(own).length === 0 ? choice : merged(pointedAt(choice, root), own);
}

function resolvedType(schema: JsonObject, root: unknown): string {
  return typeOf(pointedAt(schema, root));
}

function typeOf(schema: JsonObject): string {
  const type = Array.isArray(schema["type"])
    ? schema["type"].find((each) => each !== "null") ?? schema["type"][0]
    : schema["type"];
  if (typeof type === "string") return type;
  if (isObject(schema["properties"])) return "object";
  return schema["items"] !== undefined || schema["prefixItems"] !== undefined ? "array" : "string";
}

function exampleObject(schema: JsonObject, place: Place): JsonObject {
  const properties = objectOf(schema["properties"]);
  const required = listOf(schema["required"]).filter((name) => typeof name === "string");
  const optional = place.depth < LEAN_DEPTH ? Object.keys(properties) : [];
  const names = new Set([...optional, ...required]);
  return Object.fromEntries(
    [...names].map((name) => [name, example(properties[name], { ...place, name, depth: place.depth + 1 })]),
  );
}

function exampleArray(schema: JsonObject, place: Place): unknown[] {
  const inner = { ...place, depth: place.depth + 1 };
  const tuple = listOf(schema["prefixItems"]).map((each) => example(each, inner));
  if (tuple.length > 0 || schema["maxItems"] === 0) return tuple;
  const isBare = schema["items"] === undefined || place.depth >= LEAN_DEPTH;
  const least = numberOf(schema["minItems"]) ?? (isBare ? 0 : 1);
  return Array.from({ length: Math.min(10, Math.max(least, isBare ? 0 : 1)) }, () => example(schema["items"], inner));
}

function exampleNumber(schema: JsonObject): number {
  const step = numberOf(schema["multipleOf"]) ?? (typeOf(schema) === "integer" ? 1 : undefined);
  const unit = step ?? 1;
  const above = numberOf(schema["exclusiveMinimum"]);
  const below = numberOf(schema["exclusiveMaximum"]);
  const least = numberOf(schema["minimum"]) ?? (above === undefined ? undefined : above + unit);
  const most = numberOf(schema["maximum"]) ?? (below === undefined ? undefined : below - unit);
  const wanted = Math.min(Math.max(unit, least ?? unit), most ?? Infinity);
  if (step === undefined || step <= 0) return wanted;
  const rounded = Math.floor(wanted / step) * step;
  return least !== undefined && rounded < least ? rounded + step : rounded;
}

const FORMATTED: Readonly<Record<string, string>> = {
  "date-time": "2026-01-01T12:00:00Z",
  date: "2026-01-01",
  time: "12:00:00Z",
  duration: "PT1H",
  email: "user@example.com",
  hostname: "example.com",
  uri: "https://example.com/",
  "uri-reference": "/example",
  url: "https://example.com/",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  uuid: "00000000-0000-4000-8000-000000000000",
};

function exampleString(schema: JsonObject, name: string): string {
  const format = schema["format"];
  const formatted = typeof format === "string" && Object.hasOwn(FORMATTED, format) ? FORMATTED[format] : undefined;
  if (formatted !== undefined) return formatted;
  const least = Math.min(numberOf(schema["minLength"]) ?? 0, 1000);
  return `example ${name}`.padEnd(least, ".").slice(0, numberOf(schema["maxLength"]));
}

function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
