/** The command line: arguments → config → one process that serves, or a parent of several. */
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import embeddedConfig from "../config.yaml" with { type: "text" };
import { CAN_SHARE_PORT, isCompiled } from "./base/runtime.ts";
import { onReloadSignal, onStopSignals } from "./base/signals.ts";
import {
  type Config,
  type ConfigResult,
  type Environment,
  formatIssue,
  MAX_WORKERS,
  parseAddress,
  parseConfig,
} from "./config.ts";
import { reloaded } from "./reload.ts";
import { VERSION } from "./version.ts";
import { type ConfigSource, WORKER_VARIABLE } from "./workers/messages.ts";

const HELP = `Trivium ${VERSION}: one gateway for Chat Completions, Messages and Responses

  trivium [--config FILE] [--host ADDRESS] [--port N]   serve (default 127.0.0.1:12000)
          [--workers N|auto]                            by several processes on one port; auto: one for each core
  trivium check [--config FILE]                         check the config and say what it means
  trivium explain --as FORMAT [--config FILE] < request.json
                                                        what would happen to a request, without sending it;
                                                        FORMAT: chat, messages or responses
          [--strict]                                    refuse what would be lost, as x-trivium-strict does
          [--answer FILE.sse|FILE.json]                 what the client would get for this answer of the upstream
  trivium mock [--host ADDRESS] [--port N]              serve the mock models as an upstream of their own
  trivium help | version

A flag goes before the environment (TRIVIUM_CONFIG, HOST, PORT), the environment before the file.
`;

/** Bad arguments or a bad config. */
const EXIT_USAGE = 2;
const EXIT_FAILURE = 1;

interface Options {
  command: string;
  as?: string;
  answer?: string;
  strict: boolean;
  config?: string;
  host?: string;
  port?: number;
  workers?: number | "auto";
}

/** `home`: where `main.ts` is, for the config beside it. Sets the exit code; the process goes on while it serves. */
export async function main(home: string | undefined): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.env);
  if (typeof options === "string") return stop(EXIT_USAGE, `${options}\n\n${HELP}`);
  switch (options.command) {
    case "serve":
      return await serveGateway(options, home);
    case "check":
      return await check(options, home);
    case "explain":
      return await explainRequest(options, home);
    case "mock":
      return await startMock(options);
    case "help":
      return print(HELP);
    case "version":
      return print(`${VERSION}\n`);
    default:
      return stop(EXIT_USAGE, `Unknown command "${options.command}"\n\n${HELP}`);
  }
}

/** What is wrong with the arguments, as a string. */
function readOptions(args: readonly string[], env: Environment): Options | string {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { ...text, short: "c" },
        as: text,
        answer: text,
        strict: flag,
        host: text,
        port: { ...text, short: "p" },
        workers: text,
        help: { ...flag, short: "h" },
        version: flag,
      },
    });
    if (positionals.length > 1) return `Unexpected argument "${positionals[1]}"`;
    const port = values.port ?? nonEmpty(env["PORT"]);
    if (port !== undefined && (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)) {
      return `Expected a port from 0 to 65535 but got "${port}"`;
    }
    const { workers } = values;
    if (workers !== undefined && workers !== "auto" && !isWorkerCount(workers)) {
      return `Expected a number of workers from 1 to ${MAX_WORKERS}, or auto, but got "${workers}"`;
    }
    const command = values.help === true ? "help" : values.version === true ? "version" : positionals[0] ?? "serve";
    const config = values.config ?? nonEmpty(env["TRIVIUM_CONFIG"]);
    const host = (nonEmpty(values.host) ?? nonEmpty(env["HOST"]))?.replace(/^\[(.*)\]$/, "$1");
    return {
      command,
      strict: values.strict === true,
      ...(values.as === undefined ? {} : { as: values.as }),
      ...(values.answer === undefined ? {} : { answer: values.answer }),
      ...(config === undefined ? {} : { config }),
      ...(host === undefined ? {} : { host }),
      ...(port === undefined ? {} : { port: Number(port) }),
      ...(workers === undefined ? {} : { workers: workers === "auto" ? workers : Number(workers) }),
    };
  } catch (error) {
    // Node's own advice on odd arguments follows the first sentence.
    return (error as Error).message.split(". ")[0] ?? "";
  }
}

function isWorkerCount(text: string): boolean {
  return /^[1-9]\d?$/.test(text) && Number(text) <= MAX_WORKERS;
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

/** The file named, else the one beside the program, else the one in the working directory, else the built-in copy. */
function findConfig(options: Options, home: string | undefined): ConfigSource | string {
  const named = options.config;
  const beside = isCompiled() ? dirname(process.execPath) : home;
  const candidates = named !== undefined
    ? [named]
    : [...(beside === undefined ? [] : [join(beside, "config.yaml")]), "config.yaml"];
  for (const candidate of candidates) {
    if (!existsSync(candidate)) continue;
    try {
      return { file: shownPath(candidate), text: readFileSync(candidate, "utf8") };
    } catch (error) {
      return `${candidate}: can't be read: ${(error as Error).message}`;
    }
  }
  if (named !== undefined) return `${named}: no such file`;
  return { file: "config.yaml (built in)", text: embeddedConfig };
}

function shownPath(path: string): string {
  const full = resolve(path);
  const here = `${process.cwd()}/`;
  return full.startsWith(here) ? full.slice(here.length) : full;
}

/** The config of a source, at the address and with the workers that the arguments name. */
function parsed(source: ConfigSource, options: Options): ConfigResult {
  const result = parseConfig(source.text, source.file, process.env);
  if (!result.ok) return result;
  const { host = result.value.host, port = result.value.port, workers = result.value.workers } = options;
  return { ok: true, value: { ...result.value, host, port, workers } };
}

interface Loaded {
  source: ConfigSource;
  config: Config;
}

/** Prints what is wrong and sets the exit code where there is no sound config. */
function loadConfig(options: Options, home: string | undefined): Loaded | undefined {
  const source = findConfig(options, home);
  if (typeof source === "string") {
    stop(EXIT_USAGE, `${source}\n`);
    return undefined;
  }
  const result = parsed(source, options);
  if (result.ok) return { source, config: result.value };
  stop(EXIT_USAGE, `${result.issues.map(formatIssue).join("\n")}\n`);
  return undefined;
}

async function check(options: Options, home: string | undefined): Promise<void> {
  const loaded = loadConfig(options, home);
  if (loaded === undefined) return;
  const { config } = loaded;
  const { describeConfig } = await import("./banner.ts");
  const { workers, note } = workersOf(config);
  print(`${config.file} is sound\n${describeConfig(config)}Workers:\n  ${workers}${note}\n`);
}

/** How many processes are to serve, and what is to be said of that. */
function workersOf(config: Config): { workers: number; note: string } {
  const wanted = config.workers === "auto" ? availableParallelism() : config.workers;
  if (wanted === 1 || CAN_SHARE_PORT) return { workers: wanted, note: "" };
  return { workers: 1, note: ` instead of ${wanted}: a port can't be shared on ${process.platform}` };
}

/** The exit code tells whether the request would be answered. */
async function explainRequest(options: Options, home: string | undefined): Promise<void> {
  const loaded = loadConfig(options, home);
  if (loaded === undefined) return;
  const { explainOnce } = await import("./explain_command.ts");
  const { code, out, err } = await explainOnce(loaded.config, options);
  print(out);
  stop(code, err);
}

/** A parent loads nothing of what serves: so it stays small. */
async function serveGateway(options: Options, home: string | undefined): Promise<void> {
  const number = process.env[WORKER_VARIABLE];
  if (number !== undefined && process.send !== undefined) return await serveAsWorker(Number(number), options);
  const loaded = loadConfig(options, home);
  if (loaded === undefined) return;
  const { source, config } = loaded;
  const read = (): { source: ConfigSource; parsed: ConfigResult } | string => {
    const found = findConfig(options, home);
    return typeof found === "string" ? found : { source: found, parsed: parsed(found, options) };
  };
  const { workers, note } = workersOf(config);
  if (workers === 1) return await serveAlone(config, read, note);
  const { runParent } = await import("./workers/parent.ts");
  await runParent({ config, source, workers, read });
}

async function serveAlone(
  config: Config,
  read: () => { parsed: ConfigResult } | string,
  note: string,
): Promise<void> {
  const { Serving } = await import("./serve.ts");
  const serving = await Serving.open(config);
  if (typeof serving === "string") return stop(EXIT_FAILURE, serving);
  onStopSignals((signal) => void serving.drain(signal), () => serving.end());
  onReloadSignal(() => {
    const found = read();
    const next = reloaded(config, typeof found === "string" ? found : found.parsed, serving.log);
    if (next !== undefined) serving.reload(next);
  });
  if (note !== "") serving.log.warn("workers", { workers: `1${note}` });
  print(serving.banner());
}

async function serveAsWorker(number: number, options: Options): Promise<void> {
  const { runWorker } = await import("./workers/worker.ts");
  runWorker(number, (source) => {
    const result = parsed(source, options);
    return result.ok ? result.value : undefined;
  });
}

async function startMock(options: Options): Promise<void> {
  const { serveMock } = await import("./serve.ts");
  const address = parseAddress("127.0.0.1:12001") as { host: string; port: number };
  const server = await serveMock(options.host ?? address.host, options.port ?? address.port);
  if (typeof server === "string") return stop(EXIT_FAILURE, server);
  onStopSignals(() => process.exit(0), () => process.exit(0));
  print(`Mock upstream at ${server.url}/v1 (chat/completions, messages, responses, embeddings)\n`);
}

function print(text: string): void {
  process.stdout.write(text);
}

function stop(code: number, message: string): void {
  process.stderr.write(message);
  process.exitCode = code;
}
