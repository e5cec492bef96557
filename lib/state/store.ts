/**
 * What is kept of responses, behind one interface: later turns continue them (`previous_response_id`), clients look them
 * up, cancel and delete them. A store never answers one caller with what another one put there.
 */
import type { JsonObject } from "../base/fields.ts";

/** A response as it was told to its client, with the input of its own turn. */
export interface StoredResponse {
  id: string;
  /** Whose it is: a hash of the caller's credential, `""` where there was none. */
  scope: string;
  /** Unix milliseconds. */
  createdAt: number;
  /** The response that this one went on from; the input of earlier turns is found there. */
  previousId?: string;
  conversationId?: string;
  /** Of a background response that isn't over: the group of workers one of which makes it. */
  maker?: string;
  /** The response object of the Responses API, as it was last told. */
  response: JsonObject;
  /** The items of this turn's own input in order; those that came without an id have none. */
  input: readonly JsonObject[];
}

/** Which upstream keeps a response or a conversation, where that isn't us. */
export interface Pin {
  id: string;
  scope: string;
  /** The provider's name in the config. */
  provider: string;
  /** The model's name as the client wrote it. */
  model: string;
}

export interface Conversation {
  id: string;
  scope: string;
  /** Unix milliseconds. */
  createdAt: number;
  metadata: JsonObject;
}

export interface StateStats {
  responses: number;
  conversations: number;
  pins: number;
  /** All that is kept, in bytes of text. */
  bytes: number;
}

/**
 * Synchronous, as `node:sqlite` is; a shared store takes its place behind the same few calls. Never throws: a store that
 * is broken, locked or full keeps nothing, finds nothing, and tells whoever made it. Bounded in time and bytes; least
 * recently used goes first.
 */
export interface StateStore {
  /** Undefined where there is none, where it is another caller's, or where its time is over. */
  get(scope: string, id: string): StoredResponse | undefined;
  /** Replaces what has the same id and scope. Whether it is kept now. */
  put(stored: StoredResponse): boolean;
  /** Whether there was one. */
  delete(scope: string, id: string): boolean;
  /** The stream of a response as it was told, whole frames; kept and gone with the response. */
  putFrames(scope: string, id: string, frames: readonly string[]): boolean;
  frames(scope: string, id: string): readonly string[] | undefined;
  /** An item of any response or conversation of this caller. */
  item(scope: string, id: string): JsonObject | undefined;

  /** Whether a response or conversation of this id, kept here or pinned, is another caller's. */
  isForeign(scope: string, id: string): boolean;

  pin(pin: Pin): boolean;
  pinned(scope: string, id: string): Pin | undefined;
  unpin(scope: string, id: string): boolean;

  /** Creates it, or replaces its metadata. */
  putConversation(conversation: Conversation): boolean;
  conversation(scope: string, id: string): Conversation | undefined;
  /** Its items go with it. */
  deleteConversation(scope: string, id: string): boolean;
  /** Each with an id, in order. */
  items(scope: string, conversationId: string): readonly JsonObject[];
  /** At its end. Every item has an id. False where there is no such conversation, or no room. */
  addItems(scope: string, conversationId: string, items: readonly JsonObject[]): boolean;
  deleteItem(scope: string, conversationId: string, itemId: string): boolean;

  stats(): StateStats;
  close(): void;
}
