/** What an answer of any of the three formats says, read without a line of `lib/`. */
import { asObject, type Json } from "../support/grammar.ts";
import type { FormatName } from "../support/told.ts";
import type { Heard } from "./facts.ts";
import { readChatBody, readChatStream } from "./oracle_chat.ts";
import { readMessagesBody, readMessagesStream } from "./oracle_messages.ts";
import { readResponsesBody, readResponsesStream } from "./oracle_responses.ts";
import { answerBytes, type Source } from "./recordings.ts";

const BODY: Readonly<Record<FormatName, (body: Json) => Heard>> = {
  chat: readChatBody,
  messages: readMessagesBody,
  responses: readResponsesBody,
};

const STREAM: Readonly<Record<FormatName, (text: string) => Heard>> = {
  chat: readChatStream,
  messages: readMessagesStream,
  responses: readResponsesStream,
};

export function hearBody(format: FormatName, body: unknown): Heard {
  return BODY[format](asObject(body));
}

export function hearStream(format: FormatName, text: string): Heard {
  return STREAM[format](text);
}

export function hearSource(source: Source): Heard {
  const text = new TextDecoder().decode(answerBytes(source));
  const heard = source.isStream ? hearStream(source.format, text) : hearBody(source.format, JSON.parse(text));
  // Zeros alone (an answer that goes on from a paused one, a mock) mean that nobody counted.
  return heard.usage?.input === 0 && heard.usage.output === 0 ? { ...heard, usage: undefined } : heard;
}
