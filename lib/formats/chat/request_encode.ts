/** A request for an upstream: neutral → wire (TRANSLATION.md, 2.1, 2.7, 2.8). */
import { fail, invalid, type Result, success, unsupported } from "../../base/failure.ts";
import { defined, isObject, type JsonObject } from "../../base/fields.ts";
import type { EncodedRequest, Losses, Target } from "../../format.ts";
import type { Effort, NeutralRequest } from "../../neutral.ts";
import { clipEffort, effortOfBudget } from "../../translation/effort.ts";
import { unknownResponse } from "../../translation/history.ts";
import { derivedId } from "../../translation/ids.ts";
import { toolNames } from "../../translation/names.ts";
import { saysNothing } from "../../translation/leftover.ts";
import { isStrictSchema } from "../../translation/schema.ts";
import { cacheMarks } from "./cache_marks.ts";
import { type Encoding, lose, nameOf, newEncoding } from "./encoding.ts";
import { encodeMessages } from "./messages_encode.ts";
import { encodeSampling } from "./sampling_encode.ts";
import { encodeTools } from "./tools_encode.ts";
import { merged, withExtra } from "./wire.ts";

/** The longest tool name, and the longest user id, that OpenAI takes. */
const MAX_NAME = 64;
const MAX_USER_ID = 64;
const MAX_STOPS = 4;

export function encodeRequest(request: NeutralRequest, target: Target, losses: Losses): Result<EncodedRequest> {
  const names = toolNames(request, { maxLength: MAX_NAME, namespaces: false });
  if (!names.ok) return names;
  const begun = newEncoding(request, target, losses, names.value);
  const encoding: Encoding = { ...begun, marks: cacheMarks(begun) };
  refuseForeign(encoding);
  const { body, emulateStop } = encodeBody(encoding);
  const { faults } = encoding;
  if (faults.first !== undefined) return fail(faults.first);
  return success({ body, restore: names.value.restore, headers: {}, ...defined({ emulateStop }) });
}

function encodeBody(encoding: Encoding): { body: JsonObject; emulateStop: string[] | undefined } {
  const { request, target, faults } = encoding;
  const messages = encodeMessages(encoding);
  if (messages.length === 0) faults.addFailure(invalid("Nothing is left of the messages", nameOf(request, "messages")));
  const tools = encodeTools(encoding);
  const effort = encodeEffort(encoding, tools["tools"] !== undefined);
  const stop = encodeStops(encoding);
  const body = {
    model: target.model,
    messages,
    ...tools,
    ...maxTokens(encoding),
    ...encodeSampling(encoding, effort),
    ...stop.members,
    ...(effort === undefined ? {} : { reasoning_effort: effort }),
    ...outputOptions(encoding),
    ...accounting(encoding),
    ...streaming(encoding),
  };
  return { body: withExtensions(body, encoding), emulateStop: stop.emulated };
}

/** What no upstream of this format could do without changing the answer's meaning. */
function refuseForeign({ request, isOwn, faults }: Encoding): void {
  if (isOwn) return;
  const refuse = (path: string): void =>
    faults.addFailure(unsupported(`"${path}" can't be carried to a Chat Completions upstream`, path));
  request.ownFormatOnly?.forEach(refuse);
  const { previousId, conversation, background, prompt, thread } = request.state ?? {};
  if (previousId !== undefined) faults.addFailure(unknownResponse(nameOf(request, "previousId")));
  const stateful = { conversation, background: background || undefined, prompt, thread };
  for (const key of Object.keys(defined(stateful))) refuse(nameOf(request, key));
  if (request.maxOutputTokens === 0) refuse(nameOf(request, "maxOutputTokens"));
  if (request.audioOutput !== undefined) refuse(nameOf(request, "audioOutput"));
}

function maxTokens(encoding: Encoding): JsonObject {
  const { request, target, isOwn } = encoding;
  if (request.maxOutputTokens === undefined) return {};
  const most = target.capabilities.maxOutputTokens;
  const isOver = !isOwn && most !== undefined && request.maxOutputTokens > most;
  if (isOver) lose(encoding, "maxOutputTokens", `the model writes at most ${most} tokens`);
  return { [maxTokensKey(encoding)]: isOver ? most : request.maxOutputTokens };
}

function maxTokensKey({ request, target, isOwn }: Encoding): string {
  if (target.flags.has("max_tokens")) return "max_tokens";
  const isReasoning = target.capabilities.thinking === "effort";
  return isOwn && !isReasoning ? nameOf(request, "maxOutputTokens") : "max_completion_tokens";
}

/** The words of TRANSLATION.md, 2.7. */
function encodeEffort(encoding: Encoding, hasTools: boolean): Effort | undefined {
  const { request, target } = encoding;
  withExtra({}, request.reasoning?.extra, nameOf(request, "reasoning"), encoding.losses);
  if (request.origin === "messages" && request.reasoning?.display === "omitted") {
    encoding.losses.add(
      `${nameOf(request, "reasoning")}.display`,
      "what the upstream shows of its thinking can't be chosen",
    );
  }
  const { thinking, efforts, toolsNeedResponses } = target.capabilities;
  const wanted = wantedEffort(encoding);
  // Other makers' gateways find their own way to such a model.
  if (toolsNeedResponses && hasTools && encoding.isOpenAi) {
    if (wanted !== "none") lose(encoding, "reasoning", "with tools this model reasons in the Responses API alone");
    return "none";
  }
  if (wanted === undefined) return undefined;
  if (wanted === "none") return noEffort(encoding);
  if (thinking === "none") {
    lose(encoding, "reasoning", "this model doesn't reason");
    return undefined;
  }
  if (request.reasoning?.mode === "between_tools") lose(encoding, "reasoning", "thinking isn't kept to tool calls");
  return clipEffort(wanted, efforts);
}

function wantedEffort({ request, target }: Encoding): Effort | undefined {
  const { reasoning } = request;
  if (reasoning === undefined) return undefined;
  if (reasoning.mode === "off") return "none";
  if (reasoning.effort !== undefined) return reasoning.effort;
  if (reasoning.budgetTokens !== undefined) {
    return effortOfBudget(reasoning.budgetTokens, target.capabilities.effortBudgets);
  }
  return reasoning.mode === "default" ? undefined : "high";
}

/** Where thinking must be asked for, not asking is enough; OpenAI's reasoning models must be told. */
function noEffort(encoding: Encoding): Effort | undefined {
  const { thinking, efforts } = encoding.target.capabilities;
  if (thinking !== "effort") return encoding.isOwn ? "none" : undefined;
  if (efforts === undefined || efforts.includes("none")) return "none";
  lose(encoding, "reasoning", "this model always reasons: it got its lowest effort");
  return efforts[0];
}

/** Models that refuse stop sequences get them from the gateway, which cuts the text itself. */
function encodeStops(encoding: Encoding): { members: JsonObject; emulated: string[] | undefined } {
  const { request, target, isOwn } = encoding;
  const stops = request.stopSequences;
  if (stops.length === 0) return { members: {}, emulated: undefined };
  if (!target.capabilities.stopSequences) {
    const isText = request.tools.length === 0 && (request.output?.kind ?? "text") === "text";
    if (!isText) lose(encoding, "stopSequences", "this model takes none");
    return { members: {}, emulated: isText ? stops : undefined };
  }
  if (!isOwn && stops.length > MAX_STOPS) lose(encoding, "stopSequences", `only ${MAX_STOPS} are taken`);
  return { members: { stop: isOwn ? stops : stops.slice(0, MAX_STOPS) }, emulated: undefined };
}

function outputOptions(encoding: Encoding): JsonObject {
  const { request, isOwn, isOpenAi } = encoding;
  const takesVerbosity = isOwn || isOpenAi;
  if (request.verbosity !== undefined && !takesVerbosity) lose(encoding, "verbosity", "this upstream may not know it");
  return defined({
    response_format: responseFormat(encoding),
    verbosity: takesVerbosity ? request.verbosity : undefined,
    ...request.audioOutput,
    prediction: request.prediction,
    moderation: moderation(encoding),
    n: isOwn || (request.candidates ?? 1) > 1 ? request.candidates : undefined,
  });
}

/** Other makers check nothing on request. What was found stays with the upstream: only what it blocks shows. */
function moderation(encoding: Encoding): JsonObject | undefined {
  const { request, isOwn, isOpenAi, faults } = encoding;
  const path = nameOf(request, "moderation");
  if (request.moderation === undefined || isOwn) return request.moderation;
  if (!isOpenAi) faults.addFailure(unsupported("This upstream moderates nothing", path));
  else encoding.losses.add(path, "applied, but its results can't be told");
  return request.moderation;
}

function responseFormat(encoding: Encoding): JsonObject | undefined {
  const { request, isOwn } = encoding;
  const output = request.output;
  if (output === undefined) return undefined;
  if (output.kind === "text") return isOwn ? { type: "text" } : undefined;
  if (output.kind === "json") return { type: "json_object" };
  const { name = isOwn ? undefined : "structured_output", description, schema } = output;
  return {
    type: "json_schema",
    json_schema: defined({ name, description, schema, strict: strictness(encoding) }),
  };
}

/** Messages has no such switch, and means it; a schema that leaves things open would be refused. */
function strictness(encoding: Encoding): boolean | undefined {
  const { request, isOwn } = encoding;
  const { strict = request.origin === "messages" ? true : undefined, schema } = request.output ?? {};
  if (isOwn || strict !== true || isStrictSchema(schema)) return strict;
  lose(encoding, "output", "the schema leaves things open that strict mode doesn't allow: sent as a hint");
  return false;
}

function accounting(encoding: Encoding): JsonObject {
  return { ...serviceTier(encoding), ...userId(encoding), ...storage(encoding), ...requestCache(encoding) };
}

const TIERS: Readonly<Record<string, string>> = { standard_only: "default", standard: "default" };

function serviceTier(encoding: Encoding): JsonObject {
  const { request, isOwn, isOpenAi } = encoding;
  const tier = request.serviceTier;
  if (tier === undefined) return {};
  if (isOwn) return { service_tier: tier };
  const word = TIERS[tier] ?? tier;
  if (isOpenAi) return { service_tier: word };
  if (word !== "auto" && word !== "default") lose(encoding, "serviceTier", "this upstream may not know it");
  return {};
}

/** An id that is too long becomes one that is as stable: it only serves to tell users apart. */
function userId({ request, isOwn, isOpenAi }: Encoding): JsonObject {
  const id = request.userId;
  if (id === undefined) return {};
  if (isOwn) return { [nameOf(request, "userId")]: id };
  return { [isOpenAi ? "safety_identifier" : "user"]: id.length <= MAX_USER_ID ? id : derivedId("user_", id) };
}

function storage(encoding: Encoding): JsonObject {
  const { request, isOwn, isOpenAi } = encoding;
  const { metadata, state } = request;
  const isStored = state?.store === true;
  if (isOwn) return defined({ store: state?.store, metadata });
  if (isStored && !isOpenAi) lose(encoding, "store", "this upstream stores no answers");
  const keepsMetadata = isStored && isOpenAi;
  if (Object.keys(metadata ?? {}).length > 0 && !keepsMetadata) {
    lose(encoding, "metadata", "only stored answers have metadata");
  }
  return keepsMetadata ? { store: true, ...defined({ metadata }) } : {};
}

const LIFETIMES: ReadonlySet<string> = new Set(["30m", "24h", "in_memory"]);

/** `prompt_cache_options` knows `30m`; all other times belong to `prompt_cache_retention`. */
function requestCache(encoding: Encoding): JsonObject {
  const { request, isOwn, isOpenAi } = encoding;
  const { key, ttl, mode, auto } = request.cache ?? {};
  if (auto?.ttl === "1h") encoding.losses.add(`${nameOf(request, "cache")}.ttl`, "caches live as long as they do here");
  // A key made of the user's id is a service of ours: without it nothing is lost that the client asked for.
  const isOurs = nameOf(request, "cacheKey") === nameOf(request, "userId");
  if (!isOwn && !isOpenAi) {
    const asked = {
      cacheKey: isOurs ? undefined : key,
      cacheTtl: ttl === "in_memory" ? undefined : ttl,
      cacheMode: mode,
    };
    for (const field of Object.keys(defined(asked))) lose(encoding, field, "this upstream may not know it");
    return {};
  }
  if (!isOwn && ttl !== undefined && !LIFETIMES.has(ttl)) {
    lose(encoding, "cacheTtl", "chat's caches can't live so long");
  }
  const options = defined({ mode, ttl: ttl === "30m" ? ttl : undefined });
  return defined({
    prompt_cache_key: key,
    prompt_cache_options: Object.keys(options).length === 0 ? undefined : options,
    prompt_cache_retention: ttl === "24h" || ttl === "in_memory" ? ttl : undefined,
  });
}

/** Usage is always wanted: the gateway counts, and other formats always tell it. */
function streaming({ request, target, isOpenAi }: Encoding): JsonObject {
  if (!request.stream) return {};
  if (target.flags.has("no_stream_options")) return { stream: true };
  const obfuscation = request.includeObfuscation ?? (isOpenAi ? false : undefined);
  return { stream: true, stream_options: { include_usage: true, ...defined({ include_obfuscation: obfuscation }) } };
}

/** This format's own unknown members go back as they came; those of the others are lost by name. */
function withExtensions(body: JsonObject, encoding: Encoding): JsonObject {
  const { request, losses } = encoding;
  if (request.betasMatter === true) losses.add("betas", "a beta of the Messages API changes its answers");
  if (request.includesOwn === true) lose(encoding, "include", "chat's answers hold no such thing");
  if (request.truncation === "auto") lose(encoding, "truncation", "chat has no such field");
  if (request.contextManagement !== undefined && request.keepsContext !== true) {
    lose(encoding, "contextManagement", "chat has no such field");
  }
  for (const format of ["messages", "responses"] as const) {
    for (const [key, value] of Object.entries(request.extensions[format] ?? {})) {
      if (!saysNothing(value)) losses.add(key, "chat has no such field");
    }
  }
  const { stream_options: options, ...own } = request.extensions.chat ?? {};
  const whole = { ...body, ...own };
  return isObject(options) && "stream_options" in whole ? merged(whole, { stream_options: options }) : whole;
}
