/** A connection of many turns has a memory of its own (`Exchange.session`): continuation with `store: false`, eviction. */
import { afterAll, beforeAll, beforeEach, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { parseConfig } from "../../lib/config.ts";
import { answerResponses } from "../../lib/endpoints/responses/create.ts";
import type { Exchange, Services } from "../../lib/exchange.ts";
import { Metrics } from "../../lib/metrics.ts";
import { Jobs } from "../../lib/state/jobs.ts";
import { SqliteStore } from "../../lib/state/sqlite.ts";
import type { ResponseStore, StoredResponse } from "../../lib/state/store.ts";
import { ReasoningMemory } from "../../lib/translation/carry.ts";
import { asArray, asObject, type Json } from "../support/grammar.ts";
import { bodyOf, framesOf, MODES } from "../support/pairs.ts";
import { type Block, said } from "../support/said.ts";
import { text } from "../support/state.ts";
import { type FormatName } from "../support/told.ts";
import { json, sse, startUpstream, type Upstream } from "../support/upstream.ts";

class Session implements ResponseStore {
  readonly kept = new Map<string, StoredResponse>();
  get = (_scope: string, id: string) => this.kept.get(id);
  put = (stored: StoredResponse) => void this.kept.set(stored.id, stored);
  delete = (_scope: string, id: string) => this.kept.delete(id);
}

let upstreams: Record<FormatName, Upstream>;
let services: Services;
let session: Session;

beforeAll(async () => {
  upstreams = { chat: await startUpstream(), messages: await startUpstream(), responses: await startUpstream() };
  const providers = Object.entries(upstreams).map(([name, { url }]) =>
    `  ${name}: { base_url: "${url}/v1", formats: [${name}] }`
  );
  const parsed = parseConfig(`log: off\nproviders:\n${providers.join("\n")}\n`, "test.yaml", {});
  assert.ok(parsed.ok);
  const config = parsed.value;
  services = {
    config,
    metrics: new Metrics(),
    log: undefined,
    memory: new ReasoningMemory(Date.now),
    state: new SqliteStore(config.state),
    jobs: new Jobs(),
    since: Date.now(),
  };
});
beforeEach(() => {
  session = new Session();
});
afterAll(async () => {
  services.state.close();
  await Promise.all(Object.values(upstreams).map((upstream) => upstream.stop()));
});

/** One turn within the session; gives the response object that its client gets, or the error's code. */
async function turn(body: Json): Promise<Json> {
  const url = new URL("http://localhost/v1/responses");
  const request = new Request(url, { method: "POST", body: JSON.stringify({ store: false, ...body }) });
  const exchange: Exchange = {
    services,
    request,
    url,
    path: "/responses",
    params: [],
    requestId: "req_test",
    since: 0,
    session,
  };
  const { response, done } = await answerResponses(exchange);
  const wire = await response.text();
  await done;
  if (!wire.startsWith("event:")) return asObject(JSON.parse(wire));
  const last = wire.split("\n").findLast((line) => line.includes('"response":')) ?? "";
  return asObject(asObject(JSON.parse(last.slice("data: ".length)))["response"]);
}

let count = 0;

function answers(upstream: FormatName, stream: boolean, ...blocks: Block[]): void {
  const answer = said({ id: `turn${count++}`, blocks });
  upstreams[upstream].answer(stream ? sse(framesOf(upstream, answer)) : json(bodyOf(upstream, answer)));
}

for (const upstream of ["chat", "messages", "responses"] as const) {
  for (const mode of MODES) {
    const stream = mode === "streamed";
    const model = `${upstream}/m`;

    describe(`${upstream} upstream, ${mode}`, () => {
      test("turns go on from each other with store: false, and nothing is kept beyond the session", async () => {
        answers(upstream, stream, text("One."));
        const first = await turn({ model, stream, input: "Hi" });
        assert.equal(first["store"], false);
        answers(upstream, stream, text("Two."));
        const second = await turn({ model, stream, input: "On", previous_response_id: first["id"] });
        assert.equal(second["previous_response_id"], first["id"]);
        answers(upstream, stream, text("Three."));
        await turn({ model, stream, input: "More", previous_response_id: second["id"] });
        const body = asObject(upstreams[upstream].last().body);
        assert.equal(asArray(body[upstream === "responses" ? "input" : "messages"]).length, 5);
        assert.equal(body["previous_response_id"] ?? null, null);
        assert.equal(services.state.get("", String(first["id"])), undefined);
      });

      test("a turn that fails takes the turns before it out of the session", async () => {
        answers(upstream, stream, text("One."));
        const first = await turn({ model, stream, input: "Hi" });
        answers(upstream, stream, text("Two."));
        const second = await turn({ model, stream, input: "On", previous_response_id: first["id"] });
        assert.equal(session.kept.size, 2);
        upstreams[upstream].answer(json({ error: { message: "No", type: "invalid_request_error" } }, 400));
        const failed = await turn({ model, stream, input: "Bad", previous_response_id: second["id"] });
        assert.ok("error" in failed);
        assert.equal(session.kept.size, 0);
      });
    });
  }
}

test("an id that neither the session nor the store knows is told", async () => {
  const answer = await turn({ model: "chat/m", input: "On", previous_response_id: "resp_nobody" });
  assert.equal(asObject(answer["error"])["code"], "previous_response_not_found");
});
