/** The tokenizer's thread as it may fail: dead without a word, wrong, slow. */
import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { TokenCounter } from "../../../lib/tokens/counter.ts";
import type { CountOrder } from "../../../lib/tokens/worker.ts";

type Answer = (order: CountOrder, tell: (tokens: number | undefined) => void) => void;

/** A thread that does as it is told here, and how many of them were started. */
function threads(...answers: Answer[]): { start: () => Worker; started: () => number } {
  let started = 0;
  const start = () => {
    const answer = answers[started++];
    const thread = {
      onmessage: (_event: MessageEvent) => {},
      onerror: (_event: ErrorEvent) => {},
      terminate: () => {},
      postMessage: (order: CountOrder) =>
        answer?.(order, (tokens) => thread.onmessage(new MessageEvent("message", { data: { id: order.id, tokens } }))),
    };
    return thread as unknown as Worker;
  };
  return { start, started: () => started };
}

const LENGTH: Answer = ({ texts }, tell) => tell(texts.join("").length);
const NOTHING: Answer = () => {};
const count = (counter: TokenCounter, text = "four") => counter.count([text], "o200k_base");

describe("a thread", () => {
  test("that says nothing any more is replaced by another", async () => {
    const { start, started } = threads(NOTHING, LENGTH);
    const counter = new TokenCounter(start, 20);
    assert.deepEqual(await Promise.all([count(counter), count(counter)]), [undefined, undefined]);
    assert.equal(started(), 1);
    let tokens: number | undefined;
    for (let tries = 0; tokens === undefined && tries < 100; tries++) tokens = await count(counter);
    assert.equal(tokens, 4);
    assert.equal(started(), 2);
  });

  test("that can't be started is tried again", async () => {
    const { start } = threads(LENGTH);
    let tries = 0;
    const counter = new TokenCounter(() => {
      if (++tries === 1) throw new Error("no threads left");
      return start();
    }, 1000);
    assert.equal(await count(counter), undefined);
    assert.equal(await count(counter), 4);
  });

  test("whose tokenizer fails is kept", async () => {
    const { start, started } = threads((_order, tell) => tell(undefined));
    const counter = new TokenCounter(start, 1000);
    assert.equal(await count(counter), undefined);
    assert.equal(await count(counter), undefined);
    assert.equal(started(), 1);
  });

  test("that is behind is ordered no more than it may owe", async () => {
    const orders: number[] = [];
    const { start } = threads(({ id }) => void orders.push(id));
    const counter = new TokenCounter(start, 50);
    const megabyte = "x".repeat(1024 * 1024);
    const counts = await Promise.all(Array.from({ length: 40 }, () => count(counter, megabyte)));
    assert.ok(counts.every((tokens) => tokens === undefined));
    assert.equal(orders.length, 32);
  });
});
