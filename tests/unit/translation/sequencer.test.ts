import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { NeutralEvent } from "../../../lib/neutral.ts";
import { MAX_HELD, openSequencer } from "../../../lib/translation/sequencer.ts";
import { collect, replay } from "../../../lib/translation/whole.ts";
import {
  anyResponse,
  args,
  begin,
  beginText,
  call,
  done,
  END,
  finish,
  orderFaults,
  run,
  START,
  text,
} from "../../support/neutral.ts";

const A = call("call_a", "f");
const B = call("call_b", "g");

describe("sequencer", () => {
  test("lets a stream in strict order through as it is, event by event", () => {
    const events = [START, beginText(0), text(0, "a"), done(0), begin(1, A), args(1, "{}"), done(1), finish(), END];
    const stage = openSequencer();
    for (const event of events) assert.deepEqual([...stage.push(event)], [event]);
  });

  test("interleaved_calls: the first call streams live, the second follows whole when the first has ended", () => {
    const stage = openSequencer();
    assert.deepEqual([...stage.push(begin(0, A))], [begin(0, A)]);
    assert.deepEqual([...stage.push(begin(1, B))], []);
    assert.deepEqual([...stage.push(args(0, '{"x":'))], [args(0, '{"x":')]);
    assert.deepEqual([...stage.push(args(1, '{"y"'))], []);
    assert.deepEqual([...stage.push(args(0, "1}"))], [args(0, "1}")]);
    assert.deepEqual([...stage.push(args(1, ":2}"))], []);
    assert.deepEqual([...stage.push(done(0))], [done(0), begin(1, B), args(1, '{"y":2}')]);
    assert.deepEqual([...stage.push(done(1))], [done(1)]);
    assert.deepEqual([...stage.push(finish("tool_calls"))], [finish("tool_calls")]);
  });

  test("a held part that hasn't ended streams live once it is its turn", () => {
    const stage = openSequencer();
    run(stage, [begin(0, A), begin(1, B), args(1, "x"), done(0)]);
    assert.deepEqual([...stage.push(args(1, "y"))], [args(1, "y")]);
  });

  test("text that follows while a call is open waits for the call's end", () => {
    const out = run(openSequencer(), [
      START,
      begin(0, A),
      beginText(1),
      text(1, "after"),
      args(0, "{}"),
      done(1),
      done(0),
    ]);
    assert.deepEqual(out, [START, begin(0, A), args(0, "{}"), done(0), beginText(1), text(1, "after"), done(1)]);
  });

  test("indexes are given in the order of output", () => {
    const out = run(openSequencer(), [begin(3, A), begin(7, B), done(3), args(7, "{}"), done(7)]);
    assert.deepEqual(out, [begin(0, A), done(0), begin(1, B), args(1, "{}"), done(1)]);
  });

  test("citations and opaque values of a held part keep their place among its deltas", () => {
    const citation: NeutralEvent = { t: "citation", c: 0, i: 1, citation: { kind: "url", url: "https://a.example" } };
    const logged: NeutralEvent = { t: "text", c: 0, i: 1, delta: "c", logprobs: [{ token: "c" }] };
    const held = [text(1, "a"), citation, text(1, "b"), logged, text(1, "d")];
    const out = run(openSequencer(), [begin(0, A), beginText(1), ...held, done(1), done(0)]);
    assert.deepEqual(out.slice(3), [...held, done(1)]);
  });

  test("the events that it was given are never changed", () => {
    const held = text(1, "a");
    const out = run(openSequencer(), [begin(0, A), beginText(1), held, text(1, "b"), done(0)]);
    assert.deepEqual(held, text(1, "a"));
    assert.deepEqual(out.at(-1), text(1, "ab"));
  });

  test("start, usage, keepalive and native events pass while parts wait", () => {
    const native: NeutralEvent = { t: "native", format: "chat", event: {} };
    const stage = openSequencer();
    run(stage, [begin(0, A), begin(1, B)]);
    for (const event of [native, { t: "keepalive" } as const]) assert.deepEqual([...stage.push(event)], [event]);
  });

  test("an error passes at once and ends everything", () => {
    const error: NeutralEvent = {
      t: "error",
      failure: { kind: "upstream_cut", source: "upstream", message: "gone", retry: true },
    };
    const stage = openSequencer();
    run(stage, [begin(0, A), begin(1, B), args(1, "x")]);
    assert.deepEqual([...stage.push(error)], [error]);
    assert.deepEqual(run(stage, [done(0), args(1, "y"), finish(), END]), []);
  });

  test("another candidate's parts and finish wait too", () => {
    const out = run(openSequencer(), [
      beginText(0, 0),
      beginText(0, 1),
      text(0, "b", 1),
      done(0, 1),
      finish("stop", 1),
      text(0, "a", 0),
      done(0, 0),
      finish("stop", 0),
      END,
    ]);
    assert.deepEqual(orderFaults(out), []);
    assert.deepEqual(out.filter((event) => event.t === "finish"), [finish("stop", 1), finish("stop", 0)]);
  });

  test("what a sloppy decoder left open is ended before the finish", () => {
    const out = run(openSequencer(), [START, begin(0, A), begin(1, B), args(1, "{}"), finish(), END]);
    assert.deepEqual(out, [START, begin(0, A), done(0), begin(1, B), args(1, "{}"), done(1), finish(), END]);
  });

  test("a stream that ends without a finish still ends its parts", () => {
    assert.deepEqual(run(openSequencer(), [begin(0, A), begin(1, B), END]), [
      begin(0, A),
      done(0),
      begin(1, B),
      done(1),
      END,
    ]);
  });

  test("more held text than the cap is an error event, and the last one", () => {
    const half = "x".repeat(MAX_HELD / 2);
    const stage = openSequencer();
    run(stage, [begin(0, A), begin(1, B), args(1, half)]);
    const out = run(stage, [args(1, half), args(1, "more"), done(0), finish(), END]);
    assert.equal(out.length, 1);
    assert.ok(out[0]?.t === "error" && out[0].failure.kind === "upstream_protocol");
  });

  test("what has been let out no longer counts towards the cap", () => {
    const most = "x".repeat(MAX_HELD - 1000);
    const stage = openSequencer();
    run(stage, [begin(0, A), begin(1, B), args(1, most), done(0), begin(2, A), args(2, most)]);
    assert.deepEqual(run(stage, [done(1), done(2)]).map((event) => event.t), [
      "part_end",
      "part_start",
      "arguments",
      "part_end",
    ]);
  });

  test("a delta of a part that isn't open is an error, never lost", () => {
    const out = run(openSequencer(), [START, beginText(0), done(0), text(0, "late"), END]);
    assert.deepEqual(out.map((event) => event.t), ["start", "part_start", "part_end", "error"]);
  });

  test("whatever the overlap: strict order out, and the same answer", () => {
    const interleaved = anyResponse.chain((response) =>
      fc.tuple(fc.constant(response), fc.array(fc.nat(), { minLength: 40, maxLength: 40 }))
    );
    fc.assert(fc.property(interleaved, ([response, picks]) => {
      const events = interleave([...replay(response)], picks);
      const out = run(openSequencer(), events);
      assert.deepEqual(orderFaults(out), []);
      const before = collect(events);
      const after = collect(out);
      assert.ok(before.ok && after.ok);
      assert.deepEqual(after.value, before.value);
    }));
  });
});

/** The same parts, begun in order and then mixed at random; finishes, usage and end stay last. */
function interleave(events: readonly NeutralEvent[], picks: readonly number[]): NeutralEvent[] {
  const lanes = new Map<string, NeutralEvent[]>();
  const starts: NeutralEvent[] = [];
  const tail: NeutralEvent[] = [];
  for (const event of events) {
    if (event.t === "start" || event.t === "part_start") starts.push(event);
    else if ("i" in event) lanes.set(`${event.c}.${event.i}`, [...(lanes.get(`${event.c}.${event.i}`) ?? []), event]);
    else tail.push(event);
  }
  const mixed: NeutralEvent[] = [];
  for (let step = 0; lanes.size > 0; step++) {
    const keys = [...lanes.keys()];
    const key = keys[(picks[step % picks.length] ?? 0) % keys.length] ?? "";
    const lane = lanes.get(key) ?? [];
    mixed.push(...lane.splice(0, 1));
    if (lane.length === 0) lanes.delete(key);
  }
  return [...starts, ...mixed, ...tail];
}
