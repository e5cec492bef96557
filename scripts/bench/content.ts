/**
 * What the mock upstream says, and so what the load generator expects to read: known to both by the model's name alone.
 * `chat-bench-c100-i5000-thinking-tools`: 100 deltas, 5,000 µs between two, with thinking and tool calls.
 */
export const FORMATS = ["chat", "messages", "responses"] as const;
export type FormatName = (typeof FORMATS)[number];

export const PATHS: Readonly<Record<FormatName, string>> = {
  chat: "/v1/chat/completions",
  messages: "/v1/messages",
  responses: "/v1/responses",
};

export interface Script {
  /** Deltas of a stream, of all kinds together. */
  deltas: number;
  /** Microseconds between two deltas; 0: all at once. */
  paceUs: number;
  /** Frames that leave in one write, at once only. */
  lump: number;
  thinking: boolean;
  tools: boolean;
}

export const DEFAULT_SCRIPT: Script = { deltas: 100, paceUs: 0, lump: 1, thinking: false, tools: false };

/** `chat-bench-c100-i5000`; what stands before `bench` decides where a gateway sends it. */
export function modelName(prefix: string, script: Partial<Script>): string {
  const { deltas, paceUs, lump, thinking, tools } = { ...DEFAULT_SCRIPT, ...script };
  return `${prefix}bench-c${deltas}-i${paceUs}${lump === 1 ? "" : `-w${lump}`}${thinking ? "-thinking" : ""}${
    tools ? "-tools" : ""
  }`;
}

export function scriptOf(model: string): Script {
  const words = model.slice(model.indexOf("bench")).split("-");
  const number = (letter: string, fallback: number): number => {
    const word = words.find((candidate) => candidate[0] === letter && /^\d+$/.test(candidate.slice(1)));
    return word === undefined ? fallback : Number(word.slice(1));
  };
  return {
    deltas: number("c", DEFAULT_SCRIPT.deltas),
    paceUs: number("i", DEFAULT_SCRIPT.paceUs),
    lump: Math.max(1, number("w", DEFAULT_SCRIPT.lump)),
    thinking: words.includes("thinking"),
    tools: words.includes("tools"),
  };
}

export interface SpokenCall {
  id: string;
  name: string;
  pieces: string[];
}

/** The pieces of an answer, in the order in which they are said. */
export interface Spoken {
  thinking: string[];
  text: string[];
  calls: SpokenCall[];
}

/** With thinking a quarter is that, with tools another quarter is arguments of two calls. */
export function spoken({ deltas, thinking, tools }: Script): Spoken {
  const quarter = Math.max(4, Math.floor(deltas / 4));
  const thoughts = thinking ? quarter : 0;
  const called = tools ? quarter : 0;
  const pieces = Array.from({ length: Math.max(1, deltas - thoughts - called) + thoughts }, (_, at) => piece(at));
  const half = Math.floor(called / 2);
  return {
    thinking: pieces.slice(0, thoughts),
    text: pieces.slice(thoughts),
    calls: tools ? [call(0, half), call(1, called - half)] : [],
  };
}

function call(at: number, pieces: number): SpokenCall {
  const middle = Array.from({ length: pieces - 2 }, (_, index) => `w${digits(index)} the quick fox `);
  return { id: `call_bench${at}Zk3vQ9`, name: toolName(at), pieces: ['{"query":"', ...middle, '","limit":10}'] };
}

export function toolName(at: number): string {
  return `tool_${at}`;
}

/** 20 characters; now and then some that JSON escapes, and some beyond ASCII. */
function piece(at: number): string {
  switch (at % 16) {
    case 5:
      return `w${digits(at)} "quoted" txt,\n`;
    case 9:
      return `w${digits(at)} café → naïve k`;
    case 13:
      return `w${digits(at)}\nback\\slash tb\t`;
    default:
      return `w${digits(at)} the quick fox `;
  }
}

function digits(value: number): string {
  return String(value).padStart(4, "0");
}

/** The text of every answer that isn't streamed. */
export const WHOLE_TEXT =
  "mock-answer-7f3a: The gateway reads this answer, checks its shape, and hands it on without change or after translation. Nothing here is said by a model.";
