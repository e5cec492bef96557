/** Stop reasons (TRANSLATION.md, 3.2). */
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { Stop, StopReason } from "../../neutral.ts";

const FROM_WIRE: Readonly<Record<string, StopReason>> = {
  end_turn: "stop",
  stop_sequence: "stop_sequence",
  max_tokens: "max_tokens",
  model_context_window_exceeded: "context_window",
  tool_use: "tool_calls",
  refusal: "refusal",
  pause_turn: "pause",
  compaction: "compaction",
};

const TO_WIRE: Readonly<Record<StopReason, string>> = {
  stop: "end_turn",
  stop_sequence: "stop_sequence",
  max_tokens: "max_tokens",
  context_window: "model_context_window_exceeded",
  tool_calls: "tool_use",
  content_filter: "refusal",
  refusal: "refusal",
  pause: "pause_turn",
  compaction: "compaction",
  malformed_tool_call: "end_turn",
  unknown: "end_turn",
};

/** `holder` is a message or a `message_delta`'s delta. What it says is mended by whether the answer holds a call. */
export function decodeStop(holder: JsonObject, hasCall: boolean): Stop {
  const raw = holder["stop_reason"];
  const said: StopReason = typeof raw === "string" ? FROM_WIRE[raw] ?? "unknown" : "unknown";
  const sequence = holder["stop_sequence"];
  const details = isObject(holder["stop_details"]) ? holder["stop_details"] : {};
  return {
    reason: mended(said, hasCall),
    ...(typeof sequence === "string" ? { sequence } : {}),
    ...(typeof details["category"] === "string" ? { category: details["category"] } : {}),
    ...(typeof details["explanation"] === "string" ? { explanation: details["explanation"] } : {}),
    ...(typeof raw === "string" ? { raw } : {}),
  };
}

function mended(reason: StopReason, hasCall: boolean): StopReason {
  if (reason === "tool_calls") return hasCall ? reason : "stop";
  return hasCall && (reason === "stop" || reason === "unknown") ? "tool_calls" : reason;
}

/** What was seen of an answer on its way to the client, beside the stop reason that the upstream gave. */
export interface Seen {
  call: boolean;
  /** A call whose arguments broke off: it must not look complete (PITFALLS, 37). */
  brokenCall: boolean;
  refusal: boolean;
}

/** The members `stop_reason`, `stop_sequence` and `stop_details`. */
export function encodeStop(stop: Stop, seen: Seen): JsonObject {
  const reason = seen.refusal && stop.reason === "stop" ? "refusal" : mended(stop.reason, seen.call);
  const cut = seen.brokenCall && reason === "tool_calls";
  const wire = cut ? "max_tokens" : TO_WIRE[reason];
  return {
    stop_reason: wire,
    stop_sequence: reason === "stop_sequence" ? stop.sequence ?? null : null,
    stop_details: wire === "refusal"
      ? { type: "refusal", category: stop.category ?? null, explanation: stop.explanation ?? null }
      : null,
  };
}
