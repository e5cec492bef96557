/** Parts of the history to content blocks (TRANSLATION.md, 1.4, 1.5, 2.3 and 2.4). */
import { Buffer } from "node:buffer";
import { unsupported } from "../../base/failure.ts";
import { defined, type JsonObject } from "../../base/fields.ts";
import type {
  CompactionPart,
  MediaPart,
  NativePart,
  Part,
  ReasoningPart,
  SearchResultPart,
  TextPart,
  ToolCallPart,
  ToolResultPart,
} from "../../neutral.ts";
import { summaryText } from "../../translation/compaction.ts";
import { argumentsObject, customAsArguments } from "../../translation/arguments.ts";
import { normalMediaType } from "../../translation/media.ts";
import { encodeCitation } from "./citation.ts";
import { clientName, type Encoding, markPath, refuse } from "./encoding.ts";
import { encodeCache, withExtra } from "./wire.ts";

/** Block types that take a cache mark [T]. */
const HOLDERS: ReadonlySet<unknown> = new Set([
  "text",
  "image",
  "document",
  "tool_use",
  "tool_result",
  "search_result",
]);

/** `path` is that of the message or part that holds the parts. */
export function encodeParts(parts: readonly Part[], path: string, encoding: Encoding): JsonObject[] {
  const blocks: JsonObject[] = [];
  for (const part of parts) {
    const at = part.path ?? path;
    const made = encodePart(part, at, encoding);
    const [last] = made.slice(-1);
    if (last !== undefined) made[made.length - 1] = withExtra(last, part.extra, at, encoding.losses);
    blocks.push(...made);
    if (part.cache !== undefined) mark(blocks, part.cache, at, encoding);
  }
  return blocks;
}

/** On the last block that can hold it: a mark on one that can't moves to the nearest earlier one of its message. */
function mark(blocks: JsonObject[], cache: { ttl?: string }, path: string, encoding: Encoding): void {
  const at = blocks.findLastIndex((block) => HOLDERS.has(block["type"]));
  const holder = encoding.own ? blocks.at(-1) : blocks[at];
  if (holder === undefined) {
    encoding.losses.add(markPath(encoding.request, path), "nothing before it can hold the cache mark");
  } else setMark(holder, cache, path, encoding);
}

/** Of a mark, as its API knows them; nothing said is the shortest. */
const LIFETIMES: ReadonlySet<string | undefined> = new Set([undefined, "5m", "1h"]);

export function setMark(holder: JsonObject, cache: { ttl?: string }, path: string, encoding: Encoding): void {
  if (!encoding.own && !LIFETIMES.has(cache.ttl)) {
    encoding.losses.add(`${markPath(encoding.request, path)}.ttl`, "marks live for 5 minutes or an hour here");
  }
  const extra = holder["cache_control"] as JsonObject | undefined;
  holder["cache_control"] = { ...encodeCache(cache), ...extra };
  if (!encoding.marks.some((mark) => mark.holder === holder)) encoding.marks.push({ holder, path });
}

function encodePart(part: Part, path: string, encoding: Encoding): JsonObject[] {
  switch (part.kind) {
    case "text":
      return encodeText(part, path, encoding);
    case "refusal":
      return part.text.trim() === "" ? [] : [{ type: "text", text: part.text }];
    case "image":
      return encodeImage(part, path, encoding);
    case "document":
      return encodeDocument(part, path, encoding);
    case "audio":
    case "video":
      refuse(encoding, unsupported(`The messages format takes no ${part.kind} (${path})`, path));
      return [];
    case "search_result":
      return encodeSearchResult(part, path, encoding);
    case "reasoning":
      return encodeReasoning(part, path, encoding);
    case "tool_call":
      return [encodeCall(part, path, encoding)];
    case "tool_result":
      return [encodeResult(part, path, encoding)];
    case "compaction":
      return encodeCompaction(part, path, encoding);
    case "native":
      return encodeNative(part, path, encoding);
    default:
      return part satisfies never;
  }
}

/** The API refuses text blocks of nothing but white space. */
function encodeText(part: TextPart, path: string, encoding: Encoding): JsonObject[] {
  if (!encoding.own && part.text.trim() === "") return [];
  const citations = part.citations?.map(encodeCitation).filter((citation) => citation !== undefined) ?? [];
  if (citations.length < (part.citations?.length ?? 0)) {
    encoding.losses.add(
      `${path}.${clientName(encoding.request, "citations")}`,
      "messages takes back only citations of its own",
    );
  }
  return [{ type: "text", text: part.text, ...(citations.length === 0 ? {} : { citations }) }];
}

function encodeImage(part: MediaPart, path: string, encoding: Encoding): JsonObject[] {
  const source = encodeSource(part, path, encoding);
  if (source === undefined) return [];
  if (part.detail !== undefined && part.detail !== "auto") {
    encoding.losses.add(`${path}.detail`, "messages has no level of detail");
  }
  return [{ type: "image", source }];
}

function encodeDocument(part: MediaPart, path: string, encoding: Encoding): JsonObject[] {
  const source = encodeSource(part, path, encoding);
  if (source === undefined) return [];
  const { citationsEnabled, detail = "auto" } = part;
  if (detail !== "auto") encoding.losses.add(`${path}.detail`, "messages has no level of detail");
  const citations = citationsEnabled === undefined ? undefined : { enabled: citationsEnabled };
  return [{ type: "document", source, ...defined({ title: part.title, context: part.context, citations }) }];
}

function encodeSource(part: MediaPart, path: string, encoding: Encoding): JsonObject | undefined {
  const { source } = part;
  switch (source.type) {
    case "base64":
      return encodeBase64(part, source.data, path, encoding);
    case "url":
      return { type: "url", url: source.url };
    case "text":
      return { type: "text", media_type: "text/plain", data: source.text };
    case "file":
      if (encoding.own) return { type: "file", file_id: source.id };
      refuse(encoding, unsupported(`A file id belongs to the provider that issued it (${path}); send the file`, path));
      return undefined;
    default:
      return source satisfies never;
  }
}

function encodeBase64(part: MediaPart, data: string, path: string, encoding: Encoding): JsonObject | undefined {
  const type = normalMediaType(part.mediaType ?? (part.kind === "image" ? "image/png" : "application/pdf"));
  if (encoding.own || part.kind === "image" || type === "application/pdf") {
    return { type: "base64", media_type: type, data };
  }
  if (type.startsWith("text/")) {
    return { type: "text", media_type: "text/plain", data: Buffer.from(data, "base64").toString() };
  }
  refuse(encoding, unsupported(`The messages format takes PDF and text, no ${type} (${path})`, path));
  return undefined;
}

function encodeSearchResult(part: SearchResultPart, path: string, encoding: Encoding): JsonObject[] {
  const content = encodeParts(part.parts, path, encoding);
  return [{ type: "search_result", source: part.source, title: part.title, content }];
}

/**
 * Signed blocks alone, and only those of the target's family: an unsigned or foreign one is a 400. Values are never
 * merged, so that a part with several makes as many blocks.
 */
function encodeReasoning(part: ReasoningPart, path: string, encoding: Encoding): JsonObject[] {
  const native = part.opaque?.filter((opaque) => opaque.issuer === encoding.target.family) ?? [];
  const signature = native.find((opaque) => opaque.kind === "signature");
  const blocks: JsonObject[] = [];
  if (signature !== undefined) {
    blocks.push({ type: "thinking", thinking: part.text, signature: signature.value });
  }
  for (const opaque of native) {
    if (opaque.kind === "redacted") blocks.push({ type: "redacted_thinking", data: opaque.value });
  }
  if (blocks.length > 0) return blocks;
  encoding.droppedThinking = true;
  if (part.text !== "" || part.opaque !== undefined) {
    encoding.losses.add(path, "thinking goes back only to the models that signed it");
  }
  return [];
}

function encodeCall(part: ToolCallPart, path: string, encoding: Encoding): JsonObject {
  const text = part.toolKind === "custom" ? customAsArguments(part.arguments) : part.arguments;
  if ((part.opaque ?? []).length > 0) {
    const name = clientName(encoding.request, "callSignature");
    encoding.losses.add(`${path}.${name}`, "the signature belongs to another maker's models");
  }
  return {
    type: "tool_use",
    id: encoding.ids.next(part.id),
    name: encoding.names.toTarget(part.name, part.namespace),
    input: argumentsObject(text, encoding.losses, path),
  };
}

function encodeResult(part: ToolResultPart, path: string, encoding: Encoding): JsonObject {
  const content = encodeParts(part.parts, path, encoding);
  const isError = encoding.own ? part.isError : part.isError || undefined;
  return {
    type: "tool_result",
    tool_use_id: encoding.ids.latest(part.callId),
    ...(content.length === 0 ? {} : { content: shortContent(content) }),
    ...defined({ is_error: isError }),
  };
}

/** One plain text block as the string that clients write for it. */
export function shortContent(blocks: JsonObject[]): string | JsonObject[] {
  const [only] = blocks;
  const plain = blocks.length === 1 && only?.["type"] === "text" && Object.keys(only).length === 2;
  return plain && typeof only["text"] === "string" ? only["text"] : blocks;
}

function encodeCompaction(part: CompactionPart, path: string, encoding: Encoding): JsonObject[] {
  const encrypted = part.opaque?.find((opaque) => opaque.issuer === encoding.target.family)?.value;
  if (encoding.own && (encrypted !== undefined || part.opaque === undefined)) {
    return [{ type: "compaction", content: part.text ?? null, ...defined({ encrypted_content: encrypted }) }];
  }
  if (part.text === undefined || part.text === "") {
    encoding.losses.add(path, "a compaction can be read only by the models that made it");
    return [];
  }
  encoding.losses.add(path, "emulated: the compaction's summary goes as text");
  return [{ type: "text", text: summaryText(part.text) }];
}

function encodeNative(part: NativePart, path: string, encoding: Encoding): JsonObject[] {
  if (part.format === "messages") return [part.value];
  if (part.text === undefined || part.text.trim() === "") {
    encoding.losses.add(path, "messages has no such part");
    return [];
  }
  encoding.losses.add(path, "emulated: messages has no such part, sent as text");
  return [{ type: "text", text: part.text }];
}
