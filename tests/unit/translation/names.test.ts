import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { NeutralRequest, Tool } from "../../../lib/neutral.ts";
import { type NameRules, type ToolNames, toolNames } from "../../../lib/translation/names.ts";
import { call, message, request } from "../../support/neutral.ts";

const CHAT: NameRules = { maxLength: 64, namespaces: false };
const MESSAGES: NameRules = { maxLength: 128, namespaces: false };
const RESPONSES: NameRules = { maxLength: 64, namespaces: true };

function tool(name: string, parts: Partial<Tool> = {}): Tool {
  return { kind: "function", name, ...parts };
}

function names(asked: NeutralRequest, rules: NameRules): ToolNames {
  const result = toolNames(asked, rules);
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

describe("toolNames", () => {
  test("legal names stay, and nothing is to be restored", () => {
    const found = names(request({ tools: [tool("get_weather"), tool("A-1")] }), CHAT);
    assert.equal(found.toTarget("get_weather"), "get_weather");
    assert.equal(found.restore.size, 0);
  });

  test("tool_name_of_90_characters: shortened for the target, restored for the client", () => {
    const long = "n".repeat(90);
    const found = names(request({ tools: [tool(long)] }), CHAT);
    const target = found.toTarget(long);
    assert.match(target, /^n{55}_[0-9a-f]{8}$/);
    assert.deepEqual(found.restore.get(target), { name: long, toolKind: "function" });
    assert.equal(names(request({ tools: [tool(long)] }), MESSAGES).toTarget(long), long);
  });

  test("illegal characters are replaced, and names that differ in them alone stay apart", () => {
    const found = names(request({ tools: [tool("a.b"), tool("a:b"), tool("wetter_für_münchen"), tool("")] }), CHAT);
    const targets = ["a.b", "a:b", "wetter_für_münchen", ""].map((name) => found.toTarget(name));
    for (const target of targets) assert.match(target, /^[A-Za-z0-9_-]{1,64}$/);
    assert.equal(new Set(targets).size, 4);
    assert.equal(found.restore.size, 4);
  });

  test("namespaces are flattened where the target has none", () => {
    const tools = [tool("find", { namespace: "mail" }), tool("find", { namespace: "files" })];
    const flat = names(request({ tools }), CHAT);
    assert.equal(flat.toTarget("find", "mail"), "mail__find");
    assert.equal(flat.toTarget("find", "files"), "files__find");
    assert.deepEqual(flat.restore.get("mail__find"), { name: "find", namespace: "mail", toolKind: "function" });
    const kept = names(request({ tools }), RESPONSES);
    assert.equal(kept.toTarget("find", "mail"), "find");
    assert.equal(kept.restore.size, 0);
  });

  test("a choice that names a tool without its namespace finds it", () => {
    const found = names(request({ tools: [tool("find", { namespace: "mail" })] }), CHAT);
    assert.equal(found.toTarget("find"), "mail__find");
  });

  test("a custom tool is restored as one where it was called as a function", () => {
    const tools = [tool("apply_patch", { kind: "custom" })];
    assert.deepEqual(names(request({ tools }), MESSAGES).restore.get("apply_patch"), {
      name: "apply_patch",
      toolKind: "custom",
    });
  });

  test("two tools that end up with one name are refused, by the second one's path", () => {
    const tools = [tool("mail__find", { path: "tools[0]" }), tool("find", { namespace: "mail", path: "tools[1]" })];
    const result = toolNames(request({ tools }), CHAT);
    assert.ok(!result.ok);
    assert.equal(result.failure.kind, "unsupported");
    assert.equal(result.failure.param, "tools[1]");
  });

  test("server tools have no name to change", () => {
    const found = names(request({ tools: [tool("web search", { kind: "native" })] }), CHAT);
    assert.equal(found.restore.size, 0);
  });

  test("calls in the history of tools no longer offered get a legal name and are never refused", () => {
    const history = [message("assistant", call("a", "old.tool"), call("b", "find", { namespace: "mail" }))];
    const found = names(request({ tools: [tool("mail__find")], messages: history }), CHAT);
    assert.match(found.toTarget("old.tool"), /^old_tool_[0-9a-f]{8}$/);
    assert.equal(found.toTarget("mail__find"), "mail__find");
  });

  test("whatever the names: legal, distinct, and restored to what they were", () => {
    const anyTools = fc.uniqueArray(fc.string({ unit: "binary", maxLength: 80 }), { maxLength: 6 });
    fc.assert(fc.property(anyTools, (list) => {
      const found = names(request({ tools: list.map((name) => tool(name)) }), CHAT);
      for (const name of list) {
        const target = found.toTarget(name);
        assert.match(target, /^[A-Za-z0-9_-]{1,64}$/);
        assert.equal(found.restore.get(target)?.name ?? target, name);
      }
    }));
  });
});
