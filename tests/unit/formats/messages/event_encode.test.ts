import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { Losses } from "../../../../lib/format.ts";
import { messages } from "../../../../lib/formats/messages/mod.ts";
import type { NeutralEvent, Opaque, Part, Usage } from "../../../../lib/neutral.ts";
import { openEnvelope } from "../../../../lib/translation/envelope.ts";
import { openSequencer } from "../../../../lib/translation/sequencer.ts";
import { accumulate, answer, END, finish, frames, parseFrames, part, START } from "./support.ts";

const USAGE: Usage = {
  inputTokens: 100,
  cacheReadTokens: 90,
  cacheWriteTokens: 4,
  outputTokens: 7,
  reasoningTokens: 3,
};
const TEXT: Part = { kind: "text", text: "" };
const THINKING: Part = { kind: "reasoning", text: "", form: "full" };
const CALL: Part = { kind: "tool_call", id: "call_1", name: "look", toolKind: "function", arguments: "" };
const SIGNATURE: Opaque = { issuer: "anthropic", kind: "signature", value: "sig" };
const ENCRYPTED: Opaque = { issuer: "openai", kind: "encrypted", value: "enc", id: "rs_1" };

function said(delta: string) {
  return { t: "text", delta };
}

function args(...deltas: string[]) {
  return deltas.map((delta) => ({ t: "arguments", delta }));
}

function whole(...events: NeutralEvent[]): JsonObject {
  return accumulate(frames([START, ...events, END]));
}

function contentOf(...events: NeutralEvent[]): JsonObject[] {
  return whole(...events, finish())["content"] as JsonObject[];
}

describe("messages event encode: the frame of a stream", () => {
  test("event for event", () => {
    const events = [
      START,
      ...part(0, TEXT, said("Hel"), said("lo")),
      { t: "keepalive" } as NeutralEvent,
      finish(),
      END,
    ];
    assert.deepEqual(frames([...events.slice(0, -1), { t: "usage", usage: USAGE }, END]), [
      {
        type: "message_start",
        message: {
          id: "msg_1",
          type: "message",
          role: "assistant",
          model: "asked-for",
          content: [],
          stop_reason: null,
          stop_sequence: null,
          stop_details: null,
          container: null,
          diagnostics: null,
          usage: {
            input_tokens: 42,
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: 0,
            output_tokens: 0,
          },
        },
      },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "", citations: null } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hel" } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "lo" } },
      { type: "content_block_stop", index: 0 },
      { type: "ping" },
      {
        type: "message_delta",
        delta: { stop_reason: "end_turn", stop_sequence: null, stop_details: null, container: null },
        usage: {
          input_tokens: 6,
          cache_creation_input_tokens: 4,
          cache_read_input_tokens: 90,
          output_tokens: 7,
          output_tokens_details: { thinking_tokens: 3 },
        },
      },
      { type: "message_stop" },
    ]);
  });

  test("case 23: the start says an early count where there is one, an estimate where it is 0", () => {
    const startUsage = (usage: Usage) => {
      const [first] = frames([{ ...START, usage } as NeutralEvent]);
      return ((first?.["message"] as JsonObject)["usage"] as JsonObject)["input_tokens"];
    };
    assert.equal(startUsage(USAGE), 6);
    assert.equal(startUsage({ ...USAGE, inputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 }), 42);
  });

  test("a whole answer's own members: in the start, and its container where the SDKs look for it", () => {
    const container = { id: "container_1", expires_at: "2026-01-01T00:00:00Z" };
    const extra = { format: "messages" as const, fields: { container, context_management: { applied_edits: [] } } };
    const events = frames([{ ...START, extra } as NeutralEvent, finish(), END]);
    const message = events[0]?.["message"] as JsonObject;
    assert.deepEqual([message["container"], message["context_management"]], [container, { applied_edits: [] }]);
    const last = events.find((event) => event["type"] === "message_delta");
    assert.deepEqual((last?.["delta"] as JsonObject)["container"], container);
    const foreign = frames([{ ...START, extra: { ...extra, format: "chat" } } as NeutralEvent, finish(), END]);
    assert.equal((foreign[0]?.["message"] as JsonObject)["container"], null);
  });

  test("case 10: nothing said is no content", () => {
    assert.deepEqual(contentOf(), []);
    assert.equal(whole(finish())["stop_reason"], "end_turn");
  });

  test("without a count the end carries an estimate", () => {
    const usage = whole(...part(0, TEXT, said("12345678")), finish())["usage"] as JsonObject;
    assert.deepEqual([usage["input_tokens"], usage["output_tokens"]], [42, 2]);
  });

  test("an id of another format becomes one of this, always the same", () => {
    const idOf = (id: string) => accumulate(frames([{ ...START, id } as NeutralEvent, finish(), END]))["id"];
    assert.match(String(idOf("chatcmpl-1")), /^msg_\w{24}$/);
    assert.equal(idOf("chatcmpl-1"), idOf("chatcmpl-1"));
  });

  test("an error is the last word, and leaves blocks open", () => {
    const failure = { kind: "upstream_cut" as const, source: "upstream" as const, message: "gone", retry: true };
    const out = frames([START, ...part(0, TEXT, said("a")).slice(0, -1), { t: "error", failure }, END]);
    assert.deepEqual(out.map((event) => event["type"]), [
      "message_start",
      "content_block_start",
      "content_block_delta",
      "error",
    ]);
    assert.deepEqual(out.at(-1), { type: "error", error: { type: "api_error", message: "gone" }, request_id: "req_1" });
  });

  test("keep-alives and errors outside of an encoder are the same frames", () => {
    assert.deepEqual(parseFrames(messages.keepaliveFrame), [{ type: "ping" }]);
  });
});

describe("messages event encode: parts", () => {
  test("PITFALLS 39: no block without content", () => {
    const silent = part(1, THINKING, { t: "reasoning", delta: "" });
    assert.deepEqual(contentOf(...part(0, TEXT, said("")), ...silent, ...part(2, TEXT, said("a"))), [
      { type: "text", text: "a", citations: null },
    ]);
  });

  test("a native signature goes as it is, once, last", () => {
    const out = frames([
      START,
      ...part(0, THINKING, { t: "reasoning", delta: "Hm" }, { t: "opaque", opaque: SIGNATURE }),
      finish(),
      END,
    ]);
    assert.deepEqual(out.slice(1, 5).map((event) => event["delta"] ?? event["content_block"] ?? event["type"]), [
      { type: "thinking", thinking: "", signature: "" },
      { type: "thinking_delta", thinking: "Hm" },
      { type: "signature_delta", signature: "sig" },
      "content_block_stop",
    ]);
  });

  test("case 15: what another maker signed travels in an envelope", () => {
    const [block] = contentOf(
      ...part(0, THINKING, { t: "reasoning", delta: "Hm" }, { t: "opaque", opaque: ENCRYPTED }),
    );
    assert.deepEqual(openEnvelope(String(block?.["signature"])), [ENCRYPTED]);
  });

  test("several values are never merged: one envelope holds them all", () => {
    const [block] = contentOf(
      ...part(0, THINKING, { t: "opaque", opaque: SIGNATURE }, { t: "opaque", opaque: ENCRYPTED }),
    );
    assert.equal(block?.["thinking"], "");
    assert.deepEqual(openEnvelope(String(block?.["signature"])), [SIGNATURE, ENCRYPTED]);
  });

  test("redacted thinking comes whole", () => {
    const redacted: Part = { kind: "reasoning", text: "", form: "redacted" };
    const opaque: Opaque = { issuer: "anthropic", kind: "redacted", value: "xyz" };
    assert.deepEqual(contentOf(...part(0, { ...redacted, opaque: [opaque] })), [{
      type: "redacted_thinking",
      data: "xyz",
    }]);
    assert.deepEqual(contentOf(...part(0, redacted, { t: "opaque", opaque })), [{
      type: "redacted_thinking",
      data: "xyz",
    }]);
  });

  test("a refusal is text, a reason and details", () => {
    const message = whole(...part(0, { kind: "refusal", text: "" }, { t: "refusal", delta: "No." }), finish());
    assert.deepEqual(message["content"], [{ type: "text", text: "No.", citations: null }]);
    assert.equal(message["stop_reason"], "refusal");
    assert.deepEqual(message["stop_details"], { type: "refusal", category: null, explanation: null });
  });

  test("a compaction and native blocks come whole", () => {
    const compaction: Opaque = { issuer: "anthropic", kind: "compaction", value: "enc" };
    const search = { type: "server_tool_use", id: "s", name: "web_search", input: { query: "bun" } };
    const found = { type: "web_search_tool_result", tool_use_id: "s", content: [] };
    assert.deepEqual(
      contentOf(
        ...part(0, { kind: "compaction" }, said("So far…"), { t: "opaque", opaque: compaction }),
        ...part(1, { kind: "native", format: "messages", value: search }),
        ...part(2, { kind: "native", format: "messages", value: found }),
      ),
      [{ type: "compaction", content: "So far…", encrypted_content: "enc" }, search, found],
    );
  });

  test("a block of another format is a loss, not a piece of the answer", () => {
    const losses = new Losses();
    const native: Part = { kind: "native", format: "responses", value: { type: "x" }, text: "words" };
    const out = frames([START, ...part(0, native), ...part(1, TEXT, said("a")), finish(), END], answer(losses));
    assert.equal((accumulate(out)["content"] as unknown[]).length, 1);
    assert.deepEqual(losses.list.map((loss) => loss.path), ["content[0]"]);
  });

  test("citations: early ones wait for their text, foreign ones are a loss", () => {
    const losses = new Losses();
    const citation = { kind: "url", url: "u", title: "t", citedText: "c", opaque: "e" };
    const events = part(0, TEXT, { t: "citation", citation }, said("a"), {
      t: "citation",
      citation: { kind: "url", url: "v" },
    });
    const message = accumulate(frames([START, ...events, finish(), END], answer(losses)));
    assert.deepEqual(message["content"], [{
      type: "text",
      text: "a",
      citations: [{ type: "web_search_result_location", url: "u", title: "t", cited_text: "c", encrypted_index: "e" }],
    }]);
    assert.deepEqual(losses.list.map((loss) => loss.path), ["content[0].citations"]);
  });

  test("native events of this format pass, but never those of a block", () => {
    const native = (event: JsonObject): NeutralEvent => ({ t: "native", format: "messages", event });
    const out = frames([START, native({ type: "weather" }), native({ type: "content_block_delta", index: 9 })]);
    assert.deepEqual(out.slice(1), [{ type: "weather" }]);
  });
});

describe("messages event encode: calls", () => {
  test("the block's index is its own, not the call's", () => {
    const message = whole(
      ...part(0, TEXT, said("Looking")),
      ...part(1, CALL, ...args('{"a":', "1}")),
      finish("tool_calls"),
    );
    assert.deepEqual(message["content"], [
      { type: "text", text: "Looking", citations: null },
      { type: "tool_use", id: "call_1", name: "look", input: { a: 1 }, caller: { type: "direct" } },
    ]);
    assert.equal(message["stop_reason"], "tool_use");
  });

  test("arguments pass as they arrive", () => {
    const out = frames([START, ...part(0, CALL, ...args(" ", '{"a":', "1}"))]);
    const deltas = out.flatMap((event) =>
      event["delta"] === undefined ? [] : [(event["delta"] as JsonObject)["partial_json"]]
    );
    assert.deepEqual(deltas, ['{"a":', "1}"]);
  });

  test("no arguments are an empty object", () => {
    assert.deepEqual(contentOf(...part(0, CALL))[0]?.["input"], {});
    assert.deepEqual(contentOf(...part(0, CALL, ...args("", "  ")))[0]?.["input"], {});
  });

  test("case 1: interleaved calls become two blocks, one after the other", () => {
    const second = { ...CALL, id: "call_2" };
    const sequencer = openSequencer();
    const events: NeutralEvent[] = [
      START,
      { t: "part_start", c: 0, i: 0, part: CALL },
      { t: "arguments", c: 0, i: 0, delta: '{"a"' },
      { t: "part_start", c: 0, i: 1, part: second },
      { t: "arguments", c: 0, i: 1, delta: '{"b"' },
      { t: "arguments", c: 0, i: 0, delta: ":1}" },
      { t: "arguments", c: 0, i: 1, delta: ":2}" },
      { t: "part_end", c: 0, i: 0 },
      { t: "part_end", c: 0, i: 1 },
      finish("tool_calls"),
      END,
    ];
    const message = accumulate(frames(events.flatMap((event) => [...sequencer.push(event)])));
    const inputs = (message["content"] as JsonObject[]).map((block) => block["input"]);
    assert.deepEqual(inputs, [{ a: 1 }, { b: 2 }]);
  });

  test("PITFALLS 37: a call that broke off is never told as complete", () => {
    const reason = (delta: string, told: "stop" | "tool_calls" | "max_tokens") => {
      const out = frames([START, ...part(0, CALL, ...args(delta)), finish(told), END]);
      return (out.find((event) => event["type"] === "message_delta")?.["delta"] as JsonObject)["stop_reason"];
    };
    assert.equal(reason('{"a":', "tool_calls"), "max_tokens");
    assert.equal(reason('{"a":', "stop"), "max_tokens");
    assert.equal(reason('{"a":1}', "max_tokens"), "max_tokens");
    assert.equal(reason('{"a":1}', "stop"), "tool_use");
    assert.equal(reason('["a', "tool_calls"), "max_tokens");
  });

  test("what is no object is put into one, and said", () => {
    const losses = new Losses();
    const events = [
      START,
      ...part(0, CALL, ...args("[1,", "2]")),
      ...part(1, CALL, ...args("free text")),
      finish(),
      END,
    ];
    const content = accumulate(frames(events, answer(losses)))["content"] as JsonObject[];
    assert.deepEqual(content.map((block) => block["input"]), [{ value: [1, 2] }, { _raw: "free text" }]);
    assert.deepEqual(losses.list.map((loss) => loss.path), ["content[0]", "content[1]"]);
  });

  test("a custom tool's text is one member", () => {
    const custom: Part = { kind: "tool_call", id: "call_1", name: "patch", toolKind: "custom", arguments: "" };
    assert.deepEqual(contentOf(...part(0, custom, ...args('{"not', " json")))[0]?.["input"], { input: '{"not json' });
  });

  test("ids are legal, who called is kept", () => {
    const caller = { type: "code_execution_20260120", tool_id: "srv_1" };
    const events = part(
      0,
      { ...CALL, id: "functions.Bash:0", extra: { format: "messages", fields: { caller } } } as Part,
    );
    const [block] = contentOf(...events);
    assert.match(String(block?.["id"]), /^[a-zA-Z0-9_-]+$/);
    assert.deepEqual(block?.["caller"], caller);
  });

  test("other candidates are not told", () => {
    const other = part(0, TEXT, said("b")).map((event) => ({ ...event, c: 1 }) as NeutralEvent);
    assert.deepEqual(contentOf(...part(0, TEXT, said("a")), ...other).length, 1);
  });
});
