/**
 * What will be done with a request, before anything is sent: bytes pass or are translated, where they go, and what is
 * lost on the way. Pure but for the memory of signed thinking; `explain` shows the same plan that `relay` carries out.
 */
import { Buffer } from "node:buffer";
import { fail, type Failure, invalid, type Result, success } from "./base/failure.ts";
import type { JsonObject } from "./base/fields.ts";
import { parseJson, replaceAt, type Span } from "./base/json.ts";
import { capabilitiesOf, translatedFormat } from "./capabilities.ts";
import type { Config } from "./config.ts";
import { type EncodedRequest, type Format, Losses, type Target, type Teller } from "./format.ts";
import { FORMATS } from "./formats/mod.ts";
import type { Loss, NeutralRequest } from "./neutral.ts";
import type { Route } from "./router.ts";
import type { ReasoningMemory } from "./translation/carry.ts";
import { accountHeaders } from "./translation/headers.ts";
import { ENVELOPE_PREFIX } from "./translation/envelope.ts";

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
  /** Whose memory it is: a hash of the client's credential. */
  scope: string;
  /** Aborted when the client leaves, and when the answer is over. */
  abort: AbortController;
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
    ? success(passThrough(call, format, target, losses))
    : named(call, translate(call, format, target, losses));
  const mayLose = !call.strict && route.onLoss !== "reject";
  return plan.ok && losses.list.length > 0 && !mayLose ? fail(lossFailure(losses)) : plan;
}

/** A fault's path as the client knows it. */
function named({ named }: Call, plan: Result<Plan>): Result<Plan> {
  if (plan.ok || named === undefined || plan.failure.param === undefined) return plan;
  const { message, param } = plan.failure;
  return fail({ ...plan.failure, param: named(param), message: message.replaceAll(param, named(param)) });
}

/**
 * The client's own format where the provider serves it: then bytes pass. Else the first that it lists and its model can
 * do all of the request in.
 */
export function upstreamFormat(
  { client, members }: Pick<Call, "client" | "members">,
  { provider, model }: Route,
): Format {
  const { formats } = provider;
  if (formats.includes(client.name)) return client;
  return FORMATS[translatedFormat(capabilitiesOf(model), formats, members.has("tools"))];
}

export function targetOf(route: Route, format: Format): Target {
  const { provider, model } = route;
  return {
    provider: provider.name,
    model,
    format: format.name,
    family: provider.family,
    flags: provider.flags,
    capabilities: capabilitiesOf(model),
  };
}

/** Bytes through: the model's name is replaced in place, nothing else is touched. */
function passThrough(call: Call, format: Format, target: Target, losses: Losses): Plan {
  const body = passedBody(call, format, target, losses);
  return { format, target, body, headers: format.passedHeaders(call.headers, target), losses };
}

/** The client's bytes for an upstream that speaks its format. */
export function passedBody(call: Call, format: Format, target: Target, losses: Losses): Uint8Array<ArrayBuffer> {
  const span = call.members.get("model");
  const isRenamed = span !== undefined && call.model !== target.model;
  const body = isRenamed ? replaceAt(call.bytes, span, JSON.stringify(target.model)) : call.bytes;
  return holdsEnvelope(body) ? withoutEnvelopes(body, format, target, losses) : body;
}

/** Decoded to the neutral form, encoded for the upstream. */
function translate(call: Call, format: Format, target: Target, losses: Losses): Result<Plan> {
  const decoded = decodeBody(call);
  if (!decoded.ok) return decoded;
  const request = decoded.value;
  if (call.client.dropsReasoning) call.memory.restore(call.scope, request);
  const encoded = format.encodeRequest(request, target, losses);
  if (!encoded.ok) return encoded;
  const { body } = encoded.value;
  const headers = { ...accountHeaders(call.headers, target.family), ...encoded.value.headers };
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
  let body: JsonObject;
  try {
    body = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(call.bytes)) as JsonObject;
  } catch (error) {
    // The scan has found the JSON sound: what is left are illegal escapes and bytes that are no UTF-8.
    const reason = error instanceof SyntaxError ? error.message : "it is not UTF-8";
    return fail(invalid(`The body is not valid JSON: ${reason}`));
  }
  return call.client.decodeRequest(body, call.headers);
}

function lossFailure({ list }: Losses): Failure {
  const told = list.slice(0, MAX_TOLD).map(({ path, reason }) => `${path} (${reason})`).join(", ");
  const more = list.length > MAX_TOLD ? ` and ${list.length - MAX_TOLD} more` : "";
  return {
    kind: "unsupported",
    source: "client",
    message: `This upstream can't carry all of the request, and losses are refused: ${told}${more}`,
    retry: false,
    ...(list[0] === undefined ? {} : { param: list[0].path }),
  };
}

/** Losses that an error message names. */
const MAX_TOLD = 50;

const ENVELOPE_MARK = `"${ENVELOPE_PREFIX}`;

function holdsEnvelope(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(ENVELOPE_MARK);
}

/** Envelopes of ours in a body that would pass: a real provider refuses them (TRANSLATION.md, 1.4 c). */
function withoutEnvelopes(
  bytes: Uint8Array<ArrayBuffer>,
  format: Format,
  target: Target,
  losses: Losses,
): Uint8Array<ArrayBuffer> {
  let body: JsonObject;
  try {
    body = parseJson(new TextDecoder().decode(bytes)) as JsonObject;
  } catch {
    return bytes;
  }
  return new TextEncoder().encode(JSON.stringify(format.stripEnvelopes(body, target, losses)));
}
