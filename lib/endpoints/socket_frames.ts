/** What is said on a socket: the events of a stream as they are, and errors as the specification has them there. */
import { isObject, type JsonObject } from "../base/fields.ts";
import { DEFAULT_LANE } from "./socket_request.ts";

/** `{"type":"error","status":400,"error":{…}}`. `body`: an error as HTTP has it; `headers`: those that tell when to retry. */
export function errorFrame(
  status: number,
  body: JsonObject,
  lane: string,
  headers: Readonly<Record<string, string>> = {},
): string {
  const error = isObject(body["error"]) ? body["error"] : {};
  const { message, type, param, code } = error;
  const told = {
    ...error,
    type: type ?? "server_error",
    // The specification wants a code where HTTP may have none.
    code: code ?? type ?? "server_error",
    message: message ?? "The request failed",
    param: param ?? null,
  };
  // The SDK's types have the headers within the error, Codex reads them beside it.
  const retry = Object.keys(headers).length === 0 ? {} : { headers };
  return JSON.stringify({ ...laneMember(lane), type: "error", status, error: { ...told, ...retry }, ...retry });
}

/** An `error` event of a stream with the status that it lacks, which only its type can tell. */
export function streamErrorFrame(event: JsonObject, lane: string): string {
  const error = isObject(event["error"]) ? event["error"] : event;
  const { sequence_number } = event;
  const { message, type, param, code } = error;
  const status = typeof event["status"] === "number" ? event["status"] : statusOf(type === "error" ? code : type);
  const own = type === "error" ? {} : { type };
  const frame = JSON.parse(errorFrame(status, { error: { ...own, message, param, code } }, lane)) as JsonObject;
  return JSON.stringify({ ...frame, ...(sequence_number === undefined ? {} : { sequence_number }) });
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

function statusOf(type: unknown): number {
  return STATUSES[String(type)] ?? 500;
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
