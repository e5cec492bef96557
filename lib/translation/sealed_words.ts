/**
 * Thinking in words beside what seals it, for clients that send back sealed values alone: the AI SDK's Responses provider
 * drops the text of a reasoning item, and both DeepSeek and Anthropic need it back.
 */
import type { Issuer, Opaque } from "../neutral.ts";

/** Whose value the words are: no model is of this family. */
const WORDS: Issuer = "gateway:words";

export function sealWords(words: string, opaques: readonly Opaque[]): Opaque[] {
  return words === "" ? [...opaques] : [...opaques, { issuer: WORDS, kind: "signature", value: words }];
}

/** The words that `sealWords` put among the values, and the others. */
export function openWords(opaques: readonly Opaque[]): { words: string; opaque: Opaque[] } {
  const words = opaques.find(({ issuer }) => issuer === WORDS)?.value ?? "";
  return { words, opaque: opaques.filter(({ issuer }) => issuer !== WORDS) };
}
