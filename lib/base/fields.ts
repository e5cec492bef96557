import { type Failure, invalid } from "./failure.ts";

/** A parsed JSON object whose members are not yet checked. */
export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** How a value is named in an error message: its type, and the value itself when it is short. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return value.length > 40 ? "a string" : `"${value}"`;
  return String(value);
}

/**
 * Keeps the first thing found wrong while a body is decoded, so that decoders read straight through without throwing
 * and without handing a `Result` up through every level.
 */
export class Faults {
  first: Failure | undefined;

  add(message: string, path: string): void {
    this.first ??= invalid(path === "" ? message : `${message} at ${path}`, path);
  }

  /** Like `add`, for failures of another kind (an `unsupported` one, say). */
  addFailure(failure: Failure): void {
    this.first ??= failure;
  }
}

/**
 * Reads one JSON object member by member: wrong types go to `faults` with their path, absent and null members read as
 * undefined, and `rest()` gives the members that nobody asked for, so that a vendor's new field is never lost unseen.
 */
export class Fields {
  readonly value: JsonObject;
  readonly #taken = new Set<string>();

  constructor(readonly faults: Faults, value: unknown, readonly path: string) {
    if (isObject(value)) {
      this.value = value;
    } else {
      this.value = {};
      faults.add(`Expected an object but got ${describe(value)}`, path);
    }
  }

  /** The path of a member, as clients and losses name it: `messages[0].content`. */
  at(key: string): string {
    return this.path === "" ? key : `${this.path}.${key}`;
  }

  /** The raw member, marked as read. */
  any(key: string): unknown {
    this.#taken.add(key);
    return this.value[key];
  }

  has(key: string): boolean {
    return this.value[key] !== undefined && this.value[key] !== null;
  }

  string(key: string): string | undefined {
    return this.#typed(key, "string") as string | undefined;
  }

  number(key: string): number | undefined {
    return this.#typed(key, "number") as number | undefined;
  }

  boolean(key: string): boolean | undefined {
    return this.#typed(key, "boolean") as boolean | undefined;
  }

  requiredString(key: string): string {
    const value = this.any(key);
    if (typeof value === "string") return value;
    this.faults.add(
      value === undefined ? `Missing required string "${key}"` : `Expected a string but got ${describe(value)}`,
      this.at(key),
    );
    return "";
  }

  object(key: string): Fields | undefined {
    const value = this.any(key);
    return value === undefined || value === null ? undefined : new Fields(this.faults, value, this.at(key));
  }

  array(key: string): unknown[] | undefined {
    const value = this.any(key);
    if (value === undefined || value === null) return undefined;
    if (Array.isArray(value)) return value;
    this.faults.add(`Expected an array but got ${describe(value)}`, this.at(key));
    return undefined;
  }

  strings(key: string): string[] | undefined {
    const values = this.array(key);
    values?.forEach((value, index) => {
      if (typeof value !== "string") {
        this.faults.add(`Expected a string but got ${describe(value)}`, `${this.at(key)}[${index}]`);
      }
    });
    return values as string[] | undefined;
  }

  /** Marks members as read without looking at them. */
  skip(...keys: string[]): void {
    for (const key of keys) this.#taken.add(key);
  }

  /** The members that were never read, or undefined when there are none. */
  rest(): JsonObject | undefined {
    const left = Object.keys(this.value).filter((key) => !this.#taken.has(key));
    // An assignment to `__proto__` would make no member.
    return left.length === 0 ? undefined : Object.fromEntries(left.map((key) => [key, this.value[key]]));
  }

  #typed(key: string, type: "string" | "number" | "boolean"): unknown {
    const value = this.any(key);
    if (value === undefined || value === null) return undefined;
    // An integer beyond 2^53, whose digits `parseJson` keeps.
    const isRaw = type === "number" && isObject(value) && typeof value["rawJSON"] === "string";
    const read = isRaw ? Number(value["rawJSON"]) : value;
    const actual: string = typeof read;
    // JSON has no infinity, but `1e999` is read as one.
    if (actual === type && (type !== "number" || Number.isFinite(read))) return read;
    this.faults.add(`Expected a ${type} but got ${describe(read)}`, this.at(key));
    return undefined;
  }
}

type Defined<T> =
  & { [K in keyof T as undefined extends T[K] ? never : K]: T[K] }
  & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/** The same object without its undefined members, so that it can be spread into an exact type. */
export function defined<T extends object>(members: T): Defined<T> {
  const all = members as JsonObject;
  const result: JsonObject = {};
  for (const key of Object.keys(all)) if (all[key] !== undefined) result[key] = all[key];
  return result as Defined<T>;
}
