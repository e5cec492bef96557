/**
 * What each object of the Responses API must hold: the Open Responses specification of 2026-04-24, and where that is silent
 * or another word is in use, the types of the official SDK (openai 7.55.0, `resources/responses`). Only the shape of one
 * object is judged here; the order of a stream is `grammar_responses.ts`.
 */
import { isObject, type Json, show } from "./grammar.ts";

/**
 * Members by name, a `?` after those that may be missing. A type is one or more of these, with `|` between: `string`,
 * `count` (a whole number from 0), `number`, `boolean`, `object`, `any`, `null`, `'a word'`, the name of an object below,
 * and `[…]` for a list of any of these.
 */
type Shape = Readonly<Record<string, string>>;

const STATUS = "'in_progress'|'completed'|'incomplete'";
const AT = { sequence_number: "count", output_index: "count", item_id: "string" };
const AT_PART = { ...AT, content_index: "count" };
const AT_SUMMARY = { ...AT, summary_index: "count" };
const AT_ITEM = { sequence_number: "count", output_index: "count", item: "Item" };
const LIFECYCLE = { sequence_number: "count", response: "Response" };
const CONTENT = "OutputText|Refusal|ReasoningText";

const SHAPES: Readonly<Record<string, Shape>> = {
  Response: {
    id: "string",
    object: "'response'",
    created_at: "count",
    completed_at: "count|null",
    status: "'queued'|'in_progress'|'completed'|'incomplete'|'failed'|'cancelled'",
    incomplete_details: "IncompleteDetails|null",
    model: "string",
    previous_response_id: "string|null",
    "conversation?": "Conversation|null",
    instructions: "string|null",
    output: "[Item]",
    error: "ResponseError|null",
    tools: "[Tool]",
    tool_choice: "'none'|'auto'|'required'|ToolChoice",
    truncation: "'auto'|'disabled'",
    parallel_tool_calls: "boolean",
    text: "TextField",
    top_p: "number",
    presence_penalty: "number",
    frequency_penalty: "number",
    top_logprobs: "count",
    temperature: "number",
    reasoning: "Reasoning|null",
    usage: "Usage|null",
    max_output_tokens: "count|null",
    max_tool_calls: "count|null",
    store: "boolean",
    background: "boolean",
    service_tier: "string",
    metadata: "object",
    safety_identifier: "string|null",
    prompt_cache_key: "string|null",
    // The SDK's types alone.
    access_programs: "object|null",
  },
  IncompleteDetails: { reason: "'max_output_tokens'|'content_filter'" },
  Conversation: { id: "string" },
  ResponseError: { code: "string", message: "string" },
  ToolChoice: { type: "string" },
  TextField: { format: "TextFormat", "verbosity?": "'low'|'medium'|'high'" },
  Reasoning: { effort: "string|null", summary: "string|null" },
  Usage: {
    input_tokens: "count",
    output_tokens: "count",
    total_tokens: "count",
    input_tokens_details: "InputDetails",
    output_tokens_details: "OutputDetails",
  },
  InputDetails: { cached_tokens: "count", cache_write_tokens: "count" },
  OutputDetails: { reasoning_tokens: "count" },
  UrlCitation: {
    type: "'url_citation'",
    url: "string",
    title: "string",
    start_index: "count",
    end_index: "count",
  },
  LogProb: { token: "string", logprob: "number", bytes: "[count]", top_logprobs: "[TopLogProb]" },
  TopLogProb: { token: "string", logprob: "number", "bytes?": "[count]" },
  OutputText: { type: "'output_text'", text: "string", annotations: "[Annotation]", logprobs: "[LogProb]" },
  Refusal: { type: "'refusal'", refusal: "string" },
  ReasoningText: { type: "'reasoning_text'", text: "string" },
  SummaryText: { type: "'summary_text'", text: "string" },
  ErrorPayload: {
    type: "string",
    code: "string|null",
    message: "string",
    param: "string|null",
    "headers?": "object",
  },
  SocketError: { type: "'error'", status: "count", error: "SocketErrorPayload" },
  SocketErrorPayload: { "type?": "string", code: "string", message: "string", "param?": "string|null" },
};

/** Objects that are told apart by their `type`; `""`: any other. */
const UNIONS: Readonly<Record<string, Readonly<Record<string, Shape>>>> = {
  Item: {
    message: {
      id: "string",
      status: STATUS,
      role: "'assistant'",
      content: "[OutputText|Refusal]",
      "phase?": "'commentary'|'final_answer'|null",
    },
    function_call: {
      id: "string",
      call_id: "string",
      name: "string",
      "namespace?": "string",
      arguments: "string",
      status: STATUS,
    },
    custom_tool_call: {
      id: "string",
      call_id: "string",
      name: "string",
      "namespace?": "string",
      input: "string",
      status: STATUS,
    },
    reasoning: {
      id: "string",
      summary: "[SummaryText]",
      "content?": "[ReasoningText]",
      "encrypted_content?": "string|null",
    },
    compaction: { id: "string", encrypted_content: "string" },
    shell_call: { id: "string", call_id: "string", action: "object", "environment?": "object|null", status: STATUS },
    local_shell_call: { id: "string", call_id: "string", action: "object", status: STATUS },
    apply_patch_call: { id: "string", call_id: "string", operation: "object", status: "'in_progress'|'completed'" },
    tool_search_call: {
      id: "string",
      call_id: "string|null",
      arguments: "any",
      execution: "'server'|'client'",
      status: STATUS,
    },
    "": { id: "string" },
  },
  Tool: {
    function: {
      name: "string",
      description: "string|null",
      parameters: "object|null",
      strict: "boolean|null",
    },
    custom: { name: "string" },
    namespace: { name: "string", description: "string", tools: "[any]" },
    "": {},
  },
  TextFormat: {
    text: {},
    json_object: {},
    json_schema: { name: "string", description: "string|null", schema: "object|null", strict: "boolean" },
  },
  Annotation: {
    url_citation: SHAPES["UrlCitation"] ?? {},
    "": {},
  },
  Event: {
    "response.created": LIFECYCLE,
    "response.queued": LIFECYCLE,
    "response.in_progress": LIFECYCLE,
    "response.completed": LIFECYCLE,
    "response.incomplete": LIFECYCLE,
    "response.failed": LIFECYCLE,
    "response.output_item.added": AT_ITEM,
    "response.output_item.done": AT_ITEM,
    "response.content_part.added": { ...AT_PART, part: CONTENT },
    "response.content_part.done": { ...AT_PART, part: CONTENT },
    "response.output_text.delta": { ...AT_PART, delta: "string", logprobs: "[LogProb]" },
    "response.output_text.done": { ...AT_PART, text: "string", logprobs: "[LogProb]" },
    "response.output_text.annotation.added": { ...AT_PART, annotation_index: "count", annotation: "Annotation" },
    "response.refusal.delta": { ...AT_PART, delta: "string" },
    "response.refusal.done": { ...AT_PART, refusal: "string" },
    // The specification says `response.reasoning.delta`; the SDK's accumulator throws on it.
    "response.reasoning_text.delta": { ...AT_PART, delta: "string" },
    "response.reasoning_text.done": { ...AT_PART, text: "string" },
    "response.reasoning_summary_part.added": { ...AT_SUMMARY, part: "SummaryText" },
    "response.reasoning_summary_part.done": { ...AT_SUMMARY, part: "SummaryText" },
    "response.reasoning_summary_text.delta": { ...AT_SUMMARY, delta: "string" },
    "response.reasoning_summary_text.done": { ...AT_SUMMARY, text: "string" },
    "response.function_call_arguments.delta": { ...AT, delta: "string" },
    "response.function_call_arguments.done": { ...AT, name: "string", arguments: "string" },
    "response.custom_tool_call_input.delta": { ...AT, delta: "string" },
    "response.custom_tool_call_input.done": { ...AT, input: "string" },
    error: {
      sequence_number: "count",
      error: "ErrorPayload",
      // The SDK's flat form of the same.
      code: "string|null",
      message: "string",
      param: "string|null",
    },
  },
};

/** What is wrong with an event that we wrote; events of server tools are none of ours. */
export function faultsOfEvent(event: Json): readonly string[] {
  return checkerOf("Event")(event, String(event["type"]));
}

/** What is wrong with a whole response. */
export function faultsOfResponse(response: unknown): readonly string[] {
  return checkerOf("Response")(response, "response");
}

/** What is wrong with an error of WebSocket mode. */
export function faultsOfSocketError(event: Json): readonly string[] {
  return checkerOf("SocketError")(event, "error");
}

/** The faults of a value; `at` is its path. Runs for every event of every stream of the tests. */
type Checker = (value: unknown, at: string) => readonly string[];

const NONE: readonly string[] = [];
const checkers = new Map<string, Checker>();

function checkerOf(type: string): Checker {
  let checker = checkers.get(type);
  if (checker === undefined) checkers.set(type, checker = makeChecker(type));
  return checker;
}

function makeChecker(type: string): Checker {
  if (type.startsWith("[")) return listChecker(checkerOf(type.slice(1, -1)), type);
  if (type.includes("|")) return choiceChecker(type.split("|").map(checkerOf));
  if (type.startsWith("'")) return wordChecker(type, (value) => `'${value}'` === type);
  const primitive = PRIMITIVES[type];
  if (primitive !== undefined) return wordChecker(type, primitive);
  const shape = SHAPES[type];
  if (shape !== undefined) return shapeChecker(type, shape);
  const kinds = UNIONS[type];
  if (kinds === undefined) throw new Error(`This file knows no ${type}`);
  return unionChecker(type, kinds);
}

const PRIMITIVES: Readonly<Record<string, (value: unknown) => boolean>> = {
  any: (value) => value !== undefined,
  string: (value) => typeof value === "string",
  count: (value) => typeof value === "number" && Number.isInteger(value) && value >= 0,
  number: (value) => typeof value === "number",
  boolean: (value) => typeof value === "boolean",
  object: isObject,
  null: (value) => value === null,
};

function wordChecker(type: string, holds: (value: unknown) => boolean): Checker {
  return (value, at) => holds(value) ? NONE : [`${at} is no ${type}: ${show(value)}`];
}

function listChecker(each: Checker, type: string): Checker {
  return (value, at) =>
    Array.isArray(value)
      ? value.flatMap((one, index) => each(one, `${at}[${index}]`))
      : [`${at} is no ${type}: ${show(value)}`];
}

/** Of several kinds of object, the one that it is nearest to tells most. */
function choiceChecker(choices: readonly Checker[]): Checker {
  return (value, at) => {
    let nearest: readonly string[] | undefined;
    for (const choice of choices) {
      const faults = choice(value, at);
      if (faults.length === 0) return NONE;
      if (nearest === undefined || faults.length < nearest.length) nearest = faults;
    }
    return nearest ?? NONE;
  };
}

function unionChecker(name: string, kinds: Readonly<Record<string, Shape>>): Checker {
  const made = new Map(
    Object.entries(kinds).map(([type, shape]) => [type, shapeChecker(name, { type: "string", ...shape })]),
  );
  return (value, at) => {
    const type = isObject(value) ? String(value["type"]) : "";
    const checker = made.get(type) ?? made.get("");
    return checker?.(value, at) ?? [`${at} is no ${name} of a known type: ${type}`];
  };
}

function shapeChecker(name: string, shape: Shape): Checker {
  const members = Object.entries(shape).map(([member, type]) => {
    const name = member.replace("?", "");
    return { name, isRequired: name === member, checker: checkerOf(type) };
  });
  return (value, at) => {
    if (!isObject(value)) return [`${at} is no ${name}: ${show(value)}`];
    const faults: string[] = [];
    for (const { name, isRequired, checker } of members) {
      if (value[name] !== undefined) faults.push(...checker(value[name], `${at}.${name}`));
      else if (isRequired) faults.push(`${at} lacks "${name}"`);
    }
    return faults;
  };
}
