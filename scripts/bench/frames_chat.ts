/** Chat Completions, thinking in `reasoning_content` as DeepSeek and vLLM write it. */
import { WHOLE_TEXT } from "./content.ts";
import type { Frame, Told } from "./frames.ts";

const HEAD = { id: "chatcmpl-BqK1x8mD2vTf0bYw3nZsC7pLrQeHa", created: 1_760_000_000 };
const TAIL = { service_tier: "default", system_fingerprint: "fp_3d1a2b4c5e" };

export function chatFrames({ model, said, withUsage }: Told): Frame[] {
  const frames: Frame[] = [];
  const add = (delta: object, isDelta = false, finish: string | null = null): void => {
    const choice = { index: 0, delta, logprobs: null, finish_reason: finish };
    frames.push({ text: chunk(model, [choice], withUsage ? { usage: null } : {}), isDelta });
  };
  add({ role: "assistant", content: "", refusal: null });
  for (const piece of said.thinking) add({ reasoning_content: piece }, true);
  for (const piece of said.text) add({ content: piece }, true);
  for (const [index, { id, name, pieces }] of said.calls.entries()) {
    add({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] });
    for (const piece of pieces) add({ tool_calls: [{ index, function: { arguments: piece } }] }, true);
  }
  add({}, false, said.calls.length > 0 ? "tool_calls" : "stop");
  if (withUsage) frames.push({ text: chunk(model, [], { usage: usage(said.text.length * 5) }), isDelta: false });
  frames.push({ text: "data: [DONE]\n\n", isDelta: false });
  return frames;
}

function chunk(model: string, choices: object[], more: object): string {
  return `data: ${JSON.stringify({ ...HEAD, object: "chat.completion.chunk", model, ...TAIL, choices, ...more })}\n\n`;
}

function usage(output: number) {
  return {
    prompt_tokens: 57,
    completion_tokens: output,
    total_tokens: 57 + output,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

export function chatWhole(model: string): object {
  const message = { role: "assistant", content: WHOLE_TEXT, refusal: null, annotations: [] };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: "stop" }];
  return { ...HEAD, object: "chat.completion", model, choices, usage: usage(31), ...TAIL };
}
