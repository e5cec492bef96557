/** Lets a teller speak in an answer whose bytes pass: the events that carry the response object are read, no others. */
import { Buffer } from "node:buffer";
import { isObject } from "../../base/fields.ts";
import { jsonObject } from "../../base/json.ts";
import { bufferOf, endOfEvents, endsEvent, joinBytes, namedFrame, SseReader } from "../../base/sse.ts";
import type { Tap, Teller } from "../../format.ts";

export function openTap(teller: Teller): Tap {
  return new ResponseTap(teller);
}

const NOTHING = new Uint8Array(0);
const decoder = new TextDecoder();

/** An event that is larger passes as it is. */
const MAX_EVENT_BYTES = 32 * 1024 * 1024;
/** Where in an event its type stands. */
const TYPE_WITHIN = 256;
const LIFECYCLE = /response\.(?:created|queued|in_progress|completed|incomplete|failed|cancelled)\b/;

class ResponseTap implements Tap {
  readonly #teller: Teller;
  /** An event that isn't whole yet. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(teller: Teller) {
    this.#teller = teller;
  }

  get isDone(): boolean {
    return this.#heldBytes === 0 && this.#teller.isDone;
  }

  push(bytes: Uint8Array): Uint8Array {
    if (this.#heldBytes === 0 && (this.#teller.isDone || (endsEvent(bytes) && !mayCarryResponse(bytes)))) return bytes;
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    const end = endOfEvents(bytes);
    if (end === 0 && this.#heldBytes < MAX_EVENT_BYTES) return NOTHING;
    const all = this.#take();
    if (end === 0) return all;
    const rest = bytes.subarray(end);
    if (rest.length > 0) this.#held = [rest.slice()];
    this.#heldBytes = rest.length;
    return this.#told(all.subarray(0, all.length - rest.length));
  }

  /** The last event may lack its blank line. */
  end(): Uint8Array {
    const bytes = this.#take();
    const end = endOfEvents(bytes);
    return joinBytes([this.#told(bytes.subarray(0, end)), this.#event(bytes.subarray(end))]);
  }

  #take(): Uint8Array {
    const [only, ...more] = this.#held;
    const all = only !== undefined && more.length === 0 ? only : joinBytes(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    return all;
  }

  whole(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const response = jsonObject(new TextDecoder().decode(bytes));
    if (response === undefined) return bytes;
    const told = this.#teller.tell(response);
    return told === response ? bytes : new TextEncoder().encode(JSON.stringify(told));
  }

  /** `bytes`: whole events. */
  #told(bytes: Uint8Array): Uint8Array {
    const out: Uint8Array[] = [];
    let from = 0;
    for (let to = firstEnd(bytes, 0); to > 0 && !this.#teller.isDone; to = firstEnd(bytes, from)) {
      out.push(this.#event(bytes.subarray(from, to)));
      from = to;
    }
    if (from === 0) return bytes;
    out.push(bytes.subarray(from));
    return joinBytes(out);
  }

  #event(bytes: Uint8Array): Uint8Array {
    if (this.#teller.isDone || !mayCarryResponse(bytes)) return bytes;
    if (!LIFECYCLE.test(decoder.decode(bytes.subarray(0, TYPE_WITHIN)))) return bytes;
    const reader = new SseReader(MAX_EVENT_BYTES * 2);
    const [event] = [...reader.feed(bytes), ...reader.end()];
    const value = event === undefined ? undefined : jsonObject(event.data);
    if (event === undefined || value === undefined || !isObject(value["response"])) return bytes;
    const told = this.#teller.tell(value["response"]);
    if (told === value["response"]) return bytes;
    const type = event.event === "" ? String(value["type"]) : event.event;
    return new TextEncoder().encode(namedFrame(type, JSON.stringify({ ...value, response: told })));
  }
}

/** The member's name, as it stands in no text: there its quotes are escaped. */
const RESPONSE = Buffer.from('"response"');

function mayCarryResponse(bytes: Uint8Array): boolean {
  return bufferOf(bytes).includes(RESPONSE);
}

/** The end of the first event from `from` on, 0 where there is none. */
function firstEnd(bytes: Uint8Array, from: number): number {
  const buffer = bufferOf(bytes);
  const lf = buffer.indexOf("\n\n", from);
  // Only up to there: to search all that follows for each event of a large read would take the square of its length.
  const before = lf === -1 ? buffer : buffer.subarray(0, lf);
  const crlf = before.indexOf("\r\n\r\n", from);
  if (crlf !== -1) return crlf + 4;
  return lf === -1 ? 0 : lf + 2;
}
