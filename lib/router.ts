/** Which provider serves a model's name: pure, over the config alone. */
import { fail, type Result, success } from "./base/failure.ts";
import { nearest } from "./base/nearest.ts";
import { caughtBy } from "./base/pattern.ts";
import { type Capabilities, capabilitiesOf } from "./capabilities.ts";
import type { Config, ModelRule, Provider } from "./config.ts";

export interface Route {
  provider: Provider;
  /** The model's name at the provider. */
  model: string;
  /** The rule of the config that matched, `provider/model` where none was needed. */
  rule: string;
  onLoss: "report" | "reject";
  /** What the model can do, by the config and the built-in table. */
  capabilities: Capabilities;
}

/** Names that clients have asked for, by config: a name's route, and what its model can do, never change under one. */
const ROUTES = new WeakMap<Config, Map<string, Result<Route>>>();
const MAX_ROUTES = 1000;
const MAX_NAME = 256;

/** First rule that matches, else `provider/model` by its own name; else a 404 that names the nearest of `known()`. */
export function route(config: Config, name: string, known: () => readonly string[]): Result<Route> {
  let routes = ROUTES.get(config);
  if (routes === undefined) ROUTES.set(config, routes = new Map());
  const remembered = routes.get(name);
  if (remembered !== undefined) return remembered;
  const found = findRoute(config, name, known);
  if (!found.ok || name.length > MAX_NAME) return found;
  if (routes.size >= MAX_ROUTES) routes.clear();
  routes.set(name, found);
  return found;
}

function findRoute(config: Config, name: string, known: () => readonly string[]): Result<Route> {
  for (const rule of config.models) {
    const caught = caughtBy(rule.name, name);
    const provider = caught === undefined ? undefined : config.providers.get(rule.provider);
    if (caught === undefined || provider === undefined) continue;
    const model = rule.model.replace("*", () => caught);
    return success(routeTo(config, provider, model, rule.name, rule.onLoss));
  }
  const slash = name.indexOf("/");
  const provider = config.modelsOnly || slash < 1 ? undefined : config.providers.get(name.slice(0, slash));
  if (provider !== undefined && slash < name.length - 1) {
    return success(routeTo(config, provider, name.slice(slash + 1), "provider/model", "report"));
  }
  return fail({
    kind: "not_found",
    source: "client",
    message: unknownModel(config, name, known()),
    retry: false,
    param: "model",
  });
}

/** `rule`: what sent it there. */
export function routeTo(
  config: Config,
  provider: Provider,
  model: string,
  rule: string,
  onLoss: Route["onLoss"],
): Route {
  return { provider, model, rule, onLoss, capabilities: capabilitiesOf(model, config.capabilities, provider.name) };
}

function unknownModel(config: Config, name: string, known: readonly string[]): string {
  const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  const names = [...new Set([...known, ...config.models.map((rule) => rule.name)])];
  const near = nearest(name, names, 3);
  const hint = near.length > 0
    ? `did you mean ${near.map((candidate) => `"${candidate}"`).join(" or ")}?`
    : "GET /v1/models lists what is served";
  return `The model "${shown}" is not served here; ${hint}`;
}

/** The rules whose names can be asked for as they stand; patterns are not expanded. */
export function exactNames(config: Config): string[] {
  return config.models.filter((rule: ModelRule) => !rule.name.includes("*")).map((rule) => rule.name);
}
