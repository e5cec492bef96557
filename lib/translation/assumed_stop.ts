/** Answers that end without a reason: one is assumed, and it is said (TRANSLATION.md, 4.5). */
import type { Losses } from "../format.ts";
import type { Stop } from "../neutral.ts";
import type { Stage } from "./stage.ts";

export function openStopWitness(losses: Losses): Stage {
  return {
    lets: () => true,
    push(event) {
      if (event.t === "finish") loseAssumed(event.stop, losses);
      return [event];
    },
  };
}

export function loseAssumed(stop: Stop, losses: Losses): void {
  if (stop.assumed === true) losses.add("finish_reason", "the upstream gave none: it is told by what the answer holds");
}
