/** Events of upstreams' streams, one by one: what each of them changes in what the clients of the other formats get. */
import type { FormatName } from "../../lib/neutral.ts";
import { answerFor, Client, CLIENTS, eventsOf, steady } from "../recordings/translate.ts";
import type { Json } from "../support/grammar.ts";
import { literalsOf } from "./answers.ts";
import { openModule, type Type } from "./types.ts";

export interface EventRow {
  event: string;
  /** By client: whether it changes anything there. */
  carried: Map<FormatName, boolean>;
  /** Why nothing is missing where it isn't carried. */
  why: string;
}

/** An event among those without which it makes no sense. */
interface Probe {
  before: readonly Json[];
  event: Json;
  after: readonly Json[];
}

const MARK = "zqMARKzq";

const RESPONSE = { id: "resp_1", object: "response", created_at: 1_790_000_000, model: "m", output: [] };
const CREATED = { type: "response.created", response: { ...RESPONSE, status: "in_progress" } };
const COMPLETED = { type: "response.completed", response: { ...RESPONSE, status: "completed" } };

const ITEMS: readonly (readonly [RegExp, Json])[] = [
  [/output_text|refusal|content_part/, { type: "message", id: "i_1", role: "assistant", content: [] }],
  [/reasoning/, { type: "reasoning", id: "i_1", summary: [] }],
  [/function_call/, { type: "function_call", id: "i_1", call_id: "call_1", name: "f", arguments: "" }],
  [/custom_tool/, { type: "custom_tool_call", id: "i_1", call_id: "call_1", name: "f", input: "" }],
];

function responsesProbe(type: string): Probe {
  const event = { type, item_id: "i_1", output_index: 0, content_index: 0, summary_index: 0, ...membersOf(type) };
  if (/\.(?:created|queued|in_progress)$/.test(type) && "response" in event) return { before: [], event, after: [] };
  if (/^(?:response\.(?:completed|incomplete|failed)|error)$/.test(type)) {
    return { before: [CREATED], event, after: [] };
  }
  const item = ITEMS.find(([pattern]) => pattern.test(type))?.[1];
  const opened = item === undefined ? [] : [{ type: "response.output_item.added", output_index: 0, item }];
  const text = { type: "response.output_text.delta", item_id: "i_1", output_index: 0, content_index: 0, delta: "a" };
  const cited = /annotation/.test(type) ? [text] : [];
  return { before: [CREATED, ...opened, ...cited], event, after: [COMPLETED] };
}

function membersOf(type: string): Json {
  const status = type.slice("response.".length);
  if (/^response\.(?:created|queued|in_progress|completed|incomplete|failed)$/.test(type)) {
    const error = status === "failed" ? { code: "server_error", message: MARK } : null;
    return { response: { ...RESPONSE, status: status === "created" ? "in_progress" : status, error } };
  }
  if (type === "error") return { code: "server_error", message: MARK, param: null };
  if (/output_item/.test(type)) {
    return { item: { type: "function_call", id: "i_1", call_id: "call_1", name: "f", arguments: "{}" } };
  }
  if (/annotation/.test(type)) {
    return { annotation: { type: "file_citation", file_id: MARK, filename: MARK, index: 0 }, annotation_index: 0 };
  }
  const said = { delta: MARK, text: MARK, refusal: MARK, arguments: MARK, input: MARK, code: MARK, diff: MARK };
  return {
    ...said,
    command: MARK,
    partial_image_b64: MARK,
    part: { type: "output_text", text: MARK, annotations: [] },
  };
}

const START = {
  type: "message_start",
  message: { id: "msg_1", type: "message", role: "assistant", model: "m", content: [], usage: { input_tokens: 5 } },
};
const ENDED = { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 5 } };
const STOPPED = { type: "message_stop" };

const BLOCKS: Readonly<Record<string, Json>> = {
  text_delta: { type: "text", text: "" },
  citations_delta: { type: "text", text: "a" },
  input_json_delta: { type: "tool_use", id: "toolu_1", name: "f", input: {} },
  thinking_delta: { type: "thinking", thinking: "", signature: "" },
  signature_delta: { type: "thinking", thinking: "", signature: "" },
  compaction_delta: { type: "compaction", content: null },
};

function messagesProbe(name: string): Probe {
  const [type = "", delta] = name.split(": ");
  const begin = (content_block: Json) => ({ type: "content_block_start", index: 0, content_block });
  const stop = { type: "content_block_stop", index: 0 };
  if (type === "message_start") return { before: [], event: START, after: [ENDED, STOPPED] };
  if (type === "message_delta") return { before: [START], event: ENDED, after: [STOPPED] };
  if (type === "message_stop") return { before: [START, ENDED], event: STOPPED, after: [] };
  if (type === "content_block_start") {
    return { before: [START], event: begin({ type: "text", text: MARK }), after: [stop, ENDED, STOPPED] };
  }
  const block = begin(BLOCKS[delta ?? "text_delta"] ?? { type: "text", text: "" });
  if (type === "content_block_stop") return { before: [START, block], event: stop, after: [ENDED, STOPPED] };
  const members = {
    text: MARK,
    thinking: MARK,
    signature: MARK,
    content: MARK,
    partial_json: `{"a":"${MARK}"}`,
    citation: { type: "web_search_result_location", url: MARK, title: MARK, cited_text: MARK, encrypted_index: MARK },
  };
  const event = { type, index: 0, delta: { type: delta, ...members } };
  return { before: [START, block], event, after: [stop, ENDED, STOPPED] };
}

const UPSTREAMS: readonly (readonly [FormatName, () => string[], (event: string) => Probe])[] = [
  ["messages", messagesEvents, messagesProbe],
  ["responses", () => wordsOf("openai/resources/responses/responses.d.ts", "ResponseStreamEvent"), responsesProbe],
];

function messagesEvents(): string[] {
  const file = "@anthropic-ai/sdk/resources/beta/messages/messages.d.ts";
  const deltas = wordsOf(file, "BetaRawContentBlockDelta");
  return wordsOf(file, "BetaRawMessageStreamEvent").flatMap((type) =>
    type === "content_block_delta" ? deltas.map((delta) => `${type}: ${delta}`) : [type]
  );
}

function wordsOf(file: string, name: string): string[] {
  const type: Type | undefined = openModule(file).find(name);
  return type === undefined ? [] : [...new Set(literalsOf(type, "type"))];
}

/** Why an event that changes nothing takes nothing away. */
export const MOOT_EVENTS: readonly (readonly [RegExp, string])[] = [
  [/audio/, "audio is not asked for: such requests are refused"],
  [/\.done$|^content_block_stop$/, "says again, or ends, what is carried anyway"],
  [/^message_stop$/, "the message_delta before it has said how it ended"],
  [/: compaction_delta$/, "the part that it belongs to can't be carried, and is named"],
  [/content_part\.added|reasoning_summary_part\.added/, "announces a part; its first delta begins it"],
  [
    /\.(?:web_search|file_search|code_interpreter|image_generation|mcp|shell|apply_patch|compaction)\w*\./,
    "progress of an item that its output_item.done tells whole",
  ],
];

export function eventRows(upstream: FormatName): EventRow[] {
  const [, events, probe] = UPSTREAMS.find(([format]) => format === upstream) ?? [];
  return (events?.() ?? []).map((event) => rowOf(upstream, event, (probe as (event: string) => Probe)(event)));
}

function rowOf(upstream: FormatName, event: string, { before, event: probed, after }: Probe): EventRow {
  const clients = CLIENTS.filter((client) => client !== upstream);
  const carried = new Map(clients.map((client) => {
    const without = told(upstream, client, [...before, ...after]);
    return [client, told(upstream, client, [...before, probed, ...after]) !== without];
  }));
  return { event, carried, why: MOOT_EVENTS.find(([pattern]) => pattern.test(event))?.[1] ?? "" };
}

/** The client's stream, and what is named as lost on its way. */
function told(upstream: FormatName, client: FormatName, events: readonly Json[]): string {
  const frames = events.map((event, sequence_number) =>
    `event: ${String(event["type"])}\ndata: ${JSON.stringify({ ...event, sequence_number })}\n\n`
  );
  const source = { name: "probe", provider: "lab", model: "m", format: upstream, isStream: true, file: "" };
  const answer = answerFor(client);
  const chunks = [new TextEncoder().encode(frames.join(""))];
  const out = new Client(client, answer).push(eventsOf(source, chunks));
  return steady(out) + JSON.stringify(answer.losses.list);
}
