/** What the hot parts cost, in ratios that a busy machine can't spoil: see scripts/bench/micro. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "bun:test";
import { IS_BUN, ROOT, runProcess } from "../support/process.ts";

/** In a process of its own: what other tests had compiled before would change the ratios. */
function checked(what: "costs" | "growth"): void {
  const script = `${ROOT}scripts/bench/micro.ts`;
  const run = IS_BUN ? ["run", script] : ["run", "-A", "--no-check", script];
  const { code, stdout, stderr } = runProcess([process.execPath, ...run, "--check", what]);
  assert.equal(code, 0, `beyond its bound:\n${stdout}${stderr}`);
}

test("the cost of an event, a byte or a tool doesn't grow with their number", () => checked("growth"), 300_000);

const COSTS = "no hot part costs much more than it did, held against a loop of the runtime's own";
if (IS_BUN) test(COSTS, () => checked("costs"), 300_000);
else test.skip(`${COSTS}: the bounds hold for Bun's JSON and streams`, () => {});
