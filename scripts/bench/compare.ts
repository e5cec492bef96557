/** The usual scenario: the same load on several servers, interleaved round by round, compared by one figure. */
import type { Bench, Pressure } from "./bench.ts";
import { type Claim, judge, type Sample, type Section } from "./sections.ts";
import type { ServerSpec, Started } from "./servers.ts";
import type { Variant } from "./variants.ts";

export interface Scenario {
  /** For `--only`, which takes the beginning of it. */
  name: string;
  run(bench: Bench): Promise<Section>;
  /** Part of `--quick`. */
  isQuick?: boolean;
}

export interface Comparison {
  name: string;
  title: string;
  pressure: Pressure;
  variants: readonly Variant[];
  columns: Section["columns"];
  claims: readonly Claim[];
  /** Times the usual duration: paced streams cost little CPU a second, which is counted in hundredths of a second. */
  longer?: number;
  isQuick?: boolean;
  /** Of each variant, before its first round. */
  warmUpSeconds?: number;
}

/** The JIT takes its time, the more of it the more code there is; a gateway runs for days. */
const FIRST_WARM_UP_SECONDS = 8;
const QUICK_WARM_UP_SECONDS = 2;
const WARM_UP_SECONDS = 0.2;

export function compare(comparison: Comparison): Scenario {
  const { name, isQuick = false } = comparison;
  return { name, isQuick, run: (bench) => runComparison(comparison, bench) };
}

async function runComparison(comparison: Comparison, bench: Bench): Promise<Section> {
  const { rounds, seconds, isQuick } = bench.settings;
  const firstSeconds = isQuick ? QUICK_WARM_UP_SECONDS : FIRST_WARM_UP_SECONDS;
  const { name, title, pressure, variants, columns, claims, longer = 1, warmUpSeconds = firstSeconds } = comparison;
  const servers = new Servers(bench);
  const samples: Sample[] = [];
  try {
    for (const { server, request } of variants) {
      await bench.warmUp(await servers.get(server), request, pressure, warmUpSeconds);
    }
    for (let round = 0; round < rounds; round++) {
      for (const { name, server, request } of rotated(variants, round)) {
        const started = await servers.get(server);
        await bench.warmUp(started, request, pressure, WARM_UP_SECONDS);
        samples.push({
          variant: name,
          round,
          figures: await bench.measure(started, request, pressure, seconds * longer),
        });
      }
    }
  } finally {
    await servers.stop();
  }
  samples.sort((a, b) => a.round - b.round);
  return { name, title, columns, samples, verdicts: claims.map((claim) => judge(claim, samples)) };
}

/** Each round begins with another one, so that none always follows the same. */
export function rotated<T>(list: readonly T[], by: number): T[] {
  const at = by % Math.max(1, list.length);
  return [...list.slice(at), ...list.slice(0, at)];
}

/** One process for each spec, however many variants use it. */
class Servers {
  readonly #started = new Map<string, Started>();

  constructor(readonly bench: Bench) {}

  async get(spec: ServerSpec): Promise<Started> {
    const key = JSON.stringify(spec);
    const known = this.#started.get(key);
    if (known !== undefined) return known;
    const fresh = await this.bench.start(spec);
    this.#started.set(key, fresh);
    return fresh;
  }

  async stop(): Promise<void> {
    for (const started of this.#started.values()) await started.stop();
  }
}
