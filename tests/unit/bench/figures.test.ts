/** What the bench makes of its measurements. */
import assert from "node:assert/strict";
import { test } from "bun:test";
import { documentWith, type Kept } from "../../../scripts/bench/document.ts";
import { sectionText } from "../../../scripts/bench/report.ts";
import { isMet, judge, type Sample } from "../../../scripts/bench/sections.ts";
import { Histogram, median } from "../../../scripts/bench/stats.ts";

function samplesOf(own: readonly number[], base: readonly number[]): Sample[] {
  const rows = (variant: string, values: readonly number[]) =>
    values.map((cost, round) => ({ variant, round, figures: { cost } }));
  return [...rows("gateway", own), ...rows("bare", base)];
}

test("a ratio is that of each round by itself, not that of the medians", () => {
  const claim = { figure: "cost", of: "gateway", against: "bare", limit: { atMost: 1.3 } };
  // A slow machine in the second round slows both.
  const { spread, ...verdict } = judge(claim, samplesOf([110, 1100, 120], [100, 1000, 100]));
  assert.deepEqual({ ...spread, median: spread.median.toFixed(2) }, { median: "1.10", low: 1.1, high: 1.2 });
  assert.equal(isMet({ spread, ...verdict }), true);
});

test("a target is missed above it, or below where more is better", () => {
  const samples = samplesOf([140], [100]);
  const claim = { figure: "cost", of: "gateway", against: "bare" };
  assert.equal(isMet(judge({ ...claim, limit: { atMost: 1.3 } }, samples)), false);
  assert.equal(isMet(judge({ ...claim, limit: { atLeast: 1.5 } }, samples)), false);
  assert.equal(isMet(judge(claim, samples)), undefined);
});

test("figures that are missing meet no target", () => {
  const verdict = judge({ figure: "cost", of: "gateway", against: "bare", limit: { atMost: 9 } }, samplesOf([], []));
  assert.equal(isMet(verdict), false);
});

test("percentiles are true to a hundredth", () => {
  const histogram = new Histogram();
  for (let value = 1; value <= 1000; value++) histogram.add(value);
  for (const [percent, wanted] of [[50, 500], [90, 900], [99, 990], [100, 1000]] as const) {
    const found = histogram.percentile(percent);
    assert.ok(found >= wanted && found <= wanted * 1.01, `p${percent}: ${found}`);
  }
  assert.equal(new Histogram().percentile(50), 0);
});

test("a median between two values is their middle", () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([]), NaN);
});

const section: Kept = {
  name: "pass",
  title: "Passing",
  columns: { cost: "CPU µs" },
  samples: samplesOf([1], [2]),
  verdicts: [],
  at: "2026-11-25T00:00:00.000Z",
  command: "bun run bench",
  machine: { cpu: "Z80", cores: 2, memoryGb: 1, kernel: "6", bun: "1", deno: "", commit: "abc" },
};

test("new tables take the place of the old ones, and the words around them stay", () => {
  const frame = "before\n<!-- made by bun run bench --docs: begin -->\nold\n<!-- end -->\nafter\n";
  const once = documentWith(frame, [section]);
  assert.match(once, /^before\n[^]*\| gateway \| 1\.00 \|[^]*<!-- end -->\nafter\n$/);
  assert.ok(!once.includes("old"));
  assert.equal(documentWith(once, [section]), once);
  assert.throws(() => documentWith("no marks", [section]), /No place for the tables/);
});

test("faulty answers are told of", () => {
  const faulty = { ...section, samples: [{ variant: "gateway", round: 0, figures: { cost: 1, faults: 2 } }] };
  assert.match(sectionText(faulty), /2 answers were faulty/);
});
