import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import type { Part } from "../../../../lib/neutral.ts";
import { sealEnvelope } from "../../../../lib/translation/envelope.ts";
import { decode, decodeFailure } from "./support.ts";

function shape(parts: readonly Part[]): string[] {
  return parts.map((part) => part.kind === "native" ? `native ${String(part.value["type"])}` : part.kind);
}

describe("responses decodeRequest: input", () => {
  test("a string is one user message", () => {
    const request = decode({ input: "Hi" });
    assert.deepEqual(request.messages, [
      { role: "user", path: "input", parts: [{ kind: "text", text: "Hi", path: "input" }] },
    ]);
    assert.equal(request.includeUsage, true);
  });

  test("a lone object is a list of one", () => {
    const request = decode({ input: { role: "user", content: "Hi" } });
    assert.equal(request.messages[0]?.path, "input[0]");
  });

  test("an item with a role and no type is a message", () => {
    const request = decode({ input: [{ role: "user", content: [{ type: "input_text", text: "Hi" }] }] });
    const [message] = request.messages;
    assert.equal(message?.role, "user");
    assert.equal(message?.parts[0]?.path, "input[0].content[0]");
  });

  test("leading system and developer messages are instructions, after the field of that name", () => {
    const request = decode({
      instructions: "A",
      input: [
        { role: "system", content: "B" },
        { type: "additional_tools", role: "developer", tools: [] },
        { role: "developer", content: "C" },
        { role: "user", content: "D" },
        { role: "developer", content: "E" },
      ],
    });
    const texts = request.instructions.map((part) => part.kind === "text" ? part.text : part.kind);
    assert.deepEqual(texts, ["A", "B", "C"]);
    assert.deepEqual(request.messages.map((message) => message.role), ["user", "developer"]);
  });

  test("the model's items form one assistant message, outputs one tool message", () => {
    const request = decode({
      input: [
        { role: "user", content: "Hi" },
        { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "enc" },
        { type: "message", role: "assistant", id: "msg_1", phase: "commentary", content: "Looking" },
        { type: "function_call", id: "fc_1", call_id: "c1", name: "look", arguments: "{}" },
        { type: "web_search_call", id: "ws_1", status: "completed" },
        { type: "custom_tool_call", call_id: "c2", name: "patch", input: "raw" },
        { type: "function_call_output", call_id: "c1", output: "seen" },
        { type: "custom_tool_call_output", call_id: "c2", output: [{ type: "input_text", text: "ok" }] },
        { role: "user", content: "Go on" },
      ],
    });
    assert.deepEqual(request.messages.map(({ role, path }) => [role, path]), [
      ["user", "input[0]"],
      ["assistant", "input[1]"],
      ["tool", "input[6]"],
      ["user", "input[8]"],
    ]);
    const [, assistant, tool] = request.messages;
    assert.deepEqual(shape(assistant?.parts ?? []), [
      "reasoning",
      "text",
      "tool_call",
      "native web_search_call",
      "tool_call",
    ]);
    assert.deepEqual(shape(tool?.parts ?? []), ["tool_result", "tool_result"]);
    assert.equal(assistant?.parts[1]?.item?.phase, "commentary");
  });

  test("content of every kind", () => {
    const request = decode({
      input: [{
        role: "user",
        content: [
          { type: "input_text", text: "Look", prompt_cache_breakpoint: { mode: "explicit", ttl: "30m" } },
          { type: "input_image", image_url: "data:image/jpg;base64,AA==", detail: "high" },
          { type: "input_image", file_id: "file-1" },
          { type: "input_file", filename: "a.txt", file_data: "QQ==" },
          { type: "input_file", file_url: "https://example.com/a.pdf" },
          { type: "input_audio", input_audio: { data: "AA==", format: "mp3" } },
        ],
      }],
    });
    const parts = (request.messages[0]?.parts ?? []).map(({ item: _, path: __, ...part }) => part);
    assert.deepEqual(parts, [
      { kind: "text", text: "Look", cache: { ttl: "30m" } },
      { kind: "image", source: { type: "base64", data: "AA==" }, mediaType: "image/jpeg", detail: "high" },
      { kind: "image", source: { type: "file", id: "file-1" } },
      { kind: "document", source: { type: "base64", data: "QQ==" }, mediaType: "text/plain", title: "a.txt" },
      { kind: "document", source: { type: "url", url: "https://example.com/a.pdf" } },
      { kind: "audio", source: { type: "base64", data: "AA==" }, mediaType: "audio/mpeg" },
    ]);
  });

  test("citations count from the beginning of the turn", () => {
    const cited = (text: string) => ({
      type: "output_text",
      text,
      annotations: [{ type: "url_citation", url: "https://e.com", title: "E", start_index: 1, end_index: 2 }],
    });
    const request = decode({
      input: [{ role: "user", content: "Hi" }, { role: "assistant", content: [cited("one"), cited("two")] }],
    });
    const spans = (request.messages[1]?.parts ?? []).map((part) =>
      part.kind === "text" && part.citations?.[0]?.kind === "url"
        ? [part.citations[0].start, part.citations[0].end]
        : []
    );
    assert.deepEqual(spans, [[1, 2], [4, 5]]);
  });
});

describe("responses decodeRequest: what the model wrote under seal", () => {
  function opaqueOf(item: JsonObject): unknown {
    const request = decode({ input: [{ type: "reasoning", id: "rs_1", summary: [], ...item }] });
    return request.messages[0]?.parts[0]?.opaque;
  }

  test("a native value is OpenAI's", () => {
    assert.deepEqual(opaqueOf({ encrypted_content: "enc" }), [{ issuer: "openai", kind: "encrypted", value: "enc" }]);
  });

  test("an envelope gives what is in it", () => {
    const opaque = { issuer: "anthropic", kind: "signature" as const, value: "sig" };
    assert.deepEqual(opaqueOf({ encrypted_content: sealEnvelope([opaque]) }), [opaque]);
  });

  test("a broken envelope gives what goes nowhere, and is no native value", () => {
    const sealed = sealEnvelope([{ issuer: "anthropic", kind: "signature", value: "sig" }]);
    const nobodys = [{ issuer: "", kind: "encrypted", value: "" }];
    assert.deepEqual(opaqueOf({ encrypted_content: sealed.slice(0, -3) }), nobodys);
  });

  test("without a value there is none", () => {
    assert.equal(opaqueOf({ encrypted_content: null }), undefined);
  });

  test("summary and content of one item are two parts of it, the value is with the last", () => {
    const request = decode({
      input: [{
        type: "reasoning",
        id: "rs_1",
        summary: [{ type: "summary_text", text: "a" }, { type: "summary_text", text: "b" }],
        content: [{ type: "reasoning_text", text: "c" }],
        encrypted_content: "enc",
      }],
    });
    const [summary, content] = request.messages[0]?.parts ?? [];
    assert.ok(summary?.kind === "reasoning" && content?.kind === "reasoning");
    assert.deepEqual([summary.form, summary.text, summary.pieces, summary.opaque], [
      "summary",
      "a\n\nb",
      ["a", "b"],
      undefined,
    ]);
    assert.deepEqual([content.form, content.text, content.opaque?.length], ["full", "c", 1]);
    assert.ok(summary.item !== undefined && summary.item === content.item);
  });
});

describe("responses decodeRequest: items that other formats can't do without", () => {
  test("a reference to a stored item is kept, and refused elsewhere", () => {
    const request = decode({ input: [{ role: "user", content: "Hi" }, { type: "item_reference", id: "msg_1" }] });
    assert.deepEqual(request.ownFormatOnly, ["input[1]"]);
    assert.deepEqual(shape(request.messages[1]?.parts ?? []), ["native item_reference"]);
  });

  test("without a type, too", () => {
    assert.deepEqual(decode({ input: [{ id: "fc_1" }] }).ownFormatOnly, ["input[0]"]);
  });

  test("a reference to reasoning may be left out", () => {
    assert.equal(decode({ input: [{ type: "item_reference", id: "rs_1" }] }).ownFormatOnly, undefined);
  });

  test("content of an unknown kind, and a compaction trigger", () => {
    const request = decode({
      input: [{ role: "user", content: [{ type: "input_video", video_url: "x" }] }, { type: "compaction_trigger" }],
    });
    assert.deepEqual(request.ownFormatOnly, ["input[0].content[0]", "input[1]"]);
  });
});

describe("responses decodeRequest: tools", () => {
  const FUNCTION = { type: "function", name: "f", description: "F", parameters: { type: "object" }, strict: true };

  test("functions, custom tools, namespaces and built-in tools", () => {
    const request = decode({
      input: "Hi",
      tools: [
        { ...FUNCTION, output_schema: {} },
        { type: "custom", name: "c", format: { type: "grammar", syntax: "lark", definition: "start: /x/" } },
        { type: "namespace", name: "ns", description: "N", tools: [FUNCTION, { type: "custom", name: "d" }] },
        { type: "web_search", search_context_size: "low", user_location: { type: "approximate", city: "Oslo" } },
        { type: "code_interpreter", container: { type: "auto" } },
      ],
    });
    assert.deepEqual(
      request.tools.map(({ kind, name, namespace, path, serverTool }) => [kind, name, namespace, path, serverTool]),
      [
        ["function", "f", undefined, "tools[0]", undefined],
        ["custom", "c", undefined, "tools[1]", undefined],
        ["function", "f", "ns", "tools[2].tools[0]", undefined],
        ["custom", "d", "ns", "tools[2].tools[1]", undefined],
        ["native", "web_search", undefined, "tools[3]", "web_search"],
        ["native", "code_interpreter", undefined, "tools[4]", "code_execution"],
      ],
    );
    assert.deepEqual(request.tools[0]?.extra, { format: "responses", fields: { output_schema: {} } });
    assert.deepEqual(request.tools[2]?.namespaceExtra, { path: "tools[2]", description: "N" });
    assert.deepEqual(request.tools[4]?.webSearch, { contextSize: "low", location: { city: "Oslo" } });
  });

  test("tools of an item are tools like any, and know their item", () => {
    const request = decode({
      input: [{ type: "additional_tools", role: "developer", tools: [FUNCTION] }, { role: "user", content: "Hi" }],
    });
    assert.deepEqual(request.tools.map(({ path, item }) => [path, item?.role]), [["input[0].tools[0]", "developer"]]);
  });

  test("every form of choice", () => {
    const choice = (tool_choice: unknown) => decode({ input: "Hi", tool_choice }).toolChoice;
    assert.deepEqual(choice("required"), { type: "required" });
    assert.deepEqual(choice({ type: "custom", name: "c" }), { type: "tool", name: "c", toolKind: "custom" });
    assert.deepEqual(
      choice({ type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "f" }] }),
      { type: "allowed", mode: "required", names: ["f"] },
    );
    const hosted = { type: "allowed_tools", mode: "auto", tools: [{ type: "mcp", server_label: "x" }] };
    assert.deepEqual(choice(hosted), { type: "native", format: "responses", value: hosted });
    assert.deepEqual(choice({ type: "file_search" }), {
      type: "native",
      format: "responses",
      value: { type: "file_search" },
    });
  });
});

describe("responses decodeRequest: top-level fields", () => {
  test("each has its place", () => {
    const request = decode({
      input: "Hi",
      max_output_tokens: 99,
      temperature: 0.5,
      top_p: 0.9,
      top_logprobs: 3,
      parallel_tool_calls: false,
      text: { format: { type: "json_schema", name: "s", schema: { type: "object" }, strict: true }, verbosity: "low" },
      reasoning: { effort: "high", summary: "auto", context: "all_turns", mode: "pro" },
      include: ["reasoning.encrypted_content"],
      store: true,
      previous_response_id: "resp_0",
      conversation: "conv_1",
      background: true,
      prompt_cache_key: "k",
      safety_identifier: "u1",
      service_tier: "flex",
      truncation: "auto",
      metadata: { a: "b" },
      stream: true,
      stream_options: { include_obfuscation: false },
      context_management: [{ type: "compaction", compact_threshold: 1000 }],
    });
    assert.deepEqual(request.state, { store: true, previousId: "resp_0", conversation: "conv_1", background: true });
    assert.deepEqual(request.reasoning, {
      mode: "default",
      effort: "high",
      display: "auto",
      extra: { format: "responses", fields: { context: "all_turns", mode: "pro" } },
    });
    assert.deepEqual(request.output, { kind: "json_schema", name: "s", schema: { type: "object" }, strict: true });
    assert.deepEqual(
      [request.maxOutputTokens, request.temperature, request.topP, request.logprobs, request.parallelToolCalls],
      [99, 0.5, 0.9, { top: 3 }, false],
    );
    assert.deepEqual(
      [request.verbosity, request.cache, request.userId, request.serviceTier, request.truncation, request.metadata],
      ["low", { key: "k" }, "u1", "flex", "auto", { a: "b" }],
    );
    assert.deepEqual([request.stream, request.includeObfuscation], [true, false]);
    assert.deepEqual(request.extensions, {});
  });

  test("what nobody knows is kept by its path", () => {
    const request = decode({
      input: "Hi",
      made_up: 1,
      text: { tone: "dry" },
      stream_options: { pace: 2 },
      max_tool_calls: 3,
    });
    assert.deepEqual(request.extensions, {
      responses: { made_up: 1, max_tool_calls: 3, "text.tone": "dry", "stream_options.pace": 2 },
    });
  });

  test("effort none is thinking switched off; an unknown word is nobody's effort", () => {
    assert.equal(decode({ input: "Hi", reasoning: { effort: "none" } }).reasoning?.mode, "off");
    assert.deepEqual(decode({ input: "Hi", reasoning: { effort: "ultra" } }).reasoning, {
      mode: "default",
      extra: { format: "responses", fields: { effort: "ultra" } },
    });
  });

  test("the user is named as the client named it", () => {
    assert.equal(decode({ input: "Hi", user: "u" }).wireNames["userId"], "user");
    assert.equal(decode({ input: "Hi", safety_identifier: "u" }).wireNames["userId"], "safety_identifier");
  });
});

describe("responses decodeRequest: what is wrong is named by its path", () => {
  const CASES: [string, JsonObject, string][] = [
    ["no model", { input: "Hi" }, "model"],
    ["no input", { model: "m" }, "input"],
    ["input of a wrong type", { model: "m", input: 5 }, "input"],
    ["an item that is no object", { model: "m", input: ["Hi"] }, "input[0]"],
    ["an unknown role", { model: "m", input: [{ role: "robot", content: "" }] }, "input[0].role"],
    ["no content", { model: "m", input: [{ role: "user" }] }, "input[0].content"],
    [
      "a part without text",
      { model: "m", input: [{ role: "user", content: [{ type: "input_text" }] }] },
      "input[0].content[0].text",
    ],
    [
      "an image of nothing",
      { model: "m", input: [{ role: "user", content: [{ type: "input_image" }] }] },
      "input[0].content[0]",
    ],
    [
      "a call without a name",
      { model: "m", input: [{ type: "function_call", call_id: "c", arguments: "" }] },
      "input[0].name",
    ],
    [
      "an output without its call",
      { model: "m", input: [{ type: "function_call_output", output: "" }] },
      "input[0].call_id",
    ],
    ["an item of no type", { model: "m", input: [{ text: "Hi" }] }, "input[0].type"],
    ["a number as text", { model: "m", input: "Hi", temperature: "hot" }, "temperature"],
    ["a tool without a name", { model: "m", input: "Hi", tools: [{ type: "function" }] }, "tools[0].name"],
    ["a choice of a wrong type", { model: "m", input: "Hi", tool_choice: 1 }, "tool_choice"],
    ["a schema format without a schema", {
      model: "m",
      input: "Hi",
      text: { format: { type: "json_schema", name: "s" } },
    }, "text.format.schema"],
    ["metadata that isn't text", { model: "m", input: "Hi", metadata: { a: 1 } }, "metadata.a"],
  ];
  for (const [name, body, path] of CASES) {
    test(name, () => {
      const failure = decodeFailure(body);
      assert.deepEqual([failure.kind, failure.param], ["invalid_request", path]);
    });
  }

  test("a stored prompt brings its model and its input", () => {
    const request = decode({ model: null, prompt: { id: "pmpt_1" } });
    assert.deepEqual([request.model, request.messages, request.state?.prompt], ["", [], { id: "pmpt_1" }]);
  });
});
