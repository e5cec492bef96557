/** On pass-through nothing but a true terminal event ends a stream early, and a torn one ends nothing. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import { framesOf, MODEL, plainBody, post, type Stage, startStage } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { type FormatName } from "../support/told.ts";
import { CUT, type Reply, sse } from "../support/upstream.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

async function passed(format: FormatName, reply: Reply): Promise<Response> {
  stage.upstreams[format].answer(reply);
  return await post(stage.gateway.url, format, plainBody(format, MODEL[format], { stream: true }));
}

const chunk = (index: number, content: string, finish: string | null = null) =>
  `data: ${
    JSON.stringify({
      id: "c",
      object: "chat.completion.chunk",
      choices: [{ index, delta: { content }, finish_reason: finish }],
    })
  }\n\n`;

describe("pass-through", () => {
  test("one choice's finish doesn't cut another's words, however long they take", async () => {
    const words = Array.from({ length: 30 }, (_, i) => [chunk(1, `w${i} `), { pause: 100 }]).flat();
    const response = await passed(
      "chat",
      sse([chunk(0, "done", "stop"), ...words, chunk(1, "", "stop"), "data: [DONE]\n\n"]),
    );
    const text = await response.text();
    assert.ok(text.includes("w29 ") && text.endsWith("data: [DONE]\n\n"));
  }, 10_000);

  test("a break after one choice's finish is told", async () => {
    const text = await (await passed("chat", sse([chunk(0, "done", "stop"), chunk(1, "w"), { pause: 20 }, CUT])))
      .text();
    assert.match(text, /upstream_stream_cut/);
  });

  for (const format of ["messages", "responses"] as const) {
    test(`a torn last event is a break: ${format}`, async () => {
      const whole = framesOf(format, said()).join("");
      const text = await (await passed(format, sse([whole.slice(0, -30), { pause: 20 }, CUT]))).text();
      assert.match(text, /event: error\n/);
    });
  }

  test("a terminal event that only lacks its blank line is one", async () => {
    const whole = framesOf("responses", said()).join("").replace(/\n+$/, "");
    const text = await (await passed("responses", sse([whole]))).text();
    assert.equal(text, whole);
  });

  test("an error as JSON under the name of a stream keeps its status", async () => {
    const error = JSON.stringify({ error: { message: "Too fast", type: "rate_limit_error", param: null, code: null } });
    assert.equal((await passed("chat", sse([error]))).status, 429);
  });
});
