/** Bodies that are written, not pulled: whoever makes them says when, and waits where there is no room. */
import { DIRECT_STREAMS } from "./runtime.ts";

export interface Sink {
  /** A promise where the reader is behind: it resolves once there is room again, and never rejects. */
  write(bytes: Uint8Array): Promise<unknown> | undefined;
  /** No more is written. */
  end(): void;
}

export interface ByteSource {
  /** Called once, when somebody begins to read. */
  start(sink: Sink): void;
  /** The reader has left: nothing more is taken. Not called after `end`. */
  cancel(): void;
}

/** Streams that the runtime's server writes to its socket itself, by what makes them. */
const DIRECT = new WeakMap<ReadableStream<Uint8Array>, ByteSource>();

/** For an answer's body. Who reads it in this process and may be slower than its source uses `readerOf`. */
export function byteStream(source: ByteSource): ReadableStream<Uint8Array> {
  if (!DIRECT_STREAMS) return queuedStream(source);
  const stream = directStream(source);
  DIRECT.set(stream, source);
  return stream;
}

/** A reader that holds up whoever writes: a direct stream that is read by anybody but a server has no limit. */
export function readerOf(stream: ReadableStream<Uint8Array>): ReadableStreamDefaultReader<Uint8Array> {
  const source = DIRECT.get(stream);
  return (source === undefined ? stream : queuedStream(source)).getReader();
}

function queuedStream(source: ByteSource): ReadableStream<Uint8Array> {
  let isStarted = false;
  let isOver = false;
  let hasRoom: () => void = () => {};
  let room: Promise<void> | undefined;
  const makeRoom = (): void => {
    room = undefined;
    hasRoom();
  };
  const sinkOf = (controller: ReadableStreamDefaultController<Uint8Array>): Sink => ({
    write(bytes) {
      if (isOver) return undefined;
      controller.enqueue(bytes);
      if ((controller.desiredSize ?? 0) > 0) return undefined;
      return room ??= new Promise<void>((resolve) => hasRoom = resolve);
    },
    end() {
      if (!isOver) controller.close();
      isOver = true;
    },
  });
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (isStarted) return makeRoom();
      isStarted = true;
      source.start(sinkOf(controller));
    },
    cancel() {
      isOver = true;
      source.cancel();
      makeRoom();
    },
  });
}

/** What a stream of the type `direct` gives its `pull`. */
interface DirectController {
  /** The bytes that were taken, or a promise of them where the socket is full. */
  write(bytes: Uint8Array): number | Promise<number>;
  flush(): unknown;
  close(): void;
}

function directStream(source: ByteSource): ReadableStream<Uint8Array> {
  let isOver = false;
  let finished: () => void = () => {};
  const cancel = (): void => {
    if (isOver) return;
    isOver = true;
    source.cancel();
    finished();
  };
  const sinkOf = (controller: DirectController): Sink => ({
    write(bytes) {
      if (isOver) return undefined;
      try {
        const written = controller.write(bytes);
        if (typeof written !== "number") return written.catch(cancel);
        controller.flush();
      } catch {
        // Closed from the other side, and nobody has said so.
        cancel();
      }
      return undefined;
    },
    end() {
      if (isOver) return;
      isOver = true;
      controller.close();
      finished();
    },
  });
  const pull = (controller: DirectController): Promise<void> => {
    source.start(sinkOf(controller));
    return isOver ? Promise.resolve() : new Promise((resolve) => finished = resolve);
  };
  return new ReadableStream({ type: "direct", pull, cancel } as unknown as UnderlyingDefaultSource<Uint8Array>);
}
