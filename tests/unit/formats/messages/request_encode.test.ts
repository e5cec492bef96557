import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { Message, NeutralRequest, Part, Tool } from "../../../../lib/neutral.ts";
import {
  call,
  chatRequest,
  decode,
  encode,
  encodeFailure,
  LOOK,
  NEWEST,
  OPUS_46,
  result,
  signature,
  SONNET_45,
  target,
  text,
  thought,
  user,
} from "./support.ts";

function said(role: Message["role"], ...parts: Part[]): Message {
  return { role, parts, path: "messages[1]" };
}

function bodyOf(more: Partial<NeutralRequest>, model = NEWEST) {
  return encode(chatRequest(more), target(model));
}

function messagesOf(messages: Message[], model = NEWEST, more: Partial<NeutralRequest> = {}) {
  const { body, losses } = bodyOf({ messages, ...more }, model);
  return { messages: body["messages"] as { role: string; content: unknown }[], losses, body };
}

describe("messages request encode: the smallest request", () => {
  test("a plain text stays a string, max_tokens is the model's most", () => {
    const { body, headers, losses } = encode(chatRequest({ instructions: [text("Be brief.")] }));
    assert.deepEqual(body, {
      model: NEWEST,
      max_tokens: 128_000,
      system: "Be brief.",
      messages: [{ role: "user", content: "Hi" }],
    });
    assert.deepEqual(headers, { "anthropic-version": "2023-06-01" });
    assert.deepEqual(losses, []);
  });

  test("max_tokens: the client's, clamped to the model's, a default where nobody knows", () => {
    assert.equal(bodyOf({ maxOutputTokens: 50 }).body["max_tokens"], 50);
    const clamped = bodyOf({ maxOutputTokens: 1_000_000 }, SONNET_45);
    assert.equal(clamped.body["max_tokens"], 64_000);
    assert.deepEqual(clamped.losses, ["max_completion_tokens"]);
    assert.equal(bodyOf({}, "house-model").body["max_tokens"], 8192);
  });

  test("a request without content is refused", () => {
    assert.equal(encodeFailure(chatRequest({ messages: [user("  ")] })).kind, "invalid_request");
  });
});

describe("messages request encode: what changes the meaning is refused", () => {
  const cases: readonly (readonly [Partial<NeutralRequest>, string])[] = [
    [{ candidates: 2, wireNames: { candidates: "n" } }, "n"],
    [{ audioOutput: { voice: "alto" }, wireNames: { audioOutput: "audio" } }, "audio"],
    [{ state: { previousId: "resp_1" }, wireNames: { previousId: "previous_response_id" } }, "previous_response_id"],
    [{ state: { conversation: "c" } }, "conversation"],
    [{ state: { background: true } }, "background"],
    [{ state: { prompt: { id: "p" } } }, "prompt"],
    [{ ownFormatOnly: ["input[3]"] }, "input[3]"],
  ];
  for (const [more, param] of cases) {
    test(param, () => {
      const failure = encodeFailure(chatRequest(more));
      assert.equal(failure.kind, "unsupported");
      assert.equal(failure.param, param);
    });
  }

  test("audio, foreign file ids and documents nobody reads", () => {
    const of = (part: Part) => encodeFailure(chatRequest({ messages: [said("user", part)] })).kind;
    assert.equal(of({ kind: "audio", source: { type: "base64", data: "AA" } }), "unsupported");
    assert.equal(of({ kind: "document", source: { type: "file", id: "file-1" } }), "unsupported");
    const word = { type: "base64" as const, data: "AA" };
    assert.equal(of({ kind: "document", source: word, mediaType: "application/msword" }), "unsupported");
  });

  test("state that says nothing is none", () => {
    assert.equal(bodyOf({ candidates: 1, state: { background: false, store: false } }).losses.length, 0);
  });
});

describe("messages request encode: sampling", () => {
  test("case 31: the newest models take no sampling fields", () => {
    const { body, losses } = bodyOf({ temperature: 1.5, topK: 5, topP: 0.5 });
    assert.deepEqual(["temperature", "top_k", "top_p"].filter((key) => key in body), []);
    assert.deepEqual(losses.sort(), ["temperature", "topK", "top_p"]);
    assert.deepEqual(bodyOf({ temperature: 1, topP: 1 }).losses, []);
    assert.equal(bodyOf({ topP: 0.995 }).body["top_p"], 0.995);
  });

  test("older models: clamped to 1, and one of temperature and top_p", () => {
    const clamped = bodyOf({ temperature: 1.5 }, OPUS_46);
    assert.equal(clamped.body["temperature"], 1);
    assert.deepEqual(clamped.losses, ["temperature"]);
    const both = bodyOf({ temperature: 0.3, topP: 0.5, topK: 3 }, OPUS_46);
    assert.equal(both.body["temperature"], 0.3);
    assert.equal("top_p" in both.body, false);
    assert.equal(both.body["top_k"], 3);
    assert.deepEqual(both.losses, ["top_p"]);
    const defaulted = bodyOf({ temperature: 1, topP: 0.5 }, OPUS_46);
    assert.deepEqual([defaulted.body["top_p"], defaulted.losses], [0.5, []]);
  });

  test("thinking leaves no room for sampling", () => {
    const { body, losses } = bodyOf({ temperature: 0.3, reasoning: { mode: "default", effort: "low" } }, SONNET_45);
    assert.equal("temperature" in body, false);
    assert.deepEqual(losses, ["temperature"]);
  });

  test("fields that this format doesn't have", () => {
    const { losses } = bodyOf({
      frequencyPenalty: 1,
      presencePenalty: 0,
      seed: 7,
      logitBias: {},
      logprobs: { top: 2 },
      verbosity: "low",
      metadata: { a: "b" },
      truncation: "disabled",
      state: { store: true },
      cache: { key: "k" },
      extensions: { chat: { moderation: true, gone: null } },
      wireNames: { cacheKey: "prompt_cache_key", frequencyPenalty: "frequency_penalty" },
    });
    assert.deepEqual(losses.sort(), [
      "frequency_penalty",
      "logprobs",
      "metadata",
      "moderation",
      "prompt_cache_key",
      "seed",
      "store",
      "verbosity",
    ]);
  });

  test("stop sequences of white space alone are left to the gateway", () => {
    const encoded = bodyOf({ stopSequences: ["END", "\n"] });
    assert.deepEqual(encoded.body["stop_sequences"], ["END"]);
    assert.deepEqual(encoded.emulateStop, ["\n"]);
    const refused = encode(chatRequest({ stopSequences: ["END"] }), target(NEWEST, {}, { stopSequences: false }));
    assert.deepEqual([refused.body["stop_sequences"], refused.emulateStop], [undefined, ["END"]]);
  });

  test("who asks: an id, but none that looks personal", () => {
    assert.deepEqual(bodyOf({ userId: "u-1" }).body["metadata"], { user_id: "u-1" });
    for (const userId of ["ada@example.org", "+44 20 7946 0000", "x".repeat(257)]) {
      const { body, losses } = bodyOf({ userId });
      assert.equal("metadata" in body, false);
      assert.deepEqual(losses, ["userId"]);
    }
  });

  test("service tiers", () => {
    assert.equal(bodyOf({ serviceTier: "default" }).body["service_tier"], "standard_only");
    assert.equal(bodyOf({ serviceTier: "auto" }).body["service_tier"], "auto");
    assert.deepEqual(bodyOf({ serviceTier: "flex" }).losses, ["serviceTier"]);
  });
});

describe("messages request encode: reasoning", () => {
  const asking = (more: Partial<NeutralRequest>, model: string) =>
    bodyOf({ reasoning: { mode: "default" }, ...more }, model);

  test("adaptive models think adaptively, with the words they take", () => {
    const of = (effort: "minimal" | "high" | "xhigh", model: string) =>
      asking({ reasoning: { mode: "default", effort } }, model).body;
    assert.deepEqual(of("high", NEWEST)["thinking"], { type: "adaptive", display: "summarized" });
    assert.deepEqual(of("high", NEWEST)["output_config"], { effort: "high" });
    assert.deepEqual(of("minimal", NEWEST)["output_config"], { effort: "low" });
    assert.deepEqual(of("xhigh", OPUS_46)["output_config"], { effort: "max" });
  });

  test("a responses client sees a summary only if it asked for one", () => {
    const of = (display: "auto" | undefined, model: string) =>
      asking({
        origin: "responses",
        reasoning: { mode: "default", effort: "low", ...(display === undefined ? {} : { display }) },
      }, model).body["thinking"];
    assert.deepEqual(of(undefined, NEWEST), { type: "adaptive", display: "omitted" });
    assert.deepEqual(of("auto", NEWEST), { type: "adaptive", display: "summarized" });
    assert.deepEqual(of(undefined, SONNET_45), { type: "enabled", budget_tokens: 2048, display: "omitted" });
    assert.deepEqual(of("auto", SONNET_45), { type: "enabled", budget_tokens: 2048 });
    // Older models may not know the member.
    assert.deepEqual(of(undefined, "claude-3-7-sonnet"), { type: "enabled", budget_tokens: 2048 });
  });

  test("nothing asked, nothing sent", () => {
    assert.equal("thinking" in asking({}, NEWEST).body, false);
    assert.equal("thinking" in asking({ reasoning: { mode: "default", display: "auto" } }, SONNET_45).body, false);
  });

  test("off is said to models that think by themselves", () => {
    assert.deepEqual(asking({ reasoning: { mode: "off" } }, "claude-opus-5").body["thinking"], { type: "disabled" });
    assert.deepEqual(asking({ reasoning: { mode: "default", effort: "none" } }, "claude-opus-5").body["thinking"], {
      type: "disabled",
    });
    assert.equal("thinking" in asking({ reasoning: { mode: "off" } }, SONNET_45).body, false);
  });

  test("models that always think get the least that they take, with a loss", () => {
    const least = asking({ reasoning: { mode: "default", effort: "none" } }, NEWEST);
    assert.deepEqual([least.body["thinking"], least.body["output_config"]], [undefined, { effort: "low" }]);
    assert.deepEqual(least.losses, ["reasoning_effort"]);
    const sonnet = asking({ reasoning: { mode: "off" } }, "claude-sonnet-5-5");
    assert.deepEqual([sonnet.body["thinking"], sonnet.losses], [{ type: "between_tools" }, ["reasoning_effort"]]);
  });

  test("case 32: the budget fits into max_tokens", () => {
    const of = (maxOutputTokens: number) =>
      asking({ maxOutputTokens, reasoning: { mode: "default", effort: "high" } }, SONNET_45);
    const none = of(1024);
    assert.equal("thinking" in none.body, false);
    assert.deepEqual(none.losses, ["reasoning_effort"]);
    assert.deepEqual(of(4096).body["thinking"], { type: "enabled", budget_tokens: 3276 });
    assert.deepEqual(of(4096).losses, []);
    assert.equal(of(4096).body["max_tokens"], 4096);
  });

  test("effort stands beside the budget where the model takes it", () => {
    const of = (model: string) =>
      asking({ reasoning: { mode: "default", effort: "xhigh" } }, model).body["output_config"];
    assert.deepEqual(of("claude-opus-4-5"), { effort: "high" });
    assert.equal(of(SONNET_45), undefined);
  });

  test("a model that doesn't think", () => {
    const { body, losses } = asking({ reasoning: { mode: "default", effort: "low" } }, "claude-3-5-haiku-latest");
    assert.equal("thinking" in body, false);
    assert.deepEqual(losses, ["reasoning_effort"]);
  });

  test("case 30: a forced tool switches thinking off", () => {
    const { body, losses } = bodyOf({
      tools: [LOOK],
      toolChoice: { type: "tool", name: "look", toolKind: "function" },
      reasoning: { mode: "default", effort: "xhigh" },
    }, "claude-opus-5");
    // Without an effort: Opus 5 refuses `disabled` beside xhigh and max.
    assert.deepEqual(body["thinking"], { type: "disabled" });
    assert.equal("output_config" in body, false);
    assert.deepEqual(body["tool_choice"], { type: "tool", name: "look" });
    assert.deepEqual(losses, ["reasoning_effort"]);
  });

  test("case 30: a model that takes no forced choice is told to call, and thinks on", () => {
    const { body, losses } = bodyOf({
      tools: [LOOK],
      toolChoice: { type: "tool", name: "look", toolKind: "function" },
      reasoning: { mode: "default", effort: "high" },
    });
    assert.deepEqual(body["tool_choice"], { type: "auto" });
    assert.match(String(body["system"]), /must call the tool "look"/);
    assert.deepEqual(body["output_config"], { effort: "high" });
    assert.deepEqual(losses, ["toolChoice"]);
  });

  const loop = (...lead: Part[]) => [user("Hi"), said("assistant", ...lead, call("a")), said("tool", result("a"))];
  const thinking: Partial<NeutralRequest> = { tools: [LOOK], reasoning: { mode: "default", effort: "high" } };

  test("case 14: a tool loop without its signed thinking goes without a budget", () => {
    const { body, losses } = bodyOf({ ...thinking, messages: loop(thought("Hm")) }, SONNET_45);
    assert.deepEqual(body["thinking"], { type: "disabled" });
    assert.deepEqual(losses.sort(), ["messages[1].reasoning", "reasoning_effort"]);
  });

  test("case 14: with it, or on an adaptive model, thinking stays on", () => {
    const signed = bodyOf({ ...thinking, messages: loop(thought("Hm", signature("s"))) }, SONNET_45);
    assert.deepEqual(signed.body["thinking"], { type: "enabled", budget_tokens: 16_384 });
    assert.deepEqual(signed.losses, []);
    const adaptive = bodyOf({ ...thinking, messages: loop() });
    assert.deepEqual(adaptive.body["thinking"], { type: "adaptive", display: "summarized" });
  });

  test("a loop that is closed asks for nothing", () => {
    const messages = [...loop(), said("assistant", text("Found.")), user("Thanks, and now?")];
    const { body } = bodyOf({ ...thinking, messages }, SONNET_45);
    assert.deepEqual(body["thinking"], { type: "enabled", budget_tokens: 16_384 });
  });
});

describe("messages request encode: history", () => {
  test("signed blocks go back to the models that signed them, in their place", () => {
    const redacted = { issuer: "anthropic", kind: "redacted" as const, value: "xyz" };
    const { messages } = messagesOf([
      user("Hi"),
      said(
        "assistant",
        thought("Hm", signature("s")),
        thought("", redacted),
        text("So"),
        thought("Oh", signature("t")),
        call("a"),
      ),
      said("tool", result("a")),
    ]);
    assert.deepEqual(messages[1]?.content, [
      { type: "thinking", thinking: "Hm", signature: "s" },
      { type: "redacted_thinking", data: "xyz" },
      { type: "text", text: "So" },
      { type: "thinking", thinking: "Oh", signature: "t" },
      { type: "tool_use", id: "a", name: "look", input: {} },
    ]);
  });

  test("PITFALLS 9: thinking without words but with a signature is no empty block", () => {
    const { messages } = messagesOf([
      user("Hi"),
      said("assistant", thought("", signature("s")), text("So")),
      user("?"),
    ]);
    assert.deepEqual(messages[1]?.content, [
      { type: "thinking", thinking: "", signature: "s" },
      { type: "text", text: "So" },
    ]);
  });

  test("foreign and unsigned thinking stays behind; what was empty is no loss", () => {
    const foreign = messagesOf([
      user("Hi"),
      said("assistant", thought("Hm", signature("s", "openai")), text("So")),
      user("?"),
    ]);
    assert.equal(foreign.messages[1]?.content, "So");
    assert.deepEqual(foreign.losses, ["messages[1].reasoning"]);
    const empty = messagesOf([user("Hi"), said("assistant", thought(""), text("So")), user("?")]);
    assert.deepEqual(empty.losses, []);
  });

  test("turns of one role are merged; results stand first, in one user message, empty ones too", () => {
    const { messages, losses } = messagesOf([
      user("Hi"),
      said("assistant", text("Looking.")),
      said("assistant", call("a", '{"x":1}'), call("b", "")),
      said("tool", result("b", "")),
      said("tool", result("a")),
      said("user", text("And?")),
    ]);
    assert.deepEqual(messages.map((message) => message.role), ["user", "assistant", "user"]);
    assert.deepEqual(messages[1]?.content, [
      { type: "text", text: "Looking." },
      { type: "tool_use", id: "a", name: "look", input: { x: 1 } },
      { type: "tool_use", id: "b", name: "look", input: {} },
    ]);
    assert.deepEqual(messages[2]?.content, [
      { type: "tool_result", tool_use_id: "a", content: "found" },
      { type: "tool_result", tool_use_id: "b" },
      { type: "text", text: "And?" },
    ]);
    assert.deepEqual(losses, []);
  });

  test("case 37: ids and names made legal alike for call and result", () => {
    const long = "n".repeat(90);
    const encoded = bodyOf({
      tools: [{ kind: "function", name: long, path: "tools[0]" }],
      messages: [
        user("Hi"),
        said("assistant", call("functions.Bash:0", "{}", long)),
        said("tool", result("functions.Bash:0")),
      ],
    });
    const messages = encoded.body["messages"] as { content: { id?: string; name?: string; tool_use_id?: string }[] }[];
    const use = messages[1]?.content[0];
    assert.match(use?.id ?? "", /^[a-zA-Z0-9_-]+$/);
    assert.equal(messages[2]?.content[0]?.tool_use_id, use?.id);
    const [tool] = encoded.body["tools"] as { name: string }[];
    assert.equal(tool?.name.length, 64);
    assert.equal(use?.name, tool?.name);
    assert.equal(encoded.restore.get(tool?.name ?? "")?.name, long);
  });

  test("an id that comes again in a later turn gets a new one, and its result with it", () => {
    const turn = [said("assistant", call("call_0")), said("tool", result("call_0"))];
    const { messages } = messagesOf([user("Hi"), ...turn, ...turn]);
    const ids = [1, 3].map((at) => (messages[at]?.content as { id: string }[])[0]?.id);
    const results = [2, 4].map((at) => (messages[at]?.content as { tool_use_id: string }[])[0]?.tool_use_id);
    assert.notEqual(ids[0], ids[1]);
    assert.deepEqual(results, ids);
  });

  test("case 35: arguments that are no JSON go as they are, in an object", () => {
    const { messages, losses } = messagesOf([
      user("Hi"),
      said("assistant", call("a", '{"x":')),
      said("tool", result("a")),
    ]);
    assert.deepEqual((messages[1]?.content as { input: unknown }[])[0]?.input, { _raw: '{"x":' });
    assert.deepEqual(losses, ["calls.a"]);
  });

  test("a conversation begins with the user", () => {
    const { messages, losses } = messagesOf([said("assistant", text("Hello")), user("Hi")]);
    assert.deepEqual(messages[0], { role: "user", content: "." });
    assert.deepEqual(losses, ["messages[1]"]);
  });

  test("prefill: as it is where the model takes it, as history where it doesn't", () => {
    const turns = [user("Hi"), said("assistant", text("Once upon  "))];
    const old = messagesOf(turns, OPUS_46);
    assert.deepEqual(old.messages[1], { role: "assistant", content: "Once upon" });
    assert.deepEqual(old.losses, []);
    const newest = messagesOf(turns);
    assert.deepEqual(newest.messages.map((message) => message.role), ["user", "assistant", "user"]);
    assert.deepEqual(newest.losses, ["messages[1]"]);
    const thinking = messagesOf(turns, OPUS_46, { reasoning: { mode: "default", effort: "low" } });
    assert.equal(thinking.messages.length, 3);
  });

  test("case 39: a system message in the middle stays one, or becomes a reminder", () => {
    const turns = [user("Hi"), said("assistant", text("Hello")), said("developer", text("Be kind.")), user("So?")];
    const newest = messagesOf(turns);
    assert.deepEqual(newest.messages[2], { role: "system", content: "Be kind." });
    assert.deepEqual(newest.losses, []);
    const old = messagesOf(turns, OPUS_46);
    assert.deepEqual(old.messages[2]?.content, [
      { type: "text", text: "<system-reminder>\nBe kind.\n</system-reminder>" },
      { type: "text", text: "So?" },
    ]);
    assert.deepEqual(old.losses, ["messages[1]"]);
  });

  test("no text block is empty", () => {
    const { messages, losses } = messagesOf([
      said("user", text(" \n"), text("Hi")),
      said("assistant", text("")),
      user("?"),
    ]);
    assert.deepEqual(messages, [{
      role: "user",
      content: [{ type: "text", text: "Hi" }, { type: "text", text: "?" }],
    }]);
    assert.deepEqual(losses, []);
  });
});

describe("messages request encode: parts", () => {
  const blockOf = (part: Part) => {
    const { messages, losses } = messagesOf([said("user", part)]);
    return { block: (messages[0]?.content as unknown[])[0], losses };
  };

  test("images and documents", () => {
    const image = blockOf({
      kind: "image",
      source: { type: "base64", data: "AA" },
      mediaType: "image/jpg",
      detail: "high",
      path: "p",
    });
    assert.deepEqual(image.block, { type: "image", source: { type: "base64", media_type: "image/jpeg", data: "AA" } });
    assert.deepEqual(image.losses, ["p.detail"]);
    const pdf = blockOf({
      kind: "document",
      source: { type: "base64", data: "AA" },
      mediaType: "application/pdf",
      title: "a.pdf",
    });
    const source = { type: "base64", media_type: "application/pdf", data: "AA" };
    assert.deepEqual(pdf.block, { type: "document", source, title: "a.pdf" });
    const csv = blockOf({ kind: "document", source: { type: "base64", data: btoa("a,b") }, mediaType: "text/csv" });
    assert.deepEqual(csv.block, { type: "document", source: { type: "text", media_type: "text/plain", data: "a,b" } });
  });

  test("a result with an image and an error keeps both", () => {
    const image: Part = { kind: "image", source: { type: "url", url: "https://a/b.png" } };
    const { messages } = messagesOf([
      user("Hi"),
      said("assistant", call("a")),
      said("tool", {
        kind: "tool_result",
        callId: "a",
        toolKind: "function",
        parts: [text("see"), image],
        isError: true,
      }),
    ]);
    assert.deepEqual(messages[2]?.content, [{
      type: "tool_result",
      tool_use_id: "a",
      content: [{ type: "text", text: "see" }, { type: "image", source: { type: "url", url: "https://a/b.png" } }],
      is_error: true,
    }]);
  });

  test("web citations go back only with the token that they came with", () => {
    const cited = blockOf(text("x", {
      citations: [{ kind: "url", url: "u", title: "t", opaque: "e" }, { kind: "url", url: "v" }],
      path: "p",
    }));
    const citation = { type: "web_search_result_location", url: "u", title: "t", cited_text: "", encrypted_index: "e" };
    assert.deepEqual(cited.block, { type: "text", text: "x", citations: [citation] });
    assert.deepEqual(cited.losses, ["p.citations"]);
  });

  test("a part of another format goes in words, or not at all", () => {
    const native: Part = {
      kind: "native",
      format: "responses",
      value: { type: "x" },
      text: "Searched: bun",
      path: "p",
    };
    assert.deepEqual(messagesOf([said("user", native)]).messages[0]?.content, "Searched: bun");
    const { text: _, ...mute } = native;
    assert.deepEqual(messagesOf([said("user", mute, text("Hi"))]).losses, ["p"]);
  });

  test("members of another format are losses by their path", () => {
    const more: Partial<Part> = { path: "p", extra: { format: "chat", fields: { glow: 1, dim: null } } };
    assert.deepEqual(messagesOf([said("user", text("Hi", more))]).losses, ["p.glow"]);
  });
});

describe("messages request encode: cache marks", () => {
  test("a mark on thinking moves to the nearest earlier block that can hold it", () => {
    const marked = { ...thought("Hm", signature("s")), cache: {} };
    const { messages } = messagesOf([user("Hi"), said("assistant", text("So"), marked, text("")), user("?")]);
    assert.deepEqual((messages[1]?.content as Record<string, unknown>[])[0], {
      type: "text",
      text: "So",
      cache_control: { type: "ephemeral" },
    });
  });

  test("a mark that nothing can hold is a loss", () => {
    const marked = { ...thought("Hm", signature("s")), cache: {} };
    assert.deepEqual(messagesOf([user("Hi"), said("assistant", marked, text("So")), user("?")]).losses, [
      "messages[1].reasoning.cache",
    ]);
  });

  test("the last four are kept, of tools, system and messages in this order", () => {
    const marked = (n: number) => text(`t${n}`, { cache: n === 5 ? { ttl: "1h" } : { ttl: "30m" }, path: `p${n}` });
    const { body, losses } = bodyOf({
      tools: [{ ...LOOK, cache: {} }],
      instructions: [marked(1), marked(2)],
      messages: [said("user", marked(3), marked(4), marked(5))],
    });
    const shortened = [1, 2, 3, 4].map((n) => `p${n}.cache.ttl`);
    assert.deepEqual(losses, [...shortened, "tools[0].cache", "p1.cache"]);
    assert.equal(JSON.stringify(body).split("cache_control").length - 1, 4);
    assert.deepEqual((body["messages"] as { content: unknown[] }[])[0]?.content[2], {
      type: "text",
      text: "t5",
      cache_control: { type: "ephemeral", ttl: "1h" },
    });
  });

  test("a mark for the whole request takes one of the four places", () => {
    const marked = (n: number) => text(`t${n}`, { cache: {}, path: `p${n}` });
    const { body, losses } = bodyOf({
      cache: { auto: {} },
      messages: [said("user", marked(1), marked(2), marked(3), marked(4))],
    });
    assert.deepEqual(body["cache_control"], { type: "ephemeral" });
    assert.deepEqual(losses, ["p1.cache"]);
  });
});

describe("messages request encode: tools", () => {
  const toolsOf = (tools: Tool[], more: Partial<NeutralRequest> = {}, model = NEWEST) => {
    const { body, losses } = bodyOf({ tools, ...more }, model);
    return { tools: body["tools"] as Record<string, unknown>[] | undefined, choice: body["tool_choice"], losses };
  };

  test("a schema is an object with properties", () => {
    const { tools } = toolsOf([{ kind: "function", name: "a" }, {
      kind: "function",
      name: "b",
      schema: { type: "object" },
    }]);
    assert.deepEqual(tools, [
      { name: "a", input_schema: { type: "object", properties: {} } },
      { name: "b", input_schema: { type: "object", properties: {} } },
    ]);
  });

  test("strict only where the schema can be enforced", () => {
    const strict = {
      type: "object",
      properties: { a: { type: "string" } },
      required: ["a"],
      additionalProperties: false,
    };
    const of = (schema: Record<string, unknown>) =>
      toolsOf([{ kind: "function", name: "a", strict: true, schema, path: "tools[0]" }]);
    assert.equal(of(strict).tools?.[0]?.["strict"], true);
    const bounded = of({ ...strict, properties: { a: { type: "string", minLength: 2 } } });
    assert.equal("strict" in (bounded.tools?.[0] ?? {}), false);
    assert.deepEqual(bounded.losses, ["tools[0].strict"]);
  });

  test("a custom tool is a function of one string, its grammar in words", () => {
    const grammar = { type: "grammar", syntax: "lark", definition: "start: /a+/" };
    const { tools, losses } = toolsOf([{
      kind: "custom",
      name: "patch",
      description: "Patches",
      grammar,
      path: "tools[0]",
    }]);
    assert.match(String(tools?.[0]?.["description"]), /^Patches\n\n.*lark.*\nstart: \/a\+\/$/s);
    assert.deepEqual(losses, ["tools[0].format"]);
  });

  test("namespaces are flattened, and given back", () => {
    const encoded = bodyOf({ tools: [{ kind: "function", name: "run", namespace: "ns" }] });
    assert.deepEqual((encoded.body["tools"] as { name: string }[])[0]?.name, "ns__run");
    assert.deepEqual(encoded.restore.get("ns__run"), { name: "run", namespace: "ns", toolKind: "function" });
  });

  test("web search of other formats", () => {
    const search: Tool = {
      kind: "native",
      name: "web_search",
      serverTool: "web_search",
      native: { format: "responses", value: { type: "web_search" } },
      path: "tools[0]",
    };
    const { tools, losses } = toolsOf([
      { ...search, webSearch: { allowedDomains: ["a.org"], contextSize: "high", location: { city: "Oslo" } } },
    ]);
    assert.deepEqual(tools, [{
      type: "web_search_20250305",
      name: "web_search",
      allowed_domains: ["a.org"],
      user_location: { type: "approximate", city: "Oslo" },
    }]);
    assert.deepEqual(losses, ["tools[0].search_context_size"]);
  });

  test("server tools without a partner: left out, or refused", () => {
    const native = (serverTool: NonNullable<Tool["serverTool"]>): Tool => ({
      kind: "native",
      name: serverTool,
      serverTool,
      native: { format: "responses", value: {} },
      path: "tools[1]",
    });
    assert.deepEqual(toolsOf([LOOK, native("code_execution")]).losses, ["tools[1]"]);
    assert.equal(encodeFailure(chatRequest({ tools: [LOOK, native("file_search")] })).param, "tools[1]");
    const forced = chatRequest({ tools: [native("code_execution")], toolChoice: { type: "required" } });
    assert.equal(encodeFailure(forced).kind, "unsupported");
  });

  test("the choice", () => {
    const choice = (toolChoice: NonNullable<NeutralRequest["toolChoice"]>, more = {}) =>
      toolsOf([LOOK], { toolChoice, ...more }, "claude-opus-5").choice;
    assert.deepEqual(choice({ type: "auto" }), { type: "auto" });
    assert.deepEqual(choice({ type: "required" }), { type: "any" });
    assert.deepEqual(choice({ type: "none" }, { parallelToolCalls: false }), { type: "none" });
    assert.deepEqual(choice({ type: "required" }, { parallelToolCalls: false }), {
      type: "any",
      disable_parallel_tool_use: true,
    });
    assert.deepEqual(toolsOf([LOOK], { parallelToolCalls: false }).choice, {
      type: "auto",
      disable_parallel_tool_use: true,
    });
    assert.equal(toolsOf([], { parallelToolCalls: false }).choice, undefined);
    assert.equal(toolsOf([LOOK], { parallelToolCalls: true }).choice, undefined);
  });

  test("only the allowed tools are offered", () => {
    const { tools, choice, losses } = toolsOf([LOOK, { kind: "function", name: "jump" }], {
      toolChoice: { type: "allowed", mode: "required", names: ["jump"] },
    }, "claude-opus-5");
    assert.deepEqual(tools?.map((tool) => tool["name"]), ["jump"]);
    assert.deepEqual(choice, { type: "any" });
    assert.deepEqual(losses, ["toolChoice"]);
  });

  test("calls in the history need tools, of which none may be called", () => {
    const { body } = bodyOf({ messages: [user("Hi"), said("assistant", call("a")), said("tool", result("a"))] });
    assert.deepEqual(body["tools"], [{ name: "look", input_schema: { type: "object", properties: {} } }]);
    assert.deepEqual(body["tool_choice"], { type: "none" });
  });
});

describe("messages request encode: output format", () => {
  const schema = { type: "object", properties: { n: { type: "integer", minimum: 1 } }, required: ["n"] };

  test("a schema in the form that the API takes; what it can't enforce is said", () => {
    const { body, losses } = bodyOf({ output: { kind: "json_schema", name: "n", schema, strict: true } });
    assert.deepEqual(body["output_config"], {
      format: {
        type: "json_schema",
        schema: {
          type: "object",
          properties: { n: { type: "integer", description: "(minimum: 1)" } },
          required: ["n"],
          additionalProperties: false,
        },
      },
    });
    assert.deepEqual(losses, ["output.schema.properties.n.minimum"]);
  });

  test("JSON without a schema is asked for in words", () => {
    const { body, losses } = bodyOf({ instructions: [text("Be brief.")], output: { kind: "json" } });
    const [first, second] = body["system"] as { text: string }[];
    assert.equal(first?.text, "Be brief.");
    assert.match(second?.text ?? "", /JSON/);
    assert.deepEqual(losses, ["output"]);
  });

  test("a forced tool wins over a format", () => {
    const { body } = bodyOf({
      tools: [LOOK],
      toolChoice: { type: "required" },
      output: { kind: "json_schema", schema },
    });
    assert.equal("output_config" in body, false);
  });
});

describe("messages request encode: a client of this format", () => {
  test("no guard touches its own fields", () => {
    const request = decode({
      temperature: 0.2,
      top_p: 0.3,
      top_k: 4,
      max_tokens: 999_999,
      thinking: { type: "enabled", budget_tokens: 900_000 },
      tool_choice: { type: "any" },
      tools: [{ name: "x".repeat(90), input_schema: { type: "object" } }],
      stop_sequences: ["\n"],
      messages: [{ role: "assistant", content: [{ type: "tool_use", id: "t.1", name: "look", input: {} }] }],
    }, { "anthropic-version": "2026-10-21", "anthropic-beta": "a,b" });
    const { body, headers, losses, restore } = encode(request);
    assert.equal(body["temperature"], 0.2);
    assert.equal(body["max_tokens"], 999_999);
    assert.deepEqual(body["thinking"], { type: "enabled", budget_tokens: 900_000 });
    assert.deepEqual(body["stop_sequences"], ["\n"]);
    assert.deepEqual(
      body["messages"],
      request.messages.length === 1
        ? [{ role: "assistant", content: [{ type: "tool_use", id: "t.1", name: "look", input: {} }] }]
        : undefined,
    );
    assert.deepEqual(headers, { "anthropic-version": "2026-10-21", "anthropic-beta": "a,b" });
    assert.deepEqual(losses, []);
    assert.equal(restore.size, 0);
  });
});
