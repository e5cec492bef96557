/** Content of messages: neutral → wire (TRANSLATION.md, 2.3). */
import { Buffer } from "node:buffer";
import { unsupported } from "../../base/failure.ts";
import type { JsonObject } from "../../base/fields.ts";
import type { CompactionPart, Extra, MediaPart, NativePart, Part, SearchResultPart, TextPart } from "../../neutral.ts";
import { summaryText } from "../../translation/compaction.ts";
import { loseWithin } from "../../translation/leftover.ts";
import { dataUrl } from "../../translation/media.ts";
import { withMark } from "./cache_marks.ts";
import { type Encoding, nameOf } from "./encoding.ts";
import { withExtra } from "./wire.ts";

/** What a part becomes as content; undefined where nothing of it can stand there. */
export function encodePart(part: Part, encoding: Encoding): JsonObject | undefined {
  switch (part.kind) {
    case "text":
      return finished(textPart(part, encoding), part, encoding);
    case "image":
    case "audio":
    case "video":
    case "document": {
      const media = encodeMedia(part, encoding);
      return media === undefined ? undefined : finished(media, part, encoding);
    }
    case "refusal":
      return text(part.text);
    case "search_result":
      loseWithin(part, encoding.request, encoding.losses);
      return finished(text(searchResultText(part)), part, encoding);
    case "compaction":
      return encodeCompaction(part, encoding);
    case "native":
      return encodeNative(part, encoding);
    case "reasoning":
    case "tool_call":
    case "tool_result":
      return dropped(part, encoding);
    default:
      return part satisfies never;
  }
}

function text(value: string): JsonObject {
  return { type: "text", text: value };
}

function finished(encoded: JsonObject, part: Part, encoding: Encoding): JsonObject {
  return withMark(withExtra(encoded, part.extra, pathOf(part), encoding.losses), part, encoding);
}

export function pathOf(part: { path?: string }): string {
  return part.path ?? "messages";
}

function dropped(part: Part, { losses }: Encoding): undefined {
  losses.add(pathOf(part), `chat can't hold a part of kind ${part.kind} here`);
  return undefined;
}

function textPart(part: TextPart, { losses, request }: Encoding): JsonObject {
  const name = nameOf(request, "citations");
  if ((part.citations ?? []).length > 0) losses.add(`${pathOf(part)}.${name}`, "chat takes no citations back");
  return text(part.text);
}

function encodeCompaction(part: CompactionPart, encoding: Encoding): JsonObject | undefined {
  if (part.text === undefined || part.text === "") return dropped(part, encoding);
  encoding.losses.add(pathOf(part), "emulated: the compaction's summary goes as text");
  return text(summaryText(part.text));
}

/** Server tools and their results of another format: what they say in words, if they say anything. */
function encodeNative(part: NativePart, encoding: Encoding): JsonObject | undefined {
  if (part.format === "chat") return part.value;
  if (part.holdsMedia === true) {
    const path = pathOf(part);
    encoding.faults.addFailure(unsupported("Images within a document can't go to a Chat Completions upstream", path));
  }
  if (part.text === undefined || part.text === "") return dropped(part, encoding);
  encoding.losses.add(pathOf(part), "emulated: sent as text");
  return text(part.text);
}

export function searchResultText(part: SearchResultPart): string {
  const body = part.parts.map((inner) => inner.kind === "text" ? inner.text : "").join("\n");
  return `${part.title}\n${part.source}\n${body}`;
}

function encodeMedia(part: MediaPart, encoding: Encoding): JsonObject | undefined {
  switch (part.kind) {
    case "image":
      return encodeImage(part, encoding);
    case "audio":
      return encodeAudio(part, encoding);
    case "video":
      return encodeVideo(part, encoding);
    case "document":
      return encodeDocument(part, encoding);
    default:
      return part.kind satisfies never;
  }
}

function refused(part: MediaPart, what: string, { faults }: Encoding): undefined {
  faults.addFailure(
    unsupported(`A Chat Completions upstream can't take ${what}; send its content instead`, pathOf(part)),
  );
  return undefined;
}

function encodeImage(part: MediaPart, encoding: Encoding): JsonObject | undefined {
  const url = urlOf(part, "image/png");
  if (url === undefined) return refused(part, "an image by file id", encoding);
  // `original` is the responses format's own word.
  const detail = part.detail === "original" && !encoding.isOwn ? "high" : part.detail;
  return { type: "image_url", image_url: { url, ...(detail === undefined ? {} : { detail }) } };
}

function urlOf({ source, mediaType }: MediaPart, fallback: string): string | undefined {
  if (source.type === "url") return source.url;
  return source.type === "base64" ? dataUrl(mediaType ?? fallback, source.data) : undefined;
}

function encodeAudio(part: MediaPart, encoding: Encoding): JsonObject | undefined {
  if (part.source.type !== "base64") return refused(part, "audio by reference", encoding);
  const type = part.mediaType ?? "audio/wav";
  const format = type === "audio/mpeg" ? "mp3" : type.slice(type.indexOf("/") + 1);
  return { type: "input_audio", input_audio: { data: part.source.data, format } };
}

function encodeVideo(part: MediaPart, encoding: Encoding): JsonObject | undefined {
  const url = urlOf(part, "video/mp4");
  if (!encoding.isOwn || url === undefined) return refused(part, "video", encoding);
  return { type: "video_url", video_url: { url } };
}

function encodeDocument(part: MediaPart, encoding: Encoding): JsonObject | undefined {
  const { source } = part;
  if (part.citationsEnabled === true) encoding.losses.add(`${pathOf(part)}.citations`, "chat can't cite documents");
  if ((part.detail ?? "auto") !== "auto") {
    encoding.losses.add(`${pathOf(part)}.detail`, "chat's files have no such member");
  }
  switch (source.type) {
    case "text":
      return text(titled(part, source.text));
    case "base64":
      return encodeFileData(part, source.data, encoding);
    case "url":
      return encoding.isOwn
        ? { type: "document_url", document_url: source.url }
        : refused(part, "a document by URL", encoding);
    case "file":
      return encodeFileId(part, source.id, encoding);
    default:
      return source satisfies never;
  }
}

function titled({ title, context }: MediaPart, body: string): string {
  return [title, context, body].filter((line) => line !== undefined).join("\n");
}

function encodeFileData(part: MediaPart, data: string, encoding: Encoding): JsonObject {
  const { mediaType = "application/pdf", title, context } = part;
  if (mediaType.startsWith("text/") && !encoding.isOwn) {
    return text(titled(part, Buffer.from(data, "base64").toString()));
  }
  if (context !== undefined) encoding.losses.add(`${pathOf(part)}.context`, "chat's files have no such member");
  return { type: "file", file: { filename: title ?? "document.pdf", file_data: dataUrl(mediaType, data) } };
}

/** File ids belong to who issued them: to OpenAI they go from OpenAI's own two formats alone. */
function encodeFileId(part: MediaPart, id: string, encoding: Encoding): JsonObject | undefined {
  const { isOwn, request, target } = encoding;
  const isIssuer = isOwn || (request.origin === "responses" && target.family === "openai");
  if (!isIssuer) return refused(part, "another provider's file id", encoding);
  return { type: "file", file: { file_id: id, ...(part.title === undefined ? {} : { filename: part.title }) } };
}

/** A string where one plain text is all there is: the form that every server takes. */
export function contentOf(parts: readonly JsonObject[]): string | readonly JsonObject[] | undefined {
  const [only] = parts;
  if (only === undefined) return undefined;
  return parts.length === 1 && isPlainText(only) ? only["text"] as string : parts;
}

export function isPlainText(part: JsonObject): boolean {
  return part["type"] === "text" && Object.keys(part).length === 2;
}

/** Members of a message that came in with it. */
export function extraOf(encoded: JsonObject, extra: Extra | undefined, path: string, encoding: Encoding): JsonObject {
  return withExtra(encoded, extra, path, encoding.losses);
}
