/** `POST /v1/messages/count_tokens`: MessageCountTokensParams of @anthropic-ai/sdk 1.11.0. */
import type { JsonObject } from "../../base/fields.ts";
import type { Counting } from "../../format.ts";

/** It refuses all other members of a request. */
const COUNTED: ReadonlySet<string> = new Set([
  "model",
  "messages",
  "system",
  "tools",
  "tool_choice",
  "thinking",
  "output_config",
  "cache_control",
]);

export const counting: Counting = {
  path: "/messages/count_tokens",
  ask: (body) => Object.fromEntries(Object.entries(body).filter(([member]) => COUNTED.has(member))),
  // Counting needs no limit, the format does.
  complete: (body) => ({ max_tokens: 1, ...body }),
  read: ({ input_tokens: tokens }) => typeof tokens === "number" ? tokens : undefined,
  answer: (tokens): JsonObject => ({ input_tokens: tokens }),
};
