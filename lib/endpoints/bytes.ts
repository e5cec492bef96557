/**
 * Images, audio, files, batches and the like: who serves a request is found by the model that it names, else it is the
 * default provider's. Its bytes pass; only the model's name is exchanged where the config has another for it.
 */
import { servedModels } from "../admin.ts";
import { fail, type Failure, invalid, type Result, success, unsupported } from "../base/failure.ts";
import { replaceAt, scanObject, type Span, valueOrNothing } from "../base/json.ts";
import { boundaryOf, findField } from "../base/multipart.ts";
import { Upload, uploadTooLarge } from "../base/upload.ts";
import { explainBytes, passBytes, type Passing } from "../bytes.ts";
import type { Provider } from "../config.ts";
import {
  abortWith,
  answer,
  callerFormat,
  type Endpoint,
  type Exchange,
  type Handled,
  notFound,
  readBytes,
  refuse,
} from "../exchange.ts";
import type { ByteApi, Format } from "../format.ts";
import { FORMATS } from "../formats/mod.ts";
import { FAMILY_OF_FORMAT } from "../providers.ts";
import { type Route, route, routeTo } from "../router.ts";
import { handled, wantsExplanation } from "./inference.ts";

const METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH"] as const;

/** All methods at each of the patterns. */
export function bytesAt(api: ByteApi, ...patterns: string[]): Endpoint[] {
  return patterns.flatMap((pattern) =>
    METHODS.map((method) => ({ method, pattern, handle: (exchange: Exchange) => pass(exchange, api) }))
  );
}

/** APIs whose JSON names a model; that of the others is not looked into, and so never held. */
const NAMING: ReadonlySet<ByteApi> = new Set(["images", "audio", "moderations", "rerank", "fine_tuning"]);

/** A body, and the model's name in it. */
interface Found {
  body: Passing["body"];
  model?: string;
  /** The body with another name. */
  renamed?: (model: string) => Passing["body"];
}

async function pass(exchange: Exchange, api: ByteApi): Promise<Handled> {
  const shape = callerFormat(exchange);
  if (!exchange.path.slice(1).split("/").every(isPlain)) return refuse(exchange, notFound(exchange), shape);
  const abort = abortWith(exchange.request);
  const found = await findModel(exchange, api, abort);
  if (!found.ok) return refuse(exchange, found.failure, shape);
  const { model, renamed } = found.value;
  const routed = served(exchange, shape, api, model);
  if (!routed.ok) {
    letGo(found.value.body);
    return refuse(exchange, routed.failure, shape);
  }
  const target = routed.value;
  const isRenamed = renamed !== undefined && model !== target.model;
  const body = isRenamed ? renamed(target.model) : found.value.body;
  return await carryOut(exchange, passingOf(exchange, { ...shape, api }, target, model ?? "", body, abort));
}

async function carryOut(exchange: Exchange, passing: Passing): Promise<Handled> {
  const { upstream } = exchange;
  if (wantsExplanation(exchange)) {
    letGo(passing.body);
    return answer(exchange, explainBytes(passing));
  }
  return handled(passing.call, passing.route, await passBytes(passing, upstream));
}

function passingOf(
  { services, request, requestId, path, url }: Exchange,
  client: Format,
  target: Route,
  model: string,
  body: Passing["body"],
  abort: AbortController,
): Passing {
  const call = {
    config: services.config,
    client,
    requestId,
    headers: request.headers,
    bytes: new Uint8Array(0),
    members: new Map(),
    model,
    stream: false,
    strict: false,
    memory: services.memory,
    abort,
  };
  return { call, route: target, method: request.method, path: path + withoutKeys(url.search), body };
}

/** Nothing that a server behind could take for a way out of its path: no dots alone, no slash however it is written. */
function isPlain(segment: string): boolean {
  try {
    return /^(?!\.+$)[\w.:@~+=,-]+$/.test(decodeURIComponent(segment));
  } catch {
    return false;
  }
}

/** A client's credential may stand in its query as well as in its headers. */
function withoutKeys(search: string): string {
  const kept = search.slice(1).split("&").filter((pair) => !KEY_NAME.test(unescaped(pair.replace(/=.*/s, ""))));
  return kept.join("&") === "" ? "" : `?${kept.join("&")}`;
}

const KEY_NAME = /^(?:key|(?:x-)?api[-_]?key|access_token)$/i;

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function letGo(body: Passing["body"]): void {
  if (body instanceof Upload) body.cancel();
}

async function findModel(exchange: Exchange, api: ByteApi, abort: AbortController): Promise<Result<Found>> {
  const { request, services } = exchange;
  if (request.body === null || request.method === "GET") return success({ body: undefined });
  const type = request.headers.get("content-type") ?? "";
  if (NAMING.has(api) && /^application\/(?:[\w.-]+\+)?json\b/i.test(type)) return await inJson(exchange);
  const length = request.headers.get("content-length");
  const { maxUploadBytes: maxBytes, timeouts } = services.config;
  if (Number(length ?? 0) > maxBytes) return fail(uploadTooLarge(maxBytes));
  const declared = length === null ? undefined : Number(length);
  const limits = { maxBytes, idleMs: timeouts.idleMs, declared };
  const upload = new Upload(request.body, limits, () => abort.abort());
  const boundary = request.headers.has("content-encoding") ? undefined : boundaryOf(type);
  return boundary === undefined ? success({ body: upload }) : await inForm(upload, boundary);
}

async function inJson(exchange: Exchange): Promise<Result<Found>> {
  const read = await readBytes(exchange);
  if (!read.ok) return read;
  const bytes = read.value;
  // Some calls are a POST of nothing.
  if (bytes.length === 0) return success({ body: bytes });
  const members = scanObject(bytes);
  if (!members.ok) return members;
  const span = members.value.get("model");
  const model = span === undefined ? undefined : stringAt(bytes, span);
  if (span === undefined || model === undefined) return success({ body: bytes });
  return success({ body: bytes, model, renamed: (name) => replaceAt(bytes, span, JSON.stringify(name)) });
}

function stringAt(bytes: Uint8Array, span: Span): string | undefined {
  const value = valueOrNothing(bytes, span);
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** How far into a form its model is looked for: a form is never held. */
const PEEK_BYTES = 64 * 1024;

async function inForm(upload: Upload, boundary: string): Promise<Result<Found>> {
  const field = await upload.peek(PEEK_BYTES, (beginning) => {
    const span = findField(beginning, boundary, "model");
    return span && { span, model: new TextDecoder().decode(beginning.subarray(span.start, span.end)) };
  });
  if (upload.failure !== undefined) return fail(upload.failure);
  if (field === undefined || field.model === "") return success({ body: upload });
  const renamed = (name: string): Upload => {
    upload.replace(field.span, name);
    return upload;
  };
  return success({ body: upload, model: field.model, renamed });
}

/** By the model that is named; by default where none is, or one that no rule knows. */
function served(exchange: Exchange, shape: Format, api: ByteApi, model: string | undefined): Result<Route> {
  const { config } = exchange.services;
  if (model === undefined && config.modelsOnly && NAMING.has(api) && exchange.request.method === "POST") {
    return fail(
      invalid(`Expected a model: only those of the config are served (in a form, before its files)`, "model"),
    );
  }
  const routed = model === undefined ? undefined : route(config, model, () => servedModels(config));
  if (routed?.ok === true) return speaks(routed.value.provider, shape) ? routed : fail(mute(routed.value, shape));
  if (routed !== undefined && config.modelsOnly) return routed;
  const isMessages = shape === FORMATS.messages;
  const key = isMessages ? "default_messages_provider" : "default_provider";
  const provider = isMessages ? config.defaultMessagesProvider : config.defaultProvider;
  if (provider !== undefined) return success(routeTo(config, provider, model ?? "", key, "report"));
  return routed ?? fail(noDefault(exchange, api, key));
}

/** Chat and responses are of one maker, whose other APIs have one shape. */
function speaks({ formats }: Provider, { name }: Format): boolean {
  return formats.some((format) => FAMILY_OF_FORMAT[format] === FAMILY_OF_FORMAT[name]);
}

function mute({ provider }: Route, shape: Format): Failure {
  const message =
    `Provider "${provider.name}" speaks ${provider.formats.join(", ")} and has no such API in the shape ` +
    `of ${shape.name}; ask for a model of another provider`;
  return unsupported(message, "model");
}

function noDefault({ path, request }: Exchange, api: ByteApi, key: string): Failure {
  // The classic slip: `curl -d` without the header that says what it sends.
  const isForm = request.headers.get("content-type")?.startsWith("application/x-www-form-urlencoded") === true;
  const where = NAMING.has(api) && isForm ? ", as JSON by its content-type or in a multipart form" : "";
  return {
    ...invalid(
      `This request names no model${where}, so nobody is known to serve ${path}; set ${key} in the gateway's config`,
    ),
    code: "no_default_provider",
  };
}
