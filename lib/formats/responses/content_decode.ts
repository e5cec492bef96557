/** Content parts of messages and tool results: wire → neutral (TRANSLATION.md, 2.3 and 3.4). */
import { defined, describe, type Faults, Fields, isObject } from "../../base/fields.ts";
import type { Citation, MediaPart, Part, TextPart } from "../../neutral.ts";
import { mediaOfUrl } from "../../translation/media.ts";
import { extraOf, FORMAT } from "./wire.ts";

/** A string, or a list of typed parts. `path` is that of the member that holds them. */
export function decodeContent(faults: Faults, content: unknown, path: string): Part[] {
  if (typeof content === "string") return [{ kind: "text", text: content, path }];
  if (Array.isArray(content)) return content.map((value, index) => decodePart(faults, value, `${path}[${index}]`));
  faults.add(
    content === undefined || content === null
      ? "Missing required content"
      : `Expected a string or an array but got ${describe(content)}`,
    path,
  );
  return [];
}

function decodePart(faults: Faults, value: unknown, path: string): Part {
  const fields = new Fields(faults, value, path);
  const type = fields.requiredString("type");
  switch (type) {
    case "input_text":
    case "output_text":
    case "text":
      return withCommon(decodeText(fields), fields);
    case "refusal":
      return withCommon({ kind: "refusal", text: fields.requiredString("refusal") }, fields);
    case "input_image":
      return withCommon(decodeImage(fields), fields);
    case "input_file":
      return withCommon(decodeFile(fields), fields);
    case "input_audio":
      return withCommon(decodeAudio(fields), fields);
    default:
      return { kind: "native", format: FORMAT, value: fields.value, path };
  }
}

/** What parts of any kind may carry, read after the part's own members so that the rest is known. */
function withCommon(part: Part, fields: Fields): Part {
  const mark = fields.any("prompt_cache_breakpoint");
  if (isObject(mark)) part.cache = typeof mark["ttl"] === "string" ? { ttl: mark["ttl"] } : {};
  const extra = extraOf(fields.rest());
  if (extra !== undefined) part.extra = extra;
  part.path = fields.path;
  return part;
}

function decodeText(fields: Fields): TextPart {
  const text = fields.requiredString("text");
  const citations = fields.array("annotations")?.map(decodeAnnotation);
  const logprobs = fields.array("logprobs");
  return {
    kind: "text",
    text,
    ...(citations === undefined || citations.length === 0 ? {} : { citations }),
    ...(logprobs === undefined || logprobs.length === 0 ? {} : { logprobs }),
  };
}

/** An annotation of either a request or an answer. Kinds without a neutral term stay as they are. */
export function decodeAnnotation(value: unknown): Citation {
  const annotation = isObject(value) ? value : {};
  const { type, url, title, file_id, filename, index, start_index, end_index } = annotation;
  if (type === "url_citation" && typeof url === "string") {
    return defined({
      kind: "url" as const,
      url,
      title: stringOf(title),
      start: numberOf(start_index),
      end: numberOf(end_index),
    });
  }
  if (type === "file_citation" && typeof file_id === "string") {
    return defined({
      kind: "document" as const,
      unit: "char" as const,
      index: numberOf(index) ?? 0,
      title: stringOf(filename),
      fileId: file_id,
    });
  }
  return { kind: "native", format: FORMAT, value: annotation };
}

function stringOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function decodeImage(fields: Fields): MediaPart {
  const url = fields.string("image_url");
  const fileId = fields.string("file_id");
  const detail = fields.string("detail");
  if (url === undefined && fileId === undefined) {
    fields.faults.add('Missing "image_url" or "file_id"', fields.path);
  }
  const media = url === undefined ? { source: { type: "file" as const, id: fileId ?? "" } } : mediaOfUrl(url);
  return defined({ kind: "image" as const, ...media, detail });
}

function decodeFile(fields: Fields): MediaPart {
  const data = fields.string("file_data");
  const url = fields.string("file_url");
  const fileId = fields.string("file_id");
  const title = fields.string("filename");
  const detail = fields.string("detail");
  if (data === undefined && url === undefined && fileId === undefined) {
    fields.faults.add('Missing "file_data", "file_url" or "file_id"', fields.path);
  }
  return defined({ kind: "document" as const, ...fileSource(data, url, fileId, title), title, detail });
}

function fileSource(
  data?: string,
  url?: string,
  fileId?: string,
  name?: string,
): Pick<MediaPart, "source" | "mediaType"> {
  if (data !== undefined) {
    if (/^data:/i.test(data)) return mediaOfUrl(data);
    return { source: { type: "base64", data }, mediaType: mediaTypeOfName(name) };
  }
  return url === undefined ? { source: { type: "file", id: fileId ?? "" } } : mediaOfUrl(url);
}

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  pdf: "application/pdf",
  txt: "text/plain",
  md: "text/markdown",
  csv: "text/csv",
  html: "text/html",
  json: "application/json",
};

/** File data may come without its type; PDF is what such files are when their name doesn't say either. */
function mediaTypeOfName(name = ""): string {
  return MEDIA_TYPES[name.slice(name.lastIndexOf(".") + 1).toLowerCase()] ?? "application/pdf";
}

function decodeAudio(fields: Fields): MediaPart {
  const audio = fields.object("input_audio");
  const data = audio?.requiredString("data") ?? "";
  const format = audio?.requiredString("format") ?? "";
  if (audio === undefined) fields.faults.add('Missing required object "input_audio"', fields.path);
  return {
    kind: "audio",
    source: { type: "base64", data },
    mediaType: format === "mp3" ? "audio/mpeg" : `audio/${format}`,
  };
}

/** This format counts a citation's characters within one text, the neutral form within all text of the answer. */
export function countFromStart(parts: readonly Part[]): void {
  let start = 0;
  for (const part of parts) {
    if (part.kind !== "text") continue;
    if (part.citations !== undefined) part.citations = part.citations.map((citation) => shiftCitation(citation, start));
    start += part.text.length;
  }
}

export function shiftCitation(citation: Citation, by: number): Citation {
  if (citation.kind !== "url" || by === 0) return citation;
  const { start, end } = citation;
  return {
    ...citation,
    ...(start === undefined ? {} : { start: start + by }),
    ...(end === undefined ? {} : { end: end + by }),
  };
}

/** The texts of a list such as `[{"type":"summary_text","text":"…"}]`, or of a plain string. */
export function decodeTexts(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown) => isObject(entry) && typeof entry["text"] === "string" ? [entry["text"]] : []);
}
