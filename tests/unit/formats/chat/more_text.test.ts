/** Chunks that only go on with open text have a way of their own: it must say what the way of all others says. */
import assert from "node:assert/strict";
import { test } from "bun:test";
import fc from "fast-check";
import { openDecoder } from "../../../../lib/formats/chat/event_decode.ts";
import type { NeutralEvent } from "../../../../lib/neutral.ts";

const target = { family: "openai", model: "m", flags: new Set<string>() } as unknown as Parameters<
  typeof openDecoder
>[0];

const text = fc.oneof({ weight: 1, arbitrary: fc.constantFrom(null, "") }, { weight: 2, arbitrary: fc.string() });
/** Most often null: what ends a stream, or most chunks don't tell. */
const rarely = <T>(value: T) =>
  fc.oneof({ weight: 20, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.constant(value) });
const delta = fc.record({
  role: fc.constant("assistant"),
  content: text,
  reasoning_content: text,
  reasoning: rarely("thought"),
  refusal: rarely("no"),
  tool_calls: rarely([{ index: 0, id: "a", function: { name: "f", arguments: "{}" } }]),
  annotations: rarely([{ type: "url_citation", url_citation: { url: "https://a.b", title: "t" } }]),
  vendor: rarely({ any: 1 }),
}, { requiredKeys: [] });
const choice = fc.record({
  index: fc.constantFrom(0, 0, 0, 1),
  delta,
  logprobs: fc.constantFrom(null, null, { content: [{ token: "a", logprob: -1, bytes: null, top_logprobs: [] }] }),
  finish_reason: rarely("stop"),
  error: rarely({ message: "broken" }),
}, { requiredKeys: ["delta"] });
const chunk = fc.record({
  id: fc.constant("chatcmpl-1"),
  choices: fc.oneof(fc.tuple(choice), fc.tuple(choice), fc.constant([]), fc.tuple(choice, choice)),
  usage: rarely({ prompt_tokens: 1, completion_tokens: 2 }),
  error: rarely({ message: "broken" }),
}, { requiredKeys: ["choices"] });

/** `general`: an empty member that says nothing, but isn't a plain chunk's, sends it the way of all others. */
function decoded(chunks: readonly object[], general: boolean): NeutralEvent[] {
  const decoder = openDecoder(target);
  const all = chunks.flatMap((chunk) => {
    const data = JSON.stringify(general ? { ...chunk, x_groq: {} } : chunk);
    return [...decoder.decode({ event: "", data })];
  });
  return [...all, ...decoder.end()].map((event) => event.t === "start" ? { ...event, createdAt: 0 } : event);
}

test("text that goes on is told as all other chunks are", () => {
  const seen = { text: 0 };
  fc.assert(
    fc.property(fc.array(chunk, { minLength: 1, maxLength: 12 }), (chunks) => {
      const events = decoded(chunks, false);
      seen.text += events.filter(({ t }) => t === "text" || t === "reasoning").length;
      assert.deepEqual(events, decoded(chunks, true));
    }),
    { numRuns: 1500 },
  );
  assert.ok(seen.text > 100, "the streams that were tried hold text");
});
