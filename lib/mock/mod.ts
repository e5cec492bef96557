/**
 * The built-in mock provider: models that answer in-process, always the same, in each wire format natively, so that both
 * pass-through and translation can be driven without a key or a network. Models (with or without the `mock/` that the gateway
 * puts before them):
 *
 * - `echo`: the last user text, word by word. `lorem-<n>`: n tokens. `json`: an object that fits the asked schema.
 * - `tools`: calls the first offered tool with arguments made from its schema; given the result, answers with it.
 *   `tools-2`: two calls at once, their arguments interleaved where the format allows it.
 * - `thinking`: thinking with what the format's own provider signs it with, then text.
 * - `slow-<ms>`: twenty tokens, that long between two; not streamed, that long in all.
 * - `error-<status>`: that status, 400 to 599. `error-midstream`: some text, then an error event. `cut`: some text, then
 *   the body ends; not streamed, half of the body.
 * - `embed-<n>`: embeddings of n dimensions (`embeddings.ts`); asked for an answer, an echo.
 *
 * `max_tokens`, stop sequences, tool choice and `n` are honoured. Usage counts real tokens (`tokens.ts`).
 */
import { createHash } from "node:crypto";
import { type Failure, type FailureKind, invalid } from "../base/failure.ts";
import { isObject, type JsonObject } from "../base/fields.ts";
import { type Answer, type Format, Losses } from "../format.ts";
import { APIS, FORMATS } from "../formats/mod.ts";
import type { NeutralEvent, NeutralRequest } from "../neutral.ts";
import { derivedId } from "../translation/ids.ts";
import { openSequencer } from "../translation/sequencer.ts";
import { collect } from "../translation/whole.ts";
import { answer } from "./answer.ts";
import { type Frame, frameBody, pause } from "./body.ts";
import { embed } from "./embeddings.ts";
import { listModels, oneModel, wantsMessagesShape } from "./list.ts";
import { MOCK_MODELS, type Model, modelOf, type Turn } from "./models.ts";
import { countInput } from "./tokens.ts";

export { MOCK_MODELS };

/** One request, once its format is known. */
interface Call {
  format: Format;
  headers: Headers;
  signal: AbortSignal;
  text: string;
  seed: string;
  requestId: string;
}

/** Answers as a provider would, whatever the request. Never rejects and never throws. */
export async function mockFetch(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const format = formatOf(pathname, request.headers);
  const requestId = derivedId("req_", pathname);
  try {
    if (request.method === "GET" && /\/models(\/|$)/.test(pathname)) {
      return models(pathname, request.headers, requestId);
    }
    const isCount = pathname.endsWith(COUNT_PATH);
    const isEmbedding = pathname.endsWith(APIS.embeddings.path);
    if (request.method === "HEAD") return new Response(null, { status: 404 });
    if (!isCount && !isEmbedding && !pathname.endsWith(format.path)) {
      return failed(format, unknownPath(pathname), requestId);
    }
    if (request.method !== "POST") return failed(format, wrongMethod(request.method), requestId);
    const call = await callOf(request, format);
    if (isEmbedding) return embeddings(call);
    return isCount ? count(call) : await complete(call);
  } catch (cause) {
    const failure: Failure = { kind: "internal", source: "gateway", message: "The mock failed", retry: false, cause };
    return failed(format, failure, requestId);
  }
}

const COUNT_PATH = `${FORMATS.messages.path}/count_tokens`;

/** By the path; where that tells nothing, by what only Anthropic's clients send. */
function formatOf(pathname: string, headers: Headers): Format {
  if (pathname.endsWith(COUNT_PATH)) return FORMATS.messages;
  const byPath = Object.values(FORMATS).find((format) => pathname.endsWith(format.path));
  return byPath ?? (wantsMessagesShape(headers) ? FORMATS.messages : FORMATS.chat);
}

async function callOf(request: Request, format: Format): Promise<Call> {
  const text = await request.text();
  const seed = createHash("sha256").update(`${format.name}\n${text}`).digest("hex");
  const { headers, signal } = request;
  return { format, headers, signal, text, seed, requestId: derivedId("req_", seed) };
}

function models(pathname: string, headers: Headers, requestId: string): Response {
  const name = /\/models\/(.+)$/.exec(pathname)?.[1];
  if (name === undefined) return json(listModels(headers), 200, requestId);
  const decoded = safelyDecoded(name);
  if (modelOf(decoded) !== undefined) return json(oneModel(decoded, headers), 200, requestId);
  return failed(formatOf(pathname, headers), unknownModel(decoded), requestId);
}

function safelyDecoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function count({ format, headers, text, requestId }: Call): Response {
  const body = bodyOf(text);
  if (body === undefined) return failed(format, notJson(), requestId);
  // Counting needs no max_tokens, the messages format does.
  const decoded = format.decodeRequest({ max_tokens: 1, ...body }, headers);
  if (!decoded.ok) return failed(format, decoded.failure, requestId);
  return json({ input_tokens: countInput(decoded.value) }, 200, requestId);
}

function embeddings({ format, text, requestId }: Call): Response {
  const body = bodyOf(text);
  if (body === undefined) return failed(format, notJson(), requestId);
  const name = String(body["model"]);
  if (modelOf(name) === undefined) return failed(format, unknownModel(name), requestId);
  const embedded = embed(body, name);
  return embedded.ok ? json(embedded.value, 200, requestId) : failed(format, embedded.failure, requestId);
}

async function complete(call: Call): Promise<Response> {
  const { format, headers, text, seed, requestId } = call;
  const body = bodyOf(text);
  if (body === undefined) return failed(format, notJson(), requestId);
  const decoded = format.decodeRequest(body, headers);
  if (!decoded.ok) return failed(format, decoded.failure, requestId);
  const request = decoded.value;
  const model = modelOf(request.model);
  if (model === undefined) return failed(format, unknownModel(request.model), requestId);
  if (model.status !== undefined) return failed(format, ofStatus(model.status), requestId, model.status);
  const unkept = keptNowhere(request);
  if (unkept !== undefined) return failed(format, unkept, requestId);
  const turn = { request, seed };
  return request.stream ? stream(call, turn, model) : await whole(call, turn, model);
}

function stream(call: Call, turn: Turn, model: Model): Response {
  const frames = encoded(call.format, answer(turn, model), contextOf(call, turn));
  return new Response(frameBody(frames, model.delayMs ?? 0, call.signal), {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      ...idHeaders(call.requestId),
    },
  });
}

function* encoded(format: Format, events: Iterable<NeutralEvent>, context: Answer): Generator<Frame> {
  const sequencer = format.oneOpenPart ? openSequencer() : undefined;
  const encoder = format.openEncoder(context);
  for (const event of events) {
    let text = "";
    for (const ordered of sequencer?.push(event) ?? [event]) {
      for (const frame of encoder.encode(ordered)) text += frame;
    }
    yield { text, isPiece: "delta" in event };
  }
}

async function whole(call: Call, turn: Turn, model: Model): Promise<Response> {
  const { format, requestId, signal } = call;
  const collected = collect(answer(turn, model, true));
  if (!collected.ok) return failed(format, collected.failure, requestId);
  await pause(model.delayMs ?? 0, signal);
  if (signal.aborted) return failed(format, cancelled(), requestId);
  const body = JSON.stringify(format.encodeResponse(collected.value, contextOf(call, turn)));
  return jsonText(model.isCut === true ? body.slice(0, body.length / 2) : body, 200, requestId);
}

function contextOf({ requestId }: Call, { request }: Turn): Answer {
  const estimatedInputTokens = Math.max(1, countInput(request));
  return { requestId, model: request.model, request, estimatedInputTokens, losses: new Losses() };
}

function bodyOf(text: string): JsonObject | undefined {
  try {
    const body: unknown = JSON.parse(text);
    return isObject(body) ? body : undefined;
  } catch {
    return undefined;
  }
}

function failed(format: Format, failure: Failure, requestId: string, status?: number): Response {
  const encoded = format.encodeError(failure, requestId);
  return json(encoded.body, status ?? encoded.status, requestId, failure.retryHeaders);
}

function json(body: JsonObject, status: number, requestId: string, headers?: Record<string, string>): Response {
  return jsonText(JSON.stringify(body), status, requestId, headers);
}

function jsonText(text: string, status: number, requestId: string, headers?: Record<string, string>): Response {
  return new Response(text, {
    status,
    headers: { "content-type": "application/json", ...idHeaders(requestId), ...headers },
  });
}

function idHeaders(requestId: string): Record<string, string> {
  return { "x-request-id": requestId, "request-id": requestId };
}

const KINDS: Readonly<Record<number, FailureKind>> = {
  401: "authentication",
  402: "billing",
  403: "permission",
  404: "not_found",
  408: "timeout",
  413: "too_large",
  429: "rate_limit",
  503: "overloaded",
  504: "timeout",
  529: "overloaded",
};

function ofStatus(status: number): Failure {
  const kind = KINDS[status] ?? (status >= 500 ? "upstream" : "invalid_request");
  return {
    kind,
    source: "upstream",
    message: `The mock answers with status ${status}, as its name says`,
    retry: status >= 500 || status === 429,
    status,
    ...(status === 429 ? { retryHeaders: { "retry-after": "1" } } : {}),
  };
}

function unknownModel(name: string): Failure {
  return notFound(`The model "${name}" does not exist; the mock serves ${MOCK_MODELS.join(", ")}`);
}

function unknownPath(pathname: string): Failure {
  return { ...notFound(`There is no ${pathname}`), code: "not_found" };
}

/** An answer that ignored what came before would look like one that knew it. */
function keptNowhere({ state }: NeutralRequest): Failure | undefined {
  const unknown = notFound("The mock keeps nothing and doesn't know this id; send the full input instead");
  if (state?.previousId !== undefined) {
    return { ...unknown, param: "previous_response_id", code: "previous_response_not_found" };
  }
  if (state?.conversation === undefined) return undefined;
  return { ...unknown, param: "conversation", code: "conversation_not_found" };
}

function notFound(message: string): Failure {
  return { kind: "not_found", source: "client", message, retry: false };
}

function wrongMethod(method: string): Failure {
  return { kind: "method_not_allowed", source: "client", message: `Use POST instead of ${method}`, retry: false };
}

function notJson(): Failure {
  return invalid("The body is not a JSON object");
}

function cancelled(): Failure {
  return { kind: "cancelled", source: "client", message: "The client closed the request", retry: false };
}
