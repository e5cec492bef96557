/** A stream for a client: neutral → wire (TRANSLATION.md, 4.1, 4.6 and 4.7). */
import { protocolFault } from "../../base/failure.ts";
import type { JsonObject } from "../../base/fields.ts";
import { commentFrame, dataFrame } from "../../base/sse.ts";
import type { Answer, Losses, StreamEncoder } from "../../format.ts";
import type { Citation, NeutralEvent, Part, ReasoningPart, Stop, ToolCallPart, Usage } from "../../neutral.ts";
import { answerId, randomId } from "../../translation/ids.ts";
import { signedBy } from "./call_signature.ts";
import { encodeAnnotation } from "./citation.ts";
import { errorFrame } from "./error.ts";
import { choicePath, detailsMember, encodeTier, ID_PREFIX, loseCitation, losePause, loseUntold } from "./response.ts";
import { encodeStop, refusalText } from "./stop.ts";
import { encodeUsage } from "./usage.ts";

export const KEEPALIVE = commentFrame("keepalive");
const DONE = dataFrame("[DONE]");

interface State {
  /** The gateway's. */
  requestId: string;
  id: string;
  created: number;
  model: string;
  tier: string | undefined;
  /** On every chunk but the last: null where the usage chunk is wanted, absent where it isn't. */
  noUsage: null | undefined;
  usage: Usage | undefined;
  estimatedInputTokens: number;
  losses: Losses;
  choices: Map<number, Choice>;
  done: boolean;
}

interface Choice {
  /** Calls so far: the next one's index. */
  calls: number;
  textLength: number;
  hasText: boolean;
  hasRefusal: boolean;
  texts: Map<number, { start: number; end: number }>;
  open: Map<number, OpenCall>;
  /** Thinking is kept whole: it is told once more, with its signatures, before the finish. */
  reasoning: Map<number, ReasoningPart>;
  /** With their part: one without offsets of its own covers all of it, however much of it is still to come. */
  citations: { i: number; citation: Citation }[];
}

interface OpenCall {
  index: number;
  isCustom: boolean;
  hasArguments: boolean;
}

function newState(answer: Answer): State {
  return {
    id: "",
    created: Math.floor(Date.now() / 1000),
    requestId: answer.requestId,
    model: answer.model,
    tier: undefined,
    noUsage: answer.request.includeUsage ? null : undefined,
    usage: undefined,
    estimatedInputTokens: answer.estimatedInputTokens,
    losses: answer.losses,
    choices: new Map(),
    done: false,
  };
}

export function openEncoder(answer: Answer): StreamEncoder {
  const state = newState(answer);
  return { encode: (event) => encodeEvent(state, event) };
}

function* encodeEvent(state: State, event: NeutralEvent): Generator<string> {
  if (state.done) return;
  switch (event.t) {
    case "start":
      return yield* begin(state, event);
    case "part_start":
      return yield* beginPart(state, event.c, event.i, event.part);
    case "text":
      return yield* addText(state, event.c, event.i, event.delta, event.logprobs);
    case "reasoning":
      return yield* addReasoning(state, event.c, event.i, event.delta);
    case "refusal":
      return yield* addRefusal(state, event.c, event.delta, event.logprobs);
    case "arguments":
      return yield* addArguments(state, event.c, event.i, event.delta);
    case "citation":
      return addCitation(state, event);
    case "opaque":
      return yield* addOpaque(state, event);
    case "part_end":
      return yield* endPart(state, event.c, event.i);
    case "finish":
      return yield* finish(state, event.c, event.stop);
    case "usage":
      state.usage = event.usage;
      return;
    case "keepalive":
      yield KEEPALIVE;
      return;
    case "native":
      return;
    case "error":
      state.done = true;
      yield errorFrame(event.failure);
      return;
    case "end":
      return yield* end(state);
    default:
      return event satisfies never;
  }
}

function frame(
  state: State,
  index: number,
  delta: JsonObject,
  finishReason: string | null = null,
  logprobs: JsonObject | null = null,
): string {
  return dataFrame(JSON.stringify({
    id: state.id,
    object: "chat.completion.chunk",
    created: state.created,
    model: state.model,
    service_tier: state.tier,
    choices: [{ index, delta, logprobs, finish_reason: finishReason }],
    usage: state.noUsage,
  }));
}

function* begin(state: State, event: Extract<NeutralEvent, { t: "start" }>): Generator<string> {
  state.id = answerId(ID_PREFIX, event.id, state.requestId);
  state.created = event.createdAt;
  state.tier = encodeTier(event.serviceTier);
  yield* choiceOf(state, 0);
}

/** A choice's first chunk tells its role, and nothing else. */
function* choiceOf(state: State, index: number): Generator<string, Choice> {
  const known = state.choices.get(index);
  if (known !== undefined) return known;
  if (state.id === "") state.id = randomId(ID_PREFIX);
  const choice: Choice = {
    calls: 0,
    textLength: 0,
    hasText: false,
    hasRefusal: false,
    texts: new Map(),
    open: new Map(),
    reasoning: new Map(),
    citations: [],
  };
  state.choices.set(index, choice);
  yield frame(state, index, { role: "assistant", content: "" });
  return choice;
}

function* beginPart(state: State, c: number, i: number, part: Part): Generator<string> {
  const choice = yield* choiceOf(state, c);
  switch (part.kind) {
    case "text":
      choice.texts.set(i, { start: choice.textLength, end: choice.textLength });
      return;
    case "reasoning":
      choice.reasoning.set(i, { ...part, opaque: [...(part.opaque ?? [])] });
      return;
    case "tool_call":
      yield frame(state, c, { tool_calls: [openCall(choice, i, part)] });
      return;
    case "refusal":
      return;
    default:
      loseUntold(part, choicePath(c), state.losses);
  }
}

function openCall(choice: Choice, i: number, part: ToolCallPart): JsonObject {
  const index = choice.calls++;
  const isCustom = part.toolKind === "custom";
  choice.open.set(i, { index, isCustom, hasArguments: false });
  const { id, name } = part;
  return isCustom
    ? { index, id, type: "custom", custom: { name, input: "" } }
    : { index, id, type: "function", function: { name, arguments: "" } };
}

function* addText(state: State, c: number, i: number, delta: string, logprobs?: unknown[]): Generator<string> {
  const choice = yield* choiceOf(state, c);
  const text = choice.texts.get(i);
  // Text of a part that this format can't show (a compaction) is no part of the answer.
  if (text === undefined) return;
  choice.hasText ||= delta !== "";
  choice.textLength += delta.length;
  text.end += delta.length;
  yield frame(state, c, { content: delta }, null, logprobs === undefined ? null : { content: logprobs, refusal: null });
}

function* addReasoning(state: State, c: number, i: number, delta: string): Generator<string> {
  const choice = yield* choiceOf(state, c);
  const part = choice.reasoning.get(i);
  if (part !== undefined) part.text += delta;
  yield frame(state, c, { reasoning_content: delta });
}

function* addRefusal(state: State, c: number, delta: string, logprobs?: unknown[]): Generator<string> {
  const choice = yield* choiceOf(state, c);
  choice.hasRefusal = true;
  yield frame(state, c, { refusal: delta }, null, logprobs === undefined ? null : { content: null, refusal: logprobs });
}

function* addArguments(state: State, c: number, i: number, delta: string): Generator<string> {
  const call = state.choices.get(c)?.open.get(i);
  if (call === undefined || delta === "") return;
  call.hasArguments = true;
  yield frame(state, c, { tool_calls: [callDelta(call, delta)] });
}

function callDelta({ index, isCustom }: OpenCall, delta: string): JsonObject {
  return isCustom ? { index, custom: { input: delta } } : { index, function: { arguments: delta } };
}

function addCitation(state: State, event: Extract<NeutralEvent, { t: "citation" }>): void {
  if (encodeAnnotation(event.citation, 0, 0) === undefined) loseCitation(choicePath(event.c), state.losses);
  else state.choices.get(event.c)?.citations.push({ i: event.i, citation: event.citation });
}

/** Signatures of thinking wait for the entries; a call's own goes out beside its arguments. */
function* addOpaque(state: State, event: Extract<NeutralEvent, { t: "opaque" }>): Generator<string> {
  const choice = state.choices.get(event.c);
  choice?.reasoning.get(event.i)?.opaque?.push(event.opaque);
  const call = choice?.open.get(event.i);
  if (call === undefined || event.opaque.kind !== "thought_signature") return;
  const delta = { ...callDelta(call, ""), ...signedBy(event.opaque.value) };
  yield frame(state, event.c, { tool_calls: [delta] });
}

/** Clients parse a function's arguments: no arguments are an empty object. */
function* endPart(state: State, c: number, i: number): Generator<string> {
  const call = state.choices.get(c)?.open.get(i);
  if (call === undefined) return;
  state.choices.get(c)?.open.delete(i);
  if (!call.isCustom && !call.hasArguments) yield frame(state, c, { tool_calls: [callDelta(call, "{}")] });
}

function* finish(state: State, c: number, stop: Stop): Generator<string> {
  const choice = yield* choiceOf(state, c);
  const isEmpty = !choice.hasText && !choice.hasRefusal && choice.calls === 0;
  if (stop.reason === "malformed_tool_call" && isEmpty) {
    state.done = true;
    yield errorFrame(protocolFault("The model wrote a tool call that can't be read"));
    return;
  }
  if (stop.reason === "pause") losePause(choicePath(c), state.losses);
  if (stop.reason === "refusal" && isEmpty) yield frame(state, c, { refusal: refusalText(stop) });
  const last = lastMembers(choice);
  if (Object.keys(last).length > 0) yield frame(state, c, last);
  yield frame(state, c, {}, encodeStop(stop, { call: choice.calls > 0, refusal: choice.hasRefusal }));
}

/** What JS keeps only the last and Python adds up is sent whole and once (TRANSLATION.md, 1.4). */
function lastMembers(choice: Choice): JsonObject {
  const annotations = choice.citations.map(({ i, citation }) => {
    const text = choice.texts.get(i);
    return encodeAnnotation(citation, text?.start ?? 0, text?.end ?? 0);
  });
  return {
    ...detailsMember([...choice.reasoning.values()]),
    ...(annotations.length === 0 ? {} : { annotations }),
  };
}

function* end(state: State): Generator<string> {
  state.done = true;
  if (state.noUsage === null) {
    yield dataFrame(JSON.stringify({
      id: state.id,
      object: "chat.completion.chunk",
      created: state.created,
      model: state.model,
      service_tier: state.tier,
      choices: [],
      usage: encodeUsage(state.usage ?? noUsage(state)),
    }));
  }
  yield DONE;
}

/** Nobody counted: the estimate of the input is all there is. */
function noUsage({ estimatedInputTokens }: State): Usage {
  return {
    inputTokens: estimatedInputTokens,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: 0,
    reasoningTokens: 0,
    estimated: true,
  };
}
