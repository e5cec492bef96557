/** Questions of one worker to all: passed on, gathered and answered, within a time that no worker can stretch. */
import { EMPTY_SNAPSHOT, mergeSnapshots, Metrics, type Snapshot } from "../metrics.ts";
import type { About, Told } from "../siblings.ts";
import type { Ask, Gathered, ToWorker } from "./messages.ts";

/** How long a worker may take to answer. */
const ANSWER_MS = 1000;
/** Questions that a worker may leave unanswered before it is asked no more: what it doesn't read stays in memory. */
const MAX_UNANSWERED = 64;

interface Gathering {
  ask: Ask;
  /** Who asked, and by which number it knows the question. */
  asker: number;
  waitsFor: Set<number>;
  told: Told<About>[];
  timer: ReturnType<typeof setTimeout>;
}

export class Questions {
  /** The parent's own. */
  readonly metrics = new Metrics();
  readonly #send: (worker: number, message: ToWorker) => void;
  readonly #gatherings = new Map<number, Gathering>();
  /** What each worker's counters said last, and all counters of those that have ended: no sum ever falls. */
  readonly #latest = new Map<number, Snapshot>();
  #ended: Snapshot = EMPTY_SNAPSHOT;
  /** By worker, those that nobody waits for any more too. */
  readonly #unanswered = new Map<number, number>();
  #last = 0;

  constructor(send: (worker: number, message: ToWorker) => void) {
    this.#send = send;
  }

  /** `serving`: the numbers of the workers that can be asked. */
  ask(asker: number, ask: Ask, serving: readonly number[]): void {
    const asked = serving.filter((number) => ask.only === undefined || number === ask.only);
    const id = ++this.#last;
    const timer = setTimeout(() => this.#finish(id), ANSWER_MS);
    this.#gatherings.set(id, { ask, asker, waitsFor: new Set(asked), told: [], timer });
    for (const number of asked) this.#put(number, { ...ask, id });
    if (asked.length === 0) this.#finish(id);
  }

  answer(worker: number, id: number, value: unknown): void {
    this.#unanswered.set(worker, (this.#unanswered.get(worker) ?? 1) - 1);
    const gathering = this.#gatherings.get(id);
    if (gathering === undefined || !gathering.waitsFor.delete(worker)) return;
    gathering.told.push({ worker, value } as Told<About>);
    if (gathering.ask.about === "metrics") this.#latest.set(worker, value as Snapshot);
    if (gathering.waitsFor.size === 0) this.#finish(id);
  }

  /** It has ended: nobody waits for it any more, and it waits for nobody; the next one counts its questions anew. */
  drop(worker: number): void {
    const { counters } = this.#latest.get(worker) ?? EMPTY_SNAPSHOT;
    this.#latest.delete(worker);
    this.#unanswered.delete(worker);
    this.#ended = mergeSnapshots([this.#ended, { counters, gauges: {} }]);
    for (const [id, { asker, waitsFor, timer }] of this.#gatherings) {
      if (asker === worker) {
        clearTimeout(timer);
        this.#gatherings.delete(id);
      } else if (waitsFor.delete(worker) && waitsFor.size === 0) this.#finish(id);
    }
  }

  #put(worker: number, ask: Ask): void {
    const unanswered = this.#unanswered.get(worker) ?? 0;
    if (unanswered >= MAX_UNANSWERED) return;
    this.#unanswered.set(worker, unanswered + 1);
    this.#send(worker, { t: "question", ask });
  }

  #finish(id: number): void {
    const gathering = this.#gatherings.get(id);
    if (gathering === undefined) return;
    this.#gatherings.delete(id);
    clearTimeout(gathering.timer);
    const { ask, asker, waitsFor, told } = gathering;
    if (ask.about === "metrics") told.push(...this.#unsaid(waitsFor));
    const gathered: Gathered = { id: ask.id, told, isWhole: waitsFor.size === 0 };
    this.#send(asker, { t: "gathered", gathered });
  }

  /** What stands for workers that are too slow now, or have ended, and what the parent counts itself. */
  #unsaid(slow: ReadonlySet<number>): Told<"metrics">[] {
    const earlier = [...slow].flatMap((worker) => {
      const value = this.#latest.get(worker);
      return value === undefined ? [] : [{ worker, value }];
    });
    return [...earlier, { worker: 0, value: mergeSnapshots([this.#ended, this.metrics.snapshot()]) }];
  }
}
