/** Errors, both ways (TRANSLATION.md, section 5, column A/C). */
import type { Failure, FailureKind } from "../../base/failure.ts";
import { namedFrame } from "../../base/sse.ts";
import { openaiErrorObject } from "../../translation/openai_error.ts";

/**
 * The event that ends a broken stream, in both shapes at once: the SDKs raise on the nested one that the real API sends,
 * others read the flat one that its documentation shows (TRANSLATION.md, 4.7).
 */
export function errorEvent(failure: Failure, sequenceNumber: number): string {
  const error = openaiErrorObject(failure);
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
