/**
 * Compactions: what stands in a conversation for all that came before (TRANSLATION.md, 1.3). Makers seal theirs; the
 * text of one, where there is any, is what models of other makers can read.
 */
import type { Losses } from "../format.ts";
import type { CompactionPart, Issuer, Message, NeutralRequest, Opaque, Part } from "../neutral.ts";

/** A compaction for models that can't read it as such. */
export function summaryText(summary: string): string {
  return `Summary of the conversation so far: ${summary}`;
}

/** Whose value it is when the text of a compaction travels beside, or instead of, what its maker sealed. */
const SUMMARY: Issuer = "gateway:summary";

/** A compaction's values and its text, where the client's format has a place for sealed values alone. */
export function sealSummary(text: string | undefined, opaques: readonly Opaque[]): Opaque[] {
  return text === undefined || text === ""
    ? [...opaques]
    : [...opaques, { issuer: SUMMARY, kind: "compaction", value: text }];
}

/** The text that `sealSummary` put among the values, and the others. */
export function openSummary(opaques: readonly Opaque[]): { text?: string; opaque: Opaque[] } {
  const summary = opaques.find(({ issuer }) => issuer === SUMMARY);
  const opaque = opaques.filter(({ issuer }) => issuer !== SUMMARY);
  return summary === undefined ? { opaque } : { text: summary.value, opaque };
}

/**
 * The conversation with the newest compaction that a model of `family` can use, and no older one. Where the client's
 * format leaves what stands before it unread, that goes too: it may well be longer than any model can read.
 */
export function fromNewestCompaction(request: NeutralRequest, family: string, losses: Losses): Message[] {
  const { messages } = request;
  const parts = messages.flatMap((message) => message.parts);
  const newest = parts.findLast((part) => part.kind === "compaction" && isReadable(part, family));
  if (newest === undefined) return messages;
  const place = messages.findIndex((message) => message.parts.includes(newest));
  return messages.flatMap((message, index) => {
    const isBefore = index < place && request.compactionReplaces === true;
    if (isBefore) {
      losses.add(message.path ?? "messages", REPLACED);
      return [];
    }
    return index > place ? [message] : [withoutReplaced(message, newest, request, losses)];
  });
}

const REPLACED = "a compaction after it stands for it";

function isReadable({ text = "", opaque = [] }: CompactionPart, family: string): boolean {
  return text !== "" || opaque.some(({ issuer }) => issuer === family);
}

function withoutReplaced(message: Message, newest: Part, request: NeutralRequest, losses: Losses): Message {
  const place = message.parts.indexOf(newest);
  const isReplaced = (part: Part, index: number): boolean =>
    part !== newest && (part.kind === "compaction" || (request.compactionReplaces === true && index < place));
  const replaced = message.parts.filter(isReplaced);
  if (replaced.length === 0) return message;
  for (const part of replaced) losses.add(part.path ?? message.path ?? "messages", REPLACED);
  return { ...message, parts: message.parts.filter((part) => !replaced.includes(part)) };
}
