/**
 * The store in SQLite, a file or memory. It is opened when it is first needed, and every call is one short transaction:
 * the loop waits for no more than that. Rows of all kinds share one table, so that one order of use decides what goes.
 */
import { Buffer } from "node:buffer";
import { chmodSync, existsSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { isObject, type JsonObject } from "../base/fields.ts";
import { parseJson } from "../base/json.ts";
import type { StateSettings } from "../config.ts";
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
PRAGMA user_version = ${VERSION};
`;

/** Its items go with it, as they do where it is replaced. */
const DELETE_ENTRY = "DELETE FROM entries WHERE kind = ? AND scope = ? AND id = ?";

/** How long a call may wait for another process that writes to the same file. */
const BUSY_MS = 50;
/** After a fault of the whole database, before it is opened again. */
const RETRY_MS = 30_000;
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

export interface SqliteOptions {
  /** Unix milliseconds. */
  now?: () => number;
  /** Told of every fault; holds no contents. */
  onTrouble?: (what: string, error: unknown) => void;
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
  readonly #onTrouble: (what: string, error: unknown) => void;
  #database: DatabaseSync | undefined;
  readonly #statements = new Map<string, StatementSync>();
  /** When a database that could not be opened is tried again. */
  #retryAt = 0;
  #isClosed = false;
  /** At least what is kept: replaced and deleted rows are taken off when it is counted anew. */
  #total = 0;
  #uncounted = COUNT_EVERY;
  #unswept = SWEEP_EVERY;

  constructor(settings: StateSettings, { now = Date.now, onTrouble = () => {} }: SqliteOptions = {}) {
    this.#settings = settings;
    this.#now = now;
    this.#onTrouble = onTrouble;
  }

  get(scope: string, id: string): StoredResponse | undefined {
    return this.#guarded("get", undefined, () => {
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

  put({ id, scope, createdAt, previousId, conversationId, response, input }: StoredResponse): boolean {
    return this.#guarded("put", false, () => {
      const head = {
        ...(previousId === undefined ? {} : { previousId }),
        ...(conversationId === undefined ? {} : { conversationId }),
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
    return this.#guarded("put", false, () => {
      const text = JSON.stringify(frames);
      const row = this.#find(RESPONSE, scope, id);
      const bytes = Buffer.byteLength(text);
      if (row === undefined || row.bytes + bytes > this.#largest) return false;
      this.#makeRoom(bytes);
      this.#run("UPDATE entries SET frames = ?, bytes = bytes + ? WHERE key = ?", text, bytes, row.key);
      return true;
    });
  }

  frames(scope: string, id: string): readonly string[] | undefined {
    return this.#guarded("get", undefined, () => {
      const row = this.#find(RESPONSE, scope, id);
      return row === undefined || row.frames === "" ? undefined : JSON.parse(row.frames) as string[];
    });
  }

  item(scope: string, id: string): JsonObject | undefined {
    return this.#guarded("get", undefined, () => {
      const sql = "SELECT i.body AS item, e.* FROM items i JOIN entries e ON e.key = i.entry " +
        "WHERE i.scope = ? AND i.id = ? AND e.used >= ? ORDER BY i.key DESC LIMIT 1";
      const row = this.#one<Row & { item: string }>(sql, scope, id, this.#oldest);
      if (row === undefined) return undefined;
      this.#touch(row);
      if (row.item !== "") return parsed(row.item);
      const { output } = parsed(row.body);
      const items = (Array.isArray(output) ? output : []).concat(parseJson(row.input) as unknown[]);
      return items.find((item): item is JsonObject => isObject(item) && item["id"] === id);
    });
  }

  isForeign(scope: string, id: string): boolean {
    return this.#attempted("get", false, () => {
      const sql = "SELECT count(*) AS known, sum(scope = ?) AS own FROM entries WHERE id = ?";
      const found = this.#one<{ known: number; own: number | null }>(sql, scope, id);
      return (found?.known ?? 0) > 0 && (found?.own ?? 0) === 0;
    });
  }

  pin({ id, scope, provider, model }: Pin): boolean {
    return this.#attempted("put", false, () => {
      const head = { provider, model };
      return this.#write({ kind: PIN, scope, id, createdAt: this.#now(), head, body: "", input: "" }) !== undefined;
    });
  }

  pinned(scope: string, id: string): Pin | undefined {
    return this.#attempted("get", undefined, () => {
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
    return this.#guarded("put", false, () => {
      const body = JSON.stringify(metadata);
      const row = this.#find(CONVERSATION, scope, id);
      if (row === undefined) {
        return this.#write({ kind: CONVERSATION, scope, id, createdAt, head: {}, body, input: "" }) !== undefined;
      }
      const grown = Buffer.byteLength(body) - Buffer.byteLength(row.body);
      const sql = "UPDATE entries SET body = ?, bytes = bytes + ?, used = ? WHERE key = ?";
      this.#run(sql, body, grown, this.#now(), row.key);
      return true;
    });
  }

  conversation(scope: string, id: string): Conversation | undefined {
    return this.#guarded("get", undefined, () => {
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
    return this.#guarded("get", [], () => {
      const row = this.#find(CONVERSATION, scope, conversationId);
      if (row === undefined) return [];
      const rows = this.#prepare("SELECT body FROM items WHERE entry = ? ORDER BY key").all(row.key);
      return rows.map((item) => parsed(String(item["body"])));
    });
  }

  addItems(scope: string, conversationId: string, items: readonly JsonObject[]): boolean {
    return this.#guarded("put", false, () => {
      const row = this.#find(CONVERSATION, scope, conversationId);
      const bodies = items.map((item) => JSON.stringify(item));
      const bytes = bodies.reduce((sum, body) => sum + sizeOf(body), 0);
      if (row === undefined || row.bytes + bytes > this.#largest) return false;
      this.#makeRoom(bytes);
      for (const [index, body] of bodies.entries()) {
        this.#addItem(row.key, scope, String(items[index]?.["id"] ?? ""), body);
      }
      this.#run("UPDATE entries SET bytes = bytes + ?, used = ? WHERE key = ?", bytes, this.#now(), row.key);
      return true;
    });
  }

  deleteItem(scope: string, conversationId: string, itemId: string): boolean {
    return this.#guarded("delete", false, () => {
      const row = this.#find(CONVERSATION, scope, conversationId);
      if (row === undefined) return false;
      const found = this.#one<{ key: number; body: string }>(
        "SELECT key, body FROM items WHERE entry = ? AND id = ?",
        row.key,
        itemId,
      );
      if (found === undefined) return false;
      this.#run("DELETE FROM items WHERE key = ?", found.key);
      this.#run("UPDATE entries SET bytes = bytes - ? WHERE key = ?", sizeOf(found.body), row.key);
      return true;
    });
  }

  /** Nothing is opened for it: where nothing was kept yet, there is nothing to count. */
  stats(): StateStats {
    const none = { responses: 0, conversations: 0, pins: 0, bytes: 0 };
    if (this.#database === undefined) return none;
    return this.#guarded("stats", none, () => {
      const stats = { ...none };
      const sql = "SELECT kind, count(*) AS n, sum(bytes) AS bytes FROM entries WHERE used >= ? GROUP BY kind";
      for (const { kind, n, bytes } of this.#prepare(sql).all(this.#oldest)) {
        if (kind === RESPONSE) stats.responses = Number(n);
        else if (kind === CONVERSATION) stats.conversations = Number(n);
        else stats.pins = Number(n);
        stats.bytes += Number(bytes);
      }
      return stats;
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#drop();
  }

  get #oldest(): number {
    return this.#now() - this.#settings.ttlMs;
  }

  get #largest(): number {
    return Math.min(LARGEST_BYTES, this.#settings.maxBytes / LARGEST_PART);
  }

  #find(kind: Kind, scope: string, id: string): Row | undefined {
    const sql = "SELECT * FROM entries WHERE kind = ? AND scope = ? AND id = ? AND used >= ?";
    return this.#one<Row>(sql, kind, scope, id, this.#oldest);
  }

  #touch({ key, used }: Row): void {
    const now = this.#now();
    if (now - used > TOUCH_MS) this.#run("UPDATE entries SET used = ? WHERE key = ?", now, key);
  }

  /** The row's key; undefined where it is too large to be kept. */
  #write({ kind, scope, id, createdAt, head, body, input }: Entry): number | undefined {
    const text = JSON.stringify(head);
    const bytes = sizeOf(text, body, input);
    if (bytes > this.#largest) {
      this.#run(DELETE_ENTRY, kind, scope, id);
      return undefined;
    }
    this.#makeRoom(bytes);
    const sql = "INSERT OR REPLACE INTO entries (kind, scope, id, created, used, bytes, head, body, input, frames) " +
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '')";
    return Number(this.#run(sql, kind, scope, id, createdAt, this.#now(), bytes, text, body, input).lastInsertRowid);
  }

  #addItem(entry: number, scope: string, id: string, body: string): void {
    this.#run("INSERT INTO items (entry, scope, id, body) VALUES (?, ?, ?, ?)", entry, scope, id, body);
  }

  /** For `bytes` more: what has outlived its time goes, then what was used least recently. */
  #makeRoom(bytes: number): void {
    if (++this.#unswept >= SWEEP_EVERY) this.#sweep();
    this.#total += bytes;
    if (this.#total <= this.#settings.maxBytes && ++this.#uncounted < COUNT_EVERY) return;
    this.#uncounted = 0;
    const sum = this.#one<{ sum: number | null }>("SELECT sum(bytes) AS sum FROM entries")?.sum ?? 0;
    this.#total = sum + bytes;
    this.#evict();
  }

  /** Nobody is shown it any more; this frees its room. */
  #sweep(): void {
    this.#unswept = 0;
    const sql = "DELETE FROM entries WHERE key IN (SELECT key FROM entries WHERE used < ? ORDER BY used LIMIT ?)";
    this.#run(sql, this.#oldest, BATCH);
  }

  #evict(): void {
    if (this.#total <= this.#settings.maxBytes) return;
    for (const row of this.#prepare("SELECT key, bytes FROM entries ORDER BY used, key LIMIT ?").all(BATCH)) {
      if (this.#total <= this.#settings.maxBytes * FULL_TO) return;
      this.#run("DELETE FROM entries WHERE key = ?", Number(row["key"]));
      this.#total -= Number(row["bytes"]);
    }
  }

  #delete(kind: Kind, scope: string, id: string): boolean {
    return this.#guarded("delete", false, () => {
      if (this.#find(kind, scope, id) === undefined) return false;
      this.#run(DELETE_ENTRY, kind, scope, id);
      return true;
    });
  }

  /** One transaction; on any fault what was asked for is just not there. */
  #guarded<T>(what: string, otherwise: T, act: () => T): T {
    return this.#attempted(what, otherwise, () => {
      this.#run(what === "get" || what === "stats" ? "BEGIN" : "BEGIN IMMEDIATE");
      const value = act();
      this.#run("COMMIT");
      return value;
    });
  }

  /** The same where one statement is all that has to hold together: two more would cost twice as much as it. */
  #attempted<T>(what: string, otherwise: T, act: () => T): T {
    const database = this.#open();
    if (database === undefined) return otherwise;
    try {
      return act();
    } catch (error) {
      this.#onTrouble(what, error);
      this.#rollBack(database);
      return otherwise;
    }
  }

  #rollBack(database: DatabaseSync): void {
    try {
      database.exec("ROLLBACK");
    } catch {
      // No transaction was open: `BEGIN` itself had failed.
    }
  }

  #open(): DatabaseSync | undefined {
    if (this.#database !== undefined || this.#isClosed || this.#now() < this.#retryAt) return this.#database;
    try {
      this.#database = openDatabase(this.#settings);
    } catch (error) {
      this.#retryAt = this.#now() + RETRY_MS;
      this.#onTrouble("open", error);
    }
    return this.#database;
  }

  #drop(): void {
    this.#statements.clear();
    try {
      this.#database?.close();
    } catch (error) {
      this.#onTrouble("close", error);
    }
    this.#database = undefined;
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = (this.#database as DatabaseSync).prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #run(sql: string, ...values: SQLInputValue[]) {
    return this.#prepare(sql).run(...values);
  }

  #one<T>(sql: string, ...values: SQLInputValue[]): T | undefined {
    return (this.#prepare(sql).get(...values) ?? undefined) as T | undefined;
  }
}

const PAGE_BYTES = 4096;
/** Room for indexes and for pages that are half empty, beyond what is counted. */
const PAGE_FACTOR = 2;

/** Throws where the file is none of ours, or can't be opened. */
function openDatabase({ path, maxBytes }: StateSettings): DatabaseSync {
  const isFile = path !== ":memory:";
  const isNew = isFile && !existsSync(path);
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA foreign_keys = ON;`);
    // Conversations are nobody else's business. The files beside it are made with the permissions that it has by then.
    if (isNew) chmodSync(path, 0o600);
    if (isFile) database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
    database.exec(`PRAGMA max_page_count = ${Math.ceil((maxBytes * PAGE_FACTOR) / PAGE_BYTES) + 64};`);
    const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
    if (version > VERSION) throw new Error(`Its version is ${version}, this program knows ${VERSION} and below`);
    database.exec(SCHEMA);
    return database;
  } catch (error) {
    database.close();
    throw error;
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
