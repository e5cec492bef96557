/**
 * What will be done with a request, before anything is sent: bytes pass or are translated, where they go, and what is
 * lost on the way. Pure but for the memory of signed thinking; `explain` shows the same plan that `relay` carries out.
 */
import { acceptedBody, acceptedBytes, acceptedHeaders } from "./accepts.ts";
import { fail, type Failure, type Result, success } from "./base/failure.ts";
import type { JsonObject } from "./base/fields.ts";
import { bodyObject, jsonObject, replaceAt, scanObject, type Span } from "./base/json.ts";
import { translatedFormat } from "./capabilities.ts";
import type { Config } from "./config.ts";
import { type EncodedRequest, type Format, Losses, type Target, type Teller } from "./format.ts";
import { FORMATS } from "./formats/mod.ts";
import { lossFailure } from "./loss_report.ts";
import type { Loss, NeutralRequest } from "./neutral.ts";
import type { Route } from "./router.ts";
import { scopeOf } from "./scope.ts";
import type { ReasoningMemory } from "./translation/carry.ts";
import { fromNewestCompaction } from "./translation/compaction.ts";
import { mayHoldEnvelope, withoutBroken } from "./translation/envelope.ts";
import { accountHeaders } from "./translation/headers.ts";
import { refusedInput } from "./translation/inputs.ts";
import { restorePhases } from "./translation/phases.ts";
import type { Destination } from "./upstream.ts";

/** One request of a client, as far as it is known before its format is looked into. */
export interface Call {
  config: Config;
  client: Format;
  requestId: string;
  headers: Headers;
  bytes: Uint8Array<ArrayBuffer>;
  /** The body's top-level members, by their places in `bytes`. */
  members: ReadonlyMap<string, Span>;
  /** The model's name as the client wrote it. */
  model: string;
  stream: boolean;
  /** Refuse instead of losing anything. */
  strict: boolean;
  memory: ReasoningMemory;
  /** Aborted when the client leaves, and when the answer is over. */
  abort: AbortController;
  /** For bodies that are less than a request: what makes them one, before they are decoded. */
  complete?: (body: JsonObject) => JsonObject;
  /** What the answer is to say of the state that the gateway keeps. */
  teller?: Teller;
  /** What of earlier turns had to be left out before the body was made. */
  lost?: readonly Loss[];
  /** A path of the body as the client knows it, where earlier turns were put before its own. */
  named?: (path: string) => string;
}

/** What is sent, and what its answer needs to be read. */
export interface Plan {
  /** The upstream's format: the client's own where bytes pass. */
  format: Format;
  target: Target;
  body: Uint8Array<ArrayBuffer> | string;
  /** Headers that belong to the body. Never credentials. */
  headers: Record<string, string>;
  losses: Losses;
  /** Absent where bytes pass. */
  translation?: { request: NeutralRequest; encoded: EncodedRequest };
}

/** Fails when the request is wrong, or can't be carried to this upstream, or loses what may not be lost. */
export function planCall(call: Call, route: Route): Result<Plan> {
  const format = upstreamFormat(call, route);
  const target = targetOf(route, format);
  const losses = new Losses(call.named);
  for (const { path, reason } of call.lost ?? []) losses.add(path, reason);
  const plan = format === call.client
    ? success(passThrough(call, route, target, losses))
    : named(call, translate(call, route, format, target, losses));
  const mayLose = !call.strict && route.onLoss !== "reject";
  return plan.ok && losses.list.length > 0 && !mayLose ? fail(lossFailure(losses)) : plan;
}

/** Where a plan goes, and all that goes with its body but for the key. */
export function destinationOf(call: Call, { provider }: Route, { format, headers }: Plan): Destination {
  const accept = call.stream ? "text/event-stream" : "application/json";
  return { provider, format, path: format.path, headers: { ...headers, accept } };
}

function named(call: Call, plan: Result<Plan>): Result<Plan> {
  return plan.ok ? plan : fail(namedFailure(call, plan.failure));
}

/** A fault with its path as the client knows it. */
export function namedFailure({ named }: Call, failure: Failure): Failure {
  const { message, param } = failure;
  if (named === undefined || param === undefined) return failure;
  return { ...failure, param: named(param), message: message.replaceAll(param, named(param)) };
}

/**
 * The client's own format where the provider serves it: then bytes pass. Else the first that it lists and its model can
 * do all of the request in.
 */
export function upstreamFormat(
  { client, members }: Pick<Call, "client" | "members">,
  { provider, capabilities }: Route,
): Format {
  const { formats } = provider;
  const passes = client.api === undefined ? formats.includes(client.name) : provider.apis.has(client.api);
  if (passes) return client;
  return FORMATS[translatedFormat(capabilities, formats, members.has("tools"))];
}

export function targetOf(route: Route, format: Format): Target {
  const { provider, model, capabilities } = route;
  return {
    provider: provider.name,
    model,
    format: format.name,
    family: provider.family,
    flags: provider.flags,
    capabilities,
  };
}

/** Bytes through: the model's name is replaced in place, and only what the config names is left out. */
export function passThrough(call: Call, route: Route, target: Target, losses: Losses): Plan {
  const format = call.client;
  const body = passedBody(call, route, target, losses);
  const headers = acceptedHeaders(format.passedHeaders(call.headers, target), route.provider, losses);
  return { format, target, body, headers, losses };
}

/** The client's bytes for an upstream that speaks its format. */
function passedBody(call: Call, { provider }: Route, target: Target, losses: Losses): Uint8Array<ArrayBuffer> {
  const format = call.client;
  const accepted = acceptedBytes(call.bytes, call.members, provider, losses);
  const span = accepted === call.bytes ? call.members.get("model") : modelIn(accepted);
  const isRenamed = span !== undefined && call.model !== target.model;
  const body = isRenamed ? replaceAt(accepted, span, JSON.stringify(target.model)) : accepted;
  return mayHoldEnvelope(body, format.foreignMarks) ? withoutEnvelopes(body, format, target, losses) : body;
}

function modelIn(bytes: Uint8Array): Span | undefined {
  const members = scanObject(bytes);
  return members.ok ? members.value.get("model") : undefined;
}

/** Decoded to the neutral form, encoded for the upstream. */
function translate(call: Call, route: Route, format: Format, target: Target, losses: Losses): Result<Plan> {
  const decoded = decodeBody(call);
  if (!decoded.ok) return decoded;
  const request = decoded.value;
  request.messages = withoutBroken(request.messages, losses);
  request.messages = fromNewestCompaction(request, target.family, losses);
  const refused = refusedInput(request, target);
  if (refused !== undefined) return fail(refused);
  if (call.client.dropsReasoning) call.memory.restore(scopeOf(call.headers), request);
  request.messages = restorePhases(request.messages);
  const encoded = format.encodeRequest(request, target, losses);
  if (!encoded.ok) return encoded;
  const body = acceptedBody(encoded.value.body, route.provider, losses);
  const own = { ...accountHeaders(call.headers, target.family), ...encoded.value.headers };
  const headers = acceptedHeaders(own, route.provider, losses);
  return success({
    format,
    target,
    body: JSON.stringify(body),
    headers,
    losses,
    translation: { request, encoded: encoded.value },
  });
}

/** The client's body in the neutral form. */
export function decodeBody(call: Call): Result<NeutralRequest> {
  // The scan has found the JSON sound: what is left are illegal escapes and bytes that are no UTF-8.
  const body = bodyObject(call.bytes);
  return body.ok ? call.client.decodeRequest(call.complete?.(body.value) ?? body.value, call.headers) : body;
}

/** Envelopes of ours in a body that would pass: a real provider refuses them (TRANSLATION.md, 1.4 c). */
function withoutEnvelopes(
  bytes: Uint8Array<ArrayBuffer>,
  format: Format,
  target: Target,
  losses: Losses,
): Uint8Array<ArrayBuffer> {
  const body = jsonObject(new TextDecoder().decode(bytes));
  if (body === undefined) return bytes;
  const stripped = format.stripEnvelopes(body, target, losses);
  return stripped === body ? bytes : new TextEncoder().encode(JSON.stringify(stripped));
}
