/** CPU and memory of process trees, from /proc: Linux only. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/** USER_HZ: `getconf CLK_TCK` on every Linux of today. */
const TICKS_PER_SECOND = 100;

/** What follows the command's name in /proc/PID/stat: 0 state, 1 parent, 11 utime, 12 stime, 13 cutime, 14 cstime. */
function statOf(pid: number): string[] | undefined {
  const text = read(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(")") + 2).split(" ");
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // The process has ended.
    return undefined;
  }
}

/** `root` and all that descends from it. */
export function treeOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const parent = /^\d+$/.test(name) ? Number(statOf(Number(name))?.[1]) : NaN;
    if (parent > 0) children.set(parent, [...children.get(parent) ?? [], Number(name)]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...children.get(pid) ?? []);
  return tree;
}

/** User and system time of a tree in seconds, with that of children that have ended. */
export function cpuSeconds(root: number): number {
  let ticks = 0;
  for (const pid of treeOf(root)) {
    const stat = statOf(pid) ?? [];
    for (const field of [11, 12, 13, 14]) ticks += Number(stat[field] ?? 0);
  }
  return ticks / TICKS_PER_SECOND;
}

/** What all CPUs together were busy, in seconds. */
export function machineSeconds(): number {
  const [, ...fields] = (read("/proc/stat") ?? "").split("\n", 1)[0]?.split(/\s+/) ?? [];
  const [user, nice, system, , , irq, softirq] = fields.map(Number);
  return ((user ?? 0) + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softirq ?? 0)) / TICKS_PER_SECOND;
}

/** Resident bytes of a tree; shared pages counted once in each process. */
export function residentBytes(root: number): number {
  return sumOf(root, "status", /VmRSS:\s+(\d+) kB/);
}

/** As above, shared pages split among those who share them. */
export function proportionalBytes(root: number): number {
  return sumOf(root, "smaps_rollup", /Pss:\s+(\d+) kB/);
}

/** The most that was resident since `forgetPeak`. */
export function peakBytes(root: number): number {
  return sumOf(root, "status", /VmHWM:\s+(\d+) kB/);
}

/** 5 is the kernel's word for it (proc(5), clear_refs). */
export function forgetPeak(root: number): void {
  for (const pid of treeOf(root)) writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

function sumOf(root: number, file: string, pattern: RegExp): number {
  const kilobytes = treeOf(root).map((pid) => Number(pattern.exec(read(`/proc/${pid}/${file}`) ?? "")?.[1] ?? 0));
  return kilobytes.reduce((sum, each) => sum + each, 0) * 1024;
}
