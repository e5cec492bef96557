/** Errors of this format: what clients' SDKs turn into their typed exceptions (TRANSLATION.md, 4.7 and section 5). */
import type { Failure } from "../../base/failure.ts";
import { dataFrame } from "../../base/sse.ts";
import { encodeOpenaiError } from "../../translation/openai_error.ts";

/** The error as an event; nothing may follow it. */
export function errorFrame(failure: Failure): string {
  return dataFrame(JSON.stringify(encodeOpenaiError(failure).body));
}
