/** The list of the mock's models, in the shape of who asks. */
import type { JsonObject } from "../base/fields.ts";
import { CREATED_AT } from "./answer.ts";
import { MOCK_MODELS } from "./models.ts";

/** Anthropic's SDKs send their version, or a key where OpenAI's never put it. */
export function wantsMessagesShape(headers: Headers): boolean {
  return headers.has("anthropic-version") || (headers.has("x-api-key") && !headers.has("authorization"));
}

export function listModels(headers: Headers): JsonObject {
  const data = MOCK_MODELS.map((name) => oneModel(name, headers));
  if (!wantsMessagesShape(headers)) return { object: "list", data };
  return { data, has_more: false, first_id: MOCK_MODELS[0] ?? null, last_id: MOCK_MODELS.at(-1) ?? null };
}

export function oneModel(name: string, headers: Headers): JsonObject {
  if (!wantsMessagesShape(headers)) return { id: name, object: "model", created: CREATED_AT, owned_by: "mock" };
  return {
    type: "model",
    id: name,
    display_name: name,
    created_at: new Date(CREATED_AT * 1000).toISOString().replace(".000", ""),
    capabilities: null,
    max_input_tokens: null,
    max_tokens: null,
    lifecycle: "active",
    line: null,
    deprecated_at: null,
    retires_at: null,
  };
}
