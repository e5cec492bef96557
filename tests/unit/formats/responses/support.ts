/** What the tests of the responses format share: requests, targets, streams in and out. */
import assert from "node:assert/strict";
import { capabilitiesOf } from "../../../../lib/capabilities.ts";
import type { Failure } from "../../../../lib/base/failure.ts";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { type Answer, type EncodedRequest, type Flag, Losses, type Target } from "../../../../lib/format.ts";
import { responses } from "../../../../lib/formats/responses/mod.ts";
import type { NeutralEvent, NeutralRequest, NeutralResponse } from "../../../../lib/neutral.ts";
import { openSequencer } from "../../../../lib/translation/sequencer.ts";

export const MODEL = "gpt-5.6-test";

export function decode(body: JsonObject): NeutralRequest {
  const result = responses.decodeRequest({ model: MODEL, ...body }, new Headers());
  assert.ok(result.ok, result.ok ? "" : result.failure.message);
  return result.value;
}

export function decodeFailure(body: JsonObject): Failure {
  const result = responses.decodeRequest(body, new Headers());
  assert.ok(!result.ok);
  return result.failure;
}

export function target(parts: { model?: string; family?: string; flags?: Flag[] } = {}): Target {
  const model = parts.model ?? MODEL;
  return {
    provider: "lab",
    model,
    format: "responses",
    family: parts.family ?? "openai",
    flags: new Set(parts.flags),
    capabilities: capabilitiesOf(model),
  };
}

export interface Encoded extends EncodedRequest {
  /** Paths of what was lost. */
  lost: string[];
}

export function encode(request: NeutralRequest, to: Target = target()): Encoded {
  const losses = new Losses();
  const result = responses.encodeRequest(request, to, losses);
  assert.ok(result.ok, result.ok ? "" : result.failure.message);
  return { ...result.value, lost: losses.list.map((loss) => loss.path) };
}

export function encodeFailure(request: NeutralRequest, to: Target = target()): Failure {
  const result = responses.encodeRequest(request, to, new Losses());
  assert.ok(!result.ok);
  return result.failure;
}

export function answerTo(body: JsonObject = { input: "Hi" }): Answer {
  return {
    requestId: "req_1",
    model: "asked-for",
    request: decode(body),
    estimatedInputTokens: 11,
    losses: new Losses(),
  };
}

/** The events of a stream whose `data:` are these objects, ended by a closed body. */
export function decodeStream(values: readonly (JsonObject | string)[], family = "openai"): NeutralEvent[] {
  const decoder = responses.openDecoder(target({ family }));
  const events: NeutralEvent[] = [];
  for (const value of values) {
    const data = typeof value === "string" ? value : JSON.stringify(value);
    events.push(...decoder.decode({ event: "", data }));
  }
  events.push(...decoder.end());
  return events;
}

export function encodeStream(events: readonly NeutralEvent[], answer: Answer = answerTo()): string {
  const encoder = responses.openEncoder(answer);
  const sequencer = openSequencer();
  let text = "";
  for (const event of events) {
    for (const ordered of sequencer.push(event)) for (const frame of encoder.encode(ordered)) text += frame;
  }
  return text;
}

/** The `data:` objects of a stream. */
/** The events of a stream, without the `[DONE]` that ends it. */
export function dataOf(text: string): JsonObject[] {
  return text.split("\n").filter((line) => line.startsWith("data: {")).map((line) => JSON.parse(line.slice(6)));
}

export function typesOf(text: string): string[] {
  return dataOf(text).map((data) => String(data["type"]));
}

export function find(text: string, type: string): JsonObject {
  const data = dataOf(text).find((candidate) => candidate["type"] === type);
  assert.ok(data !== undefined, `no ${type}`);
  return data;
}

/** The response of a stream's last event that has one. */
export function lastResponse(text: string): JsonObject {
  const data = dataOf(text).findLast((candidate) => candidate["response"] !== undefined);
  assert.ok(data !== undefined);
  return data["response"] as JsonObject;
}

export function itemsOf(response: JsonObject): JsonObject[] {
  return response["output"] as JsonObject[];
}

export function encodeAnswer(parts: NeutralResponse["candidates"][0]["parts"], reason: "stop" | "max_tokens" = "stop") {
  const answer = answerTo();
  const response: NeutralResponse = {
    id: "resp_1",
    model: "m",
    createdAt: 1_790_000_000,
    candidates: [{ index: 0, parts, stop: { reason } }],
    usage: undefined,
  };
  return { body: responses.encodeResponse(response, answer), losses: answer.losses };
}

export function decodeAnswer(body: JsonObject, family = "openai"): NeutralResponse {
  const result = responses.decodeResponse({ id: "resp_1", model: "m", created_at: 1, ...body }, target({ family }));
  assert.ok(result.ok, result.ok ? "" : result.failure.message);
  return result.value;
}

/** Without ids, which are random. */
export function withoutIds(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, inner: unknown) => key === "id" ? undefined : inner));
}
