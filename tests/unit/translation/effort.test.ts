import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { EFFORTS } from "../../../lib/neutral.ts";
import { budgetOfEffort, clipBudget, clipEffort, effortOfBudget, isEffort } from "../../../lib/translation/effort.ts";

describe("effort", () => {
  test("budgets by effort, as the table says", () => {
    assert.deepEqual(EFFORTS.map((effort) => budgetOfEffort(effort)), [0, 1024, 2048, 8192, 16384, 24576, 32000]);
  });

  test("effort by budget: each limit belongs to the lower word", () => {
    const words = [1024, 2048, 2049, 8192, 8193, 16384, 16385, 100000].map((budget) => effortOfBudget(budget));
    assert.deepEqual(words, ["low", "low", "medium", "medium", "high", "high", "xhigh", "xhigh"]);
  });

  test("budget_clip: 80 % of max_tokens, and none where there is no room", () => {
    assert.equal(clipBudget(16384, 4096), 3276);
    assert.equal(clipBudget(16384, 1024), undefined);
    assert.equal(clipBudget(16384, 2047), undefined);
    assert.equal(clipBudget(16384, 2048), 1638);
    assert.equal(clipBudget(500, 64000), 1024);
    assert.equal(clipBudget(8192, 64000), 8192);
  });

  test("an effort that a model lacks goes to the next weaker, never to none", () => {
    assert.equal(clipEffort("max", ["low", "medium", "high", "xhigh"]), "xhigh");
    assert.equal(clipEffort("xhigh", ["low", "medium", "high"]), "high");
    assert.equal(clipEffort("xhigh", ["low", "medium", "high", "max"]), "high");
    assert.equal(clipEffort("minimal", ["none", "low", "medium"]), "low");
    assert.equal(clipEffort("none", ["minimal", "low"]), "minimal");
    assert.equal(clipEffort("none", ["none", "low"]), "none");
    assert.equal(clipEffort("max", undefined), "max");
  });

  test("words beyond the list are no efforts", () => {
    assert.equal(isEffort("high"), true);
    for (const other of ["ultra", "", undefined, 3, null]) assert.equal(isEffort(other), false);
  });
});
