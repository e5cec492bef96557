/** What the encoders of one request share. */
import type { Failure } from "../../base/failure.ts";
import type { JsonObject } from "../../base/fields.ts";
import type { Losses, Target } from "../../format.ts";
import type { NeutralRequest } from "../../neutral.ts";
import type { ToolNames } from "../../translation/names.ts";

export interface Encoding {
  request: NeutralRequest;
  target: Target;
  losses: Losses;
  /**
   * The client speaks this format itself: its own fields go as they are, and no guard of the translation touches them.
   */
  own: boolean;
  names: ToolNames;
  /** The target's ids of tool calls, calls before their results. */
  ids: CallIds;
  /** The first thing that can't be carried without changing the request's meaning. */
  refusal: Failure | undefined;
  /** Blocks and tools that hold a cache mark, in the order of the prompt. */
  marks: Mark[];
  /** A last turn of the assistant's may stand as the beginning of its answer. */
  prefill: boolean;
  /** Thinking of the history was left out, because it isn't this target's. */
  droppedThinking: boolean;
}

export interface Mark {
  holder: JsonObject;
  path: string;
}

/** Tool call ids as this format takes them. A reused id gets a new one, as ids must differ across the history. */
export interface CallIds {
  /** The id of a new call. */
  next(id: string): string;
  /** The id of the latest call that has this id. */
  latest(id: string): string;
}

export function refuse(encoding: Encoding, failure: Failure): void {
  encoding.refusal ??= failure;
}

/** How the client names a field: a top-level one of the neutral form, or one of `state`. */
export function clientName(request: NeutralRequest, field: string): string {
  return request.wireNames[field] ?? field;
}

/** Where a client wrote the mark of the part or tool at `path`. */
export function markPath(request: NeutralRequest, path: string): string {
  return `${path}.${request.wireNames["cacheMark"] ?? clientName(request, "cache")}`;
}
