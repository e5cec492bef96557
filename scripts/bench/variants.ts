/** The words that scenarios are made of: which way, which server, which request, which columns. */
import { type FormatName, modelName, type Script } from "./content.ts";
import type { RequestShape } from "./requests.ts";
import type { Section } from "./sections.ts";
import { OWN_RUNTIME, type RuntimeName, type ServerSpec } from "./servers.ts";

export interface Variant {
  name: string;
  server: ServerSpec;
  request: RequestShape;
}

export interface Way {
  client: FormatName;
  upstream: FormatName;
}

/** All that are translated, streamed. */
export const CROSS_WAYS: readonly Way[] = [
  { client: "messages", upstream: "chat" },
  { client: "chat", upstream: "messages" },
  { client: "responses", upstream: "chat" },
  { client: "chat", upstream: "responses" },
  { client: "messages", upstream: "responses" },
  { client: "responses", upstream: "messages" },
];

export function passing(format: FormatName): Way {
  return { client: format, upstream: format };
}

export function shownWay({ client, upstream }: Way): string {
  return client === upstream ? client : `${client}→${upstream}`;
}

/** A stream by a script. `alias`: the gateway's name for the model isn't the upstream's. */
export function streamed(way: Way, script: Partial<Script> = {}, alias = false): RequestShape {
  const { thinking = false, tools = false } = script;
  return {
    format: way.client,
    model: modelName(`${alias ? "my-" : ""}${way.upstream}-`, script),
    stream: true,
    thinking,
    ...(tools ? { tools: 4 } : {}),
  };
}

/** An answer that comes whole. */
export function wholeAnswer(way: Way, more: Partial<RequestShape> = {}, alias = false): RequestShape {
  return { ...streamed(way, {}, alias), stream: false, ...more };
}

export const M2C: Way = { client: "messages", upstream: "chat" };

export function gateway(name: string, request: Variant["request"], runtime: RuntimeName = OWN_RUNTIME): Variant {
  return { name, server: { kind: "gateway", runtime }, request };
}

export function bare(request: Variant["request"], runtime: RuntimeName = OWN_RUNTIME): Variant {
  return { name: "bare", server: { kind: "bare", runtime }, request };
}

export const PER_REQUEST: Section["columns"] = {
  cpuUsPerRequest: "CPU µs/request",
  requestsPerSecond: "requests/s",
  latencyP50Ms: "p50 ms",
  latencyP99Ms: "p99 ms",
};
export const PER_STREAM: Section["columns"] = {
  cpuUsPerRequest: "CPU µs/stream",
  cpuUsPerDelta: "µs/delta",
  readsPerRequest: "reads/stream",
  requestsPerSecond: "streams/s",
  firstTokenP50Ms: "first token p50 ms",
};
export const PACED: Section["columns"] = {
  cpuUsPerDelta: "CPU µs/delta",
  firstTokenP50Ms: "first token p50 ms",
  firstTokenP99Ms: "p99 ms",
  gapP99Ms: "gap p99 ms",
};

export const AT_ONCE: Partial<Script> = {};
export const EACH_5_MS: Partial<Script> = { paceUs: 5000 };
export const FULL: Partial<Script> = { thinking: true, tools: true };

export const atOnce = { pressure: { connections: 16 }, columns: PER_STREAM };
export const paced = { pressure: { connections: 32 }, columns: PACED, longer: 2 };
