/** Citations of text blocks (TRANSLATION.md, 3.4). */
import { defined, isObject, type JsonObject } from "../../base/fields.ts";
import type { Citation } from "../../neutral.ts";

type DocumentCitation = Extract<Citation, { kind: "document" }>;

interface Location {
  type: string;
  index: string;
  title: string;
  from: string;
  to: string;
}

/** How each unit of a document citation is written. */
const LOCATIONS: Readonly<Record<DocumentCitation["unit"], Location>> = {
  char: location("char_location", "document_index", "document_title", "start_char_index", "end_char_index"),
  page: location("page_location", "document_index", "document_title", "start_page_number", "end_page_number"),
  block: location("content_block_location", "document_index", "document_title", "start_block_index", "end_block_index"),
  search_result: location(
    "search_result_location",
    "search_result_index",
    "title",
    "start_block_index",
    "end_block_index",
  ),
};

function location(type: string, index: string, title: string, from: string, to: string): Location {
  return { type, index, title, from, to };
}

const UNITS = Object.keys(LOCATIONS) as DocumentCitation["unit"][];

export function decodeCitation(value: JsonObject): Citation {
  if (value["type"] === "web_search_result_location" && typeof value["url"] === "string") return urlCitation(value);
  const unit = UNITS.find((unit) => LOCATIONS[unit].type === value["type"]);
  return unit === undefined ? { kind: "native", format: "messages", value } : documentCitation(value, unit);
}

function urlCitation(value: JsonObject): Citation {
  return {
    kind: "url",
    url: String(value["url"]),
    ...defined({
      title: text(value["title"]),
      citedText: text(value["cited_text"]),
      opaque: text(value["encrypted_index"]),
    }),
  };
}

function documentCitation(value: JsonObject, unit: DocumentCitation["unit"]): Citation {
  const names = LOCATIONS[unit];
  return {
    kind: "document",
    unit,
    index: number(value[names.index]) ?? 0,
    ...defined({
      title: text(value[names.title]),
      from: number(value[names.from]),
      to: number(value[names.to]),
      citedText: text(value["cited_text"]),
      fileId: text(value["file_id"]),
      native: typeof value["source"] === "string" ? { source: value["source"] } : undefined,
    }),
  };
}

/** Undefined where this format can't hold it: a web citation needs the token that the search came with. */
export function encodeCitation(citation: Citation): JsonObject | undefined {
  switch (citation.kind) {
    case "url":
      return citation.opaque === undefined ? undefined : {
        type: "web_search_result_location",
        url: citation.url,
        title: citation.title ?? null,
        cited_text: citation.citedText ?? "",
        encrypted_index: citation.opaque,
      };
    case "document":
      return encodeDocumentCitation(citation);
    case "native":
      return citation.format === "messages" ? citation.value : undefined;
    default:
      return citation satisfies never;
  }
}

function encodeDocumentCitation(citation: DocumentCitation): JsonObject {
  const names = LOCATIONS[citation.unit];
  return {
    type: names.type,
    cited_text: citation.citedText ?? "",
    [names.index]: citation.index,
    [names.title]: citation.title ?? null,
    [names.from]: citation.from ?? 0,
    [names.to]: citation.to ?? 0,
    ...defined({ file_id: citation.fileId }),
    ...(citation.unit === "search_result" ? { source: text(citation.native?.["source"]) ?? "" } : {}),
  };
}

/** All citations of a block; entries that are no objects say nothing. */
export function decodeCitations(value: unknown): Citation[] {
  return Array.isArray(value) ? value.filter(isObject).map(decodeCitation) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
