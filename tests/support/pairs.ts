/** One gateway before three upstreams, one a format, for tests that go through every client × upstream pair. */
import { type Client, openClient } from "./clients.ts";
import type { GatewayOptions } from "../../lib/gateway.ts";
import { type StartedGateway, startGateway } from "./gateway.ts";
import type { Said } from "./said.ts";
import type { FormatName } from "./told.ts";
import { json, type Reply, sse, startUpstream, type Upstream } from "./upstream.ts";
import { chatBody, chatFrames } from "./wire_chat.ts";
import { messagesBody, messagesFrames } from "./wire_messages.ts";
import { responsesBody, responsesFrames } from "./wire_responses.ts";

export const FORMATS: readonly FormatName[] = ["chat", "messages", "responses"];

/** The name clients ask for, by the upstream's format. */
export const MODEL: Record<FormatName, string> = {
  chat: "via-chat",
  messages: "via-messages",
  responses: "via-responses",
};

/** The name the upstream must be asked for. */
export const TARGET: Record<FormatName, string> = {
  chat: "local-model",
  messages: "claude-sonnet-4-5",
  responses: "gpt-5-mini",
};

export const PATH: Record<FormatName, string> = {
  chat: "/v1/chat/completions",
  messages: "/v1/messages",
  responses: "/v1/responses",
};

/** The keys the gateway holds for its upstreams. No answer and no error may ever show one. */
export const UPSTREAM_KEY: Record<FormatName, string> = {
  chat: "canary-chat-2b7e151628aed2a6",
  messages: "canary-messages-abf7158809cf4f3c",
  responses: "canary-responses-762e7160f38b4da5",
};

export interface Pair {
  client: FormatName;
  upstream: FormatName;
  /** `chat client, messages upstream` */
  name: string;
  passes: boolean;
}

export const PAIRS: readonly Pair[] = FORMATS.flatMap((client) =>
  FORMATS.map((upstream) => ({
    client,
    upstream,
    name: `${client} client, ${upstream} upstream`,
    passes: client === upstream,
  }))
);

export interface Stage {
  gateway: StartedGateway;
  upstreams: Record<FormatName, Upstream>;
  client(name: FormatName): Client;
  stop(): Promise<void>;
}

/** `settings`: top-level lines of YAML beside providers and models; `options`: as `startGateway` has them. */
export async function startStage(settings = "", options: GatewayOptions = {}): Promise<Stage> {
  const upstreams = { chat: await startUpstream(), messages: await startUpstream(), responses: await startUpstream() };
  const gateway = await startGateway(
    `
log: off
${settings}
providers:
  local: { base_url: "${upstreams.chat.url}/v1", formats: [chat], api_key: "\${CHAT_KEY}" }
  anthropic: { base_url: "${upstreams.messages.url}/v1" }
  openai: { base_url: "${upstreams.responses.url}/v1", formats: [responses] }
models:
  - { name: ${MODEL.chat}, target: local/${TARGET.chat} }
  - { name: ${MODEL.messages}, target: anthropic/${TARGET.messages} }
  - { name: ${MODEL.responses}, target: openai/${TARGET.responses} }
`,
    {
      CHAT_KEY: UPSTREAM_KEY.chat,
      ANTHROPIC_API_KEY: UPSTREAM_KEY.messages,
      OPENAI_API_KEY: UPSTREAM_KEY.responses,
    },
    options,
  );
  return {
    gateway,
    upstreams,
    client: (name) => openClient(name, gateway.url),
    async stop() {
      await gateway.stop();
      await Promise.all(Object.values(upstreams).map((upstream) => upstream.stop()));
    },
  };
}

/** A line of YAML: a provider at an upstream's address. `formats`: `chat, responses`. */
export function providerLine({ url }: Upstream, name: string, formats: string, family: string): string {
  return `  ${name}: { base_url: "${url}/v1", formats: [${formats}], family: ${family}, api_key: k }`;
}

export const MODES = ["whole", "streamed"] as const;
export type Mode = (typeof MODES)[number];

/** The stream of an answer; in chat, parallel calls alternate. */
export function framesOf(format: FormatName, answer: Said): string[] {
  if (format === "chat") return chatFrames(answer, { interleave: true });
  return format === "messages" ? messagesFrames(answer) : responsesFrames(answer);
}

export function bodyOf(format: FormatName, answer: Said): Record<string, unknown> {
  if (format === "chat") return chatBody(answer);
  return format === "messages" ? messagesBody(answer) : responsesBody(answer);
}

export function replyOf(format: FormatName, answer: Said, mode: Mode): Reply {
  return mode === "whole" ? json(bodyOf(format, answer)) : sse(framesOf(format, answer));
}

/** The smallest sound request of each API, as one sends it by hand. */
export function plainBody(format: FormatName, model: string, fields: Record<string, unknown> = {}): string {
  if (format === "responses") return JSON.stringify({ model, input: "Hi", ...fields });
  const messages = [{ role: "user", content: "Hi" }];
  return JSON.stringify({ model, ...(format === "messages" ? { max_tokens: 1000 } : {}), messages, ...fields });
}

/** A request by hand, past the SDKs. */
export function post(url: string, format: FormatName, body: string | Uint8Array, init: RequestInit = {}) {
  return fetch(`${url}${PATH[format]}`, {
    method: "POST",
    ...init,
    headers: { "content-type": "application/json", ...init.headers as Record<string, string> },
    body: body as BodyInit,
  });
}
