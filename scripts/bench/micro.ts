/**
 * `bun run bench:micro [PART OF A NAME]…`: what the hot parts cost, and as a ratio to a loop that does the least of the
 * same in the same process. `--bounds`: the table of `micro/bounds.ts` anew, by what this machine says. `--check costs`,
 * `--check growth`: the exit code tells whether those ratios are within their bounds.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { BOUNDS } from "./micro/bounds.ts";
import { type Case, COSTS, GROWTH } from "./micro/cases.ts";
import { measure, type Measured, measureWithin } from "./micro/measure.ts";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { bounds: { type: "boolean" }, check: { type: "string" } },
});

/** Each measures anew, so that their median says what is usual. */
const PASSES = 3;
const ROUNDS = 60;

/** A bound stands between what is usual and three times that. */
const HEADROOM = 2.5;

function named(cases: readonly Case[]): Case[] {
  return cases.filter(({ name }) => positionals.every((part) => name.includes(part)));
}

function short(value: number): string {
  return String(Number(value.toPrecision(2)));
}

/** By their ratios, the least first. */
async function passesOf(each: Case): Promise<Measured[]> {
  const { work, against } = each.make();
  const passes: Measured[] = [];
  for (let pass = 0; pass < PASSES; pass++) passes.push(await measure(work, against, ROUNDS));
  return passes.sort((a, b) => a.ratio - b.ratio);
}

function lineOf({ name, unit, against }: Case, passes: readonly Measured[], median: Measured): string {
  const speed = unit === "byte" ? `${short(1000 / median.ns)} MB/s` : `${short(median.ns)} ns/${unit}`;
  const spread = `${passes[0]?.ratio.toFixed(2)} to ${passes.at(-1)?.ratio.toFixed(2)}`;
  return `${name}: ${speed}, ${median.ratio.toFixed(2)} × ${against} (${spread})\n`;
}

async function print(cases: readonly Case[]): Promise<void> {
  for (const each of cases) {
    const passes = await passesOf(each);
    const median = passes[Math.floor(PASSES / 2)] as Measured;
    const bound = `  ${JSON.stringify(each.name)}: ${short(HEADROOM * median.ratio)},\n`;
    process.stdout.write(flags.bounds === true ? bound : lineOf(each, passes, median));
  }
}

/** What is beyond its bound, a line each. */
async function check(cases: readonly Case[]): Promise<void> {
  for (const each of cases) {
    const bound = BOUNDS[each.name];
    const { work, against } = each.make();
    const { ratio } = await measureWithin(work, against, bound ?? 0);
    if (bound !== undefined && ratio <= bound) continue;
    process.exitCode = 1;
    process.stdout.write(`${each.name}: ${ratio.toFixed(2)} × ${each.against}, may be ${bound ?? "(no bound)"}\n`);
  }
}

if (flags.check === undefined) await print(named([...COSTS, ...GROWTH]));
else await check(named(flags.check === "growth" ? GROWTH : COSTS));
