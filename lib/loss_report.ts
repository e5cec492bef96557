/** Losses as they are told: to the client in a header or in an error, to the operator in the log and the counters. */
import type { Failure } from "./base/failure.ts";
import type { JsonObject } from "./base/fields.ts";
import type { Losses } from "./format.ts";
import type { Loss } from "./neutral.ts";

const EMULATED = /^emulated(?:: |$)/;

/** `emulated`: something that comes close stands in for it; `dropped`: it, or some of it, isn't there. */
export function kindOf({ reason }: Loss): "dropped" | "emulated" {
  return EMULATED.test(reason) ? "emulated" : "dropped";
}

/** `{path, reason, kind}`, and `in: "answer"` where it isn't the request's. */
export function toldLoss(loss: Loss): JsonObject {
  return { ...loss, reason: loss.reason.replace(EMULATED, ""), kind: kindOf(loss) };
}

/** Proxies hold the whole head of an answer in 4 KiB (nginx's default), and there are other headers. */
const MAX_HEADER = 2048;
/** For `, ...+1234567` at the end. */
const COUNT_ROOM = 16;
const MAX_PATH = 200;
const MAX_REASON = 120;

/**
 * `top_k;reason="chat has no such field", messages[3];emulated;reason="sent as text"`: entries in the manner of RFC 8941,
 * at most 2 KiB. Where that is too long the last entries have no reasons, and where even paths are too many, `...+N` says
 * how many are left out. A comma parts entries and nothing else, a semicolon an entry's members, so that splitting will do.
 */
export function lossHeader({ list, count }: Losses): string {
  if (list.length === 0) return "";
  const entries = list.map(bareEntry);
  const fitting = entries.slice(0, fittingEntries(entries, MAX_HEADER - COUNT_ROOM));
  let room = MAX_HEADER - COUNT_ROOM - fitting.join(", ").length;
  const told = fitting.map((entry, index) => {
    const reason = reasonMember(list[index] as Loss);
    room -= reason.length;
    return room < 0 ? entry : entry + reason;
  });
  const more = count - fitting.length;
  return [...told, ...(more > 0 ? [`...+${more}`] : [])].join(", ");
}

function fittingEntries(entries: readonly string[], room: number): number {
  let length = 0;
  const tooLong = entries.findIndex((entry) => (length += entry.length + 2) > room);
  return tooLong === -1 ? entries.length : tooLong;
}

function bareEntry(loss: Loss): string {
  const path = plain(loss.path).replace(/ /g, "?");
  const shown = path.length > MAX_PATH ? `${path.slice(0, MAX_PATH)}...` : path;
  return `${shown}${loss.in === "answer" ? ";answer" : ""}${kindOf(loss) === "emulated" ? ";emulated" : ""}`;
}

function reasonMember({ reason }: Loss): string {
  return `;reason="${
    plain(reason.replace(EMULATED, "").replace(/"/g, "'").replace(/[,;]/g, " -")).slice(0, MAX_REASON)
  }"`;
}

/** A client's own names may be in it: nothing that a header, or this one's grammar, gives a meaning to. */
function plain(text: string): string {
  return text.replace(/[^\x20-\x7e]|[",;\\]/g, "?");
}

/** Losses that one message or log line names. */
const MAX_TOLD = 50;

/** For clients and models that would rather have nothing: the list in words, and as data under `details.losses`. */
export function lossFailure({ list, count }: Losses): Failure {
  const named = list.slice(0, MAX_TOLD);
  const more = count > named.length ? ` and ${count - named.length} more` : "";
  const told = named.map(({ path, reason }) => `${path} (${reason})`).join(", ");
  return {
    kind: "unsupported",
    source: "client",
    message: `This upstream can't carry all of the request, and losses are refused: ${told}${more}`,
    retry: false,
    details: { error_code: "loss_refused", losses: named.map(toldLoss) },
    ...(list[0] === undefined ? {} : { param: list[0].path }),
  };
}

/** What a log line says of them. */
export function loggedLosses({ list, count }: Losses): { losses: JsonObject[]; count: number } {
  return { losses: list.slice(0, MAX_TOLD).map(toldLoss), count };
}

/** How many of each kind were in the request and in the answer: the labels of the counter. */
export function countedLosses({ list }: Losses): { in: string; kind: string; count: number }[] {
  const counts = new Map<string, { in: string; kind: string; count: number }>();
  for (const loss of list) {
    const labels = { in: loss.in ?? "request", kind: kindOf(loss) };
    const key = `${labels.in} ${labels.kind}`;
    const entry = counts.get(key) ?? { ...labels, count: 0 };
    entry.count++;
    counts.set(key, entry);
  }
  return [...counts.values()];
}
