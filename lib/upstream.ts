/** One attempt at an upstream: URL, credentials, timeouts, fetch; and what is read of its answer. */
import { TIMED_OUT, within, withinQuiet } from "./base/clock.ts";
import { fail, type Failure, type Result, success } from "./base/failure.ts";
import { PLAIN_ANSWERS } from "./base/runtime.ts";
import { redact, Secret } from "./base/secret.ts";
import type { Provider } from "./config.ts";
import type { Format } from "./format.ts";
import { mockFetch } from "./mock/mod.ts";

/** Where a request goes and what goes with it. */
export interface Destination {
  provider: Provider;
  format: Format;
  /** What follows the provider's base URL. */
  path: string;
  headers: Readonly<Record<string, string>>;
  /** Absent: a POST of JSON. */
  method?: string;
}

export interface Attempt extends Destination {
  body?: Uint8Array<ArrayBuffer> | string | ReadableStream<Uint8Array> | undefined;
  /** Aborted when the client leaves; here where nothing has come in time. */
  abort: AbortController;
  firstByteMs: number;
  /** Of a body that streams, `Date.now()` of its last piece: the wait for the answer begins there. */
  activeAt?: () => number;
}

/** The upstream's answer, whatever its status; a failure where there was none. Never rejects. */
export async function send(attempt: Attempt): Promise<Result<Response>> {
  const { provider } = attempt;
  if (provider.waitsFor !== undefined) return fail(noKey(provider, provider.waitsFor));
  const { abort, firstByteMs, activeAt } = attempt;
  try {
    const asked = fetchFrom(attempt, abort.signal);
    const answer =
      await (activeAt === undefined ? within(asked, firstByteMs) : withinQuiet(asked, firstByteMs, activeAt));
    if (answer !== TIMED_OUT) return checkRedirect(provider, answer);
    abort.abort();
    return fail(timedOut(provider, firstByteMs));
  } catch (error) {
    return fail(unreachable(provider, error, abort.signal.aborted));
  }
}

function fetchFrom(attempt: Attempt, signal: AbortSignal): Promise<Response> {
  const { url, headers } = addressed(attempt);
  const { body } = attempt;
  if (body === undefined) delete headers["content-type"];
  const init = {
    method: attempt.method ?? "POST",
    headers,
    ...(body === undefined ? {} : { body }),
    // A body that streams is sent while the answer isn't here yet; whoever streams none may say so too.
    duplex: "half" as const,
    redirect: "manual" as const,
    signal,
    // Bun's own limit of five minutes: ours is `firstByteMs`.
    timeout: false,
  };
  return attempt.provider.isMock ? mockFetch(new Request(url.replace("mock://", "http://"), init)) : fetch(url, init);
}

const COMMON_HEADERS: Readonly<Record<string, string>> = { ...PLAIN_ANSWERS, "user-agent": "trivium" };
const JSON_HEADERS: Readonly<Record<string, string>> = { "content-type": "application/json", ...COMMON_HEADERS };

function addressed(destination: Destination): { url: string; headers: Record<string, string> } {
  const { provider, path } = destination;
  const headers = {
    ...(destination.method === undefined ? JSON_HEADERS : COMMON_HEADERS),
    ...destination.headers,
    ...provider.headers,
    ...credentials(destination),
  };
  return { url: provider.baseUrl + path, headers };
}

/** The same, for eyes: every value that may be a secret is `***`. */
export function shownRequest(destination: Destination): { url: string; headers: Record<string, string> } {
  const { url, headers } = addressed(destination);
  const { provider, format } = destination;
  if (provider.waitsFor !== undefined) headers[format.keyHeader] = "***";
  for (const [name, value] of Object.entries(headers)) {
    headers[name] = name === format.keyHeader || SECRET_NAME.test(name) ? "***" : redact(value, secretsOf(provider));
  }
  return { url: redact(url, secretsOf(provider)), headers };
}

const SECRET_NAME = /auth|key|token|secret|cookie|password|credential/i;

function credentials({ provider, format }: Destination): Record<string, string> {
  if (provider.apiKey === undefined) return {};
  const key = provider.apiKey.reveal();
  return { [format.keyHeader]: format.keyHeader === "authorization" ? `Bearer ${key}` : key };
}

/** Everything of a provider that must not show in a text for clients: its key, and whatever its headers hold. */
export function secretsOf(provider: Provider): readonly Secret[] {
  let secrets = SECRETS.get(provider);
  if (secrets === undefined) SECRETS.set(provider, secrets = findSecrets(provider));
  return secrets;
}

const SECRETS = new WeakMap<Provider, readonly Secret[]>();

function findSecrets(provider: Provider): Secret[] {
  const headers = Object.entries(provider.headers).filter(([name]) => !PLAIN_NAME.test(name));
  const values = headers.map(([, value]) => new Secret(value));
  return provider.apiKey === undefined ? values : [provider.apiKey, ...values];
}

/** Headers that hold no secret, and whose words an error may well use. */
const PLAIN_NAME =
  /^(?:content-type|accept|user-agent|anthropic-(?:version|beta)|openai-(?:beta|organization|project))$/;

/** Of all that is told of a failure. */
export function withoutSecrets(failure: Failure, provider: Provider): Failure {
  const secrets = secretsOf(provider);
  const { message, param, code, retryHeaders } = failure;
  const told = Object.entries(retryHeaders ?? {}).map(([name, value]) => [name, redact(value, secrets)]);
  return {
    ...failure,
    message: redact(message, secrets),
    ...(param === undefined ? {} : { param: redact(param, secrets) }),
    ...(code === undefined ? {} : { code: redact(code, secrets) }),
    ...(retryHeaders === undefined ? {} : { retryHeaders: Object.fromEntries(told) }),
  };
}

function checkRedirect(provider: Provider, answer: Response): Result<Response> {
  if (answer.status < 300 || answer.status > 399) return success(answer);
  answer.body?.cancel().catch(() => {});
  return fail({
    kind: "upstream_protocol",
    source: "upstream",
    message: `Provider "${provider.name}" answered with a redirect (${answer.status}); correct its base_url`,
    retry: false,
    status: answer.status,
  });
}

function noKey(provider: Provider, variable: string): Failure {
  return {
    kind: "upstream_auth",
    source: "gateway",
    message: `Provider "${provider.name}" has no key: set ${variable} and start the gateway again`,
    retry: false,
    retryHeaders: { "x-should-retry": "false" },
  };
}

function timedOut(provider: Provider, ms: number): Failure {
  return {
    kind: "timeout",
    source: "upstream",
    message: `Provider "${provider.name}" sent nothing within ${ms} ms`,
    retry: true,
  };
}

function unreachable(provider: Provider, error: unknown, clientLeft: boolean): Failure {
  if (clientLeft) {
    return { kind: "cancelled", source: "client", message: "The client closed the request", retry: false };
  }
  return {
    kind: "upstream",
    source: "upstream",
    message: `Provider "${provider.name}" can't be reached: ${reasonOf(error)}`,
    retry: true,
    cause: error,
  };
}

const REASONS: readonly (readonly [RegExp, string])[] = [
  [/refused/i, "connection refused"],
  [/reset|closed|EPIPE|socket/i, "the connection broke off"],
  [/ENOTFOUND|dns|resolve|getaddrinfo|lookup/i, "its host name is unknown"],
  [/certificate|tls|ssl/i, "the TLS handshake failed"],
  [/timed? ?out/i, "the connection timed out"],
];

/** In our own words: the runtimes' name addresses, and differ. */
function reasonOf(error: unknown): string {
  const { message = "", code = "", cause } = (error ?? {}) as { message?: string; code?: string; cause?: unknown };
  const text = `${code} ${message} ${cause instanceof Error ? cause.message : ""}`;
  return REASONS.find(([pattern]) => pattern.test(text))?.[1] ?? "the request failed";
}
