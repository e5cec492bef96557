/** Whole answers, both ways (TRANSLATION.md, section 3). */
import { fail, type Failure, protocolFault, type Result, success } from "../../base/failure.ts";
import { Faults, isObject, type JsonObject } from "../../base/fields.ts";
import type { Answer, Target } from "../../format.ts";
import type { Item, NeutralResponse, Part, ReasoningPart, Stop, TextPart } from "../../neutral.ts";
import { answerId, ownItemId } from "../../translation/ids.ts";
import { clientCallItem, clientToolsOf } from "./client_tools.ts";
import { failureOfError } from "../../translation/upstream_error.ts";
import { countFromStart } from "./content_decode.ts";
import { decodeOutputItem } from "./item_decode.ts";
import {
  callItem,
  callPrefix,
  compactionItem,
  encodeAnnotations,
  itemId,
  loseMembers,
  losePause,
  messageItem,
  nativeItem,
  reasoningItem,
  reasoningTexts,
  refusalContent,
  textContent,
  wholeArguments,
} from "./output_encode.ts";
import { echoOf, type Outcome, outcomeOf, responseObject, unixSeconds } from "./resource.ts";
import { decodeUsage, uncounted } from "./usage.ts";
import { FORMAT } from "./wire.ts";

/** Fails for answers that failed, that aren't there yet (`background`), and that aren't of this format. */
export function decodeResponse(body: JsonObject, target: Target): Result<NeutralResponse> {
  const failure = failureOfAnswer(body);
  if (failure !== undefined) return fail(failure);
  const faults = new Faults();
  const parts = (body["output"] as unknown[])
    .flatMap((item, index) => decodeOutputItem(item, `output[${index}]`, target.family, faults))
    .filter((part) => !saysNothing(part));
  countFromStart(parts);
  if (faults.first !== undefined) {
    return fail(protocolFault(`The upstream's answer is malformed: ${faults.first.message}`));
  }
  const serviceTier = stringOf(body["service_tier"]);
  return success({
    id: stringOf(body["id"]) ?? "",
    model: stringOf(body["model"]) ?? "",
    createdAt: secondsOf(body["created_at"]),
    candidates: [{ index: 0, parts, stop: decodeStop(body, seenIn(parts)) }],
    usage: decodeUsage(body["usage"]),
    ...(serviceTier === undefined ? {} : { serviceTier }),
  });
}

/** Some answers hold a message without a word beside what a built-in tool made; not every client's format takes one. */
export function saysNothing(part: Part): boolean {
  return (part.kind === "text" || part.kind === "refusal") && part.text === "";
}

function failureOfAnswer(body: JsonObject): Failure | undefined {
  const status = body["status"];
  const isList = Array.isArray(body["output"]);
  if (status === "failed" || (!isList && isObject(body["error"]))) return failureOfError(body["error"]);
  return failureOfStatus(status) ?? (isList ? undefined : protocolFault("The upstream's answer has no output"));
}

/** States in which an answer can't be used (TRANSLATION.md, 3.2). */
export function failureOfStatus(status: unknown): Failure | undefined {
  if (status === "cancelled") {
    return { kind: "cancelled", source: "upstream", message: "The upstream's answer was cancelled", retry: false };
  }
  if (status === "queued" || status === "in_progress") {
    return protocolFault(`The upstream answered with status "${status}" where an answer was due`);
  }
  return undefined;
}

/** What an answer held, as far as it decides why it stopped. */
export interface Seen {
  call: boolean;
  refusal: boolean;
  compaction: boolean;
}

function seenIn(parts: readonly Part[]): Seen {
  const has = (kind: Part["kind"]) => parts.some((part) => part.kind === kind);
  return { call: has("tool_call"), refusal: has("refusal"), compaction: has("compaction") };
}

/** TRANSLATION.md, 3.2: the status says how it ended, what the answer holds says why. */
export function decodeStop(response: JsonObject, seen: Seen): Stop {
  if (response["status"] === "incomplete") {
    const details = isObject(response["incomplete_details"]) ? response["incomplete_details"] : {};
    return incompleteStop(stringOf(details["reason"]));
  }
  if (seen.call) return { reason: "tool_calls" };
  if (seen.refusal) return { reason: "refusal" };
  return { reason: "stop" };
}

function incompleteStop(raw: string | undefined): Stop {
  switch (raw) {
    case undefined:
      return { reason: "max_tokens" };
    case "max_output_tokens":
      return { reason: "max_tokens", raw };
    case "content_filter":
      return { reason: "content_filter", raw };
    default:
      return { reason: "unknown", raw };
  }
}

export function stringOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Some servers write fractions of a second. */
export function secondsOf(value: unknown): number {
  return typeof value === "number" ? Math.floor(value) : unixSeconds();
}

/** The first candidate alone: requests for more were refused. */
export function encodeResponse(response: NeutralResponse, answer: Answer): JsonObject {
  const { parts, stop } = response.candidates[0] ?? { parts: [], stop: { reason: "unknown" as const } };
  const outcome = outcomeOf(stop, parts.some((part) => part.kind === "refusal"));
  losePause(stop, answer.losses);
  const state = {
    id: answerId("resp_", response.id, answer.requestId),
    createdAt: response.createdAt > 0 ? Math.floor(response.createdAt) : unixSeconds(),
    model: answer.model,
    outcome,
    output: encodeOutput(parts, outcome, answer),
    usage: response.usage ?? uncounted(answer.estimatedInputTokens),
    serviceTier: response.serviceTier,
  };
  const whole = responseObject(state, echoOf(answer.request));
  return answer.teller?.tell(whole) ?? whole;
}

interface OutputState {
  answer: Answer;
  clientTools: ReadonlySet<string>;
  items: JsonObject[];
  /** The message that further text of the same origin joins. */
  message: { content: JsonObject[]; origin: Item | undefined } | undefined;
  /** Characters of text so far. */
  textLength: number;
}

function newState(answer: Answer): OutputState {
  return { answer, clientTools: clientToolsOf(answer.request), items: [], message: undefined, textLength: 0 };
}

function encodeOutput(all: readonly Part[], outcome: Outcome, answer: Answer): JsonObject[] {
  const state = newState(answer);
  const parts = all.filter((part) => !saysNothing(part));
  for (const [index, part] of parts.entries()) {
    const previous = parts[index - 1];
    const joins = part.kind === "reasoning" && previous?.kind === "reasoning" && part.item !== undefined &&
      part.item === previous.item;
    // A reasoning item's first part has brought its others along.
    if (!joins) addPart(state, part, parts.slice(index));
  }
  const last = state.items.at(-1);
  // Reasoning has no status, and what is built-in has its own.
  const isCut = outcome.status === "incomplete" && STATUS_IS_OURS.has(String(last?.["type"]));
  if (isCut) state.items.push({ ...state.items.pop(), status: "incomplete" });
  return state.items;
}

const STATUS_IS_OURS: ReadonlySet<string> = new Set(["message", "function_call", "custom_tool_call"]);

function addPart(state: OutputState, part: Part, rest: readonly Part[]): void {
  switch (part.kind) {
    case "text":
      return addContent(state, encodeText(state, part), part.item);
    case "refusal":
      return addContent(state, refusalContent(part.text), part.item);
    case "reasoning":
      return addReasoning(state, ofOneItem(part, rest));
    case "tool_call": {
      const client = state.clientTools.has(part.name) ? clientCallItem(part, part.arguments, ownItemId) : undefined;
      if (client !== undefined) return addItem(state, client);
      const id = itemId(callPrefix(part), part.itemId, state.items);
      return addItem(state, callItem(id, "completed", part, wholeArguments(part, part.arguments)));
    }
    case "compaction":
      loseMembers(part, state.answer.losses, state.items.length);
      return addItem(
        state,
        compactionItem(itemId("cmp_", part.item?.id, state.items), part.text, part.opaque ?? []),
      );
    case "native":
      if (part.format === FORMAT && part.item === undefined) return addItem(state, nativeItem(part));
      return addWords(state, part.text);
    case "image":
    case "audio":
    case "video":
    case "document":
    case "search_result":
    case "tool_result":
      return addWords(state, undefined);
    default:
      return part satisfies never;
  }
}

function addItem(state: OutputState, item: JsonObject): void {
  state.message = undefined;
  state.items.push(item);
}

function addContent(state: OutputState, content: JsonObject, origin: Item | undefined): void {
  if (state.message !== undefined && state.message.origin === origin) {
    state.message.content.push(content);
    return;
  }
  const message = { content: [content], origin };
  addItem(state, messageItem(itemId("msg_", origin?.id, state.items), "completed", message.content, origin));
  state.message = message;
}

/** What this format has no item for, in words where it has any. */
function addWords(state: OutputState, text: string | undefined): void {
  state.answer.losses.add(`output[${state.items.length}]`, "responses has no such item");
  if (text !== undefined && text !== "") addContent(state, textContent(text, [], []), undefined);
}

function encodeText(state: OutputState, part: TextPart): JsonObject {
  const annotations = encodeAnnotations(part.citations ?? [], part.text, state.textLength, state.answer.losses);
  state.textLength += part.text.length;
  return textContent(part.text, annotations, part.logprobs ?? []);
}

function ofOneItem(first: ReasoningPart, rest: readonly Part[]): ReasoningPart[] {
  if (first.item === undefined) return [first];
  const end = rest.findIndex((part) => part.kind !== "reasoning" || part.item !== first.item);
  return rest.slice(0, end === -1 ? rest.length : end) as ReasoningPart[];
}

function addReasoning(state: OutputState, parts: readonly ReasoningPart[]): void {
  const opaques = parts.flatMap((part) => part.opaque ?? []);
  const texts = reasoningTexts(parts);
  if (opaques.length + texts.summary.length + texts.content.length === 0) return;
  const id = itemId("rs_", parts[0]?.id, state.items);
  addItem(state, reasoningItem(id, texts, opaques));
}
