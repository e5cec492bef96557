/** What is told without a model: the list of models, health, metrics. */
import { fail, invalid, type Result, success } from "./base/failure.ts";
import type { JsonObject } from "./base/fields.ts";
import type { Config } from "./config.ts";
import { MOCK_MODELS } from "./mock/mod.ts";
import { exactNames, route } from "./router.ts";
import type { Siblings } from "./siblings.ts";
import { VERSION } from "./version.ts";

/** Every name that is sure to be served: the config's exact names, and the built-in models of a mock provider. */
export function servedModels(config: Config): string[] {
  const names = new Set(exactNames(config));
  if (!config.modelsOnly) {
    for (const provider of config.providers.values()) {
      if (provider.isMock) { for (const model of MOCK_MODELS) names.add(`${provider.name}/${model}`); }
    }
  }
  return [...names];
}

/** Whose shape a list of models has: Anthropic's SDKs send their version, or a key where OpenAI's never put it. */
export function wantsMessagesShape(headers: Headers): boolean {
  return headers.has("anthropic-version") || (headers.has("x-api-key") && !headers.has("authorization"));
}

export function listModels(
  config: Config,
  headers: Headers,
  query: URLSearchParams,
  since: number,
): Result<JsonObject> {
  const names = servedModels(config);
  if (!wantsMessagesShape(headers)) {
    return success({ object: "list", data: names.map((name) => chatModel(config, name, since)) });
  }
  const limit = Number(query.get("limit") ?? 20);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
    return fail(invalid("Expected limit to be a whole number from 1 to 1000", "limit"));
  }
  const { page, hasMore } = pageOf(names, limit, query.get("after_id"), query.get("before_id"));
  return success({
    data: page.map((name) => messagesModel(config, name, since)),
    has_more: hasMore,
    first_id: page[0] ?? null,
    last_id: page.at(-1) ?? null,
  });
}

/** Cursors as Anthropic's list has them: the page after one id, or the page before another. */
function pageOf(names: readonly string[], limit: number, after: string | null, before: string | null) {
  if (before !== null) {
    const end = Math.max(0, names.indexOf(before));
    const start = Math.max(0, end - limit);
    return { page: names.slice(start, end), hasMore: start > 0 };
  }
  const start = after === null ? 0 : names.indexOf(after) + 1;
  return { page: names.slice(start, start + limit), hasMore: start + limit < names.length };
}

export function oneModel(config: Config, headers: Headers, name: string, since: number): Result<JsonObject> {
  const routed = route(config, name, () => servedModels(config));
  if (!routed.ok) return routed;
  return success(wantsMessagesShape(headers) ? messagesModel(config, name, since) : chatModel(config, name, since));
}

function chatModel(config: Config, name: string, since: number): JsonObject {
  return { id: name, object: "model", created: Math.floor(since / 1000), owned_by: ownerOf(config, name) };
}

function messagesModel(config: Config, name: string, since: number): JsonObject {
  const routed = route(config, name, () => []);
  const known = routed.ok ? routed.value.capabilities : undefined;
  return {
    type: "model",
    id: name,
    display_name: name,
    created_at: new Date(Math.floor(since / 1000) * 1000).toISOString().replace(".000", ""),
    capabilities: null,
    max_input_tokens: known?.contextTokens ?? null,
    max_tokens: known?.maxOutputTokens ?? null,
    lifecycle: "active",
    line: null,
    deprecated_at: null,
    retires_at: null,
  };
}

function ownerOf(config: Config, name: string): string {
  const routed = route(config, name, () => []);
  return routed.ok ? routed.value.provider.name : "trivium";
}

/** How many processes serve, and how many of them stand in for one that ended. */
export function healthOf(siblings: Siblings | undefined): JsonObject {
  return siblings === undefined ? { workers: 1 } : { workers: siblings.count, worker_restarts: siblings.restarts };
}

/** `status`, and which providers are live. Says nothing of keys but the name of a variable that is missing. */
export function health(config: Config, since: number): JsonObject {
  const providers: JsonObject = {};
  for (const provider of config.providers.values()) {
    providers[provider.name] = provider.waitsFor === undefined
      ? { state: "live", formats: provider.formats }
      : { state: "waiting", waits_for: provider.waitsFor, formats: provider.formats };
  }
  return { status: "ok", version: VERSION, uptime_s: Math.floor((Date.now() - since) / 1000), providers };
}
