/** The tokenizer as the gateway sees it: started when it is first needed, let go when it has long been idle. */
import { TIMED_OUT, within } from "../base/clock.ts";
import { openWorker } from "../base/runtime.ts";
import type { Tokenizer } from "../capabilities.ts";
import { sampleOf } from "./pieces.ts";
import type { CountOrder, CountResult } from "./worker.ts";

/** Characters that are counted of one request; what is beyond is estimated by as large a sample. */
const MAX_COUNTED = 1024 * 1024;
/** Characters that may wait to be counted. */
const MAX_WAITING = 32 * MAX_COUNTED;
const MAX_WAIT_MS = 10_000;
/** Milliseconds without work after which the thread ends and its memory is free again. */
const IDLE_MS = 300_000;

interface Waiting {
  characters: number;
  tell: (tokens: number | undefined) => void;
}

class TokenCounter {
  #worker: Worker | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #characters = 0;
  #lastId = 0;
  #idle: ReturnType<typeof setTimeout> | undefined;

  /** Tokens of the texts; undefined where they can't be counted now. Never rejects. */
  async count(texts: readonly string[], tokenizer: Tokenizer): Promise<number | undefined> {
    const sample = sampleOf(texts, MAX_COUNTED);
    const characters = sample.texts.reduce((sum, text) => sum + text.length, 0);
    if (this.#characters + characters > MAX_WAITING) return undefined;
    const id = ++this.#lastId;
    const told = new Promise<number | undefined>((tell) => this.#waiting.set(id, { characters, tell }));
    this.#characters += characters;
    this.#send({ id, texts: sample.texts, tokenizer });
    const tokens = await within(told, MAX_WAIT_MS);
    if (tokens === TIMED_OUT) this.#settle({ id, tokens: undefined });
    return tokens === TIMED_OUT || tokens === undefined ? undefined : Math.ceil(tokens * sample.scale);
  }

  #send(order: CountOrder): void {
    clearTimeout(this.#idle);
    try {
      this.#worker ??= this.#start();
      this.#worker.postMessage(order);
    } catch {
      this.#settle({ id: order.id, tokens: undefined });
    }
  }

  #start(): Worker {
    const worker = openWorker(new URL("./worker.ts", import.meta.url), "./lib/tokens/worker.ts");
    worker.onmessage = ({ data }: MessageEvent<CountResult>) => this.#settle(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#stop();
    };
    return worker;
  }

  #settle({ id, tokens }: CountResult): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    this.#characters -= waiting.characters;
    waiting.tell(tokens);
    if (this.#waiting.size === 0) this.#rest();
  }

  #rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#stop(), IDLE_MS);
    unref(this.#idle);
  }

  /** Whoever still waits goes without. */
  #stop(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    for (const id of [...this.#waiting.keys()]) this.#settle({ id, tokens: undefined });
    clearTimeout(this.#idle);
  }
}

/** A timer that keeps no process alive. */
function unref(timer: unknown): void {
  (timer as { unref?(): void }).unref?.();
}

/** One for the whole process: it holds nothing of any request once that is counted. */
export const TOKENS = new TokenCounter();
