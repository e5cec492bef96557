import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { checkMessagesStream } from "../../support/grammar_messages.ts";

type Json = Record<string, unknown>;

const INPUT = { input_tokens: 3, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };

function frame(type: string, fields: Json = {}): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}

function start(message: Json = {}): string {
  return frame("message_start", {
    message: {
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "m",
      content: [],
      stop_reason: null,
      stop_sequence: null,
      stop_details: null,
      container: null,
      diagnostics: null,
      usage: { ...INPUT, output_tokens: 1 },
      ...message,
    },
  });
}

const open = (index: number, content_block: Json) => frame("content_block_start", { index, content_block });
const delta = (index: number, delta: Json) => frame("content_block_delta", { index, delta });
const close = (index: number) => frame("content_block_stop", { index });
const text = (text: string, index = 0) => delta(index, { type: "text_delta", text });
const args = (partial_json: string, index = 0) => delta(index, { type: "input_json_delta", partial_json });
const think = (thinking: string) => delta(0, { type: "thinking_delta", thinking });
const sign = (signature: string) => delta(0, { type: "signature_delta", signature });

function end(stop_reason: string, usage: Json = INPUT, fields: Json = { stop_sequence: null }): string {
  return frame("message_delta", { delta: { stop_reason, ...fields }, usage: { ...usage, output_tokens: 4 } });
}

const STOP = frame("message_stop");
const PING = frame("ping");
const TEXT_BLOCK = { type: "text", text: "", citations: null };
const THINKING_BLOCK = { type: "thinking", thinking: "", signature: "" };
const TOOL_BLOCK = { type: "tool_use", id: "toolu_1", name: "f", input: {}, caller: { type: "direct" } };
const ERROR = frame("error", { error: { type: "api_error", message: "no" }, request_id: "req_1" });

const TEXT = [start(), open(0, TEXT_BLOCK), text("Hi"), close(0), end("end_turn"), STOP];
const TOOL = [start(), open(0, TOOL_BLOCK), args('{"a":'), args("1}"), close(0), end("tool_use"), STOP];
const THINKING = [start(), open(0, THINKING_BLOCK), think("Hm"), sign("s"), close(0), end("end_turn"), STOP];

function replace(frames: readonly string[], at: number, ...by: string[]): string {
  return frames.toSpliced(at, 1, ...by).join("");
}

describe("legal messages streams", () => {
  const legal: [string, string][] = [
    ["text", TEXT.join("")],
    ["a call", TOOL.join("")],
    ["a call without input", [...TOOL.slice(0, 2), close(0), ...TOOL.slice(5)].join("")],
    ["thinking", THINKING.join("")],
    ["signed thinking without text", replace(THINKING, 2)],
    ["no blocks", [TEXT[0], end("end_turn"), STOP].join("")],
    ["pings and comments everywhere before the stop", `${PING}: hi\n\n${TEXT.slice(0, 5).join(PING)}${PING}${STOP}`],
    ["an error first", ERROR],
    ["an error with a block open", TEXT.slice(0, 3).join("") + ERROR],
    ["truncated arguments", [...TOOL.slice(0, 3), close(0), end("max_tokens"), STOP].join("")],
    ["a stop sequence", replace(TEXT, 4, end("stop_sequence", INPUT, { stop_sequence: "END" }))],
    [
      "redacted thinking, then text",
      [
        start(),
        open(0, { type: "redacted_thinking", data: "x" }),
        close(0),
        open(1, TEXT_BLOCK),
        text("a", 1),
        close(1),
      ]
        .join("") + end("end_turn") + STOP,
    ],
    [
      "a citation",
      replace(TEXT, 2, text("Hi"), delta(0, { type: "citations_delta", citation: { type: "char_location" } })),
    ],
    [
      "a server tool and its result",
      [
        start(),
        open(0, { type: "server_tool_use", id: "s", name: "web_search", input: {} }),
        args('{"query":"x"}'),
        close(0),
        open(1, { type: "web_search_tool_result", tool_use_id: "s", content: [] }),
        close(1),
        end("end_turn"),
        STOP,
      ].join(""),
    ],
  ];
  for (const [name, stream] of legal) test(name, () => assert.deepEqual(checkMessagesStream(stream), []));
});

describe("broken messages streams", () => {
  const zero = { ...INPUT, input_tokens: 0, output_tokens: 0 };
  const broken: [string, string, RegExp][] = [
    ["nothing", "", /neither message_stop nor an error/],
    ["no message_stop", replace(TEXT, 5), /neither message_stop nor an error/],
    ["no message_delta", replace(TEXT, 4), /message_stop without message_delta/],
    ["an event after message_stop", TEXT.join("") + PING, /an event after message_stop/],
    ["[DONE]", TEXT.join("") + "data: [DONE]\n\n", /no JSON object/],
    ["an event after an error", ERROR + STOP, /an event after error/],
    ["no event line", TEXT.join("").replace("event: message_start\n", ""), /no event: line/],
    ["event and type differ", TEXT.join("").replace("event: message_stop", "event: message_end"), /but type/],
    ["CR line ends", TEXT.join("").replaceAll("\n", "\r\n"), /a CR/],
    ["two event lines", "event: ping\n" + TEXT.join(""), /more than one event: line/],
    ["an unknown event", replace(TEXT, 2, text("Hi"), frame("content_block_pause")), /unknown event/],
    ["no message_start", replace(TEXT, 0), /before message_start/],
    ["two message_starts", start() + TEXT.join(""), /a second message_start/],
    ["a foreign id", replace(TEXT, 0, start({ id: "chatcmpl-1" })), /id "chatcmpl-1"/],
    ["another type", replace(TEXT, 0, start({ type: "msg" })), /type "msg"/],
    ["another role", replace(TEXT, 0, start({ role: "user" })), /role "user"/],
    ["no model", replace(TEXT, 0, start({ model: null })), /model null/],
    ["content at the start", replace(TEXT, 0, start({ content: [TEXT_BLOCK] })), /content \[/],
    ["a stop reason at the start", replace(TEXT, 0, start({ stop_reason: "end_turn" })), /stop_reason "end_turn"/],
    ["no stop_sequence at the start", replace(TEXT, 0, start({ stop_sequence: undefined })), /stop_sequence nothing/],
    ["no container", replace(TEXT, 0, start({ container: undefined })), /lacks "container"/],
    ["no usage at the start", replace(TEXT, 0, start({ usage: undefined })), /output_tokens nothing/],
    ["0 input tokens", replace(TEXT, 0, start({ usage: zero })), /0 input tokens/],
    ["fractions of tokens", replace(TEXT, 0, start({ usage: { ...INPUT, output_tokens: 0.5 } })), /output_tokens 0.5/],
    ["a wrong first index", replace(TEXT, 1, open(1, TEXT_BLOCK)), /index 1, not 0/],
    ["a block within a block", replace(TEXT, 2, text("Hi"), open(1, TEXT_BLOCK)), /a block is open already/],
    [
      "a block after message_delta",
      replace(TEXT, 5, open(1, TEXT_BLOCK), close(1), STOP),
      /a block after message_delta/,
    ],
    ["text at a block's start", replace(TEXT, 1, open(0, { ...TEXT_BLOCK, text: "x" })), /text begins with "x"/],
    ["no citations member", replace(TEXT, 1, open(0, { type: "text", text: "" })), /lacks "citations"/],
    ["no thinking member", replace(THINKING, 1, open(0, { type: "thinking", signature: "" })), /thinking begins with/],
    ["no signature member", replace(THINKING, 1, open(0, { type: "thinking", thinking: "" })), /signature begins with/],
    ["redacted without data", replace(THINKING, 1, open(0, { type: "redacted_thinking" })), /without data/],
    [
      "a delta on a redacted block",
      replace(THINKING, 1, open(0, { type: "redacted_thinking", data: "x" })),
      /on a redacted/,
    ],
    ["a bad tool id", replace(TOOL, 1, open(0, { ...TOOL_BLOCK, id: "functions.f:0" })), /tool id/],
    ["a tool without name", replace(TOOL, 1, open(0, { ...TOOL_BLOCK, name: "" })), /tool name/],
    ["input at the start", replace(TOOL, 1, open(0, { ...TOOL_BLOCK, input: { a: 1 } })), /input begins with/],
    ["no caller", replace(TOOL, 1, open(0, { ...TOOL_BLOCK, caller: undefined })), /caller/],
    ["an unknown block", replace(TEXT, 1, open(0, { type: "speech" })), /unknown block type "speech"/],
    ["a delta without a block", replace(TEXT, 1), /a delta without an open block/],
    ["a delta after the stop", replace(TEXT, 3, close(0), text("x")), /a delta without an open block/],
    ["a delta with another index", replace(TEXT, 2, text("Hi", 1)), /index 1 but 0 is open/],
    ["JSON on text", replace(TEXT, 2, text("Hi"), args("{}")), /input_json_delta on a text block/],
    ["text on a call", replace(TOOL, 2, text("x")), /text_delta on a tool_use block/],
    ["a signature on text", replace(TEXT, 2, text("Hi"), sign("s")), /signature_delta on a text block/],
    ["an unknown delta", replace(TEXT, 2, delta(0, { type: "x_delta" })), /x_delta on a text block/],
    ["text_delta without text", replace(TEXT, 2, delta(0, { type: "text_delta" })), /without text/],
    ["JSON delta without JSON", replace(TOOL, 2, delta(0, { type: "input_json_delta" })), /without partial_json/],
    ["thinking delta without text", replace(THINKING, 2, delta(0, { type: "thinking_delta" })), /without thinking/],
    ["two signatures", replace(THINKING, 3, sign("s"), sign("t")), /a second signature_delta/],
    ["an empty signature", replace(THINKING, 3, sign("")), /an empty signature_delta/],
    ["thinking after the signature", replace(THINKING, 3, sign("s"), think("x")), /thinking after its signature/],
    ["an empty citation", replace(TEXT, 2, text("a"), delta(0, { type: "citations_delta" })), /without citation/],
    ["a stop without a block", replace(TEXT, 3, close(0), close(0)), /a stop without an open block/],
    ["a stop with another index", replace(TEXT, 3, close(1)), /index 1 but 0 is open/],
    ["an empty text block", replace(TEXT, 2), /an empty text block/],
    ["an empty thinking block", [...THINKING.slice(0, 2), ...THINKING.slice(4)].join(""), /an empty thinking block/],
    ["message_delta with a block open", replace(TEXT, 3), /message_delta with a block open/],
    ["two message_deltas", replace(TEXT, 4, end("end_turn"), end("end_turn")), /a second message_delta/],
    ["an unknown stop reason", replace(TEXT, 4, end("stop")), /stop_reason "stop"/],
    ["no stop_sequence member", replace(TEXT, 4, end("end_turn", INPUT, {})), /lacks "stop_sequence"/],
    [
      "a stop sequence without the reason",
      replace(TEXT, 4, end("end_turn", INPUT, { stop_sequence: "x" })),
      /with stop_sequence/,
    ],
    ["the reason without the sequence", replace(TEXT, 4, end("stop_sequence")), /with stop_sequence null/],
    ["no input counts at the end", replace(TEXT, 4, end("end_turn", {})), /input_tokens nothing/],
    ["no cache counts at the end", replace(TEXT, 4, end("end_turn", { input_tokens: 3 })), /cache_read_input_tokens/],
    ["tool_use without a call", replace(TEXT, 4, end("tool_use")), /tool_use without a call/],
    ["end_turn with a call", replace(TOOL, 5, end("end_turn")), /end_turn with a call/],
    ["a complete call with broken JSON", replace(TOOL, 3), /a complete call with the input/],
    ["an error without type", ERROR.replace('"api_error"', "null"), /no type/],
    ["an error without message", ERROR.replace('"no"', '""'), /no message/],
    ["an error without request id", ERROR.replace('"req_1"', "null"), /no request_id/],
  ];
  for (const [name, stream, expected] of broken) {
    test(name, () => assert.match(checkMessagesStream(stream).join("\n"), expected));
  }
});
