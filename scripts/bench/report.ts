/** Sections as text for a terminal and as Markdown for docs/PERFORMANCE.md. */
import { isMet, type Section, type Verdict } from "./sections.ts";
import { shown, shownSpread, spreadOf } from "./stats.ts";

/** One row a variant: median of each column over the rounds, with the lowest and highest of the first. */
function rowsOf({ columns, samples }: Section): string[][] {
  const names = [...new Set(samples.map(({ variant }) => variant))];
  const rows = names.map((name) => {
    const own = samples.filter(({ variant }) => variant === name);
    const cells = Object.keys(columns).map((figure, at) => {
      const spread = spreadOf(own.map(({ figures }) => figures[figure] ?? NaN));
      return at === 0 && own.length > 1 ? shownSpread(spread) : shown(spread.median);
    });
    return [name, ...cells];
  });
  return [["", ...Object.values(columns)], ...rows];
}

function verdictLine(verdict: Verdict): string {
  const { what, spread, limit, unit } = verdict;
  const met = isMet(verdict);
  const target = limit === undefined
    ? "reported only"
    : "atMost" in limit
    ? `target ≤ ${limit.atMost}`
    : `target ≥ ${limit.atLeast}`;
  return `${met === undefined ? "·" : met ? "✓" : "✗"} ${what}: ${shownSpread(spread)} ${unit}, ${target}`;
}

/** Faulty answers don't pass in silence. */
function faultsLine({ samples }: Section): string[] {
  const faults = samples.reduce((sum, { figures }) => sum + (figures["faults"] ?? 0), 0);
  return faults === 0 ? [] : [`✗ ${faults} answers were faulty`];
}

const QUIET_CORES = 0.2;

/** What else needed the machine: medians over all measurements. A generator near one core is the bottleneck. */
function noiseLine({ samples }: Section): string[] {
  const [load, mock, others] = ["loadCores", "mockCores", "otherCores"].map((figure) =>
    spreadOf(samples.flatMap(({ figures }) => figures[figure] ?? [])).median
  );
  if (load === undefined || mock === undefined || others === undefined || Number.isNaN(others)) return [];
  const warning = others > QUIET_CORES ? "; times and rates say little on so busy a machine" : "";
  return [`· cores used by load: ${shown(load)}, mock: ${shown(mock)}, others: ${shown(others)}${warning}`];
}

export function sectionText(section: Section): string {
  const rows = rowsOf(section);
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => (row[at] ?? "").length)));
  const lines = rows.map((row) =>
    row.map((cell, at) => at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)).join("  ")
  );
  const notes = [...section.verdicts.map(verdictLine), ...faultsLine(section), ...noiseLine(section)];
  return `${section.title}  [${section.name}]\n${[...lines, ...notes].map((line) => `  ${line}`).join("\n")}\n\n`;
}

export function sectionMarkdown(section: Section): string {
  const [head = [], ...rows] = rowsOf(section);
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const table = [line(head), line(head.map(() => "---")), ...rows.map(line)];
  const notes = [...section.verdicts.map(verdictLine), ...faultsLine(section), ...noiseLine(section)];
  return `### ${section.title}\n\n${table.join("\n")}\n\n${notes.map((note) => `- ${note}`).join("\n")}\n`;
}

/** Every claim with a target, at one sight. */
export function summaryMarkdown(sections: readonly Section[]): string {
  const rows = sections.flatMap((section) =>
    section.verdicts.filter(({ limit }) => limit !== undefined).map((verdict) => {
      const { what, spread, limit, unit } = verdict;
      const target = limit === undefined ? "" : "atMost" in limit ? `≤ ${limit.atMost}` : `≥ ${limit.atLeast}`;
      return `| ${section.title} | ${what} | ${target} | ${shownSpread(spread)} ${unit} | ${
        isMet(verdict) ? "✓" : "✗"
      } |`;
    })
  );
  return ["| | figure | target | median (lowest–highest) | |", "| --- | --- | --- | --- | --- |", ...rows, ""].join(
    "\n",
  );
}
