import { afterAll, afterEach, beforeAll, beforeEach, describe, test } from "bun:test";
import assert from "node:assert/strict";

/** Runs on Bun's own runner and on the shim for Deno: the order of hooks must be the same on both. */

const log: string[] = [];
const note = (entry: string) => () => {
  log.push(entry);
};

beforeAll(note("file{"));
beforeEach(note("<"));
afterEach(note(">"));

describe("hooks", () => {
  beforeAll(async () => {
    await Promise.resolve();
    log.push("outer{");
  });
  beforeEach(note("o<"));
  afterEach(note(">o"));
  afterAll(note("}outer"));

  test("first", note("1"));

  describe("nested", () => {
    beforeAll(note("inner{"));
    afterAll(note("}inner"));
    beforeEach(note("i<"));
    afterEach(note(">i"));
    test("second", note("2"));
    test("third", note("3"));
  });

  test.if(true)("fourth", note("4"));
});

test("ran in Bun's order", () => {
  assert.equal(
    log.join(" "),
    "file{ outer{ < o< 1 >o > inner{ < o< i< 2 >i >o > < o< i< 3 >i >o > }inner < o< 4 >o > }outer <",
  );
});

describe("a group without hooks", () => {
  test("after that", () => assert.equal(log.at(-2), ">"));
});
