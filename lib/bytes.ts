/**
 * What passes as bytes whatever it is (files, images, audio, batches…): any method, a body that streams up, an answer
 * that streams down, each as fast as its reader takes it.
 */
import { TIMED_OUT } from "./base/clock.ts";
import { fail, type Failure, type Result, success } from "./base/failure.ts";
import type { JsonObject } from "./base/fields.ts";
import { Upload } from "./base/upload.ts";
import { apiName, Losses } from "./format.ts";
import { type Call, targetOf } from "./plan.ts";
import { passedError } from "./relay.ts";
import { failureReply, type Outcome, type Relayed, type ReplyContext, replyHeaders } from "./reply.ts";
import type { Route } from "./router.ts";
import { idleFailure, Source } from "./stream.ts";
import { pickHeaders } from "./translation/headers.ts";
import { type Destination, send, shownRequest } from "./upstream.ts";

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
  const { signal } = call.abort;
  const { firstByteMs } = call.config.timeouts;
  if (!(body instanceof Upload)) return await send({ ...destination, body, signal, firstByteMs });
  const activeAt = () => body.activeAt;
  const sent = await send({ ...destination, body: body.stream(), signal, firstByteMs, activeAt });
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
  const { call, losses, format } = context;
  const headers = replyHeaders(context, upstream);
  for (const [name, value] of Object.entries(pickHeaders(upstream.headers, PASSED))) headers.set(name, value);
  const length = upstream.headers.get("content-length");
  // Where `fetch` has unpacked the answer its length is another.
  if (length !== null && !upstream.headers.has("content-encoding")) headers.set("content-length", length);
  const { status } = upstream;
  if (upstream.body === null || status === 204) {
    const response = new Response(null, { status, headers });
    return { response, format, losses, done: Promise.resolve({ left: false }) };
  }
  let ended: (outcome: Outcome) => void = () => {};
  const done = new Promise<Outcome>((resolve) => ended = resolve);
  const source = new Source(upstream.body, call.abort);
  const isEvents = (upstream.headers.get("content-type") ?? "").includes("text/event-stream");
  const tell = isEvents ? (failure: Failure) => `\n\n${format.errorFrame(failure, call.requestId)}` : undefined;
  const body = streamed(source, call.config.timeouts.idleMs, ended, tell);
  return { response: new Response(body, { status, headers }), format, losses, done };
}

/** `tell`: how a failure is said in the answer itself; else the answer breaks off, so that nobody takes it for whole. */
function streamed(
  source: Source,
  idleMs: number,
  onEnd: (outcome: Outcome) => void,
  tell: ((failure: Failure) => string) | undefined,
): ReadableStream<Uint8Array> {
  let isOver = false;
  const end = (outcome: Outcome): void => {
    isOver = true;
    source.close();
    onEnd(outcome);
  };
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const piece = await source.readBefore(Date.now() + idleMs);
      if (isOver) return;
      if (piece instanceof Uint8Array) return controller.enqueue(piece);
      if (piece === undefined) {
        end({ left: false });
        return controller.close();
      }
      const failure = piece === TIMED_OUT ? idleFailure(idleMs) : piece;
      end({ left: false, failure });
      if (tell === undefined) return controller.error(new Error(failure.message));
      controller.enqueue(new TextEncoder().encode(tell(failure)));
      controller.close();
    },
    cancel: () => end({ left: true }),
  }, { highWaterMark: 0 });
}
