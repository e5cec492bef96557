/**
 * Errors, both ways (TRANSLATION.md, section 5): what an upstream says in any of the shapes that servers of this format
 * use, and what clients' SDKs turn into their typed exceptions.
 */
import type { Failure, FailureKind } from "../../base/failure.ts";
import { isObject, type JsonObject } from "../../base/fields.ts";
import { dataFrame } from "../../base/sse.ts";
import type { ErrorAnswer } from "../../format.ts";
import { isContextOverflow } from "../../translation/overflow.ts";
import { defined, listOf, memberOf, textOf } from "./wire.ts";

const RETRY_HEADERS = ["retry-after", "retry-after-ms", "x-should-retry"] as const;
const RETRIED: ReadonlySet<FailureKind> = new Set<FailureKind>(["rate_limit", "overloaded", "timeout", "upstream"]);
const MAX_MESSAGE = 2000;

/** `text` is the body, of any shape, JSON or not. Keys that an upstream quotes don't come through. */
export function decodeError(status: number, headers: Headers, text: string): Failure {
  const retryHeaders: Record<string, string> = {};
  for (const name of RETRY_HEADERS) {
    const value = headers.get(name);
    if (value !== null && status >= 400) retryHeaders[name] = value;
  }
  const failure = failureOf(status, parsed(text) ?? plainText(status, text));
  return Object.keys(retryHeaders).length === 0 ? failure : { ...failure, retryHeaders };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A proxy's page says nothing that a caller could use; a short line may. */
function plainText(status: number, text: string): string {
  const trimmed = text.trim();
  const isPage = trimmed.startsWith("<");
  if (trimmed === "" || isPage) {
    return `The upstream answered with status ${status}${isPage ? " and a page of HTML" : ""}`;
  }
  return trimmed.slice(0, 300);
}

/** `status` is undefined for errors within a stream: there the body alone must tell. */
export function failureOf(status: number | undefined, body: unknown): Failure {
  const said = wordsOf(body);
  const seen = status ?? said.status;
  const kind = kindOf(seen, said);
  const message = kind === "upstream_auth" ? REFUSED_KEY : withoutKeys(said.message).slice(0, MAX_MESSAGE);
  return {
    kind,
    source: "upstream",
    message: message === ""
      ? `The upstream answered with ${seen === undefined ? "an error" : `status ${seen}`}`
      : message,
    retry: RETRIED.has(kind),
    ...defined({ status: seen, param: said.param, code: said.code }),
  };
}

/** OpenAI quotes a part of the key in its own text. */
const REFUSED_KEY = "The upstream refused the key that the gateway sent";
const KEY_LIKE = /\b(?:sk|pk|gsk|xai|key|AIza)[-_]?[A-Za-z0-9*_-]{12,}/g;

function withoutKeys(message: string): string {
  return message.replace(KEY_LIKE, "***");
}

/** What an error object says, whatever it calls its members. */
interface Words {
  message: string;
  type: string;
  code?: string;
  param?: string;
  /** The HTTP status that some write into the body. */
  status?: number;
}

function wordsOf(body: unknown): Words {
  if (typeof body === "string") return { message: body, type: "" };
  if (Array.isArray(body)) return wordsOf(body[0]);
  if (!isObject(body)) return { message: "", type: "" };
  const inner = isObject(body["error"]) ? body["error"] : body;
  const code = firstText(inner["code"], body["code"]);
  const param = textOf(inner["param"]);
  return {
    message: messageOf(inner, body),
    type: firstText(inner["type"], inner["status"]),
    ...defined({
      code: code === "" || /^\d+$/.test(code) ? undefined : code,
      param: param === "" ? undefined : param,
      status: statusOf(inner["status_code"], inner["code"], inner["status"], body["status"], body["code"]),
    }),
  };
}

function messageOf(inner: JsonObject, body: JsonObject): string {
  const message = firstText(inner["message"], body["error"], body["message"], inner["detail"], body["error_message"]) ||
    detailText(inner["detail"] ?? inner["message"]);
  // OpenRouter's own words say nothing, those of its provider stand beside them.
  const raw = textOf(memberOf(inner["metadata"], "raw"));
  return raw === "" || raw.length > 500 ? message : `${message}: ${raw}`;
}

/** The list of complaints that FastAPI servers send: `[{loc, msg}]`, also as `{detail: […]}`. */
function detailText(value: unknown): string {
  return listOf(isObject(value) ? value["detail"] : value).map((entry) => {
    const place = listOf(memberOf(entry, "loc")).join(".");
    return `${textOf(memberOf(entry, "msg"))}${place === "" ? "" : ` at ${place}`}`;
  }).filter((line) => line !== "").join("; ");
}

function firstText(...values: unknown[]): string {
  for (const value of values) if (typeof value === "string" && value !== "") return value;
  return "";
}

function statusOf(...values: unknown[]): number | undefined {
  for (const value of values) {
    const status = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : value;
    if (typeof status === "number" && status >= 400 && status <= 599) return status;
  }
  return undefined;
}

function kindOf(status: number | undefined, said: Words): FailureKind {
  const words = `${said.code ?? ""} ${said.type}`.toLowerCase();
  if (status === 401) return "upstream_auth";
  if (status === undefined || MAYBE_OVERFLOW.has(status)) {
    if (isContextOverflow(`${words} ${said.message}`)) return "context_length";
    if (REFUSES_KEY.test(`${words} ${said.message}`)) return "upstream_auth";
  }
  if (BILLING.test(words)) return "billing";
  if (CONTENT_POLICY.test(words)) return "content_policy";
  // Status 502 is also what the gateway puts on an error object that came with status 200.
  const byWords = status === undefined || status === 502 ? kindOfWords(words) : undefined;
  return byWords ?? (status === undefined ? "upstream" : kindOfStatus(status));
}

const MAYBE_OVERFLOW: ReadonlySet<number> = new Set([400, 413, 422, 500, 502]);
const REFUSES_KEY =
  /(?:incorrect|invalid|wrong|missing) api[ _-]?key|api key not valid|invalid_api_key|authentication_error/i;
const CONTENT_POLICY = /content_policy|content_filter|responsibleaipolicy|moderation_blocked/;
const BILLING = /insufficient_quota|billing|payment_required|insufficient_balance|insufficient credits/;

const KINDS_BY_WORD: readonly (readonly [RegExp, FailureKind])[] = [
  [/rate_?limit|too_many_requests|resource_exhausted/, "rate_limit"],
  [/overloaded|unavailable|capacity/, "overloaded"],
  [/timeout|deadline/, "timeout"],
  [/model_not_found|not_?found/, "not_found"],
  [/permission|forbidden/, "permission"],
  [/authentication|unauthorized|unauthenticated/, "upstream_auth"],
  [/invalid_request|badrequest|bad_request|invalid_argument|validation/, "invalid_request"],
];

function kindOfWords(words: string): FailureKind | undefined {
  return KINDS_BY_WORD.find(([pattern]) => pattern.test(words))?.[1];
}

const KINDS_BY_STATUS: Readonly<Record<number, FailureKind>> = {
  401: "upstream_auth",
  402: "billing",
  403: "permission",
  404: "not_found",
  408: "timeout",
  // Both are worth another try, as the SDKs know.
  409: "upstream",
  425: "upstream",
  413: "too_large",
  429: "rate_limit",
  498: "overloaded",
  503: "overloaded",
  504: "timeout",
  524: "timeout",
  529: "overloaded",
};

function kindOfStatus(status: number): FailureKind {
  return KINDS_BY_STATUS[status] ?? (status >= 500 ? "upstream" : "invalid_request");
}

interface Answered {
  status: number;
  type: string;
  /** Undefined: the failure's own, or null. */
  code?: string;
}

const INVALID = "invalid_request_error";
const SERVER = "server_error";

const ANSWERS: Readonly<Record<FailureKind, Answered>> = {
  invalid_request: { status: 400, type: INVALID },
  unsupported: { status: 400, type: INVALID },
  context_length: { status: 400, type: INVALID, code: "context_length_exceeded" },
  authentication: { status: 401, type: INVALID, code: "invalid_api_key" },
  upstream_auth: { status: 502, type: SERVER, code: "upstream_auth" },
  permission: { status: 403, type: INVALID, code: "permission_denied" },
  billing: { status: 429, type: "insufficient_quota", code: "insufficient_quota" },
  not_found: { status: 404, type: INVALID },
  method_not_allowed: { status: 405, type: INVALID, code: "method_not_allowed" },
  too_large: { status: 413, type: INVALID, code: "request_too_large" },
  rate_limit: { status: 429, type: "rate_limit_error", code: "rate_limit_exceeded" },
  overloaded: { status: 503, type: SERVER, code: "overloaded" },
  timeout: { status: 504, type: SERVER, code: "timeout" },
  content_policy: { status: 400, type: INVALID, code: "content_policy_violation" },
  upstream: { status: 502, type: SERVER },
  upstream_protocol: { status: 502, type: SERVER, code: "upstream_protocol" },
  upstream_cut: { status: 502, type: SERVER, code: "upstream_stream_cut" },
  internal: { status: 500, type: SERVER, code: "internal_error" },
  cancelled: { status: 499, type: SERVER, code: "cancelled" },
};

const DEFAULT_CODES: Partial<Record<FailureKind, string>> = {
  unsupported: "unsupported_parameter",
  not_found: "model_not_found",
};

export function encodeError(failure: Failure, _requestId: string): ErrorAnswer {
  const { status, type, code } = ANSWERS[failure.kind];
  return {
    status: failure.kind === "upstream" ? upstreamStatus(failure) : status,
    body: {
      error: {
        message: failure.message,
        type,
        param: failure.param ?? null,
        code: code ?? failure.code ?? DEFAULT_CODES[failure.kind] ?? null,
      },
    },
  };
}

/** An upstream's own 5xx stays what it is; what never got as far as a status is a bad gateway. */
function upstreamStatus({ status }: Failure): number {
  return status !== undefined && (status >= 500 || status === 409) && status <= 599 ? status : 502;
}

/** The error as an event; nothing may follow it (TRANSLATION.md, 4.7). */
export function errorFrame(failure: Failure, requestId: string): string {
  return dataFrame(JSON.stringify(encodeError(failure, requestId).body));
}

export function isErrorBody(body: JsonObject): boolean {
  const error = body["error"];
  return isObject(error) && typeof error["message"] === "string";
}
