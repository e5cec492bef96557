/** Sampling fields and the models that refuse them (TRANSLATION.md, 2.1, model-class guards). */
import { defined, type JsonObject } from "../../base/fields.ts";
import type { Effort, NeutralRequest } from "../../neutral.ts";
import { type Encoding, lose } from "./encoding.ts";

type Field = "temperature" | "topP" | "frequencyPenalty" | "presencePenalty" | "logitBias" | "logprobs";

/** What each field is when nobody sets it: leaving that out loses nothing. */
const DEFAULTS: Readonly<Partial<Record<Field, number>>> = {
  temperature: 1,
  topP: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
};
const FIELDS: readonly Field[] = [
  "temperature",
  "topP",
  "frequencyPenalty",
  "presencePenalty",
  "logitBias",
  "logprobs",
];
/** Claude after Opus 4.6 takes no lower one. */
const LEAST_TOP_P = 0.99;

/** `effort`: what is sent as such; without reasoning, OpenAI's models take sampling fields again. */
export function encodeSampling(encoding: Encoding, effort: Effort | undefined): JsonObject {
  const { request, isOwn } = encoding;
  const refused = new Set(refusedFields(encoding, effort));
  for (const field of refused) if (!isDefault(request, field)) lose(encoding, field, "this model doesn't take it");
  const kept = <F extends Field>(field: F) => refused.has(field) ? undefined : request[field];
  if (request.topK !== undefined && !isOwn) lose(encoding, "topK", "chat has no such field");
  const logprobs = kept("logprobs");
  return defined({
    temperature: kept("temperature"),
    top_p: kept("topP"),
    top_k: isOwn ? request.topK : undefined,
    frequency_penalty: kept("frequencyPenalty"),
    presence_penalty: kept("presencePenalty"),
    seed: request.seed,
    logit_bias: kept("logitBias"),
    logprobs: logprobs === undefined ? undefined : true,
    top_logprobs: logprobs === undefined || logprobs.top === 0 ? undefined : logprobs.top,
  });
}

function refusedFields({ request, target }: Encoding, effort: Effort | undefined): readonly Field[] {
  const { sampling, temperatureWithTopP } = target.capabilities;
  if (sampling === "none") return effort === "none" ? [] : FIELDS;
  const refused: Field[] = [];
  if (sampling === "fixed") {
    if (request.temperature !== undefined && request.temperature !== 1) refused.push("temperature");
    if (request.topP !== undefined && request.topP < LEAST_TOP_P) refused.push("topP");
  } else if (!temperatureWithTopP && request.temperature !== undefined && request.topP !== undefined) {
    refused.push("topP");
  }
  return refused;
}

function isDefault(request: NeutralRequest, field: Field): boolean {
  const value = request[field];
  if (value === undefined || value === DEFAULTS[field]) return true;
  return field === "logitBias" && Object.keys(value).length === 0;
}
