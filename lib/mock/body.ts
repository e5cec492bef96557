/** A stream's frames as the body of a response: made when they are asked for, stopped when nobody asks any more. */

export interface Frame {
  text: string;
  /** Whether it holds a piece of what the model says; the rest is framing. */
  isPiece: boolean;
}

/** Waits, or stops waiting when `signal` is aborted; no timer and no listener is left. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}

/**
 * One piece a chunk, with the framing around it; `delayMs` between two pieces. When the reader leaves the iterator is
 * returned; when `signal` is aborted the body breaks off with its reason, as `fetch` does it.
 */
export function frameBody(frames: Iterator<Frame>, delayMs: number, signal: AbortSignal): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const gone = new AbortController();
  const state: State = { frames, delayMs, gone: gone.signal, pieces: 0 };
  let release = (): void => {};
  const stop = (): void => {
    release();
    gone.abort();
    frames.return?.();
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const abort = (): void => {
        stop();
        // A server whose client has left cancels the body in the same turn, and Deno's would log an error that is faster.
        setTimeout(() => controller.error(signal.reason), 0);
      };
      release = () => signal.removeEventListener("abort", abort);
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort);
    },
    async pull(controller) {
      const chunk = await nextChunk(state);
      if (chunk === undefined) return;
      if (chunk.text !== "") controller.enqueue(encoder.encode(chunk.text));
      if (!chunk.isLast) return;
      release();
      controller.close();
    },
    cancel: stop,
  }, { highWaterMark: 0 });
}

interface State {
  frames: Iterator<Frame>;
  delayMs: number;
  gone: AbortSignal;
  pieces: number;
}

/** Undefined when the reader left while it was waited for. */
async function nextChunk(state: State): Promise<{ text: string; isLast: boolean } | undefined> {
  let text = "";
  while (!state.gone.aborted) {
    const next = state.frames.next();
    if (next.done === true) return { text, isLast: true };
    const { isPiece } = next.value;
    if (isPiece && state.pieces++ > 0 && state.delayMs > 0) await pause(state.delayMs, state.gone);
    if (state.gone.aborted) break;
    text += next.value.text;
    if (isPiece && text !== "") return { text, isLast: false };
  }
  return undefined;
}
