/** Every scenario, in the order of the report. A new one: a line of `compare({ … })` here. */
import {
  compare,
  type Comparison,
  CROSS_WAYS,
  passing,
  type Scenario,
  shownWay,
  streamed,
  type Variant,
  type Way,
  wholeAnswer,
} from "./compare.ts";
import { FORMATS, type Script } from "./content.ts";
import { bodySize, idleMemory, idleStreams, soak } from "./memory.ts";
import type { Claim, Section } from "./sections.ts";
import { coldStart, executableSize } from "./starts.ts";
import { hasDeno, type RuntimeName, takesWorkers } from "./servers.ts";

const PER_REQUEST: Section["columns"] = {
  cpuUsPerRequest: "CPU µs/request",
  requestsPerSecond: "requests/s",
  latencyP50Ms: "p50 ms",
  latencyP99Ms: "p99 ms",
};
const PER_STREAM: Section["columns"] = {
  cpuUsPerRequest: "CPU µs/stream",
  cpuUsPerDelta: "µs/delta",
  readsPerRequest: "reads/stream",
  requestsPerSecond: "streams/s",
  firstTokenP50Ms: "first token p50 ms",
};
const PACED: Section["columns"] = {
  cpuUsPerDelta: "CPU µs/delta",
  firstTokenP50Ms: "first token p50 ms",
  firstTokenP99Ms: "p99 ms",
  gapP99Ms: "gap p99 ms",
};

const AT_ONCE: Partial<Script> = {};
const EACH_5_MS: Partial<Script> = { paceUs: 5000 };
const FULL: Partial<Script> = { thinking: true, tools: true };

const PASS_WHOLE_LIMIT = { atMost: 1.3 };
const PASS_STREAM_LIMIT = { atMost: 1.1 };
const TRANSLATED_LIMIT = { atMost: 0.9 };

function gateway(name: string, request: Variant["request"], runtime: RuntimeName = "bun"): Variant {
  return { name, server: { kind: "gateway", runtime }, request };
}

function bare(request: Variant["request"], runtime: RuntimeName = "bun"): Variant {
  return { name: "bare", server: { kind: "bare", runtime }, request };
}

/** The gateway against the bare proxy, with a model that has its own name at the upstream, and one that hasn't. */
function passed(way: Way, script: Partial<Script>): Pick<Comparison, "variants" | "claims"> {
  const figure = script.paceUs === undefined ? "cpuUsPerRequest" : "cpuUsPerDelta";
  const claim = (of: string): Claim => ({ figure, of, against: "bare", limit: PASS_STREAM_LIMIT });
  return {
    variants: [
      gateway("gateway", streamed(way, script)),
      gateway("gateway, aliased", streamed(way, script, true)),
      bare(streamed(way, script)),
    ],
    claims: [claim("gateway"), claim("gateway, aliased")],
  };
}

/** The gateway against the naive translator of the same pair. */
function translated(
  way: Way,
  script: Partial<Script>,
  runtime: RuntimeName = "bun",
): Pick<Comparison, "variants" | "claims"> {
  const figure = script.paceUs === undefined ? "cpuUsPerRequest" : "cpuUsPerDelta";
  const request = streamed(way, script);
  const limit = runtime === "bun" ? { limit: TRANSLATED_LIMIT } : {};
  return {
    variants: [
      gateway("gateway", request, runtime),
      { name: "naive", server: { kind: "naive", to: way.upstream, runtime }, request },
    ],
    claims: [{ figure, of: "gateway", against: "naive", ...limit }],
  };
}

const atOnce = { pressure: { connections: 16 }, columns: PER_STREAM };
const paced = { pressure: { connections: 32 }, columns: PACED, longer: 1.5 };

const PASSED: Scenario[] = [
  compare({
    name: "pass-whole",
    title: "Pass-through, not streamed, 600 B, 32 connections",
    pressure: { connections: 32 },
    columns: PER_REQUEST,
    isQuick: true,
    variants: [
      gateway("gateway", wholeAnswer(passing("chat"))),
      gateway("gateway, aliased", wholeAnswer(passing("chat"), {}, true)),
      bare(wholeAnswer(passing("chat"))),
    ],
    claims: ["gateway", "gateway, aliased"].map((of) => (
      { figure: "cpuUsPerRequest", of, against: "bare", limit: PASS_WHOLE_LIMIT }
    )),
  }),
  ...FORMATS.map((format) =>
    compare({
      name: `pass-stream-${format}`,
      title: `Pass-through, ${format}, 100 deltas at once, 16 connections`,
      ...atOnce,
      ...passed(passing(format), AT_ONCE),
      isQuick: format === "chat",
    })
  ),
  ...FORMATS.map((format) =>
    compare({
      name: `pass-paced-${format}`,
      title: `Pass-through, ${format}, a delta each 5 ms, 32 connections`,
      ...paced,
      ...passed(passing(format), EACH_5_MS),
    })
  ),
];

const TRANSLATED: Scenario[] = [
  { label: "stream", title: "100 deltas at once, 16 connections", script: AT_ONCE, load: atOnce, isQuick: true },
  { label: "paced", title: "a delta each 5 ms, 32 connections", script: EACH_5_MS, load: paced, isQuick: false },
].flatMap(({ label, title, script, load, isQuick }) =>
  [
    { kind: "translate", words: "", more: {} },
    { kind: "full", words: " with thinking and tools", more: FULL },
  ].flatMap(({ kind, words, more }) =>
    CROSS_WAYS.map((way) =>
      compare({
        name: `${kind}-${label}-${way.client}-${way.upstream}`,
        title: `${shownWay(way)}${words}, ${title}`,
        ...load,
        ...translated(way, { ...script, ...more }),
        isQuick: isQuick && kind === "translate",
      })
    )
  )
);

const FIRST_TOKEN: Scenario = compare({
  name: "first-token",
  title: "First token, open loop of 200 streams/s, 20 deltas each 5 ms",
  pressure: { ratePerSecond: 200 },
  columns: { firstTokenP50Ms: "first token p50 ms", firstTokenP99Ms: "p99 ms", gapP99Ms: "gap p99 ms" },
  longer: 2,
  variants: [
    { name: "direct", server: { kind: "direct" }, request: streamed(passing("chat"), { ...EACH_5_MS, deltas: 20 }) },
    gateway("gateway", streamed(passing("chat"), { ...EACH_5_MS, deltas: 20 })),
    gateway("gateway, messages→chat", streamed({ client: "messages", upstream: "chat" }, { ...EACH_5_MS, deltas: 20 })),
    bare(streamed(passing("chat"), { ...EACH_5_MS, deltas: 20 })),
  ],
  claims: ["gateway", "gateway, messages→chat", "bare"].flatMap((of) => [
    { figure: "firstTokenP50Ms", of, against: "direct", by: "difference", unit: "ms p50", ...limitOf(of, 0.5) },
    { figure: "firstTokenP99Ms", of, against: "direct", by: "difference", unit: "ms p99", ...limitOf(of, 3) },
  ]),
});

function limitOf(variant: string, atMost: number): Pick<Claim, "limit"> {
  return variant === "bare" ? {} : { limit: { atMost } };
}

const M2C: Way = { client: "messages", upstream: "chat" };

/** Cost per delta must not grow with anything. */
const LINEAR: Scenario[] = [passing("chat"), M2C].flatMap((way) => [
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

/** The same number of deltas a second in all; what a bare proxy's cost grows by is that of cold caches. */
const STREAM_COUNT: Scenario = idleStreams({
  name: "linear-streams",
  title: "Cost per delta: 1 stream of 500 deltas a second, 1,000 streams of one each 2 s",
  columns: { cpuUsPerDelta: "CPU µs/delta" },
  ...forBoth((name, server, way) =>
    [{ streams: 1, paceUs: 2000 }, { streams: 1000, paceUs: 2_000_000 }].map(({ streams, paceUs }) => (
      { name: `${name}, ${streams}`, server, request: streamed(way, { deltas: 10_000, paceUs }), streams }
    ))
  ),
});

function forBoth(
  variantsOf: (name: string, server: Variant["server"], way: Way) => (Variant & { streams: number })[],
): { variants: (Variant & { streams: number })[]; claims: Claim[] } {
  const figure = "cpuUsPerDelta";
  return {
    variants: [
      ...variantsOf("gateway", { kind: "gateway" }, passing("chat")),
      ...variantsOf("gateway, messages→chat", { kind: "gateway" }, M2C),
      ...variantsOf("bare", { kind: "bare" }, passing("chat")),
    ],
    claims: [
      { figure, of: "gateway, 1000", against: "gateway, 1", limit: { atMost: 1.1 } },
      { figure, of: "gateway, messages→chat, 1000", against: "gateway, messages→chat, 1", limit: { atMost: 1.1 } },
      { figure, of: "bare, 1000", against: "bare, 1" },
    ],
  };
}

const HISTORY: Scenario = compare({
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

const SLOW = { deltas: 1000, paceUs: 1_000_000 };

/** Memory of open streams; and, when all their clients leave at once, how soon the upstream's are closed. */
const IDLE: Scenario[] = [1000, 5000].map((streams) =>
  idleStreams({
    name: `idle-${streams}`,
    title: `${streams} streams at one delta a second; then all leave at once`,
    columns: {
      kbPerStream: "KB/stream",
      kbPerStreamProportional: "KB/stream (PSS)",
      cpuUsPerDelta: "CPU µs/delta",
      cancelMs: "cancelled after ms",
    },
    variants: [
      { ...gateway("gateway", streamed(passing("chat"), SLOW)), streams },
      { ...gateway("gateway, messages→chat", streamed(M2C, SLOW)), streams },
      { ...bare(streamed(passing("chat"), SLOW)), streams },
      { name: "naive, messages→chat", server: { kind: "naive", to: "chat" }, request: streamed(M2C, SLOW), streams },
    ],
    claims: [
      { figure: "kbPerStream", of: "gateway", limit: { atMost: 25 }, unit: "KB" },
      { figure: "kbPerStream", of: "gateway, messages→chat", limit: { atMost: 40 }, unit: "KB" },
      ...["gateway", "gateway, messages→chat"].map((of) => (
        { figure: "cancelMs", of, limit: { atMost: 500 }, unit: "ms until cancelled" }
      )),
    ],
  })
);

const WORKERS: Scenario = compare({
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

const DENO: Scenario[] = [
  compare({
    name: "deno-pass-stream",
    title: "Deno: pass-through, chat, 100 deltas at once, 16 connections",
    ...atOnce,
    variants: [gateway("gateway", streamed(passing("chat")), "deno"), bare(streamed(passing("chat")), "deno")],
    claims: [{ figure: "cpuUsPerRequest", of: "gateway", against: "bare" }],
  }),
  ...CROSS_WAYS.slice(0, 3).map((way) =>
    compare({
      name: `deno-stream-${way.client}-${way.upstream}`,
      title: `Deno: ${shownWay(way)}, 100 deltas at once, 16 connections`,
      ...atOnce,
      ...translated(way, AT_ONCE, "deno"),
    })
  ),
  compare({
    name: "deno-paced-messages-chat",
    title: "Deno: messages→chat, a delta each 5 ms, 32 connections",
    ...paced,
    ...translated(M2C, EACH_5_MS, "deno"),
  }),
];

/** Those that this checkout and this machine can run. */
export function scenarios(): Scenario[] {
  return [
    ...PASSED,
    ...TRANSLATED,
    FIRST_TOKEN,
    idleMemory(),
    ...IDLE,
    bodySize(),
    coldStart(),
    executableSize(),
    ...LINEAR,
    STREAM_COUNT,
    HISTORY,
    ...(takesWorkers() ? [WORKERS] : []),
    soak(M2C),
    ...(hasDeno() ? DENO : []),
  ];
}
