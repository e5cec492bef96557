import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { decoded, fault } from "./setup.ts";

const user = { role: "user", content: "Hi" };

describe("what must be there", () => {
  const cases: [string, Record<string, unknown>, string, string][] = [
    ["a model", { messages: [user] }, 'Missing required string "model" at model', "model"],
    ["a model of the right type", { model: 4, messages: [user] }, "Expected a string but got 4 at model", "model"],
    ["messages", { model: "m" }, 'Missing required array "messages" at messages', "messages"],
    ["one message", { model: "m", messages: [] }, "Expected at least one message at messages", "messages"],
    [
      "a role",
      { model: "m", messages: [{ content: "x" }] },
      'Missing required string "role" at messages[0].role',
      "messages[0].role",
    ],
    [
      "a known role",
      { model: "m", messages: [{ role: "bot" }] },
      'Expected a role but got "bot" at messages[0].role',
      "messages[0].role",
    ],
    [
      "content of the right type",
      { model: "m", messages: [user, user, { role: "user", content: 5 }] },
      "Expected a string or an array but got 5 at messages[2].content",
      "messages[2].content",
    ],
    [
      "content of a user",
      { model: "m", messages: [{ role: "user" }] },
      "Expected a string or an array but got nothing at messages[0].content",
      "messages[0].content",
    ],
    [
      "text of a text part",
      { model: "m", messages: [{ role: "user", content: [{ type: "text" }] }] },
      'Missing required string "text" at messages[0].content[0].text',
      "messages[0].content[0].text",
    ],
    [
      "the image of an image part",
      { model: "m", messages: [{ role: "user", content: [{ type: "image_url" }] }] },
      'Missing required object "image_url" at messages[0].content[0].image_url',
      "messages[0].content[0].image_url",
    ],
    [
      "the call that a result answers",
      { model: "m", messages: [{ role: "tool", content: "x" }] },
      'Missing required string "tool_call_id" at messages[0].tool_call_id',
      "messages[0].tool_call_id",
    ],
    [
      "a tool's name",
      { model: "m", messages: [user], tools: [{ type: "function", function: {} }] },
      'Missing required string "name" at tools[0].function.name',
      "tools[0].function.name",
    ],
    [
      "content of an assistant's of the right type",
      { model: "m", messages: [{ role: "assistant", content: 5 }] },
      "Expected a string or an array but got 5 at messages[0].content",
      "messages[0].content",
    ],
    [
      "the function of a call",
      { model: "m", messages: [{ role: "assistant", tool_calls: [{ id: "c", type: "function" }] }] },
      'Missing required object "function" at messages[0].tool_calls[0].function',
      "messages[0].tool_calls[0].function",
    ],
    [
      "something in a file",
      { model: "m", messages: [{ role: "user", content: [{ type: "file", file: { filename: "a" } }] }] },
      "Expected file_data or file_id at messages[0].content[0].file",
      "messages[0].content[0].file",
    ],
    [
      "a tool's type",
      { model: "m", messages: [user], tools: [{ name: "f" }] },
      'Missing required string "type" at tools[0].type',
      "tools[0].type",
    ],
    [
      "a number where one is wanted",
      { model: "m", messages: [user], temperature: "hot" },
      'Expected a number but got "hot" at temperature',
      "temperature",
    ],
    [
      "strings to stop at",
      { model: "m", messages: [user], stop: ["a", 1] },
      "Expected a string but got 1 at stop[1]",
      "stop[1]",
    ],
    [
      "a choice of the right type",
      { model: "m", messages: [user], tool_choice: 1 },
      "Expected a string or an object but got 1 at tool_choice",
      "tool_choice",
    ],
  ];
  for (const [name, body, message, param] of cases) {
    test(name, () => assert.deepEqual(fault(body), [message, param]));
  }
});

test("null members are absent ones", () => {
  const request = decoded({
    temperature: null,
    tools: null,
    stop: null,
    user: null,
    response_format: null,
    seed: null,
  });
  assert.deepEqual(request.tools, []);
  assert.deepEqual(request.stopSequences, []);
  assert.equal("temperature" in request, false);
  assert.deepEqual(request.extensions, {});
});

describe("messages", () => {
  test("a leading run of system and developer messages becomes instructions, later ones stay", () => {
    const request = decoded({
      messages: [
        { role: "system", content: "One" },
        { role: "developer", content: [{ type: "text", text: "Two" }, { type: "text", text: "Three" }] },
        user,
        { role: "system", content: "Four" },
      ],
    });
    assert.deepEqual(request.instructions, [
      { kind: "text", text: "One", path: "messages[0].content" },
      { kind: "text", text: "Two", path: "messages[1].content[0]" },
      { kind: "text", text: "Three", path: "messages[1].content[1]" },
    ]);
    assert.deepEqual(request.messages.map((message) => [message.role, message.path]), [
      ["user", "messages[2]"],
      ["system", "messages[3]"],
    ]);
  });

  test("a name and unknown members stay with their message", () => {
    const request = decoded({ messages: [{ ...user, name: "ann", weight: 0.5, nothing: null, none: [] }] });
    assert.deepEqual(request.messages[0], {
      role: "user",
      parts: [{ kind: "text", text: "Hi", path: "messages[0].content" }],
      path: "messages[0]",
      name: "ann",
      extra: { format: "chat", fields: { weight: 0.5 } },
    });
  });

  test("images by data URL, by URL and by the bare URL of some dialects", () => {
    const content = [
      { type: "image_url", image_url: { url: "data:image/JPG;base64,AAAA", detail: "low" } },
      { type: "image_url", image_url: { url: "https://example.com/a.png" } },
      { type: "image_url", image_url: "https://example.com/b.png" },
    ];
    const [message] = decoded({ messages: [{ role: "user", content }] }).messages;
    assert.deepEqual(message?.parts, [
      {
        kind: "image",
        source: { type: "base64", data: "AAAA" },
        mediaType: "image/jpeg",
        detail: "low",
        path: "messages[0].content[0]",
      },
      { kind: "image", source: { type: "url", url: "https://example.com/a.png" }, path: "messages[0].content[1]" },
      { kind: "image", source: { type: "url", url: "https://example.com/b.png" }, path: "messages[0].content[2]" },
    ]);
  });

  test("audio, files and parts that nobody knows", () => {
    const unknown = { type: "hologram", hologram: { size: 3 } };
    const content = [
      { type: "input_audio", input_audio: { data: "AAAA", format: "mp3" } },
      { type: "file", file: { file_data: "data:application/pdf;base64,BBBB", filename: "a.pdf" } },
      { type: "file", file: { file_id: "file-1" } },
      unknown,
    ];
    const [message] = decoded({ messages: [{ role: "user", content }] }).messages;
    assert.deepEqual(message?.parts, [
      {
        kind: "audio",
        source: { type: "base64", data: "AAAA" },
        mediaType: "audio/mpeg",
        path: "messages[0].content[0]",
      },
      {
        kind: "document",
        source: { type: "base64", data: "BBBB" },
        mediaType: "application/pdf",
        title: "a.pdf",
        path: "messages[0].content[1]",
      },
      { kind: "document", source: { type: "file", id: "file-1" }, path: "messages[0].content[2]" },
      { kind: "native", format: "chat", value: unknown, path: "messages[0].content[3]" },
    ]);
  });

  test("files as plain base64: a PDF, unless the name says otherwise", () => {
    const type = (filename?: string) => {
      const content = [{ type: "file", file: { file_data: "AAAA", ...(filename === undefined ? {} : { filename }) } }];
      const [part] = decoded({ messages: [{ role: "user", content }] }).messages[0]?.parts ?? [];
      return part?.kind === "document" ? [part.source.type, part.mediaType] : [];
    };
    assert.deepEqual(type(), ["base64", "application/pdf"]);
    assert.deepEqual(type("a.PDF"), ["base64", "application/pdf"]);
    assert.deepEqual(type("a.md"), ["base64", "text/plain"]);
  });

  test("unknown members of a part and of the object within it", () => {
    const content = [{ type: "image_url", image_url: { url: "https://e.com/a", crop: [1] }, hint: "x" }];
    const [message] = decoded({ messages: [{ role: "user", content }] }).messages;
    assert.deepEqual(message?.parts[0]?.extra, { format: "chat", fields: { hint: "x", image_url: { crop: [1] } } });
  });

  test("both spellings of a cache mark", () => {
    const mark = (name: string, value: unknown) =>
      decoded({
        messages: [{ role: "user", content: [{ type: "text", text: "Hi", [name]: value }] }],
      });
    const openai = mark("prompt_cache_breakpoint", { mode: "explicit", ttl: "30m" });
    assert.deepEqual(openai.messages[0]?.parts[0]?.cache, { ttl: "30m" });
    assert.equal(openai.wireNames["cache"], "prompt_cache_breakpoint");
    const other = mark("cache_control", { type: "ephemeral" });
    assert.deepEqual(other.messages[0]?.parts[0]?.cache, {});
    assert.equal(other.wireNames["cache"], "cache_control");
    assert.equal(other.messages[0]?.parts[0]?.extra, undefined);
  });
});

describe("assistant messages", () => {
  const turn = (message: Record<string, unknown>, ...after: Record<string, unknown>[]) =>
    decoded({ messages: [user, { role: "assistant", ...message }, ...after] }).messages;

  test("function and custom calls, arguments never parsed", () => {
    const calls = [
      { id: "call_1", type: "function", function: { name: "f", arguments: '{"a": 1, "a": 2}' } },
      { id: "call_2", type: "custom", custom: { name: "patch", input: "*** Begin" } },
      { id: "call_3", type: "function", function: { name: "g", arguments: { b: 1 } } },
      { id: "call_4", type: "function", function: { name: "h" } },
    ];
    const [, message] = turn({ content: null, tool_calls: calls });
    assert.deepEqual(
      message?.parts.map((part) => part.kind === "tool_call" && [part.id, part.toolKind, part.arguments]),
      [
        ["call_1", "function", '{"a": 1, "a": 2}'],
        ["call_2", "custom", "*** Begin"],
        ["call_3", "function", '{"b":1}'],
        ["call_4", "function", ""],
      ],
    );
    assert.equal(message?.parts[0]?.path, "messages[1].tool_calls[0]");
  });

  test("results know their call's kind, their name and their unknown members", () => {
    const calls = [{ id: "c", type: "custom", custom: { name: "patch", input: "x" } }];
    const [, , result] = turn({ tool_calls: calls }, {
      role: "tool",
      tool_call_id: "c",
      content: [{ type: "text", text: "ok" }],
      name: "patch",
      took: 3,
    });
    assert.deepEqual(result, {
      role: "tool",
      path: "messages[2]",
      parts: [{
        kind: "tool_result",
        callId: "c",
        toolKind: "custom",
        name: "patch",
        parts: [{ kind: "text", text: "ok", path: "messages[2].content[0]" }],
        path: "messages[2]",
        extra: { format: "chat", fields: { took: 3 } },
      }],
    });
  });

  test("calls without an id get the same one each time, and results without one are theirs in order", () => {
    const calls = [{ type: "function", function: { name: "f" } }, { type: "function", function: { name: "f" } }];
    const read = () => turn({ tool_calls: calls }, { role: "tool", content: "1" }, { role: "tool", content: "2" });
    const messages = read();
    assert.deepEqual(messages, read());
    const ids = messages[1]?.parts.map((part) => part.kind === "tool_call" ? part.id : "");
    const results = messages.slice(2).map((message) => {
      const [part] = message.parts;
      return part?.kind === "tool_result" ? part.callId : "";
    });
    assert.deepEqual(results, ids);
    assert.equal(new Set(ids).size, 2);
    assert.match(ids?.[0] ?? "", /^call_[A-Za-z0-9]{24}$/);
  });

  test("the deprecated function_call and its function message", () => {
    const messages = turn({ content: null, function_call: { name: "f", arguments: "{}" } }, {
      role: "function",
      name: "f",
      content: "42",
    });
    const [call] = messages[1]?.parts ?? [];
    assert.ok(call?.kind === "tool_call");
    assert.deepEqual([call.id, call.name], ["call_fn_1", "f"]);
    const [result] = messages[2]?.parts ?? [];
    assert.ok(result?.kind === "tool_result");
    assert.deepEqual([messages[2]?.role, result.callId, result.name], ["tool", "call_fn_1", "f"]);
  });

  test("refusals, as a member and as a part", () => {
    const refusal = (message: Record<string, unknown>) => turn(message)[1]?.parts.map((part) => part.kind);
    assert.deepEqual(refusal({ content: null, refusal: "No." }), ["refusal"]);
    assert.deepEqual(refusal({ content: [{ type: "refusal", refusal: "No." }] }), ["refusal"]);
    assert.deepEqual(refusal({ content: "Yes.", refusal: null }), ["text"]);
  });

  test("what SDK helpers leave on messages says nothing", () => {
    const [, message] = turn({
      content: "{}",
      refusal: null,
      annotations: [],
      audio: null,
      parsed: { a: 1 },
      tool_calls: [{
        id: "c",
        index: 0,
        type: "function",
        function: { name: "f", arguments: "{}", parsed_arguments: {} },
      }],
    });
    assert.equal(message?.extra, undefined);
    assert.equal(message?.parts[1]?.extra, undefined);
  });

  test("thinking in one string, under either name", () => {
    for (const key of ["reasoning_content", "reasoning"]) {
      const [, message] = turn({ content: "4", [key]: "2+2" });
      assert.deepEqual(message?.parts[0], {
        kind: "reasoning",
        form: "full",
        text: "2+2",
        path: `messages[1].${key}`,
      });
      assert.equal(message?.extra, undefined);
    }
  });

  test("reasoning_details: who minted what, and the string beside them counts no second time", () => {
    const [, message] = turn({
      content: "4",
      reasoning: "ab",
      reasoning_details: [
        { type: "reasoning.text", text: "a", signature: "sig", format: "anthropic-claude-v1", index: 0 },
        { type: "reasoning.encrypted", data: "red", format: "anthropic-claude-v1", index: 1 },
        { type: "reasoning.summary", summary: "s", format: "openai-responses-v1", id: "rs_1", index: 2 },
        { type: "reasoning.encrypted", data: "enc", format: "openai-responses-v1", id: "rs_1", index: 3 },
        { type: "reasoning.text", signature: "g", format: "google-gemini-v1", index: 4 },
        { type: "reasoning.encrypted", data: "x", format: "xai-responses-v1", index: 5 },
      ],
    });
    const at = (index: number) => `messages[1].reasoning_details[${index}]`;
    assert.deepEqual(message?.parts.slice(0, -1), [
      {
        kind: "reasoning",
        form: "full",
        text: "a",
        opaque: [{ issuer: "anthropic", kind: "signature", value: "sig" }],
        path: at(0),
      },
      {
        kind: "reasoning",
        form: "redacted",
        text: "",
        opaque: [{ issuer: "anthropic", kind: "redacted", value: "red" }],
        path: at(1),
      },
      {
        kind: "reasoning",
        form: "summary",
        text: "s",
        id: "rs_1",
        opaque: [{ issuer: "openai", kind: "encrypted", value: "enc", id: "rs_1" }],
        path: at(2),
      },
      {
        kind: "reasoning",
        form: "full",
        text: "",
        opaque: [{ issuer: "google", kind: "thought_signature", value: "g" }],
        path: at(4),
      },
      {
        kind: "reasoning",
        form: "summary",
        text: "",
        opaque: [{ issuer: "xai-responses-v1", kind: "encrypted", value: "x" }],
        path: at(5),
      },
    ]);
  });

  test("a string beside entries that hold no text is their text", () => {
    const data = { type: "reasoning.encrypted", data: "d", index: 0 };
    const texts = (format: string) =>
      turn({ content: "4", reasoning: "hm", reasoning_details: [{ ...data, format }] })[1]?.parts
        .map((part) => part.kind === "reasoning" ? [part.form, part.text] : [part.kind]);
    assert.deepEqual(texts("openai-responses-v1"), [["summary", "hm"], ["text"]]);
    assert.deepEqual(texts("anthropic-claude-v1"), [["full", "hm"], ["redacted", ""], ["text"]]);
  });

  test("a stream's entries, kept as they came, are one block; two signatures are two", () => {
    const entry = (index: number, members: Record<string, unknown>) => ({
      type: "reasoning.text",
      format: "anthropic-claude-v1",
      index,
      ...members,
    });
    const [, message] = turn({
      content: "4",
      reasoning_details: [
        entry(0, { text: "a" }),
        entry(0, { text: "b" }),
        entry(0, { signature: "one" }),
        entry(1, { text: "c", signature: "two" }),
      ],
    });
    const thoughts = message?.parts.map((part) => part.kind === "reasoning" && [part.text, part.opaque?.[0]?.value]);
    assert.deepEqual(thoughts?.slice(0, 2), [["ab", "one"], ["c", "two"]]);
    assert.equal(message?.parts.length, 3);
  });

  test("entries without a format: two makers' values tell themselves", () => {
    const issuer = (entry: Record<string, unknown>) =>
      turn({ content: "4", reasoning_details: [{ index: 0, ...entry }] })[1]?.parts[0]?.opaque?.[0]?.issuer;
    assert.equal(issuer({ type: "reasoning.text", text: "a", signature: "EqoBCkgIDh" }), "anthropic");
    assert.equal(issuer({ type: "reasoning.encrypted", data: "gAAAAABpCCSI" }), "openai");
    assert.equal(issuer({ type: "reasoning.text", text: "a", signature: "AY89a1" }), "unknown");
  });

  test("thinking among the content, and a signature on a call", () => {
    const [, message] = turn({
      content: [
        { type: "thinking", thinking: [{ type: "text", text: "2+" }, { type: "text", text: "2" }], closed: true },
        { type: "text", text: "4" },
      ],
      tool_calls: [{
        id: "c",
        type: "function",
        function: { name: "f", arguments: "{}" },
        extra_content: { google: { thought_signature: "sig" } },
      }],
    });
    assert.deepEqual(message?.parts, [
      { kind: "reasoning", form: "full", text: "2+2", path: "messages[1].content[0]" },
      { kind: "text", text: "4", path: "messages[1].content[1]" },
      {
        kind: "tool_call",
        id: "c",
        name: "f",
        toolKind: "function",
        arguments: "{}",
        path: "messages[1].tool_calls[0]",
        opaque: [{ issuer: "google", kind: "thought_signature", value: "sig" }],
      },
    ]);
  });
});

describe("tools", () => {
  test("functions, custom tools with a grammar, deprecated functions, tools of other kinds", () => {
    const request = decoded({
      tools: [
        {
          type: "function",
          cache: 1,
          function: { name: "f", description: "d", parameters: { type: "object" }, strict: true, more: 2 },
        },
        {
          type: "custom",
          custom: { name: "patch", format: { type: "grammar", grammar: { syntax: "lark", definition: "start: A" } } },
        },
        { type: "lab:web_search", parameters: {} },
      ],
      functions: [{ name: "old" }],
    });
    assert.deepEqual(request.tools, [
      {
        kind: "function",
        name: "f",
        description: "d",
        schema: { type: "object" },
        strict: true,
        path: "tools[0]",
        innerPath: "tools[0].function",
        extra: { format: "chat", fields: { cache: 1, function: { more: 2 } }, wrapper: "function" },
      },
      {
        kind: "custom",
        name: "patch",
        grammar: { type: "grammar", syntax: "lark", definition: "start: A" },
        path: "tools[1]",
        innerPath: "tools[1].custom",
      },
      {
        kind: "native",
        name: "lab:web_search",
        native: { format: "chat", value: { type: "lab:web_search", parameters: {} } },
        serverTool: "web_search",
        webSearch: { unread: ["tools[2].parameters"] },
        path: "tools[2]",
      },
      { kind: "function", name: "old", path: "functions[0]" },
    ]);
  });

  test("web_search_options is a server tool with what formats share of it", () => {
    const [tool] = decoded({
      web_search_options: {
        search_context_size: "low",
        user_location: { type: "approximate", approximate: { city: "Bonn", country: "DE" } },
      },
    }).tools;
    assert.equal(tool?.serverTool, "web_search");
    assert.deepEqual(tool?.webSearch, { contextSize: "low", location: { city: "Bonn", country: "DE" } });
    assert.equal(tool?.path, "web_search_options");
  });

  test("all forms of the choice", () => {
    const choice = (tool_choice: unknown) => decoded({ tool_choice }).toolChoice;
    assert.deepEqual(choice("auto"), { type: "auto" });
    assert.deepEqual(choice("any"), { type: "required" });
    assert.deepEqual(choice({ type: "function", function: { name: "f" } }), {
      type: "tool",
      name: "f",
      toolKind: "function",
    });
    assert.deepEqual(choice({ type: "custom", custom: { name: "p" } }), {
      type: "tool",
      name: "p",
      toolKind: "custom",
    });
    assert.deepEqual(
      choice({
        type: "allowed_tools",
        allowed_tools: { mode: "required", tools: [{ type: "function", function: { name: "f" } }] },
      }),
      { type: "allowed", mode: "required", names: ["f"] },
    );
    assert.deepEqual(decoded({ function_call: { name: "f" } }).toolChoice, {
      type: "tool",
      name: "f",
      toolKind: "function",
    });
    assert.deepEqual(choice("sometimes"), { type: "native", format: "chat", value: "sometimes" });
  });
});

describe("top-level fields", () => {
  test("everything that has a neutral term", () => {
    const request = decoded({
      max_completion_tokens: 10,
      temperature: 0.5,
      top_p: 0.9,
      top_k: 4,
      frequency_penalty: 1,
      presence_penalty: -1,
      seed: 3,
      logit_bias: { "5": 1 },
      n: 2,
      stop: "END",
      logprobs: true,
      top_logprobs: 3,
      verbosity: "low",
      reasoning_effort: "high",
      service_tier: "flex",
      safety_identifier: "u",
      metadata: { a: "b" },
      store: true,
      parallel_tool_calls: false,
      prompt_cache_key: "k",
      prompt_cache_retention: "24h",
      prediction: { type: "content", content: "x" },
      modalities: ["text", "audio"],
      audio: { voice: "alloy", format: "wav" },
      stream: true,
      stream_options: { include_usage: true, include_obfuscation: false },
    });
    const { messages: _, instructions: _instructions, wireNames: _names, ...rest } = request;
    assert.deepEqual(rest, {
      origin: "chat",
      model: "m",
      tools: [],
      maxOutputTokens: 10,
      temperature: 0.5,
      topP: 0.9,
      topK: 4,
      frequencyPenalty: 1,
      presencePenalty: -1,
      seed: 3,
      logitBias: { "5": 1 },
      candidates: 2,
      stopSequences: ["END"],
      logprobs: { top: 3 },
      verbosity: "low",
      reasoning: { mode: "default", effort: "high" },
      serviceTier: "flex",
      userId: "u",
      metadata: { a: "b" },
      state: { store: true },
      parallelToolCalls: false,
      cache: { key: "k", ttl: "24h" },
      prediction: { type: "content", content: "x" },
      audioOutput: { modalities: ["text", "audio"], audio: { voice: "alloy", format: "wav" } },
      stream: true,
      includeUsage: true,
      includeObfuscation: false,
      include: [],
      betas: [],
      extensions: {},
    });
  });

  test("of two names for one thing the newer counts, and the losses bear the name that was used", () => {
    const both = decoded({ max_tokens: 5, max_completion_tokens: 10, user: "a", safety_identifier: "b" });
    assert.deepEqual([both.maxOutputTokens, both.userId], [10, "b"]);
    assert.deepEqual(both.extensions, { chat: { max_tokens: 5, user: "a" } });
    const old = decoded({ max_tokens: 5, user: "a" });
    assert.deepEqual([old.maxOutputTokens, old.userId], [5, "a"]);
    assert.deepEqual([old.wireNames["maxOutputTokens"], old.wireNames["userId"]], ["max_tokens", "user"]);
    assert.deepEqual(old.extensions, {});
    const names = (body: Record<string, unknown>) => decoded(body).wireNames;
    assert.equal(names({ prompt_cache_options: { ttl: "30m" } })["cacheKey"], "prompt_cache_options");
    assert.equal(names({ prompt_cache_retention: "24h" })["cacheKey"], "prompt_cache_retention");
    assert.equal(names({ prompt_cache_key: "k", prompt_cache_options: {} })["cacheKey"], "prompt_cache_key");
    assert.equal(names({ audio: { voice: "x" } })["audioOutput"], "audio");
    assert.equal(names({ functions: [{ name: "f" }] })["tools"], "functions");
  });

  test("unknown members, and known ones with unknown values, are extensions", () => {
    const request = decoded({
      min_p: 0.1,
      provider: { order: ["a"] },
      reasoning_effort: "default",
      response_format: { type: "grammar", grammar: "g" },
      stream: true,
      stream_options: { include_usage: true, continuous_usage_stats: true },
    });
    assert.deepEqual(request.extensions, {
      chat: {
        min_p: 0.1,
        provider: { order: ["a"] },
        reasoning_effort: "default",
        response_format: { type: "grammar", grammar: "g" },
        stream_options: { continuous_usage_stats: true },
      },
    });
    assert.equal(request.reasoning, undefined);
    assert.equal(request.output, undefined);
  });

  test("the three response formats", () => {
    const output = (response_format: unknown) => decoded({ response_format }).output;
    assert.deepEqual(output({ type: "text" }), { kind: "text" });
    assert.deepEqual(output({ type: "json_object" }), { kind: "json" });
    const schema = { type: "object" };
    assert.deepEqual(output({ type: "json_schema", json_schema: { name: "n", schema, strict: true } }), {
      kind: "json_schema",
      name: "n",
      schema,
      strict: true,
    });
    assert.deepEqual(
      fault({ model: "m", messages: [user], response_format: { type: "json_schema" } })[1],
      "response_format.json_schema",
    );
  });

  test("no effort is thinking off", () => {
    assert.deepEqual(decoded({ reasoning_effort: "none" }).reasoning, { mode: "off", effort: "none" });
  });

  test("text as the only modality asks for nothing", () => {
    assert.equal(decoded({ modalities: ["text"] }).audioOutput, undefined);
    assert.deepEqual(decoded({ audio: { voice: "x" } }).audioOutput, { audio: { voice: "x" } });
    assert.deepEqual(decoded({ modalities: ["audio"] }).audioOutput, { modalities: ["audio"] });
  });
});
