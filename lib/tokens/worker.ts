/**
 * The tokenizer, in a thread of its own: loading its ranks takes half a second and 80 MB, counting a megabyte another
 * half, and none of it may hold a stream up. One message in, `{ id, texts, tokenizer }`; one out, `{ id, tokens }`.
 */
import type { Tokenizer } from "../capabilities.ts";
import { shortPieces } from "./pieces.ts";

export interface CountOrder {
  id: number;
  texts: readonly string[];
  tokenizer: Tokenizer;
}

export interface CountResult {
  id: number;
  /** Undefined where the tokenizer failed. */
  tokens: number | undefined;
}

interface Encoding {
  countTokens(text: string, options: { disallowedSpecial: Set<string> }): number;
  setMergeCacheSize(size: number): void;
}

interface Thread {
  onmessage: ((event: MessageEvent<CountOrder>) => void) | null;
  postMessage(message: CountResult): void;
}

const thread = globalThis as unknown as Thread;
const loaded = new Map<Tokenizer, Promise<Encoding>>();
/** Pieces that it remembers: each is short, so that this is a few MB. */
const CACHED_PIECES = 20_000;
/** `<|endoftext|>` in a prompt is text like any other. */
const AS_TEXT = { disallowedSpecial: new Set<string>() };

thread.onmessage = ({ data: { id, texts, tokenizer } }) => {
  count(texts, tokenizer).then(
    (tokens) => thread.postMessage({ id, tokens }),
    () => thread.postMessage({ id, tokens: undefined }),
  );
};

async function count(texts: readonly string[], tokenizer: Tokenizer): Promise<number> {
  const encoding = await encodingOf(tokenizer);
  let tokens = 0;
  for (const text of texts) {
    for (const piece of shortPieces(text)) tokens += encoding.countTokens(piece, AS_TEXT);
  }
  return tokens;
}

function encodingOf(tokenizer: Tokenizer): Promise<Encoding> {
  const known = loaded.get(tokenizer);
  if (known !== undefined) return known;
  const loading: Promise<Encoding> = load(tokenizer).then((encoding) => {
    encoding.setMergeCacheSize(CACHED_PIECES);
    return encoding;
  });
  loaded.set(tokenizer, loading);
  return loading;
}

function load(tokenizer: Tokenizer): Promise<Encoding> {
  return tokenizer === "o200k_base"
    ? import("gpt-tokenizer/encoding/o200k_base")
    : import("gpt-tokenizer/encoding/cl100k_base");
}
