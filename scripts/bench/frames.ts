/** The wire forms of an answer, as the providers write them: what the mock upstream sends. */
import type { FormatName, Spoken } from "./content.ts";
import { chatFrames, chatWhole } from "./frames_chat.ts";
import { messagesFrames, messagesWhole } from "./frames_messages.ts";
import { responsesFrames, responsesWhole } from "./frames_responses.ts";

export interface Frame {
  text: string;
  /** Carries a delta: paced streams wait before it. */
  isDelta: boolean;
}

export interface Told {
  model: string;
  said: Spoken;
  /** Chat: the client asked for usage in the stream. */
  withUsage: boolean;
}

const STREAMS = { chat: chatFrames, messages: messagesFrames, responses: responsesFrames };
const WHOLES = { chat: chatWhole, messages: messagesWhole, responses: responsesWhole };

export function framesOf(format: FormatName, told: Told): Frame[] {
  return STREAMS[format](told);
}

export function wholeOf(format: FormatName, model: string): string {
  return JSON.stringify(WHOLES[format](model));
}
