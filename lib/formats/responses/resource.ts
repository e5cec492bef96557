/**
 * The response object: one builder for JSON answers and for every streamed event that carries it, with every member that
 * the Open Responses schema and the SDK's types require (TRANSLATION.md, 3.1, 3.2 and 4.3).
 */
import { Faults, isObject, type JsonObject } from "../../base/fields.ts";
import { Losses } from "../../format.ts";
import type { NeutralRequest, Stop, Usage } from "../../neutral.ts";
import { encodeToolChoice, encodeTools, listedTools, type ToolEncoding } from "./tools_encode.ts";
import { encodeUsage } from "./usage.ts";
import { ownFields } from "./wire.ts";

/** The members of a response that repeat the request. */
export type Echo = Readonly<JsonObject>;

/** How an answer stands or ended. */
export interface Outcome {
  status: "queued" | "in_progress" | "completed" | "incomplete" | "failed";
  incompleteReason?: "max_output_tokens" | "content_filter";
  error?: { code: string; message: string };
}

export interface ResponseState {
  id: string;
  /** Unix seconds. */
  createdAt: number;
  model: string;
  outcome: Outcome;
  output: readonly JsonObject[];
  usage: Usage | undefined;
  serviceTier: string | undefined;
}

export function responseObject(state: ResponseState, echo: Echo): JsonObject {
  const { outcome } = state;
  return {
    id: state.id,
    object: "response",
    created_at: state.createdAt,
    status: outcome.status,
    completed_at: outcome.status === "completed" ? Math.max(state.createdAt, unixSeconds()) : null,
    error: outcome.error ?? null,
    incomplete_details: outcome.incompleteReason === undefined ? null : { reason: outcome.incompleteReason },
    model: state.model,
    output: state.output,
    ...echo,
    service_tier: encodeTier(state.serviceTier),
    // Who keeps it says so (`Answer.teller`).
    store: false,
    usage: state.usage === undefined ? null : encodeUsage(state.usage),
  };
}

export function unixSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** The tier that answered, as this format says it; the usual one where it has no word for it. */
function encodeTier(tier: string | undefined): string {
  return tier === "priority" || tier === "flex" || tier === "scale" ? tier : "default";
}

/** Holds nothing of the conversation: a stream that echoes lives long. */
export function echoOf(request: NeutralRequest): Echo {
  const extensions = request.extensions.responses ?? {};
  const isUser = request.wireNames["userId"] === "user";
  return {
    access_programs: null,
    background: request.state?.background ?? false,
    ...echoConversation(request),
    frequency_penalty: request.frequencyPenalty ?? 0,
    instructions: echoInstructions(request),
    max_output_tokens: request.maxOutputTokens ?? null,
    max_tool_calls: extensions["max_tool_calls"] ?? null,
    parallel_tool_calls: request.parallelToolCalls ?? true,
    presence_penalty: request.presencePenalty ?? 0,
    previous_response_id: request.state?.previousId ?? null,
    prompt_cache_key: request.cache?.key ?? null,
    reasoning: echoReasoning(request),
    safety_identifier: isUser ? null : request.userId ?? null,
    temperature: request.temperature ?? 1,
    text: echoText(request),
    ...echoTools(request),
    top_logprobs: request.logprobs?.top ?? 0,
    top_p: request.topP ?? 1,
    truncation: request.truncation ?? "disabled",
    user: isUser ? request.userId ?? null : null,
    metadata: request.metadata ?? {},
  };
}

/** Absent where there is none: the types know no null here. It comes as an id or as an object that has one. */
function echoConversation({ state }: NeutralRequest): JsonObject {
  const conversation = state?.conversation;
  if (typeof conversation === "string") return { conversation: { id: conversation } };
  return isObject(conversation) ? { conversation: { id: conversation["id"] } } : {};
}

function echoInstructions(request: NeutralRequest): string | null {
  const texts = request.instructions.flatMap((part) =>
    part.kind === "text" && part.item === undefined ? [part.text] : []
  );
  return texts.length === 0 ? null : texts.join("\n\n");
}

function echoReasoning({ reasoning }: NeutralRequest): JsonObject {
  return { effort: reasoning?.effort ?? null, summary: reasoning?.display ?? null, ...ownFields(reasoning?.extra) };
}

function echoText({ output, verbosity }: NeutralRequest): JsonObject {
  return { format: echoFormat(output), verbosity: verbosity ?? "medium" };
}

function echoFormat(output: NeutralRequest["output"]): JsonObject {
  if (output?.kind === "json") return { type: "json_object" };
  if (output?.kind !== "json_schema") return { type: "text" };
  return {
    type: "json_schema",
    name: output.name ?? "",
    description: output.description ?? null,
    schema: output.schema ?? null,
    strict: output.strict ?? false,
  };
}

function echoTools(request: NeutralRequest): JsonObject {
  const encoding: ToolEncoding = {
    request,
    losses: new Losses(),
    faults: new Faults(),
    names: { toTarget: (name) => name, restore: new Map() },
    isOwn: true,
  };
  const tools = encodeTools(encoding, listedTools(request));
  return { tool_choice: encodeToolChoice(encoding, tools.length) ?? "auto", tools: tools.map(withDefaults) };
}

/** What the schema requires of a function and its client may leave out. */
function withDefaults(tool: JsonObject): JsonObject {
  return tool["type"] === "function" ? { description: null, parameters: null, strict: true, ...tool } : tool;
}

/** TRANSLATION.md, 3.2. `hasRefusal`: the answer holds a part that says why. */
export function outcomeOf(stop: Stop, hasRefusal: boolean): Outcome {
  switch (stop.reason) {
    case "max_tokens":
    case "context_window":
      return { status: "incomplete", incompleteReason: "max_output_tokens" };
    case "content_filter":
      return { status: "incomplete", incompleteReason: "content_filter" };
    case "refusal":
      return hasRefusal ? { status: "completed" } : { status: "incomplete", incompleteReason: "content_filter" };
    case "malformed_tool_call":
      return {
        status: "failed",
        error: { code: "server_error", message: stop.explanation ?? "The model wrote a tool call that can't be read" },
      };
    case "stop":
    case "stop_sequence":
    case "tool_calls":
    case "pause":
    case "compaction":
    case "unknown":
      return { status: "completed" };
    default:
      return stop.reason satisfies never;
  }
}
