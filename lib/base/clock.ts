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
