/** Scenarios about memory: at rest, per open stream, for a large body, over time. */
import { type Bench, type Figures, memoryFigures, type Pressure, sleep } from "./bench.ts";
import { passing, rotated, type Scenario, streamed, type Variant, type Way, wholeAnswer } from "./compare.ts";
import { cpuSeconds, forgetPeak, peakBytes, proportionalBytes, residentBytes } from "./proc.ts";
import { type Claim, judge, type Sample, type Section } from "./sections.ts";
import type { Started } from "./servers.ts";

/** Each measurement starts a process of its own: more rounds than this bring little. */
const MOST_ROUNDS = 3;
/** For garbage and lazy work to be done with. */
const REST_MS = 2000;

const FEW: Pressure = { connections: 4 };

/** Every variant in a fresh process, every round. */
async function eachFresh<V extends Variant>(
  bench: Bench,
  variants: readonly V[],
  measure: (server: Started, variant: V) => Promise<Figures>,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let round = 0; round < Math.min(bench.settings.rounds, MOST_ROUNDS); round++) {
    for (const variant of rotated(variants, round)) {
      const server = await bench.start(variant.server);
      try {
        samples.push({ variant: variant.name, round, figures: await measure(server, variant) });
      } finally {
        await server.stop();
      }
    }
  }
  return samples;
}

function sectionOf(section: Omit<Section, "verdicts">, claims: readonly Claim[]): Section {
  return { ...section, verdicts: claims.map((claim) => judge(claim, section.samples)) };
}

/** The gateway before its first request and after some thousand, with nothing to do. */
export function idleMemory(): Scenario {
  const request = wholeAnswer(passing("chat"));
  const variants: Variant[] = [
    { name: "gateway", server: { kind: "gateway" }, request },
    { name: "bare", server: { kind: "bare" }, request },
  ];
  const measure = async (bench: Bench, server: Started): Promise<Figures> => {
    await sleep(REST_MS);
    const freshMb = residentBytes(server.pid) / 1e6;
    await bench.warmUp(server, request, FEW, 2);
    await sleep(REST_MS);
    return { freshMb, ...memoryFigures(server) };
  };
  return {
    name: "idle-memory",
    run: async (bench) =>
      sectionOf({
        name: "idle-memory",
        title: "Memory at rest",
        columns: { freshMb: "RSS before the first request, MB", residentMb: "RSS after some thousand, MB" },
        samples: await eachFresh(bench, variants, (server) => measure(bench, server)),
      }, [{ figure: "freshMb", of: "gateway", limit: { atMost: 70 }, unit: "MB" }]),
  };
}

export interface IdleStreams {
  name: string;
  title: string;
  variants: readonly (Variant & { streams: number })[];
  columns: Section["columns"];
  claims: readonly Claim[];
}

const WATCH_MS = 8000;
const STREAMS_PER_SECOND = 500;

/** Many slow streams held open: memory and CPU of each, and their end when all clients leave at once. */
export function idleStreams({ name, title, variants, columns, claims }: IdleStreams): Scenario {
  const run = async (bench: Bench): Promise<Section> => {
    const samples = await eachFresh(bench, variants, (server, variant) => heldOpen(bench, server, variant));
    return sectionOf({ name, title, columns, samples }, claims);
  };
  return { name, run };
}

async function heldOpen(
  bench: Bench,
  server: Started,
  { request, streams }: Variant & { streams: number },
): Promise<Figures> {
  const target = { ...request, port: server.port };
  await bench.warmUp(server, streamed(wayOf(request)), FEW, 0.5);
  await sleep(REST_MS);
  const before = memoryOf(server);
  const { open } = await bench.load.hold({ do: "hold", target, streams, perSecond: STREAMS_PER_SECOND });
  if (open < streams) throw new Error(`Only ${open} of ${streams} streams were opened`);
  await sleep(REST_MS);
  const watched = await watch(bench, server);
  const after = memoryOf(server);
  return {
    ...watched,
    kbPerStream: (after.resident - before.resident) / 1000 / streams,
    kbPerStreamProportional: (after.proportional - before.proportional) / 1000 / streams,
    cancelMs: await leave(bench),
  };
}

/** The way that a request takes, by its model's name. */
function wayOf({ format, model }: Variant["request"]): Way {
  return { client: format, upstream: (model.replace(/^my-/, "").split("-")[0] ?? format) as Way["upstream"] };
}

function memoryOf({ pid }: Started): { resident: number; proportional: number } {
  return { resident: residentBytes(pid), proportional: proportionalBytes(pid) };
}

async function watch(bench: Bench, server: Started): Promise<Figures> {
  const [cpu, { deltas }] = [cpuSeconds(server.pid), await bench.load.hold({ do: "look" })];
  await sleep(WATCH_MS);
  const spent = cpuSeconds(server.pid) - cpu;
  const brought = (await bench.load.hold({ do: "look" })).deltas - deltas;
  return { cpuUsPerDelta: spent * 1e6 / brought, deltasPerSecond: brought * 1000 / WATCH_MS };
}

const LONGEST_LEAVE_MS = 10_000;

/** Milliseconds from the clients' leave to the last cancelled stream at the upstream. */
async function leave(bench: Bench): Promise<number> {
  const { at } = await bench.load.hold({ do: "leave" });
  while (Date.now() - at < LONGEST_LEAVE_MS) {
    const { open, lastCancelAt } = await bench.mockStats();
    if (open === 0) return lastCancelAt - at;
    await sleep(20);
  }
  return LONGEST_LEAVE_MS;
}

const BODY_BYTES = 20 * 1024 * 1024;

/** What one request of 20 MiB costs at its peak, in times of its size. */
export function bodySize(): Scenario {
  const small = wholeAnswer(passing("chat"));
  const large = (way: Way) => wholeAnswer(way, { promptBytes: BODY_BYTES });
  const variants: Variant[] = [
    { name: "gateway", server: { kind: "gateway" }, request: large(passing("chat")) },
    {
      name: "gateway, messages→chat",
      server: { kind: "gateway" },
      request: large({ client: "messages", upstream: "chat" }),
    },
    { name: "bare", server: { kind: "bare" }, request: large(passing("chat")) },
  ];
  const measure = async (bench: Bench, server: Started, { request }: Variant): Promise<Figures> => {
    await bench.warmUp(server, small, FEW, 0.2);
    await sleep(REST_MS);
    const before = residentBytes(server.pid);
    forgetPeak(server.pid);
    const cpu = cpuSeconds(server.pid);
    const job = { do: "run", target: { ...request, port: server.port }, connections: 1, requests: 1 } as const;
    const { firstFault } = await bench.load.run({ ...job, seconds: 60 });
    if (firstFault !== undefined) throw new Error(firstFault);
    const cpuMs = (cpuSeconds(server.pid) - cpu) * 1000;
    return { timesBody: (peakBytes(server.pid) - before) / BODY_BYTES, cpuMs };
  };
  return {
    name: "body-size",
    run: async (bench) =>
      sectionOf({
        name: "body-size",
        title: "A request body of 20 MiB: peak of memory above that at rest",
        columns: { timesBody: "× body", cpuMs: "CPU ms" },
        samples: await eachFresh(bench, variants, (server, variant) => measure(bench, server, variant)),
      }, [{ figure: "timesBody", of: "gateway", limit: { atMost: 2 }, unit: "× body" }]),
  };
}

const MARKS = 6;

/** Memory under a steady load, mark by mark. */
export function soak(way: Way): Scenario {
  const run = async (bench: Bench): Promise<Section> => {
    const server = await bench.start({ kind: "gateway" });
    const samples: Sample[] = [];
    try {
      for (let mark = 1; mark <= MARKS; mark++) {
        const seconds = bench.settings.soakSeconds / MARKS / 2;
        await bench.warmUp(server, streamed(passing("chat"), {}, true), FEW, seconds);
        const figures = await bench.measure(server, streamed(way), FEW, seconds);
        samples.push({ variant: `mark ${mark}`, round: 0, figures });
      }
    } finally {
      await server.stop();
    }
    return sectionOf({
      name: "soak",
      title: `${bench.settings.soakSeconds} s of streams, passed and translated in turns, 4 connections`,
      columns: { residentMb: "RSS MB", proportionalMb: "PSS MB", cpuUsPerRequest: "CPU µs/stream" },
      samples,
    }, [{ figure: "residentMb", of: `mark ${MARKS}`, against: `mark ${MARKS / 2}`, limit: { atMost: 1.1 } }]);
  };
  return { name: "soak", run };
}
