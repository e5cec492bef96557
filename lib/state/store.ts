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
  /** The response object of the Responses API, as it was last told. */
  response: JsonObject;
  /** The items of this turn's own input, each with an id, in order. */
  input: readonly JsonObject[];
}

/** Synchronous, as `node:sqlite` is; a shared store takes its place behind the same few calls. */
export interface ResponseStore {
  /** Undefined where there is none, where it is another caller's, or where its time is over. */
  get(scope: string, id: string): StoredResponse | undefined;
  /** Replaces what has the same id and scope. */
  put(stored: StoredResponse): void;
  /** Whether there was one. */
  delete(scope: string, id: string): boolean;
}
