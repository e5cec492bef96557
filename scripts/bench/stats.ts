/** Percentiles, medians, ratios. */

/** Counts values in buckets that are 1 % wide: percentiles without keeping every value. */
export class Histogram {
  readonly #buckets = new Map<number, number>();
  count = 0;
  max = 0;

  /** `value` in any unit; below `SMALLEST` all is one. */
  add(value: number): void {
    const bucket = value <= SMALLEST ? 0 : Math.ceil(Math.log(value / SMALLEST) / STEP);
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1);
    this.count++;
    if (value > this.max) this.max = value;
  }

  /** 0 where nothing was counted. */
  percentile(percent: number): number {
    let left = Math.ceil(this.count * percent / 100);
    for (const [bucket, count] of [...this.#buckets].sort(([a], [b]) => a - b)) {
      left -= count;
      if (left <= 0) return Math.min(this.max, SMALLEST * Math.exp(bucket * STEP));
    }
    return this.max;
  }
}

/** A microsecond, in milliseconds. */
const SMALLEST = 0.001;
const STEP = Math.log(1.01);

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** `share` from 0 to 1, between two values by their distance; NaN for none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] ?? NaN;
  const high = sorted[Math.ceil(at)] ?? NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** Median, and the lowest and the highest. */
export interface Spread {
  median: number;
  low: number;
  high: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), low: quantile(values, 0), high: quantile(values, 1) };
}

/** Three digits that count. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function shownSpread({ median, low, high }: Spread): string {
  return `${shown(median)} (${shown(low)}–${shown(high)})`;
}
