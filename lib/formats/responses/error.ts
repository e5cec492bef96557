/** Errors, both ways (TRANSLATION.md, section 5, column A/C). */
import type { Failure, FailureKind } from "../../base/failure.ts";
import { isObject, type JsonObject } from "../../base/fields.ts";
import { namedFrame } from "../../base/sse.ts";
import type { ErrorAnswer } from "../../format.ts";
import { isContextOverflow } from "../../translation/overflow.ts";

interface Shape {
  status: number;
  type: string;
  code: string | null;
}

const SHAPES: Readonly<Record<FailureKind, Shape>> = {
  invalid_request: { status: 400, type: "invalid_request_error", code: null },
  unsupported: { status: 400, type: "invalid_request_error", code: "unsupported_parameter" },
  context_length: { status: 400, type: "invalid_request_error", code: "context_length_exceeded" },
  authentication: { status: 401, type: "invalid_request_error", code: "invalid_api_key" },
  upstream_auth: { status: 502, type: "server_error", code: "upstream_auth" },
  permission: { status: 403, type: "invalid_request_error", code: "permission_denied" },
  billing: { status: 429, type: "insufficient_quota", code: "insufficient_quota" },
  not_found: { status: 404, type: "invalid_request_error", code: "model_not_found" },
  method_not_allowed: { status: 405, type: "invalid_request_error", code: "method_not_allowed" },
  too_large: { status: 413, type: "invalid_request_error", code: "request_too_large" },
  rate_limit: { status: 429, type: "rate_limit_error", code: "rate_limit_exceeded" },
  overloaded: { status: 503, type: "server_error", code: "overloaded" },
  timeout: { status: 504, type: "server_error", code: "timeout" },
  content_policy: { status: 400, type: "invalid_request_error", code: "content_policy_violation" },
  upstream: { status: 502, type: "server_error", code: "upstream_error" },
  upstream_protocol: { status: 502, type: "server_error", code: "upstream_protocol" },
  upstream_cut: { status: 502, type: "server_error", code: "upstream_stream_cut" },
  internal: { status: 500, type: "server_error", code: "internal_error" },
  cancelled: { status: 499, type: "server_error", code: "cancelled" },
};

/** Kinds whose own code would only hide a more telling one of the upstream's or ours. */
const CODED: ReadonlySet<FailureKind> = new Set([
  "invalid_request",
  "unsupported",
  "not_found",
  "permission",
  "content_policy",
]);

function codeOf(failure: Failure): string | null {
  return (CODED.has(failure.kind) ? failure.code : undefined) ?? SHAPES[failure.kind].code;
}

/** An upstream's own 5xx stays what it is; what never got as far as a status is a bad gateway. */
function statusOf({ kind, status }: Failure): number {
  const isOwn = kind === "upstream" && status !== undefined && ((status >= 500 && status < 600) || status === 409);
  return isOwn ? status : SHAPES[kind].status;
}

export function errorObject(failure: Failure): JsonObject {
  return {
    message: failure.message,
    type: SHAPES[failure.kind].type,
    param: failure.param ?? null,
    code: codeOf(failure),
  };
}

export function encodeError(failure: Failure): ErrorAnswer {
  return { status: statusOf(failure), body: { error: errorObject(failure) } };
}

/**
 * The event that ends a broken stream, in both shapes at once: the SDKs raise on the nested one that the real API sends,
 * others read the flat one that its documentation shows (TRANSLATION.md, 4.7).
 */
export function errorEvent(failure: Failure, sequenceNumber: number): string {
  const error = errorObject(failure);
  return namedFrame(
    "error",
    JSON.stringify({
      type: "error",
      sequence_number: sequenceNumber,
      code: error["code"],
      message: error["message"],
      param: error["param"],
      error,
    }),
  );
}

/** `code` and `message` of a failed response; the types' own words where they have one. */
export function responseError(failure: Failure): { code: string; message: string } {
  const code = failure.kind === "billing" ? "insufficient_quota" : IN_BAND_CODES.get(failure.kind);
  return { code: code ?? "server_error", message: failure.message };
}

const IN_BAND_CODES: ReadonlyMap<FailureKind, string> = new Map([
  ["rate_limit", "rate_limit_exceeded"],
  ["context_length", "context_length_exceeded"],
  ["invalid_request", "invalid_prompt"],
  ["unsupported", "invalid_prompt"],
  ["content_policy", "invalid_prompt"],
  ["billing", "insufficient_quota"],
]);

/** What an upstream's error said, whatever its shape. */
interface Told {
  message: string;
  type: string;
  code: string;
  param: string | undefined;
}

/** `text` may be of any shape: the vendor's JSON, another server's, HTML, nothing. */
export function decodeError(status: number, headers: Headers, text: string): Failure {
  const told = toldIn(text);
  const code = Number(told.code);
  // A body of 200 may still be an error, and some servers write its status into it.
  const actual = status < 400 && code >= 400 && code < 600 ? code : status;
  const kind = kindOf(actual, told);
  const failure = failureOf(kind, told, actual);
  const retryHeaders = retryHeadersOf(headers);
  return retryHeaders === undefined ? failure : { ...failure, retryHeaders };
}

/** An error object within an answer or a stream of status 200. */
export function failureOfErrorObject(value: unknown): Failure {
  const told = isObject(value) ? toldInObject(value) : { message: "", type: "", code: "", param: undefined };
  const status = Number(told.code);
  const actual = status >= 400 && status < 600 ? status : 200;
  return failureOf(kindOf(actual, told), told, actual === 200 ? undefined : actual);
}

function failureOf(kind: FailureKind, told: Told, status: number | undefined): Failure {
  const code = told.code === "" || /^\d+$/.test(told.code) ? undefined : told.code;
  return {
    kind,
    source: "upstream",
    message: messageOf(kind, told, status),
    retry: RETRIED.has(kind),
    ...(status === undefined || status < 400 ? {} : { status }),
    ...(told.param === undefined || kind === "upstream_auth" ? {} : { param: told.param }),
    ...(code === undefined ? {} : { code }),
  };
}

const RETRIED: ReadonlySet<FailureKind> = new Set(["rate_limit", "overloaded", "timeout", "upstream"]);

/** Providers repeat pieces of a refused key: its message is never passed on. */
function messageOf(kind: FailureKind, told: Told, status: number | undefined): string {
  if (kind === "upstream_auth") return "The provider refused the gateway's credentials";
  if (told.message !== "") return redacted(told.message);
  return status === undefined
    ? "The upstream failed without saying why"
    : `The upstream answered with status ${status}`;
}

function redacted(message: string): string {
  return message.replace(/\b(sk|pk|xai|gsk|key|Bearer)([-_ ])[A-Za-z0-9*_-]{8,}/g, "$1$2***");
}

const MAX_MESSAGE = 2000;

function toldIn(text: string): Told {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return {
      message: /^\s*</.test(text) ? "" : text.trim().slice(0, MAX_MESSAGE),
      type: "",
      code: "",
      param: undefined,
    };
  }
  if (Array.isArray(value)) value = value[0];
  return isObject(value) ? toldInObject(value) : { message: "", type: "", code: "", param: undefined };
}

/** `{error: {…}}`, `{error: "…"}`, `{message}`, `{detail}`, or the error object itself. */
function toldInObject(value: JsonObject): Told {
  const inner = value["error"];
  if (isObject(inner)) return toldInObject(inner);
  const message = [value["message"], inner, value["detail"]].find((text) => typeof text === "string");
  return {
    message: typeof message === "string" ? message.slice(0, MAX_MESSAGE) : "",
    type: wordOf(value["type"]),
    code: wordOf(value["code"]),
    param: typeof value["param"] === "string" ? value["param"] : undefined,
  };
}

function wordOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function kindOf(status: number, told: Told): FailureKind {
  return kindOfWords(status, told) ?? kindOfStatus(status);
}

/** Codes and messages that say more than the status, or that come without one. */
function kindOfWords(status: number, told: Told): FailureKind | undefined {
  const { type, code, message } = told;
  if (code === "insufficient_quota" || type === "insufficient_quota") return "billing";
  if (code === "invalid_api_key" || code === "invalid_authentication" || type === "authentication_error") {
    return "upstream_auth";
  }
  if (status < 500 && status !== 429 && BAD_KEY.test(message)) return "upstream_auth";
  if (status < 500 && status !== 429 && isContextOverflow(`${code} ${type} ${message}`)) return "context_length";
  const telling = KINDS_OF_WORDS.get(code) ?? KINDS_OF_WORDS.get(type);
  // 502 is also what an error in an answer of status 200 is taken for.
  return telling ?? (status < 400 || status === 502 ? VAGUE.get(code) ?? VAGUE.get(type) : undefined);
}

const BAD_KEY = /(?:incorrect|invalid|missing) api key|api key (?:is )?(?:not valid|invalid|incorrect)/i;

const KINDS_OF_WORDS: ReadonlyMap<string, FailureKind> = new Map([
  ["rate_limit_exceeded", "rate_limit"],
  ["rate_limit_error", "rate_limit"],
  ["content_policy_violation", "content_policy"],
  ["content_filter", "content_policy"],
  ["model_not_found", "not_found"],
  ["not_found_error", "not_found"],
  ["server_overloaded", "overloaded"],
  ["overloaded_error", "overloaded"],
  ["overloaded", "overloaded"],
  ["permission_error", "permission"],
  ["permission_denied", "permission"],
  ["timeout", "timeout"],
]);

/** Words that say less than a status does. */
const VAGUE: ReadonlyMap<string, FailureKind> = new Map([
  ["invalid_prompt", "invalid_request"],
  ["invalid_request_error", "invalid_request"],
]);

function kindOfStatus(status: number): FailureKind {
  switch (status) {
    case 401:
      return "upstream_auth";
    case 402:
      return "billing";
    case 403:
      return "permission";
    case 404:
      return "not_found";
    case 408:
    case 504:
      return "timeout";
    case 413:
      return "too_large";
    case 429:
      return "rate_limit";
    case 503:
    case 529:
      return "overloaded";
    default:
      return status >= 400 && status < 500 ? "invalid_request" : "upstream";
  }
}

const RETRY_HEADERS = ["retry-after", "retry-after-ms", "x-should-retry"];

function retryHeadersOf(headers: Headers): Record<string, string> | undefined {
  let found: Record<string, string> | undefined;
  for (const name of RETRY_HEADERS) {
    const value = headers.get(name);
    if (value !== null) (found ??= {})[name] = value;
  }
  return found;
}

/** Whether a body is an error in this API's own shape. Answers hold `error: null`. */
export function isErrorBody(body: JsonObject): boolean {
  const { error } = body;
  return isObject(error) && typeof error["message"] === "string" && body["object"] !== "response";
}
