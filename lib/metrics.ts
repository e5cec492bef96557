/** Counters and gauges, printed in Prometheus' text format (version 0.0.4). Label values come from closed lists. */

type Labels = Readonly<Record<string, string>>;

export class Metrics {
  readonly #counters = new Map<string, Map<string, number>>();
  readonly #gauges = new Map<string, () => number>();

  add(name: string, labels: Labels = {}, by = 1): void {
    let series = this.#counters.get(name);
    if (series === undefined) this.#counters.set(name, series = new Map());
    const key = labelText(labels);
    series.set(key, (series.get(key) ?? 0) + by);
  }

  gauge(name: string, read: () => number): void {
    this.#gauges.set(name, read);
  }

  /** The sum over all labels. */
  total(name: string): number {
    let sum = 0;
    for (const value of this.#counters.get(name)?.values() ?? []) sum += value;
    return sum;
  }

  print(): string {
    const lines: string[] = [];
    for (const [name, series] of this.#counters) {
      lines.push(`# TYPE ${name} counter`);
      for (const [labels, value] of series) lines.push(`${name}${labels} ${value}`);
    }
    for (const [name, read] of this.#gauges) lines.push(`# TYPE ${name} gauge`, `${name} ${read()}`);
    return `${lines.join("\n")}\n`;
  }
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
