/**
 * The fork in the road, and the file to read first: a request whose upstream speaks the client's own format passes as
 * bytes (`passed`), the answer of any other is decoded to the neutral form and encoded again (`translated`). What is
 * sent is decided in `plan.ts`, what the client gets in `reply.ts`.
 */
import { readBodyWithin, TOO_LARGE } from "./base/body.ts";
import { TIMED_OUT, within } from "./base/clock.ts";
import { cutOff, fail, type Failure, protocolFault, type Result, success } from "./base/failure.ts";
import { isObject, type JsonObject } from "./base/fields.ts";
import { jsonObject, parseJson } from "./base/json.ts";
import { redact } from "./base/secret.ts";
import { bufferOf, SseReader } from "./base/sse.ts";
import type { Provider } from "./config.ts";
import { type Answer, type EncodedRequest, type Format, Losses, type Tap } from "./format.ts";
import type { NeutralEvent, NeutralRequest, NeutralResponse, Part, Usage } from "./neutral.ts";
import { type Call, decodeBody, destinationOf, type Plan, planCall, upstreamFormat } from "./plan.ts";
import { type Arrived, failureReply, type Relayed, type ReplyContext, replyWith } from "./reply.ts";
import type { Route } from "./router.ts";
import { scopeOf } from "./scope.ts";
import type { Feed } from "./feeds/feed.ts";
import { PassFeed } from "./feeds/passed.ts";
import { TappedFeed } from "./feeds/tapped.ts";
import { TranslatedFeed, type Translation } from "./feeds/translated.ts";
import { loseAssumed, openStopWitness } from "./translation/assumed_stop.ts";
import { carrySignatures, openSignatureCarrier } from "./translation/call_signatures.ts";
import { openObserver } from "./translation/carry.ts";
import { estimateInputTokens, tokensOfBytes, utf8Length } from "./translation/estimate.ts";
import { carryPhases, openPhaseCarrier } from "./translation/phases.ts";
import { openRestore, restoreResponse } from "./translation/restore.ts";
import { openSequencer } from "./translation/sequencer.ts";
import type { Stage } from "./translation/stage.ts";
import { cutResponse, openStopCutter } from "./translation/stop.ts";
import { collect, replay } from "./translation/whole.ts";
import { secretsOf, send, withoutSecrets } from "./upstream.ts";

/** Never rejects on what an upstream or a client does. `upstream`: an answer to be taken in instead of asking for one. */
export function relay(call: Call, route: Route, upstream?: Response): Promise<Relayed> {
  const planned = planCall(call, route);
  if (!planned.ok) {
    const context = { call, route, format: upstreamFormat(call, route), losses: new Losses() };
    return Promise.resolve(failureReply(context, planned.failure));
  }
  const plan = planned.value;
  const trip = new Trip(call, route, plan);
  const context: ReplyContext = {
    call,
    route,
    format: plan.format,
    losses: plan.losses,
    errorStream: (failure) => trip.errorStream(failure),
  };
  return replyWith(context, upstream === undefined ? trip.run() : trip.received(upstream));
}

/** How long an upstream that has answered 200 may take to its first content before the client's headers go out. */
const HOLD_MS = 2000;
const MAX_ERROR_BYTES = 256 * 1024;
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/** One attempt: the plan carried out, and its answer taken in. */
class Trip {
  readonly #answerLosses: Losses;

  constructor(readonly call: Call, readonly route: Route, readonly plan: Plan) {
    this.#answerLosses = plan.losses.ofAnswer();
  }

  /** For an answer that doesn't stream, its first byte is its last. */
  get #patienceMs(): number {
    return this.call.config.timeouts.firstByteMs;
  }

  async run(): Promise<Arrived> {
    const { call, route, plan } = this;
    const sent = await send({
      ...destinationOf(call, route, plan),
      body: plan.body,
      abort: call.abort,
      firstByteMs: call.config.timeouts.firstByteMs,
    });
    return sent.ok ? await this.received(sent.value) : { failure: sent.failure };
  }

  received(upstream: Response): Promise<Arrived> {
    const { translation } = this.plan;
    return translation === undefined
      ? this.#passed(upstream)
      : this.#translated(upstream, translation.request, translation.encoded);
  }

  /** Bytes through, whatever they hold; only their beginning and their end are looked at. */
  async #passed(upstream: Response): Promise<Arrived> {
    const { call, plan } = this;
    if (!upstream.ok) return passedError(upstream, plan.format, this.route.provider, this.#patienceMs);
    if (call.stream) {
      if (!isEventStream(upstream)) return this.#passedWholeAsStream(upstream);
      const decoder = plan.format.openDecoder(plan.target);
      const feed = new PassFeed(bodyStream(upstream), call.abort, plan.format, call.requestId, decoder);
      const tap = this.#openTap();
      return await this.#held(upstream, tap === undefined ? feed : new TappedFeed(feed, tap));
    }
    const bytes = await readAnswer(upstream, this.#patienceMs);
    if (!bytes.ok) return { upstream, failure: bytes.failure };
    if (!looksLikeJson(bytes.value)) return { upstream, failure: this.#notJson() };
    const failure = this.#errorWithin(upstream, bytes.value);
    if (failure !== undefined) return { upstream, failure };
    const mended = plan.format.mendAnswer?.(bytes.value, call.bytes) ?? this.#openTap()?.whole(bytes.value);
    return { upstream, body: mended ?? bytes.value };
  }

  #openTap(): Tap | undefined {
    const { teller } = this.call;
    return teller === undefined ? undefined : this.plan.format.openTap?.(teller);
  }

  /** Through the neutral form, with the client's names for its tools. */
  async #translated(upstream: Response, request: NeutralRequest, encoded: EncodedRequest): Promise<Arrived> {
    const { call } = this;
    if (!upstream.ok) {
      const text = await boundedText(upstream, this.#patienceMs);
      return { upstream, failure: decodedError(upstream, text, this.plan.format, this.route.provider) };
    }
    const answer = this.#answerContext(request);
    if (call.stream && isEventStream(upstream)) {
      const feed = new TranslatedFeed(bodyStream(upstream), call.abort, this.#translation(answer, encoded));
      return await this.#held(upstream, feed);
    }
    const whole = await this.#whole(upstream);
    if (!whole.ok) return { upstream, failure: whole.failure };
    const { response, isEstimated } = whole.value;
    const restored = this.#undo(response, encoded);
    const body = call.stream
      ? this.#asStream(restored, answer)
      : JSON.stringify(call.client.encodeResponse(restored, answer));
    return { upstream, body, isEstimated };
  }

  #translation(answer: Answer, encoded: EncodedRequest): Translation {
    const { call, plan, route } = this;
    const stages: Stage[] = [];
    stages.push(openStopWitness(answer.losses));
    if (encoded.restore.size > 0) stages.push(openRestore(encoded.restore));
    const cutter = encoded.emulateStop === undefined ? undefined : openStopCutter(encoded.emulateStop);
    if (cutter !== undefined) stages.push(cutter);
    const { memory, headers } = call;
    if (!call.client.signsCalls) stages.push(openSignatureCarrier());
    if (!call.client.hasPhases) stages.push(openPhaseCarrier(answer.losses));
    if (call.client.dropsReasoning) stages.push(openObserver((parts) => memory.remember(scopeOf(headers), parts)));
    if (call.client.oneOpenPart) stages.push(openSequencer());
    return {
      decoder: plan.format.openDecoder(plan.target),
      stages,
      encoder: call.client.openEncoder(answer),
      cleaned: (failure) => withoutSecrets(failure, route.provider),
      estimatedInputTokens: answer.estimatedInputTokens,
      ...(cutter === undefined ? {} : { isStopped: () => cutter.stopped }),
    };
  }

  /** An upstream's whole answer with the client's tool names, cut where its stop sequences say. */
  #undo(whole: NeutralResponse, encoded: EncodedRequest): NeutralResponse {
    const { call } = this;
    for (const { stop } of whole.candidates) loseAssumed(stop, this.#answerLosses);
    const restored = encoded.restore.size > 0 ? restoreResponse(whole, encoded.restore) : whole;
    const cut = encoded.emulateStop === undefined ? restored : cutResponse(restored, encoded.emulateStop);
    const phased = call.client.hasPhases ? cut : carryPhases(cut, this.#answerLosses);
    const parts: readonly Part[] = phased.candidates[0]?.parts ?? [];
    if (call.client.dropsReasoning) call.memory.remember(scopeOf(call.headers), parts);
    return call.client.signsCalls ? phased : carrySignatures(phased);
  }

  /** A whole answer to a request for a stream: some upstreams ignore the wish. */
  #asStream(whole: NeutralResponse, answer: Answer): string {
    const { client } = this.call;
    const encoder = client.openEncoder(answer);
    const sequencer = openSequencer();
    let frames = "";
    for (const event of replay(whole)) {
      for (const ordered of client.oneOpenPart ? sequencer.push(event) : [event]) {
        for (const frame of encoder.encode(ordered)) frames += frame;
      }
    }
    return frames;
  }

  async #passedWholeAsStream(upstream: Response): Promise<Arrived> {
    const whole = await this.#whole(upstream);
    if (!whole.ok) return { upstream, failure: whole.failure };
    const request = decodeBody(this.call);
    if (!request.ok) return { upstream, failure: protocolFault("The upstream did not stream its answer") };
    return { upstream, body: this.#asStream(whole.value.response, this.#answerContext(request.value)) };
  }

  /** A stream that is nothing but an error, legal from its first event on. */
  errorStream(failure: Failure): string {
    const { call, plan } = this;
    const request = plan.translation?.request ?? decodedOrNothing(call);
    if (request === undefined) return call.client.errorFrame(failure, call.requestId);
    let frames = "";
    for (const frame of call.client.openEncoder(this.#answerContext(request)).encode({ t: "error", failure })) {
      frames += frame;
    }
    return frames;
  }

  #answerContext(request: NeutralRequest): Answer {
    const { call, route } = this;
    return {
      requestId: call.requestId,
      model: call.config.reportUpstreamModel ? route.model : call.model,
      request,
      estimatedInputTokens: estimateInputTokens(request),
      losses: this.#answerLosses,
      ...(call.teller === undefined ? {} : { teller: call.teller }),
    };
  }

  /** A streamed answer, once its first content or `HOLD_MS` has come: an error before that still gets its own status. */
  async #held(upstream: Response, feed: Feed): Promise<Arrived> {
    const early = await within(feed.open(), HOLD_MS);
    if (early === TIMED_OUT || early === undefined) return { upstream, feed };
    feed.close();
    return { upstream, failure: withoutSecrets(early, this.route.provider) };
  }

  /** The answer as a whole, with an estimate of its usage where nobody counted. */
  async #whole(upstream: Response): Promise<Result<{ response: NeutralResponse; isEstimated: boolean }>> {
    const bytes = await readAnswer(upstream, this.#patienceMs);
    if (!bytes.ok) return bytes;
    const text = new TextDecoder().decode(bytes.value);
    const decoded = isEventStream(upstream) ? this.#collected(bytes.value) : this.#decoded(upstream, text);
    if (!decoded.ok) return fail(withoutSecrets(decoded.failure, this.route.provider));
    const response = decoded.value;
    if (response.usage !== undefined) return success({ response, isEstimated: false });
    return success({ response: { ...response, usage: this.#estimate(text) }, isEstimated: true });
  }

  /** A stream where a whole answer was asked for. */
  #collected(bytes: Uint8Array): Result<NeutralResponse> {
    const { format, target } = this.plan;
    const decoder = format.openDecoder(target);
    const reader = new SseReader(MAX_ANSWER_BYTES);
    const events: NeutralEvent[] = [];
    for (const event of [...reader.feed(bytes), ...reader.end()]) events.push(...decoder.decode(event));
    return collect([...events, ...decoder.end()]);
  }

  #decoded(upstream: Response, text: string): Result<NeutralResponse> {
    const { format, target } = this.plan;
    let body: unknown;
    try {
      body = parseJson(text);
    } catch (error) {
      return fail(this.#notJson(error));
    }
    if (!isObject(body)) return fail(this.#notJson());
    return isError(body)
      ? fail(format.decodeError(statusOfError(body), upstream.headers, text))
      : format.decodeResponse(body, target);
  }

  #estimate(text: string): Usage {
    return {
      inputTokens: tokensOfBytes(this.call.bytes.length),
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: tokensOfBytes(utf8Length(text)),
      reasoningTokens: 0,
      estimated: true,
    };
  }

  /** An error object that was served with status 200. */
  #errorWithin(upstream: Response, bytes: Uint8Array): Failure | undefined {
    const buffer = bufferOf(bytes);
    if (bytes.length > MAX_ERROR_BYTES || !buffer.includes('"error"')) return undefined;
    const text = new TextDecoder().decode(bytes);
    const body = jsonObject(text);
    if (body === undefined || !this.plan.format.isErrorBody(body)) return undefined;
    const failure = this.plan.format.decodeError(statusOfError(body), upstream.headers, text);
    return withoutSecrets(failure, this.route.provider);
  }

  #notJson(cause?: unknown): Failure {
    return protocolFault(`Provider "${this.route.provider.name}" answered with something that isn't JSON`, cause);
  }
}

/**
 * An upstream's error in the client's own shape passes as it is; anything else is put into that shape. A refused key is
 * the gateway's business, and such a text may quote the key. `ms`: how long its text may take.
 */
export async function passedError(
  upstream: Response,
  format: Format,
  provider: Provider,
  ms: number,
): Promise<Extract<Arrived, { failure: Failure }>> {
  const text = await boundedText(upstream, ms);
  const failure = decodedError(upstream, text, format, provider);
  const body = jsonObject(text);
  const passes = body !== undefined && format.isErrorBody(body) && failure.kind !== "upstream_auth" &&
    redact(text, secretsOf(provider)) === text;
  return passes ? { upstream, failure, errorText: text } : { upstream, failure };
}

function decodedError(upstream: Response, text: string, format: Format, provider: Provider): Failure {
  return withoutSecrets(format.decodeError(upstream.status, upstream.headers, text), provider);
}

function decodedOrNothing(call: Call): NeutralRequest | undefined {
  const decoded = decodeBody(call);
  return decoded.ok ? decoded.value : undefined;
}

/** An error in a body that is no answer: answers may hold `error: null`, or an error of their own beside an id. */
function isError(body: JsonObject): boolean {
  const { error } = body;
  return (isObject(error) || typeof error === "string") && body["object"] === undefined && body["id"] === undefined;
}

function statusOfError({ error }: JsonObject): number {
  const code = isObject(error) ? Number(error["code"] ?? error["status_code"] ?? error["status"]) : NaN;
  return code >= 400 && code <= 599 ? code : 502;
}

export function isEventStream(answer: Response): boolean {
  return (answer.headers.get("content-type") ?? "").toLowerCase().includes("text/event-stream");
}

function bodyStream(upstream: Response): ReadableStream<Uint8Array> {
  return upstream.body ?? new ReadableStream({ start: (controller) => controller.close() });
}

/** Only a look: whether the bytes begin and end as a JSON object does (blank lines before it are a keep-alive). */
function looksLikeJson(bytes: Uint8Array): boolean {
  let start = 0;
  let end = bytes.length - 1;
  while (start < end && (bytes[start] as number) <= 0x20) start++;
  while (end > start && (bytes[end] as number) <= 0x20) end--;
  return bytes[start] === 0x7b && bytes[end] === 0x7d;
}

/** `ms`: how long the upstream may take to its last byte. */
async function readAnswer(upstream: Response, ms: number): Promise<Result<Uint8Array<ArrayBuffer>>> {
  try {
    const bytes = await readBodyWithin(upstream, MAX_ANSWER_BYTES, ms);
    if (bytes === TOO_LARGE) return fail(protocolFault("The upstream's answer is too large"));
    if (bytes === TIMED_OUT) return fail(unfinished(ms));
    return success(bytes as Uint8Array<ArrayBuffer>);
  } catch (error) {
    return fail({ ...cutOff("The upstream broke off its answer"), cause: error });
  }
}

function unfinished(ms: number): Failure {
  return {
    kind: "timeout",
    source: "upstream",
    message: `The upstream did not finish its answer in ${ms} ms`,
    retry: true,
  };
}

/** What an error says is not worth a longer wait: its status is known. */
const ERROR_TEXT_MS = 5000;

async function boundedText(upstream: Response, ms: number): Promise<string> {
  try {
    const bytes = await readBodyWithin(upstream, MAX_ERROR_BYTES, Math.min(ms, ERROR_TEXT_MS));
    return typeof bytes === "symbol" ? "" : new TextDecoder().decode(bytes);
  } catch {
    return "";
  }
}
