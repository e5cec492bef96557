/** What stands between a decoder and an encoder of a stream (TRANSLATION.md, 1.2 and 4.5). */
import type { NeutralEvent } from "../neutral.ts";

/**
 * One step in the way of a stream: an event in, none or more out, at once and in order. It gets every event of one
 * stream, keeps the decoders' guarantees (`NeutralEvent`), throws nothing, and never changes an event that it was given.
 * The iterable must be used up before the next `push`.
 */
export interface Stage {
  push(event: NeutralEvent): Iterable<NeutralEvent>;
  /**
   * Asked first, once a token: true where `push` would have given this very event back, and all is done that it would
   * have done. Absent: never.
   */
  lets?(event: DeltaEvent): boolean;
}

/** Events that bring text to an open part. */
export type DeltaEvent = Extract<NeutralEvent, { delta: string }>;

/** Events that belong to one part. */
export type PartEvent = Extract<NeutralEvent, { i: number }>;

export const NO_EVENTS: readonly NeutralEvent[] = [];

/** A part's name in maps: candidate and index. A number, since one is asked for with each token. */
export function partKey({ c, i }: { c: number; i: number }): number {
  return c * MAX_PARTS + i;
}

/** More than any answer has, and so few that keys stay exact for millions of candidates. */
const MAX_PARTS = 2 ** 32;
