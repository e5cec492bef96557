/** Fields of a multipart form, found in its first bytes without reading the rest. Source: RFC 7578, RFC 2046 section 5.1. */
import type { Span } from "./json.ts";
import { bufferOf } from "./sse.ts";

const FORM = /^multipart\/form-data\s*;(?:.*?;)?\s*boundary=(?:"([^"]+)"|([^;\s]+))/i;

/** Of `multipart/form-data; boundary=…`; undefined for any other content type. */
export function boundaryOf(contentType: string): string | undefined {
  const [, quoted, plain] = FORM.exec(contentType) ?? [];
  return quoted ?? plain;
}

/** Where the value of the field `name` stands in the form's first bytes; undefined where all of it isn't there. */
export function findField(bytes: Uint8Array, boundary: string, name: string): Span | undefined {
  const form = bufferOf(bytes);
  const delimiter = `--${boundary}`;
  let part = form.indexOf(delimiter);
  while (part !== -1) {
    const after = part + delimiter.length;
    // Behind its end a form may hold anything, which nobody reads.
    if (form.toString("latin1", after, after + 2) === "--") return undefined;
    const headersEnd = form.indexOf("\r\n\r\n", part);
    if (headersEnd === -1) return undefined;
    const start = headersEnd + 4;
    // An empty value's line break is that which ends its headers.
    const end = form.indexOf(`\r\n${delimiter}`, start - 2);
    if (end === -1) return undefined;
    if (isField(form.toString("latin1", part, headersEnd), name)) return { start, end: Math.max(start, end) };
    part = end + 2;
  }
  return undefined;
}

function isField(headers: string, name: string): boolean {
  const disposition = /^content-disposition:[^\r\n]*/im.exec(headers)?.[0] ?? "";
  const [, quoted, plain] = /;\s*name=(?:"([^"]*)"|([^;\s]+))/i.exec(disposition) ?? [];
  return (quoted ?? plain) === name && !/;\s*filename\*?=/i.test(disposition);
}
