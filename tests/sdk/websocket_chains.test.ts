/**
 * Chains of turns on a socket that are partly stored: what is stored is gone on from out of the store, what is not out of
 * the socket's own memory, and the client sees one chain (OpenAI's guide "WebSocket mode": `store=false`).
 */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { asObject, type Json } from "../support/grammar.ts";
import { FORMATS, MODEL, replyOf, type Stage, startStage } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { assertSocketError, type ClientSocket, openSocket } from "../support/socket.ts";
import { openAi, text, toldTexts } from "../support/state.ts";
import type { FormatName } from "../support/told.ts";
import { json } from "../support/upstream.ts";

const KEY = "key-of-one";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

const connect = () => openSocket(stage.gateway.url, { authorization: `Bearer ${KEY}` });
const client = () => openAi(stage.gateway.url, KEY);

let count = 0;

/** One turn, answered with its own number. */
async function turn(socket: ClientSocket, upstream: FormatName, input: string, fields: Json): Promise<Json> {
  const answer = said({ id: `chain${count++}`, blocks: [text(`Re: ${input}`)] });
  stage.upstreams[upstream].answer(replyOf(upstream, answer, "streamed"));
  const frames = await socket.turn({ model: MODEL[upstream], input, ...fields });
  assert.equal(frames.at(-1)?.["type"], "response.completed", JSON.stringify(frames.at(-1)));
  for (const frame of frames.filter((frame) => "response" in frame)) {
    const { previous_response_id } = asObject(frame["response"]);
    assert.equal(previous_response_id ?? null, fields["previous_response_id"] ?? null);
  }
  return asObject(frames.at(-1)?.["response"]);
}

function inputTexts(id: string): Promise<unknown[]> {
  return client().responses.inputItems.list(id, { order: "asc" }).then(({ data }) =>
    data.map((item) => asObject((asObject(item)["content"] as unknown[])[0])["text"])
  );
}

for (const upstream of FORMATS) {
  describe(`${upstream} upstream`, () => {
    test("stored, not stored, stored, stored: each goes on from all before it", async () => {
      const socket = await connect();
      const a = await turn(socket, upstream, "A", {});
      const b = await turn(socket, upstream, "B", { store: false, previous_response_id: a["id"] });
      assert.deepEqual(toldTexts(stage, upstream), ["A", "Re: A", "B"]);
      const c = await turn(socket, upstream, "C", { previous_response_id: b["id"] });
      assert.deepEqual(toldTexts(stage, upstream), ["A", "Re: A", "B", "Re: B", "C"]);
      const d = await turn(socket, upstream, "D", { previous_response_id: c["id"] });
      const all = ["A", "Re: A", "B", "Re: B", "C", "Re: C", "D"];
      assert.deepEqual(toldTexts(stage, upstream), all);
      // A native upstream that keeps nothing is quoted; the gateway keeps its answers all the same.
      const kept = upstream !== "responses";
      assert.deepEqual([a, b, c, d].map(({ store }) => store), [kept, false, true, true]);
      socket.close();

      assert.deepEqual(await inputTexts(String(d["id"])), ["D"]);
      const other = await connect();
      await turn(other, upstream, "E", { previous_response_id: d["id"] });
      assert.deepEqual(toldTexts(stage, upstream), [...all, "Re: D", "E"]);
      stage.upstreams[upstream].requests.length = 0;
      const [lost] = await other.turn({
        model: MODEL[upstream],
        input: "F",
        previous_response_id: b["id"],
        store: false,
      });
      if (upstream !== "responses") assertSocketError(lost, 400, "previous_response_not_found");
      other.close();
    });

    test("a failed turn evicts what only the socket knew, and nothing that is stored", async () => {
      const socket = await connect();
      const a = await turn(socket, upstream, "A", {});
      const b = await turn(socket, upstream, "B", { store: false, previous_response_id: a["id"] });
      stage.upstreams[upstream].answer(json({ error: { message: "no", type: "invalid_request_error" } }, 400));
      await socket.turn({ model: MODEL[upstream], input: "C", previous_response_id: b["id"] });
      if (upstream !== "responses") {
        const [gone] = await socket.turn({ model: MODEL[upstream], input: "C", previous_response_id: b["id"] });
        assertSocketError(gone, 400, "previous_response_not_found");
      }
      await turn(socket, upstream, "C", { previous_response_id: a["id"] });
      assert.deepEqual(toldTexts(stage, upstream), ["A", "Re: A", "C"]);
      socket.close();
    });

    test("a warm-up is gone on from, stored or not, and goes on from what is stored", async () => {
      const socket = await connect();
      const a = await turn(socket, upstream, "A", {});
      for (const store of [undefined, false]) {
        const fields = store === undefined ? {} : { store };
        const frames = await socket.turn({
          model: MODEL[upstream],
          input: "W",
          generate: false,
          previous_response_id: a["id"],
          ...fields,
        });
        assert.equal(frames.at(-1)?.["type"], "response.completed", JSON.stringify(frames.at(-1)));
        const warm = asObject(frames.at(-1)?.["response"]);
        assert.equal(warm["previous_response_id"], a["id"]);
        await turn(socket, upstream, "B", { previous_response_id: warm["id"], ...fields });
        assert.deepEqual(toldTexts(stage, upstream), ["A", "Re: A", "W", "B"]);
      }
      socket.close();
    });
  });
}
