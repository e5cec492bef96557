/** What becomes of a running process when its config file is read again. */
import type { Log } from "./base/log.ts";
import { type Config, type ConfigResult, formatIssue } from "./config.ts";

/**
 * The config to go on with; undefined where the file is not sound, and the running one stays. Says in the log what is
 * wrong, by file, line and column, and what has changed but waits for a restart.
 */
export function reloaded(running: Config, parsed: ConfigResult | string, log: Log): Config | undefined {
  if (typeof parsed === "string" || !parsed.ok) {
    log.error("reload_refused", { issues: typeof parsed === "string" ? [parsed] : parsed.issues.map(formatIssue) });
    return undefined;
  }
  const waiting = waitingForRestart(running, parsed.value);
  if (waiting.length > 0) log.warn("reload_incomplete", { needs_restart: waiting });
  return carriedOver(running, parsed.value);
}

/** The new config, but for what a process can't change while it runs. */
export function carriedOver({ host, port, workers, state }: Config, next: Config): Config {
  return { ...next, host, port, workers, state };
}

function waitingForRestart(running: Config, next: Config): string[] {
  const changes: readonly (readonly [string, boolean])[] = [
    ["listen", running.host !== next.host || running.port !== next.port],
    ["workers", running.workers !== next.workers],
    ["state", JSON.stringify(running.state) !== JSON.stringify(next.state)],
    ["max_body_mb (for frames of WebSockets)", running.maxBodyBytes < next.maxBodyBytes],
  ];
  return changes.flatMap(([name, hasChanged]) => hasChanged ? [name] : []);
}
