/** A gateway of several workers as a process, and requests that any of them may get. */
import { existsSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { until } from "./many.ts";
import type { StartedProcess } from "./process.ts";

export interface Heard {
  status: number;
  text: string;
  /** The parsed body; `{}` where it isn't an object as JSON. */
  body: Record<string, unknown>;
}

/** A request on a connection of its own: the system deals connections, not requests, out among the workers. */
export function ask(url: string, path: string, body?: unknown, method = body === undefined ? "GET" : "POST") {
  return new Promise<Heard>((resolve, reject) => {
    const asking = request(`${url}${path}`, { method, agent: false, headers: { "content-type": "application/json" } });
    asking.on("error", reject);
    asking.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => text += piece);
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text, body: parsed(text) }));
    });
    asking.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** By chance alone, one of two workers gets none of these about once in 10^9 times. */
export const MANY = 30;

/** The same request again and again, one after another. */
export async function askAll(url: string, path: string, body?: unknown, method?: string): Promise<Heard[]> {
  const heard: Heard[] = [];
  for (let each = 0; each < MANY; each++) heard.push(await ask(url, path, body, method));
  return heard;
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

export type LogLine = Record<string, unknown> & { event: string };

/** The whole lines that it has logged so far. */
export function logLines(started: StartedProcess, event: string): LogLine[] {
  const lines = started.output().split("\n").slice(0, -1).filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as LogLine).filter((line) => line.event === event);
}

/** The process of each worker by its number, as the log named it last. */
export function pids(started: StartedProcess): Map<number, number> {
  const lines = logLines(started, "worker_serving");
  return new Map(lines.map(({ worker, pid }) => [Number(worker), Number(pid)]));
}

export function allServe(started: StartedProcess, count: number): Promise<void> {
  return until(`${count} workers serve`, () => pids(started).size === count, 20_000);
}

/** It has ended; nobody may have asked for its exit code yet. */
export function isGone(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return true;
  try {
    return /^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true;
  }
}

/** A value of `GET /metrics`; NaN where it isn't there. */
export async function metric(url: string, name: string): Promise<number> {
  const { text } = await ask(url, "/metrics");
  const found = text.split("\n").filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  return found.length === 0 ? NaN : found.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
