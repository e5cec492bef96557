/** What becomes of a running process when its config file is read again. */
import type { Log } from "./base/log.ts";
import { type Config, type ConfigResult, formatIssue } from "./config.ts";

/**
 * The config to go on with; undefined where the file is not sound, and the running one stays. Says in the log what is
 * wrong, by file, line and column, and what has changed since the process was started and waits for another start.
 */
export function reloaded(started: Config, parsed: ConfigResult | string, log: Log): Config | undefined {
  if (typeof parsed === "string" || !parsed.ok) {
    log.error("reload_refused", { issues: typeof parsed === "string" ? [parsed] : parsed.issues.map(formatIssue) });
    return undefined;
  }
  const waiting = waitingForRestart(started, parsed.value);
  if (waiting.length > 0) log.warn("reload_incomplete", { needs_restart: waiting });
  return carriedOver(started, parsed.value);
}

/** The new config, but for what a process can't change while it runs. */
export function carriedOver({ host, port, workers, state }: Config, next: Config): Config {
  return { ...next, host, port, workers, state };
}

function waitingForRestart(started: Config, next: Config): string[] {
  const changes: readonly (readonly [string, boolean])[] = [
    ["listen", started.host !== next.host || started.port !== next.port],
    ["workers", started.workers !== next.workers],
    ["state", JSON.stringify(started.state) !== JSON.stringify(next.state)],
    ["max_body_mb (for frames of WebSockets)", started.maxBodyBytes < next.maxBodyBytes],
  ];
  return changes.flatMap(([name, hasChanged]) => hasChanged ? [name] : []);
}
