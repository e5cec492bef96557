/** What a scenario works with: the mock, the load generator, and the measuring of a server under a job. */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import type { HoldResult, Job, RunResult, Target } from "./load.ts";
import type { MockStats } from "./mock.ts";
import { cpuSeconds, machineSeconds, proportionalBytes, residentBytes } from "./proc.ts";
import type { RequestShape } from "./requests.ts";
import { OWN_RUNTIME, scriptCommand, type ServerSpec, type Started, startScript, startServer } from "./servers.ts";

export interface Settings {
  rounds: number;
  /** Of one measurement. */
  seconds: number;
  isQuick: boolean;
  /** Of a soak. */
  soakSeconds: number;
}

/** Of one measurement, by name with its unit. */
export type Figures = Record<string, number>;

/** So many connections at once, or so many requests a second. */
export type Pressure = { connections: number } | { ratePerSecond: number };

/** For what a server still does after its last answer. */
const SETTLE_MS = 50;

export class Bench {
  private constructor(readonly settings: Settings, readonly mock: Started, readonly load: LoadProcess) {}

  static async open(settings: Settings): Promise<Bench> {
    return new Bench(settings, await startScript("mock.ts"), new LoadProcess());
  }

  async close(): Promise<void> {
    this.load.close();
    await this.mock.stop();
  }

  start(spec: ServerSpec): Promise<Started> {
    return startServer(spec, this.mock);
  }

  /** Asks without measuring: for the JIT, and for connections to the upstream. */
  async warmUp(server: Started, request: RequestShape, pressure: Pressure, seconds: number): Promise<void> {
    await this.load.run({ do: "run", target: { ...request, port: server.port }, ...pressure, seconds });
  }

  /** A server under load. Throws where no answer was whole: there is nothing to measure then. */
  async measure(server: Started, request: RequestShape, pressure: Pressure, seconds: number): Promise<Figures> {
    const target: Target = { ...request, port: server.port };
    const before = this.#used(server);
    const result = await this.load.run({ do: "run", target, ...pressure, seconds });
    await sleep(SETTLE_MS);
    const after = this.#used(server);
    const faults = Object.values(result.faults).reduce((sum, count) => sum + count, 0);
    if (faults === result.requests) throw new Error(`No answer was whole: ${result.firstFault}`);
    if (faults > 0) {
      process.stderr.write(`  ${faults} of ${result.requests} answers were faulty: ${result.firstFault}\n`);
    }
    return { ...figuresOf(result), ...cpuFigures(result, before, after), faults, ...memoryFigures(server) };
  }

  #used(server: Started): Used {
    return {
      server: cpuSeconds(server.pid),
      mock: cpuSeconds(this.mock.pid),
      load: cpuSeconds(this.load.pid),
      machine: machineSeconds(),
      at: performance.now(),
    };
  }

  async mockStats(): Promise<MockStats> {
    const answer = await fetch(`http://127.0.0.1:${this.mock.port}/stats`);
    return await answer.json() as MockStats;
  }
}

/** CPU seconds so far. */
interface Used {
  server: number;
  mock: number;
  load: number;
  machine: number;
  at: number;
}

function figuresOf({ requests, seconds, deltas, reads, latencyMs, firstTokenMs, gapMs }: RunResult): Figures {
  return {
    requests,
    requestsPerSecond: requests / seconds,
    deltas,
    readsPerRequest: reads / requests,
    latencyP50Ms: latencyMs.p50,
    latencyP99Ms: latencyMs.p99,
    firstTokenP50Ms: firstTokenMs.p50,
    firstTokenP99Ms: firstTokenMs.p99,
    gapP50Ms: gapMs.p50,
    gapP99Ms: gapMs.p99,
  };
}

function cpuFigures({ requests, deltas }: RunResult, before: Used, after: Used): Figures {
  const seconds = (after.at - before.at) / 1000;
  const server = after.server - before.server;
  const mock = after.mock - before.mock;
  const load = after.load - before.load;
  return {
    cpuUsPerRequest: server * 1e6 / requests,
    ...(deltas > 0 ? { cpuUsPerDelta: server * 1e6 / deltas } : {}),
    serverCores: server / seconds,
    mockCores: mock / seconds,
    loadCores: load / seconds,
    // What else went on in the machine: the noise.
    otherCores: (after.machine - before.machine - server - mock - load) / seconds,
  };
}

export function memoryFigures({ pid }: Started): Figures {
  return { residentMb: residentBytes(pid) / 1e6, proportionalMb: proportionalBytes(pid) / 1e6 };
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** `load.ts`, one job at a time. */
class LoadProcess {
  readonly #child: ChildProcess;
  readonly #waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];

  constructor() {
    const [program, ...flags] = scriptCommand("load.ts", OWN_RUNTIME);
    this.#child = spawn(program, flags, { stdio: ["pipe", "pipe", "inherit"] });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error("The load generator has no output");
    createInterface({ input: stdout }).on("line", (line) => this.#waiting.shift()?.resolve(line));
    this.#child.on("exit", (code) => {
      for (const { reject } of this.#waiting) reject(new Error(`The load generator ended with ${code}`));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async run(job: Extract<Job, { do: "run" }>): Promise<RunResult> {
    return await this.#ask(job) as RunResult;
  }

  async hold(job: Extract<Job, { do: "hold" | "look" | "leave" }>): Promise<HoldResult> {
    return await this.#ask(job) as HoldResult;
  }

  close(): void {
    this.#child.stdin?.end();
  }

  async #ask(job: Job): Promise<unknown> {
    const line = await new Promise<string>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin?.write(`${JSON.stringify(job)}\n`);
    });
    return JSON.parse(line);
  }
}
