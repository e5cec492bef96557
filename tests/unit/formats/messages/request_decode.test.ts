import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { sealEnvelope } from "../../../../lib/translation/envelope.ts";
import { decode, decodeFailure, target } from "./support.ts";
import { messages } from "../../../../lib/formats/messages/mod.ts";
import { Losses } from "../../../../lib/format.ts";

describe("messages request decode: the body's own members", () => {
  test("what is missing is named as the API names it", () => {
    assert.equal(decodeFailure({ model: "m", messages: [] }).message, "max_tokens: Field required");
    assert.equal(decodeFailure({ model: "m", messages: [] }).param, "max_tokens");
    assert.equal(decodeFailure({ model: "m", max_tokens: 1 }).message, "messages: Field required");
    assert.equal(decodeFailure({ max_tokens: 1, messages: [] }).param, "model");
  });

  test("wrong types are named with their path", () => {
    const base = { model: "m", max_tokens: 1 };
    assert.equal(decodeFailure({ ...base, max_tokens: "1", messages: [] }).param, "max_tokens");
    assert.equal(decodeFailure({ ...base, max_tokens: -1, messages: [] }).param, "max_tokens");
    assert.equal(decodeFailure({ ...base, messages: [{ role: "tool", content: "" }] }).param, "messages[0].role");
    assert.equal(decodeFailure({ ...base, messages: [{ role: "user" }] }).param, "messages[0].content");
    const block = { role: "user", content: [{ type: "text" }] };
    assert.equal(decodeFailure({ ...base, messages: [block] }).param, "messages[0].content[0].text");
    assert.equal(decodeFailure({ ...base, messages: [], tools: [{ name: "t" }] }).param, "tools[0].input_schema");
    assert.equal(
      decodeFailure({ ...base, messages: [], thinking: { type: "enabled" } }).param,
      "thinking.budget_tokens",
    );
  });

  test("null members are absent ones", () => {
    const request = decode({
      system: null,
      tools: null,
      thinking: null,
      metadata: null,
      stop_sequences: null,
      thread: null,
    });
    assert.deepEqual(request.instructions, []);
    assert.equal(request.reasoning, undefined);
    assert.equal(request.state, undefined);
    assert.deepEqual(request.extensions, {});
  });

  test("sampling, stop, tier, stream", () => {
    const request = decode({
      temperature: 0.5,
      top_p: 0.9,
      top_k: 5,
      stop_sequences: ["END"],
      service_tier: "standard_only",
      stream: true,
    });
    assert.equal(request.temperature, 0.5);
    assert.equal(request.topP, 0.9);
    assert.equal(request.topK, 5);
    assert.deepEqual(request.stopSequences, ["END"]);
    assert.equal(request.serviceTier, "default");
    assert.equal(request.stream, true);
    assert.equal(request.maxOutputTokens, 100);
  });

  test("thinking and effort", () => {
    const of = (body: Record<string, unknown>) => decode(body).reasoning;
    assert.deepEqual(of({ thinking: { type: "enabled", budget_tokens: 2000, display: "omitted" } }), {
      mode: "budget",
      budgetTokens: 2000,
      display: "omitted",
    });
    assert.deepEqual(of({ thinking: { type: "adaptive" }, output_config: { effort: "xhigh" } }), {
      mode: "adaptive",
      effort: "xhigh",
    });
    assert.deepEqual(of({ thinking: { type: "disabled" } }), { mode: "off" });
    assert.deepEqual(of({ thinking: { type: "between_tools" } }), { mode: "between_tools" });
    assert.deepEqual(of({ output_config: { effort: "low" } }), { mode: "default", effort: "low" });
    assert.equal(of({}), undefined);
  });

  test("structured output under both of its names", () => {
    const schema = { type: "object", properties: {} };
    const current = decode({ output_config: { format: { type: "json_schema", schema } } });
    const beta = decode({ output_format: { type: "json_schema", schema } });
    assert.deepEqual(current.output, { kind: "json_schema", schema });
    assert.deepEqual(beta.output, { kind: "json_schema", schema });
    assert.equal(current.wireNames["output"], "output_config.format");
    assert.equal(beta.wireNames["output"], "output_format");
  });

  test("a session in Claude Code's user_id is a cache key, a plain user_id is none", () => {
    const id = JSON.stringify({ device_id: "d", session_id: "s-1" });
    assert.deepEqual(decode({ metadata: { user_id: id } }).cache, { key: "s-1" });
    assert.equal(decode({ metadata: { user_id: id } }).userId, id);
    assert.equal(decode({ metadata: { user_id: "u-1" } }).cache, undefined);
    assert.equal(decode({ metadata: { user_id: "{broken" } }).cache, undefined);
    assert.deepEqual(decode({ cache_control: { type: "ephemeral", ttl: "1h" } }).cache, { auto: { ttl: "1h" } });
  });

  test("betas of header and body, and the version", () => {
    const request = decode({ betas: ["b", "c"] }, { "anthropic-beta": "a, b", "anthropic-version": "2026-10-21" });
    assert.deepEqual(request.betas, ["a", "b", "c"]);
    assert.equal(request.apiVersion, "2026-10-21");
  });

  test("what only this API can do is said, so that others refuse it", () => {
    assert.deepEqual(decode({ container: "c", mcp_servers: [{ name: "s" }] }).ownFormatOnly, [
      "container",
      "mcp_servers",
    ]);
    assert.deepEqual(decode({ max_tokens: 0 }).ownFormatOnly, ["max_tokens"]);
    assert.equal(decode({ mcp_servers: [], container: null }).ownFormatOnly, undefined);
    assert.deepEqual(decode({ thread: { type: "create" } }).state, { thread: { type: "create" } });
  });

  test("unknown members stay, at the top and in nested objects", () => {
    const request = decode({
      new_field: { a: 1 },
      metadata: { user_id: "u", team: "t" },
      output_config: { effort: "ultra", task_budget: 5 },
      thinking: { type: "dreaming", depth: 2 },
    });
    assert.deepEqual(request.extensions.messages, {
      new_field: { a: 1 },
      metadata: { team: "t" },
      output_config: { task_budget: 5, effort: "ultra" },
      thinking: { type: "dreaming", depth: 2 },
    });
  });
});

describe("messages request decode: system and messages", () => {
  test("system as a string and as blocks, in order, with marks", () => {
    assert.deepEqual(decode({ system: "Be brief." }).instructions, [{
      kind: "text",
      text: "Be brief.",
      path: "system",
    }]);
    const blocks = [
      { type: "text", text: "One." },
      { type: "text", text: "Two.", cache_control: { type: "ephemeral", ttl: "1h" } },
    ];
    assert.deepEqual(decode({ system: blocks }).instructions, [
      { kind: "text", text: "One.", path: "system[0]" },
      { kind: "text", text: "Two.", cache: { ttl: "1h" }, path: "system[1]" },
    ]);
  });

  test("Claude Code's billing header says nothing to other formats", () => {
    const header = { type: "text", text: "x-anthropic-billing-header: cc_version=2" };
    const request = decode({ system: [header, { type: "text", text: "You are…" }] });
    assert.deepEqual(request.instructions, [{ kind: "text", text: "You are…", path: "system[1]" }]);
    assert.deepEqual(request.attribution, header);
  });

  test("a system message stays where it is", () => {
    const request = decode({
      messages: [
        { role: "system", content: "Environment" },
        { role: "user", content: "Hi" },
        { role: "system", content: [{ type: "text", text: "Now" }], output_config: { effort: "low" } },
      ],
    });
    assert.deepEqual(request.messages.map((message) => message.role), ["system", "user", "system"]);
    assert.deepEqual(request.messages[2]?.extra, { format: "messages", fields: { output_config: { effort: "low" } } });
    assert.equal(request.messages[2]?.path, "messages[2]");
  });
});

function blockOf(block: Record<string, unknown>, role = "user") {
  const [part] = decode({ messages: [{ role, content: [block] }] }).messages[0]?.parts ?? [];
  assert.ok(part);
  return part;
}

describe("messages request decode: blocks", () => {
  const path = "messages[0].content[0]";

  test("images and documents of every source", () => {
    const base64 = { type: "base64", media_type: "image/png", data: "AAAA" };
    assert.deepEqual(blockOf({ type: "image", source: base64 }), {
      kind: "image",
      source: { type: "base64", data: "AAAA" },
      mediaType: "image/png",
      path,
    });
    assert.deepEqual(blockOf({ type: "image", source: { type: "url", url: "https://a/b.png" } }), {
      kind: "image",
      source: { type: "url", url: "https://a/b.png" },
      path,
    });
    const text = { type: "text", media_type: "text/plain", data: "words" };
    assert.deepEqual(
      blockOf({ type: "document", source: text, title: "T", context: "C", citations: { enabled: true } }),
      {
        kind: "document",
        source: { type: "text", text: "words" },
        mediaType: "text/plain",
        title: "T",
        context: "C",
        citationsEnabled: true,
        path,
      },
    );
    assert.deepEqual(blockOf({ type: "document", source: { type: "file", file_id: "file_1" } }), {
      kind: "document",
      source: { type: "file", id: "file_1" },
      path,
    });
  });

  test("a document made of blocks is native, and says its text", () => {
    const source = { type: "content", content: [{ type: "text", text: "one" }, { type: "text", text: "two" }] };
    const part = blockOf({ type: "document", title: "T", source });
    assert.equal(part.kind, "native");
    assert.equal(part.kind === "native" && part.text, "T\none\ntwo");
  });

  test("thinking: a native signature, an envelope, a damaged envelope, none", () => {
    const thinking = (signature?: string) => blockOf({ type: "thinking", thinking: "Hm", signature }, "assistant");
    assert.deepEqual(thinking("sig").opaque, [{ issuer: "anthropic", kind: "signature", value: "sig" }]);
    const opaque = { issuer: "openai", kind: "encrypted" as const, value: "enc", id: "rs_1" };
    const sealed = sealEnvelope([opaque]);
    assert.deepEqual(thinking(sealed), { kind: "reasoning", text: "Hm", form: "summary", opaque: [opaque], path });
    const nobodys = { issuer: "", kind: "signature", value: "" };
    assert.deepEqual(thinking(`${sealed.slice(0, -1)}!`).opaque, [nobodys]);
    assert.deepEqual(thinking(""), { kind: "reasoning", text: "Hm", form: "full", path });
  });

  test("redacted thinking, native and in an envelope", () => {
    assert.deepEqual(blockOf({ type: "redacted_thinking", data: "xyz" }, "assistant"), {
      kind: "reasoning",
      text: "",
      form: "redacted",
      opaque: [{ issuer: "anthropic", kind: "redacted", value: "xyz" }],
      path,
    });
    const opaque = { issuer: "openai", kind: "encrypted" as const, value: "enc" };
    const part = blockOf({ type: "redacted_thinking", data: sealEnvelope([opaque]) }, "assistant");
    assert.deepEqual(part.opaque, [opaque]);
    assert.equal(part.kind === "reasoning" && part.form, "summary");
  });

  test("a call keeps its input as a string; a direct caller is no member", () => {
    const block = { type: "tool_use", id: "toolu_1", name: "look", input: { a: [1] }, caller: { type: "direct" } };
    assert.deepEqual(blockOf(block, "assistant"), {
      kind: "tool_call",
      id: "toolu_1",
      name: "look",
      toolKind: "function",
      arguments: '{"a":[1]}',
      path,
    });
    const caller = { type: "code_execution_20260120", tool_id: "srvtoolu_1" };
    const coded = blockOf({ ...block, caller }, "assistant");
    assert.deepEqual(coded.extra, { format: "messages", fields: { caller } });
  });

  test("a result: string, blocks, nothing at all, an error", () => {
    const result = (more: Record<string, unknown>) => blockOf({ type: "tool_result", tool_use_id: "t", ...more });
    const of = (more: Record<string, unknown>) => {
      const part = result(more);
      return part.kind === "tool_result" ? part.parts : undefined;
    };
    assert.deepEqual(of({ content: "words" }), [{ kind: "text", text: "words", path: `${path}.content` }]);
    assert.deepEqual(of({}), []);
    assert.deepEqual(of({ content: [] }), []);
    const blocks = [{ type: "text", text: "a" }, { type: "image", source: { type: "url", url: "https://a" } }];
    assert.deepEqual(of({ content: blocks })?.map((part) => part.path), [`${path}.content[0]`, `${path}.content[1]`]);
    const failed = result({ content: "no", is_error: true, cache_control: { type: "ephemeral" } });
    assert.equal(failed.kind === "tool_result" && failed.isError, true);
    assert.deepEqual(failed.cache, {});
  });

  test("a tool reference is native and says the tool's name", () => {
    const reference = { type: "tool_reference", tool_name: "WebFetch" };
    const part = blockOf({ type: "tool_result", tool_use_id: "t", content: [reference] });
    assert.ok(part.kind === "tool_result");
    assert.deepEqual(part.parts[0], {
      kind: "native",
      format: "messages",
      value: reference,
      text: "Tool found: WebFetch",
      path: `${path}.content[0]`,
    });
  });

  test("server tools and unknown blocks are native and say what they hold", () => {
    const saying = (block: Record<string, unknown>) => {
      const part = blockOf(block, "assistant");
      return part.kind === "native" ? part.text : assert.fail(part.kind);
    };
    const search = { type: "server_tool_use", id: "s", name: "web_search", input: { query: "bun" } };
    assert.equal(saying(search), 'Called web_search with {"query":"bun"}');
    const hits = [
      { type: "web_search_result", title: "Bun", url: "https://bun.sh", encrypted_content: "zzz" },
      { type: "web_search_result", title: "Deno", url: "https://deno.com", encrypted_content: "yyy" },
    ];
    assert.equal(
      saying({ type: "web_search_tool_result", tool_use_id: "s", content: hits }),
      "Bun: https://bun.sh\nDeno: https://deno.com",
    );
    const failed = { type: "web_search_tool_result_error", error_code: "unavailable" };
    assert.equal(saying({ type: "web_search_tool_result", tool_use_id: "s", content: failed }), "unavailable");
    const run = { type: "bash_code_execution_result", stdout: "4\n", stderr: "", return_code: 0, content: [] };
    assert.equal(saying({ type: "bash_code_execution_tool_result", tool_use_id: "s", content: run }), "4\n");
    assert.equal(saying({ type: "hologram", shape: 3 }), undefined);
  });

  test("citations of each kind", () => {
    const web = { type: "web_search_result_location", url: "u", title: "t", cited_text: "c", encrypted_index: "e" };
    const char = {
      type: "char_location",
      cited_text: "c",
      document_index: 1,
      document_title: "D",
      start_char_index: 2,
      end_char_index: 5,
    };
    const other = { type: "new_location", at: 1 };
    const part = blockOf({ type: "text", text: "x", citations: [web, char, other] }, "assistant");
    assert.deepEqual(part.kind === "text" && part.citations, [
      { kind: "url", url: "u", title: "t", citedText: "c", opaque: "e" },
      { kind: "document", unit: "char", index: 1, title: "D", from: 2, to: 5, citedText: "c" },
      { kind: "native", format: "messages", value: other },
    ]);
  });

  test("a compaction with its encrypted part", () => {
    assert.deepEqual(blockOf({ type: "compaction", content: "So far…", encrypted_content: "enc" }, "assistant"), {
      kind: "compaction",
      text: "So far…",
      opaque: [{ issuer: "anthropic", kind: "compaction", value: "enc" }],
      path,
    });
  });
});

describe("messages request decode: tools", () => {
  test("a function with everything it may have", () => {
    const [tool] = decode({
      tools: [{
        name: "look",
        description: "Looks",
        input_schema: { type: "object" },
        strict: true,
        defer_loading: true,
        cache_control: { type: "ephemeral" },
        input_examples: [{ a: 1 }],
      }],
    }).tools;
    assert.deepEqual(tool, {
      kind: "function",
      name: "look",
      description: "Looks",
      schema: { type: "object" },
      strict: true,
      deferLoading: true,
      cache: {},
      path: "tools[0]",
      extra: { format: "messages", fields: { input_examples: [{ a: 1 }] } },
    });
  });

  test("server tools are native and say what they are", () => {
    const types = [
      "web_search_20250305",
      "web_fetch_20260309",
      "code_execution_20260521",
      "mcp_toolset",
      "advisor_20260301",
    ];
    const { tools } = decode({ tools: types.map((type) => ({ type, name: type })) });
    assert.deepEqual(tools.map((tool) => tool.serverTool), [
      "web_search",
      "web_fetch",
      "code_execution",
      "mcp",
      "other",
    ]);
  });

  test("web search gives its settings away", () => {
    const [tool] = decode({
      tools: [{
        type: "web_search_20260209",
        name: "web_search",
        allowed_domains: ["a.org"],
        blocked_domains: null,
        max_uses: 3,
        user_location: { type: "approximate", city: "Oslo", country: "NO" },
      }],
    }).tools;
    assert.deepEqual(tool?.webSearch, {
      allowedDomains: ["a.org"],
      maxUses: 3,
      location: { city: "Oslo", country: "NO" },
    });
  });

  test("a client tool without a schema is a function to other formats", () => {
    const [tool] = decode({ tools: [{ type: "bash_20250124", name: "bash" }] }).tools;
    assert.equal(tool?.kind, "function");
    assert.equal(tool?.name, "bash");
    assert.ok(tool?.schema);
    assert.deepEqual(tool?.native?.value, { type: "bash_20250124", name: "bash" });
  });

  test("the choice, and parallel calls", () => {
    const of = (choice: Record<string, unknown>) => decode({ tool_choice: choice }).toolChoice;
    assert.deepEqual(of({ type: "auto" }), { type: "auto" });
    assert.deepEqual(of({ type: "any" }), { type: "required" });
    assert.deepEqual(of({ type: "none" }), { type: "none" });
    assert.deepEqual(of({ type: "tool", name: "look" }), { type: "tool", name: "look", toolKind: "function" });
    assert.deepEqual(of({ type: "dice" }), { type: "native", format: "messages", value: { type: "dice" } });
    assert.equal(decode({ tool_choice: { type: "auto", disable_parallel_tool_use: true } }).parallelToolCalls, false);
    assert.equal(decode({ tool_choice: { type: "auto" } }).parallelToolCalls, undefined);
  });
});

describe("messages stripEnvelopes", () => {
  const strip = (body: Record<string, unknown>) => {
    const losses = new Losses();
    return { body: messages.stripEnvelopes(body, target(), losses), losses: losses.list.map((loss) => loss.path) };
  };
  const foreign = sealEnvelope([{ issuer: "openai", kind: "encrypted", value: "enc" }]);
  const native = sealEnvelope([{ issuer: "anthropic", kind: "signature", value: "sig" }]);

  test("case 16: foreign blocks go, and a turn of nothing else with them", () => {
    const { body, losses } = strip({
      messages: [
        { role: "user", content: "Hi" },
        { role: "assistant", content: [{ type: "redacted_thinking", data: foreign }] },
        {
          role: "assistant",
          content: [{ type: "thinking", thinking: "Hm", signature: foreign }, { type: "text", text: "Yes" }],
        },
      ],
    });
    assert.deepEqual(body["messages"], [
      { role: "user", content: "Hi" },
      { role: "assistant", content: [{ type: "text", text: "Yes" }] },
    ]);
    assert.deepEqual(losses, ["messages[1].content[0]", "messages[2].content[0]"]);
  });

  test("what came from this maker goes back as it was", () => {
    const { body, losses } = strip({
      messages: [{ role: "assistant", content: [{ type: "thinking", thinking: "Hm", signature: native }] }],
    });
    assert.deepEqual(body["messages"], [
      { role: "assistant", content: [{ type: "thinking", thinking: "Hm", signature: "sig" }] },
    ]);
    assert.deepEqual(losses, []);
  });

  test("a tool loop that loses its thinking is sent without a budget to think", () => {
    const { body, losses } = strip({
      thinking: { type: "enabled", budget_tokens: 2000 },
      context_management: { edits: [{ type: "clear_thinking_20251015" }] },
      messages: [
        { role: "user", content: "Hi" },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "Hm", signature: foreign },
            { type: "tool_use", id: "t", name: "look", input: {} },
          ],
        },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: "x" }] },
      ],
    });
    assert.deepEqual(body["thinking"], { type: "disabled" });
    assert.equal("context_management" in body, false);
    assert.deepEqual(losses, ["messages[1].content[0]", "thinking", "context_management"]);
  });
});
