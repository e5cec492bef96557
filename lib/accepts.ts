/**
 * What an upstream refuses, by its provider's line in the config: members of the body and values of `anthropic-beta` are
 * left out, on pass-through too, and each is a loss (PITFALLS, 8). Without such a line nothing is touched.
 */
import type { JsonObject } from "./base/fields.ts";
import { type Span, valueAt, withoutMembers } from "./base/json.ts";
import { fits } from "./base/pattern.ts";
import type { Provider } from "./config.ts";
import type { Losses } from "./format.ts";
import { saysNothing } from "./translation/leftover.ts";

type Drops = Pick<Provider, "dropFields" | "dropBetas" | "allowBetas" | "name">;

const BETA_HEADER = "anthropic-beta";

/** The headers without the betas that the provider refuses. */
export function acceptedHeaders(
  headers: Record<string, string>,
  provider: Drops,
  losses: Losses,
): Record<string, string> {
  const { [BETA_HEADER]: betas, ...rest } = headers;
  if (betas === undefined) return headers;
  const given = betas.split(",").map((beta) => beta.trim()).filter((beta) => beta !== "");
  const refused = given.filter((beta) => !takesBeta(provider, beta));
  if (refused.length === 0) return headers;
  for (const beta of refused) losses.add(`${BETA_HEADER}.${beta}`, reasonOf(provider));
  const kept = given.filter((beta) => !refused.includes(beta));
  return kept.length === 0 ? rest : { ...rest, [BETA_HEADER]: kept.join(",") };
}

function takesBeta({ dropBetas, allowBetas }: Drops, beta: string): boolean {
  const isAllowed = allowBetas === undefined || allowBetas.some((pattern) => fits(pattern, beta));
  return isAllowed && !dropBetas.some((pattern) => fits(pattern, beta));
}

function reasonOf({ name }: Drops): string {
  return `the config says that "${name}" refuses it`;
}

/** A client's bytes without what the provider refuses; all other members are copied byte for byte. */
export function acceptedBytes(
  bytes: Uint8Array<ArrayBuffer>,
  members: ReadonlyMap<string, Span>,
  provider: Drops,
  losses: Losses,
): Uint8Array<ArrayBuffer> {
  const refused = provider.dropFields.filter((field) => members.has(field));
  if (refused.length === 0) return bytes;
  for (const field of refused) {
    const span = members.get(field);
    if (span !== undefined && !isSilent(bytes, span)) losses.add(field, reasonOf(provider));
  }
  return withoutMembers(bytes, members, refused);
}

/** Large values say something, and need not be looked at. */
function isSilent(bytes: Uint8Array, span: Span): boolean {
  if (span.end - span.start > 64) return false;
  try {
    return saysNothing(valueAt(bytes, span));
  } catch {
    return false;
  }
}

/** The same of a body that the gateway has made. */
export function acceptedBody(body: JsonObject, provider: Drops, losses: Losses): JsonObject {
  const refused = provider.dropFields.filter((field) => Object.hasOwn(body, field));
  if (refused.length === 0) return body;
  for (const field of refused) {
    if (!isOurs(field, body[field])) losses.add(field, reasonOf(provider));
  }
  return Object.fromEntries(Object.entries(body).filter(([field]) => !refused.includes(field)));
}

/** What the gateway adds by itself is no loss of the client's. */
function isOurs(field: string, value: unknown): boolean {
  return field === "stream_options" || field === "include" || value === false || saysNothing(value);
}
