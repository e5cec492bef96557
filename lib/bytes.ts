/**
 * What passes as bytes whatever it is (files, images, audio, batches…): any method, a body that streams up, an answer
 * that streams down, each as fast as its reader takes it.
 */
import { TIMED_OUT, within } from "./base/clock.ts";
import { fail, type Failure, type Result, success } from "./base/failure.ts";
import type { JsonObject } from "./base/fields.ts";
import { redact } from "./base/secret.ts";
import { Upload } from "./base/upload.ts";
import type { Timeouts } from "./config.ts";
import { apiName, type Format, Losses } from "./format.ts";
import { type Call, targetOf } from "./plan.ts";
import { isEventStream, passedError } from "./relay.ts";
import { failureReply, type Outcome, type Relayed, type ReplyContext, replyHeaders, UNBUFFERED } from "./reply.ts";
import type { Route } from "./router.ts";
import { idleFailure } from "./feeds/feed.ts";
import { Source } from "./feeds/source.ts";
import { pickHeaders } from "./translation/headers.ts";
import { type Destination, secretsOf, send, shownRequest } from "./upstream.ts";

/** A request that passes. `call.client` is the shape of its API, in which errors are told. */
export interface Passing {
  call: Call;
  route: Route;
  method: string;
  /** With its query. */
  path: string;
  /** What was read already, or what streams; absent where there is none. */
  body: Uint8Array<ArrayBuffer> | Upload | undefined;
}

/** `answer`: one to be taken in instead of asking for one. Never rejects on what an upstream or a client does. */
export async function passBytes(passing: Passing, answer?: Response): Promise<Relayed> {
  const { call, route } = passing;
  const context: ReplyContext = { call, route, format: call.client, losses: new Losses() };
  const sent = answer === undefined ? await sendBytes(passing) : success(answer);
  if (!sent.ok) return failureReply(context, sent.failure);
  const upstream = sent.value;
  if (upstream.ok) return passedAnswer(context, upstream);
  const patienceMs = call.config.timeouts.firstByteMs;
  const { failure, errorText } = await passedError(upstream, call.client, route.provider, patienceMs);
  return failureReply(context, failure, upstream, errorText);
}

async function sendBytes(passing: Passing): Promise<Result<Response>> {
  const { call, body } = passing;
  const destination = destinationOf(passing);
  const { abort } = call;
  const { firstByteMs } = call.config.timeouts;
  if (!(body instanceof Upload)) return await send({ ...destination, body, abort, firstByteMs });
  const activeAt = () => body.activeAt;
  const sent = await send({ ...destination, body: body.stream(), abort, firstByteMs, activeAt });
  // What broke the upload off is why there is no answer.
  return !sent.ok && body.failure !== undefined ? fail(body.failure) : sent;
}

/** The same without sending it. */
export function explainBytes(passing: Passing): JsonObject {
  const { call, route } = passing;
  return {
    client: apiName(call.client),
    ...(call.model === "" ? {} : { model: call.model }),
    rule: route.rule,
    targets: [{ provider: route.provider.name, model: route.model }],
    mode: "pass-through",
    method: passing.method,
    ...shownRequest(destinationOf(passing)),
    losses: [],
  };
}

const SENT_ON = /^(?:accept|range|content-type)$/;
function destinationOf({ call, route, method, path, body }: Passing): Destination {
  const format = call.client;
  const headers = {
    ...pickHeaders(call.headers, SENT_ON),
    ...(body instanceof Upload ? streamHeaders(call.headers, body) : {}),
    ...format.passedHeaders(call.headers, targetOf(route, format)),
  };
  return { provider: route.provider, format, method, path, headers };
}

/** What was read already is unpacked, and `fetch` knows its length. */
function streamHeaders(headers: Headers, { length }: Upload): Record<string, string> {
  return {
    ...pickHeaders(headers, /^content-encoding$/),
    ...(length === undefined ? {} : { "content-length": String(length) }),
  };
}

const PASSED = /^(?:content-(?:type|disposition|range|language)|accept-ranges|etag|last-modified)$/;

function passedAnswer(context: ReplyContext, upstream: Response): Relayed {
  const { call, route, losses, format } = context;
  const headers = replyHeaders(context, upstream);
  const secrets = secretsOf(route.provider);
  for (const [name, value] of Object.entries(pickHeaders(upstream.headers, PASSED))) {
    headers[name] = redact(value, secrets);
  }
  const length = upstream.headers.get("content-length");
  // Where `fetch` has unpacked the answer its length is another.
  if (length !== null && !upstream.headers.has("content-encoding")) headers["content-length"] = length;
  const { status } = upstream;
  if (upstream.body === null || status === 204) {
    const response = new Response(null, { status, headers });
    return { response, format, losses, done: Promise.resolve({ left: false }) };
  }
  let ended: (outcome: Outcome) => void = () => {};
  const done = new Promise<Outcome>((resolve) => ended = resolve);
  const source = new Source(upstream.body, call.abort);
  const events = eventsOf(upstream, format, call.requestId);
  if (events !== undefined) Object.assign(headers, UNBUFFERED);
  const body = new PassedBody(source, call.config.timeouts, ended, events).stream();
  return { response: new Response(body, { status, headers }), format, losses, done };
}

/** What can be said within an answer that is a stream of events; any other has room for nothing of ours. */
interface Events {
  keepalive: Uint8Array;
  tell(failure: Failure): Uint8Array;
}

function eventsOf(upstream: Response, format: Format, requestId: string): Events | undefined {
  if (!isEventStream(upstream)) return undefined;
  const encoder = new TextEncoder();
  return {
    keepalive: encoder.encode(format.keepaliveFrame),
    // It may have broken off in the middle of an event.
    tell: (failure) => encoder.encode(`\n\n${format.errorFrame(failure, requestId)}`),
  };
}

const LF = 10;
const CR = 13;

/** A blank line is at its end, of LF or CRLF. */
function endsAnEvent(piece: Uint8Array): boolean {
  const end = piece.subarray(-4).filter((byte) => byte !== CR);
  return end.at(-1) === LF && end.at(-2) === LF;
}

/** An answer on its way to the client. What breaks off and can't say so breaks off for the client too. */
class PassedBody {
  readonly #source: Source;
  readonly #timeouts: Timeouts;
  readonly #onEnd: (outcome: Outcome) => void;
  readonly #events: Events | undefined;
  #reading: Promise<Uint8Array | undefined | Failure> | undefined;
  #isBetweenEvents = true;
  #isOver = false;

  constructor(source: Source, timeouts: Timeouts, onEnd: (outcome: Outcome) => void, events: Events | undefined) {
    this.#source = source;
    this.#timeouts = timeouts;
    this.#onEnd = onEnd;
    this.#events = events;
  }

  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const piece = await this.#next();
        if (this.#isOver) return;
        if (piece instanceof Uint8Array) return controller.enqueue(piece);
        this.#end(piece === undefined ? { left: false } : { left: false, failure: piece });
        if (piece !== undefined && this.#events === undefined) return controller.error(new Error(piece.message));
        if (piece !== undefined && this.#events !== undefined) controller.enqueue(this.#events.tell(piece));
        controller.close();
      },
      cancel: () => this.#end({ left: true }),
    }, { highWaterMark: 0 });
  }

  #end(outcome: Outcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#source.close();
    this.#onEnd(outcome);
  }

  /** The next piece, or a keep-alive while it is waited for; undefined at the end. */
  async #next(): Promise<Uint8Array | undefined | Failure> {
    const { idleMs } = this.#timeouts;
    for (;;) {
      this.#reading ??= this.#source.read();
      const piece = await within(this.#reading, this.#patienceMs());
      if (piece !== TIMED_OUT) return this.#took(piece);
      if (this.#source.silentMs() >= idleMs) return idleFailure(idleMs);
      if (this.#isBetweenEvents && this.#events !== undefined) return this.#events.keepalive;
    }
  }

  #patienceMs(): number {
    const { idleMs, keepaliveMs } = this.#timeouts;
    const left = Math.max(1, idleMs - this.#source.silentMs());
    return this.#events === undefined ? left : Math.min(left, keepaliveMs);
  }

  #took(piece: Uint8Array | undefined | Failure): Uint8Array | undefined | Failure {
    this.#reading = undefined;
    if (piece instanceof Uint8Array) this.#isBetweenEvents = endsAnEvent(piece);
    return piece;
  }
}
