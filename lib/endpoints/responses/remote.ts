/** State that an upstream keeps: requests for it go where its response came from, and its history can be fetched. */
import { readBodyWithin } from "../../base/body.ts";
import { fail, type Failure, type Result, success } from "../../base/failure.ts";
import { isObject, type JsonObject } from "../../base/fields.ts";
import { jsonObject } from "../../base/json.ts";
import type { Provider } from "../../config.ts";
import { abortWith, type Exchange, type Handled, refuse } from "../../exchange.ts";
import { FORMATS } from "../../formats/mod.ts";
import { type Call, targetOf } from "../../plan.ts";
import { relay } from "../../relay.ts";
import { routeTo } from "../../router.ts";
import type { Pin } from "../../state/store.ts";
import { send } from "../../upstream.ts";
import { handled } from "../inference.ts";
import { noPrevious, providerGone } from "./failures.ts";
import { outputOf } from "./turn.ts";

const FORMAT = FORMATS.responses;

function keeperOf({ services }: Exchange, pin: Pin): Provider | undefined {
  const provider = services.config.providers.get(pin.provider);
  return provider?.formats.includes(FORMAT.name) === true ? provider : undefined;
}

/** The request as it is, to the provider that keeps this; its answer passes as bytes. `path`: without the query. */
export async function forward(
  exchange: Exchange,
  pin: Pin,
  method: "GET" | "POST" | "DELETE",
  path: string,
  body?: Uint8Array<ArrayBuffer>,
): Promise<Handled> {
  const provider = keeperOf(exchange, pin);
  if (provider === undefined) return refuse(exchange, providerGone(pin.id, pin.provider), FORMAT);
  const route = routeTo(exchange.services.config, provider, pin.model, "pinned", "report");
  const call = callFor(exchange, pin);
  const sent = await send({
    provider,
    format: FORMAT,
    method,
    path: `${path}${exchange.url.search}`,
    headers: {
      ...FORMAT.passedHeaders(exchange.request.headers, targetOf(route, FORMAT)),
      accept: call.stream ? "text/event-stream" : "application/json",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body }),
    abort: call.abort,
    firstByteMs: call.config.timeouts.firstByteMs,
  });
  if (!sent.ok) return refuse(exchange, sent.failure, FORMAT);
  return handled(call, route, await relay(call, route, sent.value));
}

function callFor({ services, request, requestId, url }: Exchange, { model }: Pin): Call {
  return {
    config: services.config,
    client: FORMAT,
    requestId,
    headers: request.headers,
    bytes: new Uint8Array(),
    members: new Map(),
    model,
    stream: url.searchParams.get("stream") === "true",
    strict: false,
    memory: services.memory,
    abort: abortWith(request),
  };
}

/** Turns that are fetched at most; each costs two requests. */
const MAX_TURNS = 50;
const MAX_PAGES = 50;
const MAX_BYTES = 32 * 1024 * 1024;

/** All items up to the end of this response, oldest first, from the provider that keeps it. */
export async function fetchHistory(
  exchange: Exchange,
  pin: Pin,
  abort: AbortController,
): Promise<Result<JsonObject[]>> {
  const provider = keeperOf(exchange, pin);
  if (provider === undefined) return fail(providerGone(pin.id, pin.provider));
  const source = new Remote(exchange, provider, abort);
  const turns: JsonObject[][] = [];
  for (let id: string | undefined = pin.id; id !== undefined;) {
    if (turns.length === MAX_TURNS) return fail(tooLong(pin));
    const path: string = `/responses/${encodeURIComponent(id)}`;
    const response = await source.get(path);
    const input = response === undefined ? undefined : await source.list(`${path}/input_items`);
    if (response === undefined || input === undefined) {
      return fail(noPrevious(pin.id, id, ` at the provider "${provider.name}" that keeps it`));
    }
    turns.push([...input, ...outputOf(response)]);
    id = typeof response["previous_response_id"] === "string" ? response["previous_response_id"] : undefined;
  }
  return success(onceEach(turns.reverse().flat()));
}

/** Some providers list the input of earlier turns with each response: an item is told once, where it was first. */
function onceEach(items: readonly JsonObject[]): JsonObject[] {
  const seen = new Set<string>();
  return items.filter(({ id }) => {
    if (typeof id !== "string") return true;
    const isNew = !seen.has(id);
    seen.add(id);
    return isNew;
  });
}

function tooLong({ id, provider }: Pin): Failure {
  return noPrevious(id, id, ` with fewer than ${MAX_TURNS} turns at the provider "${provider}" that keeps it`);
}

class Remote {
  constructor(readonly exchange: Exchange, readonly provider: Provider, readonly abort: AbortController) {}

  /** Undefined where there is no answer of any use. */
  async get(path: string): Promise<JsonObject | undefined> {
    const { firstByteMs } = this.exchange.services.config.timeouts;
    const sent = await send({
      provider: this.provider,
      format: FORMAT,
      method: "GET",
      path,
      headers: { accept: "application/json" },
      abort: this.abort,
      firstByteMs,
    });
    if (!sent.ok) return undefined;
    const bytes = await readBodyWithin(sent.value, MAX_BYTES, firstByteMs).catch(() => undefined);
    return bytes === undefined || typeof bytes === "symbol" || !sent.value.ok
      ? undefined
      : jsonObject(new TextDecoder().decode(bytes));
  }

  async list(path: string): Promise<JsonObject[] | undefined> {
    const items: JsonObject[] = [];
    let after = "";
    for (let page = 0; page < MAX_PAGES; page++) {
      const listed = await this.get(`${path}?order=asc&limit=100${after}`);
      if (listed === undefined || !Array.isArray(listed["data"])) return undefined;
      items.push(...listed["data"].filter(isObject));
      if (listed["has_more"] !== true || typeof listed["last_id"] !== "string") return items;
      after = `&after=${encodeURIComponent(listed["last_id"])}`;
    }
    return undefined;
  }
}
