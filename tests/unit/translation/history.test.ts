import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { Losses } from "../../../lib/format.ts";
import type { Message, Part, ToolResultPart } from "../../../lib/neutral.ts";
import { settleToolResults } from "../../../lib/translation/history.ts";
import { call, message } from "../../support/neutral.ts";

const GO: Part = { kind: "text", text: "go" };

function result(callId: string, text: string, parts: Partial<ToolResultPart> = {}): ToolResultPart {
  return { kind: "tool_result", callId, toolKind: "function", parts: [{ kind: "text", text }], ...parts };
}

function settled(...messages: Message[]): { messages: Message[]; losses: string[] } {
  const losses = new Losses();
  return { messages: settleToolResults(messages, losses), losses: losses.list.map((loss) => loss.path) };
}

describe("settleToolResults", () => {
  test("a whole history stays as it is", () => {
    const history = [
      message("user", GO),
      message("assistant", call("a", "f"), call("b", "f")),
      message("tool", result("a", "1"), result("b", "2")),
      message("assistant", GO),
    ];
    assert.deepEqual(settled(...history), { messages: history, losses: [] });
  });

  test("text_before_tool_result: the results come right after their calls, the text after them", () => {
    assert.deepEqual(
      settled(message("assistant", call("a", "f")), message("user", GO, result("a", "1"))),
      {
        messages: [message("assistant", call("a", "f")), message("tool", result("a", "1")), message("user", GO)],
        losses: [],
      },
    );
  });

  test("results in several messages and in another order become one message in the order of the calls", () => {
    const calls = message("assistant", call("a", "f"), call("b", "f"));
    const found = settled(
      calls,
      message("tool", result("b", "2")),
      message("tool", result("a", "1")),
      message("user", GO),
    );
    assert.deepEqual(found.messages, [calls, message("tool", result("a", "1"), result("b", "2")), message("user", GO)]);
    assert.deepEqual(found.losses, []);
  });

  test("a call without a result gets one that says so", () => {
    const lost = call("b", "g", { path: "messages[0].tool_calls[1]" });
    const found = settled(
      message("assistant", call("a", "f"), lost),
      message("tool", result("a", "1")),
      message("user", GO),
    );
    const made = found.messages[1]?.parts[1];
    assert.ok(made?.kind === "tool_result" && made.callId === "b" && made.isError === true);
    assert.deepEqual(found.messages[2], message("user", GO));
    assert.deepEqual(found.losses, ["messages[0].tool_calls[1]"]);
  });

  test("calls at the end of the history get their results too", () => {
    assert.deepEqual(settled(message("assistant", call("a", "f"))).messages.map((each) => each.role), [
      "assistant",
      "tool",
    ]);
  });

  test("a result without a call becomes text, with its images kept", () => {
    const image: Part = { kind: "image", source: { type: "url", url: "https://a.example" } };
    const orphan = result("x", "found", { path: "messages[1]" });
    orphan.parts.push(image);
    const found = settled(
      message("user", GO),
      message("tool", orphan),
      message("tool", result("y", "", { parts: [image] })),
    );
    assert.deepEqual(found.messages.slice(1), [
      message("user", { kind: "text", text: "Tool result (x): found" }, image),
      message("user", { kind: "text", text: "Tool result (y): " }, image),
    ]);
    assert.deepEqual(found.losses, ["messages[1]", "messages"]);
  });

  test("a second result for one call is not lost", () => {
    const found = settled(
      message("assistant", call("a", "f")),
      message("user", result("a", "1"), result("a", "again")),
    );
    assert.deepEqual(found.messages[2], message("user", { kind: "text", text: "Tool result (a): again" }));
    assert.equal(found.losses.length, 1);
  });

  test("calls that share an id get their results in order", () => {
    const found = settled(
      message("assistant", call("call_0", "f"), call("call_0", "g")),
      message("tool", result("call_0", "1")),
      message("tool", result("call_0", "2")),
    );
    assert.deepEqual(found.messages[1], message("tool", result("call_0", "1"), result("call_0", "2")));
    assert.deepEqual(found.losses, []);
  });

  test("an assistant turn in several messages is one turn", () => {
    const found = settled(
      message("assistant", call("a", "f")),
      message("assistant", call("b", "f"), GO),
      message("user", result("a", "1"), result("b", "2")),
    );
    assert.deepEqual(found.messages, [
      message("assistant", call("a", "f"), call("b", "f"), GO),
      message("tool", result("a", "1"), result("b", "2")),
    ]);
    assert.deepEqual(found.losses, []);
  });

  test("results are not searched beyond the next turn", () => {
    const found = settled(
      message("assistant", call("a", "f", { path: "messages[0]" })),
      message("user", GO),
      message("assistant", GO),
      message("user", result("a", "late")),
    );
    assert.deepEqual(found.messages.map((each) => each.role), ["assistant", "tool", "user", "assistant", "user"]);
    assert.deepEqual(found.losses, ["messages[0]", "messages"]);
  });

  test("empty results and their error marks are kept", () => {
    const empty = result("a", "", { parts: [], isError: true });
    const found = settled(message("assistant", call("a", "f")), message("tool", empty));
    assert.deepEqual(found, { messages: [message("assistant", call("a", "f")), message("tool", empty)], losses: [] });
  });

  test("what the results' message says beside its parts is kept", () => {
    const extra = { format: "messages", fields: { note: 1 } } as const;
    const results: Message = { role: "user", parts: [result("a", "1")], path: "messages[1]", extra };
    const found = settled(message("assistant", call("a", "f")), results);
    assert.deepEqual(found.messages[1], { ...results, role: "tool" });
  });
});
