/** What is said on a socket: the events of a stream as they are, and errors as the specification has them there. */
import { isObject, type JsonObject } from "../base/fields.ts";
import { DEFAULT_LANE } from "./socket_request.ts";

/** `{"type":"error","status":400,"error":{…}}`. `body`: an error as HTTP has it; `headers`: those that tell when to retry. */
export function errorFrame(status: number, body: JsonObject, headers: Readonly<Record<string, string>> = {}): string {
  const error = isObject(body["error"]) ? body["error"] : {};
  // The SDK's types have the headers within the error, Codex reads them beside it.
  const retry = Object.keys(headers).length === 0 ? {} : { headers };
  return JSON.stringify({ type: "error", status, error: { ...wholeError(error), ...retry }, ...retry });
}

/** An `error` event of a stream, in either of its shapes, with the status that it lacks: only its type can tell it. */
export function streamErrorFrame(event: JsonObject): string {
  const { type: _, status, sequence_number, error, ...flat } = event;
  const told = wholeError(isObject(error) ? error : flat);
  const number = sequence_number === undefined ? {} : { sequence_number };
  return JSON.stringify({ type: "error", status: status ?? statusOf(told), ...number, error: told });
}

/** The specification wants a code where HTTP may have none. */
function wholeError(error: JsonObject): JsonObject {
  const { message, type, param, code } = error;
  return {
    ...error,
    type: type ?? "server_error",
    code: code ?? type ?? "server_error",
    message: message ?? "The request failed",
    param: param ?? null,
  };
}

const STATUSES: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  insufficient_quota: 429,
};

function statusOf({ type, code }: JsonObject): number {
  return STATUSES[String(type)] ?? STATUSES[String(code)] ?? 500;
}

/** Input while an answer runs: no upstream that is asked over HTTP can take it. */
export function steerRefusal(steer: JsonObject): string {
  const message = "Steering is not served here; send the input with the next response.create";
  const error = { code: "steering_not_supported", message };
  return JSON.stringify({ type: "response.steer.failed", sequence_number: 0, steer, error });
}

/** An event with members of the socket's before its own; all that it says itself stays as it is, byte by byte. */
export function withMembers(data: string, members: JsonObject): string {
  const text = data.trimStart();
  const added = JSON.stringify(members).slice(1, -1);
  return added === "" || !text.startsWith("{") ? text : `{${added},${text.slice(1)}`;
}

export function laneMember(lane: string): JsonObject {
  return lane === DEFAULT_LANE ? {} : { stream_id: lane };
}
