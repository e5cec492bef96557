/**
 * `bun run build`: one executable for this machine in dist/trivium, or where `--outfile` says. `bun run build --all`:
 * Linux x64 and arm64, glibc and musl, from this one machine.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { brotliCompressSync } from "node:zlib";

const root = fileURLToPath(new URL("..", import.meta.url));
const TARGETS = ["linux-x64", "linux-arm64", "linux-x64-musl", "linux-arm64-musl"];

function bun(...args: string[]): void {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
}

/** The tokenizer's thread, packed as `openWorker` takes it: most of it is tables, which bytecode would make thrice as large. */
function packThread(folder: string): string {
  const [plain, packed] = [join(folder, "tokens.js"), join(folder, "tokens.js.br")];
  bun("build", "--minify", "--target=bun", "lib/tokens/worker.ts", "--outfile", plain);
  writeFileSync(packed, brotliCompressSync(readFileSync(plain)));
  return packed;
}

/** With bytecode: parsing the source would take most of the start. */
function compile(outfile: string, asset: string, target: string | undefined): void {
  const platform = target === undefined ? [] : [`--target=bun-${target}`];
  const made = ["--compile", "--bytecode", "--format=esm", "--minify", "--sourcemap=none", "--asset", asset];
  bun("build", ...made, ...platform, "main.ts", "--outfile", outfile);
  process.stdout.write(`${outfile}\n`);
}

function build(flags: { all?: boolean; outfile?: string }, asset: string): void {
  if (flags.all !== true) return compile(flags.outfile ?? "dist/trivium", asset, undefined);
  for (const target of TARGETS) compile(`dist/trivium-${target}`, asset, target);
  const sums = TARGETS.map((target) => {
    const hash = createHash("sha256").update(readFileSync(`${root}dist/trivium-${target}`)).digest("hex");
    return `${hash}  trivium-${target}\n`;
  });
  writeFileSync(`${root}dist/SHA256SUMS`, sums.join(""));
}

if (!existsSync(`${root}node_modules/zod`)) bun("install", "--frozen-lockfile", "--production");
mkdirSync(`${root}dist`, { recursive: true });
const { values } = parseArgs({ options: { all: { type: "boolean" }, outfile: { type: "string" } } });
const folder = mkdtempSync(join(tmpdir(), "trivium-build-"));
build(values, packThread(folder));
rmSync(folder, { recursive: true });
