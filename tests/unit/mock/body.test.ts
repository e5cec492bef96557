import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { type Frame, frameBody, pause } from "../../../lib/mock/body.ts";

const NEVER = new AbortController().signal;

/** `pieces` frames, each with framing before it; tells how many were made and whether it was stopped. */
function source(pieces: number) {
  const seen = { made: 0, returned: false };
  function* frames(): Generator<Frame> {
    try {
      for (; seen.made < pieces; seen.made++) {
        yield { text: "-", isPiece: false };
        yield { text: `${seen.made}`, isPiece: true };
      }
      yield { text: ".", isPiece: false };
    } finally {
      seen.returned = true;
    }
  }
  return { seen, frames: frames() };
}

async function chunks(body: ReadableStream<Uint8Array>): Promise<string[]> {
  const out: string[] = [];
  for await (const chunk of body) out.push(new TextDecoder().decode(chunk));
  return out;
}

describe("frameBody", () => {
  test("one piece a chunk, with the framing around it", async () => {
    assert.deepEqual(await chunks(frameBody(source(3).frames, 0, NEVER)), ["-0", "-1", "-2", "."]);
  });

  test("a piece without text is no chunk", async () => {
    const held: Frame[] = [{ text: "", isPiece: true }, { text: "a", isPiece: true }];
    assert.deepEqual(await chunks(frameBody(held.values(), 0, NEVER)), ["a"]);
    assert.deepEqual(await chunks(frameBody([].values(), 0, NEVER)), []);
  });

  test("nothing is made before it is asked for", async () => {
    const { seen, frames } = source(1000);
    const reader = frameBody(frames, 0, NEVER).getReader();
    assert.equal(seen.made, 0);
    await reader.read();
    await reader.read();
    assert.ok(seen.made <= 2);
    await reader.cancel();
  });

  test("a reader that leaves stops the source, also in the middle of a wait", async () => {
    const { seen, frames } = source(10);
    const reader = frameBody(frames, 60_000, NEVER).getReader();
    await reader.read();
    const waiting = reader.read();
    await reader.cancel();
    assert.equal((await waiting).done, true);
    assert.equal(seen.returned, true);
  });

  test("an aborted signal breaks the body off with its reason, like fetch", async () => {
    const { seen, frames } = source(10);
    const abort = new AbortController();
    const reader = frameBody(frames, 60_000, abort.signal).getReader();
    await reader.read();
    const waiting = reader.read();
    abort.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    assert.equal(seen.returned, true);
    const late = frameBody(source(1).frames, 0, abort.signal).getReader();
    await assert.rejects(late.read(), /enough/);
  });

  test("a signal that is aborted after the end changes nothing", async () => {
    const abort = new AbortController();
    const body = frameBody(source(1).frames, 0, abort.signal);
    assert.deepEqual(await chunks(body), ["-0", "."]);
    abort.abort();
  });
});

describe("pause", () => {
  test("ends with the signal, or at once where there is nothing to wait for", async () => {
    const abort = new AbortController();
    const waiting = pause(60_000, abort.signal);
    abort.abort();
    await waiting;
    await pause(60_000, abort.signal);
    await pause(0, NEVER);
  });
});
