import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { checkResponsesStream } from "../../support/grammar_responses.ts";

type Json = Record<string, unknown>;

const USAGE = {
  input_tokens: 3,
  input_tokens_details: { cached_tokens: 1, cache_write_tokens: 0 },
  output_tokens: 4,
  output_tokens_details: { reasoning_tokens: 2 },
  total_tokens: 7,
};

const DONE = "data: [DONE]\n\n";

/** Numbers the events and writes them as frames. */
function stream(events: readonly Json[]): string {
  return events.map((event, index) => frame({ sequence_number: index, ...event })).join("") + DONE;
}

function frame(event: Json): string {
  return `event: ${event["type"]}\ndata: ${JSON.stringify(event)}\n\n`;
}

function response(status: string, fields: Json = {}): Json {
  return {
    id: "resp_1",
    object: "response",
    created_at: 1790000000,
    status,
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    model: "m",
    output: [],
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: "auto",
    tools: [],
    top_p: 1,
    usage: null,
    access_programs: null,
    background: false,
    completed_at: null,
    frequency_penalty: 0,
    max_output_tokens: null,
    max_tool_calls: null,
    presence_penalty: 0,
    previous_response_id: null,
    prompt_cache_key: null,
    reasoning: { effort: null, summary: null },
    safety_identifier: null,
    service_tier: "default",
    store: false,
    text: { format: { type: "text" }, verbosity: "medium" },
    top_logprobs: 0,
    truncation: "disabled",
    ...fields,
  };
}

function life(status: string, fields: Json = {}, type = status): Json {
  return { type: `response.${type}`, response: response(status, fields) };
}

const CREATED = life("in_progress", {}, "created");
const IN_PROGRESS = life("in_progress");
const part = (text: string) => ({ type: "output_text", text, annotations: [], logprobs: [] });
const AT = { item_id: "msg_1", output_index: 0, content_index: 0 };
const MESSAGE = { id: "msg_1", type: "message", role: "assistant", status: "completed", content: [part("Hi")] };
const ADDED = {
  type: "response.output_item.added",
  output_index: 0,
  item: { ...MESSAGE, status: "in_progress", content: [] },
};
const PART_ADDED = { type: "response.content_part.added", ...AT, part: part("") };
const DELTA = { type: "response.output_text.delta", ...AT, delta: "Hi", logprobs: [] };
const TEXT_DONE = { type: "response.output_text.done", ...AT, text: "Hi", logprobs: [] };
const PART_DONE = { type: "response.content_part.done", ...AT, part: part("Hi") };
const ITEM_DONE = { type: "response.output_item.done", output_index: 0, item: MESSAGE };
const completed = (output: unknown[], fields: Json = {}) => life("completed", { output, usage: USAGE, ...fields });
const OPENING = [CREATED, IN_PROGRESS];
const BODY = [ADDED, PART_ADDED, DELTA, TEXT_DONE, PART_DONE, ITEM_DONE];
const TEXT: Json[] = [...OPENING, ...BODY, completed([MESSAGE])];

const CALL = { id: "fc_1", type: "function_call", status: "completed", call_id: "call_1", name: "f", arguments: "{}" };
const CALL_AT = { item_id: "fc_1", output_index: 0 };
const CALL_ADDED = {
  type: "response.output_item.added",
  output_index: 0,
  item: { ...CALL, status: "in_progress", arguments: "" },
};
const ARGS = { type: "response.function_call_arguments.delta", ...CALL_AT, delta: "{}" };
const ARGS_DONE = { type: "response.function_call_arguments.done", ...CALL_AT, name: "f", arguments: "{}" };
const CALL_DONE = { type: "response.output_item.done", output_index: 0, item: CALL };
const TOOL: Json[] = [...OPENING, CALL_ADDED, ARGS, ARGS_DONE, CALL_DONE, completed([CALL])];

const SUMMARY = { type: "summary_text", text: "Hm" };
const THOUGHT = { id: "rs_1", type: "reasoning", summary: [SUMMARY], encrypted_content: "x" };
const THOUGHT_AT = { item_id: "rs_1", output_index: 0, summary_index: 0 };
const THOUGHT_ADDED = { type: "response.output_item.added", output_index: 0, item: { ...THOUGHT, summary: [] } };
const SUMMARY_ADDED = {
  type: "response.reasoning_summary_part.added",
  ...THOUGHT_AT,
  part: { type: "summary_text", text: "" },
};
const SUMMARY_DELTA = { type: "response.reasoning_summary_text.delta", ...THOUGHT_AT, delta: "Hm" };
const SUMMARY_TEXT_DONE = { type: "response.reasoning_summary_text.done", ...THOUGHT_AT, text: "Hm" };
const SUMMARY_DONE = { type: "response.reasoning_summary_part.done", ...THOUGHT_AT, part: SUMMARY };
const THOUGHT_DONE = { type: "response.output_item.done", output_index: 0, item: THOUGHT };
const THINKING: Json[] = [
  ...OPENING,
  THOUGHT_ADDED,
  SUMMARY_ADDED,
  SUMMARY_DELTA,
  SUMMARY_TEXT_DONE,
  SUMMARY_DONE,
  THOUGHT_DONE,
  completed([THOUGHT]),
];

const FAILED = life("failed", { error: { code: "server_error", message: "no" } });
const ERROR = {
  type: "error",
  code: "server_error",
  message: "no",
  param: null,
  error: { type: "server_error", code: "server_error", message: "no", param: null },
};

function replace(events: readonly Json[], at: number, ...by: Json[]): string {
  return stream(events.toSpliced(at, 1, ...by));
}

/** The event at `at` with some members changed. */
function change(events: readonly Json[], at: number, fields: Json): string {
  return replace(events, at, { ...events[at], ...fields });
}

function changeResponse(events: readonly Json[], at: number, fields: Json): string {
  return change(events, at, { response: { ...events[at]?.["response"] as Json, ...fields } });
}

function changeItem(events: readonly Json[], at: number, fields: Json): string {
  return change(events, at, { item: { ...events[at]?.["item"] as Json, ...fields } });
}

describe("legal responses streams", () => {
  const refusal = { id: "msg_1", type: "message", role: "assistant", status: "completed" };
  const refused = { ...refusal, content: [{ type: "refusal", refusal: "No" }] };
  const custom = { id: "ctc_1", type: "custom_tool_call", status: "completed", call_id: "c", name: "f", input: "a b" };
  const search = { id: "ws_1", type: "web_search_call", status: "completed", action: {} };
  const cut = { ...MESSAGE, status: "incomplete" };
  const second = { ...MESSAGE, id: "msg_2" };
  const move = (event: Json) => ({ ...event, output_index: 1, ...("item_id" in event ? { item_id: "msg_2" } : {}) });
  const legal: [string, string][] = [
    ["text", stream(TEXT)],
    ["a call", stream(TOOL)],
    ["thinking", stream(THINKING)],
    [
      "encrypted thinking alone",
      stream([
        ...OPENING,
        THOUGHT_ADDED,
        { ...THOUGHT_DONE, item: { ...THOUGHT, summary: [] } },
        completed([{ ...THOUGHT, summary: [] }]),
      ]),
    ],
    ["queued first", stream([CREATED, life("queued"), IN_PROGRESS, ...BODY, completed([MESSAGE])])],
    ["no items", stream([...OPENING, completed([])])],
    ["comments", `: hi\n\n${stream(TEXT).replaceAll("\n\n", "\n\n: keepalive\n\n")}`],
    ["a keepalive event", stream([...OPENING, { type: "keepalive" }, ...BODY, completed([MESSAGE])])],
    ["a failure in mid-stream", stream([...TEXT.slice(0, 5), FAILED, ERROR])],
    ["a failure at once", stream([CREATED, FAILED, ERROR])],
    [
      "two items",
      stream([
        ...OPENING,
        ...BODY,
        { ...move(ADDED), item: { ...second, status: "in_progress", content: [] } },
        ...BODY.slice(1, 5).map(move),
        { ...move(ITEM_DONE), item: second },
        completed([MESSAGE, second]),
      ]),
    ],
    [
      "cut off by the limit",
      stream([
        ...OPENING,
        ...BODY.slice(0, 5),
        { ...ITEM_DONE, item: cut },
        life("incomplete", { output: [cut], usage: USAGE, incomplete_details: { reason: "max_output_tokens" } }),
      ]),
    ],
    [
      "a refusal",
      stream([
        ...OPENING,
        { ...ADDED, item: { ...refusal, status: "in_progress", content: [] } },
        { type: "response.content_part.added", ...AT, part: { type: "refusal", refusal: "" } },
        { type: "response.refusal.delta", ...AT, delta: "No" },
        { type: "response.refusal.done", ...AT, refusal: "No" },
        { type: "response.content_part.done", ...AT, part: { type: "refusal", refusal: "No" } },
        { ...ITEM_DONE, item: refused },
        completed([refused]),
      ]),
    ],
    [
      "a custom call",
      stream([
        ...OPENING,
        { ...CALL_ADDED, item: { ...custom, status: "in_progress", input: "" } },
        { type: "response.custom_tool_call_input.delta", item_id: "ctc_1", output_index: 0, delta: "a b" },
        { type: "response.custom_tool_call_input.done", item_id: "ctc_1", output_index: 0, input: "a b" },
        { ...CALL_DONE, item: custom },
        completed([custom]),
      ]),
    ],
    [
      "a server tool",
      stream([
        ...OPENING,
        { ...ADDED, item: { ...search, status: "in_progress" } },
        { type: "response.web_search_call.searching", item_id: "ws_1", output_index: 0 },
        { ...ITEM_DONE, item: search },
        completed([search]),
      ]),
    ],
  ];
  for (const [name, text] of legal) test(name, () => assert.deepEqual(checkResponsesStream(text), []));
});

describe("broken responses streams: lifecycle", () => {
  const broken: [string, string, RegExp][] = [
    ["nothing", "", /no terminal event/],
    ["no terminal event", replace(TEXT, 8), /no terminal event/],
    ["two terminal events", stream([...TEXT, completed([MESSAGE])]), /an event after response.completed/],
    ["no [DONE]", stream(TEXT).slice(0, -DONE.length), /no \[DONE\]/],
    ["[DONE] twice", stream(TEXT) + DONE, /an event after \[DONE\]/],
    ["[DONE] before the end", stream(TEXT.slice(0, 8)), /\[DONE\] before the end/],
    ["[DONE] with a name", stream(TEXT).replace(DONE, `event: done\n${DONE}`), /a \[DONE\] with a name/],
    ["no event line", stream(TEXT).replace("event: response.created\n", ""), /event: undefined but type/],
    ["event and type differ", stream(TEXT).replace("event: response.created", "event: x"), /event: x but type/],
    ["a torn frame", stream(TEXT).slice(0, -1), /no blank line/],
    ["broken JSON", stream(TEXT).replace("data: {", "data: {{"), /no JSON object/],
    ["created missing", replace(TEXT, 0), /the first event isn't response.created/],
    ["created twice", replace(TEXT, 0, CREATED, CREATED), /a second response.created/],
    ["in_progress missing", replace(TEXT, 1), /an item before response.in_progress/],
    ["in_progress missing before the end", stream([CREATED, completed([])]), /no response.in_progress before/],
    ["in_progress twice", replace(TEXT, 1, IN_PROGRESS, IN_PROGRESS), /a second response.in_progress/],
    ["queued after in_progress", replace(TEXT, 1, IN_PROGRESS, life("queued")), /queued after/],
    ["a number repeated", change(TEXT, 3, { sequence_number: 2 }), /sequence_number 2/],
    ["a number left out", change(TEXT, 3, { sequence_number: 4 }), /sequence_number 4/],
    ["no number", change(TEXT, 3, { sequence_number: undefined }), /sequence_number nothing/],
    ["obfuscation", change(TEXT, 4, { obfuscation: "x" }), /obfuscation/],
    ["an event of no one's", replace(TEXT, 4, DELTA, { type: "response.ping", ...AT }), /unknown event/],
    ["another id at the end", changeResponse(TEXT, 8, { id: "resp_2" }), /id "resp_2" after resp_1/],
    ["a foreign id", changeResponse(TEXT, 0, { id: "msg_1" }), /id "msg_1"/],
    ["no tools", changeResponse(TEXT, 0, { tools: undefined }), /lacks "tools"/],
    ["no metadata", changeResponse(TEXT, 8, { metadata: undefined }), /lacks "metadata"/],
    ["another object", changeResponse(TEXT, 0, { object: "x" }), /object "x"/],
    ["a wrong status", changeResponse(TEXT, 0, { status: "completed" }), /status "completed"/],
    ["no model", changeResponse(TEXT, 0, { model: "" }), /model ""/],
    ["created_at missing", changeResponse(TEXT, 0, { created_at: null }), /created_at null/],
    ["output missing", changeResponse(TEXT, 0, { output: null }), /output null/],
    ["output at the start", changeResponse(TEXT, 0, { output: [MESSAGE] }), /output isn't empty/],
    ["an error at the start", changeResponse(TEXT, 0, { error: {} }), /an error at the start/],
    ["an error at the end", changeResponse(TEXT, 8, { error: {} }), /didn't fail/],
    ["output forgotten", changeResponse(TEXT, 8, { output: [] }), /is not what the items were/],
    ["output with another text", changeResponse(TEXT, 8, { output: [{ ...MESSAGE, content: [] }] }), /is not what/],
    ["completed with a reason", changeResponse(TEXT, 8, { incomplete_details: {} }), /incomplete_details \{\}/],
    ["usage missing", changeResponse(TEXT, 8, { usage: null }), /usage \{\}/],
    ["a wrong total", changeResponse(TEXT, 8, { usage: { ...USAGE, total_tokens: 8 } }), /is not 3 \+ 4/],
    [
      "no input details",
      changeResponse(TEXT, 8, { usage: { ...USAGE, input_tokens_details: {} } }),
      /cached_tokens nothing/,
    ],
    [
      "no cache writes",
      changeResponse(TEXT, 8, { usage: { ...USAGE, input_tokens_details: { cached_tokens: 0 } } }),
      /cache_write_tokens nothing/,
    ],
    [
      "no reasoning count",
      changeResponse(TEXT, 8, { usage: { ...USAGE, output_tokens_details: {} } }),
      /reasoning_tokens/,
    ],
    ["completed with an open item", replace(TEXT, 7), /an item is still open/],
    [
      "incomplete without reason",
      replace(TEXT, 8, life("incomplete", { output: [MESSAGE], usage: USAGE })),
      /reason nothing/,
    ],
    [
      "incomplete with a complete item",
      replace(
        TEXT,
        8,
        life("incomplete", {
          output: [MESSAGE],
          usage: USAGE,
          incomplete_details: { reason: "content_filter" },
        }),
      ),
      /last item of an incomplete/,
    ],
    ["failed without error", stream([CREATED, FAILED]), /no terminal event/],
    ["error without failed", stream([CREATED, ERROR]), /without response.failed/],
    ["failed, then something else", stream([...OPENING, FAILED, ...BODY]), /other than error after/],
    ["an event after the error", stream([CREATED, FAILED, ERROR, ERROR]), /an event after error/],
    ["failed without an error object", stream([CREATED, life("failed"), ERROR]), /error null/],
    ["a flat error alone", stream([CREATED, FAILED, { ...ERROR, error: undefined }]), /the nested error lacks/],
    ["a nested error alone", stream([CREATED, FAILED, { type: "error", error: ERROR.error }]), /the error event lacks/],
    ["two messages", stream([CREATED, FAILED, { ...ERROR, message: "x" }]), /messages differ/],
    ["two codes", stream([CREATED, FAILED, { ...ERROR, code: "x" }]), /codes differ/],
  ];
  for (const [name, text, expected] of broken) {
    test(name, () => assert.match(checkResponsesStream(text).join("\n"), expected));
  }
});

describe("broken responses streams: items", () => {
  const citation = { type: "url_citation", url: "x" };
  const annotate = { type: "response.output_text.annotation.added", ...AT, annotation_index: 0, annotation: citation };
  const broken: [string, string, RegExp][] = [
    ["a delta without an item", replace(TEXT, 2), /no item is open/],
    ["a delta without a part", replace(TEXT, 3), /no part is open/],
    ["a gap in output_index", change(TEXT, 2, { output_index: 1 }), /output_index 1, not 0/],
    ["two items at once", replace(TEXT, 2, ADDED, CALL_ADDED), /an item is open already/],
    ["an id used twice", stream([...TEXT.slice(0, 8), { ...ADDED, output_index: 1 }]), /used twice/],
    ["an item without id", changeItem(TEXT, 2, { id: "" }), /message id ""/],
    ["a message's id on a call", changeItem(TOOL, 2, { id: "msg_1" }), /function_call id "msg_1"/],
    ["a message of the user", changeItem(TEXT, 2, { role: "user" }), /role "user"/],
    ["a message that begins complete", changeItem(TEXT, 2, { status: "completed" }), /status "completed"/],
    ["a message that begins full", changeItem(TEXT, 2, { content: [part("x")] }), /content \[/],
    ["thinking that begins full", changeItem(THINKING, 2, { summary: [SUMMARY] }), /summary \[/],
    ["a call that begins full", changeItem(TOOL, 2, { arguments: "{}" }), /a call begins with "\{\}"/],
    ["a call without call_id", changeItem(TOOL, 2, { call_id: null }), /call_id null/],
    ["a call without name", changeItem(TOOL, 2, { name: null }), /name null/],
    ["another item_id", change(TEXT, 4, { item_id: "msg_2" }), /item_id "msg_2" but msg_1/],
    ["another output_index", change(TEXT, 4, { output_index: 1 }), /output_index 1/],
    ["another content_index", change(TEXT, 4, { content_index: 1 }), /content_index 1 but 0/],
    ["a gap in content_index", change(TEXT, 3, { content_index: 1 }), /content_index 1, not 0/],
    ["two parts at once", replace(TEXT, 3, PART_ADDED, { ...PART_ADDED, content_index: 1 }), /a part is open already/],
    ["a part that begins full", change(TEXT, 3, { part: part("x") }), /a part begins with "x"/],
    ["a part without annotations", change(TEXT, 3, { part: { type: "output_text", text: "" } }), /annotations nothing/],
    ["a delta without logprobs", change(TEXT, 4, { logprobs: undefined }), /logprobs nothing/],
    ["a done without logprobs", change(TEXT, 5, { logprobs: undefined }), /logprobs nothing/],
    ["a delta that is no string", change(TEXT, 4, { delta: {} }), /delta \{\}/],
    [
      "a refusal delta on text",
      replace(TEXT, 4, DELTA, { type: "response.refusal.delta", ...AT, delta: "x" }),
      /on a output_text part/,
    ],
    ["a done with another text", change(TEXT, 5, { text: "Ho" }), /done says "Ho", the deltas "Hi"/],
    ["text after its done", replace(TEXT, 5, TEXT_DONE, DELTA), /text after its done event/],
    ["no text done", replace(TEXT, 5), /a part is done before its text is/],
    ["a part done with another text", change(TEXT, 6, { part: part("Ho") }), /the part says "Ho"/],
    [
      "a part done of another type",
      change(TEXT, 6, { part: { type: "refusal", refusal: "Hi" } }),
      /part type "refusal"/,
    ],
    ["no part done", replace(TEXT, 6), /content\[0\] is still open/],
    [
      "an annotation out of order",
      replace(TEXT, 5, { ...annotate, annotation_index: 1 }, TEXT_DONE),
      /annotation_index/,
    ],
    ["an annotation forgotten", replace(TEXT, 5, annotate, TEXT_DONE), /annotations \[\]/],
    ["done with another id", changeItem(TEXT, 7, { id: "msg_2" }), /id "msg_2", added as msg_1/],
    ["done as another type", changeItem(TEXT, 7, { type: "reasoning" }), /type "reasoning", added as message/],
    ["done at another index", change(TEXT, 7, { output_index: 1 }), /output_index 1/],
    ["done twice", replace(TEXT, 7, ITEM_DONE, ITEM_DONE), /no item is open/],
    ["done with another text", changeItem(TEXT, 7, { content: [part("Ho")] }), /the part says "Ho"/],
    ["done without its parts", changeItem(TEXT, 7, { content: [] }), /content has 0 parts, not 1/],
    ["done in progress", changeItem(TEXT, 7, { status: "in_progress" }), /status "in_progress"/],
    ["arguments on a message", replace(TEXT, 4, DELTA, { ...ARGS, ...AT }), /unknown event/],
    ["text on a call", replace(TOOL, 3, ARGS, { ...DELTA, ...CALL_AT }), /unknown event/],
    ["no arguments done", replace(TOOL, 4), /a call is done before its input is/],
    ["other arguments", change(TOOL, 4, { arguments: "{1}" }), /done says "\{1\}"/],
    ["no name with the arguments", change(TOOL, 4, { name: undefined }), /done says the name nothing/],
    ["arguments after their done", replace(TOOL, 4, ARGS_DONE, ARGS), /input after its done event/],
    ["an item with other arguments", changeItem(TOOL, 5, { arguments: "{1}" }), /the item says "\{1\}"/],
    ["another call_id", changeItem(TOOL, 5, { call_id: "x" }), /call_id "x", added as/],
    ["another name", changeItem(TOOL, 5, { name: "x" }), /name "x", added as/],
    [
      "a complete call with broken arguments",
      stream([
        ...OPENING,
        CALL_ADDED,
        { ...ARGS, delta: "{" },
        { ...ARGS_DONE, arguments: "{" },
        { ...CALL_DONE, item: { ...CALL, arguments: "{" } },
      ]),
      /a complete call with the arguments "\{"/,
    ],
    ["a summary delta without its part", replace(THINKING, 3), /no part is open/],
    ["a summary gap", change(THINKING, 3, { summary_index: 1 }), /summary_index 1, not 0/],
    ["a summary of another text", change(THINKING, 5, { text: "x" }), /done says "x"/],
    ["a summary left open", replace(THINKING, 6), /summary\[0\] is still open/],
    ["a summary forgotten", changeItem(THINKING, 7, { summary: [] }), /summary has 0 parts, not 1/],
    [
      "raw thinking in a summary part",
      replace(THINKING, 4, SUMMARY_DELTA, { type: "response.reasoning_text.delta", ...THOUGHT_AT, delta: "x" }),
      /no part is open/,
    ],
  ];
  for (const [name, text, expected] of broken) {
    test(name, () => assert.match(checkResponsesStream(text).join("\n"), expected));
  }
});
