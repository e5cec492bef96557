/** Everything that is served, a line each; the first pattern that fits wins. */
import type { Endpoint } from "../exchange.ts";
import { FORMATS } from "../formats/mod.ts";
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
import { answerIn, countMessages } from "./inference.ts";
import { answerResponses } from "./responses/create.ts";
import { cancel, inputItems, remove, retrieve } from "./responses/stored.ts";
import { tellHealth, tellMetrics, tellModel, tellModels, welcome } from "./status.ts";
import { refuseWebSocket } from "./websocket.ts";

// deno-fmt-ignore
export const ENDPOINTS: readonly Endpoint[] = [
  { method: "GET",    pattern: "/",                              handle: welcome },
  { method: "GET",    pattern: "/health",                        handle: tellHealth },
  { method: "GET",    pattern: "/metrics",                       handle: tellMetrics },
  { method: "GET",    pattern: "/models",                        handle: tellModels },
  { method: "GET",    pattern: "/models/*",                      handle: tellModel },
  { method: "POST",   pattern: "/chat/completions",              handle: answerIn(FORMATS.chat) },
  { method: "POST",   pattern: "/messages",                      handle: answerIn(FORMATS.messages) },
  { method: "POST",   pattern: "/messages/count_tokens",         handle: countMessages },
  { method: "POST",   pattern: "/responses",                     handle: answerResponses },
  { method: "GET",    pattern: "/responses",                     handle: refuseWebSocket },
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
];

/** The endpoints at a path, of all methods, with what their pattern's variables stand for. */
export function endpointsAt(path: string): { endpoint: Endpoint; params: string[] }[] {
  const found = ENDPOINTS.flatMap((endpoint) => {
    const params = match(endpoint.pattern, path);
    return params === undefined ? [] : [{ endpoint, params }];
  });
  // Of several patterns that fit, the first one's endpoints alone: `/responses/compact` is no response's id.
  return found.filter(({ endpoint }) => endpoint.pattern === found[0]?.endpoint.pattern);
}

function match(pattern: string, path: string): string[] | undefined {
  const wanted = pattern.split("/");
  const given = path.split("/");
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
