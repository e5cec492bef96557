/**
 * OpenAI's older Completions API (`POST /completions`): a prompt instead of messages, otherwise chat's words. Its bytes
 * pass to providers that have it; for all others the prompt becomes one user message, and the answer's text comes back
 * (TRANSLATION.md, section 6). Types: openai 7.55.0, `resources/completions`.
 */
import { fail, invalid, type Result, unsupported } from "../../base/failure.ts";
import { describe, isObject, type JsonObject } from "../../base/fields.ts";
import { parseJson } from "../../base/json.ts";
import type { SseEvent } from "../../base/sse.ts";
import type { Format, StreamDecoder, Target } from "../../format.ts";
import type { NeutralRequest } from "../../neutral.ts";
import { encodeResponse, openEncoder } from "./completions_encode.ts";
import { saysNothing } from "../../translation/leftover.ts";
import { chat } from "./mod.ts";
import { listOf, objectsOf } from "./wire.ts";

export const completions: Format = {
  ...chat,
  api: "completions",
  path: "/completions",
  // A prompt has no history that thinking could come back in.
  dropsReasoning: false,
  decodeRequest,
  decodeResponse: (body, target) => chat.decodeResponse(inChatShape(body, "message"), target),
  encodeResponse,
  openDecoder,
  openEncoder,
};

/** Members that change what is answered, and that no chat has a place for; a value that asks for nothing is fine. */
const REFUSED: Readonly<Record<string, (value: unknown) => boolean>> = {
  suffix: (value) => value === "",
  echo: (value) => value === false,
  best_of: (value) => value === 1,
  logprobs: () => false,
  messages: saysNothing,
};

const ADVICE = "this model's provider has no /completions of its own, so the prompt goes as one chat message";

function decodeRequest(body: JsonObject, headers: Headers): Result<NeutralRequest> {
  for (const [name, asksNothing] of Object.entries(REFUSED)) {
    const value = body[name] ?? undefined;
    if (value !== undefined && !asksNothing(value)) {
      return fail(unsupported(`${name} is not possible: ${ADVICE}`, name));
    }
  }
  const prompt = onePrompt(body["prompt"]);
  if (!prompt.ok) return prompt;
  const { prompt: _prompt, suffix: _suffix, echo: _echo, best_of: _best, logprobs: _logprobs, ...rest } = body;
  const decoded = chat.decodeRequest({ ...rest, messages: [{ role: "user", content: prompt.value }] }, headers);
  if (!decoded.ok) return decoded;
  const { messages, wireNames } = decoded.value;
  return {
    ok: true,
    value: {
      ...decoded.value,
      messages: messages.map((message) => ({ ...message, path: "prompt" })),
      wireNames: { ...wireNames, messages: "prompt" },
    },
  };
}

function onePrompt(prompt: unknown): Result<string> {
  const list = Array.isArray(prompt) ? prompt : [prompt];
  const [first] = list;
  if (list.length === 1 && typeof first === "string") return { ok: true, value: first };
  const isTokens = list.some((entry) => typeof entry === "number" || Array.isArray(entry));
  if (isTokens) return fail(unsupported(`A prompt of token numbers is not possible: ${ADVICE}`, "prompt"));
  if (list.length > 1) return fail(unsupported(`${list.length} prompts at once are not possible: ${ADVICE}`, "prompt"));
  return fail(invalid(`Expected prompt to be a string but got ${describe(first)}`, "prompt"));
}

/** An answer or a chunk in chat's own shape: the text stands where chat has it. */
function inChatShape(body: JsonObject, member: "message" | "delta"): JsonObject {
  if (listOf(body["choices"]).length === 0) return body;
  const choices = objectsOf(body["choices"]).map(({ text, ...rest }) => ({ ...rest, [member]: { content: text } }));
  return { ...body, choices };
}

function openDecoder(target: Target): StreamDecoder {
  const inner = chat.openDecoder(target);
  return { decode: (event) => inner.decode(asChatEvent(event)), end: () => inner.end() };
}

function asChatEvent(event: SseEvent): SseEvent {
  let body: unknown;
  try {
    body = parseJson(event.data);
  } catch {
    return event;
  }
  return isObject(body) ? { ...event, data: JSON.stringify(inChatShape(body, "delta")) } : event;
}
