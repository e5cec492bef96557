/** Background responses that aren't over, whichever worker makes them: found, followed and cancelled from any of them. */
import { within } from "../../base/clock.ts";
import type { Failure } from "../../base/failure.ts";
import type { JsonObject } from "../../base/fields.ts";
import type { Services } from "../../exchange.ts";
import { responseError } from "../../formats/responses/error.ts";
import type { JobNews, JobSummary, Siblings } from "../../siblings.ts";
import { type Job, JOB_LIMITS, type JobFrames, type JobKey, type JobStream } from "../../state/jobs.ts";
import type { StoredResponse } from "../../state/store.ts";
import { isEnd, sequenceOf } from "./job_feed.ts";
import { isOver } from "./turn.ts";

/** A job that is made here, or by a sibling. */
export type AnyJob = Job | DistantJob;

/** A response that is stored as running, as it is now. */
export interface Running {
  stored: StoredResponse;
  job?: AnyJob;
}

/** Undefined where it was deleted meanwhile. */
export async function runningOf(services: Services, stored: StoredResponse): Promise<Running | undefined> {
  const { state, jobs, siblings, since } = services;
  const { scope, id } = stored;
  const own = jobs.get(scope, id);
  if (own !== undefined) return { stored: { ...stored, response: own.response }, job: own };
  const { job, isNowhere } = await jobElsewhere(services, stored);
  if (job !== undefined) return { stored: { ...stored, response: job.response }, job };
  // It may have ended while the others were asked.
  const current = siblings === undefined ? stored : state.get(scope, id);
  if (current === undefined || isOver(current.response)) return current && { stored: current };
  const isLost = isNowhere && current.maker === siblings?.group;
  if (!isLost && !isAbandoned(current, since)) return { stored: current };
  const ended = { ...current, response: abandoned(current.response) };
  state.put(ended);
  return { stored: ended };
}

/** A job that a sibling has. `isNowhere`: there are some, and none of them has it. */
export async function jobElsewhere(
  services: Services,
  { scope, id }: JobKey,
): Promise<{ job?: DistantJob; isNowhere: boolean }> {
  const { siblings } = services;
  if (siblings === undefined) return { isNowhere: false };
  const { told, isWhole } = await siblings.ask("job", { scope, id });
  for (const { worker, value } of told) {
    if (value !== null) {
      return { job: new DistantJob(services, siblings, { scope, id }, worker, value), isNowhere: false };
    }
  }
  return { isNowhere: isWhole };
}

/** It is older than this process and its siblings, or than any job gets; else another gateway may make it, with the same file. */
function isAbandoned({ createdAt }: StoredResponse, since: number): boolean {
  return createdAt < since || createdAt < Date.now() - JOB_LIMITS.ms;
}

/** What is stored as running and runs nowhere: the process that made it has ended. */
function abandoned(response: JsonObject): JsonObject {
  return { ...response, status: "failed", error: responseError(STOPPED) };
}

const STOPPED: Failure = {
  kind: "internal",
  source: "gateway",
  message: "The gateway was stopped before the response was complete",
  retry: true,
};

/** Frees the upstream. Gives the response as it is told from now on. */
export async function endJob(services: Services, stored: StoredResponse, job: AnyJob): Promise<JsonObject> {
  if (job instanceof DistantJob) return await job.end();
  // What it was cancelled with is told from now on.
  job.response = { ...job.response, status: "cancelled", completed_at: null };
  job.cancel();
  services.state.put({ ...stored, response: job.response });
  return job.response;
}

/** All workers together make more of them than one gateway may. */
export async function runTooMany({ siblings, jobs }: Services): Promise<boolean> {
  const asked = await siblings?.ask("running", null);
  return (asked?.told ?? []).reduce((sum, { value }) => sum + value, 0) > jobs.limit;
}

export function tellJob({ jobs }: Services, { scope, id }: JobKey): JobSummary | null {
  const job = jobs.get(scope, id);
  return job === undefined ? null : { response: job.response, isStreamed: job.isStreamed };
}

export async function tellCancelled(services: Services, { scope, id }: JobKey): Promise<JsonObject | null> {
  const job = services.jobs.get(scope, id);
  const stored = services.state.get(scope, id);
  if (job === undefined || stored === undefined) return null;
  return isOver(job.response) ? job.response : await endJob(services, stored, job);
}

/** How long a question for news waits for some: a sibling's answer is given up for lost a good while later. */
const NEWS_MS = 500;

export async function tellNews(
  { jobs }: Services,
  { scope, id, from }: JobKey & { from: number },
): Promise<JobNews | null> {
  const job = jobs.get(scope, id);
  if (job === undefined) return null;
  if (!job.isOver && job.framesFrom(from).next === from) await within(job.news(), NEWS_MS);
  return { ...job.framesFrom(from), response: job.response, isOver: job.isOver };
}

/** A job that a sibling makes: its frames come a batch at a time, each when it is asked for. */
export class DistantJob implements JobStream {
  readonly isStreamed: boolean;
  response: JsonObject;
  isOver = false;
  /** Its readers have had its last frame: nothing more has to be told when it can't be found any more. */
  #hasEnd = false;
  #from = 0;
  #batch: JobFrames = { frames: [], next: 0, isCut: false };

  constructor(
    readonly services: Services,
    readonly siblings: Siblings,
    readonly key: JobKey,
    readonly worker: number,
    { response, isStreamed }: JobSummary,
  ) {
    this.response = response;
    this.isStreamed = isStreamed;
  }

  framesFrom(from: number): JobFrames {
    const { frames, next, isCut } = this.#batch;
    return from === this.#from ? { frames, next, isCut } : { frames: [], next: from, isCut: this.isOver && isCut };
  }

  async news(): Promise<void> {
    const { scope, id } = this.key;
    const from = this.#batch.next;
    const { told: [answer], isWhole } = await this.siblings.ask("frames", { scope, id, from }, this.worker);
    if (answer?.value) {
      const { response, isOver: isDone, ...batch } = answer.value;
      this.#from = from;
      this.#batch = batch;
      this.#hasEnd ||= batch.frames.some(({ text }) => isEnd(text));
      this.response = response;
      this.isOver = isDone;
    } else if (isWhole) this.#lose(from);
    // A worker that is too slow to answer is asked again, but not without a pause.
    else await new Promise((resolve) => setTimeout(resolve, NEWS_MS));
  }

  /** Whoever waits has its answer within `NEWS_MS`. */
  wake(): void {}

  /** As it was told when it was cancelled, or had ended before. */
  async end(): Promise<JsonObject> {
    const { scope, id } = this.key;
    const { told: [answer] } = await this.siblings.ask("cancel", { scope, id }, this.worker);
    return answer?.value ?? this.#kept();
  }

  /** It is over and looked up in the store from now on, or its worker has ended. */
  #lose(from: number): void {
    this.response = this.#kept();
    if (!isOver(this.response)) this.response = abandoned(this.response);
    this.#from = from;
    const frames = this.#hasEnd ? [] : this.services.state.frames(this.key.scope, this.key.id);
    this.#batch = {
      frames: frames?.map((text) => ({ sequence: sequenceOf(text), text })) ?? [],
      next: from + (frames?.length ?? 0),
      isCut: frames === undefined,
    };
    this.isOver = true;
  }

  #kept(): JsonObject {
    return this.services.state.get(this.key.scope, this.key.id)?.response ?? this.response;
  }
}
