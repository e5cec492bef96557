/** Whose a conversation is. */
import { createHash } from "node:crypto";

const known = new WeakMap<Headers, string>();

/** Equal credentials share one scope, and no credential is kept. Where bytes pass nobody asks for it. */
export function scopeOf(headers: Headers): string {
  const scope = known.get(headers) ?? hashOf(headers.get("authorization") ?? headers.get("x-api-key") ?? "");
  known.set(headers, scope);
  return scope;
}

function hashOf(credential: string): string {
  return credential === "" ? "" : createHash("sha256").update(credential).digest("base64url");
}
