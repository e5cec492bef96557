/** What the system tells a process: to stop, to read its config again, and that a bug slipped through. */
import process from "node:process";

/** The first SIGTERM or SIGINT, and any later one. */
export function onStopSignals(first: (signal: string) => void, again: () => void): void {
  let isStopping = false;
  const onSignal = (signal: string): void => {
    if (isStopping) return again();
    isStopping = true;
    first(signal);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => onSignal(signal));
}

export function onReloadSignal(reload: () => void): void {
  process.on("SIGHUP", reload);
}

/** Nothing that slips through may end the process. */
export function onUnhandled(note: (event: string, error: unknown) => void): void {
  process.on("unhandledRejection", (error) => note("unhandled_rejection", error));
  process.on("uncaughtException", (error) => note("uncaught_exception", error));
}
