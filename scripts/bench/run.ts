/**
 * `bun run bench`: the gateway against a bare proxy and a naive translator, interleaved, in one call. Linux, with Bun on
 * the PATH (and Deno, for its part). docs/PERFORMANCE.md says how to read it.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { Bench, type Settings } from "./bench.ts";
import type { Scenario } from "./compare.ts";
import { documentWith, type Kept, type Machine, tablesOf } from "./document.ts";
import { sectionText } from "./report.ts";
import { scenarios } from "./scenarios.ts";
import { ROOT } from "./servers.ts";

const HELP = `bun run bench [--only NAME,…] [--rounds N] [--seconds S] [--quick] [--out DIR] [--docs] [--list]

  --only     scenarios whose names begin so: pass-whole, pass, translate-stream, full-paced, idle, cold-start…
  --rounds   interleaved rounds (default 7)
  --seconds  of one measurement (default 1; more rounds are worth more than longer ones)
  --soak     seconds of the soak (default 120)
  --quick    about a minute: 3 short rounds of the main scenarios
  --out      writes results.json and tables.md there; what other scenarios have left there stays
  --docs     results.json to docs/performance, and the tables into docs/PERFORMANCE.md
  --list     the names of the scenarios
`;

interface Options {
  settings: Settings;
  only: string[];
  list: boolean;
  out: string | undefined;
  docs: boolean;
}

function readOptions(): Options {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({
    options: { only: text, rounds: text, seconds: text, soak: text, out: text, quick: flag, docs: flag, list: flag },
  });
  const isQuick = values.quick;
  return {
    settings: {
      rounds: Number(values.rounds ?? (isQuick ? 3 : 7)),
      seconds: Number(values.seconds ?? (isQuick ? 0.4 : 1)),
      soakSeconds: Number(values.soak ?? (isQuick ? 6 : 120)),
      isQuick,
    },
    only: values.only?.split(",").filter((name) => name !== "") ?? [],
    list: values.list,
    out: values.docs ? `${ROOT}docs/performance` : values.out,
    docs: values.docs,
  };
}

function chosen({ only, settings }: Options): Scenario[] {
  return scenarios().filter(({ name, isQuick = false }) =>
    only.length > 0 ? only.some((beginning) => name.startsWith(beginning)) : !settings.isQuick || isQuick
  );
}

function outputOf(command: string, ...args: string[]): string {
  return spawnSync(command, args, { cwd: ROOT, encoding: "utf8" }).stdout?.split("\n", 1)[0] ?? "";
}

function machineOf(): Machine {
  return {
    cpu: cpus()[0]?.model ?? "",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: release(),
    bun: outputOf("bun", "--version"),
    deno: outputOf("deno", "--version"),
    commit: outputOf("git", "rev-parse", "--short", "HEAD"),
  };
}

/** Runs what was chosen; a scenario that fails is told of and doesn't hold up the others. */
async function runAll(list: readonly Scenario[], settings: Settings): Promise<Kept[]> {
  const machine = machineOf();
  const command = `bun run bench ${process.argv.slice(2).join(" ")}`.trim();
  const bench = await Bench.open(settings);
  const kept: Kept[] = [];
  try {
    for (const { name, run } of list) {
      try {
        const section = await run(bench);
        kept.push({ ...section, at: new Date().toISOString(), command, machine });
        process.stdout.write(sectionText(section));
      } catch (error) {
        process.exitCode = 1;
        process.stdout.write(`${name} failed: ${error instanceof Error ? error.message : error}\n\n`);
      }
    }
  } finally {
    await bench.close();
  }
  return kept;
}

/** With what earlier runs left there, in the order of the scenarios. */
function write(out: string, fresh: readonly Kept[]): Kept[] {
  mkdirSync(out, { recursive: true });
  const file = join(out, "results.json");
  const before = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) as Kept[] : [];
  const order = scenarios().map(({ name }) => name);
  const stale = before.filter(({ name }) => order.includes(name) && !fresh.some((section) => section.name === name));
  const all = [...stale, ...fresh].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  const sections = all.map((section) => JSON.stringify(section));
  writeFileSync(file, `[\n${sections.join(",\n")}\n]\n`);
  return all;
}

function writeDocs(sections: readonly Kept[]): void {
  const file = `${ROOT}docs/PERFORMANCE.md`;
  writeFileSync(file, documentWith(readFileSync(file, "utf8"), sections));
}

const options = readOptions();
const list = chosen(options);
if (options.list) {
  process.stdout.write(`${list.map(({ name }) => name).join("\n")}\n`);
} else if (list.length === 0) {
  process.stderr.write(HELP);
  process.exitCode = 2;
} else {
  const fresh = await runAll(list, options.settings);
  const all = options.out === undefined ? fresh : write(options.out, fresh);
  if (options.docs) writeDocs(all);
  else if (options.out !== undefined) writeFileSync(join(options.out, "tables.md"), tablesOf(all));
}
