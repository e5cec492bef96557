/** Where state is kept: over a restart, within its limits, and what happens when it can't be. */
import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseConfig } from "../../lib/config.ts";
import { createGateway } from "../../lib/gateway.ts";
import { SqliteStore } from "../../lib/state/sqlite.ts";
import { bodyOf, MODEL, MODES, replyOf, type Stage, startStage } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { answers, create, memberOf, openAi, refused, text, toldTexts, until } from "../support/state.ts";

async function inFolder(act: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "trivium-state-"));
  try {
    await act(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function withStage(settings: string, act: (stage: Stage) => Promise<void>): Promise<void> {
  const stage = await startStage(settings);
  try {
    await act(stage);
  } finally {
    await stage.stop();
  }
}

async function metric(stage: Stage, name: string): Promise<number> {
  const text = await (await fetch(`${stage.gateway.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1] ?? NaN);
}

const model = MODEL.messages;

describe("a file", () => {
  test("keeps responses and conversations over a restart, readable by its owner alone", () =>
    inFolder(async (folder) => {
      const path = join(folder, "state.db");
      let id = "";
      let conversation = "";
      await withStage(`state: { path: "${path}" }`, async (stage) => {
        answers(stage, "messages", "whole", text("Before."));
        id = (await openAi(stage.gateway.url).responses.create({ model, input: "Hi" })).id;
        conversation = (await openAi(stage.gateway.url).conversations.create({ metadata: { a: "b" } })).id;
        assert.deepEqual(await metric(stage, "trivium_stored_responses"), 1);
        assert.ok(await metric(stage, "trivium_stored_bytes") > 500);
        const files = readdirSync(folder).sort();
        assert.deepEqual(files, ["state.db", "state.db-shm", "state.db-wal"]);
        for (const file of files) assert.equal(statSync(join(folder, file)).mode & 0o077, 0, file);
      });
      await withStage(`state: { path: "${path}" }`, async (stage) => {
        const client = openAi(stage.gateway.url);
        assert.equal((await client.responses.retrieve(id)).output_text, "Before.");
        assert.deepEqual((await client.conversations.retrieve(conversation)).metadata, { a: "b" });
        answers(stage, "messages", "streamed", text("After."));
        await create(client, { model, input: "On", previous_response_id: id }, "streamed");
        assert.deepEqual(toldTexts(stage, "messages"), ["Hi", "Before.", "On"]);
      });
    }));

  test("holds a background response that its gateway did not finish as failed", () =>
    inFolder(async (folder) => {
      const settings = `state: { path: "${join(folder, "state.db")}" }`;
      let id = "";
      await withStage(settings, async (stage) => {
        stage.upstreams.messages.answer({ steps: [], silent: true });
        id = (await openAi(stage.gateway.url).responses.create({ model, input: "Hi", background: true })).id;
      });
      await withStage(settings, async (stage) => {
        const found = await openAi(stage.gateway.url).responses.retrieve(id);
        assert.equal(found.status, "failed");
        assert.match(found.error?.message ?? "", /stopped/);
      });
    }));

  test("that is locked when a background response ends still gets how it ended", () =>
    inFolder(async (folder) => {
      const path = join(folder, "state.db");
      await withStage(`state: { path: "${path}" }`, async (stage) => {
        const client = openAi(stage.gateway.url);
        let open: () => void = () => {};
        const opened = new Promise<void>((resolve) => open = resolve);
        stage.upstreams.messages.answer(async () => {
          await opened;
          return replyOf("messages", said({ blocks: [text("At last.")] }), "whole");
        });
        const { id } = await client.responses.create({ model, input: "Hi", background: true });
        const other = new DatabaseSync(path);
        other.exec("BEGIN IMMEDIATE");
        open();
        const retrieve = () => client.responses.retrieve(id);
        const ended = await until(retrieve, ({ status }) => status !== "queued" && status !== "in_progress");
        assert.equal(ended.status, "completed");
        other.exec("ROLLBACK");
        other.close();
        await until(() => metric(stage, "trivium_background_running"), (running) => running === 0);
        const kept = await retrieve();
        assert.deepEqual([kept.status, kept.output_text, memberOf(kept, "store")], ["completed", "At last.", true]);
      });
    }));

  test("shared by two gateways: a background response of one is not over for the other", () =>
    inFolder((folder) => {
      const settings = `state: { path: "${join(folder, "state.db")}" }`;
      return withStage(settings, (one) =>
        withStage(settings, async (two) => {
          one.upstreams.messages.answer({ steps: [], silent: true });
          const { id } = await openAi(one.gateway.url).responses.create({ model, input: "Hi", background: true });
          assert.equal((await openAi(two.gateway.url).responses.retrieve(id)).status, "queued");
          assert.equal((await openAi(one.gateway.url).responses.cancel(id)).status, "cancelled");
          assert.equal((await openAi(two.gateway.url).responses.retrieve(id)).status, "cancelled");
        }));
    }));

  for (const mode of MODES) {
    test(`that is no database stops no answer, and is counted, ${mode}`, () =>
      inFolder(async (folder) => {
        const path = join(folder, "broken.db");
        writeFileSync(path, "This is no database.\n".repeat(1000));
        await withStage(`state: { path: "${path}" }`, async (stage) => {
          const client = openAi(stage.gateway.url);
          answers(stage, "messages", mode, text("Still here."));
          const made = await create(client, { model, input: "Hi" }, mode);
          assert.deepEqual([made.output_text, memberOf(made, "store")], ["Still here.", false]);
          await refused(client.responses.retrieve(made.id), 404, "response_not_found");
          await refused(client.conversations.create(), 503, "overloaded");
          await refused(client.responses.create({ model, input: "Hi", background: true }), 503, "overloaded");
          assert.ok(await metric(stage, "trivium_state_errors_total") >= 1);
        });
      }));
  }
});

test("an answer that is only shown (explain --answer) is not kept", async () => {
  const parsed = parseConfig("providers:\n  c: { base_url: 'http://127.0.0.1:9/v1', formats: [chat] }\n", "t.yaml", {});
  assert.ok(parsed.ok);
  const gateway = createGateway(parsed.value);
  const body = JSON.stringify({ model: "c/m", input: "Hi", background: true });
  const request = new Request("http://localhost/v1/responses", { method: "POST", body });
  const answer = await gateway.handleWith(request, Response.json(bodyOf("chat", said())));
  const { id, status, output } = await answer.json();
  assert.deepEqual([status, output.length], ["completed", 1]);
  assert.equal((await gateway.handle(new Request(`http://localhost/v1/responses/${id}`))).status, 404);
  gateway.close();
});

test("what is larger than its share is not kept, and says so", () =>
  withStage("state: { path: ':memory:', max_mb: 0.1 }", async (stage) => {
    const client = openAi(stage.gateway.url);
    answers(stage, "messages", "whole", text("Much."));
    const made = await create(client, { model, input: "x".repeat(60_000) }, "whole");
    assert.equal(memberOf(made, "store"), false);
    const small = await create(client, { model, input: "x" }, "whole");
    assert.equal(memberOf(small, "store"), true);
  }));

test("what is used least goes first, and the limit holds", () =>
  withStage("state: { path: ':memory:', max_mb: 0.1 }", async (stage) => {
    const client = openAi(stage.gateway.url);
    const ids: string[] = [];
    for (let each = 0; each < 12; each++) {
      answers(stage, "messages", "whole", text("Ok."));
      ids.push((await create(client, { model, input: "x".repeat(15_000) }, "whole")).id);
    }
    await refused(client.responses.retrieve(ids[0] ?? ""), 404, "response_not_found");
    assert.equal((await client.responses.retrieve(ids.at(-1) ?? "")).output_text, "Ok.");
    assert.ok(await metric(stage, "trivium_stored_bytes") <= 0.1 * 1024 * 1024);
  }));

test("what nobody used for its time is gone", async () => {
  let now = Date.UTC(2026, 10, 25);
  const settings = { path: ":memory:", ttlMs: 3_600_000, maxBytes: 1 << 20 };
  const state = new SqliteStore(settings, { now: () => now });
  const stage = await startStage("", { state });
  try {
    const client = openAi(stage.gateway.url);
    answers(stage, "messages", "whole", text("Ok."));
    const first = await create(client, { model, input: "Hi" }, "whole");
    now += 3_000_000;
    const second = await create(client, { model, input: "On", previous_response_id: first.id }, "whole");
    now += 3_000_000;
    assert.equal((await client.responses.retrieve(first.id)).id, first.id);
    now += 3_700_000;
    await refused(client.responses.retrieve(first.id), 404, "response_not_found");
    await refused(
      create(client, { model, input: "More", previous_response_id: second.id }, "whole"),
      404,
      "previous_response_not_found",
    );
    await create(client, { model, input: "New" }, "whole");
    assert.equal(state.stats().responses, 1);
  } finally {
    await stage.stop();
  }
});

test("a database that is locked for long keeps nothing meanwhile, and serves again", () =>
  inFolder(async (folder) => {
    const path = join(folder, "state.db");
    await withStage(`state: { path: "${path}" }`, async (stage) => {
      const client = openAi(stage.gateway.url);
      answers(stage, "messages", "whole", text("Ok."));
      const before = await create(client, { model, input: "Hi" }, "whole");
      const other = new DatabaseSync(path);
      other.exec("BEGIN IMMEDIATE");
      const during = await create(client, { model, input: "Hi" }, "whole");
      assert.deepEqual([during.output_text, memberOf(during, "store")], ["Ok.", false]);
      assert.equal((await client.responses.retrieve(before.id)).id, before.id);
      other.exec("ROLLBACK");
      other.close();
      const after = await create(client, { model, input: "Hi" }, "whole");
      assert.equal(memberOf(after, "store"), true);
    });
    chmodSync(folder, 0o700);
  }));
