/** What all chunks of a stream, and a whole answer, say of themselves (TRANSLATION.md, 3.1). */
import type { JsonObject } from "../../base/fields.ts";
import type { Target } from "../../format.ts";
import { textOf } from "./wire.ts";

export interface Head {
  id: string;
  model: string;
  /** Unix seconds. */
  createdAt: number;
  serviceTier?: string;
  fingerprint?: string;
}

export function newHead(target: Target): Head {
  return { id: "", model: target.model, createdAt: Math.floor(Date.now() / 1000) };
}

/** Empty values say nothing: some servers send `""` and 0 in one chunk or in all. */
export function readHead(head: Head, body: JsonObject): void {
  head.id = textOf(body["id"]) || head.id;
  head.model = textOf(body["model"]) || head.model;
  head.createdAt = secondsOf(body["created"]) ?? head.createdAt;
  const tier = textOf(body["service_tier"]);
  if (tier !== "") head.serviceTier = tier;
  const fingerprint = textOf(body["system_fingerprint"]);
  if (fingerprint !== "") head.fingerprint = fingerprint;
}

/** Beyond this a time counts milliseconds: as seconds it would be in the year 5138. */
const LATEST_SECOND = 100_000_000_000;

function secondsOf(value: unknown): number | undefined {
  if (typeof value !== "number" || value <= 0) return undefined;
  return Math.floor(value > LATEST_SECOND ? value / 1000 : value);
}
