/**
 * `bun run build`: one executable for this machine in dist/trivium. `bun run build --all`: Linux x64 and arm64, glibc
 * and musl, from this one machine.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const TARGETS = ["linux-x64", "linux-arm64", "linux-x64-musl", "linux-arm64-musl"];

/** The program, and the threads that it starts by name. */
const ENTRIES = ["main.ts", "lib/tokens/worker.ts"];

function bun(...args: string[]): void {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
}

function compile(outfile: string, target: string | undefined): void {
  const platform = target === undefined ? [] : [`--target=bun-${target}`];
  bun("build", "--compile", "--minify", "--sourcemap=none", ...platform, ...ENTRIES, "--outfile", outfile);
  process.stdout.write(`${outfile}\n`);
}

if (!existsSync(`${root}node_modules/zod`)) bun("install", "--frozen-lockfile", "--production");
mkdirSync(`${root}dist`, { recursive: true });
if (process.argv.includes("--all")) {
  for (const target of TARGETS) compile(`dist/trivium-${target}`, target);
  const sums = TARGETS.map((target) => {
    const hash = createHash("sha256").update(readFileSync(`${root}dist/trivium-${target}`)).digest("hex");
    return `${hash}  trivium-${target}\n`;
  });
  writeFileSync(`${root}dist/SHA256SUMS`, sums.join(""));
} else {
  compile("dist/trivium", undefined);
}
