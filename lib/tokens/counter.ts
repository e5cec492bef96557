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
/** So often that long without a word a thread is gone: on a machine that is very busy, loading takes long too. */
const PATIENCES = 3;
/** Milliseconds without work after which the thread ends and its memory is free again. */
const IDLE_MS = 300_000;

interface Waiting {
  characters: number;
  tell: (tokens: number | undefined) => void;
}

export class TokenCounter {
  readonly #start: () => Worker;
  readonly #patienceMs: number;
  #worker: Worker | undefined;
  /** `Date.now()` of the thread's last word, or of the first order that it owes an answer to. */
  #heardAt = 0;
  readonly #waiting = new Map<number, Waiting>();
  #characters = 0;
  #lastId = 0;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(start: () => Worker = startWorker, patienceMs = MAX_WAIT_MS) {
    this.#start = start;
    this.#patienceMs = patienceMs;
  }

  /** Tokens of the texts; undefined where they can't be counted now. Never rejects. */
  async count(texts: readonly string[], tokenizer: Tokenizer): Promise<number | undefined> {
    const sample = sampleOf(texts, MAX_COUNTED);
    const characters = sample.texts.reduce((sum, text) => sum + text.length, 0);
    if (this.#characters + characters > MAX_WAITING) return undefined;
    const id = ++this.#lastId;
    const told = new Promise<number | undefined>((tell) => this.#waiting.set(id, { characters, tell }));
    this.#characters += characters;
    this.#send({ id, texts: sample.texts, tokenizer });
    const tokens = await within(told, this.#patienceMs);
    if (tokens === TIMED_OUT) this.#looksDead();
    return tokens === TIMED_OUT || tokens === undefined ? undefined : Math.ceil(tokens * sample.scale);
  }

  #send(order: CountOrder): void {
    clearTimeout(this.#idle);
    if (this.#waiting.size === 1) this.#heardAt = Date.now();
    try {
      this.#worker ??= this.#open();
      this.#worker.postMessage(order);
    } catch {
      this.#settle({ id: order.id, tokens: undefined });
    }
  }

  #open(): Worker {
    const worker = this.#start();
    worker.onmessage = ({ data }: MessageEvent<CountResult>) => {
      this.#heardAt = Date.now();
      this.#settle(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#stop();
    };
    return worker;
  }

  /** What is late is still owed, so that no more is ordered than can be done; a thread that says nothing is gone. */
  #looksDead(): void {
    if (Date.now() - this.#heardAt >= PATIENCES * this.#patienceMs) this.#stop();
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

function startWorker(): Worker {
  return openWorker(new URL("./worker.ts", import.meta.url), "tokens.js.br");
}

/** A timer that keeps no process alive. */
function unref(timer: unknown): void {
  (timer as { unref?(): void }).unref?.();
}

/** One for the whole process: it holds nothing of any request once that is counted. */
export const TOKENS = new TokenCounter();
