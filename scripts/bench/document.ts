/** docs/PERFORMANCE.md: a frame by hand, tables from the results. */
import { sectionMarkdown, summaryMarkdown } from "./report.ts";
import type { Section } from "./sections.ts";

export interface Machine {
  cpu: string;
  cores: number;
  memoryGb: number;
  kernel: string;
  bun: string;
  deno: string;
  commit: string;
}

/** A section with when and how it came about. */
export interface Kept extends Section {
  at: string;
  command: string;
  machine: Machine;
}

const BEGIN = "<!-- made by bun run bench --docs: begin -->";
const END = "<!-- end -->";

/** `text` with new tables between the two marks. Throws where there are none. */
export function documentWith(text: string, sections: readonly Kept[]): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error(`No place for the tables: expected ${BEGIN} and ${END}`);
  return `${text.slice(0, begin + BEGIN.length)}\n\n${tablesOf(sections)}\n${text.slice(end)}`;
}

export function tablesOf(sections: readonly Kept[]): string {
  const machines = [...new Set(sections.map(({ machine }) => machineLine(machine)))];
  const runs = [
    ...new Set(
      sections.map(({ at, command, machine }) => `- ${at.slice(0, 10)}, commit ${machine.commit}: \`${command}\``),
    ),
  ];
  return [
    `${machines.join("\n")}\n`,
    `${runs.join("\n")}\n`,
    "## Targets\n",
    summaryMarkdown(sections),
    "## Figures\n",
    ...sections.map(sectionMarkdown),
  ].join("\n");
}

function machineLine({ cpu, cores, memoryGb, kernel, bun, deno }: Machine): string {
  return `${cores} × ${cpu}, ${memoryGb} GB, Linux ${kernel}; Bun ${bun}, ${deno === "" ? "no Deno" : deno}.`;
}
