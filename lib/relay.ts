/**
 * The fork in the road, and the file to read first: a request whose upstream speaks the client's own format passes as
 * bytes (`passThrough`), any other is decoded to the neutral form and encoded again (`translate`).
 */
import { Buffer } from "node:buffer";
import { readBody, TOO_LARGE } from "./base/body.ts";
import { TIMED_OUT, within } from "./base/clock.ts";
import { cutOff, type Failure, invalid, protocolFault, type Result } from "./base/failure.ts";
import { isObject, type JsonObject } from "./base/fields.ts";
import { parseJson, replaceAt, type Span } from "./base/json.ts";
import { redact } from "./base/secret.ts";
import { capabilitiesOf } from "./capabilities.ts";
import type { Config } from "./config.ts";
import { type Answer, type EncodedRequest, type Format, Losses, type Target } from "./format.ts";
import { FORMATS } from "./formats/mod.ts";
import type { NeutralRequest, NeutralResponse, Part } from "./neutral.ts";
import type { Route } from "./router.ts";
import type { ReasoningMemory } from "./translation/carry.ts";
import { openObserver } from "./translation/carry.ts";
import { ENVELOPE_PREFIX } from "./translation/envelope.ts";
import { estimateInputTokens, tokensOfBytes, utf8Length } from "./translation/estimate.ts";
import { openRestore, restoreResponse } from "./translation/restore.ts";
import { openSequencer } from "./translation/sequencer.ts";
import type { Stage } from "./translation/stage.ts";
import { cutResponse, openStopCutter } from "./translation/stop.ts";
import { replay } from "./translation/whole.ts";
import { bodyOf, type Feed, LateFeed, PassFeed, TranslatedFeed } from "./stream.ts";
import { secretsOf, send, withoutSecrets } from "./upstream.ts";

/** One request of a client, as far as it is known before its format is looked into. */
export interface Call {
  config: Config;
  client: Format;
  requestId: string;
  headers: Headers;
  bytes: Uint8Array<ArrayBuffer>;
  /** The body's top-level members, by their places in `bytes`. */
  members: ReadonlyMap<string, Span>;
  /** The model's name as the client wrote it. */
  model: string;
  stream: boolean;
  /** Refuse instead of losing anything. */
  strict: boolean;
  memory: ReasoningMemory;
  /** Whose memory it is: a hash of the client's credential. */
  scope: string;
  /** Aborted when the client leaves, and when the answer is over. */
  abort: AbortController;
}

/** What became of a call; `done` resolves once its last byte is out or its client has left. */
export interface Relayed {
  response: Response;
  failure?: Failure;
  format: Format;
  losses: Losses;
  done: Promise<Outcome>;
}

export interface Outcome {
  /** The client did not stay to the end. */
  left: boolean;
  failure?: Failure;
}

/** Whether the provider serves the client's own format: then bytes pass. Else the first format that it lists. */
export function upstreamFormat(client: Format, route: Route): Format {
  const { formats } = route.provider;
  return formats.includes(client.name) ? client : FORMATS[formats[0] ?? "chat"];
}

/** Never rejects on what an upstream or a client does. */
export function relay(call: Call, route: Route): Promise<Relayed> {
  const format = upstreamFormat(call.client, route);
  const trip = new Trip(call, route, format);
  return format === call.client ? trip.passThrough() : trip.translate();
}

/** How long an upstream that has answered 200 may take to its first content before the client's headers go out. */
const HOLD_MS = 2000;
const MAX_ERROR_BYTES = 256 * 1024;
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/** What an upstream's answer is turned into: a stream, or a body that is already whole. */
type Arrival = { feed: Feed } | { body: Uint8Array<ArrayBuffer> | string };
type Arrived = { failure: Failure; response?: Response; errorText?: string } | (Arrival & { response: Response });

class Trip {
  readonly losses = new Losses();
  readonly target: Target;
  #estimated = false;

  constructor(readonly call: Call, readonly route: Route, readonly format: Format) {
    this.target = targetOf(route, format);
  }

  /** Bytes through: the model's name is replaced in place, nothing else is touched, whatever the bytes hold. */
  passThrough(): Promise<Relayed> {
    const { call, route } = this;
    const span = call.members.get("model");
    let body = call.bytes;
    if (span !== undefined && call.model !== route.model) body = replaceAt(body, span, JSON.stringify(route.model));
    if (holdsEnvelope(body)) body = this.#withoutEnvelopes(body);
    if (this.#isRefused()) return this.#refuse(this.#lossFailure());
    return this.#answer(this.#passed(body));
  }

  async #passed(body: Uint8Array<ArrayBuffer>): Promise<Arrived> {
    const { call, format } = this;
    const sent = await this.#send(body, format.passedHeaders(call.headers, this.target));
    if (!sent.ok) return { failure: sent.failure };
    const response = sent.value;
    if (!response.ok) return this.#passedError(response);
    if (call.stream) {
      if (!isEventStream(response)) return this.#wholeAsStream(response, (answer) => answer);
      const decoder = format.openDecoder(this.target);
      const feed = new PassFeed(bodyStream(response), call.abort, format, call.requestId, decoder);
      return await this.#held(response, feed);
    }
    const bytes = await this.#read(response);
    if (!bytes.ok) return { response, failure: bytes.failure };
    if (!isJsonObject(bytes.value)) return { response, failure: this.#notJson() };
    const failure = this.#errorWithin(response, bytes.value);
    return failure === undefined ? { response, body: bytes.value } : { response, failure };
  }

  /** An error object that was served with status 200. */
  #errorWithin(response: Response, bytes: Uint8Array): Failure | undefined {
    if (bytes.length > MAX_ERROR_BYTES || !bufferOf(bytes).includes('"error"')) return undefined;
    const text = new TextDecoder().decode(bytes);
    const body = jsonObject(text);
    if (body === undefined || !this.format.isErrorBody(body)) return undefined;
    return withoutSecrets(this.format.decodeError(statusOfError(body), response.headers, text), this.route.provider);
  }

  async #error(response: Response): Promise<Arrived> {
    const text = await boundedText(response);
    const failure = this.format.decodeError(response.status, response.headers, text);
    return { response, failure: withoutSecrets(failure, this.route.provider) };
  }

  /**
   * An upstream's error in the client's own shape passes as it is; anything else is put into that shape. A refused key is
   * the gateway's business, and such a text may quote the key.
   */
  async #passedError(response: Response): Promise<Arrived> {
    const text = await boundedText(response);
    const failure = withoutSecrets(
      this.format.decodeError(response.status, response.headers, text),
      this.route.provider,
    );
    const body = jsonObject(text);
    const passes = body !== undefined && this.format.isErrorBody(body) && failure.kind !== "upstream_auth" &&
      redact(text, secretsOf(this.route.provider)) === text;
    return passes ? { response, failure, errorText: text } : { response, failure };
  }

  #notJson(cause?: unknown): Failure {
    return protocolFault(`Provider "${this.target.provider}" answered with something that isn't JSON`, cause);
  }

  /** Decoded to the neutral form, encoded for the upstream, and the same way back. */
  translate(): Promise<Relayed> {
    const decoded = this.#decode();
    if (!decoded.ok) return this.#refuse(decoded.failure);
    const request = decoded.value;
    if (this.call.client.dropsReasoning) this.call.memory.restore(this.call.scope, request);
    const encoded = this.format.encodeRequest(request, this.target, this.losses);
    if (!encoded.ok) return this.#refuse(encoded.failure);
    if (this.#isRefused()) return this.#refuse(this.#lossFailure());
    return this.#answer(this.#translated(request, encoded.value));
  }

  #decode(): Result<NeutralRequest> {
    const { call } = this;
    try {
      const body = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(call.bytes)) as JsonObject;
      return call.client.decodeRequest(body, call.headers);
    } catch (error) {
      // The scan has found the JSON sound: what is left are illegal escapes and bytes that are no UTF-8.
      const reason = error instanceof SyntaxError ? error.message : "it is not UTF-8";
      return { ok: false, failure: invalid(`The body is not valid JSON: ${reason}`) };
    }
  }

  async #translated(request: NeutralRequest, encoded: EncodedRequest): Promise<Arrived> {
    const { call } = this;
    const sent = await this.#send(JSON.stringify(encoded.body), encoded.headers);
    if (!sent.ok) return { failure: sent.failure };
    const response = sent.value;
    if (!response.ok) return this.#error(response);
    const answer = this.#answerContext(request);
    if (call.stream) {
      if (!isEventStream(response)) return this.#wholeAsStream(response, (whole) => this.#undo(whole, encoded), answer);
      const translation = this.#translation(answer, encoded);
      const feed = new TranslatedFeed(bodyStream(response), call.abort, translation);
      return await this.#held(response, feed);
    }
    const whole = await this.#whole(response);
    if (!whole.ok) return { response, failure: whole.failure };
    const restored = this.#undo(whole.value, encoded);
    return { response, body: JSON.stringify(call.client.encodeResponse(restored, answer)) };
  }

  #translation(answer: Answer, encoded: EncodedRequest) {
    const { call, format } = this;
    const stages: Stage[] = [];
    if (encoded.restore.size > 0) stages.push(openRestore(encoded.restore));
    const cutter = encoded.emulateStop === undefined ? undefined : openStopCutter(encoded.emulateStop);
    if (cutter !== undefined) stages.push(cutter);
    if (call.client.dropsReasoning) stages.push(openObserver((parts) => this.#remember(parts)));
    if (call.client.oneOpenPart) stages.push(openSequencer());
    return {
      decoder: format.openDecoder(this.target),
      stages,
      encoder: call.client.openEncoder(answer),
      answer,
      ...(cutter === undefined ? {} : { isStopped: () => cutter.stopped }),
    };
  }

  /** An upstream's whole answer with the client's tool names, cut where its stop sequences say. */
  #undo(whole: NeutralResponse, encoded: EncodedRequest): NeutralResponse {
    const restored = encoded.restore.size > 0 ? restoreResponse(whole, encoded.restore) : whole;
    const cut = encoded.emulateStop === undefined ? restored : cutResponse(restored, encoded.emulateStop);
    if (this.call.client.dropsReasoning) this.#remember(cut.candidates[0]?.parts ?? []);
    return cut;
  }

  /** Chat has no standard field for signed thinking: it is kept for clients that drop the one we use. */
  #remember(parts: readonly Part[]): void {
    this.call.memory.remember(this.call.scope, parts);
  }

  /** A whole answer to a request for a stream: some upstreams ignore the wish. */
  async #wholeAsStream(
    response: Response,
    undo: (whole: NeutralResponse) => NeutralResponse,
    answer?: Answer,
  ): Promise<Arrived> {
    const { call } = this;
    const whole = await this.#whole(response);
    if (!whole.ok) return { response, failure: whole.failure };
    const context = answer ?? this.#plainContext();
    if (context === undefined) return { response, failure: protocolFault("The upstream did not stream its answer") };
    const encoder = call.client.openEncoder(context);
    const sequencer = openSequencer();
    let frames = "";
    for (const event of replay(undo(whole.value))) {
      for (const ordered of call.client.oneOpenPart ? sequencer.push(event) : [event]) {
        for (const frame of encoder.encode(ordered)) frames += frame;
      }
    }
    return { response, body: frames };
  }

  #plainContext(): Answer | undefined {
    const decoded = this.#decode();
    return decoded.ok ? this.#answerContext(decoded.value) : undefined;
  }

  #answerContext(request: NeutralRequest): Answer {
    const { call, route } = this;
    return {
      requestId: call.requestId,
      model: call.config.reportUpstreamModel ? route.model : call.model,
      request,
      estimatedInputTokens: estimateInputTokens(request),
      losses: this.losses,
    };
  }

  /** A streamed answer, once its first content or `HOLD_MS` has come: an error before that still gets its own status. */
  async #held(response: Response, feed: Feed): Promise<Arrived> {
    const early = await within(feed.open(), HOLD_MS);
    if (early === TIMED_OUT || early === undefined) return { response, feed };
    feed.close();
    return { response, failure: withoutSecrets(early, this.route.provider) };
  }

  #send(body: Uint8Array<ArrayBuffer> | string, headers: Readonly<Record<string, string>>): Promise<Result<Response>> {
    const { call, route, format } = this;
    return send({
      provider: route.provider,
      format,
      path: format.path,
      headers: { ...headers, accept: call.stream ? "text/event-stream" : "application/json" },
      body,
      signal: call.abort.signal,
      firstByteMs: call.config.timeouts.firstByteMs,
    });
  }

  async #read(response: Response): Promise<Result<Uint8Array<ArrayBuffer>>> {
    try {
      const bytes = await readBody(response, MAX_ANSWER_BYTES);
      if (bytes === TOO_LARGE) return { ok: false, failure: protocolFault("The upstream's answer is too large") };
      return { ok: true, value: bytes as Uint8Array<ArrayBuffer> };
    } catch (error) {
      return { ok: false, failure: { ...cutOff("The upstream broke off its answer"), cause: error } };
    }
  }

  async #whole(response: Response): Promise<Result<NeutralResponse>> {
    const bytes = await this.#read(response);
    if (!bytes.ok) return bytes;
    const text = new TextDecoder().decode(bytes.value);
    let body: unknown;
    try {
      body = parseJson(text);
    } catch (error) {
      return { ok: false, failure: this.#notJson(error) };
    }
    if (!isObject(body)) return { ok: false, failure: protocolFault("The upstream's answer is no JSON object") };
    const isError = isObject(body["error"]) || typeof body["error"] === "string";
    const decoded: Result<NeutralResponse> = isError && body["object"] === undefined && body["id"] === undefined
      ? { ok: false, failure: this.format.decodeError(statusOfError(body), response.headers, text) }
      : this.format.decodeResponse(body, this.target);
    if (!decoded.ok) return { ok: false, failure: withoutSecrets(decoded.failure, this.route.provider) };
    if (decoded.value.usage !== undefined) return decoded;
    this.#estimated = true;
    return { ok: true, value: { ...decoded.value, usage: this.#estimatedUsage(text) } };
  }

  #estimatedUsage(text: string) {
    return {
      inputTokens: tokensOfBytes(this.call.bytes.length),
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: tokensOfBytes(utf8Length(text)),
      reasoningTokens: 0,
      estimated: true,
    };
  }

  /** Envelopes of ours in a body that would pass: a real provider refuses them (TRANSLATION.md, 1.4 c). */
  #withoutEnvelopes(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    try {
      const body = parseJson(new TextDecoder().decode(bytes)) as JsonObject;
      const stripped = this.format.stripEnvelopes(body, this.target, this.losses);
      return new TextEncoder().encode(JSON.stringify(stripped));
    } catch {
      return bytes;
    }
  }

  #isRefused(): boolean {
    return this.losses.list.length > 0 && (this.call.strict || this.route.onLoss === "reject");
  }

  #lossFailure(): Failure {
    const list = this.losses.list.map(({ path, reason }) => `${path} (${reason})`).join(", ");
    return {
      kind: "unsupported",
      source: "client",
      message: `This upstream can't carry all of the request, and losses are refused: ${list}`,
      retry: false,
      ...(this.losses.list[0] === undefined ? {} : { param: this.losses.list[0].path }),
    };
  }

  /** Waits for the outcome, but not forever: a stream that takes long is accepted and kept alive meanwhile. */
  async #answer(arriving: Promise<Arrived>): Promise<Relayed> {
    const { call } = this;
    if (!call.stream) return this.#settle(await arriving);
    const arrived = await within(arriving, call.config.timeouts.keepaliveMs);
    if (arrived !== TIMED_OUT) return this.#settle(arrived);
    const opening = arriving.then((late): Feed | Failure =>
      "failure" in late ? late.failure : "feed" in late ? late.feed : new WholeFeed(late.body)
    );
    return this.#stream(new LateFeed(opening, call.client, call.requestId, call.abort), undefined);
  }

  #settle(arrived: Arrived): Relayed {
    if ("failure" in arrived) return this.#failed(arrived.failure, arrived.response, arrived.errorText);
    if ("feed" in arrived) return this.#stream(arrived.feed, arrived.response);
    const headers = this.#headers(arrived.response);
    headers.set("content-type", this.call.stream ? EVENT_STREAM : "application/json");
    return this.#relayed(new Response(arrived.body, { headers }), Promise.resolve({ left: false }));
  }

  #stream(feed: Feed, upstream: Response | undefined): Relayed {
    const { keepaliveMs, idleMs } = this.call.config.timeouts;
    const headers = this.#headers(upstream);
    headers.set("content-type", EVENT_STREAM);
    headers.set("cache-control", "no-cache");
    headers.set("x-accel-buffering", "no");
    let ended: (outcome: Outcome) => void = () => {};
    const done = new Promise<Outcome>((resolve) => ended = resolve);
    const body = bodyOf(feed, { keepaliveMs, idleMs }, (left) => {
      const { failure } = feed;
      ended(failure === undefined ? { left } : { left, failure });
    });
    return this.#relayed(new Response(body, { headers }), done);
  }

  #refuse(failure: Failure): Promise<Relayed> {
    return Promise.resolve(this.#failed(failure, undefined));
  }

  /** `errorText`: the upstream's own words, which pass with its own status. */
  #failed(failure: Failure, upstream: Response | undefined, errorText?: string): Relayed {
    const { call } = this;
    const { config } = call;
    call.abort.abort();
    const shown = failure.kind === "upstream_auth" && config.exposeUpstreamAuth && failure.status === 401
      ? { ...failure, kind: "authentication" as const }
      : failure;
    const made = call.client.encodeError(shown, call.requestId);
    const status = errorText === undefined ? made.status : upstream?.status ?? made.status;
    const headers = this.#headers(upstream);
    headers.set("content-type", "application/json");
    if (upstream !== undefined) headers.set("x-trivium-upstream-status", String(upstream.status));
    for (const [name, value] of Object.entries(failure.retryHeaders ?? {})) headers.set(name, value);
    const response = new Response(errorText ?? JSON.stringify(made.body), { status, headers });
    return { ...this.#relayed(response, Promise.resolve({ left: false, failure })), failure };
  }

  #relayed(response: Response, done: Relayed["done"]): Relayed {
    return { response, format: this.format, losses: this.losses, done };
  }

  #headers(upstream: Response | undefined): Headers {
    const { call } = this;
    const headers = new Headers();
    if (upstream !== undefined) copyHeaders(upstream.headers, headers);
    const upstreamId = upstream?.headers.get("x-request-id") ?? upstream?.headers.get("request-id");
    // What passes keeps the upstream's own id (its error bodies name it too); what we write has ours.
    const id = this.format === call.client ? upstreamId ?? call.requestId : call.requestId;
    headers.set("x-request-id", id);
    headers.set("request-id", id);
    headers.set("x-trivium-request-id", call.requestId);
    headers.set("x-trivium-provider", this.route.provider.name);
    if (upstreamId !== undefined && upstreamId !== null) headers.set("x-trivium-upstream-request-id", upstreamId);
    const losses = lossHeader(this.losses);
    if (losses !== "") headers.set("x-trivium-loss", losses);
    if (this.#estimated) headers.set("x-trivium-usage", "estimated");
    return headers;
  }
}

const EVENT_STREAM = "text/event-stream; charset=utf-8";

export function targetOf(route: Route, format: Format): Target {
  const { provider, model } = route;
  return {
    provider: provider.name,
    model,
    format: format.name,
    family: provider.family,
    flags: provider.flags,
    capabilities: capabilitiesOf(model),
  };
}

/** A body that is already whole, for a stream that had to begin before it came. */
class WholeFeed implements Feed {
  readonly failure = undefined;
  #body: Uint8Array | undefined;

  constructor(body: Uint8Array | string) {
    this.#body = typeof body === "string" ? new TextEncoder().encode(body) : body;
  }

  open(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  next(): Promise<Uint8Array | undefined> {
    const body = this.#body;
    this.#body = undefined;
    return Promise.resolve(body);
  }

  keepalive(): undefined {
    return undefined;
  }

  silentMs(): number {
    return 0;
  }

  fail(): void {}
  close(): void {}
}

const ENVELOPE_MARK = `"${ENVELOPE_PREFIX}`;

function holdsEnvelope(bytes: Uint8Array): boolean {
  return bufferOf(bytes).includes(ENVELOPE_MARK);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function jsonObject(text: string): JsonObject | undefined {
  try {
    const value = parseJson(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function statusOfError(body: JsonObject): number {
  const error = body["error"];
  const code = isObject(error) ? Number(error["code"] ?? error["status_code"] ?? error["status"]) : NaN;
  return code >= 400 && code <= 599 ? code : 502;
}

function isEventStream(response: Response): boolean {
  return (response.headers.get("content-type") ?? "").toLowerCase().includes("text/event-stream");
}

function bodyStream(response: Response): ReadableStream<Uint8Array> {
  return response.body ?? new ReadableStream({ start: (controller) => controller.close() });
}

/** Only a look: whether the bytes begin and end as a JSON object does (blank lines before it are a keep-alive). */
function isJsonObject(bytes: Uint8Array): boolean {
  let start = 0;
  let end = bytes.length - 1;
  while (start < end && (bytes[start] as number) <= 0x20) start++;
  while (end > start && (bytes[end] as number) <= 0x20) end--;
  return bytes[start] === 0x7b && bytes[end] === 0x7d;
}

async function boundedText(response: Response): Promise<string> {
  try {
    const bytes = await readBody(response, MAX_ERROR_BYTES);
    return bytes === TOO_LARGE ? "" : new TextDecoder().decode(bytes);
  } catch {
    return "";
  }
}

const COPIED = /^(?:x-ratelimit-.*|anthropic-ratelimit-.*|openai-processing-ms|openai-version)$/;

/** What of an upstream's headers a client may read; encodings and lengths are no longer true, the rest isn't its own. */
function copyHeaders(from: Headers, to: Headers): void {
  from.forEach((value, name) => {
    if (COPIED.test(name)) to.set(name, value);
  });
}

const MAX_LOSS_HEADER = 1024;

/** `top_k, messages[3].reasoning`, at most 1 KiB, then `…+N` (in ASCII: `...+N`, headers are no UTF-8). */
export function lossHeader(losses: Losses): string {
  let text = "";
  let count = 0;
  for (const { path } of losses.list) {
    const entry = path.replace(/[^\x21-\x7e]/g, "?");
    if (text.length + entry.length + 2 > MAX_LOSS_HEADER - 16) return `${text}, ...+${losses.list.length - count}`;
    text = text === "" ? entry : `${text}, ${entry}`;
    count++;
  }
  return text;
}
