/**
 * What an answer says, in the tests' own words, and what each kind of client must be told of it. Written from the
 * vendors' references and TRANSLATION.md (section 3) alone: nothing here comes from `lib/`, so that a mistake of a
 * decoder can't hide in the expectation.
 */
import { Buffer } from "node:buffer";
import { asArray, asObject, isObject, type Json } from "../support/grammar.ts";
import type { FormatName } from "../support/told.ts";

export interface Call {
  /** `""` where the upstream gave none. */
  id: string;
  name: string;
  /** A function's arguments, parsed; a custom tool's text; `{_raw}` where they are no JSON. */
  input: unknown;
  /** The arguments as they stand on the wire, where they stand there as text. */
  raw?: string;
}

export type Stop =
  | "stop"
  | "stop_sequence"
  | "max_tokens"
  | "context_window"
  | "tool_calls"
  | "content_filter"
  | "refusal"
  | "pause"
  | "compaction";

/** One candidate. */
export interface Facts {
  text: string;
  refusal: string;
  thinking: string;
  calls: Call[];
  /** Signatures and encrypted values, in order. */
  seals: string[];
  /** Addresses that the text cites, in order. */
  links: string[];
  stop: Stop;
  /** Citations of documents: title and file id, `""` where there is none. */
  notes: { title: string; file: string }[];
  /** What only the answer's own format has (server tools and their results), whole and in order. */
  natives: Json[];
  compactions: { text: string; seals: string[] }[];
}

/** All input and all output, whatever a format counts apart. */
export interface Counts {
  input: number;
  cached: number;
  written: number;
  output: number;
  reasoning: number;
}

export interface Heard {
  candidates: Facts[];
  /** Undefined where nobody counted. */
  usage: Counts | undefined;
  /** The upstream's own words for what went wrong: then nothing else counts. */
  error: string | undefined;
}

export function newFacts(): Facts {
  return {
    text: "",
    refusal: "",
    thinking: "",
    calls: [],
    seals: [],
    links: [],
    notes: [],
    stop: "stop",
    natives: [],
    compactions: [],
  };
}

export function failed(error: string): Heard {
  return { candidates: [], usage: undefined, error };
}

/** The text of an error in any of the shapes that providers give it. */
export function errorText(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return errorText(value[0]);
  if (!isObject(value)) return "";
  return errorText(value["message"] ?? value["error"] ?? value["detail"]);
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function objectsIn(value: unknown): Json[] {
  return asArray(value).filter(isObject);
}

export function member(value: unknown, ...keys: string[]): unknown {
  return keys.reduce<unknown>((inner, key) => asObject(inner)[key], value);
}

export function count(value: unknown): number {
  return typeof value === "number" ? Math.round(value) : 0;
}

/** Arguments as an object: what every client of every format can be shown. */
export function inputOf(text: unknown): unknown {
  if (typeof text !== "string") return text ?? {};
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : { value };
  } catch {
    return { _raw: text };
  }
}

/** A function's call with its arguments as text. */
export function callOf(id: unknown, name: unknown, raw: unknown): Call {
  return { id: textOf(id), name: textOf(name), input: inputOf(raw), raw: textOf(raw) };
}

/**
 * The values in an envelope of the gateway's (TRANSLATION.md, 1.4), or the value itself. A message's phase that rides
 * along is no seal.
 */
export function sealsIn(value: unknown): string[] {
  if (typeof value !== "string" || value === "") return [];
  if (!value.startsWith("gw1.")) return [value];
  const [, , text = ""] = value.split(".");
  const json = Buffer.from(text, "base64url").toString("utf8");
  return objectsIn(JSON.parse(json)).filter((entry) => entry["k"] !== "phase" && entry["i"] !== "gateway:words").map((
    entry,
  ) => String(entry["v"]));
}

/** The `data` of each event, in order; the names that go with them. */
export function eventsIn(text: string): { event: string; data: string }[] {
  return text.replace(/^\uFEFF/, "").split(/\r\n\r\n|\n\n|\r\r/).flatMap((block) => {
    const lines = block.split(/\r\n|\n|\r/);
    const values = (name: string) =>
      lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).replace(/^ /, ""));
    const data = values("data");
    return data.length === 0 ? [] : [{ event: values("event").at(-1) ?? "", data: data.join("\n") }];
  });
}

/** A call that the client is to run makes `tool_calls` of a stop, and without one it is none (TRANSLATION.md, 3.2). */
export function mended(stop: Stop, facts: Facts): Stop {
  if (stop === "tool_calls" && facts.calls.length === 0) return "stop";
  return stop === "stop" && facts.calls.length > 0 ? "tool_calls" : stop;
}

/** What a client of this format must have heard when all of it went well. */
export function expected(heard: Heard, client: FormatName, upstream: FormatName): Heard {
  const told = client === "chat" ? heard.candidates : heard.candidates.slice(0, 1);
  const candidates = told.map((facts) => expectedFacts(facts, client, client === upstream));
  return { candidates, usage: heard.usage, error: heard.error };
}

/** Whether this client is told less than was said: then a loss must name it, and else none may. */
export function isLossy(heard: Heard, client: FormatName, upstream: FormatName): boolean {
  if (client === upstream) return false;
  return heard.candidates.slice(0, client === "chat" ? undefined : 1).some((facts) =>
    facts.natives.length > 0 ||
    (client !== "messages" && facts.stop === "pause") ||
    (client === "chat" && (facts.notes.length > 0 || facts.compactions.length > 0)) ||
    (client === "messages" && facts.links.length > 0) ||
    (client === "responses" && facts.notes.some(({ file }) => file === ""))
  );
}

function expectedFacts(facts: Facts, client: FormatName, isOwn: boolean): Facts {
  const { text, refusal, calls } = facts;
  const told = { ...facts, stop: expectedStop(facts, client), natives: isOwn ? facts.natives : [] };
  switch (client) {
    case "chat":
      return { ...told, notes: [], compactions: [] };
    case "messages":
      // Its answers have no refusal text of their own, and its calls no free text; a web citation needs its token.
      return {
        ...told,
        text: text + refusal,
        refusal: "",
        links: isOwn ? facts.links : [],
        calls: calls.map((call) => typeof call.input === "string" ? { ...call, input: { input: call.input } } : call),
      };
    case "responses":
      // A compaction's words have their place among what is sealed.
      return {
        ...told,
        notes: isOwn ? facts.notes : facts.notes.filter(({ file }) => file !== ""),
        compactions: facts.compactions.map(({ text, seals }) => ({
          text: "",
          seals: text === "" ? seals : [...seals, text],
        })),
      };
    default:
      return client satisfies never;
  }
}

/** Each word of the upstream's, as far as the client's format has a word of its own (TRANSLATION.md, 3.2). */
function expectedStop(facts: Facts, client: FormatName): Stop {
  const { stop } = facts;
  if (client === "messages") return stop === "content_filter" ? "refusal" : stop;
  switch (stop) {
    case "stop_sequence":
    case "pause":
    case "compaction":
      return "stop";
    case "context_window":
      return "max_tokens";
    case "refusal":
      return facts.refusal === "" ? "content_filter" : "refusal";
    default:
      return stop;
  }
}
