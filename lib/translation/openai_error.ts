/** Errors as OpenAI's APIs write them, chat and responses alike (TRANSLATION.md, section 5, column A/C). */
import type { Failure, FailureKind } from "../base/failure.ts";
import { isObject, type JsonObject } from "../base/fields.ts";
import type { ErrorAnswer } from "../format.ts";

interface Shape {
  status: number;
  type: string;
  code: string | null;
}

const INVALID = "invalid_request_error";
const SERVER = "server_error";

const SHAPES: Readonly<Record<FailureKind, Shape>> = {
  invalid_request: { status: 400, type: INVALID, code: null },
  unsupported: { status: 400, type: INVALID, code: "unsupported_parameter" },
  context_length: { status: 400, type: INVALID, code: "context_length_exceeded" },
  authentication: { status: 401, type: INVALID, code: "invalid_api_key" },
  upstream_auth: { status: 502, type: SERVER, code: "upstream_auth" },
  permission: { status: 403, type: INVALID, code: "permission_denied" },
  billing: { status: 429, type: "insufficient_quota", code: "insufficient_quota" },
  not_found: { status: 404, type: INVALID, code: "model_not_found" },
  method_not_allowed: { status: 405, type: INVALID, code: "method_not_allowed" },
  too_large: { status: 413, type: INVALID, code: "request_too_large" },
  rate_limit: { status: 429, type: "rate_limit_error", code: "rate_limit_exceeded" },
  overloaded: { status: 503, type: SERVER, code: "overloaded" },
  timeout: { status: 504, type: SERVER, code: "timeout" },
  content_policy: { status: 400, type: INVALID, code: "content_policy_violation" },
  upstream: { status: 502, type: SERVER, code: null },
  upstream_protocol: { status: 502, type: SERVER, code: "upstream_protocol" },
  upstream_cut: { status: 502, type: SERVER, code: "upstream_stream_cut" },
  internal: { status: 500, type: SERVER, code: "internal_error" },
  cancelled: { status: 499, type: SERVER, code: "cancelled" },
};

/** Kinds whose own code would only hide a more telling one of the upstream's or ours. */
const CODED: ReadonlySet<FailureKind> = new Set([
  "invalid_request",
  "unsupported",
  "not_found",
  "permission",
  "content_policy",
  "upstream",
]);

export function encodeOpenaiError(failure: Failure): ErrorAnswer {
  return { status: statusOf(failure), body: { error: openaiErrorObject(failure) } };
}

/** `{message, type, param, code}`, and `details` where the gateway itself has more to say of the request. */
export function openaiErrorObject(failure: Failure): JsonObject {
  const { type, code } = SHAPES[failure.kind];
  const details = failure.source === "client" && failure.details !== undefined ? { details: failure.details } : {};
  return {
    message: failure.message,
    type,
    param: failure.param ?? null,
    code: (CODED.has(failure.kind) ? failure.code : undefined) ?? code,
    ...details,
  };
}

/** An upstream's own 5xx stays what it is; what never got as far as a status is a bad gateway. */
function statusOf({ kind, status }: Failure): number {
  const isOwn = kind === "upstream" && status !== undefined && (status >= 500 || status === 409) && status <= 599;
  return isOwn ? status : SHAPES[kind].status;
}

/** Whether a body is an error in this shape. Answers of the Responses API hold `error` beside their own `object`. */
export function isOpenaiErrorBody(body: JsonObject): boolean {
  const { error } = body;
  return isObject(error) && typeof error["message"] === "string" && body["object"] !== "response";
}
