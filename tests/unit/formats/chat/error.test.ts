import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { FailureKind } from "../../../../lib/base/failure.ts";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { Losses } from "../../../../lib/format.ts";
import { chat } from "../../../../lib/formats/chat/mod.ts";
import { sealEnvelope } from "../../../../lib/translation/envelope.ts";
import { target } from "./setup.ts";

const NONE = new Headers();
const decode = (status: number, body: unknown, headers = NONE) =>
  chat.decodeError(status, headers, typeof body === "string" ? body : JSON.stringify(body));

describe("an upstream's error", () => {
  const byStatus: [number, FailureKind, boolean][] = [
    [400, "invalid_request", false],
    [402, "billing", false],
    [403, "permission", false],
    [404, "not_found", false],
    [405, "invalid_request", false],
    [408, "timeout", true],
    [409, "upstream", true],
    [413, "too_large", false],
    [422, "invalid_request", false],
    [429, "rate_limit", true],
    [498, "overloaded", true],
    [500, "upstream", true],
    [502, "upstream", true],
    [503, "overloaded", true],
    [504, "timeout", true],
    [524, "timeout", true],
    [529, "overloaded", true],
  ];
  for (const [status, kind, retry] of byStatus) {
    test(`${status} is ${kind}`, () => {
      const failure = decode(status, { error: { message: "m", type: "t", param: null, code: null } });
      assert.deepEqual(failure, { kind, source: "upstream", message: "m", retry, status });
    });
  }

  test("401 is a refused key, whatever it says", () => {
    assert.equal(decode(401, { error: { message: "Go away" } }).kind, "upstream_auth");
    assert.equal(decode(401, "").kind, "upstream_auth");
  });

  const byWords: [string, number, unknown, FailureKind][] = [
    [
      "no quota left",
      429,
      { error: { message: "m", type: "insufficient_quota", code: "insufficient_quota" } },
      "billing",
    ],
    ["a content filter", 400, { error: { message: "m", code: "content_filter" } }, "content_policy"],
    [
      "a bad key that isn't 401",
      400,
      { code: "invalid-argument", error: "Incorrect API key provided: xa***2." },
      "upstream_auth",
    ],
    [
      "Google's bad key",
      400,
      [{ error: { code: 400, message: "API key not valid.", status: "INVALID_ARGUMENT" } }],
      "upstream_auth",
    ],
    ["an error of status 200", 502, { error: { message: "m", type: "invalid_request_error" } }, "invalid_request"],
    ["an error of status 200 that waits", 502, { error: { message: "m", code: "rate_limit_exceeded" } }, "rate_limit"],
  ];
  for (const [name, status, body, kind] of byWords) {
    test(`${name} is ${kind}`, () => assert.equal(decode(status, body).kind, kind));
  }

  const overflows = [
    {
      error: {
        message: "This model's maximum context length is 128000 tokens. However, you requested 130000.",
        code: null,
      },
    },
    { error: { message: "m", code: "context_length_exceeded" } },
    { error: { message: "prompt too long; exceeded max context length by 5 tokens" } },
    { error: { message: "The total length of all messages is too long.", type: "too_many_prompt_tokens", code: 400 } },
  ];
  overflows.forEach((body, index) => {
    test(`context overflow ${index}`, () => assert.equal(decode(400, body).kind, "context_length"));
  });

  test("a refused key: our own words, none of the upstream's", () => {
    const failure = decode(401, {
      error: {
        message: "Incorrect API key provided: sk-proj-****abcd.",
        type: "invalid_request_error",
        code: "invalid_api_key",
      },
    });
    assert.equal(failure.kind, "upstream_auth");
    assert.doesNotMatch(failure.message, /sk-|abcd|Incorrect/);
  });

  test("what looks like a key is taken out of any text", () => {
    const { message } = decode(500, { error: { message: "Bad call with sk-abcdefghijklmnop1234, sorry" } });
    assert.equal(message, "Bad call with ***, sorry");
  });

  test("code and param are kept, numbers are no codes", () => {
    const body = {
      error: { message: "m", type: "invalid_request_error", param: "stop", code: "unsupported_parameter" },
    };
    assert.deepEqual([decode(400, body).param, decode(400, body).code], ["stop", "unsupported_parameter"]);
    assert.equal("code" in decode(429, { error: { message: "m", code: 429 } }), false);
    assert.equal("code" in decode(429, { error: { message: "m", code: "429" } }), false);
  });

  const messages: [string, unknown, string][] = [
    ["Mistral", { detail: "No such thing" }, "No such thing"],
    ["FastAPI", { detail: [{ loc: ["body", "n"], msg: "Too big" }, { msg: "Odd" }] }, "Too big at body.n; Odd"],
    ["Mistral's 422", { object: "error", message: { detail: [{ loc: ["x"], msg: "Bad" }] } }, "Bad at x"],
    ["Cohere", { id: "1", message: "m" }, "m"],
    [
      "OpenRouter",
      { error: { message: "Provider returned error", metadata: { raw: "busy" } } },
      "Provider returned error: busy",
    ],
    ["OpenRouter, too long", { error: { message: "m", metadata: { raw: "x".repeat(501) } } }, "m"],
    ["white space before", '\n  {"error":{"message":"m"}}', "m"],
    ["a line of text", "upstream connect error\n", "upstream connect error"],
    ["a page", "<html><body>Bad gateway</body></html>", "The upstream answered with status 500 and a page of HTML"],
    ["nothing", "", "The upstream answered with status 500"],
    ["an empty object", {}, "The upstream answered with status 500"],
  ];
  for (const [name, body, message] of messages) {
    test(`message: ${name}`, () => assert.equal(decode(500, body).message, message));
  }

  test("headers that clients wait by are kept, on errors alone", () => {
    const headers = new Headers({ "retry-after": "3", "x-should-retry": "false", "x-other": "1" });
    assert.deepEqual(decode(429, {}, headers).retryHeaders, { "retry-after": "3", "x-should-retry": "false" });
    assert.equal(decode(200, { error: "m" }, headers).retryHeaders, undefined);
    assert.equal(decode(429, {}).retryHeaders, undefined);
  });
});

describe("a client's error", () => {
  const table: [FailureKind, number, string, string | null][] = [
    ["invalid_request", 400, "invalid_request_error", null],
    ["unsupported", 400, "invalid_request_error", "unsupported_parameter"],
    ["context_length", 400, "invalid_request_error", "context_length_exceeded"],
    ["authentication", 401, "invalid_request_error", "invalid_api_key"],
    ["upstream_auth", 502, "server_error", "upstream_auth"],
    ["permission", 403, "invalid_request_error", "permission_denied"],
    ["billing", 429, "insufficient_quota", "insufficient_quota"],
    ["not_found", 404, "invalid_request_error", "model_not_found"],
    ["method_not_allowed", 405, "invalid_request_error", "method_not_allowed"],
    ["too_large", 413, "invalid_request_error", "request_too_large"],
    ["rate_limit", 429, "rate_limit_error", "rate_limit_exceeded"],
    ["overloaded", 503, "server_error", "overloaded"],
    ["timeout", 504, "server_error", "timeout"],
    ["content_policy", 400, "invalid_request_error", "content_policy_violation"],
    ["upstream", 502, "server_error", null],
    ["upstream_protocol", 502, "server_error", "upstream_protocol"],
    ["upstream_cut", 502, "server_error", "upstream_stream_cut"],
    ["internal", 500, "server_error", "internal_error"],
    ["cancelled", 499, "server_error", "cancelled"],
  ];
  for (const [kind, status, type, code] of table) {
    test(kind, () => {
      const answer = chat.encodeError({ kind, source: "gateway", message: "m", retry: false }, "req_1");
      assert.deepEqual(answer, { status, body: { error: { message: "m", type, param: null, code } } });
    });
  }

  test("the failure's own field, code and status", () => {
    const failure = { source: "client" as const, message: "m", retry: false };
    const invalid = chat.encodeError({ ...failure, kind: "invalid_request", param: "n", code: "too_big" }, "r");
    assert.deepEqual(invalid.body, {
      error: { message: "m", type: "invalid_request_error", param: "n", code: "too_big" },
    });
    assert.equal(chat.encodeError({ ...failure, kind: "upstream", status: 500 }, "r").status, 500);
    assert.equal(chat.encodeError({ ...failure, kind: "upstream", status: 520 }, "r").status, 520);
    assert.equal(chat.encodeError({ ...failure, kind: "upstream", status: 302 }, "r").status, 502);
  });

  test("what it writes it knows as an error of its own", () => {
    const { body } = chat.encodeError({ kind: "timeout", source: "upstream", message: "m", retry: true }, "r");
    assert.equal(chat.isErrorBody(body), true);
    assert.equal(chat.isErrorBody({ error: "m" }), false);
    assert.equal(chat.isErrorBody({ id: "x", error: null }), false);
    assert.equal(decode(504, body).kind, "timeout");
  });
});

describe("terminals", () => {
  const hits = (text: string) =>
    text.split(/[\r\n]+/).filter((line) => chat.terminals.some((pattern) => line.startsWith(pattern)));

  test("a finish reason is an end where the body ends after it, unless another choice went on", () => {
    const finish = (index: number) => `data: {"choices":[{"index":${index},"delta":{},"finish_reason":"stop"}]}\n\n`;
    const going = 'data: {"choices": [{"index": 1, "delta": {"content": "x"}, "finish_reason": null}]}\n\n';
    const usage = 'data: {"choices":[],"usage":{}}\n\n';
    assert.equal(chat.endsSoftly(going + finish(0)), true);
    assert.equal(chat.endsSoftly(going + finish(0) + usage), true);
    assert.equal(chat.endsSoftly(finish(0) + going), false);
    assert.equal(chat.endsSoftly(finish(0).replace('"stop"', '""')), false);
  });

  test("stand in every proper end and error", () => {
    const ends = [
      "data: [DONE]\n\n",
      "data:[DONE]\r\n\r\n",
      'data: {"error":{"message":"m"}}\n\n',
      'data: {"error": "m"}\n\n',
      "event: error\ndata: out of memory\n\n",
    ];
    for (const end of ends) assert.ok(hits(end).length > 0, end);
  });

  test("stand in no chunk before it, whatever the model writes", () => {
    const content = 'data: [DONE]\n\n"finish_reason":"stop" "error":{"a":1} event: error\n';
    assert.deepEqual(hits(JSON.stringify({ choices: [{ delta: { content }, finish_reason: null }] })), []);
  });
});

test("envelopes leave a body that passes, and everything else stays", () => {
  const native = { type: "reasoning.text", text: "a", signature: "s" };
  const sealed = { ...native, signature: sealEnvelope([{ issuer: "openai", kind: "encrypted", value: "e" }]) };
  const message = (...reasoning_details: JsonObject[]) => ({ role: "assistant", content: "a", reasoning_details });
  const losses = new Losses();
  const body = { model: "m", messages: [message(native, sealed), message(sealed), message(native)], x: 1 };
  assert.deepEqual(chat.stripEnvelopes(body, target(), losses), {
    model: "m",
    messages: [message(native), { role: "assistant", content: "a" }, message(native)],
    x: 1,
  });
  assert.deepEqual(losses.list.map((loss) => loss.path), [
    "messages[0].reasoning_details",
    "messages[1].reasoning_details",
  ]);
});
