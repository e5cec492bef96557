/** Conversations of several turns between an official SDK and strict upstreams, with the gateway between them. */
import { afterAll, beforeAll } from "bun:test";
import assert from "node:assert/strict";
import { lostPaths } from "./losses.ts";
import { type Ask, openClient, type Outcome, type Turn } from "./clients.ts";
import { type StartedGateway, startGateway } from "./gateway.ts";
import { asArray, asObject, type Json } from "./grammar.ts";
import type { Mode } from "./pairs.ts";
import { Mint, Script, startStrict, type Step, type Strict } from "./strict.ts";
import { chatJudge } from "./strict_chat.ts";
import { messagesJudge } from "./strict_messages.ts";
import { responsesJudge } from "./strict_responses.ts";
import type { FormatName } from "./told.ts";

export const UPSTREAMS = ["messages", "responses", "plain", "deepseek", "gemini", "openrouter"] as const;
export type UpstreamName = (typeof UPSTREAMS)[number];

/** The client's API, and whether it sends back what its API has no name for. */
export const CLIENTS = [
  { name: "chat", keeps: true, label: "chat client that keeps what it doesn't know" },
  { name: "chat", keeps: false, label: "chat client that drops what it doesn't know" },
  { name: "messages", keeps: true, label: "messages client" },
  { name: "responses", keeps: true, label: "responses client" },
] as const satisfies readonly { name: FormatName; keeps: boolean; label: string }[];
export type ClientKind = (typeof CLIENTS)[number];

export interface World {
  gateway: StartedGateway;
  /** Another replica, which has seen nothing; also what a restarted one is. */
  replica: StartedGateway;
  upstreams: Record<UpstreamName, Strict>;
  /** Begins another conversation: the upstreams say these steps from now on. */
  begin(steps: readonly Step[]): void;
  stop(): Promise<void>;
}

async function startWorld(): Promise<World> {
  let script = new Script([]);
  const current = () => script;
  const anthropic = new Mint("Eq");
  const upstreams = {
    messages: await startStrict(messagesJudge(anthropic), current),
    responses: await startStrict(responsesJudge(), current),
    plain: await startStrict(chatJudge("plain"), current),
    deepseek: await startStrict(chatJudge("deepseek"), current),
    gemini: await startStrict(chatJudge("gemini"), current),
    openrouter: await startStrict(chatJudge("openrouter", anthropic), current),
  };
  const [gateway, replica] = await Promise.all([start(upstreams), start(upstreams)]);
  return {
    gateway,
    replica,
    upstreams,
    begin(steps) {
      script = new Script(steps);
      for (const { refusals, mint } of Object.values(upstreams)) {
        refusals.length = 0;
        mint.issued.clear();
      }
    },
    async stop() {
      await Promise.all([gateway.stop(), replica.stop()]);
      await Promise.all(Object.values(upstreams).map(({ upstream }) => upstream.stop()));
    },
  };
}

/** A world for all tests of a file. */
export function theWorld(): () => World {
  let world: World | undefined;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world?.stop());
  return () => world ?? assert.fail("the world has not begun");
}

/** A call of the tool that every conversation has. */
export const PARIS = { call: "get_weather", args: '{"city":"Paris"}' };

const TARGETS: Record<UpstreamName, string> = {
  messages: "anthropic/claude-sonnet-4-5",
  responses: "openai/gpt-5-mini",
  plain: "openai_chat/gpt-5-mini",
  deepseek: "deepseek/deepseek-chat",
  gemini: "gemini/gemini-3-pro",
  openrouter: "openrouter/some-model",
};

function start(upstreams: Record<UpstreamName, Strict>): Promise<StartedGateway> {
  const url = (name: UpstreamName) => `"${upstreams[name].upstream.url}/v1"`;
  const key = "key-0123456789abcdef";
  return startGateway(`
log: off
providers:
  anthropic: { base_url: ${url("messages")}, api_key: ${key} }
  openai: { base_url: ${url("responses")}, formats: [responses], api_key: ${key} }
  openai_chat: { base_url: ${url("plain")}, formats: [chat], family: openai, api_key: ${key} }
  deepseek: { base_url: ${url("deepseek")}, api_key: ${key} }
  gemini: { base_url: ${url("gemini")}, api_key: ${key} }
  openrouter: { base_url: ${url("openrouter")}, api_key: ${key} }
models:
${UPSTREAMS.map((name) => `  - { name: via-${name}, target: ${TARGETS[name]} }`).join("\n")}
`);
}

const TOOL = {
  name: "get_weather",
  description: "Tells the weather.",
  schema: { type: "object", properties: { city: { type: "string" } } },
};

/** One client's conversation; each `ask` sends all of it so far. */
export class Conversation {
  readonly turns: Turn[] = [];

  constructor(readonly world: World, readonly client: ClientKind, readonly mode: Mode) {}

  /** `extra`: members of the body; `gateway`: which replica is asked. */
  async ask(to: UpstreamName, gateway = this.world.gateway, extra: Ask["extra"] = {}): Promise<Outcome> {
    const client = openClient(this.client.name, gateway.url);
    const ask: Ask = {
      model: `via-${to}`,
      turns: this.turns,
      tools: [TOOL],
      thinking: true,
      maxTokens: 20_000,
      extra,
    };
    const outcome = await (this.mode === "whole" ? client.ask(ask) : client.stream(ask));
    this.turns.push({ echo: this.#kept(outcome) });
    return outcome;
  }

  #kept(outcome: Outcome): unknown[] {
    if (!this.client.keeps) return outcome.echo.map(standardOnly);
    const isStreamedChat = this.client.name === "chat" && this.mode === "streamed";
    return isStreamedChat ? outcome.echo.map((message) => gathered(asObject(message), outcome.wire)) : outcome.echo;
  }

  user(text: string): void {
    this.turns.push({ user: text });
  }

  /** Answers every call of `outcome`; `asked` is called between. */
  answer({ calls }: Outcome): void {
    this.turns.push({ results: calls.map(({ id, name }) => ({ id, text: `result of ${name}` })) });
  }
}

/** What a framework keeps of a chat message that only knows the standard fields. */
function standardOnly(message: unknown): unknown {
  const { role, content, tool_calls } = asObject(message);
  return { role, content, ...(tool_calls === undefined ? {} : { tool_calls }) };
}

/**
 * A streamed message as clients of chat's dialects put it together: OpenAI's own helper keeps only the last piece of
 * members that it doesn't know.
 */
function gathered(message: Json, wire: string): Json {
  const made: Json = { ...message };
  for (const key of ["reasoning", "reasoning_content", "reasoning_details"]) delete made[key];
  const details: Json[] = [];
  for (const line of wire.split("\n")) {
    if (!line.startsWith("data: {")) continue;
    const [choice] = asArray(asObject(JSON.parse(line.slice("data: ".length)))["choices"]);
    const delta = asObject(asObject(choice)["delta"]);
    for (const key of ["reasoning", "reasoning_content"]) {
      if (typeof delta[key] === "string") made[key] = `${made[key] ?? ""}${delta[key]}`;
    }
    for (const entry of asArray(delta["reasoning_details"]).map(asObject)) joinEntry(details, entry);
  }
  return details.length === 0 ? made : { ...made, reasoning_details: details };
}

function joinEntry(details: Json[], entry: Json): void {
  const known = details.find(({ index }) => index === entry["index"]);
  if (known === undefined) details.push({ ...entry });
  else Object.assign(known, entry, "text" in entry ? { text: `${known["text"] ?? ""}${entry["text"]}` } : {});
}

/** Paths that the gateway said it couldn't carry. */
export function lossesOf({ headers }: Outcome): string[] {
  return lostPaths({ headers });
}

export function assertNothingRefused({ upstreams }: World): void {
  for (const [name, { refusals }] of Object.entries(upstreams)) assert.deepEqual(refusals, [], name);
}
