/** Content of messages: wire → neutral (TRANSLATION.md, 2.3). */
import { defined, describe, Fields, type JsonObject } from "../../base/fields.ts";
import type { MediaPart, Part, ReasoningPart } from "../../neutral.ts";
import { mediaOfUrl } from "../../translation/media.ts";
import { thinkingSignature, thinkingText } from "./reasoning.ts";
import { ownExtra, unread } from "./wire.ts";

interface Names {
  names: Record<string, string>;
}

/** A string, or parts; `isRequired`: neither may be missing. */
export function decodeContent(message: Fields, reading: Names, isRequired: boolean): Part[] {
  const content = message.any("content");
  if (typeof content === "string") {
    const cache = decodeCache(message, reading);
    return [{ kind: "text", text: content, path: message.at("content"), ...defined({ cache }) }];
  }
  if (Array.isArray(content)) {
    return content.map((value, index) =>
      decodePart(new Fields(message.faults, value, `${message.at("content")}[${index}]`), reading)
    );
  }
  if ((content !== undefined && content !== null) || isRequired) {
    message.faults.add(`Expected a string or an array but got ${describeContent(content)}`, message.at("content"));
  }
  return [];
}

function describeContent(content: unknown): string {
  return content === undefined ? "nothing" : describe(content);
}

/** Both spellings of a cache mark; the one that the request used is kept to name losses and to write it back. */
function decodeCache(fields: Fields, reading: Names): { ttl?: string } | undefined {
  const key = fields.has("prompt_cache_breakpoint") ? "prompt_cache_breakpoint" : "cache_control";
  const mark = fields.object(key);
  if (mark === undefined) return undefined;
  reading.names["cache"] = key;
  return defined({ ttl: mark.string("ttl") });
}

function decodePart(part: Fields, reading: Names): Part {
  const cache = decodeCache(part, reading);
  const inner: Inner = new Map();
  const decoded = decodeKind(part, inner);
  if (decoded.kind === "native") return decoded;
  return { ...decoded, path: part.path, ...defined({ cache }), ...ownExtra(unreadOf(part, inner)) };
}

/** The objects within a part that were opened, by their key. */
type Inner = Map<string, Fields>;

function open(part: Fields, key: string, inner: Inner): Fields | undefined {
  const fields = part.object(key);
  if (fields === undefined) part.faults.add(`Missing required object "${key}"`, part.at(key));
  else inner.set(key, fields);
  return fields;
}

function unreadOf(part: Fields, inner: Inner): JsonObject | undefined {
  const rest: JsonObject = { ...unread(part) };
  for (const [key, fields] of inner) Object.assign(rest, defined({ [key]: unread(fields) }));
  return Object.keys(rest).length === 0 ? undefined : rest;
}

function decodeKind(part: Fields, inner: Inner): Part {
  const type = part.requiredString("type");
  switch (type) {
    case "text":
      return { kind: "text", text: part.requiredString("text") };
    case "refusal":
      return { kind: "refusal", text: part.requiredString("refusal") };
    case "thinking":
      return thinking(part);
    case "image_url":
      return image(part, inner);
    case "video_url":
      return linked(part, "video", "video_url", inner);
    case "document_url":
      return linked(part, "document", "document_url", inner);
    case "input_audio":
      return audio(part, inner);
    case "file":
      return file(part, inner);
    default:
      return { kind: "native", format: "chat", value: part.value, path: part.path };
  }
}

/** The word that Mistral's own parts lack: its models are the only ones that take them back. */
const THINKING_ISSUER = "mistral";

function thinking(part: Fields): ReasoningPart {
  const signature = thinkingSignature(part.value, THINKING_ISSUER);
  // `closed` says that the thought was complete, as everything in a history is.
  part.skip("thinking", "signature", "closed");
  return {
    kind: "reasoning",
    form: "full",
    text: thinkingText(part.value),
    ...(signature === undefined ? {} : { opaque: [signature] }),
  };
}

/** `{type, [key]: {url, detail?}}`, or the URL itself, as some dialects have it. */
function linked(part: Fields, kind: MediaPart["kind"], key: string, inner: Inner): MediaPart {
  const object = typeof part.value[key] === "string" ? undefined : open(part, key, inner);
  const url = object === undefined ? part.string(key) : object.requiredString("url");
  const { source, mediaType } = mediaOfUrl(url ?? "");
  return { kind, source, ...defined({ mediaType, detail: object?.string("detail") }) };
}

/** PDFs come this way too, where the server behind takes them. */
function image(part: Fields, inner: Inner): MediaPart {
  const media = linked(part, "image", "image_url", inner);
  return media.mediaType === "application/pdf" ? { ...media, kind: "document" } : media;
}

const AUDIO_TYPES: Readonly<Record<string, string>> = { mp3: "audio/mpeg", wav: "audio/wav" };

function audio(part: Fields, inner: Inner): MediaPart {
  const input = open(part, "input_audio", inner);
  const format = input?.requiredString("format") ?? "";
  return {
    kind: "audio",
    source: { type: "base64", data: input?.requiredString("data") ?? "" },
    mediaType: AUDIO_TYPES[format] ?? `audio/${format}`,
  };
}

function file(part: Fields, inner: Inner): MediaPart {
  const object = open(part, "file", inner);
  const data = object?.string("file_data");
  const id = object?.string("file_id");
  const title = object?.string("filename");
  const named = defined({ title });
  if (data !== undefined) return { kind: "document", ...fileMedia(data, title), ...named };
  if (object !== undefined && id === undefined) part.faults.add("Expected file_data or file_id", part.at("file"));
  return { kind: "document", source: { type: "file", id: id ?? "" }, ...named };
}

/** A data URL by OpenAI's documentation; plain base64 is taken too. */
function fileMedia(data: string, name: string | undefined): Pick<MediaPart, "source" | "mediaType"> {
  if (/^data:/i.test(data)) return mediaOfUrl(data);
  const extension = /\.(\w+)$/.exec(name ?? "")?.[1]?.toLowerCase();
  const mediaType = extension === "txt" || extension === "md" ? "text/plain" : "application/pdf";
  return { source: { type: "base64", data }, mediaType };
}
