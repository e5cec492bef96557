/**
 * The golden matrix: every request of tests/golden/requests goes to an upstream of each format, every answer of
 * tests/golden/answers to a client of each; what arrives is compared with tests/golden/expected. After a change that is
 * meant to change it: `UPDATE_GOLDEN=1 bun test tests/golden`, and read the diff.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, test } from "bun:test";
import { type StartedGateway, startGateway } from "../support/gateway.ts";
import { checkChatStream } from "../support/grammar_chat.ts";
import { checkMessagesStream } from "../support/grammar_messages.ts";
import { checkResponsesStream } from "../support/grammar_responses.ts";
import { lostPaths } from "../support/losses.ts";
import { faultsOfResponse } from "../support/open_responses.ts";
import { json, raw, startUpstream, type Upstream } from "../support/upstream.ts";

const FORMATS = ["chat", "messages", "responses"] as const;
type Format = (typeof FORMATS)[number];
const PATHS = { chat: "/v1/chat/completions", messages: "/v1/messages", responses: "/v1/responses" };
const FAMILY = { chat: "openai", messages: "anthropic", responses: "openai" };
/** The smallest request that a client of the format may send. */
const PLAIN = {
  chat: { messages: [{ role: "user", content: "Hi" }], stream_options: { include_usage: true } },
  messages: { max_tokens: 1000, messages: [{ role: "user", content: "Hi" }] },
  responses: { input: "Hi", store: false },
};
const CHECKS = {
  chat: (text: string) => checkChatStream(text, { includeUsage: true }),
  messages: checkMessagesStream,
  responses: checkResponsesStream,
};

const here = fileURLToPath(new URL(".", import.meta.url));
let upstream: Upstream;
let gateway: StartedGateway;

beforeAll(async () => {
  upstream = await startUpstream();
  const providers = FORMATS.map((format) =>
    `  ${format}: { base_url: "${upstream.url}/v1", formats: [${format}], family: ${FAMILY[format]} }`
  );
  gateway = await startGateway(`providers:\n${providers.join("\n")}\n`);
});
afterAll(async () => {
  await gateway.stop();
  await upstream.stop();
});

function cases(folder: string, ending: string): string[] {
  return readdirSync(here + folder).filter((name) => name.endsWith(ending)).map((name) =>
    name.slice(0, -ending.length)
  );
}

function compare(name: string, actual: string): void {
  const file = `${here}expected/${name}`;
  if (process.env["UPDATE_GOLDEN"] === "1") {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, actual);
  }
  assert.ok(existsSync(file), `${name} is missing: UPDATE_GOLDEN=1 writes it`);
  assert.equal(actual, readFileSync(file, "utf8"));
}

/** Random ids and times by their order of appearance, so that equal ones stay equal. */
function steady(text: string): string {
  const seen = new Map<string, string>();
  return text
    .replace(/\b(?:msg|rs|fc|ctc|resp|chatcmpl|req|call)[_-][A-Za-z0-9]{24}\b/g, (id) => {
      if (!seen.has(id)) seen.set(id, `${id.replace(/[_-].*/, "")}_<${seen.size + 1}>`);
      return seen.get(id) ?? id;
    })
    .replace(/"(created|created_at|completed_at)":\s?\d{10}(?:\.\d+)?/g, '"$1":0');
}

function post(format: Format, model: string, body: object): Promise<Response> {
  return fetch(gateway.url + PATHS[format], { method: "POST", body: JSON.stringify({ ...body, model }) });
}

function sent(response: Response, text: string): string {
  const got = upstream.requests.at(-1);
  const result = response.ok && got !== undefined
    ? { to: got.path, loss: lostPaths(response), body: got.body }
    : { status: response.status, error: JSON.parse(text) };
  return `${steady(JSON.stringify(result, null, 2))}\n`;
}

for (const client of FORMATS) {
  describe(`requests of ${client} clients`, () => {
    for (const name of cases(`requests/${client}`, ".json")) {
      for (const target of FORMATS) {
        test(`${name} → ${target}`, async () => {
          upstream.requests.length = 0;
          const reply = readFileSync(`${here}answers/${target}/text.json`, "utf8");
          upstream.answer(raw(reply, "application/json"));
          const body = JSON.parse(readFileSync(`${here}requests/${client}/${name}.json`, "utf8"));
          const response = await post(client, `${target}/${body.model}`, body);
          compare(`requests/${client}/${name}.${target}.json`, sent(response, await response.text()));
        });
      }
    }
  });
}

for (const source of FORMATS) {
  describe(`answers of ${source} upstreams`, () => {
    for (const name of cases(`answers/${source}`, ".json")) {
      for (const client of FORMATS) {
        test(`${name} → ${client}`, async () => {
          upstream.answer(json(JSON.parse(readFileSync(`${here}answers/${source}/${name}.json`, "utf8"))));
          const response = await post(client, `${source}/some-model`, PLAIN[client]);
          const answer = JSON.parse(await response.text());
          // An error of the upstream's is none of the format's objects.
          if (client === "responses" && source !== client && response.ok) {
            assert.deepEqual(faultsOfResponse(answer), []);
          }
          const body = JSON.stringify(answer, null, 2);
          compare(`answers/${source}/${name}.${client}.json`, `${steady(body)}\n`);
        });
      }
    }
    for (const name of cases(`answers/${source}`, ".sse")) {
      for (const client of FORMATS) {
        test(`${name}, streamed → ${client}`, async () => {
          upstream.answer(raw(readFileSync(`${here}answers/${source}/${name}.sse`, "utf8"), "text/event-stream"));
          const response = await post(client, `${source}/some-model`, { ...PLAIN[client], stream: true });
          const text = await response.text();
          if (client !== source) assert.deepEqual(CHECKS[client](text), []);
          compare(`answers/${source}/${name}.${client}.sse`, steady(text));
        });
      }
    }
  });
}
