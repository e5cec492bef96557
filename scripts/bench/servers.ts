/** The processes that a bench starts: mock, load generator, gateway, baselines. All on the loopback, on free ports. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type FormatName, FORMATS } from "./content.ts";
import { treeOf } from "./proc.ts";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const EXECUTABLE = `${ROOT}dist/trivium`;

export interface Started {
  port: number;
  pid: number;
  stop(): Promise<void>;
}

export type RuntimeName = "bun" | "deno";

/** What answers a variant's requests. `direct`: the mock itself. */
export type ServerSpec =
  | { kind: "direct" }
  | { kind: "gateway"; runtime?: RuntimeName | "compiled"; workers?: number }
  | { kind: "bare"; runtime?: RuntimeName }
  | { kind: "naive"; to: FormatName; runtime?: RuntimeName };

/** The one that runs this. */
export const OWN_RUNTIME: RuntimeName = "Bun" in globalThis ? "bun" : "deno";

const COMMANDS: Readonly<Record<RuntimeName, readonly string[]>> = {
  bun: [OWN_RUNTIME === "bun" ? process.execPath : "bun", "run"],
  deno: [OWN_RUNTIME === "deno" ? process.execPath : "deno", "run", "-A"],
};

/** The command that runs a script of this folder. */
export function scriptCommand(file: string, runtime: RuntimeName): [string, ...string[]] {
  const [program = "", ...flags] = COMMANDS[runtime];
  return [program, ...flags, join(ROOT, "scripts/bench", file)];
}

export function hasDeno(): boolean {
  return spawnSync("deno", ["--version"]).status === 0;
}

/** Starts what `spec` names, before `upstream`, which is the mock. */
export async function startServer(spec: ServerSpec, upstream: Started): Promise<Started> {
  if (spec.kind === "direct") return { ...upstream, stop: async () => {} };
  if (spec.kind === "gateway") return await startGateway(spec, upstream.port);
  const flags = [
    "--upstream",
    `http://127.0.0.1:${upstream.port}`,
    ...(spec.kind === "naive" ? ["--to", spec.to] : []),
  ];
  return await startScript(`baselines/${spec.kind}.ts`, flags, spec.runtime);
}

/** A script of this folder that prints `listening PORT`. */
export async function startScript(file: string, flags: string[] = [], runtime = OWN_RUNTIME): Promise<Started> {
  // Without this Bun's fetch keeps 256 requests in flight at most; the gateway lifts that by itself.
  const env = { ...process.env, BUN_CONFIG_MAX_HTTP_REQUESTS: "65336" };
  return await start([...scriptCommand(file, runtime), ...flags], /listening (\d+)/, "pipe", env);
}

async function startGateway(
  { runtime = OWN_RUNTIME, workers }: Extract<ServerSpec, { kind: "gateway" }>,
  upstreamPort: number,
): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), "trivium-bench-"));
  const config = join(folder, "config.yaml");
  writeFileSync(config, gatewayConfig(upstreamPort, workers));
  // Workers share one port, which they have to know.
  const port = workers === undefined ? 0 : await freePort();
  const program = runtime === "compiled" ? [EXECUTABLE] : [...COMMANDS[runtime], `${ROOT}main.ts`];
  const log = openSync(join(folder, "access.log"), "w");
  const env = { ...process.env, BUN_CONFIG_MAX_HTTP_REQUESTS: undefined };
  const started = await start(
    [...program, "--config", config, "--port", String(port)],
    /at http:\/\/\S+?:(\d+)/,
    log,
    env,
  );
  const stop = async () => {
    await started.stop();
    rmSync(folder, { recursive: true });
  };
  return { ...started, stop };
}

/**
 * A config as people have one: presets beside the upstreams under test, rules for other models before theirs, a line in
 * the log per request. `chat-bench-…` has its own name at the upstream, `my-chat-bench-…` another.
 */
export function gatewayConfig(upstreamPort: number, workers?: number): string {
  const provider = (format: FormatName) =>
    `  ${format}: { base_url: "http://127.0.0.1:${upstreamPort}/v1", formats: [${format}], api_key: sk-upstream }\n`;
  const rules = (format: FormatName) =>
    `  - { name: "${format}-*", target: "${format}/${format}-*" }\n` +
    `  - { name: "my-${format}-*", target: "${format}/${format}-*" }\n`;
  return `listen: 127.0.0.1:0
${workers === undefined ? "" : `workers: ${workers}\n`}log: info
providers:
  mock: {}
  openai: {}
  anthropic: {}
${FORMATS.map(provider).join("")}models:
  - { name: demo, target: mock/echo }
  - { name: "gpt-*", target: "openai/gpt-*" }
  - { name: "text-embedding-*", target: "openai/text-embedding-*" }
  - { name: "claude-*", target: "anthropic/claude-*" }
${FORMATS.map(rules).join("")}`;
}

/** True when this gateway knows the key `workers`. */
export function takesWorkers(): boolean {
  const folder = mkdtempSync(join(tmpdir(), "trivium-bench-"));
  const config = join(folder, "config.yaml");
  writeFileSync(config, gatewayConfig(1, 2));
  const [program = "", ...runs] = COMMANDS[OWN_RUNTIME];
  const { status } = spawnSync(program, [...runs, `${ROOT}main.ts`, "check", "--config", config]);
  rmSync(folder, { recursive: true });
  return status === 0;
}

/** Waits until the process says its port by `pattern`. Throws with its output when it ends before. */
async function start(
  command: readonly string[],
  pattern: RegExp,
  stderr: number | "pipe",
  env: Record<string, string | undefined>,
): Promise<Started> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, { cwd: tmpdir(), env, stdio: ["ignore", "pipe", stderr] });
  let output = "";
  const port = await new Promise<number>((resolve, reject) => {
    const look = (bytes: Uint8Array): void => {
      if (output.length < MAX_OUTPUT) output += new TextDecoder().decode(bytes);
      const found = pattern.exec(output)?.[1];
      if (found !== undefined) resolve(Number(found));
    };
    child.stdout?.on("data", look);
    child.stderr?.on("data", look);
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`${command.join(" ")} ended with ${code}:\n${output}`)));
  });
  return { port, pid: child.pid ?? 0, stop: () => end(child) };
}

function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  return new Promise((resolve) =>
    server.once("listening", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? address?.port ?? 0 : 0));
    })
  );
}

const MAX_OUTPUT = 10_000;

/** The whole tree: nothing that it could still do counts. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  for (const pid of treeOf(child.pid ?? 0)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended with its parent.
    }
  }
  await exited;
}

export function hasExecutable(): boolean {
  return existsSync(EXECUTABLE);
}
