/** Waiting, in a form that leaves no timer and no listener behind. All times are milliseconds. */

export const TIMED_OUT = Symbol("timed out");

/** The promise's value, or `TIMED_OUT` after `ms`. The promise goes on: who calls must still look at it. */
export function within<T>(promise: Promise<T>, ms: number): Promise<T | typeof TIMED_OUT> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(TIMED_OUT), ms);
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

/** The same, but `ms` count from the latest `activeAt()` on (Unix milliseconds): whoever is at work is not late. */
export async function withinQuiet<T>(
  promise: Promise<T>,
  ms: number,
  activeAt: () => number,
): Promise<T | typeof TIMED_OUT> {
  const since = Date.now();
  for (;;) {
    const left = Math.max(since, activeAt()) + ms - Date.now();
    if (left <= 0) return TIMED_OUT;
    const outcome = await within(promise, left);
    if (outcome !== TIMED_OUT) return outcome;
  }
}

interface Pulse {
  readonly beats: Set<() => void>;
  timer: ReturnType<typeof setInterval>;
}

/** One timer for all that wait equally long: thousands of streams may be open. */
const PULSES = new Map<number, Pulse>();

/** Calls `beat` every `ms`, the first time sooner, until what is returned is called. */
export function every(ms: number, beat: () => void): () => void {
  let pulse = PULSES.get(ms);
  if (pulse === undefined) {
    const beats = new Set<() => void>();
    const timer = setInterval(() => beats.forEach((each) => each()), ms);
    PULSES.set(ms, pulse = { beats, timer });
  }
  const { beats, timer } = pulse;
  beats.add(beat);
  return () => {
    if (!beats.delete(beat) || beats.size > 0) return;
    clearInterval(timer);
    PULSES.delete(ms);
  };
}
