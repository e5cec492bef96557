import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { Failure, FailureKind } from "../../../../lib/base/failure.ts";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { messages } from "../../../../lib/formats/messages/mod.ts";

function failure(kind: FailureKind, more: Partial<Failure> = {}): Failure {
  return { kind, source: "client", message: "words", retry: false, ...more };
}

function encoded(kind: FailureKind, more: Partial<Failure> = {}) {
  const { status, body } = messages.encodeError(failure(kind, more), "req_1");
  return { status, error: body["error"] as JsonObject, body };
}

function decoded(status: number, body: unknown, headers: Record<string, string> = {}): Failure {
  return messages.decodeError(status, new Headers(headers), typeof body === "string" ? body : JSON.stringify(body));
}

function apiError(type: string, message = "words"): JsonObject {
  return { type: "error", error: { type, message }, request_id: "req_9" };
}

describe("messages error encode", () => {
  test("the body, with the request's id in it", () => {
    assert.deepEqual(encoded("not_found").body, {
      type: "error",
      error: { type: "not_found_error", message: "words" },
      request_id: "req_1",
    });
  });

  const table: readonly (readonly [FailureKind, number, string])[] = [
    ["invalid_request", 400, "invalid_request_error"],
    ["unsupported", 400, "invalid_request_error"],
    ["authentication", 401, "authentication_error"],
    ["upstream_auth", 502, "api_error"],
    ["billing", 402, "billing_error"],
    ["permission", 403, "permission_error"],
    ["not_found", 404, "not_found_error"],
    ["too_large", 413, "request_too_large"],
    ["rate_limit", 429, "rate_limit_error"],
    ["overloaded", 529, "overloaded_error"],
    ["timeout", 504, "timeout_error"],
    ["upstream_cut", 502, "api_error"],
    ["internal", 500, "api_error"],
  ];
  for (const [kind, status, type] of table) {
    test(kind, () => {
      assert.deepEqual([encoded(kind).status, encoded(kind).error["type"]], [status, type]);
    });
  }

  test("an upstream's own 5xx stays, no answer at all is a bad gateway", () => {
    assert.equal(encoded("upstream", { status: 500 }).status, 500);
    assert.equal(encoded("upstream", { status: 522 }).status, 522);
    assert.equal(encoded("upstream").status, 502);
  });

  test("case 28: an overflow is told in the words that Claude Code compacts on", () => {
    const message = (words: string) => encoded("context_length", { message: words }).error["message"];
    assert.equal(message("prompt is too long: 5 tokens > 4 maximum"), "prompt is too long: 5 tokens > 4 maximum");
    assert.equal(
      message("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."),
      "prompt is too long: 9000 tokens > 8192 maximum",
    );
    assert.equal(
      message(
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (7000 in the messages, 2000 in the completion).",
      ),
      "input length and `max_tokens` exceed context limit: 7000 + 2000 > 8192",
    );
    assert.equal(message("Too much."), "prompt is too long: Too much.");
  });

  test("a thread that can't be kept is told as the SDK reads it", () => {
    assert.deepEqual(encoded("unsupported", { param: "thread" }).error["details"], {
      error_code: "thread_unsupported_request",
      unsupported: ["thread"],
    });
    assert.equal("details" in encoded("unsupported", { param: "container" }).error, false);
    assert.deepEqual(encoded("invalid_request", { details: { error_code: "x" } }).error["details"], {
      error_code: "x",
    });
  });

  test("the place is told with the message, but for an upstream's own words", () => {
    const told = (more: Partial<Failure>) => encoded("unsupported", { message: "No audio", ...more }).error["message"];
    assert.equal(told({ param: "messages[0].content[1]" }), "messages[0].content[1]: No audio");
    assert.equal(told({ param: "audio" }), "No audio");
    assert.equal(told({ param: "messages", status: 400 }), "No audio");
  });

  test("its own shape is known again", () => {
    assert.equal(messages.isErrorBody(encoded("internal").body), true);
    assert.equal(messages.isErrorBody({ error: { message: "words" } }), false);
    assert.equal(messages.isErrorBody({ type: "message", content: [] }), false);
  });
});

describe("messages error decode", () => {
  const table: readonly (readonly [number, JsonObject | string, FailureKind, boolean])[] = [
    [400, apiError("invalid_request_error"), "invalid_request", false],
    [401, apiError("authentication_error"), "upstream_auth", false],
    [402, apiError("billing_error"), "billing", false],
    [400, apiError("invalid_request_error", "Your credit balance is too low to access the API"), "billing", false],
    [403, apiError("permission_error"), "permission", false],
    [404, apiError("not_found_error"), "not_found", false],
    [413, apiError("request_too_large"), "too_large", false],
    [429, apiError("rate_limit_error"), "rate_limit", true],
    [500, apiError("api_error"), "upstream", true],
    [529, apiError("overloaded_error"), "overloaded", true],
    [504, apiError("timeout_error"), "timeout", true],
    [400, apiError("invalid_request_error", "prompt is too long: 5 tokens > 4 maximum"), "context_length", false],
    [400, apiError("invalid_request_error", "Output blocked by content filtering policy"), "content_policy", false],
    [409, apiError("conflict_error"), "upstream", true],
    // Errors served with another status than theirs.
    [502, apiError("rate_limit_error"), "rate_limit", true],
    [200, apiError("overloaded_error"), "overloaded", true],
    // Servers that only look like Anthropic's.
    [429, { error: { message: "slow down", code: "rate_limit_exceeded" } }, "rate_limit", true],
    [422, { detail: "no such field" }, "invalid_request", false],
    [503, "no healthy upstream", "overloaded", true],
    [502, "<html>Bad gateway</html>", "upstream", true],
  ];
  for (const [status, body, kind, retry] of table) {
    test(`${status} ${JSON.stringify(body).slice(0, 60)}`, () => {
      const found = decoded(status, body);
      assert.deepEqual([found.kind, found.retry], [kind, retry]);
    });
  }

  test("the upstream's words are kept, a page's are not", () => {
    assert.equal(decoded(400, apiError("invalid_request_error", "messages.0: no")).message, "messages.0: no");
    assert.equal(decoded(503, "no healthy upstream").message, "no healthy upstream");
    assert.equal(decoded(502, "<html>Bad</html>").message, "The upstream answered with status 502 and a page of HTML");
    assert.equal(decoded(500, "").message, "The upstream answered with status 500");
    assert.equal(decoded(500, { error: "it broke" }).message, "it broke");
  });

  test("PITFALLS 21: of a refused key nothing is repeated", () => {
    const found = decoded(401, {
      error: { type: "authentication_error", message: "bad key sk-ant-1234", code: "sk-ant" },
    });
    assert.equal(JSON.stringify(found).includes("sk-ant"), false);
    assert.equal(found.source, "upstream");
  });

  test("what retries go by is kept, and obeyed", () => {
    const found = decoded(429, apiError("rate_limit_error"), {
      "retry-after": "12",
      "x-should-retry": "false",
      "x-other": "1",
    });
    assert.deepEqual(found.retryHeaders, { "retry-after": "12", "x-should-retry": "false" });
    assert.equal(found.retry, false);
    assert.equal(found.status, 429);
  });

  test("details that a client acts upon go through", () => {
    const details = { error_code: "thread_not_found" };
    const body = { type: "error", error: { type: "not_found_error", message: "words", details } };
    const through = messages.encodeError(decoded(404, body), "req_1");
    assert.deepEqual(through.body["error"], { type: "not_found_error", message: "words", details });
  });
});
