/** Reasoning effort and thinking budgets: the tables of TRANSLATION.md, 2.7. */
import { type Effort, EFFORTS } from "../neutral.ts";

const BUDGETS: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 1024,
  low: 2048,
  medium: 8192,
  high: 16_384,
  xhigh: 24_576,
  max: 32_000,
};

/** A config's own numbers for some of the efforts. */
export type EffortBudgets = Readonly<Partial<Record<Effort, number>>>;

/** Tokens to think with, for models that take a budget. */
export function budgetOfEffort(effort: Effort, own: EffortBudgets = {}): number {
  return own[effort] ?? BUDGETS[effort];
}

export function effortOfBudget(budgetTokens: number, own: EffortBudgets = {}): Effort {
  const word = (["low", "medium", "high"] as const).find((effort) => budgetTokens <= budgetOfEffort(effort, own));
  return word ?? "xhigh";
}

/** The smallest budget that the messages format takes. */
const MIN_BUDGET_TOKENS = 1024;

/**
 * A budget that fits into `maxTokens` (both count reasoning inside it): at most 80 % of it, at least 1,024; undefined
 * where there is no room to think.
 */
export function clipBudget(budgetTokens: number, maxTokens: number): number | undefined {
  if (maxTokens < 2 * MIN_BUDGET_TOKENS) return undefined;
  return Math.max(MIN_BUDGET_TOKENS, Math.min(budgetTokens, Math.floor(maxTokens * 0.8), maxTokens - 1));
}

/** The nearest word that the model takes: itself, else the next weaker one, else the weakest of the list. */
export function clipEffort(effort: Effort, taken: readonly Effort[] | undefined): Effort {
  if (taken === undefined || taken.includes(effort)) return effort;
  for (let i = EFFORTS.indexOf(effort) - 1; i >= 0; i--) {
    const weaker = EFFORTS[i];
    if (weaker !== undefined && weaker !== "none" && taken.includes(weaker)) return weaker;
  }
  return taken.find((word) => word !== "none") ?? effort;
}

export function isEffort(value: unknown): value is Effort {
  return (EFFORTS as readonly unknown[]).includes(value);
}
