/**
 * A recorded answer through the gateway's own parts, composed as `lib/relay.ts` and `lib/stream.ts` compose them
 * (decoder → sequencer → encoder), but in this process and without a network, so that thousands of runs take seconds.
 */
import { cutOff, fail, protocolFault, type Result } from "../../lib/base/failure.ts";
import { isObject, type JsonObject } from "../../lib/base/fields.ts";
import { parseJson } from "../../lib/base/json.ts";
import { type SseEvent, SseReader } from "../../lib/base/sse.ts";
import { capabilitiesOf } from "../../lib/capabilities.ts";
import { type Answer, Losses, type StreamDecoder, type StreamEncoder, type Target } from "../../lib/format.ts";
import { FORMATS } from "../../lib/formats/mod.ts";
import type { FormatName, NeutralEvent, NeutralRequest, NeutralResponse, Usage } from "../../lib/neutral.ts";
import { FAMILY_OF_FORMAT, PRESETS } from "../../lib/providers.ts";
import { openSequencer } from "../../lib/translation/sequencer.ts";
import type { Stage } from "../../lib/translation/stage.ts";
import { replay } from "../../lib/translation/whole.ts";
import type { Source } from "./recordings.ts";

export const CLIENTS: readonly FormatName[] = ["chat", "messages", "responses"];

/** The place that answered, as the gateway knows it: a preset's flags, where the recording's provider has a preset. */
export function targetOf({ provider, model, format }: Source): Target {
  const preset = PRESETS[provider];
  return {
    provider,
    model,
    format,
    family: preset?.family ?? FAMILY_OF_FORMAT[format],
    flags: new Set(preset?.flags),
    capabilities: capabilitiesOf(model),
  };
}

const MODEL = "the-clients-model";

const PLAIN: Record<FormatName, JsonObject> = {
  chat: {
    model: MODEL,
    messages: [{ role: "user", content: "Hi" }],
    stream: true,
    stream_options: { include_usage: true },
  },
  messages: { model: MODEL, max_tokens: 1000, messages: [{ role: "user", content: "Hi" }], stream: true },
  responses: { model: MODEL, input: "Hi", stream: true },
};

function plainRequest(client: FormatName): NeutralRequest {
  const decoded = FORMATS[client].decodeRequest(PLAIN[client], new Headers());
  if (!decoded.ok) throw new Error(`The plain ${client} request is refused: ${decoded.failure.message}`);
  return decoded.value;
}

export function answerFor(client: FormatName): Answer {
  return {
    requestId: "req_000000000000000000000000",
    model: MODEL,
    request: plainRequest(client),
    estimatedInputTokens: 9,
    losses: new Losses(),
  };
}

/** Upstream bytes to neutral events; `close` is the body's proper end. */
export class Upstream {
  readonly #sse = new SseReader();
  readonly #decoder: StreamDecoder;
  #over = false;

  constructor(source: Source) {
    this.#decoder = FORMATS[source.format].openDecoder(targetOf(source));
  }

  feed(chunk: Uint8Array): NeutralEvent[] {
    return this.#decode(this.#sse.feed(chunk));
  }

  close(): NeutralEvent[] {
    const events = this.#decode(this.#sse.end());
    if (!this.#over) events.push(...this.#taken(this.#decoder.end()));
    if (!this.#over) events.push(...this.#taken([{ t: "error", failure: cutOff() }]));
    return events;
  }

  #decode(events: readonly SseEvent[]): NeutralEvent[] {
    return events.flatMap((event) => this.#over ? [] : this.#taken(this.#decoder.decode(event)));
  }

  #taken(events: Iterable<NeutralEvent>): NeutralEvent[] {
    const list = [...events];
    this.#over ||= list.some((event) => event.t === "end" || event.t === "error");
    return list;
  }
}

/** Neutral events to one client's frames. */
export class Client {
  readonly #stages: Stage[];
  readonly #encoder: StreamEncoder;
  #hasUsage = false;

  constructor(readonly format: FormatName, readonly answer: Answer = answerFor(format)) {
    this.#stages = FORMATS[format].oneOpenPart ? [openSequencer()] : [];
    this.#encoder = FORMATS[format].openEncoder(this.answer);
  }

  push(events: Iterable<NeutralEvent>): string {
    const [stage] = this.#stages;
    let frames = "";
    for (const event of events) {
      for (const ordered of stage === undefined ? [event] : stage.push(event)) frames += this.#write(ordered);
    }
    return frames;
  }

  /** Nobody counted: the gateway tells an estimate before the end. */
  #write(event: NeutralEvent): string {
    this.#hasUsage ||= event.t === "usage";
    const uncounted = event.t === "end" && !this.#hasUsage;
    let frames = "";
    if (uncounted) { for (const frame of this.#encoder.encode({ t: "usage", usage: ESTIMATE })) frames += frame; }
    for (const frame of this.#encoder.encode(event)) frames += frame;
    return frames;
  }
}

const ESTIMATE: Usage = {
  inputTokens: 9,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  estimated: true,
};

/** All events of a recorded stream that came in these pieces. */
export function eventsOf(source: Source, chunks: Iterable<Uint8Array>): NeutralEvent[] {
  const upstream = new Upstream(source);
  const events: NeutralEvent[] = [];
  for (const chunk of chunks) events.push(...upstream.feed(chunk));
  events.push(...upstream.close());
  return events;
}

/** A recorded JSON body as the gateway takes it in. */
export function decodeWhole(source: Source, bytes: Uint8Array): Result<NeutralResponse> {
  const format = FORMATS[source.format];
  const text = new TextDecoder().decode(bytes);
  const body = parseJson(text);
  if (!isObject(body)) return fail(protocolFault("no JSON object"));
  const isError = body["error"] !== undefined && body["object"] === undefined && body["id"] === undefined;
  const decoded = isError
    ? fail(format.decodeError(502, new Headers(), text))
    : format.decodeResponse(body, targetOf(source));
  if (!decoded.ok || decoded.value.usage !== undefined) return decoded;
  return { ok: true, value: { ...decoded.value, usage: ESTIMATE } };
}

/** The answer as this client gets it who asked for no stream. */
export function encodeWhole(client: FormatName, response: NeutralResponse, answer: Answer): JsonObject {
  const body = FORMATS[client].encodeResponse({ ...response, usage: response.usage ?? ESTIMATE }, answer);
  return JSON.parse(JSON.stringify(body));
}

/** The same answer for one who did. */
export function encodeAsStream(client: Client, response: NeutralResponse): string {
  return client.push(replay(response));
}

/** Random ids by their order of appearance, and no times: what two runs of one stream may differ in. */
export function steady(text: string): string {
  const seen = new Map<string, number>();
  return text
    .replace(/\b[a-z]{2,8}[_-][A-Za-z0-9]{24}\b/g, (id) => {
      const number = seen.get(id) ?? seen.size + 1;
      seen.set(id, number);
      return `${id.replace(/[_-].*/, "")}_<${number}>`;
    })
    .replace(/"(created|created_at|completed_at)":\s?\d{10}(?:\.\d+)?/g, '"$1":0');
}
