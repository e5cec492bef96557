/** A request for an upstream, neutral → wire (TRANSLATION.md, 2.1 and 2.7). */
import { fail, type Result, success, unsupported } from "../../base/failure.ts";
import { defined, Faults, type JsonObject } from "../../base/fields.ts";
import type { EncodedRequest, Losses, Target } from "../../format.ts";
import type { FormatName, NeutralRequest } from "../../neutral.ts";
import { derivedId } from "../../translation/ids.ts";
import { toolNames } from "../../translation/names.ts";
import { saysNothing } from "../../translation/leftover.ts";
import { isStrictSchema } from "../../translation/schema.ts";
import { chooseMarks } from "./cache_marks.ts";
import { clientName, dropField, type Encoding } from "./encoding.ts";
import { encodeInput } from "./input_encode.ts";
import { encodeReasoning, modelReasons } from "./reasoning_encode.ts";
import { encodeToolChoice, encodeTools, listedTools } from "./tools_encode.ts";
import {
  FORMAT,
  INCLUDE_ENCRYPTED,
  INCLUDE_LOGPROBS,
  MAX_NAME,
  MIN_OUTPUT_TOKENS,
  OPTION_TTLS,
  placeExtensions,
} from "./wire.ts";

/** Fails where the answer would be wrong without what can't be carried, and where two tools get one name. */
export function encodeRequest(request: NeutralRequest, target: Target, losses: Losses): Result<EncodedRequest> {
  const names = toolNames(request, { maxLength: MAX_NAME, namespaces: true });
  if (!names.ok) return names;
  const encoding: Encoding = {
    request,
    target,
    losses,
    faults: new Faults(),
    names: names.value,
    isOwn: request.origin === FORMAT,
    marks: chooseMarks(request, target, losses),
  };
  refuseWhatCannotBe(encoding);
  const body = encodeBody(encoding);
  reportExtensions(encoding);
  const emulateStop = stopToEmulate(encoding);
  if (encoding.faults.first !== undefined) return fail(encoding.faults.first);
  return success({
    body,
    restore: names.value.restore,
    headers: {},
    ...(emulateStop === undefined ? {} : { emulateStop }),
  });
}

function encodeBody(encoding: Encoding): JsonObject {
  const { request, isOwn } = encoding;
  const { instructions, items } = encodeInput(encoding);
  const tools = encodeTools(encoding, isOwn ? listedTools(request) : request.tools);
  const reasoning = encodeReasoning(encoding);
  const takesSampling = encoding.target.capabilities.sampling !== "none" || reasoning?.["effort"] === "none";
  const body: JsonObject = defined({
    model: encoding.target.model,
    instructions,
    // A stored prompt or conversation may be all the input there is.
    input: isOwn && items.length === 0 ? undefined : items,
    ...encodeState(encoding),
    tools: tools.length > 0 ? tools : undefined,
    tool_choice: encodeToolChoice(encoding, tools.length),
    parallel_tool_calls: encodeParallel(encoding),
    ...encodeSampling(encoding, takesSampling),
    text: encodeText(encoding),
    reasoning,
    include: encodeInclude(encoding, takesSampling),
    ...encodeCache(encoding),
    ...encodeUser(encoding),
    metadata: request.metadata,
    service_tier: encodeServiceTier(encoding),
    moderation: encodeModeration(encoding),
    truncation: request.truncation,
    context_management: encodeContextManagement(encoding),
    ...encodeStream(encoding),
  });
  placeExtensions(body, request.extensions[FORMAT] ?? {});
  return body;
}

/** Fields without which the answer would be another one than was asked for. */
function refuseWhatCannotBe(encoding: Encoding): void {
  const { request, isOwn, faults } = encoding;
  const refuse = (field: string, message: string) =>
    faults.addFailure(unsupported(message, clientName(request, field)));
  if ((request.candidates ?? 1) > 1) refuse("candidates", "The Responses API gives one answer per request");
  if (request.audioOutput !== undefined) refuse("audioOutput", "The Responses API answers in text alone");
  if (request.maxOutputTokens === 0) refuse("maxOutputTokens", "The Responses API can't answer with no tokens at all");
  if (request.state?.thread !== undefined) refuse("thread", "The Responses API has no message threads");
  if (isOwn) return;
  for (const path of request.ownFormatOnly ?? []) {
    faults.addFailure(unsupported(`The Responses API has nothing like ${path}`, path));
  }
}

/** Nothing is stored upstream unless the client asked for it. */
function encodeState({ request, isOwn }: Encoding) {
  const { store, previousId, conversation, background, prompt } = request.state ?? {};
  return {
    store: isOwn ? store : store ?? false,
    previous_response_id: previousId,
    conversation,
    background,
    prompt,
  };
}

function encodeParallel(encoding: Encoding): boolean | undefined {
  const { request, target, isOwn } = encoding;
  const parallel = request.parallelToolCalls;
  if (parallel === undefined || (!isOwn && request.tools.length === 0)) return undefined;
  if (!target.flags.has("no_parallel_tool_calls")) return parallel;
  if (!parallel) dropField(encoding, "parallelToolCalls", "the upstream refuses it");
  return undefined;
}

/** OpenAI's reasoning models take these fields only where they are told not to reason (TRANSLATION.md, 2.1). */
function encodeSampling(encoding: Encoding, isTaken: boolean) {
  const { request, isOwn } = encoding;
  dropGiven(encoding, ["topK", "seed", "logitBias", "prediction"], "responses has no such field");
  // The Open Responses specification has these two, OpenAI's own API doesn't.
  if (!isOwn) dropGiven(encoding, ["frequencyPenalty", "presencePenalty"], "responses has no such field");
  const output = { max_output_tokens: encodeMaxTokens(encoding) };
  if (!isTaken) {
    const refused: (keyof NeutralRequest)[] = ["temperature", "topP", "logprobs"];
    if (isOwn) refused.push("frequencyPenalty", "presencePenalty");
    dropGiven(encoding, refused, "the model takes no sampling fields while it reasons");
    return output;
  }
  return {
    ...output,
    temperature: request.temperature,
    top_p: request.topP,
    top_logprobs: request.logprobs?.top,
    frequency_penalty: isOwn ? request.frequencyPenalty : undefined,
    presence_penalty: isOwn ? request.presencePenalty : undefined,
  };
}

const NO_EFFECT: Readonly<Record<string, unknown>> = {
  frequencyPenalty: 0,
  presencePenalty: 0,
  temperature: 1,
  topP: 1,
};

/** Fields at the value that they have anyway are no loss. */
function dropGiven(encoding: Encoding, fields: readonly (keyof NeutralRequest)[], reason: string): void {
  for (const field of fields) {
    const value = encoding.request[field];
    if (value === undefined || value === NO_EFFECT[field]) continue;
    if (field === "logitBias" && Object.keys(encoding.request.logitBias ?? {}).length === 0) continue;
    dropField(encoding, field, reason);
  }
}

function encodeMaxTokens(encoding: Encoding): number | undefined {
  const asked = encoding.request.maxOutputTokens;
  const most = encoding.target.capabilities.maxOutputTokens;
  if (asked === undefined) return undefined;
  if (asked < MIN_OUTPUT_TOKENS) {
    dropField(encoding, "maxOutputTokens", `raised to ${MIN_OUTPUT_TOKENS}, the least that responses takes`);
    return MIN_OUTPUT_TOKENS;
  }
  if (most === undefined || asked <= most) return asked;
  dropField(encoding, "maxOutputTokens", `lowered to ${most}, the most that the model writes`);
  return most;
}

function encodeText(encoding: Encoding): JsonObject | undefined {
  const format = encodeFormat(encoding);
  const verbosity = encoding.request.verbosity;
  return format === undefined && verbosity === undefined ? undefined : defined({ format, verbosity });
}

function encodeFormat(encoding: Encoding): JsonObject | undefined {
  const { request, isOwn } = encoding;
  const output = request.output;
  if (output === undefined) return undefined;
  switch (output.kind) {
    case "text":
      return isOwn ? { type: "text" } : undefined;
    case "json":
      return { type: "json_object" };
    case "json_schema":
      return defined({
        type: "json_schema",
        name: isOwn ? output.name : schemaName(output.name),
        description: output.description,
        schema: output.schema ?? {},
        strict: isOwn ? output.strict : encodeStrict(encoding),
      });
    default:
      return output.kind satisfies never;
  }
}

function schemaName(name = "structured_output"): string {
  return name.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, MAX_NAME);
}

/** Messages has no such switch, and means it. */
function encodeStrict(encoding: Encoding): boolean | undefined {
  const { request } = encoding;
  const { strict = request.origin === "messages" ? true : undefined, schema } = request.output ?? {};
  if (strict !== true || isStrictSchema(schema)) return strict;
  dropField(encoding, "output", "the schema isn't one that strict mode takes: sent as a hint");
  return false;
}

/** Reasoning comes back encrypted so that the next turn can carry it, unless the upstream stores it. */
function encodeInclude(encoding: Encoding, takesSampling: boolean): string[] | undefined {
  const { request, isOwn } = encoding;
  const include = new Set(isOwn ? request.include : []);
  if (!isOwn) {
    if (request.state?.store !== true && modelReasons(encoding.target)) include.add(INCLUDE_ENCRYPTED);
    if (request.logprobs !== undefined && takesSampling) include.add(INCLUDE_LOGPROBS);
  }
  return include.size > 0 ? [...include] : undefined;
}

/** Lifetimes that another member than `prompt_cache_options` tells. */
const RETENTIONS: ReadonlySet<string> = new Set(["in_memory", "24h"]);

function encodeCache({ request, losses }: Encoding) {
  const { cache, origin } = request;
  const ttl = cache?.ttl ?? "";
  if (cache?.auto?.ttl === "1h") {
    losses.add(`${clientName(request, "cache")}.ttl`, "caches live as long as they do here");
  }
  // Marks of another format live as long as that format says; only a lifetime that exists here can be asked for.
  const options = defined({
    mode: cache?.mode,
    ttl: OPTION_TTLS.has(ttl) || (origin === FORMAT && ttl !== "" && !RETENTIONS.has(ttl)) ? ttl : undefined,
  });
  return {
    prompt_cache_key: cache?.key,
    prompt_cache_options: Object.keys(options).length > 0 ? options : undefined,
    prompt_cache_retention: RETENTIONS.has(ttl) ? ttl : undefined,
  };
}

/** An id that is too long becomes one that is as stable: it only serves to tell users apart. */
function encodeUser({ request, isOwn }: Encoding): JsonObject {
  const id = request.userId;
  if (id === undefined) return {};
  if (isOwn) return { [clientName(request, "userId")]: id };
  return { safety_identifier: id.length <= MAX_NAME ? id : derivedId("user_", id) };
}

const SERVICE_TIERS: ReadonlySet<string> = new Set(["auto", "default", "flex", "scale", "priority"]);

function encodeServiceTier(encoding: Encoding): string | undefined {
  const tier = encoding.request.serviceTier;
  if (tier === undefined || encoding.isOwn || SERVICE_TIERS.has(tier)) return tier;
  if (tier === "standard" || tier === "standard_only") return "default";
  dropField(encoding, "serviceTier", "responses has no such tier");
  return undefined;
}

/** What was found stays with the upstream: only what it blocks shows. */
function encodeModeration(encoding: Encoding): JsonObject | undefined {
  const { moderation } = encoding.request;
  if (moderation !== undefined && !encoding.isOwn) {
    dropField(encoding, "moderation", "applied, but its results can't be told");
  }
  return moderation;
}

function encodeContextManagement(encoding: Encoding): unknown {
  const { request, isOwn } = encoding;
  if (isOwn || request.contextManagement === undefined) return request.contextManagement;
  const { compaction, keepsContext } = request;
  if (compaction?.isAll !== true && keepsContext !== true) {
    dropField(encoding, "contextManagement", "responses compacts its context, no more");
  }
  return compaction === undefined ? undefined : [{ type: "compaction", compact_threshold: compaction.tokens }];
}

/** Padding of deltas is of no use between two servers: it is switched off where the client didn't ask for it. */
function encodeStream({ request, target, isOwn }: Encoding) {
  const obfuscation = isOwn ? request.includeObfuscation : request.stream ? false : undefined;
  return {
    stream: request.stream ? true : isOwn ? undefined : false,
    stream_options: obfuscation === undefined || target.flags.has("no_stream_options")
      ? undefined
      : { include_obfuscation: obfuscation },
  };
}

/** Members of another format that no neutral field holds. */
function reportExtensions({ request, losses }: Encoding): void {
  if (request.betasMatter === true) losses.add("betas", "a beta of the Messages API changes its answers");
  for (const [format, members] of Object.entries(request.extensions) as [FormatName, JsonObject][]) {
    if (format === FORMAT) continue;
    for (const [path, value] of Object.entries(members)) {
      const isRefused = request.ownFormatOnly?.includes(path) === true;
      if (!saysNothing(value) && !isRefused) losses.add(path, "responses has no such field");
    }
  }
}

/** Text can be cut where it matches; calls and JSON would be broken by it (TRANSLATION.md, 2.1). */
function stopToEmulate(encoding: Encoding): string[] | undefined {
  const { request } = encoding;
  if (request.stopSequences.length === 0) return undefined;
  if (request.tools.length === 0 && (request.output === undefined || request.output.kind === "text")) {
    return request.stopSequences;
  }
  dropField(encoding, "stopSequences", "responses has no such field, and tools or JSON can't be cut");
  return undefined;
}
