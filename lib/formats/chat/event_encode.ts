/** A stream for a client: neutral → wire (TRANSLATION.md, 4.1, 4.6 and 4.7). */
import { protocolFault } from "../../base/failure.ts";
import type { JsonObject } from "../../base/fields.ts";
import { Mould } from "../../base/mould.ts";
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
  /** Of chunks that bring nothing but text, once the first has come. */
  textMould: Mould | undefined;
  reasoningMould: Mould | undefined;
}

interface OpenCall {
  index: number;
  isCustom: boolean;
  hasArguments: boolean;
  /** Of its arguments, once the first have come. */
  mould: Mould | undefined;
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

const NOTHING: readonly string[] = [];

function encodeEvent(state: State, event: NeutralEvent): readonly string[] {
  if (state.done) return NOTHING;
  const out: string[] = [];
  addFrames(out, state, event);
  return out;
}

/** Frames are added to `out`, here and below. */
function addFrames(out: string[], state: State, event: NeutralEvent): void {
  switch (event.t) {
    case "start":
      return begin(out, state, event);
    case "part_start":
      return beginPart(out, state, event.c, event.i, event.part);
    case "text":
      return addText(out, state, event.c, event.i, event.delta, event.logprobs);
    case "reasoning":
      return addReasoning(out, state, event.c, event.i, event.delta);
    case "refusal":
      return addRefusal(out, state, event.c, event.delta, event.logprobs);
    case "arguments":
      return addArguments(out, state, event.c, event.i, event.delta);
    case "citation":
      return addCitation(state, event);
    case "opaque":
      return addOpaque(out, state, event);
    case "part_end":
      return endPart(out, state, event.c, event.i);
    case "finish":
      return finish(out, state, event.c, event.stop);
    case "usage":
      state.usage = event.usage;
      return;
    case "keepalive":
      out.push(KEEPALIVE);
      return;
    case "native":
      return;
    case "error":
      state.done = true;
      out.push(errorFrame(event.failure));
      return;
    case "end":
      return end(out, state);
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

function begin(out: string[], state: State, event: Extract<NeutralEvent, { t: "start" }>): void {
  state.id = answerId(ID_PREFIX, event.id, state.requestId);
  state.created = event.createdAt;
  state.tier = encodeTier(event.serviceTier);
  choiceOf(out, state, 0);
}

/** A choice's first chunk tells its role, and nothing else. */
function choiceOf(out: string[], state: State, index: number): Choice {
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
    textMould: undefined,
    reasoningMould: undefined,
  };
  state.choices.set(index, choice);
  out.push(frame(state, index, { role: "assistant", content: "" }));
  return choice;
}

function beginPart(out: string[], state: State, c: number, i: number, part: Part): void {
  const choice = choiceOf(out, state, c);
  switch (part.kind) {
    case "text":
      choice.texts.set(i, { start: choice.textLength, end: choice.textLength });
      return;
    case "reasoning":
      choice.reasoning.set(i, { ...part, opaque: [...(part.opaque ?? [])] });
      return;
    case "tool_call":
      out.push(frame(state, c, { tool_calls: [openCall(choice, i, part)] }));
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
  choice.open.set(i, { index, isCustom, hasArguments: false, mould: undefined });
  const { id, name } = part;
  return isCustom
    ? { index, id, type: "custom", custom: { name, input: "" } }
    : { index, id, type: "function", function: { name, arguments: "" } };
}

function addText(out: string[], state: State, c: number, i: number, delta: string, logprobs?: unknown[]): void {
  const choice = choiceOf(out, state, c);
  const text = choice.texts.get(i);
  // Text of a part that this format can't show (a compaction) is no part of the answer.
  if (text === undefined) return;
  choice.hasText ||= delta !== "";
  choice.textLength += delta.length;
  text.end += delta.length;
  if (logprobs !== undefined) {
    out.push(frame(state, c, { content: delta }, null, { content: logprobs, refusal: null }));
    return;
  }
  choice.textMould ??= new Mould((content) => frame(state, c, { content }));
  out.push(choice.textMould.fill(delta));
}

function addReasoning(out: string[], state: State, c: number, i: number, delta: string): void {
  const choice = choiceOf(out, state, c);
  const part = choice.reasoning.get(i);
  if (part !== undefined) part.text += delta;
  choice.reasoningMould ??= new Mould((reasoning_content) => frame(state, c, { reasoning_content }));
  out.push(choice.reasoningMould.fill(delta));
}

function addRefusal(out: string[], state: State, c: number, delta: string, logprobs?: unknown[]): void {
  const choice = choiceOf(out, state, c);
  choice.hasRefusal = true;
  out.push(
    frame(state, c, { refusal: delta }, null, logprobs === undefined ? null : { content: null, refusal: logprobs }),
  );
}

function addArguments(out: string[], state: State, c: number, i: number, delta: string): void {
  const call = state.choices.get(c)?.open.get(i);
  if (call === undefined || delta === "") return;
  call.hasArguments = true;
  call.mould ??= new Mould((text) => frame(state, c, { tool_calls: [callDelta(call, text)] }));
  out.push(call.mould.fill(delta));
}

function callDelta({ index, isCustom }: OpenCall, delta: string): JsonObject {
  return isCustom ? { index, custom: { input: delta } } : { index, function: { arguments: delta } };
}

function addCitation(state: State, event: Extract<NeutralEvent, { t: "citation" }>): void {
  if (encodeAnnotation(event.citation, 0, 0) === undefined) loseCitation(choicePath(event.c), state.losses);
  else state.choices.get(event.c)?.citations.push({ i: event.i, citation: event.citation });
}

/** Signatures of thinking wait for the entries; a call's own goes out beside its arguments. */
function addOpaque(out: string[], state: State, event: Extract<NeutralEvent, { t: "opaque" }>): void {
  const choice = state.choices.get(event.c);
  choice?.reasoning.get(event.i)?.opaque?.push(event.opaque);
  const call = choice?.open.get(event.i);
  if (call === undefined || event.opaque.kind !== "thought_signature") return;
  const delta = { ...callDelta(call, ""), ...signedBy(event.opaque.value) };
  out.push(frame(state, event.c, { tool_calls: [delta] }));
}

/** Clients parse a function's arguments: no arguments are an empty object. */
function endPart(out: string[], state: State, c: number, i: number): void {
  const call = state.choices.get(c)?.open.get(i);
  if (call === undefined) return;
  state.choices.get(c)?.open.delete(i);
  if (!call.isCustom && !call.hasArguments) out.push(frame(state, c, { tool_calls: [callDelta(call, "{}")] }));
}

function finish(out: string[], state: State, c: number, stop: Stop): void {
  const choice = choiceOf(out, state, c);
  const isEmpty = !choice.hasText && !choice.hasRefusal && choice.calls === 0;
  if (stop.reason === "malformed_tool_call" && isEmpty) {
    state.done = true;
    out.push(errorFrame(protocolFault("The model wrote a tool call that can't be read")));
    return;
  }
  if (stop.reason === "pause") losePause(choicePath(c), state.losses);
  if (stop.reason === "refusal" && isEmpty) out.push(frame(state, c, { refusal: refusalText(stop) }));
  const last = lastMembers(choice);
  if (Object.keys(last).length > 0) out.push(frame(state, c, last));
  out.push(frame(state, c, {}, encodeStop(stop, { call: choice.calls > 0, refusal: choice.hasRefusal })));
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

function end(out: string[], state: State): void {
  state.done = true;
  if (state.noUsage === null) {
    out.push(dataFrame(JSON.stringify({
      id: state.id,
      object: "chat.completion.chunk",
      created: state.created,
      model: state.model,
      service_tier: state.tier,
      choices: [],
      usage: encodeUsage(state.usage ?? noUsage(state)),
    })));
  }
  out.push(DONE);
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
