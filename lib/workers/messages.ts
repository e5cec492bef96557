/** What a parent and its workers send each other, as JSON over the channel that the runtime opens between them. */
import type { About, Told } from "../siblings.ts";

/** The number of a worker, in its environment: it waits for its parent instead of reading the config itself. */
export const WORKER_VARIABLE = "TRIVIUM_WORKER";

/** A config as it was read. */
export interface ConfigSource {
  /** For messages. */
  file: string;
  text: string;
}

/** All that a worker has to know. */
export interface Beginning {
  source: ConfigSource;
  port: number;
  group: string;
  workers: number;
  /** Unix milliseconds. */
  since: number;
  folder: string;
}

/** How many serve now. */
export interface Standing {
  count: number;
  restarts: number;
}

export interface Ask {
  id: number;
  about: About;
  what: unknown;
  /** All of them, where it is absent. */
  only?: number;
}

export interface Gathered {
  id: number;
  told: readonly Told<About>[];
  isWhole: boolean;
}

export type ToWorker =
  | { t: "begin"; begin: Beginning }
  | { t: "standing"; standing: Standing }
  | { t: "question"; ask: Ask }
  | { t: "gathered"; gathered: Gathered }
  | { t: "reload"; source: ConfigSource }
  | { t: "drain"; signal: string }
  | { t: "end" };

export type ToParent =
  | { t: "ready" }
  | { t: "serving"; banner: string }
  | { t: "failed"; message: string }
  | { t: "ask"; ask: Ask }
  | { t: "answer"; id: number; value: unknown };
