/** Data URLs and media types (RFC 2397; TRANSLATION.md, 2.3). */
import { Buffer } from "node:buffer";
import type { Source } from "../neutral.ts";

export interface Media {
  source: Source;
  mediaType?: string;
}

/** A URL of any kind as a source. Data URLs are read whole: parameters, upper case, percent-encoding without base64. */
export function mediaOfUrl(url: string): Media {
  if (!/^data:/i.test(url)) return { source: { type: "url", url } };
  const comma = url.indexOf(",");
  if (comma === -1) return { source: { type: "url", url } };
  const [type, ...parameters] = url.slice(5, comma).split(";");
  const isBase64 = parameters.some((parameter) => parameter.trim().toLowerCase() === "base64");
  const raw = url.slice(comma + 1);
  const data = isBase64
    ? (raw.includes("%") ? percentDecoded(raw).toString() : raw)
    : percentDecoded(raw).toString("base64");
  return {
    source: { type: "base64", data },
    mediaType: normalMediaType(type === undefined || type === "" ? "text/plain" : type),
  };
}

export function dataUrl(mediaType: string, data: string): string {
  return `data:${mediaType};base64,${data}`;
}

/** Lower case, and the one misspelling that every provider refuses mended. */
export function normalMediaType(type: string): string {
  const lower = type.trim().toLowerCase();
  return lower === "image/jpg" ? "image/jpeg" : lower;
}

/** A URL's characters beyond ASCII stand for their UTF-8 bytes, whether they are percent-encoded or not. */
function percentDecoded(text: string): Buffer {
  const bytes = Buffer.from(text).toString("latin1");
  const decoded = bytes.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(decoded, "latin1");
}
