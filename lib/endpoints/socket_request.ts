/** What a client says on a socket: `response.create` as a request for a stream, and all else that it may send. */
import { type Failure, invalid, type Result, success, tooLarge } from "../base/failure.ts";
import { describe, type JsonObject } from "../base/fields.ts";
import { bodyObject, parseJson, scanObject, type Span } from "../base/json.ts";
import type { EarlierTurns } from "../state/session.ts";

/** The lane of turns without a `stream_id`. */
export const DEFAULT_LANE = "";

/** A turn that was asked for. */
export interface Frame {
  kind: "create";
  /** `stream_id`: turns of one lane run one after another, and their events name it. */
  lane: string;
  bytes: Uint8Array;
  members: ReadonlyMap<string, Span>;
  previousId: string | undefined;
  /** `generate: false`: nothing is asked of a model, later turns go on from this one. */
  isWarmup: boolean;
}

export interface Steer {
  kind: "steer";
  steer: JsonObject;
}

export type Read = { ok: true; frame: Frame | Steer } | { ok: false; failure: Failure; lane: string };

export function readFrame(text: string, maxBytes: number): Read {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > maxBytes) return refused(tooLarge(maxBytes, "max_body_mb", "The frame"));
  const scanned = scanObject(bytes);
  if (!scanned.ok) return refused({ ...scanned.failure, code: "invalid_json" });
  // The scan looks into no string: whoever reads a member later must find it sound.
  const body = bodyObject(bytes);
  if (!body.ok) return refused({ ...body.failure, code: "invalid_json" });
  const { type, background, generate, previous_response_id: previousId, stream_id } = body.value;
  const lane = laneOf(stream_id);
  if (!lane.ok) return refused(lane.failure);
  if (type === "response.steer") return { ok: true, frame: { kind: "steer", steer: steerOf(body.value) } };
  const failure = faultOfType(type) ?? faultOfBackground(background);
  if (failure !== undefined) return refused(failure, lane.value);
  const frame: Frame = {
    kind: "create",
    lane: lane.value,
    bytes,
    members: scanned.value,
    previousId: typeof previousId === "string" && previousId !== "" ? previousId : undefined,
    isWarmup: generate === false,
  };
  return { ok: true, frame };
}

function refused(failure: Failure, lane: string = DEFAULT_LANE): Read {
  return { ok: false, failure, lane };
}

function faultOfType(type: unknown): Failure | undefined {
  if (type === "response.create") return undefined;
  const message = `Expected a frame of type "response.create" but got ${describe(type)}`;
  return { ...invalid(message, "type"), code: "unknown_event_type" };
}

function faultOfBackground(background: unknown): Failure | undefined {
  if (background !== true) return undefined;
  return { ...invalid("There are no background answers on a WebSocket; use POST", "background"), code: "unsupported" };
}

const LANE = /^[A-Za-z0-9_.-]{1,256}$/;

function laneOf(value: unknown): Result<string> {
  if (value === undefined || value === null) return success(DEFAULT_LANE);
  if (typeof value === "string" && LANE.test(value)) return success(value);
  const message = "Expected stream_id to be 1 to 256 letters, digits, underscores, hyphens and periods";
  return { ok: false, failure: { ...invalid(message, "stream_id"), code: "invalid_stream_id" } };
}

function steerOf({ previous_response_id, input }: JsonObject): JsonObject {
  return { previous_response_id: previous_response_id ?? "", input: input ?? [] };
}

/** The turn's own input as items, which later turns repeat; what is none stays as it is, to be refused by its place. */
export function inputItems({ bytes, members }: Frame): unknown[] {
  const span = members.get("input");
  if (span === undefined) return [];
  const input = parseJson(new TextDecoder().decode(bytes.subarray(span.start, span.end)));
  if (typeof input === "string") {
    return [{ type: "message", role: "user", content: [{ type: "input_text", text: input }] }];
  }
  if (Array.isArray(input)) return input;
  return input === null ? [] : [input];
}

/** Members that are the frame's own, or are told anew. */
const ENVELOPE: ReadonlySet<string> = new Set([
  "type",
  "stream_id",
  "generate",
  "stream",
  "background",
]);

/**
 * The same request for `POST /responses`, every member as the client wrote it. `before`: the conversation that it
 * continues, which then stands before its input in place of the earlier response's id.
 */
export function requestBody(frame: Frame, own: readonly unknown[], before: EarlierTurns | undefined): string {
  const decoder = new TextDecoder();
  const members: string[] = [];
  for (const [name, { start, end }] of frame.members) {
    if (ENVELOPE.has(name)) continue;
    if (before !== undefined && (name === "input" || name === "previous_response_id")) continue;
    members.push(`${JSON.stringify(name)}:${decoder.decode(frame.bytes.subarray(start, end))}`);
  }
  if (before !== undefined) {
    members.push(`"input":${JSON.stringify([...before.items, ...own])}`);
    if (before.previousId !== undefined) members.push(`"previous_response_id":${JSON.stringify(before.previousId)}`);
  }
  return `{${[...members, '"stream":true'].join(",")}}`;
}

/** A text about the request that was sent, with the paths of the client's own: `count` items stood before its input. */
export function ownPaths(text: string, count: number): string {
  return text.replace(/\binput\[(\d+)\]/g, (_, digits) => {
    const index = Number(digits) - count;
    return index < 0 ? "previous_response_id" : `input[${index}]`;
  });
}
