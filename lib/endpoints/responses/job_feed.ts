/** The stream of a response that is made in the background, for one client: it may come late, and leave when it likes. */
import type { Failure } from "../../base/failure.ts";
import { FORMATS } from "../../formats/mod.ts";
import type { Timeouts } from "../../config.ts";
import { EVENT_STREAM, unbuffered } from "../../reply.ts";
import type { Job } from "../../state/jobs.ts";
import { bodyOf, type Feed } from "../../stream.ts";

const encoder = new TextEncoder();
const KEEPALIVE = encoder.encode(FORMATS.responses.keepaliveFrame);

/** The frames of events after number `after`, as they come. */
export function streamOf(job: Job, after: number, timeouts: Timeouts, headers: Record<string, string>): Response {
  const pace = { keepaliveMs: timeouts.keepaliveMs, idleMs: timeouts.idleMs };
  return eventStream(bodyOf(new JobFeed(job, after), pace, () => {}), headers);
}

export function eventStream(body: BodyInit, given: Record<string, string>): Response {
  const headers = new Headers({ ...given, "content-type": EVENT_STREAM });
  unbuffered(headers);
  return new Response(body, { headers });
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

export function isAfter(sequence: number, after: number): boolean {
  return sequence === -1 || sequence > after;
}

/** Its upstream is the job's, whose own limits end it. */
class JobFeed implements Feed {
  readonly failure = undefined;
  #at = 0;
  #isClosed = false;

  constructor(readonly job: Job, readonly after: number) {}

  open(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async next(): Promise<Uint8Array | undefined> {
    while (!this.#isClosed) {
      const isLast = this.job.isOver;
      const { frames, next } = this.job.framesFrom(this.#at);
      this.#at = next;
      const text = frames.filter(({ sequence }) => isAfter(sequence, this.after)).map((frame) => frame.text)
        .join("");
      if (text !== "") return encoder.encode(text);
      if (isLast) return undefined;
      await this.job.news();
    }
    return undefined;
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
