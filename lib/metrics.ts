/** Counters and gauges, printed in Prometheus' text format (version 0.0.4). Label values come from closed lists. */

type Labels = Readonly<Record<string, string>>;

/** What all counters and gauges say at one moment, as JSON can carry it to another process. */
export interface Snapshot {
  /** Name → labels as they are printed → value. */
  counters: Readonly<Record<string, Readonly<Record<string, number>>>>;
  gauges: Readonly<Record<string, Gauge>>;
}

export interface Gauge {
  value: number;
  /** Each worker tells of the same thing: it isn't summed. */
  isShared: boolean;
}

export const EMPTY_SNAPSHOT: Snapshot = { counters: {}, gauges: {} };

export class Metrics {
  readonly #counters = new Map<string, Map<string, number>>();
  readonly #gauges = new Map<string, { read: () => number; isShared: boolean }>();

  add(name: string, labels: Labels = {}, by = 1): void {
    let series = this.#counters.get(name);
    if (series === undefined) this.#counters.set(name, series = new Map());
    const key = labelText(labels);
    series.set(key, (series.get(key) ?? 0) + by);
  }

  gauge(name: string, read: () => number, isShared = false): void {
    this.#gauges.set(name, { read, isShared });
  }

  /** The sum over all labels. */
  total(name: string): number {
    let sum = 0;
    for (const value of this.#counters.get(name)?.values() ?? []) sum += value;
    return sum;
  }

  snapshot(): Snapshot {
    const counters = [...this.#counters].map(([name, series]) => [name, Object.fromEntries(series)] as const);
    const gauges = [...this.#gauges].map(([name, { read, isShared }]) => [name, { value: read(), isShared }] as const);
    return { counters: Object.fromEntries(counters), gauges: Object.fromEntries(gauges) };
  }
}

/** All together: sums, and of what is shared the largest. */
export function mergeSnapshots(snapshots: readonly Snapshot[]): Snapshot {
  const counters: Record<string, Record<string, number>> = {};
  const gauges: Record<string, Gauge> = {};
  for (const snapshot of snapshots) {
    for (const [name, series] of Object.entries(snapshot.counters)) {
      const sums = counters[name] ??= {};
      for (const [labels, value] of Object.entries(series)) sums[labels] = (sums[labels] ?? 0) + value;
    }
    for (const [name, gauge] of Object.entries(snapshot.gauges)) gauges[name] = bothGauges(gauges[name], gauge);
  }
  return { counters, gauges };
}

function bothGauges(one: Gauge | undefined, other: Gauge): Gauge {
  if (one === undefined) return other;
  const value = other.isShared ? Math.max(one.value, other.value) : one.value + other.value;
  return { ...other, value };
}

export function printSnapshot({ counters, gauges }: Snapshot): string {
  const lines: string[] = [];
  for (const [name, series] of Object.entries(counters)) {
    lines.push(`# TYPE ${name} counter`);
    for (const [labels, value] of Object.entries(series)) lines.push(`${name}${labels} ${value}`);
  }
  for (const [name, { value }] of Object.entries(gauges)) lines.push(`# TYPE ${name} gauge`, `${name} ${value}`);
  return `${lines.join("\n")}\n`;
}

function labelText(labels: Labels): string {
  let text = "";
  for (const key in labels) {
    const value = labels[key] as string;
    const plain = UNSOUND.test(value) ? value.replace(/["\\\n]/g, "_") : value;
    text += `${text === "" ? "{" : ","}${key}="${plain}"`;
  }
  return text === "" ? "" : `${text}}`;
}

const UNSOUND = /["\\\n]/;
