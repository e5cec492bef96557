import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { FailureKind } from "../../../../lib/base/failure.ts";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { responses } from "../../../../lib/formats/responses/mod.ts";

function decode(status: number, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return responses.decodeError(status, new Headers(headers), text);
}

function openai(message: string, more: JsonObject = {}): JsonObject {
  return { error: { message, type: "invalid_request_error", param: null, code: null, ...more } };
}

describe("responses decodeError", () => {
  const CASES: [string, number, unknown, FailureKind][] = [
    ["a bad field", 400, openai("Bad", { param: "temperature" }), "invalid_request"],
    ["too long, by its code", 400, openai("Too much", { code: "context_length_exceeded" }), "context_length"],
    ["too long, by its words", 400, openai("Your input exceeds the context window of this model."), "context_length"],
    ["a refused key", 401, openai("Incorrect API key provided: sk-ab***yz"), "upstream_auth"],
    [
      "a refused key as 400",
      400,
      { code: "invalid-argument", error: "Incorrect API key provided: xai-12***" },
      "upstream_auth",
    ],
    ["not allowed", 403, openai("No"), "permission"],
    ["no such model", 404, openai("No such model", { code: "model_not_found" }), "not_found"],
    ["too large", 413, "", "too_large"],
    ["too fast", 429, openai("Slow", { type: "tokens", code: "rate_limit_exceeded" }), "rate_limit"],
    ["too fast, with words of length", 429, openai("Request too large: input is too long"), "rate_limit"],
    ["no money", 429, openai("Quota", { code: "insufficient_quota" }), "billing"],
    ["no money, by status", 402, openai("Pay"), "billing"],
    ["against the policy", 400, openai("No", { code: "content_policy_violation" }), "content_policy"],
    ["broken", 500, openai("Oops", { type: "server_error" }), "upstream"],
    ["behind a proxy", 502, "<html><body>Bad Gateway</body></html>", "upstream"],
    ["busy", 503, openai("Busy"), "overloaded"],
    ["slow", 504, "", "timeout"],
    ["a status in a body of 200", 200, { error: { message: "Slow", code: 429 } }, "rate_limit"],
    ["a list", 400, [{ error: { message: "Bad" } }], "invalid_request"],
  ];
  for (const [name, status, body, kind] of CASES) {
    test(name, () => assert.equal(decode(status, body).kind, kind));
  }

  test("messages of every shape", () => {
    const messageOf = (body: unknown) => decode(400, body).message;
    assert.equal(messageOf(openai("A")), "A");
    assert.equal(messageOf({ error: "B" }), "B");
    assert.equal(messageOf({ message: "C" }), "C");
    assert.equal(messageOf({ detail: "D" }), "D");
    assert.equal(messageOf("just text"), "just text");
    assert.equal(messageOf("<html>"), "The upstream answered with status 400 and a page of HTML");
  });

  test("no piece of a key is passed on", () => {
    const refused = decode(401, openai("Incorrect API key provided: sk-abcdefgh12345678"));
    assert.ok(!JSON.stringify(refused).includes("abcdefgh"));
    assert.equal(refused.status, 401);
    assert.ok(!decode(400, openai("Bad header sk-proj-abcdefgh12345678")).message.includes("abcdefgh"));
  });

  test("what clients' retries read is kept, with parameter, code and status", () => {
    const failure = decode(
      429,
      openai("Slow", { code: "rate_limit_exceeded", param: "model" }),
      { "retry-after": "3", "retry-after-ms": "2500", "x-should-retry": "true", "x-other": "1" },
    );
    assert.deepEqual(failure, {
      kind: "rate_limit",
      source: "upstream",
      message: "Slow",
      retry: true,
      status: 429,
      param: "model",
      code: "rate_limit_exceeded",
      retryHeaders: { "retry-after": "3", "retry-after-ms": "2500", "x-should-retry": "true" },
    });
  });
});

describe("responses encodeError", () => {
  const CASES: [FailureKind, number, string, string | null][] = [
    ["invalid_request", 400, "invalid_request_error", null],
    ["unsupported", 400, "invalid_request_error", "unsupported_parameter"],
    ["context_length", 400, "invalid_request_error", "context_length_exceeded"],
    ["authentication", 401, "invalid_request_error", "invalid_api_key"],
    ["upstream_auth", 502, "server_error", "upstream_auth"],
    ["permission", 403, "invalid_request_error", "permission_denied"],
    ["billing", 429, "insufficient_quota", "insufficient_quota"],
    ["not_found", 404, "invalid_request_error", "model_not_found"],
    ["too_large", 413, "invalid_request_error", "request_too_large"],
    ["rate_limit", 429, "rate_limit_error", "rate_limit_exceeded"],
    ["overloaded", 503, "server_error", "overloaded"],
    ["timeout", 504, "server_error", "timeout"],
    ["content_policy", 400, "invalid_request_error", "content_policy_violation"],
    ["upstream_cut", 502, "server_error", "upstream_stream_cut"],
    ["internal", 500, "server_error", "internal_error"],
  ];
  for (const [kind, status, type, code] of CASES) {
    test(kind, () => {
      const failure = { kind, source: "upstream" as const, message: "What", retry: false, param: "p" };
      assert.deepEqual(responses.encodeError(failure, "req_1"), {
        status,
        body: { error: { message: "What", type, param: "p", code } },
      });
    });
  }

  test("an upstream's own status stays, one that never answered is a bad gateway", () => {
    const failure = { kind: "upstream" as const, source: "upstream" as const, message: "What", retry: true };
    assert.equal(responses.encodeError({ ...failure, status: 500 }, "r").status, 500);
    assert.equal(responses.encodeError(failure, "r").status, 502);
  });

  test("a code that says more is kept", () => {
    const failure = { kind: "not_found" as const, source: "gateway" as const, message: "What", retry: false };
    const { body } = responses.encodeError({ ...failure, code: "previous_response_not_found" }, "r");
    assert.equal((body["error"] as JsonObject)["code"], "previous_response_not_found");
  });

  test("a failed response is an answer, not an error", () => {
    assert.equal(responses.isErrorBody(openai("Bad")), true);
    assert.equal(responses.isErrorBody({ object: "response", error: { code: "server_error", message: "Bad" } }), false);
    assert.equal(responses.isErrorBody({ object: "response", error: null }), false);
  });
});
