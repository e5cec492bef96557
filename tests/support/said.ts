/**
 * What a test's upstream says, told once and written in each of the three formats by `wire_*.ts`: the words of this
 * file are the tests' own and deliberately not those of `lib/neutral.ts`.
 */

export type Block =
  /** `phase`: of the turn, as responses' messages say it. */
  | { kind: "text"; text: string; phase?: string }
  | { kind: "refusal"; text: string }
  /** `seal`: messages' signature, responses' encrypted content. Chat has neither. */
  | { kind: "thinking"; text: string; seal?: string }
  /** Thinking that nobody is shown; chat has no such thing. */
  | { kind: "redacted"; seal: string }
  /** `args` is raw JSON text. */
  | { kind: "tool"; id: string; name: string; args: string };

export interface Said {
  id: string;
  /** As the upstream calls its model. */
  model: string;
  blocks: readonly Block[];
  stop: "stop" | "tool_calls" | "max_tokens" | "stop_sequence" | "content_filter" | "refusal";
  /** The sequence that stopped it. */
  sequence?: string;
  /** Tokens; `input` counts all of it, `cached` and `written` included, `output` the reasoning too. */
  usage: { input: number; cached: number; written: number; output: number; reasoning: number };
}

export const CREATED = 1_790_000_000;

/** An answer of text alone, with parts that the caller sets. */
export function said(parts: Partial<Said> = {}): Said {
  return {
    id: "9f1c27d0a4b84c55b0b6f7d2e8a1c3d5",
    model: "upstream-model",
    blocks: [{ kind: "text", text: "Hello from upstream." }],
    stop: "stop",
    usage: { input: 57, cached: 0, written: 0, output: 31, reasoning: 0 },
    ...parts,
  };
}

/** Cuts a text in pieces of `length` characters, never inside one. */
export function pieces(text: string, length = 6): string[] {
  const characters = Array.from(text);
  const cut: string[] = [];
  for (let at = 0; at < characters.length; at += length) cut.push(characters.slice(at, at + length).join(""));
  return cut;
}

export function textOf(answer: Said): string {
  return answer.blocks.map((block) => block.kind === "text" ? block.text : "").join("");
}

export function thinkingOf(answer: Said): string {
  return answer.blocks.map((block) => block.kind === "thinking" ? block.text : "").join("");
}
