/** Scenarios about memory: at rest, per open stream, for a large body, over time. */
import { type Bench, type Figures, memoryFigures, type Pressure, sleep } from "./bench.ts";
import { rotated, type Scenario } from "./compare.ts";
import { cpuSeconds, forgetPeak, peakBytes, proportionalBytes, residentBytes } from "./proc.ts";
import { type Claim, judge, type Sample, type Section } from "./sections.ts";
import type { Started } from "./servers.ts";
import { bare, gateway, M2C, passing, streamed, type Variant, type Way, wholeAnswer } from "./variants.ts";

/** Each measurement starts a process of its own: more rounds than this bring little. */
const MOST_ROUNDS = 3;
/** For garbage and lazy work to be done with. */
const REST_MS = 2000;

const FEW: Pressure = { connections: 4 };

interface FreshScenario<V extends Variant> {
  name: string;
  title: string;
  columns: Section["columns"];
  variants: readonly V[];
  claims: readonly Claim[];
  measure(bench: Bench, server: Started, variant: V): Promise<Figures>;
}

/** Every variant in a process of its own, every round. */
function eachFresh<V extends Variant>({ name, variants, claims, measure, ...section }: FreshScenario<V>): Scenario {
  const run = async (bench: Bench): Promise<Section> => {
    const samples: Sample[] = [];
    for (let round = 0; round < Math.min(bench.settings.rounds, MOST_ROUNDS); round++) {
      for (const variant of rotated(variants, round)) {
        const server = await bench.start(variant.server);
        try {
          samples.push({ variant: variant.name, round, figures: await measure(bench, server, variant) });
        } finally {
          await server.stop();
        }
      }
    }
    samples.sort((a, b) => a.round - b.round);
    const { title, columns } = section;
    return { name, title, columns, samples, verdicts: claims.map((claim) => judge(claim, samples)) };
  };
  return { name, run };
}

/** The gateway before its first request and after some thousand, with nothing to do. */
export function idleMemory(): Scenario {
  const request = wholeAnswer(passing("chat"));
  return eachFresh({
    name: "idle-memory",
    title: "Memory at rest",
    columns: { freshMb: "RSS before the first request, MB", residentMb: "RSS after some thousand, MB" },
    variants: [gateway("gateway", request), bare(request)],
    claims: [{ figure: "freshMb", of: "gateway", limit: { atMost: 70 }, unit: "MB" }],
    measure: async (bench, server) => {
      await sleep(REST_MS);
      const freshMb = residentBytes(server.pid) / 1e6;
      await bench.warmUp(server, request, FEW, 2);
      await sleep(REST_MS);
      return { freshMb, ...memoryFigures(server) };
    },
  });
}

/** How many streams of a variant are open at once. */
export type Held = Variant & { streams: number };

const WATCH_MS = 8000;
const STREAMS_PER_SECOND = 500;

/** Many slow streams held open: memory and CPU of each, and their end when all clients leave at once. */
export function idleStreams(scenario: Omit<FreshScenario<Held>, "measure">): Scenario {
  return eachFresh({ ...scenario, measure: heldOpen });
}

async function heldOpen(
  bench: Bench,
  server: Started,
  { request, streams }: Held,
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
  const large = (way: Way) => wholeAnswer(way, { promptBytes: BODY_BYTES });
  return eachFresh({
    name: "body-size",
    title: "A request body of 20 MiB: peak of memory above that at rest",
    columns: { timesBody: "× body", cpuMs: "CPU ms" },
    variants: [
      gateway("gateway", large(passing("chat"))),
      gateway("gateway, messages→chat", large(M2C)),
      bare(large(passing("chat"))),
    ],
    claims: [{ figure: "timesBody", of: "gateway", limit: { atMost: 2 }, unit: "× body" }],
    measure: oneLargeBody,
  });
}

async function oneLargeBody(bench: Bench, server: Started, { request }: Variant): Promise<Figures> {
  await bench.warmUp(server, wholeAnswer(passing("chat")), FEW, 0.2);
  await sleep(REST_MS);
  const before = residentBytes(server.pid);
  forgetPeak(server.pid);
  const cpu = cpuSeconds(server.pid);
  const target = { ...request, port: server.port };
  const { firstFault } = await bench.load.run({ do: "run", target, connections: 1, requests: 1, seconds: 60 });
  if (firstFault !== undefined) throw new Error(firstFault);
  const cpuMs = (cpuSeconds(server.pid) - cpu) * 1000;
  return { timesBody: (peakBytes(server.pid) - before) / BODY_BYTES, cpuMs };
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
    const claim = { figure: "residentMb", of: `mark ${MARKS}`, against: `mark ${MARKS / 2}`, limit: { atMost: 1.1 } };
    return {
      name: "soak",
      title: `${bench.settings.soakSeconds} s of streams, passed and translated in turns, 4 connections`,
      columns: { residentMb: "RSS MB", proportionalMb: "PSS MB", cpuUsPerRequest: "CPU µs/stream" },
      samples,
      verdicts: [judge(claim, samples)],
    };
  };
  return { name: "soak", run };
}
