/** Content parts of messages and tool results, neutral → wire (TRANSLATION.md, 2.3 and 3.4). */
import { unsupported } from "../../base/failure.ts";
import { defined, type JsonObject } from "../../base/fields.ts";
import type { Citation, MediaPart, Part, SearchResultPart } from "../../neutral.ts";
import { loseWithin } from "../../translation/leftover.ts";
import { dataUrl } from "../../translation/media.ts";
import { shiftCitation } from "./content_decode.ts";
import { carryExtra, clientName, type Encoding } from "./encoding.ts";
import { FORMAT, OPTION_TTLS } from "./wire.ts";

/** Parts as `content`: a string where there is one plain text, else a list. */
export function contentOf(parts: readonly JsonObject[]): string | readonly JsonObject[] {
  const [first] = parts;
  return parts.length === 1 && first?.["type"] === "input_text" && Object.keys(first).length === 2
    ? first["text"] as string
    : parts;
}

/** One part of a user's, system's or developer's message or of a tool's result; none where nothing can be sent. */
export function encodeInputPart(encoding: Encoding, part: Part): JsonObject[] {
  switch (part.kind) {
    case "text":
      reportCitations(encoding, part);
      return [finish(encoding, part, { type: "input_text", text: part.text })];
    case "refusal":
    case "reasoning":
      return [finish(encoding, part, { type: "input_text", text: part.text })];
    case "image":
      return encodeMedia(encoding, part, encodeImage);
    case "document":
      return encodeMedia(encoding, part, encodeDocument);
    case "audio":
      return encodeAudio(encoding, part);
    case "video":
      refuse(encoding, part, "Video can't be sent to a model behind the Responses API");
      return [];
    case "search_result":
      loseWithin(part, encoding.request, encoding.losses);
      return [finish(encoding, part, { type: "input_text", text: searchResultText(part) })];
    case "compaction":
      return part.text === undefined ? [] : [finish(encoding, part, { type: "input_text", text: part.text })];
    case "native":
      return encodeNative(encoding, part);
    case "tool_call":
    case "tool_result":
      return [];
    default:
      return part satisfies never;
  }
}

function finish(encoding: Encoding, part: Part, wire: JsonObject): JsonObject {
  const mark = encoding.marks.get(part);
  Object.assign(wire, carryExtra(encoding, part.extra, part.path));
  // Other formats' marks may live as long as no mark does here.
  const lifetime = encoding.isOwn || OPTION_TTLS.has(mark?.ttl ?? "") ? mark : {};
  if (mark !== undefined) wire["prompt_cache_breakpoint"] = { mode: "explicit", ...lifetime };
  return wire;
}

function refuse(encoding: Encoding, part: Part, message: string): void {
  encoding.faults.addFailure(unsupported(message, part.path ?? "messages"));
}

type MediaEncoder = (encoding: Encoding, part: MediaPart) => JsonObject;

function encodeMedia(encoding: Encoding, part: MediaPart, encode: MediaEncoder): JsonObject[] {
  if (part.source.type === "file" && encoding.request.origin === "messages") {
    refuse(encoding, part, `File "${part.source.id}" belongs to another provider; send its data or a URL instead`);
    return [];
  }
  if (part.citationsEnabled === true) {
    encoding.losses.add(`${part.path ?? "messages"}.citations`, "responses cites no documents of the conversation");
  }
  return [finish(encoding, part, encode(encoding, part))];
}

function encodeImage(encoding: Encoding, part: MediaPart): JsonObject {
  const detail = part.detail ?? "auto";
  const { source } = part;
  switch (source.type) {
    case "base64":
      return { type: "input_image", image_url: dataUrl(part.mediaType ?? "image/png", source.data), detail };
    case "url":
      return { type: "input_image", image_url: source.url, detail };
    case "file":
      return { type: "input_image", file_id: source.id, detail };
    case "text":
      refuse(encoding, part, "An image can't be sent as text");
      return {};
    default:
      return source satisfies never;
  }
}

function encodeDocument(encoding: Encoding, part: MediaPart): JsonObject {
  const { source, title, detail, context } = part;
  if (source.type === "text") {
    return { type: "input_text", text: [title, context, source.text].filter((line) => line !== undefined).join("\n") };
  }
  if (context !== undefined) encoding.losses.add(`${part.path}.context`, "responses has no such field");
  switch (source.type) {
    case "base64":
      return defined({
        type: "input_file",
        filename: title ?? (encoding.isOwn ? undefined : fileName(part.mediaType)),
        file_data: dataUrl(part.mediaType ?? "application/pdf", source.data),
        detail,
      });
    case "url":
      return defined({ type: "input_file", filename: title, file_url: source.url, detail });
    case "file":
      return defined({ type: "input_file", filename: title, file_id: source.id, detail });
    default:
      return source satisfies never;
  }
}

/** The API refuses file data that has no name. */
function fileName(mediaType = "application/pdf"): string {
  const subtype = mediaType.slice(mediaType.indexOf("/") + 1);
  return `document.${subtype === "plain" ? "txt" : subtype}`;
}

function encodeAudio(encoding: Encoding, part: MediaPart): JsonObject[] {
  if (!encoding.isOwn || part.source.type !== "base64") {
    refuse(encoding, part, "Audio can't be sent to a model behind the Responses API");
    return [];
  }
  const format = part.mediaType === "audio/mpeg" ? "mp3" : (part.mediaType ?? "audio/wav").slice("audio/".length);
  return [finish(encoding, part, { type: "input_audio", input_audio: { data: part.source.data, format } })];
}

export function searchResultText(part: SearchResultPart): string {
  const texts = part.parts.flatMap((inner) => inner.kind === "text" ? [inner.text] : []);
  return [part.title, part.source, ...texts].join("\n");
}

function encodeNative(encoding: Encoding, part: Part & { kind: "native" }): JsonObject[] {
  if (part.format === FORMAT) return [part.value];
  if (part.holdsMedia === true) refuse(encoding, part, "Images within a document can't be sent to the Responses API");
  const reason = "responses has nothing like it";
  encoding.losses.add(part.path ?? "messages", part.text === undefined ? reason : `emulated: ${reason}, sent as text`);
  return part.text === undefined ? [] : [finish(encoding, part, { type: "input_text", text: part.text })];
}

/** What the assistant said, as content of its message. `start`: how much text of its turn stands before it. */
export function encodeOutputPart(
  encoding: Encoding,
  part: Part & { kind: "text" | "refusal" },
  start: number,
): JsonObject {
  const extra = carryExtra(encoding, part.extra, part.path);
  if (part.kind === "refusal") return { type: "refusal", refusal: part.text, ...extra };
  const name = clientName(encoding.request, "citations");
  // Other formats cite a whole text; here each citation must say where it stands.
  const span = encoding.isOwn ? undefined : { start: 0, end: part.text.length };
  const annotations = (part.citations ?? []).flatMap((citation) => {
    const annotation = encodeCitation(shiftCitation(citation, -start), span);
    if (annotation === undefined) encoding.losses.add(`${part.path}.${name}`, "responses has no such citation");
    return annotation ?? [];
  });
  return defined({
    type: "output_text",
    text: part.text,
    annotations,
    logprobs: encoding.isOwn ? part.logprobs : undefined,
    ...extra,
  });
}

export function reportCitations(encoding: Encoding, part: Part & { kind: "text" }): void {
  if (part.citations !== undefined && part.citations.length > 0) {
    const name = clientName(encoding.request, "citations");
    encoding.losses.add(`${part.path}.${name}`, "responses has citations in answers alone");
  }
}

/**
 * Undefined where the format has nothing like it. `span` is the cited part of the text where the citation doesn't say.
 */
export function encodeCitation(citation: Citation, span?: { start: number; end: number }): JsonObject | undefined {
  switch (citation.kind) {
    case "url":
      return defined({
        type: "url_citation",
        start_index: citation.start ?? span?.start,
        end_index: citation.end ?? span?.end,
        title: citation.title ?? (span === undefined ? undefined : ""),
        url: citation.url,
      });
    case "document":
      if (citation.fileId === undefined) return undefined;
      return { type: "file_citation", file_id: citation.fileId, filename: citation.title ?? "", index: citation.index };
    case "native":
      return citation.format === FORMAT ? citation.value : undefined;
    default:
      return citation satisfies never;
  }
}
