/** What a scenario gives back, and what is made of it: samples of each round, and verdicts on their ratios. */
import type { Figures } from "./bench.ts";
import { type Spread, spreadOf } from "./stats.ts";

export interface Sample {
  variant: string;
  /** From 0. */
  round: number;
  figures: Figures;
}

export interface Verdict {
  what: string;
  /** Over the rounds: each round's ratio (or difference, or value) by itself. */
  spread: Spread;
  /** Undefined: reported only. */
  limit?: { atMost: number } | { atLeast: number };
  unit: string;
}

export interface Section {
  name: string;
  title: string;
  /** Figures to show, with the heads of their columns. */
  columns: Readonly<Record<string, string>>;
  samples: Sample[];
  verdicts: Verdict[];
}

/** What to say of the samples. `against`: another variant of the same round. */
export interface Claim {
  figure: string;
  of: string;
  against?: string;
  /** Where there is an `against`. */
  by?: "ratio" | "difference";
  limit?: Verdict["limit"];
  unit?: string;
}

export function judge(claim: Claim, samples: readonly Sample[]): Verdict {
  const { figure, of, against, by = "ratio", limit, unit } = claim;
  const values: number[] = [];
  for (const sample of samples.filter(({ variant }) => variant === of)) {
    const own = sample.figures[figure] ?? NaN;
    const base = samples.find(({ variant, round }) => variant === against && round === sample.round)?.figures[figure];
    if (against === undefined) values.push(own);
    else if (base !== undefined) values.push(by === "ratio" ? own / base : own - base);
  }
  const versus = against === undefined ? "" : by === "ratio" ? ` / ${against}` : ` − ${against}`;
  return {
    what: `${of}${versus}`,
    spread: spreadOf(values),
    ...(limit === undefined ? {} : { limit }),
    unit: unit ?? (against !== undefined && by === "ratio" ? "×" : ""),
  };
}

/** Undefined where there is no limit. */
export function isMet({ limit, spread }: Verdict): boolean | undefined {
  if (limit === undefined) return undefined;
  return "atMost" in limit ? spread.median <= limit.atMost : spread.median >= limit.atLeast;
}
