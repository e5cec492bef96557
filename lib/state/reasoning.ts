/**
 * The memory of signed thinking where several workers share it: a turn's next request may come to another one within a
 * millisecond of the answer's end, so what is put here is there for all of them before that answer ends.
 */
import { Buffer } from "node:buffer";
import { type CallReasoning, type KeptReasoning, MEMORY_LIMITS, type MemoryLimits } from "../translation/carry.ts";
import { Database } from "./database.ts";

const VERSION = 1;
const SCHEMA = `
CREATE TABLE IF NOT EXISTS reasoning (
  row INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, used INTEGER NOT NULL, bytes INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS reasoning_used ON reasoning (used, bytes);
`;

/** The file holds this much at most, as a factor of what is counted. */
const FILE_FACTOR = 4;
/** A row's columns and indexes beside its text. */
const ROW_BYTES = 300;
/** Writes of one worker until the limits are looked at. */
const TRIM_EVERY = 64;
/** Once it is full, so much of it is left. */
const FULL_TO = 0.9;
/** A use is noted at most this often. */
const TOUCH_MS = 60_000;

export interface ReasoningOptions {
  path: string;
  /** How many processes write to it. */
  writers: number;
  onTrouble: (what: string, error: unknown) => void;
  /** Unix milliseconds. */
  now?: () => number;
  limits?: MemoryLimits;
}

export class SharedReasoning implements KeptReasoning {
  readonly #database: Database;
  readonly #limits: MemoryLimits;
  readonly #now: () => number;
  #hasAny = false;
  #untrimmed = 0;

  constructor({ path, writers, onTrouble, now = Date.now, limits = MEMORY_LIMITS }: ReasoningOptions) {
    this.#now = now;
    this.#limits = limits;
    const file = { path, writers, maxBytes: limits.bytes * FILE_FACTOR, isTemporary: true };
    this.#database = new Database({ ...file, schema: SCHEMA, version: VERSION, now, onTrouble });
  }

  /** Most upstreams sign nothing: then this one question is all that a request costs. */
  get isEmpty(): boolean {
    this.#hasAny ||= this.#database.single("get", false, () => {
      return this.#database.one("SELECT 1 AS one FROM reasoning LIMIT 1") !== undefined;
    });
    return !this.#hasAny;
  }

  take(key: string): CallReasoning | undefined {
    const now = this.#now();
    const row = this.#database.single("get", undefined, () => {
      const sql = "SELECT used, body FROM reasoning WHERE key = ? AND used >= ?";
      return this.#database.one<{ used: number; body: string }>(sql, key, now - this.#limits.age);
    });
    if (row === undefined) return undefined;
    if (now - row.used > TOUCH_MS) {
      const sql = "UPDATE reasoning SET used = ? WHERE key = ?";
      this.#database.single("touch", undefined, () => this.#database.run(sql, now, key));
    }
    return JSON.parse(row.body) as CallReasoning;
  }

  put(key: string, found: CallReasoning): void {
    const body = JSON.stringify(found);
    const bytes = ROW_BYTES + Buffer.byteLength(body);
    if (bytes > this.#limits.bytes) return;
    this.#database.writing("put", undefined, () => {
      if (this.#untrimmed++ % TRIM_EVERY === 0) this.#trim();
      const sql = "INSERT OR REPLACE INTO reasoning (key, used, bytes, body) VALUES (?, ?, ?, ?)";
      this.#database.run(sql, key, this.#now(), bytes, body);
    });
  }

  close(): void {
    this.#database.close();
  }

  #trim(): void {
    this.#database.run("DELETE FROM reasoning WHERE used < ?", this.#now() - this.#limits.age);
    const sql = "SELECT count(*) AS entries, coalesce(sum(bytes), 0) AS bytes FROM reasoning";
    const kept = this.#database.one<{ entries: number; bytes: number }>(sql) ?? { entries: 0, bytes: 0 };
    if (kept.entries <= this.#limits.entries && kept.bytes <= this.#limits.bytes) return;
    for (const { row, bytes } of this.#oldest()) {
      this.#database.run("DELETE FROM reasoning WHERE row = ?", row);
      kept.entries--;
      kept.bytes -= bytes;
      if (kept.entries <= this.#limits.entries * FULL_TO && kept.bytes <= this.#limits.bytes * FULL_TO) return;
    }
  }

  #oldest(): { row: number; bytes: number }[] {
    return this.#database.all("SELECT row, bytes FROM reasoning ORDER BY used, row");
  }
}
