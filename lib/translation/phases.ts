/**
 * OpenAI's models say of each message which phase of their turn it belongs to, and want to read it again (TRANSLATION.md,
 * 1.3). Clients whose messages have no place for it get it among what is sealed with the thinking before the message,
 * which they send back unchanged (1.4); on the way back it stands on the message again.
 */
import type { Losses } from "../format.ts";
import type { Issuer, Message, NeutralEvent, NeutralResponse, Opaque, Part, ReasoningPart } from "../neutral.ts";
import { NO_EVENTS, partKey, type Stage } from "./stage.ts";

/** The gateway's own: no family of models. */
export const PHASE_ISSUER: Issuer = "gateway:phase";

type PartEnd = Extract<NeutralEvent, { t: "part_end" }>;

/** Holds the end of thinking back until the next event, which may be a message that says its phase. */
export function openPhaseCarrier(losses: Losses): Stage {
  const thinking = new Set<number>();
  let held: PartEnd | undefined;
  return {
    lets: () => held === undefined,
    push(event) {
      if (event.t === "keepalive" || event.t === "usage") return [event];
      if (held === undefined && event.t !== "part_start" && event.t !== "part_end") return [event];
      if (event.t === "part_start" && held === undefined) losePhase(event.part, losses);
      const before = held === undefined ? NO_EVENTS : released(held, event, losses);
      held = undefined;
      if (event.t === "part_start" && event.part.kind === "reasoning") thinking.add(partKey(event));
      if (event.t !== "part_end" || !thinking.delete(partKey(event))) return [...before, event];
      held = event;
      return before;
    },
  };
}

function released(held: PartEnd, next: NeutralEvent, losses: Losses): NeutralEvent[] {
  const isNext = next.t === "part_start" && next.c === held.c;
  if (next.t === "part_start" && !isNext) losePhase(next.part, losses);
  const phase = isNext ? phaseOf(next.part) : undefined;
  return phase === undefined ? [held] : [{ t: "opaque", c: held.c, i: held.i, opaque: sealed(phase) }, held];
}

function losePhase(part: Part | undefined, losses: Losses): void {
  if (phaseOf(part) !== undefined) losses.add("phase", "no thinking stands before the message that could carry it");
}

function phaseOf(part: Part | undefined): string | undefined {
  return part?.kind === "text" || part?.kind === "refusal" ? part.item?.phase : undefined;
}

function sealed(phase: string): Opaque {
  return { issuer: PHASE_ISSUER, kind: "phase", value: phase };
}

/** The same for a whole answer. */
export function carryPhases(response: NeutralResponse, losses: Losses): NeutralResponse {
  const candidates = response.candidates.map((candidate) => ({
    ...candidate,
    parts: candidate.parts.map((part, index) => {
      if (candidate.parts[index - 1]?.kind !== "reasoning") losePhase(part, losses);
      const phase = part.kind === "reasoning" ? phaseOf(candidate.parts[index + 1]) : undefined;
      return phase === undefined ? part : { ...part, opaque: [...part.opaque ?? [], sealed(phase)] };
    }),
  }));
  return { ...response, candidates };
}

/** A client's messages with the phases that came back, on the texts that they were said of. */
export function restorePhases(messages: readonly Message[]): Message[] {
  return messages.map((message) =>
    message.parts.some(holdsPhase) ? { ...message, parts: restoredParts(message.parts) } : message
  );
}

function holdsPhase(part: Part): boolean {
  return part.kind === "reasoning" && part.opaque?.some((opaque) => opaque.kind === "phase") === true;
}

function restoredParts(parts: readonly Part[]): Part[] {
  let carrier: ReasoningPart | undefined;
  return parts.flatMap((part): Part[] => {
    if (part.kind === "reasoning") {
      if (!holdsPhase(part)) return [part];
      carrier = part;
      return withoutPhase(part);
    }
    const said = carrier;
    // It speaks of the message right behind it: the next one may be of another phase.
    carrier = undefined;
    const phase = said?.opaque?.find((opaque) => opaque.kind === "phase")?.value;
    if ((part.kind !== "text" && part.kind !== "refusal") || phase === undefined) return [part];
    return [{ ...part, item: { ...itemPath(said), ...part.item, phase } }];
  });
}

/** Where a loss of it is told: it stood there. */
function itemPath(carrier: Part | undefined): { path?: string } {
  return carrier?.path === undefined ? {} : { path: carrier.path };
}

function withoutPhase(part: ReasoningPart): Part[] {
  const { opaque = [], ...rest } = part;
  const others = opaque.filter(({ kind }) => kind !== "phase");
  if (others.length > 0) return [{ ...rest, opaque: others }];
  return part.text === "" ? [] : [rest];
}
