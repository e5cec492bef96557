/** One turn of the Responses API as far as it is kept: what its answer says of that, and where it goes when it is whole. */
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { Teller } from "../../format.ts";
import type { Job } from "../../state/jobs.ts";
import type { StateStore, StoredResponse } from "../../state/store.ts";
import { derivedId, randomId } from "../../translation/ids.ts";
import type { Wishes } from "./wishes.ts";

export interface TurnContext {
  state: StateStore;
  scope: string;
  wishes: Wishes;
  /** The items of its own input. */
  input: () => readonly JsonObject[];
  /** The conversation is ours, and grows by this turn. */
  inConversation: boolean;
  /** It is only shown what would happen: nothing is kept. */
  isTrial: boolean;
}

const OVER: ReadonlySet<unknown> = new Set(["completed", "incomplete", "failed", "cancelled"]);
const FAILED: ReadonlySet<unknown> = new Set(["failed", "cancelled"]);

export function isOver(response: JsonObject): boolean {
  return OVER.has(response["status"]);
}

/** A turn whose answer is made here, of another format's: nobody else keeps it. */
export class OwnTurn implements Teller {
  readonly isDone = false;
  readonly id = randomId("resp_");
  /** Set for those that are made in the background. */
  job: Job | undefined;
  readonly #context: TurnContext;

  /** `metadata`: what is noted on the response by the gateway, where no upstream does. */
  constructor(context: TurnContext, readonly metadata?: JsonObject) {
    this.#context = context;
  }

  tell(response: JsonObject): JsonObject {
    const { wishes } = this.#context;
    const told: JsonObject = { ...response, id: this.id, ...echoOf(wishes), background: wishes.background };
    told["store"] = wishes.store;
    if (this.metadata !== undefined) told["metadata"] = this.metadata;
    const { job } = this;
    if (job === undefined) return isOver(told) ? keep(this.#context, told) : told;
    if (isOver(job.response)) return job.response;
    // Who cancelled it has told so already; what a limit ended has failed.
    job.response = isOver(told) ? keep(this.#context, told) : told;
    return job.response;
  }
}

/** A turn whose answer passes as bytes: most such upstreams keep it themselves. */
export class PassedTurn implements Teller {
  #context: TurnContext | undefined;
  /** Set once the answer has said whether its upstream keeps it. */
  #keeps: boolean | undefined;

  /** `isLocal`: earlier turns were put into the request, and its answer doesn't know them by their ids. */
  constructor(
    context: TurnContext,
    readonly isLocal: boolean,
    readonly target: { provider: string; model: string },
  ) {
    this.#context = context;
  }

  get isDone(): boolean {
    return this.#context === undefined;
  }

  tell(response: JsonObject): JsonObject {
    const context = this.#context;
    if (context === undefined) return response;
    const { wishes, inConversation } = context;
    this.#keeps ??= this.#begin(context, response);
    const isOurs = !this.#keeps && wishes.store;
    if (!isOurs && !this.isLocal && !inConversation) {
      // The request isn't held on to while its answer streams.
      this.#context = undefined;
      return response;
    }
    const whole: JsonObject = { ...response, ...(this.isLocal ? echoOf(wishes) : {}) };
    if (isOurs) whole["store"] = wishes.store;
    // An upstream's own words pass as they are wherever they are true of what it was asked.
    const told = this.isLocal ? whole : response;
    if (!isOver(whole)) return told;
    this.#context = undefined;
    const kept = keep(context, whole, isOurs);
    return this.isLocal ? kept : response;
  }

  /** Whether its upstream keeps the response, which those that do say; then that is noted. */
  #begin({ state, scope, wishes, inConversation, isTrial }: TurnContext, { id, store }: JsonObject): boolean {
    if (!wishes.store || store !== true) return false;
    if (isTrial) return true;
    if (typeof id === "string") state.pin({ id, scope, ...this.target });
    if (wishes.conversationId !== undefined && !inConversation) {
      state.pin({ id: wishes.conversationId, scope, ...this.target });
    }
    return true;
  }
}

function echoOf({ previousId, conversationId }: Wishes): JsonObject {
  return {
    previous_response_id: previousId ?? null,
    ...(conversationId === undefined ? {} : { conversation: { id: conversationId } }),
  };
}

/** Puts a response that is over where it belongs; gives it as it is to be told. `isOurs`: nobody else keeps it. */
function keep(context: TurnContext, response: JsonObject, isOurs = true): JsonObject {
  const { state, scope, wishes, input, inConversation, isTrial } = context;
  if (isTrial) return response;
  let told = response;
  if (inConversation && !FAILED.has(response["status"])) {
    const items = [...input(), ...outputOf(response)];
    const isAdded = state.addItems(scope, wishes.conversationId ?? "", items.map((item) => withId(item)));
    // It was deleted meanwhile, or has no more room: the turn is in none.
    if (!isAdded) told = { ...response, conversation: null };
  }
  if (!isOurs || !wishes.store || state.put(storedOf(context, told))) return told;
  return { ...told, store: false };
}

export function storedOf({ scope, wishes, input, inConversation }: TurnContext, response: JsonObject): StoredResponse {
  const { previousId, conversationId } = wishes;
  return {
    id: String(response["id"]),
    scope,
    createdAt: Date.now(),
    ...(previousId === undefined ? {} : { previousId }),
    ...(conversationId === undefined || !inConversation ? {} : { conversationId }),
    response,
    input: input(),
  };
}

export function outputOf(response: JsonObject): JsonObject[] {
  return Array.isArray(response["output"]) ? response["output"].filter(isObject) : [];
}

const PREFIXES: Readonly<Record<string, string>> = {
  message: "msg_",
  reasoning: "rs_",
  function_call: "fc_",
  function_call_output: "fco_",
  custom_tool_call: "ctc_",
  custom_tool_call_output: "ctco_",
};

/** The item with an id: its own, a new one, or always the same one for a `seed`. */
export function withId(item: JsonObject, seed?: string): JsonObject {
  if (typeof item["id"] === "string") return item;
  const type = typeof item["type"] === "string" ? item["type"] : "message";
  const prefix = PREFIXES[type] ?? "item_";
  return { ...item, type, id: seed === undefined ? randomId(prefix) : derivedId(prefix, seed) };
}
