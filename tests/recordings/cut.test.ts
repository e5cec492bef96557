/** Every recorded stream, broken off wherever it can be. */
import { describe, test } from "bun:test";
import { checkCuts } from "./cuts.ts";
import { ABSENT, STREAMS } from "./recordings.ts";

describe("recorded streams, cut off", () => {
  if (ABSENT !== undefined) test.skip(ABSENT, () => {});
  for (const recording of STREAMS) test(recording.name, () => checkCuts(recording), 120_000);
});
