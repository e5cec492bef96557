/**
 * A socket's own memory: the responses that were told on it, each with the whole conversation up to it, so that the next
 * turn sends only what is new. It lives as long as the socket, within bounds: what was continued longest ago goes first.
 */
import { isObject, type JsonObject } from "../base/fields.ts";
import type { ResponseStore, StoredResponse } from "./store.ts";

/** A conversation up to and with one response. */
export interface Conversation {
  items: readonly JsonObject[];
  /** The response before the first of `items`, where that one wasn't told on this socket. */
  previousId?: string;
}

interface Entry extends Conversation {
  stored: StoredResponse;
  lane: string;
  /** Of all its items as JSON; equal items of several entries count each time. */
  bytes: number;
}

const MAX_RESPONSES = 64;

export class SessionMemory implements ResponseStore {
  /** By id, the one continued longest ago first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(readonly maxBytes: number) {}

  get(scope: string, id: string): StoredResponse | undefined {
    return this.#entry(scope, id)?.stored;
  }

  put(stored: StoredResponse): void {
    this.remember(stored, "");
  }

  /** `lane`: where it was told; `""` is the one without a name. */
  remember(stored: StoredResponse, lane: string): void {
    const { scope, id, previousId } = stored;
    this.delete(scope, id);
    const before = previousId === undefined ? undefined : this.#entry(scope, previousId);
    const own = [...stored.input, ...usableOutput(stored.response)];
    const entry: Entry = {
      stored,
      lane,
      items: before === undefined ? own : [...before.items, ...own],
      bytes: (before?.bytes ?? 0) + JSON.stringify(own).length,
      ...rootOf(before, previousId),
    };
    this.#entries.set(id, entry);
    this.#bytes += entry.bytes;
    this.#shrink();
  }

  delete(scope: string, id: string): boolean {
    const entry = this.#entry(scope, id);
    if (entry === undefined) return false;
    this.#bytes -= entry.bytes;
    return this.#entries.delete(id);
  }

  /** What the next turn begins with when it continues this response. */
  conversation(scope: string, id: string): Conversation | undefined {
    const entry = this.#entry(scope, id);
    if (entry === undefined) return undefined;
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    return entry;
  }

  /** A turn that continued this response has failed: it is forgotten, unless another lane goes on from it. */
  forget(scope: string, id: string, lane: string): void {
    if (this.#entry(scope, id)?.lane === lane) this.delete(scope, id);
  }

  #entry(scope: string, id: string): Entry | undefined {
    const entry = this.#entries.get(id);
    return entry?.stored.scope === scope ? entry : undefined;
  }

  #shrink(): void {
    for (const [id, { stored }] of this.#entries) {
      if (this.#entries.size <= MAX_RESPONSES && this.#bytes <= this.maxBytes) return;
      this.delete(stored.scope, id);
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
