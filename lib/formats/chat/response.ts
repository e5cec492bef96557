/** Whole answers, both ways (TRANSLATION.md, section 3). */
import { protocolFault, type Result } from "../../base/failure.ts";
import { defined, isObject, type JsonObject } from "../../base/fields.ts";
import type { Answer, Losses, Target } from "../../format.ts";
import type { Candidate, NeutralResponse, Part, ReasoningPart, TextPart, ToolCallPart } from "../../neutral.ts";
import { answerId } from "../../translation/ids.ts";
import { collect } from "../../translation/whole.ts";
import { failureOfError } from "../../translation/upstream_error.ts";
import { signedBy } from "./call_signature.ts";
import { encodeAnnotation } from "./citation.ts";
import { replayWhole } from "./event_decode.ts";
import { detailsOf } from "./reasoning.ts";
import { encodeStop, refusalText } from "./stop.ts";
import { encodeUsage } from "./usage.ts";
import { objectsOf, textOf } from "./wire.ts";

/** The failure of an error object; `upstream_protocol` when there is no answer in it. */
export function decodeResponse(body: JsonObject, target: Target): Result<NeutralResponse> {
  if (isObject(body["error"]) || textOf(body["error"]) !== "") {
    return { ok: false, failure: failureOfError(body) };
  }
  const choices = objectsOf(body["choices"]);
  if (choices.length === 0) return { ok: false, failure: protocolFault("The upstream's answer has no choices") };
  return collect(replayWhole(body, choices, target));
}

export const ID_PREFIX = "chatcmpl-";

export function encodeResponse(response: NeutralResponse, answer: Answer): JsonObject {
  return {
    id: answerId(ID_PREFIX, response.id, answer.requestId),
    object: "chat.completion",
    created: response.createdAt,
    model: answer.model,
    choices: response.candidates.map((candidate) => encodeCandidate(candidate, answer.losses)),
    ...defined({
      usage: response.usage === undefined ? undefined : encodeUsage(response.usage),
      service_tier: encodeTier(response.serviceTier),
    }),
  };
}

/** The tiers of OpenAI's own types; others have no partner. */
const TIERS: ReadonlySet<string> = new Set(["auto", "default", "flex", "scale", "priority", "fast"]);

export function encodeTier(tier: string | undefined): string | undefined {
  return tier !== undefined && TIERS.has(tier) ? tier : undefined;
}

function encodeCandidate(candidate: Candidate, losses: Losses): JsonObject {
  const { index, parts, stop } = candidate;
  const path = choicePath(index);
  for (const part of parts) loseUntold(part, path, losses);
  if (stop.reason === "pause") losePause(path, losses);
  const texts = parts.filter((part) => part.kind === "text");
  const calls = parts.filter((part) => part.kind === "tool_call");
  const refusal = refusalOf(candidate, texts.length > 0);
  return {
    index,
    message: {
      role: "assistant",
      content: texts.length === 0 ? null : texts.map((part) => part.text).join(""),
      refusal: refusal === "" ? null : refusal,
      ...reasoningMembers(parts.filter((part) => part.kind === "reasoning")),
      ...annotations(texts, path, losses),
      ...(calls.length === 0 ? {} : { tool_calls: calls.map(encodeCall) }),
    },
    logprobs: logprobsOf(texts),
    finish_reason: encodeStop(stop, { call: calls.length > 0, refusal: hasRefusal(parts) }),
  };
}

export function choicePath(index: number): string {
  return `choices[${index}]`;
}

export function losePause(path: string, losses: Losses): void {
  losses.add(`${path}.finish_reason`, "chat can't say that the turn was paused");
}

function hasRefusal(parts: readonly Part[]): boolean {
  return parts.some((part) => part.kind === "refusal" && part.text !== "");
}

function refusalOf({ parts, stop }: Candidate, hasText: boolean): string {
  const said = parts.map((part) => part.kind === "refusal" ? part.text : "").join("");
  return said === "" && stop.reason === "refusal" && !hasText ? refusalText(stop) : said;
}

/** Parts that this format's answers can't show. */
export function loseUntold(part: Part, path: string, losses: Losses): void {
  switch (part.kind) {
    case "text":
    case "refusal":
    case "reasoning":
    case "tool_call":
      return;
    case "image":
    case "audio":
    case "video":
    case "document":
    case "search_result":
    case "tool_result":
    case "compaction":
    case "native":
      losses.add(`${path}.message`, `chat's answers can't hold a part of kind ${part.kind}`);
      return;
    default:
      return part satisfies never;
  }
}

/** All thinking in one string for those who show it; the entries for those who send it back. */
export function reasoningMembers(parts: readonly ReasoningPart[]): JsonObject {
  const text = parts.map((part) => part.text).join("");
  return {
    ...(text === "" ? {} : { reasoning_content: text }),
    ...detailsMember(parts),
  };
}

/** Unsigned thinking needs no entries: the string tells all of it. */
export function detailsMember(parts: readonly ReasoningPart[]): JsonObject {
  const isSigned = parts.some((part) => (part.opaque?.length ?? 0) > 0);
  return isSigned ? { reasoning_details: detailsOf(parts) } : {};
}

function annotations(texts: readonly TextPart[], path: string, losses: Losses): JsonObject {
  const list: JsonObject[] = [];
  let start = 0;
  for (const { text, citations } of texts) {
    for (const citation of citations ?? []) {
      const encoded = encodeAnnotation(citation, start, start + text.length);
      if (encoded === undefined) loseCitation(path, losses);
      else list.push(encoded);
    }
    start += text.length;
  }
  return list.length === 0 ? {} : { annotations: list };
}

export function loseCitation(path: string, losses: Losses): void {
  losses.add(`${path}.message.annotations`, "chat cites web pages alone");
}

function encodeCall(part: ToolCallPart): JsonObject {
  const call = part.toolKind === "custom"
    ? { id: part.id, type: "custom", custom: { name: part.name, input: part.arguments } }
    : { id: part.id, type: "function", function: { name: part.name, arguments: part.arguments || "{}" } };
  const signature = part.opaque?.find((opaque) => opaque.kind === "thought_signature");
  return signature === undefined ? call : { ...call, ...signedBy(signature.value) };
}

function logprobsOf(texts: readonly TextPart[]): JsonObject | null {
  const content = texts.flatMap((part) => part.logprobs ?? []);
  return content.length === 0 ? null : { content, refusal: null };
}
