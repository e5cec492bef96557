/** A worker: serves as one process does, and does what its parent says. */
import { rmSync } from "node:fs";
import process from "node:process";
import { TIMED_OUT, within } from "../base/clock.ts";
import { onReloadSignal, onStopSignals } from "../base/signals.ts";
import type { Config } from "../config.ts";
import { carriedOver } from "../reload.ts";
import { Serving } from "../serve.ts";
import type { About, Asked, Siblings, ToldByAll } from "../siblings.ts";
import {
  type Ask,
  type Beginning,
  type ConfigSource,
  type Gathered,
  type ToParent,
  type ToWorker,
} from "./messages.ts";

/** The config of a source that the parent has checked. */
export type ReadConfig = (source: ConfigSource) => Config | undefined;

/** Serves until its parent says otherwise, or is gone. */
export function runWorker(number: number, readConfig: ReadConfig): void {
  const worker = new WorkerProcess(number, readConfig);
  // Both may come to all of a terminal's or service's processes at once: the parent's word counts.
  onReloadSignal(() => {});
  onStopSignals((signal) => worker.drain(signal), () => {});
  process.on("message", (message) => void worker.take(message as ToWorker));
  process.on("disconnect", () => worker.drain("parent_gone"));
  tell({ t: "ready" });
}

class WorkerProcess {
  readonly #number: number;
  readonly #readConfig: ReadConfig;
  #begin: Beginning | undefined;
  #serving: Serving | undefined;
  #siblings: AskedByChannel | undefined;

  constructor(number: number, readConfig: ReadConfig) {
    this.#number = number;
    this.#readConfig = readConfig;
  }

  async take(message: ToWorker): Promise<void> {
    switch (message.t) {
      case "begin":
        return await this.#start(message.begin);
      case "standing":
        return this.#siblings?.stand(message.standing);
      case "question":
        return await this.#answer(message.ask);
      case "gathered":
        return this.#siblings?.settle(message.gathered);
      case "reload":
        return this.#reload(message.source);
      case "drain":
        return this.drain(message.signal);
      case "end":
        return this.#end();
    }
  }

  /** Ends the process: at once where it doesn't serve yet. */
  drain(why: string): void {
    if (!process.connected) process.on("exit", () => this.#removeFolder());
    if (this.#serving === undefined) this.#end();
    else void this.#serving.drain(why);
  }

  async #start(begin: Beginning): Promise<void> {
    const config = this.#readConfig(begin.source);
    if (config === undefined) return fail("its config could not be read");
    this.#begin = begin;
    this.#siblings = new AskedByChannel(begin.group, begin.workers);
    const { workers, since, folder } = begin;
    const group = { siblings: this.#siblings, workers, since, folder };
    const opened = await Serving.open({ ...config, port: begin.port }, { number: this.#number, group });
    if (typeof opened === "string") return fail(opened);
    this.#serving = opened;
    tell({ t: "serving", banner: opened.banner() });
  }

  async #answer({ id, about, what }: Ask): Promise<void> {
    const value = await this.#serving?.tell(about, what as Asked[typeof about]);
    if (value !== undefined) tell({ t: "answer", id, value });
  }

  #reload(source: ConfigSource): void {
    const next = this.#readConfig(source);
    const serving = this.#serving;
    if (next !== undefined && serving !== undefined) serving.reload(carriedOver(serving.config, next));
  }

  #end(): never {
    return this.#serving === undefined ? process.exit(0) : this.#serving.end();
  }

  /** Its parent would do it. */
  #removeFolder(): void {
    if (this.#begin !== undefined) rmSync(this.#begin.folder, { recursive: true, force: true });
  }
}

function tell(message: ToParent): void {
  // A parent that is gone is noticed by `disconnect`.
  if (process.connected) process.send?.(message, () => {});
}

/** The parent says so, and counts it as a start that failed. */
function fail(message: string): void {
  process.send?.({ t: "failed", message } satisfies ToParent, () => process.exit(1));
}

/** Questions that wait for an answer at once. */
const MAX_ASKS = 256;
/** How long the parent may take to gather answers; it gives up on slow workers well before. */
const ASK_MS = 3000;

class AskedByChannel implements Siblings {
  count: number;
  restarts = 0;
  readonly #waiting = new Map<number, (gathered: Gathered) => void>();
  #last = 0;

  constructor(readonly group: string, count: number) {
    this.count = count;
  }

  stand({ count, restarts }: { count: number; restarts: number }): void {
    this.count = count;
    this.restarts = restarts;
  }

  settle(gathered: Gathered): void {
    this.#waiting.get(gathered.id)?.(gathered);
  }

  async ask<K extends About>(about: K, what: Asked[K], only?: number): Promise<ToldByAll<K>> {
    // Without a parent there are no siblings that could be asked.
    if (!process.connected) return { told: [], isWhole: true };
    if (this.#waiting.size >= MAX_ASKS) return { told: [], isWhole: false };
    const id = ++this.#last;
    const gathering = new Promise<Gathered>((resolve) => this.#waiting.set(id, resolve));
    tell({ t: "ask", ask: { id, about, what, ...(only === undefined ? {} : { only }) } });
    const gathered = await within(gathering, ASK_MS);
    this.#waiting.delete(id);
    return gathered === TIMED_OUT ? { told: [], isWhole: false } : gathered as unknown as ToldByAll<K>;
  }
}
