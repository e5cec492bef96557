/**
 * One JSON line per event, on stderr. Lines are gathered for a moment and written together: a write per request would
 * cost more than the request. Secrets print as `***` by their type (`secret.ts`).
 */
import { Buffer } from "node:buffer";
import process from "node:process";

export type LogFields = Record<string, unknown>;

export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  setLevel(level: LogLevel): void;
  /** Writes what is still gathered; called before the process ends. */
  flush(): void;
}

const LEVELS = ["info", "warn", "error", "off"] as const;
export type LogLevel = (typeof LEVELS)[number];
export const LOG_LEVELS: readonly LogLevel[] = LEVELS;

const GATHER_MS = 25;
const GATHER_CHARACTERS = 64 * 1024;

/** `always` stands in every line. */
export function createLog(initial: LogLevel, write: (text: string) => void = toStderr, always: LogFields = {}): Log {
  let level = initial;
  let gathered = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const text = gathered;
    gathered = "";
    if (text !== "") write(text);
  };
  const line = (lineLevel: LogLevel, event: string, fields: LogFields = {}): void => {
    if (LEVELS.indexOf(lineLevel) < LEVELS.indexOf(level)) return;
    const told = { time: new Date().toISOString(), level: lineLevel, event, ...always, ...fields };
    // A replacer makes each line five times as dear, and most have nothing to shorten.
    gathered += `${isShort(fields) ? JSON.stringify(told) : JSON.stringify(told, bounded)}\n`;
    if (gathered.length > GATHER_CHARACTERS) flush();
    else timer ??= setTimeout(flush, GATHER_MS);
  };
  return {
    info: (event, fields) => line("info", event, fields),
    warn: (event, fields) => line("warn", event, fields),
    error: (event, fields) => line("error", event, fields),
    setLevel: (next) => void (level = next),
    flush,
  };
}

/** Characters of one value: a model's name, say, is the client's, and may be as long as a body. */
const MAX_VALUE = 4096;

function isShort(fields: LogFields): boolean {
  for (const name in fields) {
    const value = fields[name];
    if (typeof value === "string" ? value.length > MAX_VALUE : typeof value === "object") return false;
  }
  return true;
}

function bounded(_key: string, value: unknown): unknown {
  return typeof value === "string" && value.length > MAX_VALUE ? `${value.slice(0, MAX_VALUE)}…` : value;
}

function toStderr(text: string): void {
  process.stderr.write(text);
}

/** What a pipe takes in one piece (PIPE_BUF on Linux). */
const PIECE_BYTES = 4096;

/** The same where several processes write to one stderr: whole lines in such pieces that none falls into another's. */
export function toSharedStderr(text: string): void {
  let piece = "";
  for (const line of text.split(/(?<=\n)/)) {
    if (piece !== "" && Buffer.byteLength(piece) + Buffer.byteLength(line) > PIECE_BYTES) {
      toStderr(piece);
      piece = "";
    }
    piece += line;
  }
  if (piece !== "") toStderr(piece);
}
