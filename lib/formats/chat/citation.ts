/** URL citations and `annotations` (TRANSLATION.md, 3.4); offsets are characters of the message's whole text. */
import { defined, isObject, type JsonObject } from "../../base/fields.ts";
import type { Citation } from "../../neutral.ts";
import { objectsOf, textOf } from "./wire.ts";

/** Annotations of kinds that have no neutral term are left out. */
export function decodeAnnotations(value: unknown): Citation[] {
  return objectsOf(value).flatMap((entry) => {
    const citation = entry["url_citation"];
    return isObject(citation) && textOf(citation["url"]) !== "" ? [urlCitation(citation)] : [];
  });
}

function urlCitation(citation: JsonObject): Citation {
  const end = offset(citation["end_index"]);
  const title = textOf(citation["title"]);
  const citedText = textOf(citation["content"]);
  return {
    kind: "url",
    url: textOf(citation["url"]),
    // OpenRouter writes 0 to 0 where it knows no place.
    ...(end === undefined || end === 0 ? {} : { start: offset(citation["start_index"]) ?? 0, end }),
    ...defined({ title: title === "" ? undefined : title, citedText: citedText === "" ? undefined : citedText }),
  };
}

function offset(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 ? value : undefined;
}

/** `start` and `end`: the cited text part's place in the message, for citations without offsets of their own. */
export function encodeAnnotation(citation: Citation, start: number, end: number): JsonObject | undefined {
  if (citation.kind !== "url") return undefined;
  return {
    type: "url_citation",
    url_citation: {
      start_index: citation.start ?? start,
      end_index: citation.end ?? end,
      title: citation.title ?? "",
      url: citation.url,
    },
  };
}
