/**
 * The clients of `package.json` beside this file, installed on demand: they are far too big for `bun install` of the
 * project. They go into `tests/clients/node_modules`, as `bun.lock` names them, and no script of theirs runs.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { IS_BUN } from "../support/process.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const PACKAGES = join(HERE, "node_modules");
/** Holds the hash of the lock file that `PACKAGES` was installed by. */
const MARK = join(PACKAGES, ".installed");
const FILES = ["package.json", "bun.lock"];

/** Why the clients can't be started; undefined when they can. */
export const ABSENT: string | undefined = installed();

if (ABSENT !== undefined) {
  if (process.env["CI"] === "true") throw new Error(ABSENT);
  console.error(`\n!! SKIPPED: ${ABSENT}\n`);
}

/** The file that runs as Claude Code. */
export function claudeCode(): string {
  return only(join(PACKAGES, "@anthropic-ai"), /^claude-code-/, "claude");
}

/** The file that runs as Codex. */
export function codex(): string {
  const vendor = only(join(PACKAGES, "@openai"), /^codex-/, "vendor");
  return only(vendor, /./, "bin/codex");
}

/** One package of a family is made for this machine, and only that one is installed. */
function only(folder: string, name: RegExp, file: string): string {
  const found = readdirSync(folder).filter((each) => name.test(each)).map((
    each,
  ) => join(folder, each, file));
  const [path] = found.filter((each) => existsSync(each));
  if (path === undefined) {
    throw new Error(
      `No ${file} for this machine among ${folder}: ${found.join(", ")}`,
    );
  }
  return path;
}

function installed(): string | undefined {
  const hash = createHash("sha256");
  for (const file of FILES) hash.update(readFileSync(join(HERE, file)));
  const wanted = hash.digest("hex");
  return isInstalled(wanted) ? undefined : install(wanted);
}

function isInstalled(wanted: string): boolean {
  return existsSync(MARK) && readFileSync(MARK, "utf8") === wanted;
}

/** Aside, and moved into place as a whole: two runs at once can't meet in one folder, and nothing is ever half there. */
function install(wanted: string): string | undefined {
  sweep();
  const aside = mkdtempSync(join(HERE, `.install-${process.pid}-`));
  try {
    for (const file of FILES) copyFileSync(join(HERE, file), join(aside, file));
    const failure = runInstall(aside);
    if (failure !== undefined) return failure;
    writeFileSync(join(aside, "node_modules", ".installed"), wanted);
    return place(join(aside, "node_modules"), wanted);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

function runInstall(folder: string): string | undefined {
  const bun = IS_BUN ? process.execPath : "bun";
  const args = [
    "install",
    "--frozen-lockfile",
    "--ignore-scripts",
    "--no-progress",
  ];
  const { status, error, stdout, stderr } = spawnSync(bun, args, {
    cwd: folder,
    encoding: "utf8",
    timeout: 300_000,
  });
  if (status === 0) return undefined;
  const said = (error?.message ?? `${stderr}${stdout}`).trim().replace(/\s+/g, " ").slice(0, 300);
  return `the clients of tests/clients/package.json could not be installed by "${bun} ${args.join(" ")}": ${said}`;
}

function place(fresh: string, wanted: string): string | undefined {
  if (!isInstalled(wanted)) rmSync(PACKAGES, { recursive: true, force: true });
  try {
    renameSync(fresh, PACKAGES);
  } catch (error) {
    // Another run was first; what it installed is the same.
    if (!isInstalled(wanted)) {
      return `the installed clients could not be moved to ${PACKAGES}: ${error}`;
    }
  }
  return undefined;
}

/** What installs left behind whose process was killed. */
function sweep(): void {
  for (const name of readdirSync(HERE)) {
    const pid = /^\.install-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) {
      rmSync(join(HERE, name), { recursive: true, force: true });
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
