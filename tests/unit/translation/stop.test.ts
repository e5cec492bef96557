import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { NeutralEvent, NeutralResponse, Part } from "../../../lib/neutral.ts";
import { cutResponse, openStopCutter } from "../../../lib/translation/stop.ts";
import { collect } from "../../../lib/translation/whole.ts";
import {
  anyResponse,
  args,
  begin,
  beginText,
  call,
  done,
  END,
  finish,
  run,
  START,
  text,
} from "../../support/neutral.ts";

const USAGE = { inputTokens: 5, cacheReadTokens: 0, cacheWriteTokens: 0, outputTokens: 2, reasoningTokens: 0 };

function stopped(sequence: string): NeutralEvent {
  return { t: "finish", c: 0, stop: { reason: "stop_sequence", sequence } };
}

function textIn(events: readonly NeutralEvent[]): string {
  return events.map((event) => event.t === "text" ? event.delta : "").join("");
}

describe("stop cutter", () => {
  test("cuts across the border of deltas and says so", () => {
    const cutter = openStopCutter(["END"]);
    const out = run(cutter, [
      START,
      beginText(0),
      text(0, "one E"),
      text(0, "N"),
      text(0, "D two"),
      done(0),
      finish(),
      END,
    ]);
    assert.deepEqual(out, [START, beginText(0), text(0, "one "), done(0), stopped("END"), END]);
    assert.equal(cutter.stopped, true);
  });

  test("holds back only what may begin a sequence, and lets it go when it doesn't", () => {
    const cutter = openStopCutter(["\n\nUser:", "\n\nAI:"]);
    run(cutter, [START, beginText(0)]);
    assert.deepEqual([...cutter.push(text(0, "plain"))], [text(0, "plain")]);
    assert.deepEqual([...cutter.push(text(0, "line\n"))], [text(0, "line")]);
    assert.deepEqual([...cutter.push(text(0, "\nU"))], []);
    assert.deepEqual([...cutter.push(text(0, "p\n\n"))], [text(0, "\n\nUp")]);
    assert.deepEqual([...cutter.push(done(0))], [text(0, "\n\n"), done(0)]);
    assert.deepEqual([...cutter.push(finish())], [finish()]);
    assert.equal(cutter.stopped, false);
  });

  test("a delta that nothing is held back from is passed on as it is", () => {
    const cutter = openStopCutter(["END"]);
    const event = text(0, "plain");
    assert.equal([...cutter.push(event)][0], event);
  });

  test("tells the usage that it knows and lets nothing more through", () => {
    const cutter = openStopCutter(["."]);
    const out = run(cutter, [START, { t: "usage", usage: USAGE }, beginText(0), text(0, "a.b")]);
    assert.deepEqual(out.slice(-4), [done(0), stopped("."), { t: "usage", usage: USAGE }, END]);
    assert.deepEqual(run(cutter, [text(0, "c"), done(0), finish(), { t: "keepalive" }, END]), []);
  });

  test("ends every open part, and the other part's held text is not lost", () => {
    const out = run(openStopCutter(["##"]), [
      beginText(0),
      begin(1, call("a", "f")),
      beginText(2),
      text(2, "x#"),
      text(0, "y##"),
    ]);
    assert.deepEqual(out.slice(3), [
      text(2, "x"),
      text(0, "y"),
      text(2, "#"),
      done(0),
      done(1),
      done(2),
      stopped("##"),
      END,
    ]);
  });

  test("arguments and reasoning are not searched", () => {
    const events: NeutralEvent[] = [
      START,
      begin(0, { kind: "reasoning", text: "", form: "full" }),
      { t: "reasoning", c: 0, i: 0, delta: "END" },
      done(0),
      begin(1, call("a", "f")),
      args(1, '{"x":"END"}'),
      done(1),
      finish("tool_calls"),
      END,
    ];
    assert.deepEqual(run(openStopCutter(["END"]), events), events);
  });

  test("the sequence that is complete first wins, of two that end together the longer", () => {
    assert.deepEqual(run(openStopCutter(["abcd", "bc"]), [beginText(0), text(0, "xabcd")]).slice(1), [
      text(0, "xa"),
      done(0),
      stopped("bc"),
      END,
    ]);
    assert.deepEqual(run(openStopCutter(["c", "abc"]), [beginText(0), text(0, "xabc")])[3], stopped("abc"));
  });

  test("empty sequences stop nothing", () => {
    const cutter = openStopCutter([""]);
    assert.equal(textIn(run(cutter, [beginText(0), text(0, "abc"), done(0)])), "abc");
  });

  test("logprobs stay with the text that they came with", () => {
    const logged = (delta: string, ...logprobs: unknown[]): NeutralEvent => ({
      t: "text",
      c: 0,
      i: 0,
      delta,
      logprobs,
    });
    const out = run(openStopCutter(["ab"]), [beginText(0), logged("a", 1), logged("a", 2), logged("c", 3), done(0)]);
    assert.deepEqual(out.slice(1, 3), [logged("a", 1, 2), logged("ac", 3)]);
  });

  test("any chunking gives what a cut of the whole gives", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 12 });
    const sequences = fc.array(fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 4 }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 5 }), sequences, (deltas, stops) => {
        const events = [START, beginText(0), ...deltas.map((delta) => text(0, delta)), done(0), finish(), END];
        const streamed = collect(run(openStopCutter(stops), events));
        const before = collect(events);
        assert.ok(streamed.ok && before.ok);
        const whole = cutResponse(before.value, stops).candidates[0];
        const cut = streamed.value.candidates[0];
        assert.deepEqual(cut?.stop, whole?.stop);
        assert.equal(joined(cut?.parts), joined(whole?.parts));
      }),
      { numRuns: 500 },
    );
  });
});

describe("cutResponse", () => {
  const response: NeutralResponse = {
    id: "a",
    model: "m",
    createdAt: 0,
    candidates: [{
      index: 0,
      parts: [
        { kind: "text", text: "0123" },
        {
          kind: "text",
          text: "4567 END 89",
          citations: [{ kind: "url", url: "https://a.example", start: 4, end: 8 }, {
            kind: "url",
            url: "https://b.example",
            start: 8,
            end: 12,
          }],
        },
        call("a", "f"),
      ],
      stop: { reason: "tool_calls" },
    }],
    usage: USAGE,
  };

  test("drops what follows the match, the citations of dropped text too", () => {
    const cut = cutResponse(response, ["END"]);
    assert.deepEqual(cut.candidates[0], {
      index: 0,
      parts: [{ kind: "text", text: "0123" }, {
        kind: "text",
        text: "4567 ",
        citations: [{ kind: "url", url: "https://a.example", start: 4, end: 8 }],
      }],
      stop: { reason: "stop_sequence", sequence: "END" },
    });
    assert.deepEqual(cut.usage, USAGE);
  });

  test("a part of which nothing is left is left out", () => {
    assert.deepEqual(cutResponse(response, ["0"]).candidates[0]?.parts, []);
  });

  test("without a match the answer is the same", () => {
    fc.assert(fc.property(anyResponse, (any) => {
      assert.deepEqual(cutResponse(any, ["\u0000never\u0000"]), any);
    }));
  });
});

function joined(parts: readonly Part[] | undefined): string {
  return (parts ?? []).map((part) => part.kind === "text" ? part.text : "").join("");
}
