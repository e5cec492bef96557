/** Responses that are made in the background: they go on without their client, and end with the process at the latest. */
import type { JsonObject } from "../base/fields.ts";

export interface JobLimits {
  /** At once. */
  count: number;
  /** How long one may take. */
  ms: number;
  /** Bytes of stream that one keeps for clients that come back; older frames go. */
  bytes: number;
}

export const JOB_LIMITS: JobLimits = { count: 128, ms: 60 * 60 * 1000, bytes: 4 * 1024 * 1024 };

/** One frame of a job's stream. */
export interface JobFrame {
  /** As the event says it; -1 where it says none. */
  sequence: number;
  text: string;
}

export interface JobKey {
  scope: string;
  /** The response's. */
  id: string;
}

export interface JobName extends JobKey {
  /** Its frames are kept, so that clients can come back to its stream. */
  isStreamed: boolean;
}

/** Frames from a given one on. */
export interface JobFrames {
  frames: readonly JobFrame[];
  /** Where to go on. */
  next: number;
  /** Some of them had to go. */
  isCut: boolean;
}

/** A job as its readers see it, whoever runs it. */
export interface JobStream {
  readonly isStreamed: boolean;
  readonly isOver: boolean;
  readonly response: JsonObject;
  framesFrom(from: number): JobFrames;
  news(): Promise<void>;
  wake(): void;
}

export class Job implements JobStream {
  readonly scope: string;
  readonly id: string;
  readonly isStreamed: boolean;
  /** As it was last told. */
  response: JsonObject;
  isCancelled = false;
  isTimedOut = false;
  /** Its last frame is there. */
  isOver = false;
  readonly abort = new AbortController();
  readonly #frames: JobFrame[] = [];
  readonly #limits: JobLimits;
  /** Frames that had to go. */
  #dropped = 0;
  #bytes = 0;
  #waiting: (() => void)[] = [];
  #timer: ReturnType<typeof setTimeout>;

  constructor(response: JsonObject, { scope, id, isStreamed }: JobName, limits: JobLimits) {
    this.response = response;
    this.scope = scope;
    this.id = id;
    this.isStreamed = isStreamed;
    this.#limits = limits;
    this.#timer = setTimeout(() => this.#expire(), limits.ms);
  }

  get limitMs(): number {
    return this.#limits.ms;
  }

  add(frame: JobFrame): void {
    this.#frames.push(frame);
    this.#bytes += frame.text.length;
    while (this.#bytes > this.#limits.bytes && this.#frames.length > 1) {
      this.#bytes -= this.#frames.shift()?.text.length ?? 0;
      this.#dropped++;
    }
    this.wake();
  }

  /** The frames from the `from`th on that are still there. */
  framesFrom(from: number): JobFrames {
    return {
      isCut: from < this.#dropped,
      frames: this.#frames.slice(Math.max(0, from - this.#dropped)),
      next: this.#dropped + this.#frames.length,
    };
  }

  get lastFrame(): JobFrame | undefined {
    return this.#frames.at(-1);
  }

  /** All of its frames; undefined where some had to go. */
  get wholeStream(): readonly string[] | undefined {
    return this.#dropped > 0 ? undefined : this.#frames.map(({ text }) => text);
  }

  /** Resolves once there is another frame, or the end. */
  news(): Promise<void> {
    return this.isOver ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Frees the upstream; what is still told of it is that it was cancelled. */
  cancel(): void {
    this.isCancelled = true;
    this.abort.abort();
  }

  finish(): void {
    this.isOver = true;
    clearTimeout(this.#timer);
    this.wake();
  }

  #expire(): void {
    this.isTimedOut = true;
    this.abort.abort();
  }

  /** Whoever waits looks again; those that have left wait no more. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** Those that run now. */
export class Jobs {
  readonly #running = new Map<string, Job>();
  readonly #limits: JobLimits;

  constructor(limits: JobLimits = JOB_LIMITS) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#running.size;
  }

  /** How many may run. */
  get limit(): number {
    return this.#limits.count;
  }

  /** Undefined where too many run. */
  start(response: JsonObject, name: JobName): Job | undefined {
    if (this.#running.size >= this.#limits.count) return undefined;
    const job = new Job(response, name, this.#limits);
    this.#running.set(keyOf(name.scope, name.id), job);
    return job;
  }

  get(scope: string, id: string): Job | undefined {
    return this.#running.get(keyOf(scope, id));
  }

  /** It is looked up in the store from now on. */
  end(job: Job): void {
    job.finish();
    this.#running.delete(keyOf(job.scope, job.id));
  }
}

function keyOf(scope: string, id: string): string {
  return `${scope}\u0000${id}`;
}
