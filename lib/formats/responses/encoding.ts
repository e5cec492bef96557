/** What the encoders of a request's members share, and how they report what they leave out. */
import type { Faults, JsonObject } from "../../base/fields.ts";
import type { Losses, Target } from "../../format.ts";
import type { Extra, NeutralRequest, Part } from "../../neutral.ts";
import type { ToolNames } from "../../translation/names.ts";
import { leftovers } from "../../translation/leftover.ts";
import { FORMAT } from "./wire.ts";

export interface Encoding {
  request: NeutralRequest;
  target: Target;
  losses: Losses;
  faults: Faults;
  names: ToolNames;
  /** The client speaks this format too: what it sent goes on as it was. */
  isOwn: boolean;
  /** The parts that carry a cache mark to the upstream, with how long it is to live. */
  marks: ReadonlyMap<Part, { ttl?: string }>;
}

/** A top-level field's name as the client knows it. */
export function clientName(request: NeutralRequest, field: string): string {
  return request.wireNames[field] ?? field;
}

export function dropField(encoding: Pick<Encoding, "request" | "losses">, field: string, reason: string): void {
  encoding.losses.add(clientName(encoding.request, field), reason);
}

/** Members of this format go on; each member of another's that says anything is a loss at its own path. */
export function carryExtra(
  encoding: Pick<Encoding, "losses">,
  extra: Extra | undefined,
  path: string | undefined,
): JsonObject {
  if (extra === undefined) return {};
  if (extra.format === FORMAT) return extra.fields;
  for (const at of leftovers(extra, path)) encoding.losses.add(at, "responses has no such field");
  return {};
}
