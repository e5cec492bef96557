/** The neutral form to a request body for an upstream of this format (TRANSLATION.md, 2). */
import { fail, type Failure, invalid, type Result, success, unsupported } from "../../base/failure.ts";
import { defined, type JsonObject } from "../../base/fields.ts";
import type { EncodedRequest, Losses, Target } from "../../format.ts";
import type { NeutralRequest } from "../../neutral.ts";
import { unknownResponse } from "../../translation/history.ts";
import { type ToolNames, toolNames } from "../../translation/names.ts";
import { constrainedSchema } from "../../translation/schema.ts";
import { clientName, type Encoding, markPath } from "./encoding.ts";
import { encodeMessages, encodeSystem, newCallIds } from "./history.ts";
import { encodeSampling, nameLostFields } from "./sampling.ts";
import { encodeThinking, isOn, lacksSignedThinking, withoutThinking } from "./thinking.ts";
import { encodeTools } from "./tool_encode.ts";
import { DEFAULT_VERSION, encodeCache, mergeJson } from "./wire.ts";

/** Fails with kind `unsupported` where the request would mean something else without what can't be carried. */
export function encodeRequest(request: NeutralRequest, target: Target, losses: Losses): Result<EncodedRequest> {
  const own = request.origin === "messages";
  const refusal = own ? undefined : refusalOf(request);
  if (refusal !== undefined) return fail(refusal);
  const names = own ? success(SAME_NAMES) : toolNames(request, NAME_RULES);
  if (!names.ok) return names;
  const encoding: Encoding = {
    request,
    target,
    losses,
    own,
    names: names.value,
    ids: newCallIds(own),
    refusal: undefined,
    marks: [],
    prefill: target.capabilities.prefill,
    droppedThinking: false,
  };
  const { body, emulateStop } = encodeBody(encoding);
  if (encoding.refusal !== undefined) return fail(encoding.refusal);
  return success({
    body,
    restore: names.value.restore,
    ...(emulateStop.length === 0 ? {} : { emulateStop }),
    headers: encodeHeaders(request, own),
  });
}

const NAME_RULES = { maxLength: 64, namespaces: false };
const SAME_NAMES: ToolNames = { toTarget: (name) => name, restore: new Map() };

function refusalOf(request: NeutralRequest): Failure | undefined {
  const { state } = request;
  const wanted: readonly (readonly [boolean, string, string])[] = [
    [(request.candidates ?? 1) > 1, "candidates", "The messages format gives one answer a request"],
    [request.audioOutput !== undefined, "audioOutput", "The messages format answers in text alone"],
    [request.moderation !== undefined, "moderation", "The messages format moderates nothing"],
    [request.maxOutputTokens === 0, "maxOutputTokens", "The messages format answers in one token at least"],
    [
      state?.conversation !== undefined,
      "conversation",
      "The messages format keeps no conversation; send the full input",
    ],
    [state?.background === true, "background", "The messages format has no background answers"],
    [state?.prompt !== undefined, "prompt", "The messages format has no stored prompts"],
    [state?.thread !== undefined, "thread", "This thread belongs to another format"],
  ];
  if (state?.previousId !== undefined) return unknownResponse(clientName(request, "previousId"));
  const found = wanted.find(([is]) => is);
  if (found !== undefined) return unsupported(found[2], clientName(request, found[1]));
  const [member] = request.ownFormatOnly ?? [];
  return member === undefined ? undefined : unsupported(`The messages format can't carry ${member}`, member);
}

function encodeBody(encoding: Encoding): { body: JsonObject; emulateStop: string[] } {
  const { request, target, own } = encoding;
  const maxTokens = encodeMaxTokens(encoding);
  const tools = encodeTools(encoding);
  const { format, instruction } = encodeOutput(encoding, tools.forced);
  const told = [tools.instruction, instruction].filter((text) => text !== undefined);
  const system = encodeSystem(encoding, told.length === 0 ? undefined : told.join("\n"));
  const { thinking, effort } = encodeThinking(encoding, maxTokens, tools.forced && tools.instruction === undefined);
  // A model that thinks must begin with its thinking.
  if (isOn(thinking)) encoding.prefill = false;
  const messages = encodeMessages(encoding);
  if (messages.length === 0 && !own) {
    encoding.refusal ??= invalid("The request has no message with content", clientName(request, "messages"));
  }
  const stop = encodeStopSequences(encoding);
  const outputConfig = defined({ effort, format });
  const body: JsonObject = {
    model: target.model,
    max_tokens: maxTokens,
    ...system,
    messages,
    ...tools.members,
    ...defined({ thinking }),
    ...(Object.keys(outputConfig).length === 0 ? {} : { output_config: outputConfig }),
    ...encodeSampling(encoding, isOn(thinking)),
    ...(stop.sent.length === 0 ? {} : { stop_sequences: stop.sent }),
    ...encodeRest(encoding),
    ...(request.stream ? { stream: true } : {}),
  };
  nameLostFields(encoding);
  keepLastMarks(encoding);
  return { body: settleThinking(body, encoding), emulateStop: stop.emulated };
}

/** The client's members that have no neutral term, and thinking only where the history allows it. */
function settleThinking(body: JsonObject, encoding: Encoding): JsonObject {
  const { request, losses } = encoding;
  const whole = encoding.own ? mergeJson(ownNames(body, request), request.extensions.messages ?? {}) : body;
  const budget = (whole["thinking"] as JsonObject | undefined)?.["type"] === "enabled";
  const touched = !encoding.own || encoding.droppedThinking;
  if (!budget || !touched || !lacksSignedThinking(whole["messages"] as unknown[])) return whole;
  return withoutThinking(whole, clientName(request, "reasoning"), losses);
}

/** The beta's name of the output format, for clients that use it. */
function ownNames(body: JsonObject, request: NeutralRequest): JsonObject {
  const config = body["output_config"] as JsonObject | undefined;
  if (request.wireNames["output"] !== "output_format" || config?.["format"] === undefined) return body;
  const { format, ...rest } = config;
  const { output_config: _, ...members } = body;
  return { ...members, ...(Object.keys(rest).length === 0 ? {} : { output_config: rest }), output_format: format };
}

const UNKNOWN_MAX_TOKENS = 8192;

function encodeMaxTokens({ request, target, own, losses }: Encoding): number {
  const most = target.capabilities.maxOutputTokens;
  const wanted = request.maxOutputTokens;
  if (wanted === undefined) {
    return Math.min(target.capabilities.defaultMaxTokens ?? Infinity, most ?? UNKNOWN_MAX_TOKENS);
  }
  if (own || most === undefined || wanted <= most) return wanted;
  losses.add(clientName(request, "maxOutputTokens"), `clamped to the model's ${most}`);
  return most;
}

const JSON_INSTRUCTION = "Answer with one JSON object and nothing else: no prose, no code fence.";

/** A forced tool leaves no text to be formatted (CLIENTS.md: the tool must win). */
function encodeOutput(encoding: Encoding, forced: boolean): { format?: JsonObject; instruction?: string } {
  const { request, losses } = encoding;
  const { output } = request;
  if (output === undefined || output.kind === "text" || forced) return {};
  const { schema, description } = output;
  const path = clientName(request, "output");
  if (output.kind === "json" || schema === undefined) {
    losses.add(path, "emulated: the model is told to answer in JSON");
    return { instruction: JSON_INSTRUCTION };
  }
  if (encoding.own) return { format: { type: "json_schema", schema } };
  const described = description === undefined || schema["description"] !== undefined
    ? schema
    : { ...schema, description };
  const constrained = constrainedSchema(described, (at) => losses.add(`${path}.${at}`, "described, not enforced"));
  return { format: { type: "json_schema", schema: constrained } };
}

/** White space alone is refused as a stop sequence, and some models refuse all of them: the gateway cuts there. */
function encodeStopSequences({ request, target, own }: Encoding): { sent: string[]; emulated: string[] } {
  const { stopSequences } = request;
  if (own) return { sent: stopSequences, emulated: [] };
  const sent = target.capabilities.stopSequences ? stopSequences.filter((text) => text.trim() !== "") : [];
  return { sent, emulated: stopSequences.filter((text) => text !== "" && !sent.includes(text)) };
}

function encodeRest(encoding: Encoding): JsonObject {
  const { request, own } = encoding;
  return defined({
    metadata: encodeUser(encoding),
    service_tier: encodeTier(encoding),
    cache_control: encodeAutoCache(request),
    context_management: own ? request.contextManagement : undefined,
    thread: own ? request.state?.thread : undefined,
  });
}

/** What chat and responses do unless they are told otherwise, this format does only when it is asked to. */
function encodeAutoCache({ cache }: NeutralRequest): JsonObject | undefined {
  if (cache?.auto !== undefined) return encodeCache(cache.auto);
  return cache?.mode === "implicit" ? encodeCache({}) : undefined;
}

const MAX_USER_ID = 256;
const PERSONAL = /^[^\s@]+@[^\s@]+\.[^\s@]+$|^\+?[\d\s().-]{7,}$/;

/** The API answers 400 to ids that are long, or look like an e-mail address or a telephone number [P litellm]. */
function encodeUser({ request, own, losses }: Encoding): JsonObject | undefined {
  const { userId } = request;
  if (userId === undefined) return undefined;
  if (own || (userId.length <= MAX_USER_ID && !PERSONAL.test(userId))) return { user_id: userId };
  losses.add(clientName(request, "userId"), "messages takes no ids that are long or personal");
  return undefined;
}

function encodeTier({ request, own, losses }: Encoding): string | undefined {
  switch (request.serviceTier) {
    case undefined:
      return undefined;
    case "default":
      return "standard_only";
    case "auto":
    case "priority":
      return "auto";
    default:
      if (own) return request.serviceTier;
      losses.add(clientName(request, "serviceTier"), "messages has no such tier");
      return undefined;
  }
}

const MAX_MARKS = 4;

/** The last ones: they cover what the earlier ones would. */
function keepLastMarks({ request, own, marks, losses }: Encoding): void {
  if (own) return;
  const most = encodeAutoCache(request) === undefined ? MAX_MARKS : MAX_MARKS - 1;
  for (const { holder, path } of marks.slice(0, -most)) {
    delete holder["cache_control"];
    losses.add(markPath(request, path), `messages takes ${MAX_MARKS} cache marks: the last are kept`);
  }
}

function encodeHeaders(request: NeutralRequest, own: boolean): Record<string, string> {
  return {
    "anthropic-version": (own ? request.apiVersion : undefined) ?? DEFAULT_VERSION,
    ...(own && request.betas.length > 0 ? { "anthropic-beta": request.betas.join(",") } : {}),
  };
}
