/** Every recorded stream, in pieces of all sizes. */
import { describe, test } from "bun:test";
import { ABSENT, STREAMS } from "./recordings.ts";
import { checkSplits } from "./splits.ts";

describe("recorded streams in pieces", () => {
  if (ABSENT !== undefined) test.skip(ABSENT, () => {});
  for (const [index, recording] of STREAMS.entries()) test(recording.name, () => checkSplits(recording, index));
});
