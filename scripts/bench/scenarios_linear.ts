/** Scenarios about growth: cost per delta must not grow with anything, cost per request with its size alone. */
import { compare, type Scenario } from "./compare.ts";
import { type Held, idleStreams } from "./memory.ts";
import {
  CROSS_WAYS,
  gateway,
  M2C,
  passing,
  PER_REQUEST,
  PER_STREAM,
  shownWay,
  streamed,
  type Way,
  wholeAnswer,
} from "./variants.ts";
import type { ServerSpec } from "./servers.ts";

export const LINEAR: Scenario[] = [passing("chat"), M2C].flatMap((way) => [
  compare({
    name: `linear-deltas-${way.client}-${way.upstream}`,
    title: `Cost per delta, ${shownWay(way)}: streams of 100 and of 10,000 deltas`,
    pressure: { connections: 8 },
    columns: PER_STREAM,
    variants: [100, 10_000].map((deltas) => gateway(`${deltas} deltas`, streamed(way, { deltas }))),
    claims: [{ figure: "cpuUsPerDelta", of: "10000 deltas", against: "100 deltas", limit: { atMost: 1.1 } }],
  }),
  compare({
    name: `linear-tools-${way.client}-${way.upstream}`,
    title: `Cost per delta, ${shownWay(way)}: 1 and 200 tools in the request, streams of 10,000 deltas`,
    pressure: { connections: 2 },
    longer: 2,
    columns: PER_STREAM,
    variants: [1, 200].map((tools) => gateway(`${tools} tools`, { ...streamed(way, { deltas: 10_000 }), tools })),
    claims: [{ figure: "cpuUsPerDelta", of: "200 tools", against: "1 tools", limit: { atMost: 1.1 } }],
  }),
]);

const FEW_AND_MANY = [{ streams: 1, paceUs: 2000 }, { streams: 1000, paceUs: 2_000_000 }];

function fewAndMany(name: string, server: ServerSpec, way: Way): Held[] {
  return FEW_AND_MANY.map(({ streams, paceUs }) => (
    { name: `${name}, ${streams}`, server, request: streamed(way, { deltas: 10_000, paceUs }), streams }
  ));
}

/** The same number of deltas a second in all; what a bare proxy's cost grows by is that of cold caches. */
export const STREAM_COUNT: Scenario = idleStreams({
  name: "linear-streams",
  title: "Cost per delta: 1 stream of 500 deltas a second, 1,000 streams of one each 2 s",
  columns: { cpuUsPerDelta: "CPU µs/delta" },
  variants: [
    ...fewAndMany("gateway", { kind: "gateway" }, passing("chat")),
    ...fewAndMany("gateway, messages→chat", { kind: "gateway" }, M2C),
    ...fewAndMany("bare", { kind: "bare" }, passing("chat")),
  ],
  claims: ["gateway", "gateway, messages→chat", "bare"].map((name) => ({
    figure: "cpuUsPerDelta",
    of: `${name}, 1000`,
    against: `${name}, 1`,
    ...(name === "bare" ? {} : { limit: { atMost: 1.1 } }),
  })),
});

export const HISTORY: Scenario = compare({
  name: "history",
  title: "A history of 500 messages and 2 MB, not streamed, 2 connections",
  pressure: { connections: 2 },
  columns: PER_REQUEST,
  variants: [passing("chat"), ...CROSS_WAYS].map((way) =>
    gateway(shownWay(way), wholeAnswer(way, { tools: 4, history: { messages: 500, bytes: 2_000_000 } }))
  ),
  claims: CROSS_WAYS.map((way) => (
    { figure: "cpuUsPerRequest", of: shownWay(way), limit: { atMost: 25_000 }, unit: "µs" }
  )),
});

export const WORKERS: Scenario = compare({
  name: "workers",
  title: "Two workers, messages→chat, a history of 500 messages and 2 MB (the load generator needs little for it)",
  pressure: { connections: 8 },
  columns: PER_REQUEST,
  variants: [1, 2].map((workers) => ({
    name: `${workers} workers`,
    server: { kind: "gateway", workers },
    request: wholeAnswer(M2C, { tools: 4, history: { messages: 500, bytes: 2_000_000 } }),
  })),
  claims: [{ figure: "requestsPerSecond", of: "2 workers", against: "1 workers", limit: { atLeast: 1.8 } }],
});
