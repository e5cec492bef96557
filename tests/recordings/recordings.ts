/**
 * The folder of recorded provider traffic, read for the tests beside this file. It belongs to other projects and is not
 * in this repository: `TRIVIUM_RECORDINGS` names it (default `../shared/recordings`, beside the repository). Its own
 * README tells the layout.
 */
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseJson } from "../../lib/base/json.ts";
import { asObject, type Json } from "../support/grammar.ts";
import type { FormatName } from "../support/told.ts";

/** An answer as an upstream gave it. */
export interface Source {
  name: string;
  format: FormatName;
  provider: string;
  /** The model that was asked; empty where nobody recorded it. */
  model: string;
  /** Whether the answer is a stream; its request may have asked otherwise. */
  isStream: boolean;
  /** The file that holds its body, byte for byte. */
  file: string;
}

/** `name`: `openai-chat/azure-completion-streamed` */
export interface Recording extends Source {
  status: number;
  hasRequest: boolean;
  /** What those who made the index saw in it: `tool_call`, `refusal`… */
  features: ReadonlySet<string>;
}

const FORMATS: Readonly<Record<string, FormatName>> = {
  "openai-chat": "chat",
  "anthropic-messages": "messages",
  "openai-responses": "responses",
};

export const FOLDER = process.env["TRIVIUM_RECORDINGS"] ??
  fileURLToPath(new URL("../../../shared/recordings", import.meta.url));

/** Why there is nothing to test with; undefined when there is. */
export const ABSENT: string | undefined = existsSync(`${FOLDER}/index.tsv`)
  ? undefined
  : `SKIPPED: no recordings in ${FOLDER} (set TRIVIUM_RECORDINGS)`;

if (ABSENT !== undefined) console.error(`\n!! ${ABSENT}\n`);

/** All cases of the three formats that clients speak, in the index's order. */
export const RECORDINGS: readonly Recording[] = ABSENT === undefined ? readIndex() : [];

/** Answers of status 200: what an upstream's client is to be told. */
export const ANSWERS: readonly Recording[] = RECORDINGS.filter((recording) => recording.status === 200);

export const STREAMS: readonly Recording[] = ANSWERS.filter((recording) => recording.isStream);

export const REQUESTS: readonly Recording[] = RECORDINGS.filter((recording) => recording.hasRequest);

/** An exchange of one of OpenAI's other APIs: a request, and an answer that isn't streamed. */
export interface Exchanged {
  name: string;
  status: number;
  request: Json;
  answer: Uint8Array<ArrayBuffer>;
}

/** `folder`: `openai-completions` */
export function exchangesIn(folder: string): Exchanged[] {
  const rows = ABSENT === undefined ? rowsOfIndex().filter((row) => row["case"]?.startsWith(`${folder}/`)) : [];
  return rows.map((row) => ({
    name: row["case"] ?? "",
    status: Number(row["status"]),
    request: asObject(parseJson(readFileSync(`${FOLDER}/${row["case"]}/request.json`, "utf8"))),
    answer: new Uint8Array(readFileSync(`${FOLDER}/${row["case"]}/${row["response"]}`)),
  }));
}

function readIndex(): Recording[] {
  return rowsOfIndex().flatMap(readRow);
}

function rowsOfIndex(): Record<string, string>[] {
  const [head = "", ...lines] = readFileSync(`${FOLDER}/index.tsv`, "utf8").trimEnd().split("\n");
  const columns = head.split("\t");
  return lines.map((line) => {
    const cells = line.split("\t");
    return Object.fromEntries(columns.map((column, index) => [column, cells[index] ?? ""]));
  });
}

function readRow(row: Record<string, string>): Recording[] {
  const name = row["case"] ?? "";
  const format = FORMATS[name.slice(0, name.indexOf("/"))];
  if (format === undefined) return [];
  return [{
    name,
    format,
    provider: row["provider"] ?? "",
    model: row["model"] ?? "",
    isStream: row["response"] === "response.sse",
    file: `${FOLDER}/${name}/${row["response"]}`,
    status: Number(row["status"]),
    hasRequest: row["request"] === "request.json",
    features: new Set((row["features"] ?? "").split(",")),
  }];
}

export function answerBytes({ file }: Source): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(file));
}

/** The request's body, read as the gateway reads it: numbers that no `number` holds stay raw. */
export function requestBody(recording: Recording): Json {
  return asObject(parseJson(readFileSync(`${FOLDER}/${recording.name}/request.json`, "utf8")));
}

export function requestHeaders(recording: Recording): Headers {
  const meta = asObject(JSON.parse(readFileSync(`${FOLDER}/${recording.name}/meta.json`, "utf8")));
  return new Headers(meta["request_headers"] as Record<string, string>);
}
