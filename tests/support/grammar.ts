/**
 * What the three stream validators share: a strict reading of SSE text, and a list of violations with the frame they are
 * in. Written from the specification alone: uses nothing of `lib/`.
 */

export type Json = Record<string, unknown>;

export interface Frame {
  /** Counted from 0, comments not counted. */
  number: number;
  /** The `event:` line's value, undefined without one. */
  event: string | undefined;
  data: string;
}

export class Violations {
  readonly list: string[] = [];
  /** What the next violations are about. */
  where = "";

  add(message: string): void {
    this.list.push(this.where === "" ? message : `${this.where}: ${message}`);
  }

  /** Reports `message` unless it holds; gives the condition back. */
  check(holds: boolean, message: string): boolean {
    if (!holds) this.add(message);
    return holds;
  }
}

/**
 * The frames of a whole stream as our writer must have written it (TRANSLATION.md, 4): LF, at most one `event:` line and
 * exactly one `data:` line each, a blank line after every frame. Comments may stand anywhere between.
 */
export function readFrames(text: string, violations: Violations): Frame[] {
  violations.where = "framing";
  violations.check(!text.includes("\r"), "a CR in the stream");
  violations.check(!text.startsWith("\uFEFF"), "a byte order mark");
  violations.check(!text.includes("\uFFFD"), "a replacement character: bytes were torn");
  violations.check(text === "" || text.endsWith("\n\n"), "the last frame has no blank line after it");
  const frames: Frame[] = [];
  for (const block of text.split("\n\n")) {
    const lines = block.split("\n").filter((line) => line !== "" && !line.startsWith(":"));
    if (lines.length > 0) frames.push(readFrame(lines, frames.length, violations));
  }
  return frames;
}

function readFrame(lines: readonly string[], number: number, violations: Violations): Frame {
  violations.where = `frame ${number}`;
  const events = lines.filter((line) => line.startsWith("event: "));
  const data = lines.filter((line) => line.startsWith("data: "));
  violations.check(events.length <= 1, "more than one event: line");
  violations.check(data.length === 1, `${data.length} data: lines`);
  violations.check(events.length + data.length === lines.length, "a line that is neither event: nor data:");
  return {
    number,
    event: events[0]?.slice("event: ".length),
    data: (data[0] ?? "").slice("data: ".length),
  };
}

export function parseObject(data: string, violations: Violations): Json | undefined {
  try {
    const value: unknown = JSON.parse(data);
    if (isObject(value)) return value;
  } catch {
    // Reported below, like any other value that isn't an object.
  }
  violations.add(`data is no JSON object: ${data.slice(0, 80)}`);
  return undefined;
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function asObject(value: unknown): Json {
  return isObject(value) ? value : {};
}

export function asArray(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A whole number of 0 or more: what every count of tokens and every index is. */
export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}

export function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

export function show(value: unknown): string {
  return JSON.stringify(value) ?? "nothing";
}

export function requireKeys(value: Json, keys: readonly string[], what: string, violations: Violations): void {
  for (const key of keys) violations.check(key in value, `${what} lacks "${key}"`);
}

export function parsesAsObject(text: string): boolean {
  try {
    return isObject(JSON.parse(text));
  } catch {
    return false;
  }
}
