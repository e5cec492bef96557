/** Token estimates for where nobody counts: UTF-8 bytes / 4 (TRANSLATION.md, 3.3 and 6). Never 0. */
import { Buffer } from "node:buffer";
import type { NeutralRequest, Part } from "../neutral.ts";

const IMAGE_TOKENS = 1600;
const DOCUMENT_TOKENS = 3000;

/** What a request's input may count, from its text, tools and media. */
export function estimateInputTokens(request: NeutralRequest): number {
  let bytes = 0;
  let media = 0;
  const visit = (part: Part): void => {
    switch (part.kind) {
      case "text":
      case "refusal":
      case "reasoning":
        bytes += utf8Length(part.text);
        return;
      case "tool_call":
        bytes += utf8Length(part.name) + utf8Length(part.arguments);
        return;
      case "tool_result":
      case "search_result":
        return part.parts.forEach(visit);
      case "image":
        media += IMAGE_TOKENS;
        return;
      case "audio":
      case "video":
      case "document":
        if (part.source.type === "text") bytes += utf8Length(part.source.text);
        else media += DOCUMENT_TOKENS;
        return;
      case "compaction":
        bytes += utf8Length(part.text ?? "");
        return;
      case "native":
        bytes += utf8Length(JSON.stringify(part.value));
        return;
      default:
        return part satisfies never;
    }
  };
  request.instructions.forEach(visit);
  for (const message of request.messages) {
    bytes += 12;
    message.parts.forEach(visit);
  }
  for (const tool of request.tools) {
    bytes += utf8Length(tool.name) + utf8Length(tool.description ?? "") +
      utf8Length(JSON.stringify(tool.schema ?? tool.grammar ?? tool.native?.value ?? {}));
  }
  return tokensOfBytes(bytes) + media;
}

export function tokensOfBytes(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / 4));
}

export function utf8Length(text: string): number {
  return Buffer.byteLength(text);
}
