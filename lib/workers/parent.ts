/**
 * The parent of several workers: starts them on one port, starts another one in place of one that has ended, and tells
 * all of them to read the config again or to stop. No request passes through it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createLog, type Log } from "../base/log.ts";
import { liftedEnvironment, ownCommand, serve } from "../base/runtime.ts";
import { onReloadSignal, onStopSignals, onUnhandled } from "../base/signals.ts";
import { type Config, type ConfigResult } from "../config.ts";
import { reloaded } from "../reload.ts";
import { Questions } from "./gathering.ts";
import { type Beginning, type ConfigSource, type ToParent, type ToWorker, WORKER_VARIABLE } from "./messages.ts";

export interface ParentOptions {
  config: Config;
  source: ConfigSource;
  workers: number;
  /** The config file as it is now; a text where it can't be read. */
  read: () => { source: ConfigSource; parsed: ConfigResult } | string;
}

/** Starts that may fail one after another before anything was served. */
const MAX_FAILED_STARTS = 3;
/** A worker that ends sooner is started again more slowly each time. */
const QUICK_END_MS = 10_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** Workers end by themselves within `DRAIN_MS` of `serve.ts`; those that don't are ended. */
const STOP_MS = 35_000;
/** The same once a second signal has asked for an end at once. */
const END_MS = 1000;

interface Child {
  number: number;
  process: ChildProcess;
  startedAt: number;
  /** The config that it has. */
  source: ConfigSource;
  isServing: boolean;
}

/** Sets the exit code where nothing can be served; the process goes on while its workers do. */
export async function runParent(options: ParentOptions): Promise<void> {
  const { host, port } = options.config;
  let free: number;
  try {
    free = await freePort(host, port);
  } catch (error) {
    return refuse(`Can't listen on ${host}:${port}: ${(error as Error).message}`);
  }
  try {
    new Parent(options, free, mkdtempSync(join(tmpdir(), "trivium-"))).start();
  } catch (error) {
    refuse(`Workers need a temporary folder that can be written (TMPDIR): ${(error as Error).message}`);
  }
}

function refuse(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}

/**
 * The port, once it is known to be free: listeners that share a port would share it with another gateway as well. Rejects
 * where it is taken.
 */
async function freePort(hostname: string, port: number): Promise<number> {
  const held = await serve({ hostname, port, handle: () => Promise.resolve(new Response(null, { status: 503 })) });
  await held.stop(true);
  return held.port;
}

class Parent {
  readonly #options: ParentOptions;
  readonly #log: Log;
  readonly #begin: Omit<Beginning, "source">;
  readonly #questions = new Questions((worker, message) => this.#send(worker, message));
  readonly #children = new Map<number, Child>();
  /** How often each worker has ended soon after its start, one time after another. */
  readonly #quickEnds = new Map<number, number>();
  #source: ConfigSource;
  #failedStarts = 0;
  #restarts = 0;
  /** The first of them makes what they share; the others are started once it serves. */
  #hasFirst = false;
  #hasBegun = false;
  #exitCode = 0;
  #isStopping = false;

  constructor(options: ParentOptions, port: number, folder: string) {
    const { config, source, workers } = options;
    this.#options = options;
    this.#source = source;
    this.#log = createLog(config.logLevel);
    this.#begin = { port, folder, workers, group: randomUUID(), since: Date.now() };
  }

  start(): void {
    const { metrics } = this.#questions;
    metrics.add("trivium_worker_restarts_total", {}, 0);
    onUnhandled((event, error) => {
      metrics.add("trivium_unhandled_total");
      this.#log.error(event, { error: String(error), stack: error instanceof Error ? error.stack : undefined });
    });
    onStopSignals((signal) => this.#stop(signal), () => this.#endAll());
    onReloadSignal(() => this.#reload());
    this.#spawn(1);
  }

  #spawn(number: number): void {
    const { file, args } = ownCommand();
    const env = { ...liftedEnvironment(), [WORKER_VARIABLE]: String(number) };
    const started = spawn(file, args, { env, stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const source = this.#source;
    const child: Child = { number, process: started, startedAt: Date.now(), source, isServing: false };
    this.#children.set(number, child);
    started.on("message", (message) => this.#take(child, message as ToParent));
    started.once("error", (error) => {
      this.#say(`Worker ${number} can't be started: ${error.message}`);
      if (started.pid === undefined) this.#onEnd(child, null, null);
    });
    started.once("exit", (code, signal) => this.#onEnd(child, code, signal));
  }

  #take(child: Child, message: ToParent): void {
    switch (message.t) {
      case "ready":
        if (this.#isStopping) return this.#send(child.number, { t: "end" });
        return this.#send(child.number, { t: "begin", begin: { ...this.#begin, source: child.source } });
      case "serving":
        return this.#onServing(child, message.banner);
      case "failed":
        return this.#say(`Worker ${child.number}: ${message.message.trimEnd()}`);
      case "ask":
        return this.#questions.ask(child.number, message.ask, this.#serving().map(({ number }) => number));
      case "answer":
        return this.#questions.answer(child.number, message.id, message.value);
    }
  }

  #onServing(child: Child, banner: string): void {
    child.isServing = true;
    // The config was read again while it was being started.
    if (child.source !== this.#source) this.#send(child.number, { t: "reload", source: this.#source });
    this.#failedStarts = 0;
    this.#log.info("worker_serving", { worker: child.number, pid: child.process.pid });
    if (!this.#hasFirst) {
      this.#hasFirst = true;
      for (let number = 1; number <= this.#begin.workers; number++) {
        if (!this.#children.has(number)) this.#spawn(number);
      }
    }
    this.#standing();
    if (this.#hasBegun || this.#serving().length < this.#begin.workers) return;
    this.#hasBegun = true;
    process.stdout.write(banner);
  }

  #onEnd(child: Child, code: number | null, signal: string | null): void {
    const { number } = child;
    if (this.#children.get(number) !== child) return;
    this.#children.delete(number);
    this.#questions.drop(number);
    if (this.#isStopping) return this.#children.size === 0 ? this.#exit() : undefined;
    this.#standing();
    if (!child.isServing && !this.#hasBegun && ++this.#failedStarts >= MAX_FAILED_STARTS) {
      return this.#giveUp(number, code, signal);
    }
    const pauseMs = this.#pauseFor(child);
    this.#log.warn("worker_ended", { worker: number, pid: child.process.pid, code, signal, restart_in_ms: pauseMs });
    setTimeout(() => this.#restart(number), pauseMs);
  }

  #restart(number: number): void {
    if (this.#isStopping) return;
    this.#restarts++;
    this.#questions.metrics.add("trivium_worker_restarts_total");
    this.#spawn(number);
  }

  #pauseFor({ number, startedAt }: Child): number {
    const isQuick = Date.now() - startedAt < QUICK_END_MS;
    const times = isQuick ? this.#quickEnds.get(number) ?? 0 : 0;
    this.#quickEnds.set(number, times + 1);
    return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** times);
  }

  #giveUp(number: number, code: number | null, signal: string | null): void {
    const how = signal === null ? `exit code ${code}` : signal;
    this.#say(`Worker ${number} ended before it served (${how}), and so did ${MAX_FAILED_STARTS - 1} starts before it`);
    this.#exitCode = 1;
    this.#isStopping = true;
    this.#endAll();
  }

  #stop(signal: string): void {
    this.#isStopping = true;
    this.#log.info("stopping", { signal, workers: this.#children.size });
    if (this.#children.size === 0) return this.#exit();
    for (const { number } of this.#children.values()) this.#send(number, { t: "drain", signal });
    setTimeout(() => this.#endAll(), STOP_MS);
  }

  #endAll(): void {
    if (this.#children.size === 0) return this.#exit();
    for (const { number } of this.#children.values()) this.#send(number, { t: "end" });
    setTimeout(() => {
      for (const { process: child } of this.#children.values()) child.kill("SIGKILL");
    }, END_MS);
  }

  #exit(): void {
    rmSync(this.#begin.folder, { recursive: true, force: true });
    this.#log.flush();
    process.exit(this.#exitCode);
  }

  /** What is checked here is what the workers get, whatever becomes of the file meanwhile. */
  #reload(): void {
    const read = this.#options.read();
    const next = reloaded(this.#options.config, typeof read === "string" ? read : read.parsed, this.#log);
    if (next === undefined || typeof read === "string") return;
    this.#source = read.source;
    this.#log.setLevel(next.logLevel);
    for (const { number } of this.#serving()) this.#send(number, { t: "reload", source: read.source });
  }

  #standing(): void {
    const standing = { count: this.#serving().length, restarts: this.#restarts };
    for (const { number } of this.#serving()) this.#send(number, { t: "standing", standing });
  }

  #serving(): Child[] {
    return [...this.#children.values()].filter(({ isServing }) => isServing);
  }

  #send(worker: number, message: ToWorker): void {
    const child = this.#children.get(worker)?.process;
    // One that has just ended is heard of by its exit.
    if (child?.connected) child.send(message, () => {});
  }

  #say(text: string): void {
    process.stderr.write(`${text}\n`);
  }
}
