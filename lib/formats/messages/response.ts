/** Whole answers, both ways (TRANSLATION.md, 3). */
import { fail, protocolFault, type Result, success } from "../../base/failure.ts";
import { defined, Faults, Fields, isObject, type JsonObject } from "../../base/fields.ts";
import type { Answer, Target } from "../../format.ts";
import type { NeutralResponse, Part, Usage } from "../../neutral.ts";
import { tokensOfBytes, utf8Length } from "../../translation/estimate.ts";
import { answerId } from "../../translation/ids.ts";
import { failureOfError } from "../../translation/upstream_error.ts";
import { answerBlocks, newSeen } from "./answer_block.ts";
import { decodeBlocks } from "./block_decode.ts";
import { isErrorBody } from "./error.ts";
import { decodeStop, encodeStop } from "./stop.ts";
import { decodeTier, decodeUsage, encodeTier, encodeUsage } from "./usage.ts";
import { ownExtra, unread } from "./wire.ts";

/** Fails with kind `upstream_protocol` on what is no message, with the error's own kind on an error served as 200. */
export function decodeResponse(body: JsonObject, target: Target): Result<NeutralResponse> {
  if (isErrorBody(body)) return fail(failureOfError(body));
  if (!Array.isArray(body["content"])) return fail(protocolFault("The upstream's answer has no content"));
  const faults = new Faults();
  const fields = new Fields(faults, body, "");
  fields.skip("type", "role", "stop_reason", "stop_sequence", "stop_details", "usage");
  const parts = decodeBlocks(fields, "content", { side: "answer", issuer: target.family });
  const response: NeutralResponse = {
    id: fields.string("id") ?? "",
    model: fields.string("model") ?? target.model,
    createdAt: now(),
    candidates: [{ index: 0, parts, stop: decodeStop(body, parts.some(isCall)) }],
    usage: decodeUsage(body["usage"]),
    ...defined({ serviceTier: decodeTier(body["usage"]) }),
    ...ownExtra(unread(fields)),
  };
  if (faults.first === undefined) return success(response);
  return fail(protocolFault(`The upstream's answer is malformed: ${faults.first.message}`));
}

/** Unix seconds: this format doesn't say when it answered. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}

function isCall(part: Part): boolean {
  return part.kind === "tool_call";
}

/** A whole `Message`, nullable members included. Answers with several candidates were refused: the first is it. */
export function encodeResponse(response: NeutralResponse, answer: Answer): JsonObject {
  const [candidate] = response.candidates;
  const seen = newSeen();
  const content = (candidate?.parts ?? []).flatMap((part, index) =>
    answerBlocks(part, `content[${index}]`, seen, answer.losses)
  );
  const usage = response.usage ?? estimatedUsage(content, answer);
  return {
    id: answerId("msg_", response.id, answer.requestId),
    type: "message",
    role: "assistant",
    model: answer.model,
    content,
    ...encodeStop(candidate?.stop ?? { reason: "unknown" }, seen),
    container: null,
    diagnostics: null,
    ...(response.extra?.format === "messages" ? response.extra.fields : {}),
    usage: { ...encodeTier(response.serviceTier), ...encodeUsage(usage) },
  };
}

function estimatedUsage(content: readonly JsonObject[], answer: Answer): Usage {
  return {
    inputTokens: answer.estimatedInputTokens,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: content.length === 0 ? 0 : tokensOfBytes(utf8Length(JSON.stringify(content))),
    reasoningTokens: 0,
    estimated: true,
  };
}

/** The `usage` members of `message_start` and `message_delta`, later counts over earlier ones; null says nothing. */
export function laterUsage(earlier: JsonObject | undefined, later: unknown): JsonObject | undefined {
  if (!isObject(later)) return earlier;
  const said = Object.entries(later).filter(([, value]) => value !== null && value !== undefined);
  return { ...earlier, ...Object.fromEntries(said) };
}
