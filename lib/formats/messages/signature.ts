/** Signatures and encrypted data between thinking blocks and neutral parts (TRANSLATION.md, 1.3 and 1.4). */
import type { Issuer, Opaque, ReasoningPart } from "../../neutral.ts";
import { isEnvelope, openedOrBroken, sealEnvelope } from "../../translation/envelope.ts";
import { NATIVE_ISSUER } from "./wire.ts";

type Kind = "signature" | "redacted" | "compaction";

/** What a `signature`, `data` or `encrypted_content` holds. A broken envelope holds what nobody can read. */
export function opaquesOf(value: string | undefined, kind: Kind, issuer: Issuer): Opaque[] {
  if (value === undefined || value === "") return [];
  return isEnvelope(value) ? openedOrBroken(value, kind) : [{ issuer, kind, value }];
}

/** The string that carries `opaques` to a client and back: Anthropic's own value as it is, others in an envelope. */
export function carrierOf(opaques: readonly Opaque[], kind: Kind): string {
  const [only] = opaques;
  if (only === undefined) return "";
  // An id beside the value (chat's reasoning_details) has no other place to travel in.
  const native = opaques.length === 1 && only.issuer === NATIVE_ISSUER && only.kind === kind && only.id === undefined;
  return native ? only.value : sealEnvelope(opaques);
}

/**
 * The signature of a thinking block. Thinking that nobody signed has an envelope with nothing in it: clients drop what
 * is unsigned (the AI SDK), and a real provider refuses it where an envelope is taken out before.
 */
export function signatureOf(opaques: readonly Opaque[]): string {
  return opaques.length === 0 ? sealEnvelope([]) : carrierOf(opaques, "signature");
}

/** Encrypted data comes with a summary of the thinking, a signature with the thinking itself. */
export function formOf(opaques: readonly Opaque[], text: string): ReasoningPart["form"] {
  if (text === "" && opaques.length > 0 && opaques.every((opaque) => opaque.kind === "redacted")) return "redacted";
  return opaques.some((opaque) => opaque.kind === "encrypted") ? "summary" : "full";
}
