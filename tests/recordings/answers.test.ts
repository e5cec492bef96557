/** Every recorded answer of an upstream, given to a client of each format. */
import { describe, test } from "bun:test";
import { checkAnswer } from "./answers.ts";
import { ABSENT, ANSWERS } from "./recordings.ts";
import { CLIENTS } from "./translate.ts";

describe("recorded answers", () => {
  if (ABSENT !== undefined) test.skip(ABSENT, () => {});
  for (const recording of ANSWERS) {
    for (const client of CLIENTS) test(`${recording.name} → ${client}`, () => checkAnswer(recording, client));
  }
});
