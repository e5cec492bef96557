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
  const response = upgrading.upgrade((socket) => {
    const session = new SocketSession(exchange, upgrading.ask, socket, () => services.sockets.delete(session));
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
