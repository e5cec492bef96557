import type { Target } from "../../format.ts";
import { pickHeaders } from "../../translation/headers.ts";
import { DEFAULT_VERSION } from "./wire.ts";

const ANYWHERE = /^anthropic-(?:version|beta)$/;
const ANTHROPIC =
  /^(?:anthropic-(?:version|beta)|x-app|(?:x-claude-code-session|anthropic-user-profile|anthropic-workspace)-id|idempotency-key)$/;

/** What goes on with a request that passes as bytes. */
export function passedHeaders(headers: Headers, target: Target): Record<string, string> {
  const picked = pickHeaders(headers, target.family === "anthropic" ? ANTHROPIC : ANYWHERE);
  return { "anthropic-version": DEFAULT_VERSION, ...picked };
}
