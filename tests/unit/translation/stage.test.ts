import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import fc from "fast-check";
import { Losses } from "../../../lib/format.ts";
import type { NeutralEvent, Part } from "../../../lib/neutral.ts";
import { openStopWitness } from "../../../lib/translation/assumed_stop.ts";
import { openSignatureCarrier } from "../../../lib/translation/call_signatures.ts";
import { openObserver } from "../../../lib/translation/carry.ts";
import { openPhaseCarrier } from "../../../lib/translation/phases.ts";
import { openRestore } from "../../../lib/translation/restore.ts";
import { openSequencer } from "../../../lib/translation/sequencer.ts";
import type { Stage } from "../../../lib/translation/stage.ts";
import { args, begin, call, done, END, finish, run, signature, START, text, thinking } from "../../support/neutral.ts";

const TEXT: Part = { kind: "text", text: "", item: { phase: "commentary" } };
const PARTS: readonly Part[] = [thinking(""), TEXT, call("c", "named"), call("d", "raw")];

/** A part's own events, in order: what it says, and maybe a signature right after its beginning. */
function eventsOf(i: number, part: Part, deltas: readonly string[], isSigned: boolean): NeutralEvent[] {
  const said = deltas.map((delta): NeutralEvent =>
    part.kind === "tool_call"
      ? args(i, delta)
      : part.kind === "text"
      ? text(i, delta)
      : { t: "reasoning", c: 0, i, delta }
  );
  const signed: NeutralEvent[] = isSigned ? [{ t: "opaque", c: 0, i, opaque: signature("s") }] : [];
  return [begin(i, part), ...signed, ...said, done(i)];
}

/** Streams whose parts overlap in any way. */
const anyStream = fc.tuple(
  fc.array(
    fc.tuple(fc.constantFrom(...PARTS), fc.array(fc.constantFrom("a", '{"input":"', "b\\n", '"}')), fc.boolean()),
    {
      maxLength: 4,
    },
  ),
  fc.infiniteStream(fc.nat(3)),
).map(([parts, choices]) => {
  const waiting = parts.map(([part, deltas, isSigned], i) => eventsOf(i, part, deltas, isSigned));
  const events: NeutralEvent[] = [START];
  while (waiting.some((left) => left.length > 0)) {
    const begun = waiting[choices.next().value as number];
    events.push(...begun?.splice(0, 1) ?? []);
  }
  return [...events, finish(), END];
});

/** As a feed does it: asked first, pushed where it isn't let through. */
function asked(stage: Stage): Stage {
  return { push: (event) => "delta" in event && stage.lets?.(event) === true ? [event] : stage.push(event) };
}

const CUSTOM = { name: "patch", toolKind: "custom" as const };
const STAGES: Readonly<Record<string, (told: unknown[]) => Stage>> = {
  witness: () => openStopWitness(new Losses()),
  restore: () => openRestore(new Map([["raw", CUSTOM]])),
  signatures: () => openSignatureCarrier(),
  phases: () => openPhaseCarrier(new Losses()),
  observer: (told) => openObserver((parts) => told.push(structuredClone(parts))),
  sequencer: () => openSequencer(),
};

describe("what a stage lets through", () => {
  for (const [name, open] of Object.entries(STAGES)) {
    test(`${name}: is what it would have given back, and leaves it in the same state`, () => {
      fc.assert(fc.property(anyStream, (events) => {
        const [told, toldAsked]: unknown[][] = [[], []];
        const pushed = run(open(told ?? []), events);
        assert.deepEqual(run(asked(open(toldAsked ?? [])), events), pushed);
        assert.deepEqual(toldAsked, told);
      }));
    });
  }
});
