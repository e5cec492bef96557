/** What the workers of one gateway ask each other, so that any of them can tell what only one of them knows. */
import type { JsonObject } from "./base/fields.ts";
import type { Snapshot } from "./metrics.ts";
import type { JobFrames, JobKey } from "./state/jobs.ts";

/** A background response as it was last told. */
export interface JobSummary {
  response: JsonObject;
  isStreamed: boolean;
}

/** Its frames from a given one on, and how it stands. */
export interface JobNews extends JobFrames {
  response: JsonObject;
  isOver: boolean;
}

/** What is asked with each question. */
export interface Asked {
  metrics: null;
  /** How many background responses are being made. */
  running: null;
  job: JobKey;
  cancel: JobKey;
  /** Answered once there is news, or after a moment. */
  frames: JobKey & { from: number };
}

/** What is answered; null: that job isn't here. All of it survives JSON. */
export interface Answers {
  metrics: Snapshot;
  running: number;
  job: JobSummary | null;
  cancel: JsonObject | null;
  frames: JobNews | null;
}

export type About = keyof Asked;

export interface Told<K extends About> {
  /** Workers are numbered from 1; 0 is their parent. */
  worker: number;
  value: Answers[K];
}

export interface ToldByAll<K extends About> {
  told: readonly Told<K>[];
  /** Everybody who was asked has answered in time. */
  isWhole: boolean;
}

export interface Siblings {
  /** The same for all workers of one parent, and for nobody else's. */
  readonly group: string;
  /** Those that serve now, this one too. */
  readonly count: number;
  /** How many have been started in place of one that had ended. */
  readonly restarts: number;
  /** Asks all workers, this one too, or `only` one; those that are too slow are not waited for. Never rejects. */
  ask<K extends About>(about: K, what: Asked[K], only?: number): Promise<ToldByAll<K>>;
}
