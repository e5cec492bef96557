/** Trivium as a process of its own: from source on the runtime that runs the tests, or a compiled executable. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const IS_BUN = "Bun" in globalThis;

/** The command that runs main.ts from source. */
export const SOURCE: readonly string[] = IS_BUN
  ? [process.execPath, "run", `${ROOT}main.ts`]
  : [process.execPath, "run", "-A", `${ROOT}main.ts`];

export type Signal = "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGKILL";

export interface StartedProcess {
  url: string;
  pid: number;
  /** What it has written to stdout and stderr so far. */
  output(): string;
  signal(name: Signal): void;
  /** To it and all that it has started, as a terminal does. */
  signalAll(name: Signal): void;
  /** The exit code, once it has ended. */
  exited: Promise<number | null>;
  stop(): Promise<number | null>;
}

/** Starts a command that serves, and waits until it says where. Throws with its output when it ends before that. */
export async function startProcess(
  command: readonly string[],
  env: Record<string, string> = {},
  cwd: string = ROOT,
): Promise<StartedProcess> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, {
    cwd,
    env: { ...cleanEnvironment(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
    // The head of a group of its own, which can be signalled as one.
    detached: true,
  });
  let output = "";
  const exited = new Promise<number | null>((resolve) => child.on("exit", (code) => resolve(code)));
  const url = await new Promise<string>((resolve, reject) => {
    const look = (bytes: Uint8Array): void => {
      output += new TextDecoder().decode(bytes);
      const found = /at (http:\/\/\S+?:\d+)/.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout?.on("data", look);
    child.stderr?.on("data", look);
    child.on("error", reject);
    void exited.then((code) => reject(new Error(`ended with ${code} before it served:\n${output}`)));
  });
  return {
    url,
    pid: child.pid ?? 0,
    output: () => output,
    // Not `child.kill`: on Deno the exit then reads as killed, whatever the process made of the signal.
    signal: (name) => void process.kill(child.pid ?? 0, name),
    signalAll: (name) => void process.kill(-(child.pid ?? 0), name),
    exited,
    stop: () => endOf(child, exited),
  };
}

async function endOf(child: ChildProcess, exited: Promise<number | null>): Promise<number | null> {
  try {
    process.kill(child.pid ?? 0, "SIGTERM");
  } catch {
    // It has ended by itself.
  }
  const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
  const code = await exited;
  clearTimeout(timer);
  return code;
}

/** Runs a command to its end. */
export function runProcess(
  command: readonly string[],
  env: Record<string, string> = {},
  cwd: string = ROOT,
  input: string = "",
): { code: number | null; stdout: string; stderr: string } {
  const [file = "", ...args] = command;
  const done = spawnSync(file, args, { cwd, env: { ...cleanEnvironment(), ...env }, encoding: "utf8", input });
  return { code: done.status, stdout: done.stdout, stderr: done.stderr };
}

/** Builds the executable as `bun run build` does, on Bun alone. */
export function buildExecutable(outfile: string): { code: number | null; stderr: string } {
  return runProcess([process.execPath, "run", `${ROOT}scripts/build.ts`, "--outfile", outfile]);
}

/** What runs the tests may have keys, a port or Bun's lifted cap in its environment: the process must do without. */
function cleanEnvironment(): Record<string, string> {
  const clean: Record<string, string> = {};
  for (const name of ["PATH", "HOME", "TMPDIR", "DENO_DIR", "XDG_CACHE_HOME", "BUN_INSTALL"]) {
    const value = process.env[name];
    if (value !== undefined) clean[name] = value;
  }
  for (const [name, value] of Object.entries(process.env)) {
    if (/^npm_config_/i.test(name) && value !== undefined) clean[name] = value;
  }
  return clean;
}

/** Resident memory in bytes, 0 where there is no /proc. */
export function residentBytes(pid: number): number {
  try {
    const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}
