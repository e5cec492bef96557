/** A client's request, wire → neutral (TRANSLATION.md, 2.1 and 2.9). */
import { fail, type Result, success } from "../../base/failure.ts";
import { defined, Faults, Fields, isObject, type JsonObject } from "../../base/fields.ts";
import type { NeutralRequest, OutputFormat, Reasoning, Tool } from "../../neutral.ts";
import { isEffort } from "../../translation/effort.ts";
import { decodeInput } from "./input_decode.ts";
import { decodeToolChoice, decodeTools } from "./tools_decode.ts";
import { extraOf, INCLUDE_ENCRYPTED, INCLUDE_LOGPROBS, WIRE_NAMES } from "./wire.ts";

/** Members of nested objects that nobody knows go to the extensions by their dotted path. */
interface Body {
  fields: Fields;
  faults: Faults;
  extensions: JsonObject;
}

/** Fails with the path of the first member that is missing or of a wrong type. */
export function decodeRequest(json: JsonObject): Result<NeutralRequest> {
  const faults = new Faults();
  const fields = new Fields(faults, json, "");
  const body: Body = { fields, faults, extensions: {} };
  const input = decodeInput(faults, fields.any("input"));
  const include = fields.strings("include") ?? [];
  const request: NeutralRequest = {
    origin: "responses",
    model: decodeModel(body),
    ...decodeConversation(body, input),
    ...decodeToolMembers(body, input.tools),
    ...decodeSampling(body, include),
    ...decodeText(body),
    ...decodeReasoning(body),
    ...decodeCache(body),
    ...decodeUser(body),
    ...decodeRest(body),
    include,
    ...(include.every((entry) => entry === INCLUDE_ENCRYPTED || entry === INCLUDE_LOGPROBS)
      ? {}
      : { includesOwn: true }),
    stopSequences: [],
    ...decodeStream(body),
    includeUsage: true,
    betas: [],
    extensions: {},
    wireNames: wireNames(fields),
  };
  requireInput(body);
  const extensions = { ...fields.rest(), ...body.extensions };
  if (Object.keys(extensions).length > 0) request.extensions = { responses: extensions };
  if (input.ownFormatOnly.length > 0) request.ownFormatOnly = input.ownFormatOnly;
  return faults.first === undefined ? success(request) : fail(faults.first);
}

/** A field that this format writes in two ways is named in the way the client wrote it. */
function wireNames(fields: Fields): Readonly<Record<string, string>> {
  return {
    ...WIRE_NAMES,
    ...(fields.has("safety_identifier") ? {} : { userId: "user" }),
    ...(fields.has("prompt_cache_options") ? {} : { cacheTtl: "prompt_cache_retention" }),
    ...(fields.has("top_logprobs") ? {} : { logprobs: "include" }),
  };
}

/** A stored prompt may bring its own model. */
function decodeModel({ fields }: Body): string {
  return fields.has("prompt") ? fields.string("model") ?? "" : fields.requiredString("model");
}

function requireInput({ fields, faults }: Body): void {
  if (fields.has("input") || ["prompt", "previous_response_id", "conversation"].some((key) => fields.has(key))) return;
  faults.add('Missing required "input"', "input");
}

function decodeConversation({ fields }: Body, input: ReturnType<typeof decodeInput>) {
  const text = fields.string("instructions");
  const instructions = text === undefined || text === ""
    ? input.instructions
    : [{ kind: "text" as const, text, path: "instructions" }, ...input.instructions];
  const state = defined({
    store: fields.boolean("store"),
    previousId: fields.string("previous_response_id"),
    conversation: fields.any("conversation") ?? undefined,
    background: fields.boolean("background"),
    prompt: fields.any("prompt") ?? undefined,
  });
  return { instructions, messages: input.messages, ...(Object.keys(state).length > 0 ? { state } : {}) };
}

function decodeToolMembers({ fields, faults, extensions }: Body, additional: NeutralRequest["tools"]) {
  const choice = fields.any("tool_choice");
  // A choice of a tool may say more than its name (its namespace): kept for this format, lost to others.
  if (isObject(choice) && (choice["type"] === "function" || choice["type"] === "custom")) {
    const { type: _, name: __, ...rest } = choice;
    for (const [key, value] of Object.entries(rest)) extensions[`tool_choice.${key}`] = value;
  }
  return defined({
    tools: onceFound([...decodeTools(faults, fields.array("tools") ?? [], "tools"), ...additional]),
    toolChoice: decodeToolChoice(faults, choice),
    parallelToolCalls: fields.boolean("parallel_tool_calls"),
  });
}

/** Two searches may find the same tool, or one that is offered anyway. */
function onceFound(tools: readonly Tool[]): Tool[] {
  const offered = new Set<string>();
  return tools.filter(({ name, namespace, isFound }) => {
    const key = JSON.stringify([namespace, name]);
    const isRepeated = isFound === true && offered.has(key);
    offered.add(key);
    return !isRepeated;
  });
}

function decodeSampling({ fields }: Body, include: readonly string[]) {
  const maxOutputTokens = fields.number("max_output_tokens");
  if (maxOutputTokens !== undefined && maxOutputTokens < 0) {
    fields.faults.add(`Expected a number of tokens but got ${maxOutputTokens}`, "max_output_tokens");
  }
  const top = fields.number("top_logprobs");
  const wantsLogprobs = include.includes(INCLUDE_LOGPROBS) || (top !== undefined && top > 0);
  return defined({
    maxOutputTokens,
    temperature: fields.number("temperature"),
    topP: fields.number("top_p"),
    frequencyPenalty: fields.number("frequency_penalty"),
    presencePenalty: fields.number("presence_penalty"),
    logprobs: wantsLogprobs ? { top: top ?? 0 } : undefined,
    truncation: fields.string("truncation"),
  });
}

function decodeText(body: Body) {
  const text = body.fields.object("text");
  if (text === undefined) return {};
  const output = decodeOutputFormat(body, text);
  const verbosity = text.string("verbosity");
  keepRest(body, text);
  return defined({ output, verbosity });
}

function decodeOutputFormat(body: Body, text: Fields): OutputFormat | undefined {
  const format = text.object("format");
  if (format === undefined) return undefined;
  const type = format.requiredString("type");
  switch (type) {
    case "text":
      return { kind: "text" };
    case "json_object":
      return { kind: "json" };
    case "json_schema":
      return decodeSchemaFormat(body, format);
    default:
      body.extensions["text.format"] = format.value;
      return undefined;
  }
}

function decodeSchemaFormat(body: Body, format: Fields): OutputFormat {
  const schema = format.object("schema");
  if (schema === undefined) body.faults.add('Missing required object "schema"', format.at("schema"));
  const output: OutputFormat = defined({
    kind: "json_schema" as const,
    name: format.requiredString("name"),
    description: format.string("description"),
    schema: schema?.value,
    strict: format.boolean("strict"),
  });
  keepRest(body, format);
  return output;
}

function decodeReasoning({ fields }: Body): { reasoning?: Reasoning } {
  const wire = fields.object("reasoning");
  if (wire === undefined) return {};
  const effort = wire.string("effort");
  const display = wire.string("summary");
  // A word that is new to us is no effort that another format could be told.
  const unknown = defined({
    effort: effort === undefined || isEffort(effort) ? undefined : effort,
    summary: display === undefined || isDisplay(display) ? undefined : display,
  });
  const rest = { ...wire.rest(), ...unknown };
  const reasoning: Reasoning = defined({
    mode: effort === "none" ? "off" as const : "default" as const,
    effort: isEffort(effort) ? effort : undefined,
    display: isDisplay(display) ? display : undefined,
    extra: extraOf(Object.keys(rest).length > 0 ? rest : undefined),
  });
  return { reasoning };
}

function isDisplay(value: string | undefined): value is "auto" | "concise" | "detailed" {
  return value === "auto" || value === "concise" || value === "detailed";
}

/** Two members tell how long a cache lives; one that can't be the neutral `ttl` too stays in the extensions. */
function decodeCache(body: Body) {
  const { fields, extensions } = body;
  const options = fields.object("prompt_cache_options");
  const retention = fields.string("prompt_cache_retention");
  const optionsTtl = options?.string("ttl");
  if (optionsTtl !== undefined && retention !== undefined) extensions["prompt_cache_retention"] = retention;
  const cache = defined({
    key: fields.string("prompt_cache_key"),
    ttl: optionsTtl ?? retention,
    mode: options?.string("mode"),
  });
  if (options !== undefined) keepRest(body, options);
  return Object.keys(cache).length > 0 ? { cache } : {};
}

function decodeUser({ fields, extensions }: Body) {
  const identifier = fields.string("safety_identifier");
  const user = fields.string("user");
  if (identifier !== undefined && user !== undefined) extensions["user"] = user;
  return defined({ userId: identifier ?? user, metadata: decodeMetadata(fields) });
}

function decodeMetadata(fields: Fields): Record<string, string> | undefined {
  const metadata = fields.object("metadata");
  for (const key of Object.keys(metadata?.value ?? {})) metadata?.string(key);
  return metadata?.value as Record<string, string> | undefined;
}

function decodeRest({ fields }: Body) {
  return defined({
    serviceTier: fields.string("service_tier"),
    moderation: fields.object("moderation")?.value,
    contextManagement: fields.any("context_management") ?? undefined,
  });
}

function decodeStream(body: Body) {
  const options = body.fields.object("stream_options");
  const includeObfuscation = options?.boolean("include_obfuscation");
  if (options !== undefined) keepRest(body, options);
  return {
    stream: body.fields.boolean("stream") ?? false,
    ...(includeObfuscation === undefined ? {} : { includeObfuscation }),
  };
}

function keepRest(body: Body, fields: Fields): void {
  for (const [key, value] of Object.entries(fields.rest() ?? {})) body.extensions[fields.at(key)] = value;
}
