/** The command line: arguments → config → gateway → serve → signals. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import embeddedConfig from "../config.yaml" with { type: "text" };
import { servedModels } from "./admin.ts";
import { createLog, type Log } from "./base/log.ts";
import { type Handle, isCompiled, RUNTIME, serve, type Server } from "./base/runtime.ts";
import { type Config, type Environment, formatIssue, parseAddress, parseConfig } from "./config.ts";
import { explainOnce } from "./explain_command.ts";
import { createGateway, type Gateway } from "./gateway.ts";
import { mockFetch } from "./mock/mod.ts";
import { VERSION } from "./version.ts";

const HELP = `Trivium ${VERSION}: one gateway for Chat Completions, Messages and Responses

  trivium [--config FILE] [--host ADDRESS] [--port N]   serve (default 127.0.0.1:12000)
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
}

/** `home`: where `main.ts` is, for the config beside it. Sets the exit code; the process goes on while it serves. */
export async function main(home: string | undefined): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.env);
  if (typeof options === "string") return stop(EXIT_USAGE, `${options}\n\n${HELP}`);
  switch (options.command) {
    case "serve":
      return await serveGateway(options, home);
    case "check":
      return check(options, home);
    case "explain":
      return await explainRequest(options, home);
    case "mock":
      return await serveMock(options);
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
        help: { ...flag, short: "h" },
        version: flag,
      },
    });
    if (positionals.length > 1) return `Unexpected argument "${positionals[1]}"`;
    const port = values.port ?? nonEmpty(env["PORT"]);
    if (port !== undefined && (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)) {
      return `Expected a port from 0 to 65535 but got "${port}"`;
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
    };
  } catch (error) {
    // Node's own advice on odd arguments follows the first sentence.
    return (error as Error).message.split(". ")[0] ?? "";
  }
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

/** The file named, else the one beside the program, else the one in the working directory, else the built-in copy. */
function findConfig(options: Options, home: string | undefined): { file: string; text: string } | string {
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

/** Prints what is wrong and sets the exit code where there is no sound config. */
function loadConfig(options: Options, home: string | undefined): Config | undefined {
  const found = findConfig(options, home);
  if (typeof found === "string") {
    stop(EXIT_USAGE, `${found}\n`);
    return undefined;
  }
  const parsed = parseConfig(found.text, found.file, process.env);
  if (parsed.ok) return withAddress(parsed.value, options);
  stop(EXIT_USAGE, `${parsed.issues.map(formatIssue).join("\n")}\n`);
  return undefined;
}

function withAddress(config: Config, options: Options): Config {
  return { ...config, host: options.host ?? config.host, port: options.port ?? config.port };
}

function check(options: Options, home: string | undefined): void {
  const config = loadConfig(options, home);
  if (config !== undefined) print(`${config.file} is sound\n${describeConfig(config)}`);
}

/** The exit code tells whether the request would be answered. */
async function explainRequest(options: Options, home: string | undefined): Promise<void> {
  const config = loadConfig(options, home);
  if (config === undefined) return;
  const { code, out, err } = await explainOnce(config, options);
  print(out);
  stop(code, err);
}

async function serveGateway(options: Options, home: string | undefined): Promise<void> {
  const config = loadConfig(options, home);
  if (config === undefined) return;
  const log = createLog(config.logLevel);
  const gateway = createGateway(config, { log });
  guard(log, gateway);
  const server = await listen(config.host, config.port, (request, upgrade) => gateway.handle(request, upgrade), config);
  if (server === undefined) return;
  gateway.openState();
  stopOnSignals(server, log, gateway);
  print(banner(config, server));
}

async function serveMock(options: Options): Promise<void> {
  const address = parseAddress("127.0.0.1:12001") as { host: string; port: number };
  const server = await listen(options.host ?? address.host, options.port ?? address.port, mockFetch);
  if (server === undefined) return;
  stopOnSignals(server, createLog("error"));
  print(`Mock upstream at ${server.url}/v1 (chat/completions, messages, responses, embeddings)\n`);
}

async function listen(hostname: string, port: number, handle: Handle, config?: Config) {
  try {
    return await serve({ hostname, port, handle, ...frameLimit(config) });
  } catch (error) {
    stop(EXIT_FAILURE, `Can't listen on ${hostname}:${port}: ${(error as Error).message}\n`);
    return undefined;
  }
}

/** A frame that is a little too large is told so; one far beyond the limit is not even taken in. */
function frameLimit(config: Config | undefined): { maxFrameBytes?: number } {
  return config === undefined ? {} : { maxFrameBytes: config.maxBodyBytes + FRAME_SLACK_BYTES };
}

const FRAME_SLACK_BYTES = 1024 * 1024;

/** Nothing that slips through may end the process: it is counted and logged, and is a bug. */
function guard(log: Log, gateway: Gateway): void {
  const note = (event: string) => (error: unknown): void => {
    gateway.metrics.add("trivium_unhandled_total");
    log.error(event, { error: String(error), stack: error instanceof Error ? error.stack : undefined });
  };
  process.on("unhandledRejection", note("unhandled_rejection"));
  process.on("uncaughtException", note("uncaught_exception"));
}

/** How long running answers may take to end after the first signal. */
const DRAIN_MS = 30_000;

/** First signal: no new connections, running answers end. Second signal: at once. */
function stopOnSignals(server: Server, log: Log, gateway?: Gateway): void {
  let isStopping = false;
  const onSignal = async (signal: string): Promise<void> => {
    if (isStopping) return exit(log, 0, gateway);
    isStopping = true;
    log.info("stopping", { signal, in_flight: gateway?.inFlight ?? 0 });
    const timer = setTimeout(() => exit(log, 0, gateway), DRAIN_MS);
    gateway?.drain();
    const stopped = server.stop(gateway === undefined).catch(() => {});
    await gateway?.idle();
    // Idle keep-alive connections would hold `stop` up for as long as their clients like.
    await Promise.race([stopped, new Promise((done) => setTimeout(done, FLUSH_MS))]);
    clearTimeout(timer);
    exit(log, 0, gateway);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void onSignal(signal));
}

/** For the last bytes of the last answer to leave. */
const FLUSH_MS = 200;

function exit(log: Log, code: number, gateway?: Gateway): void {
  gateway?.close();
  log.flush();
  process.exit(code);
}

function banner(config: Config, server: Server): string {
  const model = servedModels(config)[0] ?? "MODEL";
  const curl = `curl -N ${server.url}/v1/chat/completions -H 'content-type: application/json' \\\n` +
    `    -d '{"model":"${model}","stream":true,"messages":[{"role":"user","content":"Three roads meet here."}]}'`;
  const warning = isLoopback(config.host)
    ? ""
    : `\nAnyone who reaches ${config.host}:${server.port} can use the providers' keys: keep it behind a firewall.\n`;
  return `Trivium ${VERSION} (${RUNTIME}) at ${server.url}, config: ${config.file}\n${
    describeConfig(config)
  }${warning}\nTry:\n  ${curl}\n\n`;
}

function describeConfig(config: Config): string {
  const live: string[] = [];
  const waiting: string[] = [];
  for (const provider of config.providers.values()) {
    if (provider.waitsFor === undefined) live.push(`  ${provider.name}: ${provider.formats.join(", ")}`);
    else waiting.push(`  ${provider.name}: set ${provider.waitsFor}`);
  }
  const patterns = config.models.filter((rule) => rule.name.includes("*"));
  const models = [
    ...servedModels(config),
    ...patterns.map((rule) => `${rule.name} (${rule.provider})`),
    ...(config.modelsOnly ? [] : [...config.providers.keys()].map((name) => `${name}/…`)),
  ];
  return section("Models", [`  ${models.join("  ")}`]) + section("Live providers", live) +
    section("Waiting for a key", waiting);
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `${title}:\n${lines.join("\n")}\n`;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

function print(text: string): void {
  process.stdout.write(text);
}

function stop(code: number, message: string): void {
  process.stderr.write(message);
  process.exitCode = code;
}
