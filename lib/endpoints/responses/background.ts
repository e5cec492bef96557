/** `background: true` on an upstream that has none: the answer is made without its client, who polls or comes back. */
import { scopeOf } from "../../scope.ts";
import { readerOf } from "../../base/byte_stream.ts";
import type { Failure } from "../../base/failure.ts";
import { dataFrame, namedFrame, SseReader } from "../../base/sse.ts";
import { responseError } from "../../formats/responses/error.ts";
import { echoOf, responseObject, unixSeconds } from "../../formats/responses/resource.ts";
import { replayFrames } from "../../formats/responses/replay.ts";
import { FORMATS } from "../../formats/mod.ts";
import { type Exchange, type Handled, idHeaders, refuse } from "../../exchange.ts";
import { type Call, decodeBody, planCall } from "../../plan.ts";
import { isEventStream, relay } from "../../relay.ts";
import { lossHeader } from "../../loss_report.ts";
import type { Outcome } from "../../reply.ts";
import type { Route } from "../../router.ts";
import type { Job } from "../../state/jobs.ts";
import type { StateStore } from "../../state/store.ts";
import { runTooMany } from "./elsewhere.ts";
import { isEnd, sequenceOf, streamOf } from "./job_feed.ts";
import { handled } from "../inference.ts";
import { isOver, type OwnTurn, storedOf, type TurnContext } from "./turn.ts";

const FORMAT = FORMATS.responses;

interface Start {
  call: Call;
  own: OwnTurn;
  context: TurnContext;
}

/** Answers at once; what is wrong with the request itself is told before anything begins. */
export async function startInBackground(exchange: Exchange, start: Start, route: Route): Promise<Handled> {
  const { call, own, context } = start;
  const planned = planCall(call, route);
  const decoded = decodeBody(call);
  if (!planned.ok || !decoded.ok) return handled(call, route, await relay(call, route));
  const { state, jobs, siblings } = exchange.services;
  const object = responseObject({
    id: own.id,
    createdAt: unixSeconds(),
    model: call.model,
    outcome: { status: "queued" },
    output: [],
    usage: undefined,
    serviceTier: undefined,
  }, echoOf(decoded.value));
  const queued = own.tell(object);
  const maker = siblings === undefined ? {} : { maker: siblings.group };
  if (!state.put({ ...storedOf(context, queued), ...maker })) return refuse(exchange, notKept(), FORMAT);
  const job = jobs.start(queued, { scope: scopeOf(call.headers), id: own.id, isStreamed: call.stream });
  if (job === undefined || await runTooMany(exchange.services)) {
    if (job !== undefined) jobs.end(job);
    state.delete(scopeOf(call.headers), own.id);
    return refuse(exchange, tooMany(), FORMAT);
  }
  own.job = job;
  const done = run(exchange, { ...call, abort: job.abort }, route, job, context);
  const { losses, format } = planned.value;
  const lost = lossHeader(losses);
  const headers = {
    ...idHeaders(call.requestId),
    "x-trivium-provider": route.provider.name,
    ...(lost === "" ? {} : { "x-trivium-loss": lost }),
  };
  const response = call.stream ? streamOf(job, -1, call.config.timeouts, headers) : Response.json(queued, { headers });
  return handled(call, route, { response, format, losses, done });
}

/** Never rejects. */
async function run(exchange: Exchange, call: Call, route: Route, job: Job, context: TurnContext): Promise<Outcome> {
  const { state, jobs } = exchange.services;
  job.response = { ...job.response, status: "in_progress" };
  const outcome = await carriedOut(call, route, job);
  if (!isOver(job.response)) {
    const failure = job.isTimedOut ? tookTooLong(job.limitMs) : outcome.failure ?? LEFT;
    job.response = { ...job.response, status: "failed", error: responseError(failure) };
    state.put(storedOf(context, job.response));
  }
  if (call.stream) addEnd(job);
  job.finish();
  await settle(state, job, context);
  if (call.stream) {
    const frames = job.wholeStream;
    if (frames !== undefined) state.putFrames(job.scope, job.id, frames);
  }
  jobs.end(job);
  if (job.isCancelled) return { left: true };
  return job.isTimedOut ? { left: false, failure: tookTooLong(job.limitMs) } : outcome;
}

/** Pauses before the end of a job is put into a file that another process has locked. */
const PAUSES_MS = [100, 200, 400, 800, 1600, 3200];

/** How it ended is worth waiting for; until it is kept the job itself tells it. What was deleted stays so. */
async function settle(state: StateStore, job: Job, context: TurnContext): Promise<void> {
  for (const pause of PAUSES_MS) {
    const stored = state.get(job.scope, job.id);
    if (stored === undefined || isOver(stored.response)) return;
    const response = { ...job.response, store: true };
    if (state.put(storedOf(context, response))) return void (job.response = response);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function carriedOut(call: Call, route: Route, job: Job): Promise<Outcome> {
  try {
    const relayed = await relay(call, route);
    await readInto(job, relayed.response);
    return await relayed.done;
  } catch (cause) {
    return { left: false, failure: { ...LEFT, cause } };
  }
}

/** An answer that ended without saying how. */
const LEFT: Failure = { kind: "internal", source: "gateway", message: "The response did not end", retry: true };

const MAX_EVENT_BYTES = 256 * 1024 * 1024;

async function readInto(job: Job, response: Response): Promise<void> {
  if (!isEventStream(response) || response.body === null) {
    await response.body?.cancel();
    return;
  }
  const events = new SseReader(MAX_EVENT_BYTES);
  const reader = readerOf(response.body);
  // Who has given up is answered at once, and Deno forgets a fetch's signal once its garbage is collected.
  job.abort.signal.addEventListener("abort", () => void reader.cancel().catch(() => {}), { once: true });
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    for (const { event, data } of events.feed(read.value)) {
      const text = event === "" ? dataFrame(data) : namedFrame(event, data);
      job.add({ sequence: sequenceOf(text), text });
    }
  }
}

/** A stream that never began, or was given up, ends as its response did. */
function addEnd(job: Job): void {
  const { lastFrame } = job;
  if (lastFrame !== undefined && isEnd(lastFrame.text)) return;
  const frames = [...replayFrames(job.response, lastFrame?.sequence ?? -1)];
  for (const text of lastFrame === undefined ? frames : frames.slice(-END_FRAMES)) {
    job.add({ sequence: sequenceOf(text), text });
  }
}

/** The terminal event, and `[DONE]`. */
const END_FRAMES = 2;

function notKept(): Failure {
  const message = "The gateway can't keep a background response now; send it without background";
  return { kind: "overloaded", source: "gateway", message, retry: true };
}

function tooMany(): Failure {
  const message = "Too many background responses are being made; try again later";
  return { kind: "rate_limit", source: "gateway", message, retry: true, retryHeaders: { "retry-after": "10" } };
}

function tookTooLong(ms: number): Failure {
  return { kind: "timeout", source: "gateway", message: `The response was not complete after ${ms} ms`, retry: true };
}
