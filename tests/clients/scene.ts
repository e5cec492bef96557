/**
 * What a real client is started in: a scripted upstream, the gateway before it, a folder of its own for everything that
 * it writes, and a proxy that nobody may ask. All of it is on loopback, and `stop` says if anything wanted to leave.
 */
import { afterEach } from "bun:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { lostPaths } from "../support/losses.ts";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { asArray, asObject } from "../support/grammar.ts";
import { bodyOf, framesOf } from "../support/pairs.ts";
import { type Block, type Said, said } from "../support/said.ts";
import { type FormatName, readTold } from "../support/told.ts";
import {
  type Handler,
  json,
  type Received,
  type Reply,
  sse,
  startUpstream,
  type Upstream,
} from "../support/upstream.ts";

/** One request of the client, as the gateway saw it. */
export interface Asked {
  /** `POST /v1/messages?beta=true` */
  what: string;
  status: number;
  /** Whether it asked for a WebSocket. */
  upgrade: boolean;
  /** The answer's `x-trivium-loss`. */
  losses: string[];
}

export interface Scene {
  gateway: StartedGateway;
  upstream: Upstream;
  /** In order. */
  asked: Asked[];
  /** All that was lost on the way, each path once, with `[n]` for every position. */
  losses(): string[];
  /** The client's working directory. */
  folder: string;
  /** Where it keeps what it knows; empty. */
  home: string;
  /** The text of a file in `folder`. */
  read(name: string): string;
  /** Starts a client in `folder` and waits for its end. */
  run(command: readonly string[], env?: Record<string, string>): Promise<Ended>;
  /** Fails when the client has asked the proxy for anything. */
  stop(): Promise<void>;
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Setting {
  /** What the upstream speaks. */
  upstream: FormatName;
  /** The name that the client asks for; the upstream's is `target`. */
  model: string;
  target: string;
  /** Quirks of the upstream. */
  flags?: readonly string[];
}

/** The scene of the test that runs. */
export class Scenes {
  #scene: Scene | undefined;

  constructor() {
    afterEach(async () => {
      const scene = this.#scene;
      this.#scene = undefined;
      await scene?.stop();
    }, TEST_MS);
  }

  async open(setting: Setting, answer: Handler): Promise<Scene> {
    this.#scene = await openScene(setting, answer);
    return this.#scene;
  }

  get now(): Scene {
    assert.ok(this.#scene, "the test has opened no scene");
    return this.#scene;
  }
}

/** A client that hangs is ended after so long; a slow machine needs a tenth of it. */
const PATIENCE_MS = 120_000;
/** What a test of such a client may take. */
export const TEST_MS = PATIENCE_MS + 20_000;

const FAMILY: Record<FormatName, string> = {
  chat: "lab",
  messages: "anthropic",
  responses: "openai",
};

async function openScene(
  setting: Setting,
  answer: Handler,
): Promise<Scene> {
  const upstream = await startUpstream(answer);
  const asked: Asked[] = [];
  const gateway = await startGateway(
    configOf(setting, upstream.url),
    {},
    {
      watch: (request, response) => {
        asked.push({
          what: `${request.method} ${request.url.replace(/^https?:\/\/[^/]+/, "")}`,
          // An upgrade that was granted has no answer of its own on Bun.
          status: response?.status ?? 101,
          upgrade: request.headers.has("upgrade"),
          losses: response === undefined ? [] : lostPaths(response),
        });
      },
    },
  );
  const sink = await openSink();
  const place = mkdtempSync(join(tmpdir(), "trivium-client-"));
  const home = mkdtempSync(join(place, "home-"));
  const folder = mkdtempSync(join(place, "work-"));
  const surroundings = { ...proxyOf(sink.url), HOME: home, TMPDIR: place };
  return {
    gateway,
    upstream,
    asked,
    losses: () =>
      [...new Set(asked.flatMap(({ losses }) => losses.map((path) => path.replace(/\[\d+\]/g, "[n]"))))].sort(),
    folder,
    home,
    read: (name) => readFileSync(join(folder, name), "utf8"),
    run: (command, env = {}) => runClient(command, folder, { ...surroundings, ...env }),
    async stop() {
      await gateway.stop();
      await upstream.stop();
      await sink.stop();
      rmSync(place, { recursive: true, force: true, maxRetries: 5 });
      assert.deepEqual(sink.wanted, [], "the client wanted to leave this machine");
    },
  };
}

function configOf(
  { upstream, model, target, flags = [] }: Setting,
  url: string,
): string {
  return `
log: off
providers:
  lab: { base_url: "${url}/v1", formats: [${upstream}], family: ${FAMILY[upstream]}, flags: [${flags.join(", ")}] }
models:
  - { name: "${model}", target: "lab/${target}" }
`;
}

/** Node, Bun and Deno programs, Rust's and those that only know the old names: each obeys some of them. */
function proxyOf(url: string): Record<string, string> {
  const env: Record<string, string> = { PATH: process.env["PATH"] ?? "" };
  for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]) {
    env[name] = url;
    env[name.toLowerCase()] = url;
  }
  for (const name of ["NO_PROXY", "no_proxy"]) {
    env[name] = "127.0.0.1,localhost";
  }
  return env;
}

/** A proxy that passes nothing on and remembers what it was asked for. */
async function openSink(): Promise<
  { url: string; wanted: string[]; stop(): Promise<void> }
> {
  const wanted: string[] = [];
  const server: Server = createServer((request, response) => {
    wanted.push(`${request.method} ${request.url}`);
    response.writeHead(403).end();
  });
  server.on("connect", (request, socket) => {
    wanted.push(`CONNECT ${request.url}`);
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    wanted,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** In a process group of its own, so that nothing that it started stays behind. */
function runClient(
  command: readonly string[],
  cwd: string,
  env: Record<string, string>,
): Promise<Ended> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const stdout: Uint8Array[] = [];
  const stderr: Uint8Array[] = [];
  child.stdout.on("data", (bytes: Uint8Array) => stdout.push(bytes));
  child.stderr.on("data", (bytes: Uint8Array) => stderr.push(bytes));
  const end = (): void => {
    try {
      process.kill(-(child.pid ?? 0), "SIGKILL");
    } catch {
      // The whole group has ended by itself.
    }
  };
  const timer = setTimeout(end, PATIENCE_MS);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      end();
      resolve({ code, stdout: textOf(stdout), stderr: textOf(stderr) });
    });
  });
}

function textOf(pieces: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  return pieces.map((piece) => decoder.decode(piece, { stream: true })).join(
    "",
  ) + decoder.decode();
}

/**
 * An upstream that gives these answers in order, each once the tools of the one before have answered. Requests without
 * tools (titles, probes) get a plain answer.
 */
export function turns(format: FormatName, answers: readonly Said[]): Handler {
  return (request) => {
    const { tools, results } = readTold(format, request.body);
    const answered = new Set(results.map(({ id }) => id));
    const isDone = ({ blocks }: Said) => blocks.some((block) => block.kind === "tool" && answered.has(block.id));
    const next = tools.length === 0 ? said() : answers.find((answer) => !isDone(answer));
    assert.ok(next, "the client asks on after the last answer");
    return replyTo(format, request, next);
  };
}

/** As a stream where one was asked for. */
export function replyTo(
  format: FormatName,
  { body }: Received,
  answer: Said,
): Reply {
  return asObject(body)["stream"] === true ? sse(framesOf(format, answer)) : json(bodyOf(format, answer));
}

/** An answer that thinks, speaks and then calls tools, or ends where there is none to call. */
export function step(
  text: string,
  calls: readonly { id: string; name: string; args: unknown }[] = [],
): Said {
  const blocks: Block[] = [
    { kind: "thinking", text: thought(text), seal: seal(text) },
    { kind: "text", text },
    ...calls.map(({ id, name, args }): Block => ({
      kind: "tool",
      id,
      name,
      args: JSON.stringify(args),
    })),
  ];
  return said({ blocks, stop: calls.length === 0 ? "stop" : "tool_calls" });
}

/** What an answer of this text thinks. */
export function thought(text: string): string {
  return `What comes before: ${text}`;
}

/** What it signs its thinking with, where its format does. */
export function seal(text: string): string {
  return btoa(`sealed ${text}`);
}

/** The thinking of these answers stands before their calls, signed as it was where the format signs. */
export function assertThoughts(format: FormatName, body: unknown, texts: readonly string[]): void {
  assert.deepEqual(THOUGHTS_IN[format](body), texts.map((text) => THOUGHT[format](thought(text), seal(text))));
}

const THOUGHT: Record<FormatName, (text: string, seal: string) => unknown> = {
  chat: (text) => text,
  messages: (thinking, signature) => ({ type: "thinking", thinking, signature }),
  responses: (text, encrypted_content) => ({
    type: "reasoning",
    summary: [{ type: "summary_text", text }],
    encrypted_content,
  }),
};

const THOUGHTS_IN: Record<FormatName, (body: unknown) => unknown[]> = {
  chat: (body) => ofAssistant(body).map((message) => message["reasoning_content"]),
  messages: (body) => ofAssistant(body).map(({ content }) => asArray(content)[0]),
  responses: (body) => asArray(asObject(body)["input"]).filter((item) => asObject(item)["type"] === "reasoning"),
};

function ofAssistant(body: unknown) {
  return asArray(asObject(body)["messages"]).map(asObject).filter(({ role }) => role === "assistant");
}
