/** Scenarios about starting: from the command to the first answer, and what there is to load. */
import { statSync } from "node:fs";
import { type Bench, type Figures, memoryFigures } from "./bench.ts";
import { rotated, type Scenario } from "./compare.ts";
import { PATHS } from "./content.ts";
import { cpuSeconds } from "./proc.ts";
import { requestBody } from "./requests.ts";
import { type Claim, judge, type Sample, type Section } from "./sections.ts";
import { EXECUTABLE, hasExecutable, type ServerSpec } from "./servers.ts";
import { passing, wholeAnswer } from "./variants.ts";

interface Start {
  name: string;
  spec: ServerSpec;
}

export function coldStart(): Scenario {
  const starts: Start[] = [
    { name: "gateway", spec: { kind: "gateway" } },
    ...(hasExecutable()
      ? [{ name: "gateway, executable", spec: { kind: "gateway", runtime: "compiled" } } as const]
      : []),
    { name: "bare", spec: { kind: "bare" } },
  ];
  const claims = starts.slice(0, -1).map(({ name }): Claim => (
    { figure: "firstAnswerMs", of: name, against: "bare", by: "difference", limit: { atMost: 100 }, unit: "ms" }
  ));
  return { name: "cold-start", run: (bench) => runStarts(bench, starts, claims) };
}

async function runStarts(bench: Bench, starts: readonly Start[], claims: readonly Claim[]): Promise<Section> {
  // The first start of each reads its files from the disk: it isn't counted.
  for (const { spec } of starts) await startedOnce(bench, spec);
  const samples: Sample[] = [];
  for (let round = 0; round < bench.settings.rounds * 2; round++) {
    for (const { name, spec } of rotated(starts, round)) {
      samples.push({ variant: name, round, figures: await startedOnce(bench, spec) });
    }
  }
  samples.sort((a, b) => a.round - b.round);
  return {
    name: "cold-start",
    title: "From the start of the process to its first answer",
    columns: { firstAnswerMs: "ms", cpuMs: "CPU ms", residentMb: "RSS MB" },
    samples,
    verdicts: claims.map((claim) => judge(claim, samples)),
  };
}

async function startedOnce(bench: Bench, spec: ServerSpec): Promise<Figures> {
  const since = performance.now();
  const server = await bench.start(spec);
  try {
    const headers = { "content-type": "application/json" };
    const body = requestBody(wholeAnswer(passing("chat")));
    const url = `http://127.0.0.1:${server.port}${PATHS.chat}`;
    const answer = await fetch(url, { method: "POST", headers, body });
    await answer.text();
    if (!answer.ok) throw new Error(`The first answer had status ${answer.status}`);
    const firstAnswerMs = performance.now() - since;
    return { firstAnswerMs, cpuMs: cpuSeconds(server.pid) * 1000, ...memoryFigures(server) };
  } finally {
    await server.stop();
  }
}

/** Nothing to say where none was built. */
export function executableSize(): Scenario {
  // deno-lint-ignore require-await -- a scenario is asynchronous
  const run = async (): Promise<Section> => {
    const samples = hasExecutable()
      ? [{ variant: "dist/trivium", round: 0, figures: { megabytes: statSync(EXECUTABLE).size / 1e6 } }]
      : [];
    const claim = { figure: "megabytes", of: "dist/trivium", limit: { atMost: 115 }, unit: "MB" };
    const verdicts = samples.map(() => judge(claim, samples));
    return { name: "executable", title: "Size of the executable", columns: { megabytes: "MB" }, samples, verdicts };
  };
  return { name: "executable", run };
}
