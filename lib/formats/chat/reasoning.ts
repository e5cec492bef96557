/**
 * `reasoning_details` entries and neutral reasoning parts, both ways (TRANSLATION.md, 1.3 and 1.4). An entry's `format`
 * names who minted its signature or data, so the values stand in it as they are, without an envelope.
 */
import type { JsonObject } from "../../base/fields.ts";
import type { Issuer, Opaque, ReasoningPart } from "../../neutral.ts";
import { PHASE_ISSUER } from "../../translation/phases.ts";
import { textOf } from "./wire.ts";

const ISSUERS: Readonly<Record<string, Issuer>> = {
  "anthropic-claude-v1": "anthropic",
  "openai-responses-v1": "openai",
  "google-gemini-v1": "google",
};
const FORMATS: Readonly<Record<Issuer, string>> = Object.fromEntries(
  Object.entries(ISSUERS).map(([format, issuer]) => [issuer, format]),
);
/** Who minted a request's entry that doesn't say so. */
const UNKNOWN = "unknown";

/**
 * Clients that build entries anew leave `format` out. Two makers' values tell themselves: Anthropic's are protobuf
 * messages that begin with field 2, OpenAI's are Fernet tokens.
 */
const TELLING: readonly (readonly [RegExp, Issuer])[] = [[/^E[g-v]/, "anthropic"], [/^gAAAAA/, "openai"]];

/** `fallback`: whose models answered, for entries that name no format; `unknown` in requests. */
function issuerOf(entry: JsonObject, value: string, fallback: Issuer): Issuer {
  const format = textOf(entry["format"]);
  if (format !== "" && format !== UNKNOWN) return ISSUERS[format] ?? format;
  return fallback === UNKNOWN ? TELLING.find(([pattern]) => pattern.test(value))?.[1] ?? UNKNOWN : fallback;
}

/** Who minted what a client's entry holds; undefined where it doesn't tell. */
export function entryIssuer(entry: JsonObject): Issuer | undefined {
  const issuer = issuerOf(entry, textOf(entry["signature"]) || textOf(entry["data"]), UNKNOWN);
  return issuer === UNKNOWN ? undefined : issuer;
}

function formatOf(issuer: Issuer): string {
  return FORMATS[issuer] ?? issuer;
}

/** An entry's visible text; summaries have a member of their own. */
export function entryText(entry: JsonObject): string {
  return textOf(entry["text"]) || textOf(entry["summary"]);
}

export function entryForm(entry: JsonObject | undefined): "full" | "summary" {
  return entry?.["type"] === "reasoning.summary" ? "summary" : "full";
}

/** The signature beside an entry's text. */
export function entrySignature(entry: JsonObject, fallback: Issuer): Opaque | undefined {
  const value = textOf(entry["signature"]);
  if (value === "") return undefined;
  const issuer = issuerOf(entry, value, fallback);
  return { issuer, kind: issuer === "google" ? "thought_signature" : "signature", value, ...idOf(entry) };
}

function idOf(entry: JsonObject): { id?: string } {
  const id = textOf(entry["id"]);
  return id === "" ? {} : { id };
}

/** An entry's encrypted data. Anthropic's is a thinking block of its own (`redacted`), others belong to the text. */
export function entryData(entry: JsonObject, fallback: Issuer): Opaque | undefined {
  const value = textOf(entry["data"]);
  if (value === "") return undefined;
  const issuer = issuerOf(entry, value, fallback);
  return { issuer, kind: DATA_KINDS[issuer] ?? "encrypted", value, ...idOf(entry) };
}

const DATA_KINDS: Readonly<Record<Issuer, Opaque["kind"]>> = {
  anthropic: "redacted",
  google: "thought_signature",
  [PHASE_ISSUER]: "phase",
};

export function redactedPart(opaque: Opaque): ReasoningPart {
  return { kind: "reasoning", form: "redacted", text: "", opaque: [opaque] };
}

/**
 * The entries of a client's message as parts, in order. `plain` is the same thinking in one string, which many send
 * beside the entries: it counts where these hold no text. `path` is the array's own.
 */
export function partsOfDetails(entries: readonly JsonObject[], plain: string, path: string): ReasoningPart[] {
  const parts: ReasoningPart[] = [];
  let slot: unknown;
  entries.forEach((entry, position) => {
    const last = parts.at(-1);
    const isSameBlock = last !== undefined && last.form !== "redacted" && entry["index"] === slot;
    slot = entry["index"];
    const data = entryData(entry, UNKNOWN);
    if (data?.kind === "redacted") parts.push(at(redactedPart(data), path, position));
    else if (data !== undefined) addData(parts, data, at(emptyPart("summary"), path, position));
    else addText(parts, entry, isSameBlock, at(emptyPart(entryForm(entry)), path, position));
  });
  return plain === "" || parts.some((part) => part.text !== "") ? parts : withText(parts, plain, path);
}

function emptyPart(form: "full" | "summary"): ReasoningPart {
  return { kind: "reasoning", form, text: "" };
}

function at(part: ReasoningPart, path: string, position: number): ReasoningPart {
  return { ...part, path: `${path}[${position}]` };
}

/** Encrypted data follows the summary that it belongs to; without one it stands alone. */
function addData(parts: ReasoningPart[], opaque: Opaque, fresh: ReasoningPart): void {
  const last = parts.at(-1);
  const belongs = last !== undefined && last.opaque === undefined &&
    (last.id === undefined || opaque.id === undefined || last.id === opaque.id);
  const part = belongs ? last : fresh;
  part.opaque = [opaque];
  if (opaque.id !== undefined) part.id = opaque.id;
  if (!belongs) parts.push(part);
}

/** Clients that keep a stream's entries as they came send many for one block: text is joined, two signatures never. */
function addText(parts: ReasoningPart[], entry: JsonObject, isSameBlock: boolean, fresh: ReasoningPart): void {
  const text = entryText(entry);
  const signature = entrySignature(entry, UNKNOWN);
  if (text === "" && signature === undefined) return;
  const last = parts.at(-1);
  const part = isSameBlock && last !== undefined && last.opaque === undefined ? last : fresh;
  const id = textOf(entry["id"]);
  part.text += text;
  if (signature !== undefined) part.opaque = [signature];
  if (id !== "") part.id = id;
  if (part === fresh) parts.push(part);
}

function withText(parts: ReasoningPart[], plain: string, path: string): ReasoningPart[] {
  const bearer = parts.find((part) => part.form !== "redacted");
  if (bearer === undefined) return [at({ ...emptyPart("full"), text: plain }, path, 0), ...parts];
  bearer.text = plain;
  return parts;
}

/** Parts as entries, each with its position as `index`: Python's accumulator throws on entries without one. */
export function detailsOf(parts: readonly ReasoningPart[]): JsonObject[] {
  const entries: JsonObject[] = [];
  for (const part of parts) entries.push(...entriesOf(part));
  return entries.map((entry, index) => ({ ...entry, index }));
}

function entriesOf(part: ReasoningPart): JsonObject[] {
  const opaques = part.opaque ?? [];
  const signature = opaques.find(isSignature);
  const entries: JsonObject[] = [];
  if (part.text !== "" || signature !== undefined) entries.push(textEntry(part, signature ?? opaques[0], signature));
  for (const opaque of opaques) if (opaque !== signature) entries.push(dataEntry(opaque, part));
  return entries;
}

function isSignature(opaque: Opaque): boolean {
  return opaque.kind === "signature" || opaque.kind === "thought_signature";
}

function textEntry(part: ReasoningPart, opaque: Opaque | undefined, signature: Opaque | undefined): JsonObject {
  const isSummary = part.form === "summary" && signature === undefined;
  // A signed entry's own id alone: the part's may be one that a client's format gave it.
  const id = signature === undefined ? part.id : signature.id;
  return {
    type: isSummary ? "reasoning.summary" : "reasoning.text",
    [isSummary ? "summary" : "text"]: part.text,
    ...(signature === undefined ? {} : { signature: signature.value }),
    ...(id === undefined ? {} : { id }),
    format: opaque === undefined ? UNKNOWN : formatOf(opaque.issuer),
  };
}

function dataEntry(opaque: Opaque, part: ReasoningPart): JsonObject {
  const id = opaque.id ?? part.id;
  return {
    type: "reasoning.encrypted",
    data: opaque.value,
    ...(id === undefined ? {} : { id }),
    format: formatOf(opaque.issuer),
  };
}

/** The text of a `{type: "thinking", thinking: string | [{text}]}` content part, as Mistral's models send it. */
export function thinkingText(part: JsonObject): string {
  const thinking = part["thinking"];
  if (typeof thinking === "string") return thinking;
  if (!Array.isArray(thinking)) return "";
  let text = "";
  for (const entry of thinking) {
    text += typeof entry === "object" && entry !== null ? textOf((entry as JsonObject)["text"]) : "";
  }
  return text;
}

/** `fallback`: whose models answered; such a part names nobody. */
export function thinkingSignature(part: JsonObject, fallback: Issuer): Opaque | undefined {
  const value = textOf(part["signature"]);
  return value === "" ? undefined : { issuer: fallback, kind: "signature", value };
}
