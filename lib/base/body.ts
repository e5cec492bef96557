/** Bodies read whole, with a limit. */
import { TIMED_OUT, within } from "./clock.ts";
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
  try {
    return await readAll(reader, maxBytes);
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** The same within `ms`, else `TIMED_OUT`: then the caller lets go of the connection. */
export async function readBodyWithin(
  source: Response,
  maxBytes: number,
  ms: number,
): Promise<Uint8Array | typeof TOO_LARGE | typeof TIMED_OUT> {
  const declared = Number(source.headers.get("content-length") ?? NaN);
  if (declared <= maxBytes) {
    const whole = await within(source.arrayBuffer(), ms);
    return whole === TIMED_OUT ? whole : new Uint8Array(whole);
  }
  if (source.body === null) return new Uint8Array(0);
  const reader = source.body.getReader();
  try {
    return await within(readAll(reader, maxBytes), ms);
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function readAll(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  maxBytes: number,
): Promise<Uint8Array | typeof TOO_LARGE> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > DRAIN_FACTOR * maxBytes) break;
    if (length <= maxBytes) parts.push(value);
    else parts.length = 0;
  }
  return length > maxBytes ? TOO_LARGE : joinBytes(parts);
}

const DRAIN_FACTOR = 4;
