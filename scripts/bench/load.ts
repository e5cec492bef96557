/**
 * The load generator, in a process of its own. Jobs come as JSON lines on stdin, each is answered by a line on stdout:
 * `run` in a closed loop (so many connections, each with its next request after its answer) or an open one (so many a
 * second; times count from the planned start, so that waiting is not left out), `hold` opens streams and keeps them,
 * `look` counts what they have brought, `leave` closes all of them at once.
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { createInterface } from "node:readline";
import { type Outcome, Peer } from "./peer.ts";
import { PATHS, scriptOf } from "./content.ts";
import { expectedOf } from "./check.ts";
import { requestBody, type RequestShape } from "./requests.ts";
import { Histogram } from "./stats.ts";

/** What is asked for, and of whom: any server on the loopback. */
export interface Target extends RequestShape {
  port: number;
}

export type Job =
  | { do: "run"; target: Target; connections: number; seconds: number; requests?: number }
  | { do: "run"; target: Target; ratePerSecond: number; seconds: number }
  | { do: "hold"; target: Target; streams: number; perSecond: number }
  | { do: "look" | "leave" };

export interface RunResult {
  requests: number;
  seconds: number;
  deltas: number;
  /** Pieces in which bodies arrived: at full speed, cost hangs on how many frames a read brings. */
  reads: number;
  /** By what was wrong; empty when every answer was whole. */
  faults: Record<string, number>;
  firstFault?: string;
  latencyMs: Percentiles;
  /** From the (planned) start to the first delta. */
  firstTokenMs: Percentiles;
  /** Between two reads of a stream that bring deltas. */
  gapMs: Percentiles;
}

export interface Percentiles {
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

/** The streams that are open, or were when they were left. */
export interface HoldResult {
  open: number;
  failed: number;
  deltas: number;
  /** `Date.now()`. */
  at: number;
}

/** A request, ready to be sent. */
function requestBytes(target: Target): Buffer {
  const body = Buffer.from(requestBody(target));
  const head = [
    `POST ${PATHS[target.format]} HTTP/1.1`,
    `host: 127.0.0.1:${target.port}`,
    "user-agent: trivium-bench",
    "accept: */*",
    "content-type: application/json",
    target.format === "messages" ? "x-api-key: sk-bench-0000" : "authorization: Bearer sk-bench-0000",
    ...(target.format === "messages" ? ["anthropic-version: 2023-06-01"] : []),
    `content-length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]);
}

class Tally {
  readonly #latency = new Histogram();
  readonly #firstToken = new Histogram();
  readonly #gaps = new Histogram();
  readonly #faults = new Map<string, number>();
  #firstFault: string | undefined;
  #requests = 0;
  #deltas = 0;
  #reads = 0;
  readonly #since = performance.now();

  add(outcome: Outcome): void {
    this.#requests++;
    this.#deltas += outcome.deltas;
    this.#reads += outcome.reads;
    if (outcome.fault !== undefined) {
      const word = outcome.fault.split(":", 1)[0] ?? "";
      this.#faults.set(word, (this.#faults.get(word) ?? 0) + 1);
      this.#firstFault ??= outcome.fault;
      return;
    }
    this.#latency.add(outcome.latencyMs);
    if (outcome.firstTokenMs !== undefined) this.#firstToken.add(outcome.firstTokenMs);
    for (const gap of outcome.gapsMs) this.#gaps.add(gap);
  }

  result(): RunResult {
    return {
      requests: this.#requests,
      seconds: (performance.now() - this.#since) / 1000,
      deltas: this.#deltas,
      reads: this.#reads,
      faults: Object.fromEntries(this.#faults),
      ...(this.#firstFault === undefined ? {} : { firstFault: this.#firstFault }),
      latencyMs: percentiles(this.#latency),
      firstTokenMs: percentiles(this.#firstToken),
      gapMs: percentiles(this.#gaps),
    };
  }
}

function percentiles(histogram: Histogram): Percentiles {
  const [p50, p90, p99] = [50, 90, 99].map((percent) => round(histogram.percentile(percent)));
  return { p50: p50 ?? 0, p90: p90 ?? 0, p99: p99 ?? 0, max: round(histogram.max) };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function openPeer(target: Target, bytes: Buffer): Peer {
  return new Peer(target.port, bytes, target.stream ? target.format : undefined, expectedOf(scriptOf(target.model)));
}

/** Paced streams begin one after another: those that begin as one stay as one, and every delta meets all others. */
function streamMs({ model, stream }: Target): number {
  const { deltas, paceUs } = scriptOf(model);
  return stream ? deltas * paceUs / 1000 : 0;
}

async function pause(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}

async function runClosed(job: Extract<Job, { connections: number }>): Promise<RunResult> {
  const bytes = requestBytes(job.target);
  const tally = new Tally();
  const until = performance.now() + job.seconds * 1000;
  let left = job.requests ?? Infinity;
  const one = async (at: number): Promise<void> => {
    await pause(at * streamMs(job.target) / job.connections);
    const peer = openPeer(job.target, bytes);
    for (; performance.now() < until && left > 0;) {
      left--;
      tally.add(await peer.ask(performance.now()));
    }
    peer.leave();
  };
  await Promise.all(Array.from({ length: job.connections }, (_, at) => one(at)));
  return tally.result();
}

async function runOpen(job: Extract<Job, { ratePerSecond: number }>): Promise<RunResult> {
  const bytes = requestBytes(job.target);
  const tally = new Tally();
  const free: Peer[] = [];
  const asked: Promise<void>[] = [];
  const since = performance.now();
  const ask = async (plannedAt: number): Promise<void> => {
    const peer = free.pop() ?? openPeer(job.target, bytes);
    tally.add(await peer.ask(plannedAt));
    free.push(peer);
  };
  const total = Math.floor(job.seconds * job.ratePerSecond);
  for (let at = 0; at < total; at++) {
    const plannedAt = since + at * 1000 / job.ratePerSecond;
    await pause(plannedAt - performance.now());
    asked.push(ask(plannedAt));
  }
  await Promise.all(asked);
  for (const peer of free) peer.leave();
  return tally.result();
}

class Held {
  readonly #peers: Peer[] = [];
  #failed = 0;
  #leaving = false;

  async open({ target, streams, perSecond }: Extract<Job, { do: "hold" }>): Promise<HoldResult> {
    const bytes = requestBytes(target);
    const since = performance.now();
    for (let at = 0; at < streams; at++) {
      await pause(since + at * 1000 / perSecond - performance.now());
      const peer = openPeer(target, bytes);
      this.#peers.push(peer);
      void peer.ask(performance.now()).then(({ fault }) => {
        if (!this.#leaving && fault !== undefined) this.#failed++;
      });
    }
    const deadline = performance.now() + 90_000;
    while (performance.now() < deadline && this.look().open + this.#failed < this.#peers.length) {
      await pause(20);
    }
    return this.look();
  }

  leave(): HoldResult {
    const result = this.look();
    this.#leaving = true;
    for (const peer of this.#peers) peer.leave();
    this.#peers.length = 0;
    return result;
  }

  look(): HoldResult {
    const deltas = this.#peers.map((peer) => peer.deltas);
    return {
      open: deltas.filter((count) => count > 0).length,
      failed: this.#failed,
      deltas: deltas.reduce((sum, count) => sum + count, 0),
      at: Date.now(),
    };
  }
}

let held = new Held();

async function done(job: Job): Promise<RunResult | HoldResult> {
  switch (job.do) {
    case "run":
      return "connections" in job ? await runClosed(job) : await runOpen(job);
    case "hold":
      return await held.open(job);
    case "look":
      return held.look();
    case "leave": {
      const result = held.leave();
      held = new Held();
      return result;
    }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await done(JSON.parse(line) as Job))}\n`);
}
