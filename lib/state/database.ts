/**
 * One SQLite database, a file or memory, opened when it is first needed. Every call is one short transaction: the loop
 * waits for no more than that.
 */
import { chmodSync, existsSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";

export interface DatabaseSettings {
  /** A file, or `:memory:`. */
  path: string;
  /** The hard limit of the file: writes beyond it fail. */
  maxBytes: number;
  /** Statements that make what isn't there yet. */
  schema: string;
  /** What the file says of itself; a newer one is not opened. */
  version: number;
  /** Nobody needs it after a crash of the machine: nothing waits for the disk. */
  isTemporary?: boolean;
  /** How many processes write to it. */
  writers?: number;
  /** Unix milliseconds. */
  now: () => number;
  /** Told of every fault; holds no contents. */
  onTrouble: (what: string, error: unknown) => void;
}

/** How long a call may wait for another process that writes to the same file. */
const BUSY_MS = 50;
/** The same where that is a worker beside this one, whose writes are as short as ours. */
const BUSY_BESIDE_MS = 250;
/** After a fault of the whole database, before it is opened again. */
const RETRY_MS = 30_000;

export class Database {
  readonly #settings: DatabaseSettings;
  readonly #statements = new Map<string, StatementSync>();
  #database: DatabaseSync | undefined;
  /** When a database that could not be opened is tried again. */
  #retryAt = 0;
  #isClosed = false;

  constructor(settings: DatabaseSettings) {
    this.#settings = settings;
  }

  get isOpen(): boolean {
    return this.#database !== undefined;
  }

  /** One statement, which is a transaction by itself; on any fault what was asked for is just not there. */
  single<T>(what: string, otherwise: T, act: () => T): T {
    return this.#guarded(what, otherwise, act);
  }

  /** One transaction that only reads; on any fault what was asked for is just not there. */
  reading<T>(what: string, otherwise: T, act: () => T): T {
    return this.#transaction("BEGIN", what, otherwise, act);
  }

  /** The same for one that writes: it waits its turn before it reads anything. */
  writing<T>(what: string, otherwise: T, act: () => T): T {
    return this.#transaction("BEGIN IMMEDIATE", what, otherwise, act);
  }

  /** The same for one statement alone, which needs no transaction: it would cost twice as much as the statement. */
  alone<T>(what: string, otherwise: T, act: () => T): T {
    return this.#guarded(what, otherwise, act);
  }

  run(sql: string, ...values: SQLInputValue[]) {
    return this.#prepare(sql).run(...values);
  }

  one<T>(sql: string, ...values: SQLInputValue[]): T | undefined {
    return (this.#prepare(sql).get(...values) ?? undefined) as T | undefined;
  }

  all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#prepare(sql).all(...values) as T[];
  }

  /** It is not opened again. */
  close(): void {
    this.#isClosed = true;
    this.#statements.clear();
    try {
      this.#database?.close();
    } catch (error) {
      this.#settings.onTrouble("close", error);
    }
    this.#database = undefined;
  }

  #transaction<T>(begin: string, what: string, otherwise: T, act: () => T): T {
    return this.#guarded(what, otherwise, () => {
      this.run(begin);
      const value = act();
      this.run("COMMIT");
      return value;
    });
  }

  #guarded<T>(what: string, otherwise: T, act: () => T): T {
    const database = this.#open();
    if (database === undefined) return otherwise;
    try {
      return act();
    } catch (error) {
      this.#settings.onTrouble(what, error);
      rollBack(database);
      return otherwise;
    }
  }

  #open(): DatabaseSync | undefined {
    const { now, onTrouble } = this.#settings;
    if (this.#database !== undefined || this.#isClosed || now() < this.#retryAt) return this.#database;
    try {
      this.#database = openDatabase(this.#settings);
    } catch (error) {
      this.#retryAt = now() + RETRY_MS;
      onTrouble("open", error);
    }
    return this.#database;
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = (this.#database as DatabaseSync).prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function rollBack(database: DatabaseSync): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // No transaction was open: `BEGIN` itself had failed.
  }
}

const PAGE_BYTES = 4096;
/** Room that the tables' own pages need beside what is kept. */
const SPARE_PAGES = 64;

/** Throws where the file is none of ours, or can't be opened. */
function openDatabase(settings: DatabaseSettings): DatabaseSync {
  const { path, maxBytes, schema, version: known, isTemporary = false, writers = 1 } = settings;
  const isFile = path !== ":memory:";
  const isNew = isFile && !existsSync(path);
  const database = new DatabaseSync(path);
  try {
    const busyMs = writers > 1 ? BUSY_BESIDE_MS : BUSY_MS;
    database.exec(`PRAGMA busy_timeout = ${busyMs}; PRAGMA foreign_keys = ON;`);
    // Conversations are nobody else's business. The files beside it are made with the permissions that it has by then.
    if (isNew) chmodSync(path, 0o600);
    if (isFile) database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${isTemporary ? "OFF" : "NORMAL"};`);
    database.exec(`PRAGMA max_page_count = ${Math.ceil(maxBytes / PAGE_BYTES) + SPARE_PAGES};`);
    const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
    if (version > known) throw new Error(`Its version is ${version}, this program knows ${known} and below`);
    // The version last: a file that was left half made is made anew.
    if (version < known) database.exec(`${schema}\nPRAGMA user_version = ${known};`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
