/** How many tokens a request's input has, counted here because its upstream doesn't (TRANSLATION.md, 6). */
import type { Capabilities, Tokenizer } from "../capabilities.ts";
import type { Message, NeutralRequest, Part, Tool } from "../neutral.ts";
import { tokensOfBytes, utf8Length } from "../translation/estimate.ts";
import { TOKENS } from "./counter.ts";
import { mediaTokens } from "./image.ts";

export interface Count {
  tokens: number;
  /** What counted: a tokenizer, or nothing but the length. */
  by: Tokenizer | "bytes/4";
}

/** Tokens around a message, and around a tool's definition, in the prompt that a model really gets. */
const MESSAGE_TOKENS = 4;
const TOOL_TOKENS = 12;
/** Around a call and its result together, at Anthropic. */
const CALL_TOKENS = 30;
/** What Anthropic says to a model that is to think, and to one that is to answer by a schema (recorded). */
const THINKING_TOKENS = 30;
const SCHEMA_TOKENS = 130;
/** A tool that the maker defines, in words that only it knows: bash 245, text editor 700, memory 1,000 (recorded). */
const NATIVE_TOOL_TOKENS = 1000;

/** Never rejects: where the tokenizer isn't to be had, bytes / 4. */
export async function countInput(request: NeutralRequest, capabilities: Capabilities): Promise<Count> {
  const { tokenizer, tokenFactor } = capabilities;
  const { texts, media } = inputOf(request, capabilities);
  const frame = MESSAGE_TOKENS * (request.messages.length + 1) + TOOL_TOKENS * request.tools.length;
  const counted = await TOKENS.count(texts, tokenizer);
  const ofText = counted ?? tokensOfBytes(texts.reduce((sum, text) => sum + utf8Length(text), 0));
  return {
    tokens: Math.ceil((ofText + frame) * tokenFactor) + hiddenTokens(request, capabilities) + media,
    by: counted === undefined ? "bytes/4" : tokenizer,
  };
}

/** What a maker puts into the prompt that no client sees. */
function hiddenTokens({ messages, tools, reasoning, output }: NeutralRequest, capabilities: Capabilities): number {
  const { maker, toolTokens } = capabilities;
  let tokens = tools.length > 0 ? toolTokens : 0;
  if (maker !== "anthropic") return tokens;
  for (const tool of tools) if (tool.native !== undefined) tokens += NATIVE_TOOL_TOKENS;
  for (const { parts } of messages) tokens += CALL_TOKENS * parts.filter(({ kind }) => kind === "tool_call").length;
  if (reasoning !== undefined && reasoning.mode !== "off" && reasoning.mode !== "default") tokens += THINKING_TOKENS;
  return output?.schema === undefined ? tokens : tokens + SCHEMA_TOKENS;
}

interface Input {
  texts: string[];
  /** Tokens of all that is no text. */
  media: number;
}

function inputOf({ instructions, messages, tools, output }: NeutralRequest, capabilities: Capabilities): Input {
  const input: Input = { texts: [], media: 0 };
  for (const part of instructions) addPart(input, part, capabilities);
  const open = capabilities.thinking === "adaptive" ? 0 : openLoop(messages);
  for (const [index, { parts }] of messages.entries()) {
    for (const part of parts) if (index >= open || part.kind !== "reasoning") addPart(input, part, capabilities);
  }
  for (const tool of tools) addTool(input, tool);
  if (output?.schema !== undefined) input.texts.push(JSON.stringify(output.schema));
  return input;
}

/** Where the turn begins that is still open: thinking of earlier ones is left out by the providers themselves. */
function openLoop(messages: readonly Message[]): number {
  return messages.findLastIndex(({ role, parts }) =>
    role === "user" && !parts.some(({ kind }) => kind === "tool_result")
  );
}

function addPart(input: Input, part: Part, capabilities: Capabilities): void {
  switch (part.kind) {
    case "text":
    case "refusal":
    case "reasoning":
      input.texts.push(part.text);
      return;
    case "tool_call":
      input.texts.push(part.name, part.arguments);
      return;
    case "tool_result":
    case "search_result":
      for (const inner of part.parts) addPart(input, inner, capabilities);
      return;
    case "image":
    case "audio":
    case "video":
    case "document":
      if (part.source.type === "text") input.texts.push(part.source.text);
      else input.media += mediaTokens(part, capabilities);
      return;
    case "compaction":
      input.texts.push(part.text ?? "");
      return;
    case "native":
      input.texts.push(part.text ?? JSON.stringify(part.value));
      return;
    default:
      return part satisfies never;
  }
}

function addTool({ texts }: Input, { name, description, schema, grammar, native }: Tool): void {
  texts.push(name, description ?? "", JSON.stringify(schema ?? grammar ?? native?.value ?? {}));
}
