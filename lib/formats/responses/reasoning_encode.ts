/** How much the model is to think, neutral → `reasoning` (TRANSLATION.md, 2.7). */
import { defined, type JsonObject } from "../../base/fields.ts";
import type { Target } from "../../format.ts";
import type { Effort, Reasoning } from "../../neutral.ts";
import { clipEffort, type EffortBudgets, effortOfBudget } from "../../translation/effort.ts";
import { carryExtra, clientName, dropField, type Encoding } from "./encoding.ts";

/** Whether encrypted reasoning may come back. */
export function modelReasons(target: Target): boolean {
  return target.capabilities.thinking !== "none";
}

export function encodeReasoning(encoding: Encoding): JsonObject | undefined {
  const { request, isOwn } = encoding;
  const reasoning = request.reasoning;
  if (reasoning === undefined) return undefined;
  const extra = carryExtra(encoding, reasoning.extra, clientName(request, "reasoning"));
  if (isOwn) return defined({ effort: reasoning.effort, summary: reasoning.display, ...extra });
  if (!modelReasons(encoding.target)) {
    if (reasoning.mode !== "off") dropField(encoding, "reasoning", "the model doesn't reason");
    return undefined;
  }
  const members = defined({ effort: encodeEffort(encoding, reasoning), summary: encodeSummary(reasoning) });
  return Object.keys(members).length > 0 ? members : undefined;
}

function encodeEffort(encoding: Encoding, reasoning: Reasoning): Effort | undefined {
  const taken = encoding.target.capabilities.efforts;
  const asked = askedEffort(reasoning, encoding.target.capabilities.effortBudgets);
  if (asked === undefined) return undefined;
  if (reasoning.mode === "between_tools") {
    dropField(encoding, "reasoning", "responses can't bind reasoning to the time between tools");
  }
  if (asked === "none" && taken !== undefined && !taken.includes("none")) {
    dropField(encoding, "reasoning", "the model always reasons: asked for its lowest effort");
  }
  return clipEffort(asked, taken);
}

/** What another format says in modes and budgets. */
function askedEffort(reasoning: Reasoning, budgets: EffortBudgets | undefined): Effort | undefined {
  if (reasoning.mode === "off") return "none";
  if (reasoning.effort !== undefined) return reasoning.effort;
  switch (reasoning.mode) {
    case "budget":
      return effortOfBudget(reasoning.budgetTokens ?? 0, budgets);
    case "adaptive":
    case "between_tools":
      return "high";
    case "default":
      return undefined;
    default:
      return reasoning.mode satisfies never;
  }
}

/** A client that thinks to show it wants a summary: this format has nothing else to show. */
function encodeSummary(reasoning: Reasoning): string | undefined {
  switch (reasoning.display) {
    case "auto":
    case "concise":
    case "detailed":
      return reasoning.display;
    case "summarized":
    case "full":
      return reasoning.mode === "off" ? undefined : "auto";
    case "omitted":
      return undefined;
    case undefined:
      return reasoning.mode === "off" || reasoning.mode === "default" ? undefined : "auto";
    default:
      return reasoning.display satisfies never;
  }
}
