/** Everything that is served, a line each; the first pattern that fits wins. */
import type { Endpoint } from "../exchange.ts";
import { APIS, FORMATS } from "../formats/mod.ts";
import { bytesAt } from "./bytes.ts";
import { compactResponse } from "./compact.ts";
import {
  addItems,
  createConversation,
  listItems,
  removeConversation,
  removeItem,
  retrieveConversation,
  retrieveItem,
  updateConversation,
} from "./conversations.ts";
import { answerIn, countIn } from "./inference.ts";
import { countResponseInput } from "./responses/count.ts";
import { answerResponses } from "./responses/create.ts";
import { cancel, inputItems, remove, retrieve } from "./responses/stored.ts";
import { tellHealth, tellMetrics, tellModel, tellModels, welcome } from "./status.ts";
import { openWebSocket } from "./websocket.ts";

// deno-fmt-ignore
export const ENDPOINTS: readonly Endpoint[] = [
  { method: "GET",    pattern: "/",                              handle: welcome },
  { method: "GET",    pattern: "/health",                        handle: tellHealth },
  { method: "GET",    pattern: "/metrics",                       handle: tellMetrics },
  { method: "GET",    pattern: "/models",                        handle: tellModels },
  { method: "GET",    pattern: "/models/*",                      handle: tellModel },
  { method: "POST",   pattern: "/chat/completions",              handle: answerIn(FORMATS.chat) },
  { method: "POST",   pattern: "/messages",                      handle: answerIn(FORMATS.messages) },
  { method: "POST",   pattern: "/messages/count_tokens",         handle: countIn(FORMATS.messages) },
  { method: "POST",   pattern: "/responses",                     handle: answerResponses },
  { method: "GET",    pattern: "/responses",                     handle: openWebSocket },
  { method: "POST",   pattern: "/responses/input_tokens",        handle: countResponseInput },
  { method: "POST",   pattern: "/responses/compact",             handle: compactResponse },
  { method: "GET",    pattern: "/responses/:id",                 handle: retrieve },
  { method: "DELETE", pattern: "/responses/:id",                 handle: remove },
  { method: "POST",   pattern: "/responses/:id/cancel",          handle: cancel },
  { method: "GET",    pattern: "/responses/:id/input_items",     handle: inputItems },
  { method: "POST",   pattern: "/conversations",                 handle: createConversation },
  { method: "GET",    pattern: "/conversations/:id",             handle: retrieveConversation },
  { method: "POST",   pattern: "/conversations/:id",             handle: updateConversation },
  { method: "DELETE", pattern: "/conversations/:id",             handle: removeConversation },
  { method: "GET",    pattern: "/conversations/:id/items",       handle: listItems },
  { method: "POST",   pattern: "/conversations/:id/items",       handle: addItems },
  { method: "GET",    pattern: "/conversations/:id/items/:item", handle: retrieveItem },
  { method: "DELETE", pattern: "/conversations/:id/items/:item", handle: removeItem },
  { method: "POST",   pattern: "/completions",                   handle: answerIn(APIS.completions) },
  { method: "POST",   pattern: "/embeddings",                    handle: answerIn(APIS.embeddings) },
  ...bytesAt("images",          "/images/*"),
  ...bytesAt("audio",           "/audio/*"),
  ...bytesAt("files",           "/files", "/files/*"),
  ...bytesAt("uploads",         "/uploads", "/uploads/*"),
  ...bytesAt("batches",         "/batches", "/batches/*"),
  ...bytesAt("message_batches", "/messages/batches", "/messages/batches/*"),
  ...bytesAt("moderations",     "/moderations"),
  ...bytesAt("rerank",          "/rerank"),
  ...bytesAt("vector_stores",   "/vector_stores", "/vector_stores/*"),
  ...bytesAt("fine_tuning",     "/fine_tuning/*"),
];

/** The table's lines of one pattern, ready to be compared. */
interface Place {
  words: readonly string[];
  endpoints: readonly Endpoint[];
}

const PLACES: readonly Place[] = [...new Set(ENDPOINTS.map(({ pattern }) => pattern))].map((pattern) => ({
  words: pattern.split("/"),
  endpoints: ENDPOINTS.filter((endpoint) => endpoint.pattern === pattern),
}));

/**
 * The endpoints at a path, of all methods, with what their pattern's variables stand for. Of several patterns that fit,
 * the first one's alone: `/responses/compact` is no response's id.
 */
export function endpointsAt(path: string): { endpoint: Endpoint; params: string[] }[] {
  const given = path.split("/");
  for (const { words, endpoints } of PLACES) {
    const params = match(words, given);
    if (params !== undefined) return endpoints.map((endpoint) => ({ endpoint, params }));
  }
  return [];
}

function match(wanted: readonly string[], given: readonly string[]): string[] | undefined {
  const isOpen = wanted.at(-1) === "*";
  if (isOpen ? given.length < wanted.length : given.length !== wanted.length) return undefined;
  const params: string[] = [];
  for (const [index, word] of wanted.entries()) {
    const rest = given[index] ?? "";
    if (word === "*") params.push(decoded(given.slice(index).join("/")));
    else if (word.startsWith(":")) params.push(decoded(rest));
    else if (word !== rest) return undefined;
  }
  return params.includes("") ? undefined : params;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
