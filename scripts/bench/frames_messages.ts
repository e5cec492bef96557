/** Anthropic Messages, thinking with its signature. */
import { WHOLE_TEXT } from "./content.ts";
import type { Frame, Told } from "./frames.ts";

const ID = "msg_01XFDUDYJgAACzvnptvVoYEL";
const USAGE = { input_tokens: 57, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
const SIGNATURE = `EuYBCkQYAiJA${"c2lnbmVkIHRob3VnaHRz".repeat(12)}`;

export function messagesFrames({ model, said }: Told): Frame[] {
  const frames: Frame[] = [];
  const add = (type: string, more: object = {}, isDelta = false): void =>
    void frames.push({ text: `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`, isDelta });
  let index = 0;
  const block = (start: object, deltas: readonly object[], last: readonly object[] = []): void => {
    add("content_block_start", { index, content_block: start });
    if (index === 0) add("ping");
    for (const delta of deltas) add("content_block_delta", { index, delta }, true);
    for (const delta of last) add("content_block_delta", { index, delta });
    add("content_block_stop", { index });
    index++;
  };
  add("message_start", { message: opening(model) });
  if (said.thinking.length > 0) {
    const pieces = said.thinking.map((thinking) => ({ type: "thinking_delta", thinking }));
    block({ type: "thinking", thinking: "", signature: "" }, pieces, [{
      type: "signature_delta",
      signature: SIGNATURE,
    }]);
  }
  block({ type: "text", text: "" }, said.text.map((text) => ({ type: "text_delta", text })));
  for (const { id, name, pieces } of said.calls) {
    block(
      { type: "tool_use", id, name, input: {} },
      pieces.map((partial_json) => ({ type: "input_json_delta", partial_json })),
    );
  }
  const stop_reason = said.calls.length > 0 ? "tool_use" : "end_turn";
  add("message_delta", { delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: said.text.length * 5 } });
  add("message_stop");
  return frames;
}

function opening(model: string): object {
  return {
    id: ID,
    type: "message",
    role: "assistant",
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...USAGE, output_tokens: 1, service_tier: "standard" },
  };
}

export function messagesWhole(model: string): object {
  return {
    id: ID,
    type: "message",
    role: "assistant",
    model,
    content: [{ type: "text", text: WHOLE_TEXT }],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { ...USAGE, output_tokens: 31, service_tier: "standard" },
  };
}
