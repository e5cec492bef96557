/** Errors, both ways (TRANSLATION.md, section 5). */
import type { Failure, FailureKind } from "../../base/failure.ts";
import { isObject, type JsonObject } from "../../base/fields.ts";
import { namedFrame } from "../../base/sse.ts";
import type { ErrorAnswer } from "../../format.ts";
import { isContextOverflow, overflowNumbers } from "../../translation/overflow.ts";
import { defined } from "./wire.ts";

/** Status and type that this format's SDKs make their typed exceptions of. */
const ANSWERS: Readonly<Record<FailureKind, readonly [number, string]>> = {
  invalid_request: [400, "invalid_request_error"],
  unsupported: [400, "invalid_request_error"],
  context_length: [400, "invalid_request_error"],
  content_policy: [400, "invalid_request_error"],
  authentication: [401, "authentication_error"],
  upstream_auth: [502, "api_error"],
  billing: [402, "billing_error"],
  permission: [403, "permission_error"],
  not_found: [404, "not_found_error"],
  method_not_allowed: [405, "invalid_request_error"],
  too_large: [413, "request_too_large"],
  rate_limit: [429, "rate_limit_error"],
  overloaded: [529, "overloaded_error"],
  timeout: [504, "timeout_error"],
  upstream: [500, "api_error"],
  upstream_protocol: [502, "api_error"],
  upstream_cut: [502, "api_error"],
  internal: [500, "api_error"],
  cancelled: [499, "api_error"],
};

export function encodeError(failure: Failure, requestId: string): ErrorAnswer {
  const [status, type] = ANSWERS[failure.kind];
  const error = { type, message: messageOf(failure), ...defined({ details: detailsOf(failure) }) };
  return {
    status: failure.kind === "upstream" ? statusOfUpstream(failure) : status,
    body: { type: "error", error, request_id: requestId },
  };
}

/** What broke within the upstream keeps its status; where it never answered, the gateway's is a bad one. */
function statusOfUpstream({ status }: Failure): number {
  if (status === undefined) return 502;
  return status >= 500 && status <= 599 ? status : 500;
}

export function errorFrame(failure: Failure, requestId: string): string {
  return namedFrame("error", JSON.stringify(encodeError(failure, requestId).body));
}

/** Claude Code compacts its history only on these words. */
const OVERFLOW_WORDS = /prompt is too long|input length and `max_tokens` exceed context limit/i;

function messageOf(failure: Failure): string {
  const { kind, message } = failure;
  if (kind !== "context_length" || OVERFLOW_WORDS.test(message)) return message;
  const { tokens, limit, outputTokens } = overflowNumbers(message);
  if (tokens === undefined || limit === undefined) return `prompt is too long: ${message}`;
  if (outputTokens !== undefined && tokens <= limit) {
    return `input length and \`max_tokens\` exceed context limit: ${tokens} + ${outputTokens} > ${limit}`;
  }
  return `prompt is too long: ${tokens} tokens > ${limit} maximum`;
}

/** SDKs that keep a thread go on without one when they are told so in these words (CLIENTS.md). */
function detailsOf(failure: Failure): unknown {
  if (failure.details !== undefined) return failure.details;
  return failure.kind === "unsupported" && failure.param === "thread"
    ? { error_code: "thread_unsupported_request", unsupported: ["thread"] }
    : undefined;
}

export function isErrorBody(body: JsonObject): boolean {
  const error = body["error"];
  return body["type"] === "error" && isObject(error) && typeof error["type"] === "string" &&
    typeof error["message"] === "string";
}

/** `text` may be anything: this format's shape, another's, a proxy's page. */
export function decodeError(status: number, headers: Headers, text: string): Failure {
  const failure = decodeErrorObject(jsonOf(text), status, text);
  const retryHeaders = retryHeadersOf(headers);
  const wish = headers.get("x-should-retry");
  return {
    ...failure,
    ...(wish === null ? {} : { retry: wish === "true" }),
    ...(Object.keys(retryHeaders).length === 0 ? {} : { retryHeaders }),
  };
}

function jsonOf(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    const first: unknown = Array.isArray(value) ? value[0] : value;
    return isObject(first) ? first : {};
  } catch {
    return {};
  }
}

function retryHeadersOf(headers: Headers): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of ["retry-after", "retry-after-ms", "x-should-retry"]) {
    const value = headers.get(name);
    if (value !== null) found[name] = value;
  }
  return found;
}

/** An error object of a body or of an event, in which case there is no status. */
export function decodeErrorObject(body: JsonObject, status: number | undefined, text = ""): Failure {
  const error = isObject(body["error"]) ? body["error"] : body;
  const said = [error["message"], body["error"], body["message"], body["detail"]].find(isText);
  const message = said ?? plainText(text, status);
  const kind = kindOf(error, status, message);
  const code = error["code"];
  return {
    kind,
    source: SOURCES[kind] ?? "upstream",
    message: kind === "upstream_auth" ? REFUSED_KEY : message,
    retry: RETRIED.has(kind) || status === 409,
    ...defined({ status: status !== undefined && status >= 400 ? status : undefined }),
    ...(isText(code) && kind !== "upstream_auth" ? { code } : {}),
    ...(isObject(error["details"]) ? { details: error["details"] } : {}),
  };
}

/** The upstream's own words may hold a piece of the key. */
const REFUSED_KEY = "The upstream refused the gateway's credentials for this provider";

const SOURCES: Partial<Record<FailureKind, Failure["source"]>> = {
  invalid_request: "client",
  context_length: "client",
  content_policy: "client",
  too_large: "client",
  not_found: "client",
  upstream_auth: "gateway",
  permission: "gateway",
  billing: "gateway",
};

const RETRIED: ReadonlySet<FailureKind> = new Set(["rate_limit", "overloaded", "timeout", "upstream"]);

const KINDS: Readonly<Record<string, FailureKind>> = {
  invalid_request_error: "invalid_request",
  authentication_error: "upstream_auth",
  billing_error: "billing",
  insufficient_quota: "billing",
  permission_error: "permission",
  not_found_error: "not_found",
  request_too_large: "too_large",
  rate_limit_error: "rate_limit",
  overloaded_error: "overloaded",
  timeout_error: "timeout",
};

function kindOf(error: JsonObject, status: number | undefined, message: string): FailureKind {
  const type = error["type"];
  const kind = (typeof type === "string" ? KINDS[type] : undefined) ?? kindOfStatus(status);
  if (kind !== "invalid_request" && kind !== "too_large") return kind;
  if (isContextOverflow(`${message} ${String(error["code"] ?? "")}`)) return "context_length";
  if (/credit balance is too low/i.test(message)) return "billing";
  return /content filtering policy/i.test(message) ? "content_policy" : kind;
}

function kindOfStatus(status: number | undefined): FailureKind {
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
      return status !== undefined && status >= 400 && status < 500 ? "invalid_request" : "upstream";
  }
}

const MAX_EXCERPT = 500;

/** What a body that isn't JSON says; of a page nothing but that it is one. */
function plainText(text: string, status: number | undefined): string {
  const words = text.trim();
  const answered = status === undefined ? "The upstream reported an error" : `The upstream answered ${status}`;
  if (words === "") return answered;
  if (words.startsWith("<") || words.startsWith("{")) return `${answered} without saying why`;
  return `${answered}: ${words.slice(0, MAX_EXCERPT)}`;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
