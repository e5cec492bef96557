/** The stream of a response that is made in the background, for one client: it may come late, and leave when it likes. */
import type { Failure } from "../../base/failure.ts";
import { FORMATS } from "../../formats/mod.ts";
import { replayFrames } from "../../formats/responses/replay.ts";
import type { Timeouts } from "../../config.ts";
import { EVENT_STREAM, UNBUFFERED } from "../../reply.ts";
import { bodyOf, type Feed } from "../../feeds/feed.ts";
import type { JobStream } from "../../state/jobs.ts";

const encoder = new TextEncoder();
const KEEPALIVE = encoder.encode(FORMATS.responses.keepaliveFrame);

/** The frames of events after number `after`, as they come. */
export function streamOf(job: JobStream, after: number, timeouts: Timeouts, headers: Record<string, string>): Response {
  const pace = { keepaliveMs: timeouts.keepaliveMs, idleMs: timeouts.idleMs };
  return eventStream(bodyOf(new JobFeed(job, after), pace, () => {}), headers);
}

export function eventStream(body: BodyInit, given: Record<string, string>): Response {
  return new Response(body, { headers: { ...given, "content-type": EVENT_STREAM, ...UNBUFFERED } });
}

/** Each frame once its reader has room for it. */
export function framesStream(frames: Iterable<string>): ReadableStream<Uint8Array> {
  const left = frames[Symbol.iterator]();
  return new ReadableStream({
    pull(controller) {
      const { done, value } = left.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
  });
}

/** The number that a frame's event has; -1 where it has none. */
export function sequenceOf(frame: string): number {
  return Number(/"sequence_number":(\d+)/.exec(frame.slice(0, SEQUENCE_WITHIN))?.[1] ?? -1);
}

/** Our own encoder writes it second. */
const SEQUENCE_WITHIN = 300;

/** Whether a stream is over with this frame. */
export function isEnd(frame: string): boolean {
  return ENDS.test(frame);
}

const ENDS = /^(?:event: (?:response\.(?:completed|incomplete|failed)|error)$|data: \[DONE\])/m;

export function isAfter(sequence: number, after: number): boolean {
  return sequence === -1 || sequence > after;
}

/** Its upstream is the job's, whose own limits end it. */
class JobFeed implements Feed {
  readonly failure = undefined;
  #at = 0;
  #isClosed = false;
  /** The number of the last event that its client has. */
  #told: number;
  /** Frames had to go before they were read. */
  #isBehind = false;

  constructor(readonly job: JobStream, after: number) {
    this.#told = after;
  }

  open(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async next(): Promise<Uint8Array | undefined> {
    while (!this.#isClosed) {
      const isLast = this.job.isOver;
      const text = this.#isBehind ? "" : this.#news();
      if (text !== "") return encoder.encode(text);
      if (isLast) return this.#isBehind ? this.#end() : undefined;
      await this.job.news();
    }
    return undefined;
  }

  #news(): string {
    const { frames, next, isCut } = this.job.framesFrom(this.#at);
    const fresh = frames.filter(({ sequence }) => isAfter(sequence, this.#told));
    if (isCut && (fresh[0]?.sequence ?? -1) !== this.#told + 1) {
      this.#isBehind = true;
      return "";
    }
    this.#at = next;
    for (const { sequence } of fresh) this.#told = Math.max(this.#told, sequence);
    return fresh.map(({ text }) => text).join("");
  }

  /** The whole response in its last event stands for all that went before it was read. */
  #end(): Uint8Array {
    this.#isClosed = true;
    return encoder.encode([...replayFrames(this.job.response, this.#told)].join(""));
  }

  keepalive(): Uint8Array {
    return KEEPALIVE;
  }

  silentMs(): number {
    return 0;
  }

  broken(): undefined {
    return undefined;
  }

  fail(_failure: Failure): void {
    this.#isClosed = true;
  }

  close(): void {
    this.#isClosed = true;
    this.job.wake();
  }
}
