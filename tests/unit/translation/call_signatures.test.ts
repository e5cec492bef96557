import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { NeutralEvent, NeutralResponse, Opaque, Part } from "../../../lib/neutral.ts";
import { carrySignatures, openSignatureCarrier, restoreSignatures } from "../../../lib/translation/call_signatures.ts";
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
  run,
  START,
  text,
  thinking,
} from "../../support/neutral.ts";

const SIGNED: Opaque = { issuer: "google", kind: "thought_signature", value: "sig" };
const sign = (i: number): NeutralEvent => ({ t: "opaque", c: 0, i, opaque: SIGNED });
const CARRIER: Part = { kind: "reasoning", form: "full", text: "", opaque: [SIGNED] };

describe("openSignatureCarrier", () => {
  test("PITFALLS 29: a call's signature goes out as thinking before the call, what follows moves up", () => {
    const stream = [START, beginText(0), text(0, "Hi"), done(0), begin(1, call("a", "f")), sign(1), args(1, "{}")];
    const rest = [begin(2, call("b", "f")), args(2, "{}"), done(1), done(2), finish("tool_calls"), END];
    assert.deepEqual(run(openSignatureCarrier(), [...stream, ...rest]), [
      START,
      beginText(0),
      text(0, "Hi"),
      done(0),
      begin(1, { kind: "reasoning", form: "full", text: "" }),
      sign(1),
      done(1),
      begin(2, call("a", "f")),
      args(2, "{}"),
      begin(3, call("b", "f")),
      args(3, "{}"),
      done(2),
      done(3),
      finish("tool_calls"),
      END,
    ]);
  });

  test("calls without a signature keep their order, whatever comes next", () => {
    const stream = [START, begin(0, call("a", "f")), begin(1, call("b", "f")), args(1, "{}"), args(0, "{}"), done(0)];
    assert.deepEqual(run(openSignatureCarrier(), [...stream, done(1), END]), [...stream, done(1), END]);
  });

  test("no more than one event is held back", () => {
    const stage = openSignatureCarrier();
    assert.deepEqual([...stage.push(begin(0, call("a", "f")))], []);
    assert.equal([...stage.push(args(0, "{"))].length, 2);
    assert.equal([...stage.push(args(0, "}"))].length, 1);
  });

  test("an answer without signatures is the same answer", () => {
    fc.assert(fc.property(anyResponse, (response) => {
      const bare = { ...response, candidates: response.candidates.map(withoutCallSignatures) };
      const events = run(openSignatureCarrier(), [...replay(bare)]);
      assert.deepEqual(collect(events), collect([...replay(bare)]));
    }));
  });
});

function withoutCallSignatures(candidate: NeutralResponse["candidates"][number]) {
  const parts = candidate.parts.map((part): Part => {
    if (part.kind !== "tool_call") return part;
    const { opaque: _, ...bare } = part;
    return bare;
  });
  return { ...candidate, parts };
}

describe("carrySignatures and restoreSignatures", () => {
  const answer = (...parts: Part[]): NeutralResponse => ({
    id: "a",
    model: "m",
    createdAt: 1,
    candidates: [{ index: 0, parts, stop: { reason: "tool_calls" } }],
    usage: undefined,
  });
  const signed = call("a", "f", { arguments: "{}", opaque: [SIGNED] });
  const plain = call("b", "f", { arguments: "{}" });

  test("out before the call, and back on it, on no other", () => {
    const carried = carrySignatures(answer(signed, plain)).candidates[0]?.parts ?? [];
    assert.deepEqual(carried, [CARRIER, call("a", "f", { arguments: "{}" }), plain]);
    assert.deepEqual(restoreSignatures(carried, "google"), [signed, plain]);
  });

  test("for another family it stays thinking, which that family's encoder leaves out by name", () => {
    assert.deepEqual(restoreSignatures([CARRIER, plain], "openai"), [CARRIER, plain]);
  });

  test("thinking with words, a signature without a call, and a call that has its own stay what they are", () => {
    const worded = thinking("Hm", SIGNED);
    assert.deepEqual(restoreSignatures([worded, plain], "google"), [worded, plain]);
    assert.deepEqual(restoreSignatures([plain, CARRIER], "google"), [plain, CARRIER]);
    assert.deepEqual(restoreSignatures([CARRIER, signed], "google"), [signed]);
  });

  test("an answer without signatures is the same object", () => {
    const whole = answer(plain);
    assert.equal(carrySignatures(whole), whole);
  });
});
