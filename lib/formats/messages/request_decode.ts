/** A client's request body and headers to the neutral form (TRANSLATION.md, 2 and 1.4). */
import { fail, invalid, type Result, success } from "../../base/failure.ts";
import { defined, Faults, Fields, isObject, type JsonObject } from "../../base/fields.ts";
import type { Message, NeutralRequest, OutputFormat, Reasoning } from "../../neutral.ts";
import { isEffort } from "../../translation/effort.ts";
import { changesAnswer } from "./betas.ts";
import { decodeBlocks, decodeContent, type Origin } from "./block_decode.ts";
import { decodeToolChoice, decodeTools } from "./tool_decode.ts";
import { decodeCache, NATIVE_ISSUER, ownExtra, unread } from "./wire.ts";

const CLIENT: Origin = { side: "request", issuer: NATIVE_ISSUER };

/** Fails with kind `invalid_request` and the path of the first member that is missing or wrong. */
export function decodeRequest(body: JsonObject, headers: Headers): Result<NeutralRequest> {
  const faults = new Faults();
  const fields = new Fields(faults, body, "");
  const nested: JsonObject = {};
  const maxOutputTokens = decodeMaxTokens(fields);
  const output = decodeOutput(fields, nested);
  const reasoning = decodeReasoning(fields, nested);
  const request: NeutralRequest = {
    origin: "messages",
    model: fields.requiredString("model"),
    ...decodeSystem(fields),
    messages: decodeMessages(fields),
    tools: decodeTools(fields),
    ...decodeToolChoice(fields),
    ...decodeSampling(fields),
    ...defined({
      maxOutputTokens,
      ...output,
      reasoning,
      serviceTier: decodeTier(fields),
      contextManagement: fields.any("context_management") ?? undefined,
      compaction: decodeCompaction(body["context_management"]),
      keepsContext: keepsAll(body["context_management"]) || undefined,
      apiVersion: headers.get("anthropic-version") ?? undefined,
    }),
    ...decodeMetadataAndCache(fields, nested),
    ...decodeThread(fields),
    include: [],
    compactionReplaces: true,
    stream: fields.boolean("stream") ?? false,
    includeUsage: true,
    ...decodeBetas(fields, headers, reasoning?.mode),
    ...decodeOwnFormatOnly(body, maxOutputTokens),
    wireNames: wireNames(body),
    extensions: {},
  };
  const members = { ...unread(fields), ...nested };
  if (Object.keys(members).length > 0) request.extensions.messages = members;
  return faults.first === undefined ? success(request) : fail(faults.first);
}

function decodeSampling(fields: Fields): Pick<NeutralRequest, "temperature" | "topP" | "topK" | "stopSequences"> {
  return {
    ...defined({
      temperature: fields.number("temperature"),
      topP: fields.number("top_p"),
      topK: fields.number("top_k"),
    }),
    stopSequences: fields.strings("stop_sequences") ?? [],
  };
}

/** The API's own words for what it misses most often. */
function decodeMaxTokens(fields: Fields): number | undefined {
  const maxTokens = fields.number("max_tokens");
  if (maxTokens === undefined && !fields.has("max_tokens")) {
    fields.faults.addFailure(invalid("max_tokens: Field required", "max_tokens"));
  } else if (maxTokens !== undefined && (maxTokens < 0 || !Number.isInteger(maxTokens))) {
    fields.faults.add(`Expected a whole number of tokens but got ${maxTokens}`, "max_tokens");
  }
  return maxTokens;
}

const BILLING_HEADER = "x-anthropic-billing-header:";

/** Claude Code's first block says who pays (CLIENTS.md): it stands beside the instructions, not among them. */
function decodeSystem(fields: Fields): Pick<NeutralRequest, "instructions" | "attribution"> {
  const system = fields.any("system");
  if (typeof system === "string") {
    return { instructions: system === "" ? [] : [{ kind: "text", text: system, path: "system" }] };
  }
  const parts = decodeBlocks(fields, "system", CLIENT);
  const [first] = parts;
  if (first?.kind !== "text" || !first.text.startsWith(BILLING_HEADER)) return { instructions: parts };
  const block: unknown = Array.isArray(system) ? system[0] : undefined;
  return { instructions: parts.slice(1), ...(isObject(block) ? { attribution: block } : {}) };
}

function decodeMessages(fields: Fields): Message[] {
  const messages = fields.array("messages");
  if (messages === undefined && !fields.has("messages")) {
    fields.faults.addFailure(invalid("messages: Field required", "messages"));
  }
  return (messages ?? []).map((message, index) =>
    decodeMessage(new Fields(fields.faults, message, `messages[${index}]`))
  );
}

function decodeMessage(message: Fields): Message {
  const role = message.requiredString("role");
  if (role !== "user" && role !== "assistant" && role !== "system") {
    message.faults.add(`Expected "user", "assistant" or "system" but got "${role}"`, message.at("role"));
  }
  if (!message.has("content") && role !== "system") {
    message.faults.add('Missing required member "content"', message.at("content"));
  }
  const parts = decodeContent(message, CLIENT);
  return { role: role as Message["role"], parts, path: message.path, ...ownExtra(unread(message)) };
}

/** `output_config.format`, or `output_format` as the beta had it. */
function decodeOutput(fields: Fields, nested: JsonObject): { output?: OutputFormat } {
  const config = fields.object("output_config");
  const current = config?.object("format");
  const format = current ?? fields.object("output_format");
  config?.skip("effort");
  const rest = config && unread(config);
  const unknown = format !== undefined && format.any("type") !== "json_schema" ? format.value : undefined;
  const schema = unknown === undefined ? format?.object("schema") : undefined;
  const left = unknown ?? (format && unread(format));
  const leftovers = { ...rest, ...(left !== undefined && current !== undefined ? { format: left } : {}) };
  if (Object.keys(leftovers).length > 0) nested["output_config"] = leftovers;
  if (left !== undefined && current === undefined) nested["output_format"] = left;
  return schema === undefined ? {} : { output: { kind: "json_schema", schema: schema.value } };
}

const MODES: Readonly<Record<string, Reasoning["mode"]>> = {
  enabled: "budget",
  adaptive: "adaptive",
  disabled: "off",
  between_tools: "between_tools",
};

function decodeReasoning(fields: Fields, nested: JsonObject): Reasoning | undefined {
  const effort = decodeEffort(fields, nested);
  const thinking = fields.object("thinking");
  const mode = thinking && MODES[thinking.requiredString("type")];
  if (thinking !== undefined && mode === undefined) nested["thinking"] = thinking.value;
  if (thinking === undefined || mode === undefined) return effort && { mode: "default", ...effort };
  const budgetTokens = thinking.number("budget_tokens");
  if (mode === "budget" && budgetTokens === undefined) {
    thinking.faults.add('Missing required number "budget_tokens"', thinking.at("budget_tokens"));
  }
  const display = thinking.value["display"];
  const known: Reasoning["display"] = display === "summarized" || display === "omitted" ? display : undefined;
  if (known !== undefined) thinking.skip("display");
  return { mode, ...effort, ...defined({ budgetTokens, display: known }), ...ownExtra(unread(thinking)) };
}

function decodeEffort(fields: Fields, nested: JsonObject): Pick<Reasoning, "effort"> | undefined {
  const config = fields.value["output_config"];
  const effort = isObject(config) ? config["effort"] ?? undefined : undefined;
  if (isEffort(effort)) return { effort };
  if (effort !== undefined) nested["output_config"] = { ...nested["output_config"] as JsonObject, effort };
  return undefined;
}

/** The SDK's `BetaCompact20260112Edit`: when nothing else is said, it compacts from here on. */
const COMPACTED_TOKENS = 150_000;

/** The one edit that responses has too; `isAll`: nothing else is asked of the context's management. */
function decodeCompaction(management: unknown): NeutralRequest["compaction"] {
  const edits = isObject(management) && Array.isArray(management["edits"]) ? management["edits"] : [];
  const edit = edits.find((each): each is JsonObject => isObject(each) && each["type"] === "compact_20260112");
  if (edit === undefined) return undefined;
  const tokens = isObject(edit["trigger"]) ? edit["trigger"]["value"] : undefined;
  const isAll = edits.length === 1 && Object.keys(edit).every((key) => key === "type" || key === "trigger");
  return { tokens: typeof tokens === "number" ? tokens : COMPACTED_TOKENS, isAll };
}

/** Claude Code's way to say that no thinking be cleared. */
function keepsAll(management: unknown): boolean {
  const edits = isObject(management) && Object.keys(management).length === 1 ? management["edits"] : undefined;
  return Array.isArray(edits) &&
    edits.every((edit) =>
      isObject(edit) && Object.keys(edit).length === 2 && edit["type"] === "clear_thinking_20251015" &&
      edit["keep"] === "all"
    );
}

/** In the words that chat and responses share. */
function decodeTier(fields: Fields): string | undefined {
  const tier = fields.string("service_tier");
  return tier === "standard_only" ? "default" : tier;
}

function decodeMetadataAndCache(fields: Fields, nested: JsonObject): Pick<NeutralRequest, "userId" | "cache"> {
  const metadata = fields.object("metadata");
  const userId = metadata?.string("user_id");
  const rest = metadata && unread(metadata);
  if (rest !== undefined) nested["metadata"] = rest;
  const control = decodeCache(fields);
  if (control.rest !== undefined) nested["cache_control"] = control.rest;
  const cache = defined({ key: sessionOf(userId), auto: control.cache });
  return defined({ userId, cache: Object.keys(cache).length === 0 ? undefined : cache });
}

/** Claude Code's `user_id` is JSON with a session: what the turns of one conversation have in common. */
function sessionOf(userId: string | undefined): string | undefined {
  if (userId === undefined || !userId.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(userId);
    return isObject(value) && typeof value["session_id"] === "string" ? value["session_id"] : undefined;
  } catch {
    return undefined;
  }
}

function decodeThread(fields: Fields): Pick<NeutralRequest, "state"> {
  const thread = fields.any("thread");
  return thread === undefined || thread === null ? {} : { state: { thread } };
}

function decodeBetas(
  fields: Fields,
  headers: Headers,
  thinking: Reasoning["mode"] | undefined,
): Pick<NeutralRequest, "betas" | "betasMatter"> {
  const header = (headers.get("anthropic-beta") ?? "").split(",").map((beta) => beta.trim());
  const betas = [...new Set([...header, ...fields.strings("betas") ?? []])].filter((beta) => beta !== "");
  return betas.some((beta) => changesAnswer(beta, thinking)) ? { betas, betasMatter: true } : { betas };
}

/** Stored state, tools that run elsewhere, and the cache's pre-warming: nothing else answers the same without them. */
function decodeOwnFormatOnly(
  body: JsonObject,
  maxTokens: number | undefined,
): Pick<NeutralRequest, "ownFormatOnly"> {
  const members = ["container", "mcp_servers", "compaction"].filter((key) => {
    const value = body[key];
    return value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0);
  });
  if (maxTokens === 0) members.push("max_tokens");
  return members.length === 0 ? {} : { ownFormatOnly: members };
}

const WIRE_NAMES: Readonly<Record<string, string>> = {
  instructions: "system",
  toolChoice: "tool_choice",
  parallelToolCalls: "tool_choice.disable_parallel_tool_use",
  maxOutputTokens: "max_tokens",
  topP: "top_p",
  topK: "top_k",
  stopSequences: "stop_sequences",
  output: "output_config.format",
  reasoning: "thinking",
  cache: "cache_control",
  serviceTier: "service_tier",
  userId: "metadata.user_id",
  state: "thread",
  thread: "thread",
  cacheKey: "metadata.user_id",
  contextManagement: "context_management",
};

function isSaid(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** A field that this format writes in two ways is named in the way the client wrote it. */
function wireNames(body: JsonObject): Readonly<Record<string, string>> {
  return {
    ...WIRE_NAMES,
    ...(body["output_format"] === undefined ? {} : { output: "output_format" }),
    ...(!isSaid(body["thinking"]) && isObject(body["output_config"]) && isSaid(body["output_config"]["effort"])
      ? { reasoning: "output_config.effort" }
      : {}),
  };
}
