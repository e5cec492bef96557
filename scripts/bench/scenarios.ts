/** Every scenario, in the order of the report. A new one: a line of `compare({ … })` here. */
import { compare, type Comparison, type Scenario } from "./compare.ts";
import { FORMATS, type Script } from "./content.ts";
import { bodySize, idleMemory, idleStreams, soak } from "./memory.ts";
import { HISTORY, LINEAR, STREAM_COUNT, WORKERS } from "./scenarios_linear.ts";
import type { Claim } from "./sections.ts";
import { coldStart, executableSize } from "./starts.ts";
import { hasDeno, OWN_RUNTIME, type RuntimeName, takesWorkers } from "./servers.ts";
import {
  AT_ONCE,
  atOnce,
  bare,
  CROSS_WAYS,
  EACH_5_MS,
  FULL,
  gateway,
  M2C,
  paced,
  passing,
  PER_REQUEST,
  shownWay,
  streamed,
  type Way,
  wholeAnswer,
} from "./variants.ts";

const PASS_WHOLE_LIMIT = { atMost: 1.3 };
const PASS_STREAM_LIMIT = { atMost: 1.1 };
const TRANSLATED_LIMIT = { atMost: 0.9 };

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
  runtime: RuntimeName = OWN_RUNTIME,
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
    gateway("gateway, messages→chat", streamed(M2C, { ...EACH_5_MS, deltas: 20 })),
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
