/** A client's request: wire → neutral (TRANSLATION.md, 2.1). Messages, parts and tools have files of their own. */
import { fail, type Result, success } from "../../base/failure.ts";
import { defined, Faults, Fields, isObject, type JsonObject } from "../../base/fields.ts";
import type { NeutralRequest, OutputFormat, Reasoning } from "../../neutral.ts";
import { isEffort } from "../../translation/effort.ts";
import { decodeMessages } from "./messages_decode.ts";
import { decodeToolChoice, decodeTools } from "./tools_decode.ts";
import { memberOf, unread } from "./wire.ts";

/** How this format names neutral fields; what a request wrote otherwise is laid over it. */
const NAMES: Readonly<Record<string, string>> = {
  model: "model",
  messages: "messages",
  tools: "tools",
  toolChoice: "tool_choice",
  parallelToolCalls: "parallel_tool_calls",
  maxOutputTokens: "max_completion_tokens",
  temperature: "temperature",
  topP: "top_p",
  topK: "top_k",
  frequencyPenalty: "frequency_penalty",
  presencePenalty: "presence_penalty",
  seed: "seed",
  logitBias: "logit_bias",
  candidates: "n",
  stopSequences: "stop",
  logprobs: "logprobs",
  output: "response_format",
  verbosity: "verbosity",
  audioOutput: "modalities",
  prediction: "prediction",
  moderation: "moderation",
  reasoning: "reasoning_effort",
  cache: "prompt_cache_breakpoint",
  cacheKey: "prompt_cache_key",
  cacheTtl: "prompt_cache_options.ttl",
  citations: "annotations",
  callSignature: "extra_content",
  serviceTier: "service_tier",
  userId: "safety_identifier",
  metadata: "metadata",
  state: "store",
  store: "store",
  includeUsage: "stream_options",
};

/** The first thing wrong is the failure: `invalid_request`, with its path. No header matters to this format. */
export function decodeRequest(body: JsonObject, _headers: Headers): Result<NeutralRequest> {
  const faults = new Faults();
  const fields = new Fields(faults, body, "");
  const model = fields.requiredString("model");
  const conversation = decodeMessages(fields);
  const request: NeutralRequest = {
    origin: "chat",
    model,
    instructions: conversation.instructions,
    messages: conversation.messages,
    tools: decodeTools(fields),
    ...defined({ toolChoice: decodeToolChoice(fields) }),
    ...limits(fields),
    ...sampling(fields),
    ...outputOptions(fields),
    ...accounting(fields),
    ...streaming(fields),
    stopSequences: stopSequences(fields),
    include: [],
    betas: [],
    wireNames: { ...namesOf(body), ...conversation.names },
    extensions: extensions(fields),
  };
  return faults.first === undefined ? success(request) : fail(faults.first);
}

function namesOf(body: JsonObject): Record<string, string> {
  const names = { ...NAMES };
  if (!has(body, "max_completion_tokens") && has(body, "max_tokens")) names["maxOutputTokens"] = "max_tokens";
  if (!has(body, "safety_identifier") && has(body, "user")) names["userId"] = "user";
  if (!has(body, "prompt_cache_key") && has(body, "prompt_cache_options")) names["cacheKey"] = "prompt_cache_options";
  if (!has(body, "prompt_cache_key") && has(body, "prompt_cache_retention")) {
    names["cacheKey"] = "prompt_cache_retention";
  }
  if (!has(body, "prompt_cache_options")) names["cacheTtl"] = "prompt_cache_retention";
  if (!has(body, "tools") && has(body, "functions")) names["tools"] = "functions";
  if (!has(body, "modalities") && has(body, "audio")) names["audioOutput"] = "audio";
  return names;
}

function has(body: JsonObject, key: string): boolean {
  return body[key] !== undefined && body[key] !== null;
}

/** Of two names for one thing the newer counts; the older stays among the extensions. */
function eitherKey(fields: Fields, newer: string, older: string): string {
  return !fields.has(newer) && fields.has(older) ? older : newer;
}

function limits(fields: Fields): Partial<NeutralRequest> {
  const key = eitherKey(fields, "max_completion_tokens", "max_tokens");
  const maxOutputTokens = fields.number(key);
  if (maxOutputTokens !== undefined && maxOutputTokens < 0) {
    fields.faults.add(`Expected a number of tokens but got ${maxOutputTokens}`, key);
  }
  const candidates = fields.number("n");
  if (candidates !== undefined && candidates < 1) {
    fields.faults.add(`Expected one answer or more but got ${candidates}`, "n");
  }
  return defined({
    maxOutputTokens,
    candidates,
    parallelToolCalls: fields.boolean("parallel_tool_calls"),
  });
}

function sampling(fields: Fields): Partial<NeutralRequest> {
  return defined({
    temperature: fields.number("temperature"),
    topP: fields.number("top_p"),
    topK: fields.number("top_k"),
    frequencyPenalty: fields.number("frequency_penalty"),
    presencePenalty: fields.number("presence_penalty"),
    seed: seed(fields),
    logitBias: fields.object("logit_bias")?.value,
    logprobs: logprobs(fields),
  });
}

/** Seeds beyond 2^53 come as raw JSON, which no number holds: they stay what they are among the extensions. */
function seed(fields: Fields): number | undefined {
  return memberOf(fields.value["seed"], "rawJSON") === undefined ? fields.number("seed") : undefined;
}

function logprobs(fields: Fields): { top: number } | undefined {
  const isWanted = fields.boolean("logprobs");
  const top = fields.number("top_logprobs");
  return isWanted === true ? { top: top ?? 0 } : undefined;
}

function stopSequences(fields: Fields): string[] {
  const value = fields.any("stop");
  if (typeof value === "string") return [value];
  return fields.strings("stop") ?? [];
}

function outputOptions(fields: Fields): Partial<NeutralRequest> {
  return defined({
    output: outputFormat(fields),
    verbosity: fields.string("verbosity"),
    audioOutput: audioOutput(fields),
    prediction: fields.any("prediction") ?? undefined,
    moderation: fields.object("moderation")?.value,
    reasoning: reasoning(fields),
  });
}

/** A kind that has no neutral term (a grammar, say) stays among the extensions. */
function outputFormat(fields: Fields): OutputFormat | undefined {
  const type = isObject(fields.value["response_format"]) ? fields.value["response_format"]["type"] : "text";
  if (type !== "text" && type !== "json_object" && type !== "json_schema") return undefined;
  const format = fields.object("response_format");
  if (format === undefined) return undefined;
  if (type === "text") return { kind: "text" };
  return type === "json_object" ? { kind: "json" } : schemaFormat(format);
}

function schemaFormat(format: Fields): OutputFormat {
  const schema = format.object("json_schema");
  if (schema === undefined) {
    format.faults.add('Missing required object "json_schema"', format.at("json_schema"));
    return { kind: "json_schema" };
  }
  return {
    kind: "json_schema",
    ...defined({
      name: schema.string("name"),
      description: schema.string("description"),
      schema: schema.object("schema")?.value,
      strict: schema.boolean("strict"),
    }),
  };
}

/** `["text"]` alone is the default and asks for nothing. */
function audioOutput(fields: Fields): JsonObject | undefined {
  const modalities = fields.strings("modalities");
  const audio = fields.object("audio")?.value;
  const isDefault = audio === undefined && (modalities ?? []).every((modality) => modality === "text");
  return isDefault ? undefined : defined({ modalities, audio });
}

/** Words that no other format knows (Groq's `default`) stay among the extensions. */
function reasoning(fields: Fields): Reasoning | undefined {
  const value = fields.value["reasoning_effort"];
  if (typeof value === "string" && !isEffort(value)) return undefined;
  const effort = fields.string("reasoning_effort");
  if (!isEffort(effort)) return undefined;
  return { mode: effort === "none" ? "off" : "default", effort };
}

function accounting(fields: Fields): Partial<NeutralRequest> {
  const store = fields.boolean("store");
  const cache = requestCache(fields);
  return defined({
    serviceTier: fields.string("service_tier"),
    userId: fields.string(eitherKey(fields, "safety_identifier", "user")),
    metadata: fields.object("metadata")?.value as Record<string, string> | undefined,
    state: store === undefined ? undefined : { store },
    cache: Object.keys(cache).length === 0 ? undefined : cache,
  });
}

function requestCache(fields: Fields): NonNullable<NeutralRequest["cache"]> {
  const options = fields.object("prompt_cache_options");
  const ttl = options?.string("ttl");
  return defined({
    key: fields.string("prompt_cache_key"),
    mode: options?.string("mode"),
    ttl: ttl ?? fields.string("prompt_cache_retention"),
  });
}

function streaming(fields: Fields): Pick<NeutralRequest, "stream" | "includeUsage" | "includeObfuscation"> {
  const options = fields.object("stream_options");
  return {
    stream: fields.boolean("stream") ?? false,
    includeUsage: options?.boolean("include_usage") ?? false,
    ...defined({ includeObfuscation: options?.boolean("include_obfuscation") }),
  };
}

/** What nobody read, `stream_options`' unknown members among it. Must come after everything else. */
function extensions(fields: Fields): NeutralRequest["extensions"] {
  const options = fields.value["stream_options"];
  const { include_usage: _usage, include_obfuscation: _obfuscation, ...others } = isObject(options) ? options : {};
  const own = {
    ...unread(fields),
    ...(Object.keys(others).length === 0 ? {} : { stream_options: others }),
  };
  return Object.keys(own).length === 0 ? {} : { chat: own };
}
