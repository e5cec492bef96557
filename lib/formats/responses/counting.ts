/** `POST /v1/responses/input_tokens`: InputTokenCountParams of openai 7.55.0. */
import type { JsonObject } from "../../base/fields.ts";
import type { Counting } from "../../format.ts";

/** It knows no other members of a request. */
const COUNTED: ReadonlySet<string> = new Set([
  "model",
  "input",
  "instructions",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "reasoning",
  "text",
  "truncation",
  "conversation",
  "previous_response_id",
]);

export const counting: Counting = {
  path: "/responses/input_tokens",
  ask: (body) => Object.fromEntries(Object.entries(body).filter(([member]) => COUNTED.has(member))),
  complete: (body) => body,
  read: ({ input_tokens: tokens }) => typeof tokens === "number" ? tokens : undefined,
  answer: (tokens): JsonObject => ({ object: "response.input_tokens", input_tokens: tokens }),
};
