import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { checkChatStream } from "../../support/grammar_chat.ts";

type Json = Record<string, unknown>;

const HEAD = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1790000000, model: "m" };
const USAGE = {
  prompt_tokens: 3,
  completion_tokens: 4,
  total_tokens: 7,
  prompt_tokens_details: { cached_tokens: 1 },
  completion_tokens_details: { reasoning_tokens: 2 },
};
const DONE = "data: [DONE]\n\n";
const FIRST = { role: "assistant", content: "" };
const CALL = [{ index: 0, id: "call_1", type: "function", function: { name: "f", arguments: "" } }];
const MORE = [{ index: 0, function: { arguments: "{}" } }];

function frame(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function chunk(delta: unknown, finish: string | null = null, extra: Json = {}): string {
  return frame({ ...HEAD, choices: [{ index: 0, delta, finish_reason: finish }], ...extra });
}

function error(fields: Json = {}): string {
  return frame({ error: { message: "no", type: "server_error", code: null, param: null, ...fields } });
}

const TEXT = [chunk(FIRST), chunk({ content: "Hi" }), chunk({}, "stop"), DONE];
const TOOLS = [chunk(FIRST), chunk({ tool_calls: CALL }), chunk({ tool_calls: MORE }), chunk({}, "tool_calls"), DONE];
const WITH_USAGE = [
  chunk(FIRST, null, { usage: null }),
  chunk({ content: "Hi" }, null, { usage: null }),
  chunk({}, "stop", { usage: null }),
  frame({ ...HEAD, choices: [], usage: USAGE }),
  DONE,
];

/** The stream with frame `at` replaced; none, one or more may take its place. */
function replace(frames: readonly string[], at: number, ...by: string[]): string {
  return frames.toSpliced(at, 1, ...by).join("");
}

describe("legal chat streams", () => {
  const legal: [string, string, boolean?][] = [
    ["text", TEXT.join("")],
    ["tools", TOOLS.join("")],
    ["usage", WITH_USAGE.join(""), true],
    ["comments between frames", `: keepalive\n\n${TEXT.join(": keepalive\n\n")}`],
    ["an error in mid-stream", TEXT.slice(0, 2).join("") + error()],
    ["an error alone", error()],
    ["truncated arguments", [...TOOLS.slice(0, 2), chunk({}, "length"), DONE].join("")],
    [
      "thinking with its details last",
      [
        chunk(FIRST),
        chunk({ reasoning_content: "Hm" }),
        chunk({ content: "Hi" }),
        chunk({ reasoning_details: [{ type: "reasoning.text", index: 0 }] }),
        chunk({}, "stop"),
        DONE,
      ].join(""),
    ],
    [
      "two choices, interleaved",
      [
        chunk(FIRST),
        frame({ ...HEAD, choices: [{ index: 1, delta: FIRST, finish_reason: null }] }),
        chunk({}, "stop"),
        frame({ ...HEAD, choices: [{ index: 1, delta: {}, finish_reason: "length" }] }),
        DONE,
      ].join(""),
    ],
    [
      "a custom call",
      [
        chunk(FIRST),
        chunk({ tool_calls: [{ index: 0, id: "c", type: "custom", custom: { name: "f", input: "" } }] }),
        chunk({ tool_calls: [{ index: 0, custom: { input: "not json" } }] }),
        chunk({}, "tool_calls"),
        DONE,
      ].join(""),
    ],
  ];
  for (const [name, text, includeUsage] of legal) {
    test(name, () => assert.deepEqual(checkChatStream(text, { includeUsage: includeUsage ?? false }), []));
  }
});

describe("broken chat streams", () => {
  const broken: [string, string, RegExp, boolean?][] = [
    ["nothing", "", /neither \[DONE\] nor an error/],
    ["no [DONE]", replace(TEXT, 3), /neither \[DONE\] nor an error/],
    ["data after [DONE]", TEXT.join("") + chunk({ content: "x" }), /data after the \[DONE\]/],
    ["two [DONE]", TEXT.join("") + DONE, /data after the \[DONE\]/],
    ["[DONE] after an error", error() + DONE, /data after the error/],
    ["a chunk after an error", error() + chunk(FIRST), /data after the error/],
    ["an event line", TEXT.join("").replace("data:", "event: x\ndata:"), /an event: line/],
    ["CRLF", TEXT.join("").replaceAll("\n", "\r\n"), /a CR/],
    ["a torn character", TEXT.join("").replace("Hi", "H\uFFFD"), /replacement character/],
    ["a missing blank line at the end", TEXT.join("").slice(0, -1), /no blank line/],
    ["an id: line", TEXT.join("").replace("data:", "id: 1\ndata:"), /neither event: nor data:/],
    ["two data lines", replace(TEXT, 1, "data: {}\ndata: {}\n\n"), /2 data: lines/],
    ["no JSON", replace(TEXT, 1, "data: {\n\n"), /no JSON object/],
    ["an array", replace(TEXT, 1, "data: []\n\n"), /no JSON object/],
    ["[DONE] alone", DONE, /without any choice/],
    ["no finish", replace(TEXT, 2), /choice 0 has no finish_reason/],
    ["two finishes", replace(TEXT, 2, chunk({}, "stop"), chunk({}, "stop")), /a delta after the finish/],
    ["text after the finish", replace(TEXT, 2, chunk({}, "stop"), chunk({ content: "x" })), /a delta after the finish/],
    ["a finish with a delta", replace(TEXT, 2, chunk({ content: "x" }, "stop")), /the finish holds a delta/],
    ["an unknown finish", replace(TEXT, 2, chunk({}, "end_turn")), /finish_reason "end_turn"/],
    ["no role", replace(TEXT, 0), /first delta's role/],
    ["no content at first", replace(TEXT, 0, chunk({ role: "assistant" })), /first delta's content/],
    ["text in the first delta", replace(TEXT, 0, chunk({ role: "assistant", content: "x" })), /first delta's content/],
    ["a call in the first delta", replace(TOOLS, 0, chunk({ ...FIRST, tool_calls: CALL })), /first delta holds/],
    ["role twice", replace(TEXT, 1, chunk({ role: "assistant", content: "x" })), /role sent twice/],
    ["another id", replace(TEXT, 1, chunk({ content: "x" }, null, { id: "chatcmpl-2" })), /id, created, model/],
    ["another model", replace(TEXT, 1, chunk({ content: "x" }, null, { model: "n" })), /id, created, model/],
    ["another created", replace(TEXT, 1, chunk({ content: "x" }, null, { created: 1 })), /id, created, model/],
    ["a foreign id", TEXT.join("").replaceAll("chatcmpl-1", "msg_1"), /id "msg_1"/],
    ["no model", TEXT.join("").replaceAll('"model":"m",', ""), /model nothing/],
    ["no created", TEXT.join("").replaceAll("1790000000", "null"), /created null/],
    [
      "another object",
      TEXT.join("").replaceAll("chat.completion.chunk", "chat.completion"),
      /object "chat.completion"/,
    ],
    ["choices missing", replace(TEXT, 1, frame(HEAD)), /choices is no array/],
    ["no delta", replace(TEXT, 1, frame({ ...HEAD, choices: [{ index: 0, finish_reason: null }] })), /without delta/],
    [
      "no finish_reason member",
      replace(TEXT, 1, frame({ ...HEAD, choices: [{ index: 0, delta: {} }] })),
      /without finish_reason/,
    ],
    ["no choice index", replace(TEXT, 1, frame({ ...HEAD, choices: [{ delta: {} }] })), /choice index nothing/],
    ["content that is no string", replace(TEXT, 1, chunk({ content: [] })), /content is \[\]/],
    ["an unknown delta member", replace(TEXT, 1, chunk({ thinking: "x" })), /unknown delta member "thinking"/],
    ["obfuscation", replace(TEXT, 1, chunk({ content: "x" }, null, { obfuscation: "z" })), /obfuscation/],
    ["an error without message", error({ message: "" }), /no message/],
    ["an error without type", error({ type: null }), /no type/],
    ["an error without code", frame({ error: { message: "m", type: "t", param: null } }), /lacks "code"/],
    ["a call without id", TOOLS.join("").replace('"id":"call_1",', ""), /new call's id/],
    ["a call without type", TOOLS.join("").replace('"type":"function",', ""), /new call's type/],
    ["a call without name", TOOLS.join("").replace('"name":"f"', '"name":""'), /new call's name/],
    ["a call without index", TOOLS.join("").replace('[{"index":0,"id"', '[{"id"'), /tool call index nothing/],
    [
      "a call that begins with arguments",
      TOOLS.join("").replace('"name":"f","arguments":""', '"name":"f","arguments":"{}"'),
      /a new call begins/,
    ],
    ["a gap in call indices", TOOLS.join("").replaceAll('[{"index":0', '[{"index":1'), /index 1 leaves a gap/],
    ["an id twice", replace(TOOLS, 2, chunk({ tool_calls: [{ ...MORE[0], id: "call_1" }] })), /id sent twice/],
    ["a type twice", replace(TOOLS, 2, chunk({ tool_calls: [{ ...MORE[0], type: "function" }] })), /type sent twice/],
    [
      "a name twice",
      replace(TOOLS, 2, chunk({ tool_calls: [{ index: 0, function: { name: "f", arguments: "{}" } }] })),
      /name sent twice/,
    ],
    ["a call without its function", replace(TOOLS, 2, chunk({ tool_calls: [{ index: 0 }] })), /a call goes on with/],
    ["no calls in tool_calls", replace(TOOLS, 2, chunk({ tool_calls: [] })), /tool_calls is \[\]/],
    ["broken arguments", replace(TOOLS, 2), /arguments ""/],
    ["stop with calls", replace(TOOLS, 3, chunk({}, "stop")), /finish_reason stop with calls/],
    ["tool_calls without calls", replace(TEXT, 2, chunk({}, "tool_calls")), /tool_calls without a call/],
    [
      "details twice",
      replace(TEXT, 1, ...Array(2).fill(chunk({ reasoning_details: [{ index: 0, type: "x" }] }))),
      /reasoning_details sent twice/,
    ],
    [
      "text after details",
      replace(TEXT, 1, chunk({ reasoning_details: [{ index: 0, type: "x" }] }), chunk({ content: "x" })),
      /content after reasoning_details/,
    ],
    [
      "calls after details",
      replace(TOOLS, 1, chunk({ reasoning_details: [{ index: 0, type: "x" }] }), chunk({ tool_calls: CALL })),
      /tool_calls after reasoning_details/,
    ],
    ["details without index", replace(TEXT, 1, chunk({ reasoning_details: [{ type: "x" }] })), /without index/],
    ["details without type", replace(TEXT, 1, chunk({ reasoning_details: [{ index: 0 }] })), /without type/],
    ["details that are no list", replace(TEXT, 1, chunk({ reasoning_details: {} })), /no list/],
    ["usage unasked", WITH_USAGE.join(""), /usage that nobody asked for/],
    ["a chunk without choices", replace(TEXT, 1, frame({ ...HEAD, choices: [] })), /without choices/],
    ["usage missing", replace(WITH_USAGE, 3), /no usage chunk/, true],
    ["usage before the finish", [WITH_USAGE[0], WITH_USAGE[3], DONE].join(""), /before the finish/, true],
    ["usage twice", replace(WITH_USAGE, 3, ...Array(2).fill(WITH_USAGE[3])), /a chunk after the usage chunk/, true],
    ["no usage: null", replace(WITH_USAGE, 1, chunk({ content: "x" })), /not null/, true],
    ["usage beside choices", replace(WITH_USAGE, 2, chunk({}, "stop", { usage: USAGE })), /not null/, true],
    ["an empty usage chunk", replace(WITH_USAGE, 3, frame({ ...HEAD, choices: [], usage: null })), /no usage/, true],
    ["a wrong total", WITH_USAGE.join("").replace('"total_tokens":7', '"total_tokens":8'), /is not 3 \+ 4/, true],
    ["a negative count", WITH_USAGE.join("").replace('_tokens":3', '_tokens":-3'), /usage \{/, true],
    ["more cached than read", WITH_USAGE.join("").replace('"cached_tokens":1', '"cached_tokens":9'), /cached/, true],
    [
      "more thought than written",
      WITH_USAGE.join("").replace('"reasoning_tokens":2', '"reasoning_tokens":9'),
      /reasoning_tokens 9/,
      true,
    ],
  ];
  for (const [name, text, expected, includeUsage] of broken) {
    test(name, () => assert.match(checkChatStream(text, { includeUsage: includeUsage ?? false }).join("\n"), expected));
  }
});
