import assert from "node:assert/strict";
import { test } from "bun:test";
import { parseConfig } from "../../lib/config.ts";
import { FORMATS } from "../../lib/formats/mod.ts";
import { send } from "../../lib/upstream.ts";

const { Bun: bun } = globalThis as { Bun?: { gc(force: boolean): void } };

/** Sends a body to the mock, whose answer goes on; what is left to hold the body is the call's abort signal. */
async function sentBody(abort: AbortController): Promise<WeakRef<Uint8Array>> {
  const parsed = parseConfig("providers: { mock: {} }", "test.yaml", {});
  const provider = parsed.ok ? parsed.value.providers.get("mock") : undefined;
  assert.ok(provider !== undefined);
  const asked = { model: "slow-60000", stream: true, messages: [{ role: "user", content: "one two" }] };
  const body = new TextEncoder().encode(JSON.stringify(asked));
  const { chat } = FORMATS;
  const attempt = {
    provider,
    format: chat,
    path: chat.path,
    headers: {},
    body,
    abort,
    firstByteMs: 5000,
  };
  const sent = await send(attempt);
  assert.equal(sent.ok, true);
  return new WeakRef(body);
}

const NAME = "a request's body is let go of while its answer streams";
if (bun === undefined) test.skip(`${NAME}: only Bun collects garbage when it is asked to`, () => {});
else {test(NAME, async () => {
    const abort = new AbortController();
    const refs: WeakRef<Uint8Array>[] = [];
    for (let i = 0; i < 20; i++) refs.push(await sentBody(abort));
    await new Promise((resolve) => setTimeout(resolve, 0));
    bun.gc(true);
    // A few may still be named on the stack, which Bun's collector takes for use.
    const held = refs.filter((ref) => ref.deref() !== undefined).length;
    abort.abort();
    assert.ok(held < 10, `${held} of 20 bodies are still held`);
  });}
