import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import type { NeutralRequest, Opaque, Part, Reasoning, Tool } from "../../../../lib/neutral.ts";
import { call, message, request, signature, thinking } from "../../../support/neutral.ts";
import { encode, encodeFailure, target } from "./support.ts";

const ENCRYPTED: Opaque = { issuer: "openai", kind: "encrypted", value: "enc" };
const HI = message("user", { kind: "text", text: "Hi" });

function text(value: string): Part {
  return { kind: "text", text: value };
}

function bodyOf(parts: Partial<NeutralRequest>): JsonObject {
  return encode(request({ messages: [HI], ...parts })).body;
}

function inputOf(parts: Partial<NeutralRequest>): JsonObject[] {
  return bodyOf(parts)["input"] as JsonObject[];
}

function lostOf(parts: Partial<NeutralRequest>, model?: string): string[] {
  return encode(request({ messages: [HI], ...parts }), target(model === undefined ? {} : { model })).lost;
}

describe("responses encodeRequest: state and stream", () => {
  test("nothing is stored and no padding comes unless the client asked", () => {
    const body = bodyOf({ stream: true });
    assert.deepEqual([body["store"], body["stream"], body["stream_options"]], [false, true, {
      include_obfuscation: false,
    }]);
    assert.equal(bodyOf({ state: { store: true } })["store"], true);
    assert.equal(bodyOf({ stream: false })["stream_options"], undefined);
  });

  test("an upstream that refuses stream_options gets none", () => {
    const { body } = encode(request({ messages: [HI] }), target({ flags: ["no_stream_options"] }));
    assert.equal(body["stream_options"], undefined);
  });

  test("encrypted reasoning is asked for where the model reasons and nothing is stored", () => {
    const included = (model: string, store?: boolean) =>
      encode(request({ messages: [HI], ...(store === undefined ? {} : { state: { store } }) }), target({ model }))
        .body["include"];
    assert.deepEqual(included("gpt-5.6"), ["reasoning.encrypted_content"]);
    assert.deepEqual(included("some-model"), ["reasoning.encrypted_content"]);
    assert.equal(included("gpt-4o"), undefined);
    assert.equal(included("gpt-5.6", true), undefined);
  });
});

describe("responses encodeRequest: instructions and messages", () => {
  test("instructions are one string, later system messages the developer's", () => {
    const body = bodyOf({ instructions: [text("A"), text("B")], messages: [HI, message("system", text("C"))] });
    assert.equal(body["instructions"], "A\n\nB");
    assert.deepEqual((body["input"] as JsonObject[])[1], { type: "message", role: "developer", content: "C" });
  });

  test("an upstream without developers gets system messages", () => {
    const { body } = encode(
      request({ messages: [HI, message("system", text("C"))] }),
      target({ flags: ["no_developer_role"] }),
    );
    assert.equal((body["input"] as JsonObject[])[1]?.["role"], "system");
  });

  test("cache marks: instructions become a developer message, marks go where they can", () => {
    const marked = { ...text("B"), cache: { ttl: "1h" } };
    const body = bodyOf({ instructions: [text("A"), marked] });
    assert.equal(body["instructions"], undefined);
    assert.deepEqual((body["input"] as JsonObject[])[0], {
      type: "message",
      role: "developer",
      content: [
        { type: "input_text", text: "A" },
        { type: "input_text", text: "B", prompt_cache_breakpoint: { mode: "explicit" } },
      ],
    });
  });

  test("a mark on the assistant's text, on a fifth part, or for a model without marks is lost and said", () => {
    const marked = (path: string): Part => ({ kind: "text", text: "x", cache: {}, path });
    const wireNames = { cache: "cache_control" };
    const assistant = { messages: [HI, message("assistant", marked("m[1]")), HI], wireNames };
    assert.deepEqual(lostOf(assistant), ["m[1].cache_control"]);
    const five = { messages: [message("user", ...["a", "b", "c", "d", "e"].map(marked))], wireNames };
    assert.deepEqual(lostOf(five), ["a.cache_control"]);
    assert.deepEqual(lostOf({ messages: [message("user", marked("a"))], wireNames }, "gpt-4o"), ["a.cache_control"]);
    assert.equal(JSON.stringify(inputOf(five)).split("prompt_cache_breakpoint").length, 5);
  });

  test("a mark on a tool's result is on the last part of it", () => {
    const result: Part = { kind: "tool_result", callId: "c1", toolKind: "function", parts: [text("a")], cache: {} };
    const input = inputOf({ messages: [HI, message("assistant", call("c1", "f")), message("tool", result)] });
    assert.deepEqual(input[2]?.["output"], [
      { type: "input_text", text: "a", prompt_cache_breakpoint: { mode: "explicit" } },
    ]);
  });

  test("images, documents and search results", () => {
    const input = inputOf({
      messages: [message(
        "user",
        { kind: "image", source: { type: "base64", data: "AA==" }, mediaType: "image/png" },
        { kind: "image", source: { type: "url", url: "https://e.com/a.png" }, detail: "low" },
        { kind: "document", source: { type: "base64", data: "AA==" }, mediaType: "application/pdf" },
        { kind: "document", source: { type: "text", text: "body" }, title: "T" },
        { kind: "search_result", source: "https://e.com", title: "E", parts: [text("found")] },
      )],
    });
    assert.deepEqual(input[0]?.["content"], [
      { type: "input_image", image_url: "data:image/png;base64,AA==", detail: "auto" },
      { type: "input_image", image_url: "https://e.com/a.png", detail: "low" },
      { type: "input_file", filename: "document.pdf", file_data: "data:application/pdf;base64,AA==" },
      { type: "input_text", text: "T\nbody" },
      { type: "input_text", text: "E\nhttps://e.com\nfound" },
    ]);
  });

  test("what can't be seen or read upstream is refused", () => {
    const refused = (part: Part, origin: NeutralRequest["origin"] = "chat") =>
      encodeFailure(request({ origin, messages: [message("user", { ...part, path: "here" })] }));
    const audio = refused({ kind: "audio", source: { type: "base64", data: "AA==" } });
    assert.deepEqual([audio.kind, audio.param], ["unsupported", "here"]);
    assert.equal(refused({ kind: "video", source: { type: "url", url: "u" } }).kind, "unsupported");
    assert.equal(refused({ kind: "image", source: { type: "file", id: "f" } }, "messages").param, "here");
  });

  test("a begun answer of a messages client is said to be history", () => {
    const messages = [HI, { ...message("assistant", text("It")), path: "messages[1]" }];
    assert.deepEqual(lostOf({ origin: "messages", messages }), ["messages[1]"]);
    assert.deepEqual(lostOf({ origin: "chat", messages }), []);
  });
});

describe("responses encodeRequest: turns of the model", () => {
  test("reasoning of the target's family goes back without an id, all else is dropped and said", () => {
    const own: Part = { ...thinking("", ENCRYPTED), id: "rs_1", form: "summary", path: "a" };
    const foreign: Part = { ...thinking("secret", signature("sig")), path: "b" };
    const unsigned: Part = { ...thinking("hm"), path: "c" };
    const empty: Part = { ...thinking(""), path: "d" };
    const { body, lost } = encode(
      request({ messages: [HI, message("assistant", own, foreign, unsigned, empty, text("So"))] }),
    );
    const input = body["input"] as JsonObject[];
    assert.deepEqual(input[1], { type: "reasoning", summary: [], encrypted_content: "enc" });
    assert.deepEqual(input[2]?.["role"], "assistant");
    assert.deepEqual(lost, ["b", "c"]);
  });

  test("the same value is another family's elsewhere", () => {
    const messages = [HI, message("assistant", { ...thinking("", ENCRYPTED), path: "a" }, text("So"))];
    const { body, lost } = encode(request({ messages }), target({ family: "lab" }));
    assert.deepEqual([(body["input"] as unknown[]).length, lost], [2, ["a"]]);
  });

  test("two values are never merged", () => {
    const two: Opaque[] = [ENCRYPTED, { ...ENCRYPTED, value: "enc2" }];
    const input = inputOf({ messages: [HI, message("assistant", thinking("", ...two), text("So"))] });
    assert.deepEqual(input.slice(1, 3).map((item) => item["encrypted_content"]), ["enc", "enc2"]);
  });

  test("calls and results: legal ids, order of the calls, errors in words", () => {
    const long = "functions.Bash:0";
    const input = inputOf({
      messages: [
        HI,
        message("assistant", text("Look"), call(long, "f"), call("c2", "p", { toolKind: "custom", arguments: "raw" })),
        message(
          "tool",
          { kind: "tool_result", callId: "c2", toolKind: "custom", parts: [text("no")], isError: true },
          { kind: "tool_result", callId: long, toolKind: "function", parts: [] },
        ),
      ],
    });
    const [, said, first, second, firstResult, secondResult] = input;
    assert.equal(said?.["role"], "assistant");
    assert.deepEqual([first?.["type"], first?.["arguments"]], ["function_call", "{}"]);
    assert.match(String(first?.["call_id"]), /^[A-Za-z0-9_-]{1,64}$/);
    assert.deepEqual(second, { type: "custom_tool_call", call_id: "c2", name: "p", input: "raw" });
    assert.deepEqual(firstResult, { type: "function_call_output", call_id: first?.["call_id"], output: "" });
    assert.deepEqual(secondResult, { type: "custom_tool_call_output", call_id: "c2", output: "Error: no" });
  });

  test("a result with an image is a list", () => {
    const image: Part = { kind: "image", source: { type: "base64", data: "AA==" }, mediaType: "image/png" };
    const input = inputOf({
      messages: [
        HI,
        message("assistant", call("c1", "f")),
        message("tool", { kind: "tool_result", callId: "c1", toolKind: "function", parts: [text("1x1"), image] }),
      ],
    });
    assert.deepEqual(input[2]?.["output"], [
      { type: "input_text", text: "1x1" },
      { type: "input_image", image_url: "data:image/png;base64,AA==", detail: "auto" },
    ]);
  });

  test("citations of the web go back, others can't", () => {
    const cited: Part = {
      kind: "text",
      text: "So",
      path: "p",
      citations: [
        { kind: "url", url: "https://e.com", title: "E", start: 0, end: 2 },
        { kind: "document", unit: "page", index: 0, from: 1, to: 2 },
      ],
    };
    const { body, lost } = encode(request({ messages: [HI, message("assistant", cited)] }));
    assert.deepEqual((body["input"] as JsonObject[])[1]?.["content"], [{
      type: "output_text",
      text: "So",
      annotations: [{ type: "url_citation", start_index: 0, end_index: 2, title: "E", url: "https://e.com" }],
    }]);
    assert.deepEqual(lost, ["p.citations"]);
  });

  test("a compaction is text to another maker", () => {
    const opaque: Opaque[] = [{ issuer: "openai", kind: "compaction", value: "enc" }];
    const input = inputOf({
      messages: [message("assistant", { kind: "compaction", text: "before", opaque }), HI],
    });
    assert.deepEqual(input[0], { type: "compaction", encrypted_content: "enc" });
    const { body, lost } = encode(
      request({ messages: [message("assistant", { kind: "compaction", text: "before", opaque }), HI] }),
      target({ family: "lab" }),
    );
    assert.deepEqual((body["input"] as JsonObject[])[0]?.["content"], [
      { type: "output_text", text: "Summary of the conversation so far: before", annotations: [] },
    ]);
    assert.equal(lost.length, 1);
  });
});

describe("responses encodeRequest: tools", () => {
  const schema = {
    type: "object",
    properties: { a: { type: "string" } },
    required: ["a"],
    additionalProperties: false,
  };

  function toolsOf(...tools: Tool[]): unknown {
    return bodyOf({ tools })["tools"];
  }

  test("functions say whether they are strict, and have a schema", () => {
    assert.deepEqual(
      toolsOf(
        { kind: "function", name: "f", schema, strict: true },
        { kind: "function", name: "g" },
        { kind: "custom", name: "c", grammar: { type: "grammar", syntax: "regex", definition: "x" } },
      ),
      [
        { type: "function", name: "f", parameters: schema, strict: true },
        { type: "function", name: "g", parameters: { type: "object", properties: {} }, strict: false },
        { type: "custom", name: "c", format: { type: "grammar", syntax: "regex", definition: "x" } },
      ],
    );
  });

  test("a schema that strict mode refuses isn't sent as strict", () => {
    const tools: Tool[] = [{ kind: "function", name: "f", schema: { type: "object" }, strict: true, path: "tools[0]" }];
    const { body, lost } = encode(request({ messages: [HI], tools }));
    assert.equal((body["tools"] as JsonObject[])[0]?.["strict"], false);
    assert.deepEqual(lost, ["tools[0].strict"]);
  });

  test("long names are shortened alike in tools, choice and history, and given back", () => {
    const name = "x".repeat(90);
    const { body, restore } = encode(request({
      messages: [HI, message("assistant", call("c1", name))],
      tools: [{ kind: "function", name }],
      toolChoice: { type: "tool", name, toolKind: "function" },
    }));
    const short = String((body["tools"] as JsonObject[])[0]?.["name"]);
    assert.ok(short.length <= 64);
    assert.deepEqual(body["tool_choice"], { type: "function", name: short });
    assert.equal((body["input"] as JsonObject[])[1]?.["name"], short);
    assert.equal(restore.get(short)?.name, name);
  });

  test("choices", () => {
    const tools: Tool[] = [{ kind: "function", name: "f" }, { kind: "custom", name: "c" }];
    assert.equal(bodyOf({ tools, toolChoice: { type: "required" } })["tool_choice"], "required");
    assert.deepEqual(
      bodyOf({ tools, toolChoice: { type: "allowed", mode: "auto", names: ["f", "c"] } })["tool_choice"],
      {
        type: "allowed_tools",
        mode: "auto",
        tools: [{ type: "function", name: "f" }, { type: "custom", name: "c" }],
      },
    );
    assert.deepEqual(lostOf({ toolChoice: { type: "auto" } }), []);
    assert.deepEqual(lostOf({ toolChoice: { type: "required" }, wireNames: { toolChoice: "tool_choice" } }), [
      "tool_choice",
    ]);
  });

  test("web search has a partner; a tool whose work nothing else does is refused, others are left out", () => {
    const native = (serverTool: NonNullable<Tool["serverTool"]>, more: Partial<Tool> = {}): Tool => ({
      kind: "native",
      name: serverTool,
      serverTool,
      native: { format: "messages", value: { type: "x" } },
      path: "tools[0]",
      ...more,
    });
    const search = native("web_search", { webSearch: { allowedDomains: ["e.com"], location: { city: "Oslo" } } });
    assert.deepEqual(toolsOf(search), [{
      type: "web_search",
      filters: { allowed_domains: ["e.com"] },
      user_location: { type: "approximate", city: "Oslo" },
    }]);
    assert.deepEqual(lostOf({ tools: [native("web_fetch")] }), ["tools[0]"]);
    assert.equal(encodeFailure(request({ messages: [HI], tools: [native("computer")] })).param, "tools[0]");
    const forced = request({
      messages: [HI],
      tools: [native("web_fetch")],
      toolChoice: { type: "tool", name: "web_fetch", toolKind: "function" },
    });
    assert.equal(encodeFailure(forced).kind, "unsupported");
  });
});

describe("responses encodeRequest: fields", () => {
  test("no fewer than 16 tokens, no more than the model writes", () => {
    const wireNames = { maxOutputTokens: "max_tokens" };
    const few = encode(request({ messages: [HI], maxOutputTokens: 1, wireNames }));
    assert.deepEqual([few.body["max_output_tokens"], few.lost], [16, ["max_tokens"]]);
    const many = encode(request({ messages: [HI], maxOutputTokens: 32_000, wireNames }), target({ model: "gpt-4o" }));
    assert.deepEqual([many.body["max_output_tokens"], many.lost], [16_384, ["max_tokens"]]);
    assert.equal(encodeFailure(request({ messages: [HI], maxOutputTokens: 0, wireNames })).param, "max_tokens");
  });

  test("sampling goes to models that take it, or that are told not to reason", () => {
    const sampling = { temperature: 0.5, topP: 0.9, logprobs: { top: 2 } };
    assert.deepEqual(lostOf(sampling), ["temperature", "topP", "logprobs"]);
    assert.deepEqual(lostOf({ temperature: 1, topP: 1 }), []);
    const off = encode(request({ messages: [HI], ...sampling, reasoning: { mode: "off", effort: "none" } }));
    assert.deepEqual([off.body["temperature"], off.body["top_logprobs"], off.lost], [0.5, 2, []]);
    const plain = encode(request({ messages: [HI], ...sampling }), target({ model: "gpt-4o" }));
    assert.deepEqual([plain.body["top_p"], plain.body["include"]], [0.9, ["message.output_text.logprobs"]]);
  });

  test("what the format has no field for is said by the client's name of it", () => {
    const lost = lostOf({
      topK: 5,
      seed: 1,
      presencePenalty: 0.5,
      frequencyPenalty: 0,
      logitBias: {},
      prediction: {},
      contextManagement: {},
      extensions: { chat: { web_search_options: {}, nothing: null } },
      wireNames: { topK: "top_k" },
    });
    assert.deepEqual(lost, [
      "top_k",
      "seed",
      "prediction",
      "presencePenalty",
      "contextManagement",
      "web_search_options",
    ]);
  });

  test("several answers, spoken answers and threads are refused", () => {
    const kindOf = (parts: Partial<NeutralRequest>) => encodeFailure(request({ messages: [HI], ...parts }));
    assert.equal(kindOf({ candidates: 2, wireNames: { candidates: "n" } }).param, "n");
    assert.equal(kindOf({ audioOutput: {} }).kind, "unsupported");
    assert.equal(kindOf({ state: { thread: {} } }).kind, "unsupported");
    assert.equal(kindOf({ ownFormatOnly: ["container"] }).param, "container");
    assert.equal(encode(request({ messages: [HI], candidates: 1 })).lost.length, 0);
  });

  test("stop sequences are emulated on text alone", () => {
    const stop = { stopSequences: ["END"], wireNames: { stopSequences: "stop" } };
    const plain = encode(request({ messages: [HI], ...stop }));
    assert.deepEqual([plain.emulateStop, plain.lost], [["END"], []]);
    const json = encode(request({ messages: [HI], ...stop, output: { kind: "json" } }));
    assert.deepEqual([json.emulateStop, json.lost], [undefined, ["stop"]]);
    const tools = encode(request({ messages: [HI], ...stop, tools: [{ kind: "function", name: "f" }] }));
    assert.deepEqual([tools.emulateStop, tools.lost], [undefined, ["stop"]]);
  });

  test("structured output has a name, and is strict only where it can be", () => {
    const { body, lost } = encode(
      request({ messages: [HI], output: { kind: "json_schema", schema: { type: "object" }, strict: true } }),
    );
    assert.deepEqual(body["text"], {
      format: { type: "json_schema", name: "structured_output", schema: { type: "object" }, strict: false },
    });
    assert.deepEqual(lost, ["output"]);
  });

  test("an id that is too long becomes a shorter one that is as stable", () => {
    const long = "u".repeat(100);
    const [first, second] = [1, 2].map(() => bodyOf({ userId: long })["safety_identifier"]);
    assert.equal(first, second);
    assert.ok(String(first).length <= 64);
    assert.equal(bodyOf({ userId: "u1" })["safety_identifier"], "u1");
  });
});

describe("responses encodeRequest: reasoning", () => {
  const CASES: [string, Reasoning, JsonObject | undefined][] = [
    ["an effort alone", { mode: "default", effort: "low" }, { effort: "low" }],
    ["an effort the model lacks", { mode: "default", effort: "minimal" }, { effort: "low" }],
    ["adaptive", { mode: "adaptive" }, { effort: "high", summary: "auto" }],
    ["adaptive, shown to nobody", { mode: "adaptive", display: "omitted" }, { effort: "high" }],
    ["a small budget", { mode: "budget", budgetTokens: 2048 }, { effort: "low", summary: "auto" }],
    ["a middle budget", { mode: "budget", budgetTokens: 8192 }, { effort: "medium", summary: "auto" }],
    ["a large budget", { mode: "budget", budgetTokens: 31_999 }, { effort: "xhigh", summary: "auto" }],
    ["off", { mode: "off" }, { effort: "none" }],
    ["nothing but a display", { mode: "default", display: "detailed" }, { summary: "detailed" }],
  ];
  for (const [name, reasoning, expected] of CASES) {
    test(name, () => assert.deepEqual(bodyOf({ reasoning })["reasoning"], expected));
  }

  test("a model that can't stop thinking is asked for its least", () => {
    const { body, lost } = encode(request({ messages: [HI], reasoning: { mode: "off" } }), target({ model: "o3" }));
    assert.deepEqual([body["reasoning"], lost], [{ effort: "low" }, ["reasoning"]]);
  });

  test("a model that doesn't think isn't asked", () => {
    const { body, lost } = encode(
      request({ messages: [HI], reasoning: { mode: "adaptive" } }),
      target({ model: "gpt-4o" }),
    );
    assert.deepEqual([body["reasoning"], lost], [undefined, ["reasoning"]]);
  });
});
