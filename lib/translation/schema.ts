/** JSON Schemas made fit for a target without changing what they mean (TRANSLATION.md, 2.4). */
import { isObject, type JsonObject } from "../base/fields.ts";

/** A tool's schema: an object at the top, with `properties`. */
export function objectSchema(schema: JsonObject | undefined): JsonObject {
  if (schema === undefined || Object.keys(schema).length === 0) return { type: "object", properties: {} };
  if (schema["type"] === undefined) return { type: "object", properties: {}, ...schema };
  return schema["type"] === "object" && schema["properties"] === undefined ? { ...schema, properties: {} } : schema;
}

/** Whether OpenAI's strict mode would take it: every property required and `additionalProperties: false`, at all levels. */
export function isStrictSchema(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.every(isStrictSchema);
  if (!isObject(schema)) return true;
  const properties = schema["properties"];
  if (isObjectType(schema["type"]) || isObject(properties)) {
    if (schema["additionalProperties"] !== false) return false;
    const required = Array.isArray(schema["required"]) ? schema["required"] : [];
    if (isObject(properties) && !Object.keys(properties).every((name) => required.includes(name))) return false;
  }
  return Object.entries(schema).every(([key, value]) =>
    key === "properties" || key === "$defs" || key === "definitions"
      ? isObject(value) && Object.values(value).every(isStrictSchema)
      : NESTED.has(key)
      ? isStrictSchema(value)
      : true
  );
}

function isObjectType(type: unknown): boolean {
  return type === "object" || (Array.isArray(type) && type.includes("object"));
}

const NESTED: ReadonlySet<string> = new Set(["items", "anyOf", "allOf", "oneOf", "not", "prefixItems"]);

/** Keywords that Anthropic's structured output refuses; they become words in the description. */
const REFUSED: ReadonlySet<string> = new Set([
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "pattern",
  "minItems",
  "maxItems",
  "uniqueItems",
  "minProperties",
  "maxProperties",
  "not",
]);
const FORMATS: ReadonlySet<string> = new Set([
  "date-time",
  "time",
  "date",
  "duration",
  "email",
  "hostname",
  "uri",
  "ipv4",
  "ipv6",
  "uuid",
]);

/**
 * A schema as Anthropic's `output_config.format` takes it: `additionalProperties: false` on every object, `oneOf` as
 * `anyOf`, refused keywords moved into the description. `moved` gets the path of each keyword that no longer binds.
 */
export function constrainedSchema(schema: unknown, moved: (path: string) => void, path = "schema"): unknown {
  if (Array.isArray(schema)) return schema.map((entry, index) => constrainedSchema(entry, moved, `${path}[${index}]`));
  if (!isObject(schema)) return schema;
  const result: JsonObject = {};
  const words: string[] = [];
  for (const [key, value] of Object.entries(schema)) {
    const at = `${path}.${key}`;
    if (isRefused(key, value)) {
      words.push(`${key}: ${JSON.stringify(value)}`);
      moved(at);
    } else if (key === "properties" || key === "$defs" || key === "definitions") {
      result[key] = constrainedMembers(value, moved, at);
    } else if (key !== "oneOf") {
      result[key] = NESTED.has(key) ? constrainedSchema(value, moved, at) : value;
    }
  }
  if (schema["oneOf"] !== undefined) addChoice(result, constrainedSchema(schema["oneOf"], moved, `${path}.oneOf`));
  if (isObjectType(result["type"]) || isObject(result["properties"])) result["additionalProperties"] = false;
  if (words.length > 0) {
    const description = typeof result["description"] === "string" ? `${result["description"]} ` : "";
    result["description"] = `${description}(${words.join(", ")})`;
  }
  return result;
}

function isRefused(key: string, value: unknown): boolean {
  if (key === "format") return typeof value === "string" && !FORMATS.has(value);
  // A schema for all other members is a constraint of its own; `true` and `{}` are what absence means.
  if (key === "additionalProperties") return isObject(value) && Object.keys(value).length > 0;
  return REFUSED.has(key);
}

function constrainedMembers(value: unknown, moved: (path: string) => void, path: string): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]) => [name, constrainedSchema(entry, moved, `${path}.${name}`)]),
  );
}

function addChoice(schema: JsonObject, choice: unknown): void {
  if (schema["anyOf"] === undefined) schema["anyOf"] = choice;
  else schema["allOf"] = [...(Array.isArray(schema["allOf"]) ? schema["allOf"] : []), { anyOf: choice }];
}
