/**
 * Every tenth recording through a started gateway over HTTP: what the other files of this folder find out about its parts
 * holds for the whole.
 */
import assert from "node:assert/strict";
import { afterAll, beforeAll, describe, test } from "bun:test";
import { capabilitiesOf } from "../../lib/capabilities.ts";
import { Losses } from "../../lib/format.ts";
import { FORMATS } from "../../lib/formats/mod.ts";
import type { FormatName } from "../../lib/neutral.ts";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { asObject, type Json } from "../support/grammar.ts";
import { lostPaths } from "../support/losses.ts";
import { bodyOf, PATH, plainBody, post } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { json, raw, startUpstream, type Upstream } from "../support/upstream.ts";
import { assertHeard, assertLegal } from "./checks.ts";
import { expected } from "./facts.ts";
import { hearBody, hearSource, hearStream } from "./oracle.ts";
import { ABSENT, answerBytes, ANSWERS, type Recording, requestBody, requestHeaders, REQUESTS } from "./recordings.ts";
import { CLIENTS } from "./translate.ts";

const FAMILIES: Readonly<Record<FormatName, string>> = { chat: "local", messages: "anthropic", responses: "openai" };
const TARGETS: Readonly<Record<FormatName, string>> = {
  chat: "local-model",
  messages: "claude-sonnet-4-6",
  responses: "gpt-5.1",
};

let upstream: Upstream;
let gateway: StartedGateway;

beforeAll(async () => {
  upstream = await startUpstream();
  const providers = CLIENTS.map((format) =>
    `  ${format}: { base_url: "${upstream.url}/v1", formats: [${format}], family: ${FAMILIES[format]} }`
  );
  gateway = await startGateway(`log: off\nproviders:\n${providers.join("\n")}\n`);
});
afterAll(async () => {
  await gateway.stop();
  await upstream.stop();
});

function everyTenth<T>(list: readonly T[]): T[] {
  return list.filter((_, index) => index % 10 === 0);
}

async function checkAnswer(recording: Recording, client: FormatName): Promise<void> {
  const { format, isStream } = recording;
  upstream.answer(raw(answerBytes(recording), isStream ? "text/event-stream" : "application/json"));
  const options = client === "chat" ? { stream_options: { include_usage: true } } : {};
  const body = plainBody(client, `${format}/${TARGETS[format]}`, isStream ? { stream: true, ...options } : {});
  const response = await post(gateway.url, client, body);
  const text = await response.text();
  const heard = hearSource(recording);
  const want = expected(heard, client, format);
  if (!response.ok) {
    assert.ok(want.error !== undefined, `HTTP ${response.status}: ${text}`);
    return assert.ok(text.includes(want.error), `not told: ${want.error}`);
  }
  if (isStream && client !== format) assertLegal(client, text);
  const got = isStream ? hearStream(client, text) : hearBody(client, JSON.parse(text));
  if (want.error !== undefined) return assert.ok(got.error?.includes(want.error), `not told: ${want.error}`);
  // What passes as bytes keeps what nobody counted, and ids that repeat.
  if (client !== format) assertHeard(client, got, want, "through the gateway");
  else assert.deepEqual({ ...got, usage: heard.usage && got.usage }, heard);
}

/** What the gateway itself does, and asks no upstream of another format for (tests/sdk/state*.test.ts), left out. */
function withoutState(recording: Recording): Json {
  const body = requestBody(recording);
  if (recording.format !== "responses") return body;
  const { background: _, conversation: __, previous_response_id: ___, store, ...rest } = body;
  return store === false ? { ...rest, store } : rest;
}

/** What the parts make of a request, and what the gateway must therefore send. */
function encodedBy(
  recording: Recording,
  model: string,
  target: FormatName,
): { body: Json; lost: string[] } | undefined {
  const decoded = FORMATS[recording.format].decodeRequest(
    { ...withoutState(recording), model },
    requestHeaders(recording),
  );
  const losses = new Losses();
  const place = {
    provider: target,
    model: TARGETS[target],
    format: target,
    family: FAMILIES[target],
    flags: new Set<never>(),
    capabilities: capabilitiesOf(TARGETS[target]),
  };
  const encoded = decoded.ok ? FORMATS[target].encodeRequest(decoded.value, place, losses) : decoded;
  if (!encoded.ok) return undefined;
  return { body: JSON.parse(JSON.stringify(encoded.value.body)), lost: losses.list.map(({ path }) => path) };
}

async function checkRequest(recording: Recording, target: FormatName): Promise<void> {
  upstream.requests.length = 0;
  upstream.answer(json(bodyOf(target, said())));
  const model = `${target}/${TARGETS[target]}`;
  const asked = { ...(target === recording.format ? requestBody(recording) : withoutState(recording)), model };
  const headers = Object.fromEntries(requestHeaders(recording));
  const response = await post(gateway.url, recording.format, JSON.stringify(asked), { headers });
  await response.body?.cancel();
  const sent = upstream.requests[0];
  if (target === recording.format) {
    return assert.deepEqual(asObject(sent?.body), JSON.parse(JSON.stringify({ ...asked, model: TARGETS[target] })));
  }
  const want = encodedBy(recording, model, target);
  if (want === undefined) return assert.equal(response.status, 400);
  assert.equal(sent?.path, PATH[target]);
  assert.deepEqual(sent.body, want.body);
  const told = lostPaths(response);
  assert.deepEqual(told.filter((path) => !path.startsWith("...+")), want.lost.slice(0, told.length));
}

describe("recorded answers through a gateway", () => {
  if (ABSENT !== undefined) test.skip(ABSENT, () => {});
  for (const recording of everyTenth(ANSWERS)) {
    for (const client of CLIENTS) test(`${recording.name} → ${client}`, () => checkAnswer(recording, client));
  }
});

describe("recorded requests through a gateway", () => {
  if (ABSENT !== undefined) test.skip(ABSENT, () => {});
  for (const recording of everyTenth(REQUESTS)) {
    for (const target of CLIENTS) test(`${recording.name} → ${target}`, () => checkRequest(recording, target));
  }
});
