/**
 * The gate: what must hold before anything lands. Runs under Bun with Deno on the PATH; prints what failed and ends with
 * `N passed, N failed`.
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
let passed = 0;
let failed = 0;

interface Run {
  status: number;
  output: string;
}

function run(name: string, command: string, ...args: string[]): Run {
  process.stdout.write(`== ${name}: ${command} ${args.join(" ")}\n`);
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  const output = `${stdout ?? ""}${stderr ?? ""}${error === undefined ? "" : String(error)}`;
  return { status: status ?? 1, output };
}

/** A check that passes or fails as a whole. */
function check(name: string, command: string, ...args: string[]): void {
  const { status, output } = run(name, command, ...args);
  if (status === 0) passed++;
  else failed++;
  if (status !== 0) process.stdout.write(`${output}\nFAILED: ${name}\n`);
}

/** A test run, whose own count is added up; a run that counts nothing has failed. */
function tests(name: string, count: (output: string) => [number, number], command: string, ...args: string[]): void {
  const { status, output } = run(name, command, ...args);
  const [good, bad] = count(output);
  const isBroken = status !== 0 && bad === 0 || good === 0;
  passed += good;
  failed += bad + (isBroken ? 1 : 0);
  process.stdout.write(`   ${good} passed, ${bad} failed${isBroken ? ", the run itself failed" : ""}\n`);
  if (status !== 0 || isBroken) process.stdout.write(`${output}\nFAILED: ${name}\n`);
}

function numberBefore(output: string, pattern: RegExp): number {
  return Number([...output.matchAll(pattern)].at(-1)?.[1] ?? 0);
}

function bunCount(output: string): [number, number] {
  return [numberBefore(output, /^\s*(\d+) pass$/gm), numberBefore(output, /^\s*(\d+) fail$/gm)];
}

function denoCount(output: string): [number, number] {
  // deno-lint-ignore no-control-regex -- Deno colours its summary
  const plain = output.replace(/\u001b\[[0-9;]*m/g, "");
  return [numberBefore(plain, /(\d+) passed/g), numberBefore(plain, /passed \| (\d+) failed|(\d+) failed/g)];
}

check("format", "deno", "fmt", "--check");
check("lint", "deno", "lint");
check("types", "deno", "check", "main.ts", "lib", "scripts", "tests");
check("config", process.execPath, "run", "main.ts", "check");
check("executable", process.execPath, "run", "scripts/build.ts");
tests("tests on Bun", bunCount, process.execPath, "test");
tests("tests on Deno", denoCount, "deno", "test", "-A", "--no-check", "tests");

process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
