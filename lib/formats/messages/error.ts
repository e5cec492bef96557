/** Errors, both ways (TRANSLATION.md, section 5). */
import type { Failure, FailureKind } from "../../base/failure.ts";
import { defined, isObject, type JsonObject } from "../../base/fields.ts";
import { namedFrame } from "../../base/sse.ts";
import type { ErrorAnswer } from "../../format.ts";
import { overflowNumbers } from "../../translation/overflow.ts";

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
  return status === 409 || (status >= 500 && status <= 599) ? status : 500;
}

export function errorFrame(failure: Failure, requestId: string): string {
  return namedFrame("error", JSON.stringify(encodeError(failure, requestId).body));
}

/** Claude Code compacts its history only on these words. */
const OVERFLOW_WORDS = /prompt is too long|input length and `max_tokens` exceed context limit/i;

function messageOf(failure: Failure): string {
  const { kind, message } = failure;
  if (kind !== "context_length") return withPath(failure);
  if (OVERFLOW_WORDS.test(message)) return message;
  const { tokens, limit, outputTokens } = overflowNumbers(message);
  if (tokens === undefined || limit === undefined) return `prompt is too long: ${message}`;
  if (outputTokens !== undefined && tokens <= limit) {
    return `input length and \`max_tokens\` exceed context limit: ${tokens} + ${outputTokens} > ${limit}`;
  }
  return `prompt is too long: ${tokens} tokens > ${limit} maximum`;
}

/** This format has no member for the place: the API itself begins with it. An upstream's own words stay as they are. */
function withPath({ message, param, status }: Failure): string {
  return param === undefined || status !== undefined || message.includes(param) ? message : `${param}: ${message}`;
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
