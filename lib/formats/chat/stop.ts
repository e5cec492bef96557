/** Finish reasons (TRANSLATION.md, 3.2), and what an upstream's own word is mended by. */
import type { Failure } from "../../base/failure.ts";
import type { Stop, StopReason } from "../../neutral.ts";

const FROM_WIRE: Readonly<Record<string, StopReason>> = {
  stop: "stop",
  eos: "stop",
  eos_token: "stop",
  end_turn: "stop",
  stop_sequence: "stop_sequence",
  length: "max_tokens",
  max_tokens: "max_tokens",
  model_length: "context_window",
  tool_calls: "tool_calls",
  tool_use: "tool_calls",
  function_call: "tool_calls",
  content_filter: "content_filter",
  safety: "content_filter",
};

const TO_WIRE: Readonly<Record<StopReason, string>> = {
  stop: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  context_window: "length",
  tool_calls: "tool_calls",
  content_filter: "content_filter",
  refusal: "content_filter",
  pause: "stop",
  compaction: "stop",
  malformed_tool_call: "stop",
  unknown: "stop",
};

/** What was seen of an answer beside its finish reason. */
export interface Seen {
  call: boolean;
  refusal: boolean;
  /** A call whose arguments end before their JSON does. */
  brokenCall: boolean;
}

/** `raw`: the upstream's word, `""` where it gave none. `sequence`: the stop sequence, where the upstream names it. */
export function decodeStop(raw: string, sequence: string | undefined, seen: Seen): Stop {
  const said = FROM_WIRE[raw.toLowerCase()] ?? "unknown";
  return {
    reason: mended(sequence !== undefined && said === "stop" ? "stop_sequence" : said, seen),
    ...(sequence === undefined ? {} : { sequence }),
    ...(raw === "" ? { assumed: true } : { raw }),
  };
}

function mended(said: StopReason, seen: Seen): StopReason {
  const isOpen = said === "stop" || said === "unknown";
  // PITFALLS, 37: a call that broke off must never look complete.
  if (seen.brokenCall && (isOpen || said === "tool_calls")) return "max_tokens";
  if (seen.call && isOpen) return "tool_calls";
  if (said === "tool_calls" && !seen.call) return "stop";
  if (said === "unknown") return "stop";
  return seen.refusal && said === "stop" ? "refusal" : said;
}

/** Words that end an answer as an error does: they are no finish. */
export function failureOfFinish(raw: string): Failure | undefined {
  if (raw === "error") return upstreamFailure("upstream", "The upstream reported an error as its finish reason");
  if (raw === "insufficient_system_resource") {
    return upstreamFailure("overloaded", "The upstream ran out of resources while it answered");
  }
  return undefined;
}

function upstreamFailure(kind: "upstream" | "overloaded", message: string): Failure {
  return { kind, source: "upstream", message, retry: true };
}

/** What an encoder has put into an answer's candidate so far. */
export interface Told {
  call: boolean;
  refusal: boolean;
}

export function encodeStop(stop: Stop, told: Told): string {
  if (stop.reason === "tool_calls" && !told.call) return "stop";
  if (told.call && (stop.reason === "stop" || stop.reason === "unknown")) return "tool_calls";
  return stop.reason === "refusal" && told.refusal ? "stop" : TO_WIRE[stop.reason];
}

/** A refusal that came without words is told in some: chat has no other place for it (TRANSLATION.md, 3.4). */
export function refusalText(stop: Stop): string {
  return stop.explanation ?? "The model refused.";
}
