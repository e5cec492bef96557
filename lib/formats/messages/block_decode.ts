/** Content blocks to parts: one reader for requests and for whole answers (TRANSLATION.md, 1.1, 2.3 and 3.4). */
import { defined, Fields, isObject, type JsonObject } from "../../base/fields.ts";
import type {
  CompactionPart,
  Extra,
  Issuer,
  MediaPart,
  NativePart,
  Part,
  ReasoningPart,
  SearchResultPart,
  Source,
  TextPart,
  ToolCallPart,
  ToolResultPart,
} from "../../neutral.ts";
import { decodeCitations } from "./citation.ts";
import { textOfNative } from "./native_text.ts";
import { formOf, opaquesOf } from "./signature.ts";
import { decodeCache, mergeJson, ownExtra, unread } from "./wire.ts";

/** Where blocks come from. Only a client knows paths, and only history may be put in words for another format. */
export interface Origin {
  side: "request" | "answer";
  /** Whose native signatures these are. */
  issuer: Issuer;
}

export function decodeBlock(block: Fields, origin: Origin): Part {
  switch (block.requiredString("type")) {
    case "text":
      return textBlock(block, origin);
    case "image":
    case "document":
      return mediaBlock(block, origin);
    case "search_result":
      return searchResultBlock(block, origin);
    case "thinking":
      return thinkingBlock(block, origin);
    case "redacted_thinking":
      return redactedBlock(block, origin);
    case "tool_use":
      return toolUseBlock(block, origin);
    case "tool_result":
      return toolResultBlock(block, origin);
    case "compaction":
      return compactionBlock(block, origin);
    default:
      return nativeBlock(block, origin);
  }
}

/** A `content` member: a string, or an array of blocks. */
export function decodeContent(holder: Fields, origin: Origin): Part[] {
  const content = holder.any("content");
  if (typeof content === "string") {
    return [{ kind: "text", text: content, ...pathOf(holder.at("content"), origin) }];
  }
  return decodeBlocks(holder, "content", origin);
}

export function decodeBlocks(holder: Fields, key: string, origin: Origin): Part[] {
  const blocks = holder.array(key) ?? [];
  return blocks.map((block, index) =>
    decodeBlock(new Fields(holder.faults, block, `${holder.at(key)}[${index}]`), origin)
  );
}

function pathOf(path: string, origin: Origin): { path?: string } {
  return origin.side === "request" ? { path } : {};
}

/** What any block may have beside its own members; to be read last. `rest` are leftovers of nested objects. */
function common(block: Fields, origin: Origin, rest: JsonObject = {}) {
  const { cache, rest: control } = decodeCache(block);
  const nested = control === undefined ? rest : { ...rest, cache_control: control };
  const members = mergeJson(unread(block) ?? {}, nested);
  const extra: { extra?: Extra } = ownExtra(Object.keys(members).length === 0 ? undefined : members);
  return { ...defined({ cache }), ...pathOf(block.path, origin), ...extra };
}

function textBlock(block: Fields, origin: Origin): TextPart {
  const text = origin.side === "request" ? block.requiredString("text") : block.string("text") ?? "";
  const citations = decodeCitations(block.any("citations"));
  return { kind: "text", text, ...(citations.length === 0 ? {} : { citations }), ...common(block, origin) };
}

function mediaBlock(block: Fields, origin: Origin): MediaPart | NativePart {
  const holder = block.object("source");
  if (holder === undefined) {
    block.faults.add("Missing required object", block.at("source"));
    return nativeBlock(block, origin);
  }
  const media = decodeSource(holder);
  if (media === undefined) return nativeBlock(block, origin);
  const citations = block.object("citations");
  const citationsEnabled = citations?.boolean("enabled");
  const rest = { ...defined({ citations: citations && unread(citations), source: media.rest }) };
  return {
    kind: block.value["type"] === "image" ? "image" : "document",
    source: media.source,
    ...defined({
      mediaType: media.mediaType,
      title: block.string("title"),
      context: block.string("context"),
      citationsEnabled,
    }),
    ...common(block, origin, rest),
  };
}

interface DecodedSource {
  source: Source;
  mediaType?: string;
  rest?: JsonObject;
}

/** Undefined for kinds of sources that only this format has. */
function decodeSource(holder: Fields): DecodedSource | undefined {
  const source = sourceOf(holder);
  if (source === undefined) return undefined;
  return { source, ...defined({ mediaType: holder.string("media_type"), rest: unread(holder) }) };
}

function sourceOf(holder: Fields): Source | undefined {
  switch (holder.any("type")) {
    case "base64":
      return { type: "base64", data: holder.requiredString("data") };
    case "text":
      return { type: "text", text: holder.requiredString("data") };
    case "url":
      return { type: "url", url: holder.requiredString("url") };
    case "file":
      return { type: "file", id: holder.requiredString("file_id") };
    default:
      return undefined;
  }
}

function searchResultBlock(block: Fields, origin: Origin): SearchResultPart {
  return {
    kind: "search_result",
    source: block.requiredString("source"),
    title: block.requiredString("title"),
    parts: decodeBlocks(block, "content", origin),
    ...common(block, origin),
  };
}

function thinkingBlock(block: Fields, origin: Origin): ReasoningPart {
  const text = block.string("thinking") ?? "";
  const opaque = opaquesOf(block.string("signature"), "signature", origin.issuer);
  return { kind: "reasoning", text, form: formOf(opaque, text), ...withOpaque(opaque), ...common(block, origin) };
}

function redactedBlock(block: Fields, origin: Origin): ReasoningPart {
  const opaque = opaquesOf(block.string("data"), "redacted", origin.issuer);
  const form = opaque.length === 0 ? "redacted" : formOf(opaque, "");
  return { kind: "reasoning", text: "", form, ...withOpaque(opaque), ...common(block, origin) };
}

function withOpaque(opaque: ReturnType<typeof opaquesOf>) {
  return opaque.length === 0 ? {} : { opaque };
}

function toolUseBlock(block: Fields, origin: Origin): ToolCallPart {
  const id = block.requiredString("id");
  const name = block.requiredString("name");
  const input = block.any("input") ?? {};
  // Said by default, so that it is no member worth keeping: clients echo it with every call.
  if (isObject(block.value["caller"]) && block.value["caller"]["type"] === "direct") block.skip("caller");
  return {
    kind: "tool_call",
    id,
    name,
    toolKind: "function",
    arguments: typeof input === "string" ? input : JSON.stringify(input),
    ...common(block, origin),
  };
}

function toolResultBlock(block: Fields, origin: Origin): ToolResultPart {
  const callId = block.requiredString("tool_use_id");
  const parts = decodeContent(block, origin);
  const isError = block.boolean("is_error");
  return {
    kind: "tool_result",
    callId,
    toolKind: "function",
    parts,
    ...defined({ isError }),
    ...common(block, origin),
  };
}

function compactionBlock(block: Fields, origin: Origin): CompactionPart {
  const text = block.string("content");
  const opaque = opaquesOf(block.string("encrypted_content"), "compaction", origin.issuer);
  return { kind: "compaction", ...defined({ text }), ...withOpaque(opaque), ...common(block, origin) };
}

/** Whole, `cache_control` included. In an answer its words stay unsaid: they are no part of what the model wrote. */
function nativeBlock(block: Fields, origin: Origin): NativePart {
  const text = origin.side === "request" ? textOfNative(block.value) : undefined;
  return {
    kind: "native",
    format: "messages",
    value: block.value,
    ...defined({ text }),
    ...(block.value["type"] === "document" && holdsImage(block.value["source"]) ? { holdsMedia: true as const } : {}),
    ...pathOf(block.path, origin),
  };
}

/** A document may be made of parts (`source.type` `content`), images among them. */
function holdsImage(source: unknown): boolean {
  const parts = isObject(source) ? source["content"] : undefined;
  return Array.isArray(parts) && parts.some((part) => isObject(part) && part["type"] === "image");
}
