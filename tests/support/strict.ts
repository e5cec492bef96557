/**
 * Upstreams that refuse what the real ones refuse of a conversation's history: altered, reordered, missing or foreign
 * signed blocks. What they say comes from a script that the upstreams of one conversation share; what they signed they
 * know again by the text that it was issued for. Uses nothing of `lib/`.
 */
import { createHash } from "node:crypto";
import { asObject, type Json } from "./grammar.ts";
import { type Block, said } from "./said.ts";
import { json, type Received, type Reply, startUpstream, type Upstream } from "./upstream.ts";

/** What the model does next: think, think in secret, speak, call a tool. */
export type Piece = { think: string } | { hide: string } | { say: string; phase?: string } | {
  call: string;
  args: string;
};
export type Step = readonly Piece[];

/** The steps of one conversation, whoever speaks them. */
export class Script {
  #next = 0;

  constructor(readonly steps: readonly Step[]) {}

  next(): Step {
    return this.steps[this.#next++ % this.steps.length] ?? [];
  }
}

let calls = 0;

/** Differs across all conversations, as the real ones do. */
function newCallId(): string {
  return `call_strict_${calls++}`;
}

/** Who signs, and knows its own signatures again. */
export class Mint {
  /** In the order of their issue: each value and the text that it was issued for. */
  readonly issued = new Map<string, string>();
  readonly #nonce: string;
  #count = 0;

  /** `prefix`: how this maker's values begin. */
  constructor(readonly prefix: string) {
    this.#nonce = prefix;
  }

  /** Two values for the same text differ. */
  seal(text: string): string {
    const digest = createHash("sha512").update(`${this.#nonce} ${this.#count++} ${text}`).digest("base64");
    const value = `${this.prefix}${digest}/+==`;
    this.issued.set(value, text);
    return value;
  }

  signed(value: unknown, text: unknown): boolean {
    return typeof value === "string" && this.issued.get(value) === text;
  }
}

/** One refusal: the status and the words of the real API. */
export interface Refusal {
  status: number;
  message: string;
}

export interface Judge {
  mint: Mint;
  /** What is wrong with this request; undefined when the real upstream would take it. */
  refusalOf(body: Json): Refusal | undefined;
  /** The answer of these blocks, streamed or whole; notes what it issued. */
  answer(blocks: readonly Block[], streamed: boolean): Reply;
  error(refusal: Refusal): Json;
  /** The signed values in a request, in its order. */
  sealsIn(body: Json): string[];
}

export interface Strict {
  upstream: Upstream;
  mint: Mint;
  /** Everything that was refused, in words. */
  refusals: string[];
  /** The signed values in the newest request, in its order. */
  seals(): string[];
  /** The newest request's body. */
  body(): Json;
}

export async function startStrict(judge: Judge, script: () => Script): Promise<Strict> {
  const refusals: string[] = [];
  const upstream = await startUpstream((request) => reply(judge, script(), refusals, request));
  const body = (): Json => asObject(upstream.last().body);
  return { upstream, mint: judge.mint, refusals, body, seals: () => judge.sealsIn(body()) };
}

function reply(judge: Judge, script: Script, refusals: string[], { body, text }: Received): Reply {
  const request = asObject(body);
  const refusal = envelopeIn(text) ?? judge.refusalOf(request);
  if (refusal !== undefined) {
    refusals.push(`${refusal.status} ${refusal.message}`);
    return json(judge.error(refusal), refusal.status);
  }
  return judge.answer(blocksOf(script, judge.mint), request["stream"] === true);
}

function envelopeIn(text: string): Refusal | undefined {
  return /"gw\d/.test(text) ? { status: 400, message: "an envelope of the gateway's" } : undefined;
}

function blocksOf(script: Script, mint: Mint): Block[] {
  return script.next().map((piece): Block => {
    if ("think" in piece) return { kind: "thinking", text: piece.think, seal: mint.seal(piece.think) };
    if ("hide" in piece) return { kind: "redacted", seal: mint.seal(piece.hide) };
    if ("say" in piece) return { kind: "text", text: piece.say, ...(piece.phase && { phase: piece.phase }) };
    return { kind: "tool", id: newCallId(), name: piece.call, args: piece.args };
  });
}

let answers = 0;

/** An answer of these blocks, under an id of its own. */
export function saidOf(blocks: readonly Block[]) {
  const isCall = blocks.some((block) => block.kind === "tool");
  return said({ id: `strict${answers++}`, blocks, stop: isCall ? "tool_calls" : "stop" });
}

export function refused(message: string, status = 400): Refusal {
  return { status, message };
}

/** The first refusal that any of these finds. */
export function firstRefusal<T>(
  list: readonly T[],
  check: (entry: T, index: number) => Refusal | undefined,
): Refusal | undefined {
  for (const [index, entry] of list.entries()) {
    const refusal = check(entry, index);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}
