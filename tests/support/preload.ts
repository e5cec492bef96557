/**
 * bunfig.toml's test preload: makes `bun test` work in a fresh clone. Without `node_modules` it installs what `bun.lock`
 * names and runs the same command again in a child, because this process has already cached that nothing was there.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const GUARD = "TRIVIUM_TEST_INSTALLED";
/** A development dependency: `bun install --production` alone is not enough to run the tests. */
const PROOF = `${ROOT}node_modules/openai/package.json`;

/** `process.argv` lacks the runtime's own flags (`-t`, `--timeout`), so the command is read from the system. */
function ownArguments(): string[] {
  if (existsSync("/proc/self/cmdline")) {
    return readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(1, -1);
  }
  const ps = spawnSync("ps", ["-ww", "-o", "args=", "-p", String(process.pid)], { encoding: "utf8" });
  const words = (ps.stdout ?? "").trim().split(/\s+/).slice(1);
  return words.length > 0 ? words : ["test"];
}

function run(args: string[]): number {
  const child = spawnSync(process.execPath, args, { stdio: "inherit", env: { ...process.env, [GUARD]: "1" } });
  if (child.error !== undefined) throw child.error;
  // As a shell reports a child that a signal ended.
  if (child.signal !== null) return 128 + constants.signals[child.signal];
  return child.status ?? 1;
}

function install(): void {
  const child = spawnSync(process.execPath, ["install", "--frozen-lockfile"], { stdio: "inherit", cwd: ROOT });
  if (child.error !== undefined) throw child.error;
  if (child.status !== 0) {
    console.error("The tests need the packages of bun.lock, and `bun install --frozen-lockfile` failed");
    process.exit(child.status ?? 1);
  }
}

if (!existsSync(PROOF) && process.env[GUARD] === undefined) {
  install();
  process.exit(run(ownArguments()));
}
