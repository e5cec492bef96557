/** Client headers that go on with a request (TRANSLATION.md, 2.10). Credentials are never among them. */

/** OpenAI's own, and those that its Codex adds; for OpenAI's models alone. */
const OPENAI =
  /^(?:openai-(?:organization|project|beta)|x-openai-.*|x-codex-.*|originator|session-id|thread-id|x-client-request-id|idempotency-key)$/;

export function openaiHeaders(headers: Headers, family: string): Record<string, string> {
  return family === "openai" ? pickHeaders(headers, OPENAI) : {};
}

/** Whose account is charged, and what makes a repeated request one: OpenAI's in all its formats. */
const ACCOUNT = /^(?:openai-(?:organization|project)|idempotency-key)$/;

export function accountHeaders(headers: Headers, family: string): Record<string, string> {
  return family === "openai" ? pickHeaders(headers, ACCOUNT) : {};
}

export function pickHeaders(headers: Headers, pattern: RegExp): Record<string, string> {
  const picked: Record<string, string> = {};
  headers.forEach((value, name) => {
    if (pattern.test(name)) picked[name] = value;
  });
  return picked;
}
