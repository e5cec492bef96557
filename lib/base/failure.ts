/**
 * What can go wrong, as a value. Nothing that is expected is thrown: functions return a `Result`, streams carry a
 * failure as an event, and a thrown error is a bug that the gateway catches once and answers as `internal`.
 */

/** Closed list; each format's `error.ts` maps it to its own status, type and code (TRANSLATION.md, section 5). */
export type FailureKind =
  | "invalid_request"
  | "unsupported"
  | "context_length"
  | "authentication"
  | "upstream_auth"
  | "permission"
  | "billing"
  | "not_found"
  | "method_not_allowed"
  | "too_large"
  | "rate_limit"
  | "overloaded"
  | "timeout"
  | "content_policy"
  | "upstream"
  | "upstream_protocol"
  | "upstream_cut"
  | "internal"
  | "cancelled";

export interface Failure {
  kind: FailureKind;
  /** Where it arose. */
  source: "client" | "gateway" | "upstream";
  /** For the caller: what, where, how to mend it. Never holds a key. */
  message: string;
  /** Whether the same request may succeed when sent again. */
  retry: boolean;
  /** The upstream's own HTTP status, where there was one. */
  status?: number;
  /** Path of the offending field in the client's body, such as `messages[2].content`. */
  param?: string;
  /** The upstream's or our own machine-readable code, where it says more than the kind. */
  code?: string;
  /** Headers that clients' retry logic reads: `retry-after`, `retry-after-ms`, `x-should-retry`. */
  retryHeaders?: Record<string, string>;
  /** Extra members of the error object that a client acts upon: `error.details`. */
  details?: unknown;
  /** For the log alone. */
  cause?: unknown;
}

export type Result<T> = { ok: true; value: T } | { ok: false; failure: Failure };

export function success<T>(value: T): Result<T> {
  return { ok: true, value };
}

export function fail(failure: Failure): { ok: false; failure: Failure } {
  return { ok: false, failure };
}

/** The client's body is wrong: 400 in its own format. */
export function invalid(message: string, param?: string): Failure {
  return {
    kind: "invalid_request",
    source: "client",
    message,
    retry: false,
    ...(param === undefined ? {} : { param }),
  };
}

/** The request is fine but can't be carried to this upstream without changing its meaning: 400, never a guess. */
export function unsupported(message: string, param: string): Failure {
  return { kind: "unsupported", source: "client", message, retry: false, param };
}

/** `key`: the one of the gateway's config that sets the limit. */
export function tooLarge(maxBytes: number, key: string, what = "The body"): Failure {
  return {
    kind: "too_large",
    source: "client",
    message: `${what} is larger than ${maxBytes} bytes; the gateway's ${key} sets this limit`,
    retry: false,
  };
}

/** The upstream sent something that isn't its format: 502. */
export function protocolFault(message: string, cause?: unknown): Failure {
  return {
    kind: "upstream_protocol",
    source: "upstream",
    message,
    retry: true,
    ...(cause === undefined ? {} : { cause }),
  };
}

/** The upstream's answer ended before it was complete: 502, or an error event once the stream has begun. */
export function cutOff(message = "The upstream closed the stream before it was complete"): Failure {
  return { kind: "upstream_cut", source: "upstream", message, retry: true };
}
