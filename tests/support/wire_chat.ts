/** Chat Completions as an upstream sends them, written by hand from what OpenAI and DeepSeek put on the wire. */
import { type Block, CREATED, pieces, type Said, textOf, thinkingOf } from "./said.ts";

type Json = Record<string, unknown>;
type Tool = Extract<Block, { kind: "tool" }>;

const FINISH = {
  stop: "stop",
  tool_calls: "tool_calls",
  max_tokens: "length",
  stop_sequence: "stop",
  content_filter: "content_filter",
  refusal: "stop",
} as const;

interface ChatStreamOptions {
  /** The last chunk has no choices and holds the usage; all others say `usage: null`. */
  usage?: boolean;
  /** Parallel calls' arguments come alternating by index. */
  interleave?: boolean;
}

/** The stream's frames, the terminator included. */
export function chatFrames(answer: Said, { usage = true, interleave = false }: ChatStreamOptions = {}): string[] {
  const frames = [chunk(answer, usage, { role: "assistant", content: "", refusal: null })];
  for (const delta of deltas(answer, interleave)) frames.push(chunk(answer, usage, delta));
  frames.push(chunk(answer, usage, {}, FINISH[answer.stop]));
  if (usage) frames.push(frame({ ...head(answer), choices: [], usage: chatUsage(answer) }));
  frames.push("data: [DONE]\n\n");
  return frames;
}

function* deltas(answer: Said, interleave: boolean): Generator<Json> {
  const tools: Json[][] = [];
  for (const block of answer.blocks) {
    if (block.kind === "text") yield* pieces(block.text).map((content) => ({ content }));
    else if (block.kind === "refusal") yield* pieces(block.text).map((refusal) => ({ refusal }));
    else if (block.kind === "thinking") {
      yield* pieces(block.text).map((reasoning_content) => ({ content: null, reasoning_content }));
    } else if (block.kind === "tool") tools.push(toolDeltas(block, tools.length));
  }
  if (!interleave) return yield* tools.flat();
  const longest = Math.max(0, ...tools.map((each) => each.length));
  for (let step = 0; step < longest; step++) {
    for (const each of tools) {
      const delta = each[step];
      if (delta !== undefined) yield delta;
    }
  }
}

function toolDeltas(tool: Tool, index: number): Json[] {
  return [
    { tool_calls: [{ index, id: tool.id, type: "function", function: { name: tool.name, arguments: "" } }] },
    ...pieces(tool.args).map((part) => ({ tool_calls: [{ index, function: { arguments: part } }] })),
  ];
}

function head(answer: Said): Json {
  return {
    id: `chatcmpl-${answer.id}`,
    object: "chat.completion.chunk",
    created: CREATED,
    model: answer.model,
    service_tier: "default",
    system_fingerprint: "fp_3d1a2b4c5e",
  };
}

function chunk(answer: Said, usage: boolean, delta: Json, finish: string | null = null): string {
  return frame({
    ...head(answer),
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...(usage ? { usage: null } : {}),
    obfuscation: "kT9vQz1x",
  });
}

function frame(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function chatUsage({ usage }: Said): Json {
  return {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    prompt_tokens_details: { cached_tokens: usage.cached, cache_write_tokens: usage.written, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

/** The answer as one JSON body. */
export function chatBody(answer: Said): Json {
  const tools = answer.blocks.filter((block) => block.kind === "tool");
  const refusal = answer.blocks.find((block) => block.kind === "refusal");
  const thinking = thinkingOf(answer);
  const text = textOf(answer);
  return {
    ...head(answer),
    object: "chat.completion",
    choices: [{
      index: 0,
      message: {
        role: "assistant",
        content: text === "" ? null : text,
        ...(thinking === "" ? {} : { reasoning_content: thinking }),
        ...(tools.length === 0 ? {} : { tool_calls: tools.map(toolCall) }),
        refusal: refusal?.text ?? null,
        annotations: [],
      },
      logprobs: null,
      finish_reason: FINISH[answer.stop],
    }],
    usage: chatUsage(answer),
  };
}

function toolCall(tool: Tool): Json {
  return { id: tool.id, type: "function", function: { name: tool.name, arguments: tool.args } };
}
