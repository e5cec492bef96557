/** Bodies read whole, with a limit. */
import { joinBytes } from "./sse.ts";

export const TOO_LARGE = Symbol("too large");

/**
 * All bytes of a request's or answer's body, or `TOO_LARGE` beyond `maxBytes`. Rejects when the body breaks off.
 * What is too large is read on for a while and thrown away: a client that is still sending would not see the answer.
 */
export async function readBody(source: Request | Response, maxBytes: number): Promise<Uint8Array | typeof TOO_LARGE> {
  const declared = Number(source.headers.get("content-length") ?? NaN);
  if (declared <= maxBytes) return new Uint8Array(await source.arrayBuffer());
  if (source.body === null) return new Uint8Array(0);
  const reader = source.body.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > DRAIN_FACTOR * maxBytes) break;
      if (length <= maxBytes) parts.push(value);
      else parts.length = 0;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
  return length > maxBytes ? TOO_LARGE : joinBytes(parts);
}

const DRAIN_FACTOR = 4;
