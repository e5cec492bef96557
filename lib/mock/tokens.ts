/**
 * The mock's tokenizer: a word with the white space before it, at most 32 + 16 characters. The same for what comes in
 * and for what goes out, so that its usage numbers are real counts.
 */
import type { NeutralRequest, Part } from "../neutral.ts";

const TOKEN = /\s{0,16}\S{1,32}|\s{1,16}/gu;
/** What an image, a document, a sound count. */
export const MEDIA_TOKENS = 1000;

/** The text's tokens; joined they are the text. */
export function* tokensOf(text: string): Generator<string> {
  for (const [token] of text.matchAll(TOKEN)) yield token;
}

export function countTokens(text: string): number {
  let count = 0;
  for (const _ of text.matchAll(TOKEN)) count++;
  return count;
}

/** Tokens of everything that a request brings: instructions, messages, tools. */
export function countInput(request: NeutralRequest): number {
  let count = request.instructions.reduce((sum, part) => sum + countPart(part), 0);
  for (const message of request.messages) count += message.parts.reduce((sum, part) => sum + countPart(part), 0);
  for (const { name, description, schema, grammar, native } of request.tools) {
    count += countTokens(name) + countTokens(description ?? "") +
      countTokens(JSON.stringify(schema ?? grammar ?? native?.value ?? ""));
  }
  return count;
}

function countPart(part: Part): number {
  switch (part.kind) {
    case "text":
    case "refusal":
    case "reasoning":
      return countTokens(part.text);
    case "compaction":
      return countTokens(part.text ?? "");
    case "tool_call":
      return countTokens(part.name) + countTokens(part.arguments);
    case "tool_result":
    case "search_result":
      return part.parts.reduce((sum, inner) => sum + countPart(inner), 0);
    case "image":
    case "audio":
    case "video":
    case "document":
      return part.source.type === "text" ? countTokens(part.source.text) : MEDIA_TOKENS;
    case "native":
      return countTokens(JSON.stringify(part.value));
    default:
      return part satisfies never;
  }
}
