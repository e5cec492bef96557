/**
 * A socket's own memory: the responses that were told on it, each with the whole conversation up to it, so that the next
 * turn sends only what is new. It lives as long as the socket, within bounds: what was continued longest ago goes first.
 */
import { isObject, type JsonObject } from "../base/fields.ts";

/** A conversation up to and with one response. */
export interface EarlierTurns {
  items: readonly JsonObject[];
  /** The response before the first of `items`, where that one wasn't told on this socket. */
  previousId?: string;
}

/** A turn that is over. */
export interface ToldTurn {
  /** Its response's. */
  id: string;
  previousId: string | undefined;
  /** Where it was told; `""` is the lane without a name. */
  lane: string;
  /** The items of its own input. */
  input: readonly JsonObject[];
  response: JsonObject;
}

interface Entry extends EarlierTurns {
  lane: string;
  /** Of all its items as JSON; equal items of several entries count each time. */
  bytes: number;
}

const MAX_RESPONSES = 64;

export class SessionMemory {
  /** By the response's id, the one continued longest ago first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(readonly maxBytes: number) {}

  remember({ id, previousId, lane, input, response }: ToldTurn): void {
    this.#delete(id);
    const before = previousId === undefined ? undefined : this.#entries.get(previousId);
    const own = [...input, ...usableOutput(response)];
    const entry: Entry = {
      lane,
      items: before === undefined ? own : [...before.items, ...own],
      bytes: (before?.bytes ?? 0) + JSON.stringify(own).length,
      ...rootOf(before, previousId),
    };
    this.#entries.set(id, entry);
    this.#bytes += entry.bytes;
    this.#shrink();
  }

  /** What the next turn begins with when it continues this response. */
  upTo(id: string): EarlierTurns | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    return entry;
  }

  /** A turn that continued this response has failed: it is forgotten, unless another lane goes on from it. */
  forget(id: string, lane: string): void {
    if (this.#entries.get(id)?.lane === lane) this.#delete(id);
  }

  #delete(id: string): void {
    this.#bytes -= this.#entries.get(id)?.bytes ?? 0;
    this.#entries.delete(id);
  }

  #shrink(): void {
    for (const id of this.#entries.keys()) {
      if (this.#entries.size <= MAX_RESPONSES && this.#bytes <= this.maxBytes) return;
      this.#delete(id);
    }
  }
}

function rootOf(before: Entry | undefined, previousId: string | undefined): { previousId?: string } {
  const root = before === undefined ? previousId : before.previousId;
  return root === undefined ? {} : { previousId: root };
}

/**
 * Reasoning that its maker neither kept (`store: false`) nor sealed can't be sent back: it is refused as unknown there.
 */
function usableOutput(response: JsonObject): JsonObject[] {
  const { output, store } = response;
  const items = Array.isArray(output) ? output.filter(isObject) : [];
  if (store !== false) return items;
  return items.filter((item) => item["type"] !== "reasoning" || typeof item["encrypted_content"] === "string");
}
