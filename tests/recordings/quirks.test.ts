/**
 * The shapes of real streams that QUIRKS.md of the recordings tells of, in fixtures of our own making, one for each that
 * no other test sends through: so these hold where there are no recordings. What each fixture says is written here by
 * hand; everything that holds of recordings must hold of it.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, test } from "bun:test";
import type { FormatName } from "../support/told.ts";
import { checkAnswer } from "./answers.ts";
import { checkCuts } from "./cuts.ts";
import type { Call, Counts, Facts } from "./facts.ts";
import { hearSource } from "./oracle.ts";
import type { Source } from "./recordings.ts";
import { checkSplits } from "./splits.ts";
import { CLIENTS } from "./translate.ts";

const FOLDER = fileURLToPath(new URL("../fixtures/quirks", import.meta.url));

type Said = Partial<Omit<Facts, "natives" | "calls">> & {
  calls?: Omit<Call, "raw">[];
  /** Types of what only the format itself has. */
  natives?: string[];
  usage?: Partial<Counts>;
  /** What further candidates say. */
  others?: Said[];
};

/** An error's words, or what is said. */
const QUIRKS: Readonly<Record<string, string | Said>> = {
  "chat/annotations.sse": { text: "Ruby 9 is out, they say.", links: ["https://ruby.example/9"] },
  "chat/blank_lines_before_json.json": { text: "Late but whole.", usage: { input: 3, output: 4 } },
  "chat/call_with_its_finish.sse": {
    calls: [{ id: "D681PevKs", name: "weather", input: { city: "Oslo" } }],
    stop: "tool_calls",
    usage: { input: 30, output: 12 },
  },
  "chat/call_without_arguments.json": { calls: [{ id: "tool_0_now", name: "now", input: {} }], stop: "tool_calls" },
  "chat/calls_null.json": { text: "Just text.", others: [{ text: "And more." }] },
  "chat/content_missing.json": { calls: [{ id: "c1", name: "f", input: {} }], stop: "tool_calls" },
  "chat/cumulative_message_crlf.sse": { text: "One, two", usage: { input: 5, output: 4 } },
  "chat/custom_tool.json": { calls: [{ id: "call_c", name: "patch", input: "{not json" }], stop: "tool_calls" },
  "chat/custom_tool.sse": {
    calls: [{ id: "call_c", name: "patch", input: '*** Begin "x"\n*** End' }],
    stop: "tool_calls",
  },
  "chat/delta_with_index.sse": { calls: [{ id: "Ab3dE5gH7", name: "roll", input: { sides: 6 } }], stop: "tool_calls" },
  "chat/empty_finish_and_objects.json": {
    calls: [{ id: "tooluse_1", name: "weather", input: { city: "Rome" } }],
    stop: "tool_calls",
    usage: { input: 40, output: 20 },
  },
  "chat/error_beside_choices.sse": "Token limit reached",
  "chat/foreign_id.json": { text: "Paris.", usage: { input: 8, output: 2 } },
  "chat/milliseconds_and_token_ids.sse": { text: "Hi", usage: { input: 2, output: 1 } },
  "chat/moderation_last.sse": { text: "All fine.", usage: { input: 5, output: 3 } },
  "chat/never_finished.sse": { text: "25", thinking: "Five by five.", usage: { input: 18, output: 22 } },
  "chat/no_role_no_done_float_usage.sse": { text: "1 2", thinking: "Count.\n", usage: { input: 14, output: 5 } },
  "chat/reasoning_beside_completion.sse": {
    thinking: "Tool.",
    calls: [{ id: "call_12", name: "f", input: { a: 1 } }],
    stop: "tool_calls",
    usage: { input: 291, output: 222, reasoning: 196 },
  },
  "chat/reasoning_count_at_top_level.sse": {
    text: "So.",
    thinking: "Hm",
    usage: { input: 6, output: 8, reasoning: 5 },
  },
  "chat/reasoning_encrypted.sse": { text: "Nine.", seals: ["gAAAAAquirk"], usage: { output: 9, reasoning: 7 } },
  "chat/reasoning_signed.sse": { text: "Done.", thinking: "Think twice.", seals: ["EqQBquirk"] },
  "chat/refusal.sse": { refusal: "I can’t help with that.", stop: "refusal" },
  "chat/think_as_content.sse": { text: "<think>Hm.</think>Yes.", usage: { input: 4, output: 6, cached: 2 } },
  "chat/two_answers.sse": {
    text: "Heads",
    calls: [{ id: "call_a", name: "flip", input: { side: "h" } }],
    stop: "tool_calls",
    others: [{ text: "Tails", calls: [{ id: "call_b", name: "flip", input: { side: "t" } }], stop: "tool_calls" }],
  },
  "chat/usage_alone_and_padding.sse": { text: "Seven.", usage: { input: 11, cached: 4, output: 2 } },
  "chat/usage_in_a_vendors_field.sse": {
    text: "Found.",
    thinking: "Look it up.",
    usage: { input: 21, output: 6 },
  },
  "chat/usage_with_finish_cache_hits.sse": {
    text: "391",
    thinking: "17 by 23",
    usage: { input: 20, cached: 16, output: 12, reasoning: 9 },
  },
  "chat/whole_call_in_one_delta.sse": {
    thinking: "Weather first.",
    calls: [{ id: "call_r3", name: "weather", input: { lat: "48.9" } }],
    stop: "tool_calls",
  },

  "messages/all_in_its_start.sse": {
    calls: [{ id: "toolu_p", name: "roll", input: { sides: 6 } }],
    stop: "tool_calls",
  },
  "messages/compaction_and_edits.sse": {
    text: "On we go.",
    compactions: [{ text: "So far: greetings.", seals: [] }],
    usage: { input: 112, output: 29 },
  },
  "messages/corrected_counts_and_pause.sse": {
    text: "Searching.",
    natives: ["server_tool_use", "web_search_tool_result"],
    stop: "pause",
    usage: { input: 4068, cached: 20, written: 3, output: 80 },
  },
  "messages/empty_first_delta.sse": {
    calls: [{ id: "toolu_q", name: "look", input: { at: "this" } }],
    stop: "tool_calls",
  },
  "messages/error_in_a_tools_result.sse": {
    text: "It failed.",
    natives: ["server_tool_use", "bash_code_execution_tool_result", "mcp_tool_use", "mcp_tool_result"],
  },
  "messages/no_content.json": { usage: { input: 30, output: 2 } },
  "messages/padding_and_ping.sse": { text: "Hello.", usage: { input: 12, output: 9 } },
  "messages/redacted_thinking.sse": { text: "No more.", seals: ["EmwKquirkR", "EmwKquirkR2"] },
  "messages/second_start.sse": "a second message",
  "messages/text_split_around_citations.sse": {
    text: "They say: Ruby 9 is out.See p. 1.",
    links: ["https://ruby.example/9"],
    notes: [{ title: "Notes", file: "" }],
  },
  "messages/thinking_omitted.sse": { text: "Four.", seals: ["EqQBomitted"], usage: { output: 9, reasoning: 5 } },
  "messages/thinking_signed_at_its_end.sse": {
    text: "2, 3",
    thinking: "First primes.",
    seals: ["EqQBquirkS"],
    stop: "stop_sequence",
  },

  "responses/error_then_failed.sse": "Limit reached, try again.",
  "responses/incomplete.sse": { text: "Once upon", stop: "max_tokens", usage: { input: 10, output: 16 } },
  "responses/message_without_words.sse": { natives: ["image_generation_call"] },
  "responses/parts_of_another_name.sse": { text: "Four.", thinking: "Add up.", usage: { output: 9, reasoning: 4 } },
  "responses/phases.sse": { text: "Looking.It is noon." },
  "responses/queued.json": "queued",
  "responses/queued.sse": { text: "Later." },
  "responses/reasoning_encrypted_alone.sse": {
    text: "Forty-two.",
    seals: ["gAAAAAquirkE"],
    usage: { input: 10, cached: 4, output: 20, reasoning: 15 },
  },
  "responses/refusal.sse": { refusal: "I can’t do that.", stop: "refusal" },
  "responses/server_items.sse": {
    text: "See there.",
    natives: [
      "mcp_list_tools",
      "web_search_call",
      "file_search_call",
      "mcp_approval_request",
      "program",
      "tool_search_call",
    ],
  },
  "responses/summary_search_and_call.sse": {
    thinking: "Search, then answer.",
    calls: [{ id: "call-3f1c-0", name: "now", input: {} }],
    natives: ["x_search_call"],
    stop: "tool_calls",
  },
};

function sourceOf(name: string): Source {
  const format = name.slice(0, name.indexOf("/")) as FormatName;
  const isStream = name.endsWith(".sse");
  return { name, format, provider: "somebody", model: "some-model", isStream, file: `${FOLDER}/${name}` };
}

/** What the oracle heard, in the words of the table. */
function told(facts: Facts | undefined): Said {
  const { natives, calls, ...others } = facts ?? { natives: [], calls: [] };
  const words = Object.entries(others).filter(([key, value]) =>
    value.length > 0 && !(key === "stop" && value === "stop")
  );
  return {
    ...Object.fromEntries(words),
    ...(calls.length === 0 ? {} : { calls: calls.map(({ id, name, input }) => ({ id, name, input })) }),
    ...(natives.length === 0 ? {} : { natives: natives.map(({ type }) => String(type)) }),
  };
}

function checkOracle(source: Source, said: string | Said): void {
  const heard = hearSource(source);
  if (typeof said === "string") return assert.ok(heard.error?.includes(said), `heard ${JSON.stringify(heard)}`);
  const { usage = {}, others = [], ...first } = said;
  assert.deepEqual(heard.candidates.map(told), [first, ...others]);
  const counts = Object.keys(usage).map((key) => [key, heard.usage?.[key as keyof Counts]]);
  assert.deepEqual(Object.fromEntries(counts), usage);
}

describe("shapes of real answers", () => {
  test("each fixture is told of, and none is told of that isn't there", () => {
    const files = CLIENTS.flatMap((format) => readdirSync(`${FOLDER}/${format}`).map((name) => `${format}/${name}`));
    assert.deepEqual(files.sort(), Object.keys(QUIRKS).sort());
  });

  for (const [name, said] of Object.entries(QUIRKS)) {
    const source = sourceOf(name);
    test(`${name}: what it says`, () => checkOracle(source, said));
    for (const client of CLIENTS) test(`${name} → ${client}`, () => checkAnswer(source, client));
    if (source.isStream) {
      test(`${name}, in pieces`, () => checkSplits(source, 7));
      test(`${name}, cut off`, () => checkCuts(source));
    }
  }
});
