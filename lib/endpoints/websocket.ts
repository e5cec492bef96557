/** `GET /v1/responses`: clients that try a WebSocket first go on with POST at once on 426; on 404 some try seven times. */
import { type Exchange, type Handled, idHeaders, wrongMethod } from "../exchange.ts";

export function refuseWebSocket(exchange: Exchange): Handled {
  const { request, requestId } = exchange;
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return wrongMethod(exchange, ["POST"]);
  const message = "WebSocket is not served here; use POST";
  const error = { message, type: "invalid_request_error", param: null, code: null };
  return { response: Response.json({ error }, { status: 426, headers: idHeaders(requestId) }) };
}
