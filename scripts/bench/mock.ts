/**
 * The mock upstream, in a process of its own: `/v1/chat/completions`, `/v1/messages`, `/v1/responses`, whole or streamed,
 * as the model's name says (content.ts), from bytes that are prepared once. Each frame leaves in a write of its own, as
 * providers send them. `GET /stats`: what came and what is open. `--port N` (0: any); prints `listening PORT`.
 */
import { Buffer } from "node:buffer";
import { createServer, type Socket } from "node:net";
import process from "node:process";
import { parseArgs } from "node:util";
import { FORMATS, PATHS, type Script, scriptOf, spoken } from "./content.ts";
import { framesOf, wholeOf } from "./frames.ts";
import { RequestReader } from "./http.ts";

/** Counted since the start, but for `open`. */
export interface MockStats {
  requests: number;
  open: number;
  completed: number;
  cancelled: number;
  /** `Date.now()` when the last client was seen to have left. */
  lastCancelAt: number;
}

const stats: MockStats = { requests: 0, open: 0, completed: 0, cancelled: 0, lastCancelAt: 0 };

/** An answer that is ready to be sent. */
interface Prepared {
  script: Script;
  writes: { bytes: Buffer; waits: boolean }[];
}

const prepared = new Map<string, Prepared>();
const MAX_PREPARED = 500;

function answerTo(path: string, body: string): Prepared | undefined {
  const format = FORMATS.find((name) => PATHS[name] === path);
  const model = /"model"\s*:\s*"([^"]+)"/.exec(body)?.[1];
  if (format === undefined || model === undefined) return undefined;
  const streams = /"stream"\s*:\s*true/.test(body);
  const withUsage = /"include_usage"\s*:\s*true/.test(body);
  const key = `${format} ${model} ${streams} ${withUsage}`;
  const known = prepared.get(key);
  if (known !== undefined) return known;
  if (prepared.size >= MAX_PREPARED) prepared.clear();
  const script = scriptOf(model);
  const told = { model, said: spoken(script), withUsage };
  const fresh = streams
    ? streamed(script, framesOf(format, told))
    : { script, writes: [{ bytes: whole(wholeOf(format, model)), waits: false }] };
  prepared.set(key, fresh);
  return fresh;
}

const ID_HEADERS = "x-request-id: req_5f2d9c1e7b3a4d68\r\nrequest-id: req_011CSHoEeqs5C35K2UUqR7Fy\r\n";

function whole(body: string, status = "200 OK"): Buffer {
  const bytes = Buffer.from(body);
  const head =
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\n${ID_HEADERS}content-length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), bytes]);
}

function streamed(script: Script, frames: readonly { text: string; isDelta: boolean }[]): Prepared {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n` +
    `${ID_HEADERS}transfer-encoding: chunked\r\n\r\n`;
  const writes = [{ bytes: Buffer.from(head), waits: false }];
  for (let at = 0; at < frames.length; at += script.lump) {
    const lump = frames.slice(at, at + script.lump);
    const chunks = lump.map(({ text }) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
    writes.push({ bytes: Buffer.from(chunks.join("")), waits: script.paceUs > 0 && lump.some((each) => each.isDelta) });
  }
  writes.push({ bytes: Buffer.from("0\r\n\r\n"), waits: false });
  return { script, writes };
}

/** One answer on its way out. */
class Sending {
  #at = 0;
  #dueAt = 0;

  constructor(readonly socket: Socket, readonly answer: Prepared, readonly onEnd: () => void) {}

  /** Writes what is due; goes on at the socket's `drain` or at the next tick of the clock. */
  go(): void {
    const { writes, script } = this.answer;
    for (; this.#at < writes.length; this.#at++) {
      const write = writes[this.#at];
      if (write === undefined) break;
      if (write.waits && !this.#isDue(script.paceUs / 1000)) return clock.add(this);
      if (!this.socket.write(write.bytes)) {
        this.#at++;
        if (this.#at < writes.length) return void this.socket.once("drain", () => this.go());
        break;
      }
    }
    this.onEnd();
  }

  isDueAt(now: number): boolean {
    return now >= this.#dueAt;
  }

  /** The first delta leaves at once; each later one a pace after the one before was due, however late that was. */
  #isDue(paceMs: number): boolean {
    const now = performance.now();
    if (this.#dueAt === 0) this.#dueAt = now;
    if (now < this.#dueAt) return false;
    this.#dueAt += paceMs;
    return true;
  }
}

/** One timer for all paced streams. */
class Clock {
  readonly #waiting = new Set<Sending>();
  #timer: ReturnType<typeof setInterval> | undefined;

  add(sending: Sending): void {
    this.#waiting.add(sending);
    this.#timer ??= setInterval(() => this.#tick(), 1);
  }

  remove(sending: Sending): void {
    this.#waiting.delete(sending);
  }

  #tick(): void {
    const now = performance.now();
    const due: Sending[] = [];
    for (const sending of this.#waiting) if (sending.isDueAt(now)) due.push(sending);
    for (const sending of due) this.#waiting.delete(sending);
    for (const sending of due) sending.go();
    if (this.#waiting.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

const clock = new Clock();

function serve(socket: Socket): void {
  socket.setNoDelay(true);
  let sending: Sending | undefined;
  const requests = new RequestReader(({ path, body }) => {
    if (path === "/stats") return void socket.write(whole(JSON.stringify(stats)));
    stats.requests++;
    const answer = answerTo(path, body);
    if (answer === undefined) {
      return void socket.write(whole('{"error":{"message":"No such answer in the mock"}}', "400 Bad Request"));
    }
    if (answer.writes.length > 1) stats.open++;
    sending = new Sending(socket, answer, () => {
      sending = undefined;
      if (answer.writes.length > 1) stats.open--;
      stats.completed++;
    });
    sending.go();
  });
  socket.on("data", (bytes: Buffer) => requests.push(bytes));
  socket.on("error", () => socket.destroy());
  // A peer that has sent its last byte has left.
  socket.on("end", () => socket.destroy());
  socket.on("close", () => {
    if (sending === undefined) return;
    clock.remove(sending);
    sending = undefined;
    stats.open--;
    stats.cancelled++;
    stats.lastCancelAt = Date.now();
  });
}

const { values } = parseArgs({ options: { port: { type: "string", default: "0" } } });
const server = createServer({ allowHalfOpen: true }, serve);
server.listen(Number(values.port), "127.0.0.1", 4096, () => {
  const address = server.address();
  process.stdout.write(`listening ${typeof address === "object" ? address?.port : address}\n`);
});
