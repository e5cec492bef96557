/** Google's signatures on tool calls, `extra_content.google.thought_signature` (TRANSLATION.md, 1.3 and 2.8; case 18). */
import type { JsonObject } from "../../base/fields.ts";
import type { Target } from "../../format.ts";
import { memberOf, textOf } from "./wire.ts";

export const GOOGLE = "google";

/** Models before the third generation check no signatures. */
const UNCHECKED = /gemini-[12](?:\D|$)/;

export function wantsSignedCalls({ family, model }: Target): boolean {
  return family === GOOGLE && !UNCHECKED.test(model);
}

export function signatureOf(call: JsonObject): string {
  return textOf(memberOf(memberOf(call["extra_content"], GOOGLE), "thought_signature"));
}

export function signedBy(signature: string): JsonObject {
  return { extra_content: { [GOOGLE]: { thought_signature: signature } } };
}

/** What Google takes in place of a signature on calls that its models didn't make. */
const EXCUSE = "skip_thought_signature_validator";

/** One step's calls, the first of them with a signature or with the word that excuses it. */
export function signedOrExcused(calls: readonly JsonObject[]): JsonObject[] {
  return calls.map((call, index) => index > 0 || signatureOf(call) !== "" ? call : { ...call, ...signedBy(EXCUSE) });
}
