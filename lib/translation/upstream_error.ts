/**
 * What an upstream's error says, in whatever shape: each maker's JSON, a server's that only resembles it, a proxy's page
 * (TRANSLATION.md, section 5; the shapes seen are listed in the recordings' QUIRKS). Keys that an upstream quotes don't
 * come through.
 */
import type { Failure, FailureKind } from "../base/failure.ts";
import { isObject, type JsonObject } from "../base/fields.ts";
import { isContextOverflow } from "./overflow.ts";

const RETRY_HEADERS = ["retry-after", "retry-after-ms", "x-should-retry"] as const;
const RETRIED: ReadonlySet<FailureKind> = new Set(["rate_limit", "overloaded", "timeout", "upstream"]);
const MAX_MESSAGE = 2000;
const MAX_EXCERPT = 500;

/** An answer that isn't 2xx, or an error object that came with status 200. `text` is the body, of any shape. */
export function decodeUpstreamError(status: number, headers: Headers, text: string): Failure {
  const failure = failureOfError(parsed(text) ?? plainText(status, text), status);
  if (status < 400) return failure;
  const retryHeaders: Record<string, string> = {};
  for (const name of RETRY_HEADERS) {
    const value = headers.get(name);
    if (value !== null) retryHeaders[name] = value;
  }
  const wish = retryHeaders["x-should-retry"];
  return {
    ...failure,
    ...(wish === undefined ? {} : { retry: wish === "true" }),
    ...(Object.keys(retryHeaders).length === 0 ? {} : { retryHeaders }),
  };
}

/** `status` is undefined for errors within a stream or an answer: there the body alone must tell. */
export function failureOfError(body: unknown, status?: number): Failure {
  const said = wordsOf(body);
  const seen = status !== undefined && status >= 400 ? status : said.status;
  const kind = kindOf(seen, said);
  const message = kind === "upstream_auth" ? REFUSED_KEY : withoutKeys(said.message).slice(0, MAX_MESSAGE);
  return {
    kind,
    source: "upstream",
    message: message === "" ? answered(seen) : message,
    retry: RETRIED.has(kind),
    ...(seen === undefined ? {} : { status: seen }),
    ...(said.param === undefined || kind === "upstream_auth" ? {} : { param: said.param }),
    ...(said.code === undefined || kind === "upstream_auth" ? {} : { code: said.code }),
    ...(said.details === undefined ? {} : { details: said.details }),
  };
}

/** Upstreams quote a part of the key in their own text. */
const REFUSED_KEY = "The upstream refused the gateway's credentials for this provider";
const KEY_LIKE = /\b(?:sk|pk|gsk|xai|key|AIza)[-_]?[A-Za-z0-9*_-]{12,}|\bBearer [A-Za-z0-9*._-]{8,}/g;

function withoutKeys(message: string): string {
  return message.replace(KEY_LIKE, "***");
}

function answered(status: number | undefined): string {
  return status === undefined
    ? "The upstream reported an error without saying why"
    : `The upstream answered with status ${status}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A proxy's page says nothing that a caller could use; a short line may. */
function plainText(status: number, text: string): string {
  const words = text.trim();
  if (words === "") return answered(status);
  if (words.startsWith("<")) return `${answered(status)} and a page of HTML`;
  return words.startsWith("{") ? `${answered(status)} and broken JSON` : words.slice(0, MAX_EXCERPT);
}

/** What an error object says, whatever it calls its members. */
interface Words {
  message: string;
  type: string;
  code?: string;
  param?: string;
  details?: JsonObject;
  /** The HTTP status that some write into the body. */
  status?: number;
}

function wordsOf(body: unknown): Words {
  if (typeof body === "string") return { message: body, type: "" };
  if (Array.isArray(body)) return wordsOf(body[0]);
  if (!isObject(body)) return { message: "", type: "" };
  const inner = isObject(body["error"]) ? body["error"] : body;
  const code = firstText(inner["code"], body["code"]);
  const param = firstText(inner["param"]);
  const status = statusOf(inner["status_code"], inner["code"], inner["status"], body["status"], body["code"]);
  return {
    message: messageOf(inner, body),
    type: firstText(inner["type"], inner["status"]),
    ...(code === "" || /^\d+$/.test(code) ? {} : { code }),
    ...(param === "" ? {} : { param }),
    ...(isObject(inner["details"]) ? { details: inner["details"] } : {}),
    ...(status === undefined ? {} : { status }),
  };
}

function messageOf(inner: JsonObject, body: JsonObject): string {
  const message = firstText(inner["message"], body["error"], body["message"], inner["detail"], body["error_message"]) ||
    detailText(inner["detail"] ?? inner["message"]);
  // OpenRouter's own words say nothing, those of its provider stand beside them.
  const metadata = inner["metadata"];
  const raw = isObject(metadata) ? firstText(metadata["raw"]) : "";
  return raw === "" || raw.length > MAX_EXCERPT ? message : `${message}: ${raw}`;
}

/** The list of complaints that FastAPI servers send: `[{loc, msg}]`, also as `{detail: […]}`. */
function detailText(value: unknown): string {
  const list = isObject(value) ? value["detail"] : value;
  if (!Array.isArray(list)) return "";
  return list.filter(isObject).map(({ msg, loc }) => {
    const place = Array.isArray(loc) ? loc.join(".") : "";
    return `${firstText(msg)}${place === "" ? "" : ` at ${place}`}`;
  }).filter((line) => line !== "").join("; ");
}

function firstText(...values: unknown[]): string {
  for (const value of values) if (typeof value === "string" && value !== "") return value;
  return "";
}

function statusOf(...values: unknown[]): number | undefined {
  for (const value of values) {
    const status = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : value;
    if (typeof status === "number" && status >= 400 && status <= 599) return status;
  }
  return undefined;
}

function kindOf(status: number | undefined, said: Words): FailureKind {
  const words = `${said.code ?? ""} ${said.type}`.toLowerCase();
  if (status === 401) return "upstream_auth";
  if (status === undefined || MAYBE_OVERFLOW.has(status)) {
    if (isContextOverflow(`${words} ${said.message}`)) return "context_length";
    if (REFUSES_KEY.test(`${words} ${said.message}`)) return "upstream_auth";
  }
  if (BILLING.test(words) || NO_CREDIT.test(said.message)) return "billing";
  if (CONTENT_POLICY.test(words) || FILTERED.test(said.message)) return "content_policy";
  // Status 502 is also what the gateway puts on an error object that came with status 200.
  const byWords = status === undefined || status === 502 ? kindOfWords(words) : undefined;
  return byWords ?? (status === undefined ? "upstream" : kindOfStatus(status));
}

const MAYBE_OVERFLOW: ReadonlySet<number> = new Set([400, 413, 422, 500, 502]);
const REFUSES_KEY =
  /(?:incorrect|invalid|wrong|missing) api[ _-]?key|api key (?:is )?(?:not valid|invalid|incorrect)|invalid_api_key|invalid_authentication|authentication_error/i;
const BILLING = /insufficient_quota|billing|payment_required|insufficient_balance|insufficient credits/;
const NO_CREDIT = /credit balance is too low/i;
const CONTENT_POLICY = /content_policy|content_filter|responsibleaipolicy|moderation_blocked/;
const FILTERED = /content filtering policy/i;

/** The makers' words, for errors that come without a status. */
const KINDS_BY_WORD: readonly (readonly [RegExp, FailureKind])[] = [
  [/rate_?limit|too_many_requests|resource_exhausted/, "rate_limit"],
  [/overloaded|unavailable|capacity/, "overloaded"],
  [/timeout|deadline/, "timeout"],
  [/model_not_found|not_?found/, "not_found"],
  [/permission|forbidden/, "permission"],
  [/authentication|unauthorized|unauthenticated/, "upstream_auth"],
  [/request_too_large/, "too_large"],
  [/invalid_request|invalid_prompt|badrequest|bad_request|invalid_argument|validation/, "invalid_request"],
];

function kindOfWords(words: string): FailureKind | undefined {
  return KINDS_BY_WORD.find(([pattern]) => pattern.test(words))?.[1];
}

const KINDS_BY_STATUS: Readonly<Record<number, FailureKind>> = {
  401: "upstream_auth",
  402: "billing",
  403: "permission",
  404: "not_found",
  408: "timeout",
  // Both are worth another try, as the SDKs know.
  409: "upstream",
  425: "upstream",
  413: "too_large",
  429: "rate_limit",
  498: "overloaded",
  503: "overloaded",
  504: "timeout",
  524: "timeout",
  529: "overloaded",
};

function kindOfStatus(status: number): FailureKind {
  return KINDS_BY_STATUS[status] ?? (status >= 500 ? "upstream" : "invalid_request");
}
