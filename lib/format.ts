/**
 * What a wire format must be able to do. Formats never know of each other: a pair is one format's decoders composed
 * with another's encoders, by way of the neutral form (`lib/neutral.ts`).
 */
import type { Failure, Result } from "./base/failure.ts";
import type { JsonObject } from "./base/fields.ts";
import type { SseEvent } from "./base/sse.ts";
import type { Capabilities } from "./capabilities.ts";
import type { FormatName, Loss, NeutralEvent, NeutralRequest, NeutralResponse } from "./neutral.ts";

/** Where a request goes, with everything about that place that an encoder or decoder may ask. */
export interface Target {
  /** The provider's name in the config, for messages. */
  provider: string;
  /** The model's name at the provider. */
  model: string;
  format: FormatName;
  /** Whose models these are: decides which opaque values go there. `anthropic`, `openai`, or the provider's name. */
  family: string;
  flags: ReadonlySet<Flag>;
  capabilities: Capabilities;
}

/**
 * Quirks of upstreams, each named once here and read in one format's folder; a provider's line in `providers.ts` or
 * the config's `flags` turns them on (TRANSLATION.md, 2.8 and 4.5).
 */
export const FLAGS = [
  /** Sends `max_tokens` instead of `max_completion_tokens`. */
  "max_tokens",
  /** Has no `developer` role: sends `system`. */
  "no_developer_role",
  /** Refuses `stream_options`. */
  "no_stream_options",
  /** Refuses `parallel_tool_calls`. */
  "no_parallel_tool_calls",
  /** Thinking goes back as `reasoning_content` on assistant messages. */
  "echo_reasoning_content",
  /** Thinking goes back as `reasoning_details` on assistant messages. */
  "echo_reasoning_details",
  /** `<think>…</think>` in the text is thinking. */
  "think_tags",
  /** Tool call ids are exactly nine letters and digits. */
  "short_tool_ids",
  /** Says `"any"` where others say `"required"`. */
  "tool_choice_any",
  /** Tool call arguments arrive as everything so far, not as increments. */
  "cumulative_arguments",
] as const;
export type Flag = (typeof FLAGS)[number];

/** More losses than this are only counted: a stream, or a request's history, may hold any number. */
const MAX_LOSSES = 1000;
/** Characters of a path or a reason: a client's own names are in them, and they are told in errors and the log. */
const MAX_LOSS_TEXT = 500;

/** Collects what could not be carried, once per path. */
export class Losses {
  readonly list: Loss[];
  readonly #in: "request" | "answer";
  readonly #paths = new Set<string>();
  /** Those that the list has no room for; an answer's are counted by its request's. */
  readonly #more: { count: number };

  /** `named`: a path as the client knows it, where its body was added to. `request`: what is found is its answer's. */
  constructor(readonly named: (path: string) => string = (path) => path, request?: Losses) {
    this.list = request?.list ?? [];
    this.#in = request === undefined ? "request" : "answer";
    this.#more = request === undefined ? { count: 0 } : request.#more;
  }

  /** The same list, for what is found in the answer. */
  ofAnswer(): Losses {
    return new Losses(undefined, this);
  }

  /** All of them, listed or not. */
  get count(): number {
    return this.list.length + this.#more.count;
  }

  add(found: string, reason: string): void {
    const path = this.named(found);
    if (this.#paths.has(path)) return;
    if (this.list.length >= MAX_LOSSES) {
      this.#more.count++;
      return;
    }
    this.#paths.add(path);
    const loss = { path: cut(path), reason: cut(reason) };
    this.list.push(this.#in === "answer" ? { ...loss, in: "answer" } : loss);
  }
}

function cut(text: string): string {
  return text.length > MAX_LOSS_TEXT ? `${text.slice(0, MAX_LOSS_TEXT)}...` : text;
}

/** What the client calls a tool that the upstream knows by another name or kind. */
export interface ClientTool {
  name: string;
  namespace?: string;
  toolKind: "function" | "custom";
}

/** Upstream tool name → the client's tool. Holds only what differs: an empty map means that nothing is to be undone. */
export type Restore = ReadonlyMap<string, ClientTool>;

/** A request in an upstream's format, and what its answer needs to be undone. */
export interface EncodedRequest {
  body: JsonObject;
  /** Gives the answer's tool calls their client's names and kinds back. */
  restore: Restore;
  /** Stop sequences that the format has no field for: the gateway cuts the text at the first match. */
  emulateStop?: string[];
  /** Headers that belong to the body: `anthropic-version`, `anthropic-beta`. Never credentials. */
  headers: Record<string, string>;
}

/** What a client is told of a response in place of what its maker says: the state that the gateway itself keeps. */
export interface Teller {
  /** A response object as it goes out, called for each; the same object where nothing is changed. */
  tell(response: JsonObject): JsonObject;
  /** There is no more to change or to see. */
  readonly isDone: boolean;
}

/** Looks at an answer whose bytes pass. */
export interface Tap {
  /** The bytes to hand on in place of these: whole events, maybe none. */
  push(bytes: Uint8Array): Uint8Array;
  /** What is still held. */
  end(): Uint8Array;
  /** All that comes passes as it is from here on. */
  readonly isDone: boolean;
  /** The same of an answer that doesn't stream. */
  whole(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;
}

/** What an encoder of answers needs to know of the call. */
export interface Answer {
  /** The gateway's id of this request: `req_…`. */
  requestId: string;
  /** The model's name as the client is to see it. */
  model: string;
  /**
   * The client's request. Encoders take what they echo when they are opened and let go of it: a stream lives long.
   */
  request: NeutralRequest;
  /** Tokens, bytes / 4: what is said of the input until the upstream says better. Never 0. */
  estimatedInputTokens: number;
  /** Losses that are found only while answering. */
  losses: Losses;
  /** For formats whose answers tell of state. */
  teller?: Teller;
}

/** Upstream bytes, framed, to neutral events. `end` is called once, when the body has ended without a fault. */
export interface StreamDecoder {
  decode(event: SseEvent): Iterable<NeutralEvent>;
  end(): Iterable<NeutralEvent>;
}

/** Neutral events to frames of text, ready to be written. Knows no network. */
export interface StreamEncoder {
  encode(event: NeutralEvent): Iterable<string>;
}

export interface ErrorAnswer {
  status: number;
  body: JsonObject;
}

/** APIs beside the three formats whose requests and answers always pass as bytes. */
export type ByteApi =
  | "images"
  | "audio"
  | "files"
  | "uploads"
  | "batches"
  | "message_batches"
  | "moderations"
  | "rerank"
  | "vector_stores"
  | "fine_tuning";

/** APIs of OpenAI's family that a provider may have or not, and those. */
export type Api = "completions" | "embeddings" | ByteApi;

/** How an upstream of a format counts a request's input, and how its clients are told. */
export interface Counting {
  /** What follows the provider's `base_url`. */
  path: string;
  /** A request's body as the endpoint takes it. */
  ask(body: JsonObject): JsonObject;
  /** A counting client's body as the format's request needs it. */
  complete(body: JsonObject): JsonObject;
  /** Tokens; undefined where the answer is no count. */
  read(answer: JsonObject): number | undefined;
  answer(tokens: number): JsonObject;
}

export interface Format {
  readonly name: FormatName;
  /** The API of its own that a provider must have for bytes to pass; absent: that of its name. */
  readonly api?: Api;
  /** What follows the provider's `base_url`: `/chat/completions`. */
  readonly path: string;
  /** Whether its streams allow one open part at a time, so that its encoder must be fed by the sequencer. */
  readonly oneOpenPart: boolean;
  /**
   * How the lines begin that end a stream of this format: its terminal events and its errors. Pass-through looks for
   * them at the beginning of lines; nothing else does.
   */
  readonly terminals: readonly string[];
  /**
   * Whether a stream whose body ends after these whole events, without a terminal, may be taken for complete all the
   * same: some servers leave the terminal out.
   */
  endsSoftly(tail: string): boolean;
  /** The header that carries a provider's key where this format is spoken. */
  readonly keyHeader: "authorization" | "x-api-key";
  /** No standard field brings thinking back from clients: what they may drop is remembered for them (1.4, carrier 3). */
  readonly dropsReasoning: boolean;
  /** Its tool calls can hold a signature of their own (PITFALLS, 29); for clients of other formats thinking carries it. */
  readonly signsCalls: boolean;
  /** Its messages say which phase of the turn they belong to; for clients of other formats thinking carries it. */
  readonly hasPhases: boolean;
  /** What fills a silence in a stream of this format. */
  readonly keepaliveFrame: string;

  /** Absent where the format has no endpoint that counts. */
  readonly counting?: Counting;

  /** Client side: body and headers to neutral, or what is wrong with them. */
  decodeRequest(body: JsonObject, headers: Headers): Result<NeutralRequest>;
  /** Headers of a client's request that go on with it when it passes as bytes. Never credentials. */
  passedHeaders(headers: Headers, target: Target): Record<string, string>;
  /** Upstream side. What can't be carried goes to `losses`; what would change the meaning is a failure. */
  encodeRequest(request: NeutralRequest, target: Target, losses: Losses): Result<EncodedRequest>;

  /** Upstream side, status 200, not streamed. */
  decodeResponse(body: JsonObject, target: Target): Result<NeutralResponse>;
  /** Client side, not streamed. */
  encodeResponse(response: NeutralResponse, answer: Answer): JsonObject;

  openDecoder(target: Target): StreamDecoder;
  openEncoder(answer: Answer): StreamEncoder;

  /** Upstream side: a status that isn't 2xx, or an error object in a body of 200. `text` is the body, bounded. */
  decodeError(status: number, headers: Headers, text: string): Failure;
  /** Client side: status and body that the client's SDK turns into its typed exception. */
  encodeError(failure: Failure, requestId: string): ErrorAnswer;
  /** Whether a parsed JSON body is an error in this format's own shape, so that it may pass as it is. */
  isErrorBody(body: JsonObject): boolean;
  /** The error as an event, for a stream that no encoder of ours writes (pass-through); it ends the stream. */
  errorFrame(failure: Failure, requestId: string): string;
  /** Where answers tell of state: what lets a teller speak while bytes pass. */
  openTap?(teller: Teller): Tap;

  /** Members (as bytes) whose name in a body says that it may hold what another maker's model left there, beside envelopes. */
  readonly foreignMarks: readonly Uint8Array[];
  /**
   * Same-format requests pass as bytes, but what the gateway itself put into earlier answers (envelopes, TRANSLATION.md
   * 1.4) must not reach a real provider, nor what this one's models didn't sign: called only when the bytes may hold
   * such. Returns the mended body, the same object where there was nothing to mend.
   */
  stripEnvelopes(body: JsonObject, target: Target, losses: Losses): JsonObject;

  /** A whole answer that passes as bytes, mended where its upstream did not answer as it was asked. */
  mendAnswer?(answer: Uint8Array<ArrayBuffer>, request: Uint8Array): Uint8Array<ArrayBuffer>;
}

/** What the log and the counters call it. */
export function apiName({ name, api }: Format): string {
  return api ?? name;
}
