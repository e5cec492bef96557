/**
 * WebSocket mode at `GET /v1/responses`: the same requests and the same events as over HTTP, one JSON object a frame, and
 * turns that continue each other without sending the conversation again. Sources: Open Responses 2026-04-24
 * (`WebSocketResponseCreateEvent`, `WebSocketErrorEvent`), OpenAI's guide "WebSocket mode", the types of openai 7.55.0
 * (`ResponsesClientEvent`, `ResponsesServerEvent`), and what Codex 0.169 sends.
 */
import { type Exchange, type Handled, idHeaders, refuse, wrongMethod } from "../exchange.ts";
import { type Failure, invalid } from "../base/failure.ts";
import { FORMATS } from "../formats/mod.ts";
import { SocketSession } from "./socket_session.ts";

export function openWebSocket(exchange: Exchange): Handled {
  const { request, services, upgrading } = exchange;
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return wrongMethod(exchange, ["POST"]);
  if (upgrading === undefined) return unavailable(exchange);
  const foreign = foreignOrigin(request.headers);
  if (foreign !== undefined) return refuse(exchange, foreign, FORMATS.responses);
  // The request itself can't be read any more once its connection is a socket.
  const { url } = exchange;
  const origin = { ...exchange, url, request: new Request(url, { headers: turnHeaders(request.headers) }) };
  const response = upgrading.upgrade((socket) => {
    const session = new SocketSession(origin, upgrading.ask, socket, () => services.sockets.delete(session));
    services.sockets.add(session);
    return session;
  });
  if (response !== undefined) return { response };
  return refuse(exchange, invalid("This is no sound WebSocket upgrade"), FORMATS.responses);
}

/** Clients that try a WebSocket first go on with POST at once on 426; on 404 some try seven times. */
function unavailable({ requestId }: Exchange): Handled {
  const error = { message: "WebSocket is not served here; use POST", type: "invalid_request_error" };
  const body = { error: { ...error, param: null, code: null } };
  return { response: Response.json(body, { status: 426, headers: idHeaders(requestId) }) };
}

/**
 * A page of another site: browsers let any page open a WebSocket to a gateway on the user's machine and read what it
 * says, without asking as they do for `fetch`.
 */
function foreignOrigin(headers: Headers): Failure | undefined {
  const origin = headers.get("origin");
  if (origin === null || hostOf(origin) === headers.get("host")) return undefined;
  return {
    kind: "permission",
    source: "client",
    message: "A WebSocket is not opened to pages of another origin",
    retry: false,
  };
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}

/** Headers that were about the connection, or that ask for another kind of answer. */
const NOT_OF_TURNS =
  /^(?:connection|upgrade|host|origin|content-.*|transfer-encoding|accept.*|sec-.*|x-trivium-explain)$/;

/** The upgrade's headers are every turn's; WebSocket mode's own beta flag means nothing to an upstream over HTTP. */
function turnHeaders(given: Headers): Headers {
  const headers = new Headers({ "content-type": "application/json" });
  given.forEach((value, name) => {
    if (!NOT_OF_TURNS.test(name)) headers.set(name, value);
  });
  const betas = (headers.get("openai-beta") ?? "").split(",").map((beta) => beta.trim());
  const kept = betas.filter((beta) => beta !== "" && !beta.startsWith("responses_websockets"));
  if (kept.length > 0) headers.set("openai-beta", kept.join(","));
  else headers.delete("openai-beta");
  return headers;
}
