/** Messages as Anthropic sends them: a ping after the first block's start, padding before the last brace. */
import { type Block, pieces, type Said } from "./said.ts";

type Json = Record<string, unknown>;

const STOP = {
  stop: "end_turn",
  tool_calls: "tool_use",
  max_tokens: "max_tokens",
  stop_sequence: "stop_sequence",
  content_filter: "refusal",
  refusal: "refusal",
} as const;

export function messagesFrames(answer: Said): string[] {
  const frames = [event("message_start", { message: startMessage(answer) })];
  answer.blocks.forEach((block, index) => {
    frames.push(event("content_block_start", { index, content_block: opened(block) }));
    if (index === 0) frames.push('event: ping\ndata: {"type": "ping"}\n\n');
    for (const delta of deltas(block)) frames.push(event("content_block_delta", { index, delta }));
    frames.push(event("content_block_stop", { index }));
  });
  frames.push(event("message_delta", { delta: stop(answer), usage: deltaUsage(answer) }));
  frames.push(event("message_stop", {}));
  return frames;
}

function event(type: string, fields: Json): string {
  const data = JSON.stringify({ type, ...fields });
  return `event: ${type}\ndata: ${data.slice(0, -1)}${" ".repeat(type.length % 7)}}\n\n`;
}

function opened(block: Block): Json {
  if (block.kind === "thinking") return { type: "thinking", thinking: "", signature: "" };
  if (block.kind === "redacted") return { type: "redacted_thinking", data: block.seal };
  if (block.kind === "tool") {
    return { type: "tool_use", id: block.id, name: block.name, input: {}, caller: { type: "direct" } };
  }
  return { type: "text", text: "" };
}

function deltas(block: Block): Json[] {
  if (block.kind === "thinking") {
    return [
      ...pieces(block.text).map((thinking) => ({ type: "thinking_delta", thinking })),
      ...(block.seal === undefined ? [] : [{ type: "signature_delta", signature: block.seal }]),
    ];
  }
  if (block.kind === "tool") {
    return ["", ...pieces(block.args)].map((partial_json) => ({ type: "input_json_delta", partial_json }));
  }
  if (block.kind === "redacted") return [];
  return pieces(block.text).map((text) => ({ type: "text_delta", text }));
}

function startMessage(answer: Said): Json {
  return {
    model: answer.model,
    id: `msg_${answer.id}`,
    type: "message",
    role: "assistant",
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: {
      ...inputUsage(answer),
      cache_creation: { ephemeral_5m_input_tokens: answer.usage.written, ephemeral_1h_input_tokens: 0 },
      output_tokens: 1,
      service_tier: "standard",
    },
  };
}

function inputUsage({ usage }: Said): Json {
  return {
    input_tokens: usage.input - usage.cached - usage.written,
    cache_creation_input_tokens: usage.written,
    cache_read_input_tokens: usage.cached,
  };
}

function deltaUsage(answer: Said): Json {
  const { output, reasoning } = answer.usage;
  return {
    ...inputUsage(answer),
    output_tokens: output,
    ...(reasoning === 0 ? {} : { output_tokens_details: { thinking_tokens: reasoning } }),
  };
}

function stop(answer: Said): Json {
  return {
    stop_reason: STOP[answer.stop],
    stop_sequence: answer.sequence ?? null,
    ...(STOP[answer.stop] === "refusal"
      ? { stop_details: { type: "refusal", category: "cyber", explanation: null } }
      : {}),
  };
}

/** The answer as one JSON body. */
export function messagesBody(answer: Said): Json {
  return {
    ...startMessage(answer),
    content: answer.blocks.map(whole),
    ...stop(answer),
    usage: { ...deltaUsage(answer), service_tier: "standard" },
  };
}

function whole(block: Block): Json {
  if (block.kind === "thinking") return { type: "thinking", thinking: block.text, signature: block.seal ?? "" };
  if (block.kind === "tool") return { ...opened(block), input: JSON.parse(block.args) };
  if (block.kind === "redacted") return opened(block);
  return { type: "text", text: block.text, citations: null };
}
