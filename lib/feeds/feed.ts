/**
 * Answers that stream. A feed produces bytes, one piece per network chunk of the upstream; `bodyOf` is the one loop that
 * drives it: slow clients push back on it, clients that leave close it, silence is filled with keep-alives.
 */
import type { Failure } from "../base/failure.ts";
import type { NeutralEvent } from "../neutral.ts";

export interface Feed {
  /** What ended the stream, once it has ended in an error. */
  readonly failure: Failure | undefined;
  /**
   * Reads until the first content is here, without handing anything out. A failure before that can still become a
   * status of its own. Called once, before `next`; `next` may be called while it is pending.
   */
  open(): Promise<Failure | undefined>;
  /** The next bytes, undefined at the end. Never rejects. */
  next(): Promise<Uint8Array | undefined>;
  /** What may be written now, while `next` is pending. */
  keepalive(): Uint8Array | undefined;
  /** Milliseconds since anything came from the upstream. */
  silentMs(): number;
  /** Ends the stream with this failure: a pending `next` resolves with the client's error event. */
  fail(failure: Failure): void;
  /** Ends the stream after an exception: the bytes that tell the client, once; undefined afterwards. */
  broken(failure: Failure): Uint8Array | undefined;
  /** Frees the upstream. Idempotent. */
  close(): void;
}

export interface Pace {
  keepaliveMs: number;
  idleMs: number;
}

const TICK = Symbol("tick");

/** The answer's body. `onEnd` is called once, however it ends; `left` tells that the client did not stay to the end. */
export function bodyOf(feed: Feed, pace: Pace, onEnd: (left: boolean) => void): ReadableStream<Uint8Array> {
  let pending: Promise<Uint8Array | undefined> | undefined;
  let wake: ((value: typeof TICK) => void) | undefined;
  let lastWrite = Date.now();
  let ended = false;
  const timer = setInterval(() => {
    if (feed.silentMs() >= pace.idleMs) feed.fail(idleFailure(pace.idleMs));
    else if (Date.now() - lastWrite >= pace.keepaliveMs) wake?.(TICK);
  }, Math.max(1, Math.min(pace.keepaliveMs, pace.idleMs) / 2));
  const end = (left: boolean): void => {
    if (ended) return;
    ended = true;
    clearInterval(timer);
    feed.close();
    onEnd(left);
  };
  /** The next bytes, or `TICK` when a keep-alive is due; the read goes on meanwhile. */
  const nextOrTick = (): Promise<Uint8Array | undefined | typeof TICK> =>
    new Promise((resolve, reject) => {
      wake = resolve;
      (pending ??= feed.next()).then(resolve, reject);
    });
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        const bytes = await nextOrTick().catch((error) => broken(feed, error));
        if (ended) return;
        if (bytes !== TICK) pending = undefined;
        if (bytes === undefined) {
          end(false);
          controller.close();
          return;
        }
        lastWrite = Date.now();
        const out = bytes === TICK ? feed.keepalive() : bytes;
        if (out !== undefined) return controller.enqueue(out);
      }
    },
    cancel: () => end(true),
  });
}

/** A bug of ours within a stream: the client gets an error event and an end, never silence. */
function broken(feed: Feed, error: unknown): Uint8Array | undefined {
  return feed.broken({
    kind: "internal",
    source: "gateway",
    message: "Internal error of the gateway",
    retry: true,
    cause: error,
  });
}

export function idleFailure(ms: number): Failure {
  return { kind: "timeout", source: "upstream", message: `The upstream sent nothing for ${ms} ms`, retry: true };
}

/** Whether a client has got something of the answer with this event: from here on an error can have no status. */
export function isContent(event: NeutralEvent): boolean {
  switch (event.t) {
    case "text":
    case "reasoning":
    case "refusal":
    case "arguments":
    case "finish":
    case "end":
      return true;
    case "part_start":
      return event.part.kind === "tool_call" || event.part.kind === "native";
    case "start":
    case "usage":
    case "opaque":
    case "citation":
    case "part_end":
    case "keepalive":
    case "native":
    case "error":
      return false;
    default:
      return event satisfies never;
  }
}
