import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { NeutralRequest, Opaque, Part } from "../../../lib/neutral.ts";
import { SharedReasoning } from "../../../lib/state/reasoning.ts";
import {
  LocalReasoning,
  MAX_OBSERVED,
  MEMORY_LIMITS,
  openObserver,
  ReasoningMemory,
} from "../../../lib/translation/carry.ts";
import {
  args,
  begin,
  beginText,
  call,
  done,
  END,
  finish,
  message,
  request,
  run,
  signature,
  START,
  text,
  thinking,
} from "../../support/neutral.ts";

const THOUGHT = thinking("why", signature("sig"));

type Limits = Partial<typeof MEMORY_LIMITS>;

function local(limits: Limits = {}, clock = { now: 0 }): { memo: ReasoningMemory; kept: LocalReasoning } {
  const kept = new LocalReasoning(() => clock.now, { ...MEMORY_LIMITS, ...limits });
  return { memo: new ReasoningMemory(kept), kept };
}

/** As several workers share it. */
function shared(limits: Limits = {}, clock = { now: 0 }): ReasoningMemory {
  return new ReasoningMemory(
    new SharedReasoning({
      path: ":memory:",
      writers: 1,
      onTrouble: (what, error) => assert.fail(`${what}: ${error}`),
      now: () => clock.now,
      limits: { ...MEMORY_LIMITS, ...limits },
    }),
  );
}

function turn(...parts: Part[]): NeutralRequest {
  return request({ messages: [message("user", { kind: "text", text: "go" }), message("assistant", ...parts)] });
}

function restored(from: ReasoningMemory, asked: NeutralRequest, scope = "s"): readonly Part[] | undefined {
  from.restore(scope, asked);
  return asked.messages.at(-1)?.parts;
}

const KINDS: readonly (readonly [string, (limits?: Limits, clock?: { now: number }) => ReasoningMemory])[] = [
  ["of one process", (limits, clock) => local(limits, clock).memo],
  ["that workers share", shared],
];

for (const [kind, memory] of KINDS) {
  describe(`ReasoningMemory ${kind}`, () => {
    test("memory_restores_thinking: what a chat client dropped stands in front again, signature and all", () => {
      const memo = memory();
      memo.remember("s", [THOUGHT, { kind: "text", text: "Let me see" }, call("a", "f", { arguments: '{"x":1}' })]);
      const said: Part[] = [{ kind: "text", text: "Let me see" }, call("a", "f", { arguments: '{"x":1}' })];
      assert.deepEqual(restored(memo, turn(...said)), [THOUGHT, ...said]);
    });

    test("parallel calls share the reasoning before them, it comes back once", () => {
      const memo = memory();
      const calls = [call("a", "f"), call("b", "f")];
      memo.remember("s", [THOUGHT, ...calls]);
      assert.deepEqual(restored(memo, turn(...calls)), [THOUGHT, ...calls]);
      assert.deepEqual(restored(memo, turn(call("b", "f"))), [THOUGHT, call("b", "f")]);
    });

    test("reasoning between parts goes back to its place, in order", () => {
      const memo = memory();
      const second = thinking("then", signature("sig2"));
      const third = thinking("last");
      const parts = [THOUGHT, { kind: "text", text: "So" } as const, second, call("a", "f"), third, call("b", "g")];
      memo.remember("s", parts);
      const echoed = parts.filter((part) => part.kind !== "reasoning");
      assert.deepEqual(restored(memo, turn(...echoed)), parts);
    });

    test("words without their signature give way to what is remembered, if they say the same (AI SDK)", () => {
      const memo = memory();
      memo.remember("s", [thinking("why ", signature("sig")), thinking("not", signature("sig2")), call("a", "f")]);
      assert.deepEqual(restored(memo, turn(thinking("why\n\nnot"), call("a", "f"))), [
        thinking("why ", signature("sig")),
        thinking("not", signature("sig2")),
        call("a", "f"),
      ]);
      const edited = turn(thinking("why ever not"), call("a", "f"));
      assert.deepEqual(restored(memo, edited), [thinking("why ever not"), call("a", "f")]);
    });

    test("signed reasoning that came back in one heap gets its places again (PITFALLS, 1)", () => {
      const memo = memory();
      const second = thinking("then", signature("sig2"));
      const parts = [THOUGHT, { kind: "text", text: "So" } as const, second, call("a", "f")];
      memo.remember("s", parts);
      const heap = [THOUGHT, second, { kind: "text", text: "So" } as const, call("a", "f")].map((part) => ({
        ...part,
        path: "messages[1]",
      }));
      assert.deepEqual(restored(memo, turn(...heap))?.map((part) => [part.kind, part.path]), [
        ["reasoning", "messages[1]"],
        ["text", "messages[1]"],
        ["reasoning", "messages[1]"],
        ["tool_call", "messages[1]"],
      ]);
      for (const other of [[THOUGHT], [second, THOUGHT], [THOUGHT, thinking("then", signature("forged"))]]) {
        const said = [...other, { kind: "text", text: "So" } as const, call("a", "f")];
        assert.deepEqual(restored(memo, turn(...said)), said);
      }
    });

    test("a message that has its reasoning, or no calls, is left alone", () => {
      const memo = memory();
      memo.remember("s", [THOUGHT, call("a", "f")]);
      const own = thinking("own");
      assert.deepEqual(restored(memo, turn(own, call("a", "f"))), [own, call("a", "f")]);
      assert.deepEqual(restored(memo, turn({ kind: "text", text: "x" })), [{ kind: "text", text: "x" }]);
    });

    test("the scope, the id, the name and the arguments must all be the same", () => {
      const memo = memory();
      memo.remember("s", [THOUGHT, call("call_0", "f", { arguments: '{"x":1}' })]);
      const asked = (id: string, name: string, json: string) => turn(call(id, name, { arguments: json }));
      for (
        const other of [
          asked("call_1", "f", '{"x":1}'),
          asked("call_0", "g", '{"x":1}'),
          asked("call_0", "f", '{"x":2}'),
        ]
      ) {
        assert.equal(restored(memo, other)?.length, 1);
      }
      assert.equal(restored(memo, asked("call_0", "f", '{"x":1}'), "other")?.length, 1);
      assert.equal(restored(memo, asked("call_0", "f", '{"x":1}'))?.length, 2);
    });

    test("arguments that the client wrote anew are the same arguments", () => {
      const memo = memory();
      memo.remember("s", [THOUGHT, call("a", "f", { arguments: '{"b": [1, {"d":1,"c":2}], "a":"\\u00e9"}' })]);
      assert.equal(restored(memo, turn(call("a", "f", { arguments: '{"a":"é","b":[1,{"c":2,"d":1}]}' })))?.length, 2);
    });

    test("an id that an upstream uses in each turn restores to the last turn alone", () => {
      const memo = memory();
      memo.remember("s", [thinking("old"), call("call_0", "f")]);
      memo.remember("s", [thinking("new"), call("call_0", "f")]);
      const asked = request({
        messages: [message("assistant", call("call_0", "f")), message("assistant", call("call_0", "f"))],
      });
      memo.restore("s", asked);
      assert.deepEqual(asked.messages.map((each) => each.parts), [
        [call("call_0", "f")],
        [thinking("new"), call("call_0", "f")],
      ]);
    });

    test("a call's own signature comes back, unless the client kept one", () => {
      const memo = memory();
      const signed = { issuer: "google", kind: "thought_signature", value: "t" } as const satisfies Opaque;
      memo.remember("s", [call("a", "f", { opaque: [signed] })]);
      assert.deepEqual(restored(memo, turn(call("a", "f"))), [call("a", "f", { opaque: [signed] })]);
      const own = call("a", "f", { opaque: [signature("own")] });
      assert.deepEqual(restored(memo, turn(own)), [own]);
    });

    test("the request's own messages are not changed, only replaced", () => {
      const memo = memory();
      memo.remember("s", [THOUGHT, call("a", "f")]);
      const asked = turn(call("a", "f"));
      const before = asked.messages[1];
      memo.restore("s", asked);
      assert.deepEqual(before, message("assistant", call("a", "f")));
    });

    test("PITFALLS 23: after an hour unused it is gone, and use makes it young again", () => {
      const clock = { now: 0 };
      const memo = memory({}, clock);
      memo.remember("s", [THOUGHT, call("a", "f")]);
      memo.remember("s", [THOUGHT, call("b", "f")]);
      clock.now = 50 * 60_000;
      assert.equal(restored(memo, turn(call("a", "f")))?.length, 2);
      clock.now = 100 * 60_000;
      assert.equal(restored(memo, turn(call("b", "f")))?.length, 1);
      assert.equal(restored(memo, turn(call("a", "f")))?.length, 2);
    });
  });
}

describe("ReasoningMemory's bounds", () => {
  test("keeps nothing of answers without calls or without reasoning", () => {
    const { memo, kept } = local();
    memo.remember("s", [THOUGHT, { kind: "text", text: "x" }]);
    memo.remember("s", [call("a", "f")]);
    memo.remember("s", [thinking(""), call("a", "f")]);
    assert.equal(kept.size, 0);
  });

  test("PITFALLS 23: beyond its entries it forgets what was unused for longest", () => {
    const { memo, kept } = local({ entries: 2 });
    memo.remember("s", [THOUGHT, call("a", "f")]);
    memo.remember("s", [THOUGHT, call("b", "f")]);
    memo.restore("s", turn(call("a", "f")));
    memo.remember("s", [THOUGHT, call("c", "f")]);
    assert.equal(kept.size, 2);
    assert.equal(restored(memo, turn(call("a", "f")))?.length, 2);
    assert.equal(restored(memo, turn(call("b", "f")))?.length, 1);
  });

  test("PITFALLS 23: beyond its bytes too, and a turn larger than all of them is not kept", () => {
    const { memo, kept } = local({ bytes: 3000 });
    for (const id of ["a", "b", "c"]) memo.remember("s", [thinking("x".repeat(500)), call(id, "f")]);
    assert.equal(kept.size, 2);
    memo.remember("s", [thinking("x".repeat(5000)), call("d", "f")]);
    assert.equal(kept.size, 2);
    assert.equal(restored(memo, turn(call("c", "f")))?.length, 2);
  });

  test("old entries make room when new ones come", () => {
    const clock = { now: 0 };
    const { memo, kept } = local({}, clock);
    for (const id of ["a", "b"]) memo.remember("s", [THOUGHT, call(id, "f")]);
    clock.now = 61 * 60_000;
    memo.remember("s", [THOUGHT, call("c", "f")]);
    assert.equal(kept.size, 1);
  });

  test("what workers share is bounded too: after a batch of writes only the newest are left", () => {
    const clock = { now: 0 };
    const memo = shared({ entries: 10 }, clock);
    for (let each = 0; each <= 128; each++) {
      clock.now++;
      memo.remember("s", [THOUGHT, call(`c${each}`, "f")]);
    }
    assert.equal(restored(memo, turn(call("c100", "f")))?.length, 1);
    assert.equal(restored(memo, turn(call("c127", "f")))?.length, 2);
    assert.equal(restored(memo, turn(call("c128", "f")))?.length, 2);
  });
});

describe("observer", () => {
  const STREAM = [
    START,
    begin(0, thinking("")),
    { t: "reasoning", c: 0, i: 0, delta: "why" } as const,
    { t: "opaque", c: 0, i: 0, opaque: signature("sig") } as const,
    done(0),
    beginText(1),
    text(1, "a"),
    done(1),
    begin(2, call("a", "f")),
    args(2, '{"x"'),
    args(2, ":1}"),
    done(2),
    finish("tool_calls"),
    END,
  ];

  function observed(events: Iterable<(typeof STREAM)[number]>): Part[][] {
    const seen: Part[][] = [];
    run(openObserver((parts) => seen.push(parts)), events);
    return seen;
  }

  test("passes every event on as it is and tells the turn once", () => {
    const seen: Part[][] = [];
    const stage = openObserver((parts) => seen.push(parts));
    for (const event of STREAM) assert.equal([...stage.push(event)][0], event);
    assert.deepEqual(seen, [[THOUGHT, { kind: "text", text: "" }, call("a", "f", { arguments: '{"x":1}' })]]);
  });

  test("what it told restores", () => {
    const { memo } = local();
    run(openObserver((parts) => memo.remember("s", parts)), STREAM);
    assert.equal(restored(memo, turn(call("a", "f", { arguments: '{"x":1}' })))?.length, 2);
  });

  test("doesn't change the events' parts", () => {
    const start = begin(0, thinking("", signature("one")));
    const before = structuredClone(start);
    observed([
      start,
      { t: "opaque", c: 0, i: 0, opaque: signature("two") },
      done(0),
      begin(1, call("a", "f")),
      finish(),
    ]);
    assert.deepEqual(start, before);
  });

  test("tells nothing of answers without calls, of broken streams and of ones too long to keep", () => {
    const failure = { kind: "upstream_cut", source: "upstream", message: "gone", retry: true } as const;
    assert.deepEqual(observed([START, beginText(0), text(0, "a"), done(0), finish(), END]), []);
    assert.deepEqual(observed([...STREAM.slice(0, -2), { t: "error", failure }, ...STREAM.slice(-2)]), []);
    assert.deepEqual(
      observed([begin(0, call("a", "f")), args(0, "x".repeat(MAX_OBSERVED + 1)), ...STREAM.slice(1)]),
      [],
    );
  });
});
