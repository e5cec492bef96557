import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { rateLimitHeaders } from "../../../lib/translation/ratelimit.ts";

const NOW = Date.parse("2026-11-05T12:00:00Z");

const ANTHROPIC = {
  "anthropic-ratelimit-requests-limit": "1000",
  "anthropic-ratelimit-requests-remaining": "999",
  "anthropic-ratelimit-requests-reset": "2026-11-05T12:01:30Z",
  "anthropic-ratelimit-tokens-limit": "200000",
  "anthropic-ratelimit-tokens-remaining": "150000",
  "anthropic-ratelimit-tokens-reset": "2026-11-05T12:00:01.500Z",
  "anthropic-ratelimit-input-tokens-limit": "100000",
};
const OPENAI = {
  "x-ratelimit-limit-requests": "60",
  "x-ratelimit-remaining-requests": "59",
  "x-ratelimit-reset-requests": "1m30s",
  "x-ratelimit-limit-tokens": "150000",
  "x-ratelimit-remaining-tokens": "149984",
  "x-ratelimit-reset-tokens": "20ms",
};

describe("rateLimitHeaders", () => {
  test("the client's own family passes as it is, all of it", () => {
    assert.deepEqual(rateLimitHeaders(new Headers(ANTHROPIC), "messages", NOW), ANTHROPIC);
    assert.deepEqual(rateLimitHeaders(new Headers(OPENAI), "chat", NOW), OPENAI);
    assert.deepEqual(rateLimitHeaders(new Headers(OPENAI), "responses", NOW), OPENAI);
  });

  test("two families are never mixed: the client's own is told", () => {
    assert.deepEqual(rateLimitHeaders(new Headers({ ...ANTHROPIC, ...OPENAI }), "messages", NOW), ANTHROPIC);
    assert.deepEqual(rateLimitHeaders(new Headers({ ...ANTHROPIC, ...OPENAI }), "chat", NOW), OPENAI);
  });

  test("Anthropic's requests and tokens in OpenAI's words", () => {
    assert.deepEqual(rateLimitHeaders(new Headers(ANTHROPIC), "responses", NOW), {
      "x-ratelimit-limit-requests": "1000",
      "x-ratelimit-remaining-requests": "999",
      "x-ratelimit-reset-requests": "1m30s",
      "x-ratelimit-limit-tokens": "200000",
      "x-ratelimit-remaining-tokens": "150000",
      "x-ratelimit-reset-tokens": "1.5s",
    });
  });

  test("OpenAI's in Anthropic's", () => {
    assert.deepEqual(rateLimitHeaders(new Headers(OPENAI), "messages", NOW), {
      "anthropic-ratelimit-requests-limit": "60",
      "anthropic-ratelimit-requests-remaining": "59",
      "anthropic-ratelimit-requests-reset": "2026-11-05T12:01:30Z",
      "anthropic-ratelimit-tokens-limit": "150000",
      "anthropic-ratelimit-tokens-remaining": "149984",
      "anthropic-ratelimit-tokens-reset": "2026-11-05T12:00:01Z",
    });
  });

  const durations: [string, string | undefined][] = [
    ["1h2m3s", "2026-11-05T13:02:03Z"],
    ["2d", "2026-11-07T12:00:00Z"],
    ["6m0s", "2026-11-05T12:06:00Z"],
    ["7.66s", "2026-11-05T12:00:08Z"],
    ["12", "2026-11-05T12:00:12Z"],
    ["0s", "2026-11-05T12:00:00Z"],
    ["soon", undefined],
    ["", undefined],
  ];
  for (const [text, moment] of durations) {
    test(`a reset in ${JSON.stringify(text)}`, () => {
      const told = rateLimitHeaders(new Headers({ "x-ratelimit-reset-tokens": text }), "messages", NOW);
      assert.equal(told["anthropic-ratelimit-tokens-reset"], moment);
    });
  }

  const moments: [string, string | undefined][] = [
    ["2026-11-05T12:00:00.250Z", "250ms"],
    ["2026-11-05T14:00:05Z", "2h0m5s"],
    ["2026-11-05T11:59:00Z", "0s"],
    ["2026-11-05T12:01:30+00:00", "1m30s"],
    ["soon", undefined],
  ];
  for (const [text, duration] of moments) {
    test(`a reset at ${text}`, () => {
      const told = rateLimitHeaders(new Headers({ "anthropic-ratelimit-requests-reset": text }), "chat", NOW);
      assert.equal(told["x-ratelimit-reset-requests"], duration);
    });
  }

  test("nothing is told where nothing was", () => {
    assert.deepEqual(rateLimitHeaders(new Headers({ "retry-after": "3" }), "chat", NOW), {});
  });
});
