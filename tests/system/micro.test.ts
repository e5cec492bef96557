/** What the hot parts cost, in ratios that a busy machine can't spoil: see scripts/bench/micro. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "bun:test";
import { IS_BUN, ROOT, runProcess } from "../support/process.ts";

/**
 * On a busy machine the JIT now and then leaves a loop half compiled for a whole process's life. A part that is slower is
 * so in each of them.
 */
const PROCESSES = 4;

/** In processes of their own: what other tests had compiled before would change the ratios. */
function checked(what: "costs" | "growth"): void {
  const script = `${ROOT}scripts/bench/micro.ts`;
  const run = IS_BUN ? ["run", script] : ["run", "-A", "--no-check", script];
  let told = "";
  for (let left = PROCESSES; left > 0; left--) {
    const { code, stdout, stderr } = runProcess([process.execPath, ...run, "--check", what]);
    if (code === 0) return;
    told += `${stdout}${stderr}`;
  }
  assert.fail(`beyond its bound in each of ${PROCESSES} processes:\n${told}`);
}

test("the cost of an event, a byte or a tool doesn't grow with their number", () => checked("growth"), 300_000);

const COSTS = "no hot part costs much more than it did, held against a loop of the runtime's own";
if (IS_BUN) test(COSTS, () => checked("costs"), 300_000);
else test.skip(`${COSTS}: the bounds hold for Bun's JSON and streams`, () => {});
