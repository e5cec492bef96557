/**
 * The store in SQLite, a file or memory. Rows of all kinds share one table, so that one order of use decides what goes.
 */
import { Buffer } from "node:buffer";
import { isObject, type JsonObject } from "../base/fields.ts";
import { parseJson } from "../base/json.ts";
import type { StateSettings } from "../config.ts";
import { Database } from "./database.ts";
import type { Conversation, Pin, StateStats, StateStore, StoredResponse } from "./store.ts";

/** What an entry is; the number is in the file. */
const RESPONSE = 1;
const CONVERSATION = 2;
const PIN = 3;
type Kind = typeof RESPONSE | typeof CONVERSATION | typeof PIN;

const VERSION = 1;

const SCHEMA = `
CREATE TABLE IF NOT EXISTS entries (
  key INTEGER PRIMARY KEY, kind INTEGER NOT NULL, scope TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL,
  used INTEGER NOT NULL, bytes INTEGER NOT NULL, head TEXT NOT NULL, body TEXT NOT NULL, input TEXT NOT NULL,
  frames TEXT NOT NULL, UNIQUE (id, scope, kind)
) STRICT;
CREATE INDEX IF NOT EXISTS entries_used ON entries (used, kind, bytes);
CREATE TABLE IF NOT EXISTS items (
  key INTEGER PRIMARY KEY AUTOINCREMENT, entry INTEGER NOT NULL REFERENCES entries (key) ON DELETE CASCADE,
  scope TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS items_entry ON items (entry);
CREATE INDEX IF NOT EXISTS items_id ON items (scope, id);
`;

/** Its items go with it, as they do where it is replaced. */
const DELETE_ENTRY = "DELETE FROM entries WHERE kind = ? AND scope = ? AND id = ?";

/** Entries that one call takes out at most. */
const BATCH = 64;
/** What is kept of one entry, as a part of the whole. */
const LARGEST_PART = 4;
const LARGEST_BYTES = 32 * 1024 * 1024;
/** Writes until what has outlived its time is taken out again, a batch of it. */
const SWEEP_EVERY = 16;
/** Writes until all that is kept is counted again. */
const COUNT_EVERY = 256;
/** Once it is full, so much of it is left: the next write finds room without a search. */
const FULL_TO = 0.95;
/** A use is noted at most this often. */
const TOUCH_MS = 60_000;
/** A row's columns and indexes beside its texts. */
const ROW_BYTES = 400;
/** Room for indexes and for pages that are half empty, beyond what is counted. */
const FILE_FACTOR = 2;

export interface SqliteOptions {
  /** Unix milliseconds. */
  now?: () => number;
  /** Told of every fault; holds no contents. */
  onTrouble?: (what: string, error: unknown) => void;
  /** How many processes write to the file, each as much as this one. */
  writers?: number;
  /** Nobody needs the file after a crash of the machine. */
  isTemporary?: boolean;
}

interface Row {
  key: number;
  id: string;
  created: number;
  used: number;
  bytes: number;
  head: string;
  body: string;
  input: string;
  frames: string;
}

interface Entry {
  kind: Kind;
  scope: string;
  id: string;
  createdAt: number;
  head: JsonObject;
  body: string;
  input: string;
}

export class SqliteStore implements StateStore {
  readonly #settings: StateSettings;
  readonly #now: () => number;
  readonly #writers: number;
  readonly #database: Database;
  /** Found by a look-up whose use is still to be noted: a transaction that reads must not begin to write. */
  #used: Row | undefined;
  /** At least what is kept: replaced and deleted rows are taken off when it is counted anew. */
  #total = 0;
  #uncounted = COUNT_EVERY;
  #unswept = SWEEP_EVERY;

  constructor(settings: StateSettings, options: SqliteOptions = {}) {
    const { now = Date.now, onTrouble = () => {}, writers = 1, isTemporary = false } = options;
    const { path, maxBytes } = settings;
    this.#settings = settings;
    this.#now = now;
    this.#writers = writers;
    const file = { path, maxBytes: maxBytes * FILE_FACTOR, schema: SCHEMA, version: VERSION, isTemporary, writers };
    this.#database = new Database({ ...file, now, onTrouble });
  }

  get(scope: string, id: string): StoredResponse | undefined {
    return this.#reading("get", undefined, () => {
      const row = this.#find(RESPONSE, scope, id);
      if (row === undefined) return undefined;
      this.#touch(row);
      return {
        ...parsed(row.head),
        id,
        scope,
        createdAt: row.created,
        response: parsed(row.body),
        input: parseJson(row.input) as JsonObject[],
      };
    });
  }

  put({ id, scope, createdAt, previousId, conversationId, maker, response, input }: StoredResponse): boolean {
    return this.#database.writing("put", false, () => {
      const head = {
        ...(previousId === undefined ? {} : { previousId }),
        ...(conversationId === undefined ? {} : { conversationId }),
        ...(maker === undefined ? {} : { maker }),
      };
      const body = JSON.stringify(response);
      const key = this.#write({ kind: RESPONSE, scope, id, createdAt, head, body, input: JSON.stringify(input) });
      if (key === undefined) return false;
      for (const itemId of idsOf(response["output"]).concat(idsOf(input))) this.#addItem(key, scope, itemId, "");
      return true;
    });
  }

  delete(scope: string, id: string): boolean {
    return this.#delete(RESPONSE, scope, id);
  }

  putFrames(scope: string, id: string, frames: readonly string[]): boolean {
    return this.#database.writing("put", false, () => {
      const text = JSON.stringify(frames);
      const row = this.#find(RESPONSE, scope, id);
      const bytes = Buffer.byteLength(text);
      if (row === undefined || row.bytes + bytes > this.#largest) return false;
      this.#makeRoom(bytes);
      this.#database.run("UPDATE entries SET frames = ?, bytes = bytes + ? WHERE key = ?", text, bytes, row.key);
      return true;
    });
  }

  frames(scope: string, id: string): readonly string[] | undefined {
    return this.#reading("get", undefined, () => {
      const row = this.#find(RESPONSE, scope, id);
      return row === undefined || row.frames === "" ? undefined : JSON.parse(row.frames) as string[];
    });
  }

  item(scope: string, id: string): JsonObject | undefined {
    return this.#reading("get", undefined, () => {
      const sql = "SELECT i.body AS item, e.* FROM items i JOIN entries e ON e.key = i.entry " +
        "WHERE i.scope = ? AND i.id = ? AND e.used >= ? ORDER BY i.key DESC LIMIT 1";
      const row = this.#database.one<Row & { item: string }>(sql, scope, id, this.#oldest);
      if (row === undefined) return undefined;
      this.#touch(row);
      if (row.item !== "") return parsed(row.item);
      const { output } = parsed(row.body);
      const items = (Array.isArray(output) ? output : []).concat(parseJson(row.input) as unknown[]);
      return items.find((item): item is JsonObject => isObject(item) && item["id"] === id);
    });
  }

  isForeign(scope: string, id: string): boolean {
    return this.#database.alone("get", false, () => {
      const sql = "SELECT count(*) AS known, sum(scope = ?) AS own FROM entries WHERE id = ?";
      const found = this.#database.one<{ known: number; own: number | null }>(sql, scope, id);
      return (found?.known ?? 0) > 0 && (found?.own ?? 0) === 0;
    });
  }

  pin({ id, scope, provider, model }: Pin): boolean {
    return this.#database.writing("put", false, () => {
      const head = { provider, model };
      return this.#write({ kind: PIN, scope, id, createdAt: this.#now(), head, body: "", input: "" }) !== undefined;
    });
  }

  pinned(scope: string, id: string): Pin | undefined {
    return this.#reading("get", undefined, () => {
      const row = this.#find(PIN, scope, id);
      if (row === undefined) return undefined;
      this.#touch(row);
      const { provider, model } = parsed(row.head);
      return { id, scope, provider: String(provider), model: String(model) };
    });
  }

  unpin(scope: string, id: string): boolean {
    return this.#delete(PIN, scope, id);
  }

  putConversation({ id, scope, createdAt, metadata }: Conversation): boolean {
    return this.#database.writing("put", false, () => {
      const body = JSON.stringify(metadata);
      const row = this.#find(CONVERSATION, scope, id);
      if (row === undefined) {
        return this.#write({ kind: CONVERSATION, scope, id, createdAt, head: {}, body, input: "" }) !== undefined;
      }
      const grown = Buffer.byteLength(body) - Buffer.byteLength(row.body);
      const sql = "UPDATE entries SET body = ?, bytes = bytes + ?, used = ? WHERE key = ?";
      this.#database.run(sql, body, grown, this.#now(), row.key);
      return true;
    });
  }

  conversation(scope: string, id: string): Conversation | undefined {
    return this.#reading("get", undefined, () => {
      const row = this.#find(CONVERSATION, scope, id);
      if (row === undefined) return undefined;
      this.#touch(row);
      return { id, scope, createdAt: row.created, metadata: parsed(row.body) };
    });
  }

  deleteConversation(scope: string, id: string): boolean {
    return this.#delete(CONVERSATION, scope, id);
  }

  items(scope: string, conversationId: string): readonly JsonObject[] {
    return this.#reading("get", [], () => {
      const row = this.#find(CONVERSATION, scope, conversationId);
      if (row === undefined) return [];
      const rows = this.#database.all<{ body: string }>("SELECT body FROM items WHERE entry = ? ORDER BY key", row.key);
      return rows.map(({ body }) => parsed(body));
    });
  }

  addItems(scope: string, conversationId: string, items: readonly JsonObject[]): boolean {
    return this.#database.writing("put", false, () => {
      const row = this.#find(CONVERSATION, scope, conversationId);
      const bodies = items.map((item) => JSON.stringify(item));
      const bytes = bodies.reduce((sum, body) => sum + sizeOf(body), 0);
      if (row === undefined || row.bytes + bytes > this.#largest) return false;
      this.#makeRoom(bytes);
      for (const [index, body] of bodies.entries()) {
        this.#addItem(row.key, scope, String(items[index]?.["id"] ?? ""), body);
      }
      this.#database.run("UPDATE entries SET bytes = bytes + ?, used = ? WHERE key = ?", bytes, this.#now(), row.key);
      return true;
    });
  }

  deleteItem(scope: string, conversationId: string, itemId: string): boolean {
    return this.#database.writing("delete", false, () => {
      const row = this.#find(CONVERSATION, scope, conversationId);
      if (row === undefined) return false;
      const found = this.#database.one<{ key: number; body: string }>(
        "SELECT key, body FROM items WHERE entry = ? AND id = ?",
        row.key,
        itemId,
      );
      if (found === undefined) return false;
      this.#database.run("DELETE FROM items WHERE key = ?", found.key);
      this.#database.run("UPDATE entries SET bytes = bytes - ? WHERE key = ?", sizeOf(found.body), row.key);
      return true;
    });
  }

  /** Nothing is opened for it: where nothing was kept yet, there is nothing to count. */
  stats(): StateStats {
    const none = { responses: 0, conversations: 0, pins: 0, bytes: 0 };
    if (!this.#database.isOpen) return none;
    return this.#database.reading("stats", none, () => {
      const stats = { ...none };
      const sql = "SELECT kind, count(*) AS n, sum(bytes) AS bytes FROM entries WHERE used >= ? GROUP BY kind";
      for (
        const { kind, n, bytes } of this.#database.all<{ kind: Kind; n: number; bytes: number }>(sql, this.#oldest)
      ) {
        if (kind === RESPONSE) stats.responses = n;
        else if (kind === CONVERSATION) stats.conversations = n;
        else stats.pins = n;
        stats.bytes += bytes;
      }
      return stats;
    });
  }

  close(): void {
    this.#database.close();
  }

  get #oldest(): number {
    return this.#now() - this.#settings.ttlMs;
  }

  get #largest(): number {
    return Math.min(LARGEST_BYTES, this.#settings.maxBytes / LARGEST_PART);
  }

  #find(kind: Kind, scope: string, id: string): Row | undefined {
    const sql = "SELECT * FROM entries WHERE kind = ? AND scope = ? AND id = ? AND used >= ?";
    return this.#database.one<Row>(sql, kind, scope, id, this.#oldest);
  }

  /** A look-up, and after it the note that what it found was used. */
  #reading<T>(what: string, otherwise: T, act: () => T): T {
    this.#used = undefined;
    const found = this.#database.reading(what, otherwise, act);
    const row = this.#used as Row | undefined;
    if (row !== undefined) {
      const sql = "UPDATE entries SET used = ? WHERE key = ?";
      this.#database.single("touch", undefined, () => this.#database.run(sql, this.#now(), row.key));
    }
    return found;
  }

  #touch(row: Row): void {
    if (this.#now() - row.used > TOUCH_MS) this.#used = row;
  }

  /** The row's key; undefined where it is too large to be kept. */
  #write({ kind, scope, id, createdAt, head, body, input }: Entry): number | undefined {
    const text = JSON.stringify(head);
    const bytes = sizeOf(text, body, input);
    if (bytes > this.#largest) {
      this.#database.run(DELETE_ENTRY, kind, scope, id);
      return undefined;
    }
    this.#makeRoom(bytes);
    const sql = "INSERT OR REPLACE INTO entries (kind, scope, id, created, used, bytes, head, body, input, frames) " +
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '')";
    return Number(
      this.#database.run(sql, kind, scope, id, createdAt, this.#now(), bytes, text, body, input).lastInsertRowid,
    );
  }

  #addItem(entry: number, scope: string, id: string, body: string): void {
    this.#database.run("INSERT INTO items (entry, scope, id, body) VALUES (?, ?, ?, ?)", entry, scope, id, body);
  }

  /** For `bytes` more: what has outlived its time goes, then what was used least recently. */
  #makeRoom(bytes: number): void {
    if (++this.#unswept >= SWEEP_EVERY) this.#sweep();
    // The others' writes are counted as if they were ours: whoever writes most finds out first that it is full.
    this.#total += bytes * this.#writers;
    if (this.#total <= this.#settings.maxBytes && ++this.#uncounted < COUNT_EVERY) return;
    this.#uncounted = 0;
    const sum = this.#database.one<{ sum: number | null }>("SELECT sum(bytes) AS sum FROM entries")?.sum ?? 0;
    this.#total = sum + bytes;
    this.#evict();
  }

  /** Nobody is shown it any more; this frees its room. */
  #sweep(): void {
    this.#unswept = 0;
    const sql = "DELETE FROM entries WHERE key IN (SELECT key FROM entries WHERE used < ? ORDER BY used LIMIT ?)";
    this.#database.run(sql, this.#oldest, BATCH);
  }

  #evict(): void {
    if (this.#total <= this.#settings.maxBytes) return;
    const oldest = "SELECT key, bytes FROM entries ORDER BY used, key LIMIT ?";
    for (const { key, bytes } of this.#database.all<{ key: number; bytes: number }>(oldest, BATCH)) {
      if (this.#total <= this.#settings.maxBytes * FULL_TO) return;
      this.#database.run("DELETE FROM entries WHERE key = ?", key);
      this.#total -= bytes;
    }
  }

  #delete(kind: Kind, scope: string, id: string): boolean {
    return this.#database.writing("delete", false, () => {
      if (this.#find(kind, scope, id) === undefined) return false;
      this.#database.run(DELETE_ENTRY, kind, scope, id);
      return true;
    });
  }
}

function parsed(text: string): JsonObject {
  return parseJson(text) as JsonObject;
}

function sizeOf(...texts: string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), ROW_BYTES);
}

function idsOf(items: unknown): string[] {
  if (!Array.isArray(items)) return [];
  return items.flatMap((item) => isObject(item) && typeof item["id"] === "string" ? [item["id"]] : []);
}
