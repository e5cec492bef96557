import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { Losses } from "../../../../lib/format.ts";
import { responses } from "../../../../lib/formats/responses/mod.ts";
import { sealEnvelope } from "../../../../lib/translation/envelope.ts";
import { target } from "./support.ts";

const FOREIGN = sealEnvelope([{ issuer: "anthropic", kind: "signature", value: "sig" }]);
const OWN = sealEnvelope([
  { issuer: "anthropic", kind: "signature", value: "sig" },
  { issuer: "openai", kind: "encrypted", value: "enc" },
]);
const CALL = { type: "function_call", id: "fc_1", call_id: "c1", name: "f", arguments: "{}" };
const USER = { role: "user", content: "it begins with gw1." };

function strip(...input: unknown[]) {
  const losses = new Losses();
  const body = responses.stripEnvelopes({ model: "m", made_up: 1, input }, target(), losses);
  assert.deepEqual([body["model"], body["made_up"]], ["m", 1]);
  return { input: body["input"] as JsonObject[], lost: losses.list.map((loss) => loss.path) };
}

function reasoning(encrypted_content: unknown): JsonObject {
  return { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "hm" }], encrypted_content };
}

describe("responses stripEnvelopes", () => {
  test("another maker's reasoning goes, and the ids of the calls that it was made with", () => {
    const { input, lost } = strip(USER, reasoning(FOREIGN), CALL, USER, CALL);
    const { id: _, ...call } = CALL;
    assert.deepEqual([input, lost], [[USER, call, USER, CALL], ["input[1]"]]);
  });

  test("the target's own value comes out of its envelope, without the id that was ours", () => {
    const { input, lost } = strip(reasoning(OWN), CALL);
    const { id: _, ...own } = reasoning("enc");
    assert.deepEqual([input, lost], [[own, CALL], []]);
  });

  test("an empty envelope, a damaged one and a compaction", () => {
    const { input, lost } = strip(reasoning(sealEnvelope([])), reasoning(FOREIGN.slice(0, -1)), {
      type: "compaction",
      encrypted_content: FOREIGN,
    });
    assert.deepEqual([input, lost], [[], ["input[0]", "input[1]", "input[2]"]]);
  });

  test("everything else stays as it is", () => {
    const items = [USER, reasoning("enc"), reasoning(null), CALL, "odd", 5];
    assert.deepEqual(strip(...items), { input: items as JsonObject[], lost: [] });
    const text = { model: "m", input: "gw1.not ours" };
    assert.equal(responses.stripEnvelopes(text, target(), new Losses()), text);
  });
});
