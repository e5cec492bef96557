/** The cost of one piece of work as a ratio to another's in the same process, in a form that a busy machine can't spoil. */

/** Something that is run over and over; `units`: what one run goes through (events, bytes, tools). */
export interface Work {
  units: number;
  run(): unknown;
}

export interface Measured {
  /** Nanoseconds per unit of the work and of what it is held against: the least of all rounds. */
  ns: number;
  againstNs: number;
  /** Of those two. */
  ratio: number;
}

/**
 * Short enough that some slices are not broken into by others that share the machine, which is why the least counts. CPU
 * time would leave them out too, but some kernels count it by ticks longer than this.
 */
const SLICE_NS = 2e6;

/** One slice: as many runs as `times` says. Works that wait are waited for. */
async function slice({ run }: Work, times: number): Promise<number> {
  const since = performance.now();
  for (let i = 0; i < times; i++) {
    const running = run();
    if (running instanceof Promise) await running;
  }
  return (performance.now() - since) * 1e6;
}

/** Runs until a slice is long enough to be told from the clock's own steps; that warms it up as well. */
async function timesOf(work: Work): Promise<number> {
  for (let times = 1;; times *= 2) {
    if (await slice(work, times) >= SLICE_NS) return times;
  }
}

/** Yields after each round what all rounds so far say. */
export async function* rounds(work: Work, against: Work): AsyncGenerator<Measured> {
  const [times, againstTimes] = [await timesOf(work), await timesOf(against)];
  let ns = Infinity;
  let againstNs = Infinity;
  for (;;) {
    ns = Math.min(ns, await slice(work, times) / (times * work.units));
    againstNs = Math.min(againstNs, await slice(against, againstTimes) / (againstTimes * against.units));
    yield { ns, againstNs, ratio: ns / againstNs };
  }
}

/** The least that `count` rounds say. */
export async function measure(work: Work, against: Work, count: number): Promise<Measured> {
  let last: Measured = { ns: NaN, againstNs: NaN, ratio: NaN };
  for await (const measured of rounds(work, against)) {
    last = measured;
    if (--count <= 0) break;
  }
  return last;
}

const LEAST_ROUNDS = 7;
/** Some seconds: on a busy machine the JIT takes as long before it has compiled what is measured. */
const MOST_ROUNDS = 800;

/** Measures until the ratio is within the bound, so that noise has many rounds to fail in and a slow code has none. */
export async function measureWithin(work: Work, against: Work, bound: number): Promise<Measured> {
  let round = 0;
  for await (const measured of rounds(work, against)) {
    round++;
    if (round >= MOST_ROUNDS || (round >= LEAST_ROUNDS && measured.ratio <= bound)) return measured;
  }
  throw new Error("rounds never end");
}
