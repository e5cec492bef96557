/**
 * What goes wrong before an answer begins, through every pair: the client's own SDK must raise the class that it has for
 * the case, with the status of TRANSLATION.md, section 5.
 */
import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, describe, test } from "bun:test";
import assert from "node:assert/strict";
import OpenAI from "openai";
import { asObject, isObject, type Json } from "../support/grammar.ts";
import {
  framesOf,
  type Mode,
  MODEL,
  MODES,
  type Pair,
  PAIRS,
  plainBody,
  post,
  type Stage,
  startStage,
  UPSTREAM_KEY,
} from "../support/pairs.ts";
import { said } from "../support/said.ts";
import type { FormatName } from "../support/told.ts";
import { closedPort, CUT, json, raw, type Reply, sse } from "../support/upstream.ts";
import { openClient } from "../support/clients.ts";
import { startGateway } from "../support/gateway.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(() => stage.stop());

type Raised = InstanceType<typeof OpenAI.APIError> | InstanceType<typeof Anthropic.APIError>;

/** An error as the upstream's own vendor writes it. */
function errorBody(format: FormatName, type: string, message: string, code: string | null = null): Json {
  if (format === "messages") return { type: "error", error: { type, message }, request_id: "req_upstream" };
  return { error: { message, type, param: null, code } };
}

async function raisedBy(asking: Promise<unknown>): Promise<Raised> {
  try {
    await asking;
  } catch (error) {
    if (error instanceof OpenAI.APIError || error instanceof Anthropic.APIError) return error;
    throw error;
  }
  throw new assert.AssertionError({ message: "The SDK raised nothing" });
}

function raise(pair: Pair, mode: Mode, reply: Reply): Promise<Raised> {
  stage.upstreams[pair.upstream].answer(reply);
  const client = stage.client(pair.client);
  const ask = { model: MODEL[pair.upstream], turns: [{ user: "Hi" }] };
  return raisedBy(mode === "whole" ? client.ask(ask) : client.stream(ask));
}

/** The error object itself: Anthropic's SDK keeps the whole body, OpenAI's what is under `error`. */
function errorOf(raised: Raised): Json {
  const body = asObject(raised.error);
  return isObject(body["error"]) ? body["error"] : body;
}

const CLASSES = {
  openai: {
    400: OpenAI.BadRequestError,
    403: OpenAI.PermissionDeniedError,
    404: OpenAI.NotFoundError,
    429: OpenAI.RateLimitError,
    500: OpenAI.InternalServerError,
    502: OpenAI.InternalServerError,
    503: OpenAI.InternalServerError,
  },
  anthropic: {
    400: Anthropic.BadRequestError,
    403: Anthropic.PermissionDeniedError,
    404: Anthropic.NotFoundError,
    429: Anthropic.RateLimitError,
    500: Anthropic.InternalServerError,
    502: Anthropic.InternalServerError,
    529: Anthropic.APIError,
  },
} as const;

interface Case {
  /** What the upstream says: its status, and its type in each family. */
  status: number;
  openai: string;
  anthropic: string;
  /** What the client gets: status, type and code by family. */
  toOpenai: { status: keyof (typeof CLASSES)["openai"]; type: string; code?: string };
  toAnthropic: { status: keyof (typeof CLASSES)["anthropic"]; type: string };
}

const CASES: readonly Case[] = [
  {
    status: 400,
    openai: "invalid_request_error",
    anthropic: "invalid_request_error",
    toOpenai: { status: 400, type: "invalid_request_error" },
    toAnthropic: { status: 400, type: "invalid_request_error" },
  },
  {
    status: 401,
    openai: "invalid_request_error",
    anthropic: "authentication_error",
    toOpenai: { status: 502, type: "server_error", code: "upstream_auth" },
    toAnthropic: { status: 502, type: "api_error" },
  },
  {
    status: 403,
    openai: "invalid_request_error",
    anthropic: "permission_error",
    toOpenai: { status: 403, type: "invalid_request_error", code: "permission_denied" },
    toAnthropic: { status: 403, type: "permission_error" },
  },
  {
    status: 404,
    openai: "invalid_request_error",
    anthropic: "not_found_error",
    toOpenai: { status: 404, type: "invalid_request_error", code: "model_not_found" },
    toAnthropic: { status: 404, type: "not_found_error" },
  },
  {
    status: 429,
    openai: "rate_limit_error",
    anthropic: "rate_limit_error",
    toOpenai: { status: 429, type: "rate_limit_error", code: "rate_limit_exceeded" },
    toAnthropic: { status: 429, type: "rate_limit_error" },
  },
  {
    status: 500,
    openai: "server_error",
    anthropic: "api_error",
    toOpenai: { status: 500, type: "server_error" },
    toAnthropic: { status: 500, type: "api_error" },
  },
  {
    status: 503,
    openai: "server_error",
    anthropic: "api_error",
    toOpenai: { status: 503, type: "server_error", code: "overloaded" },
    toAnthropic: { status: 529, type: "overloaded_error" },
  },
  {
    status: 529,
    openai: "server_error",
    anthropic: "overloaded_error",
    toOpenai: { status: 503, type: "server_error", code: "overloaded" },
    toAnthropic: { status: 529, type: "overloaded_error" },
  },
];

const HEADERS = { "retry-after": "7", "x-request-id": "req_upstream", "request-id": "req_upstream" };

function assertCase(pair: Pair, raised: Raised, { status, toOpenai, toAnthropic }: Case): void {
  const { type } = errorOf(raised);
  // An upstream that speaks the client's format keeps its own words, and its status where the table would only rename it.
  const renamed = pair.passes && (status === 503 || status === 529);
  if (pair.client === "messages") {
    if (!renamed) assert.equal(raised.status, toAnthropic.status);
    assert.ok(raised instanceof CLASSES.anthropic[toAnthropic.status], `raised ${raised.constructor.name}`);
    if (!renamed) assert.equal(type, toAnthropic.type);
  } else {
    if (!renamed) assert.equal(raised.status, toOpenai.status);
    assert.ok(raised instanceof CLASSES.openai[toOpenai.status], `raised ${raised.constructor.name}`);
    if (!renamed) assert.equal(type, toOpenai.type);
    if (!pair.passes && toOpenai.code !== undefined) assert.equal(errorOf(raised)["code"], toOpenai.code);
  }
  if (renamed) assert.ok(raised.status === 503 || raised.status === 529, `status ${raised.status}`);
}

for (const status of CASES) {
  describe(`upstream ${status.status}`, () => {
    for (const pair of PAIRS) {
      for (const mode of MODES) {
        test(`${pair.name}, ${mode}`, async () => {
          const type = pair.upstream === "messages" ? status.anthropic : status.openai;
          const body = errorBody(pair.upstream, type, "Upstream says no, for a reason.");
          const raised = await raise(pair, mode, json(body, status.status, HEADERS));
          assertCase(pair, raised, status);
          assert.match(raised.message, status.status === 401 ? /./ : /Upstream says no, for a reason\./);
          assert.equal(raised.headers?.get("x-trivium-upstream-status"), String(status.status));
          if (status.status === 429) assert.equal(raised.headers?.get("retry-after"), "7");
          assert.ok(raised.requestID, "no request id");
          const repeated = asObject(raised.error)["request_id"];
          if (pair.client === "messages" && !pair.passes) assert.equal(repeated, raised.requestID);
        });
      }
    }
  });
}

describe("retry headers pass", () => {
  for (const pair of PAIRS) {
    test(pair.name, async () => {
      const headers = { "retry-after": "7", "retry-after-ms": "6500", "x-should-retry": "false" };
      const raised = await raise(
        pair,
        "whole",
        json(errorBody(pair.upstream, "rate_limit_error", "slow"), 429, headers),
      );
      for (const [name, value] of Object.entries(headers)) assert.equal(raised.headers?.get(name), value);
    });
  }
});

describe("context overflow (case 28)", () => {
  const says: Record<FormatName, [string, string | null]> = {
    chat: [
      "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
      "context_length_exceeded",
    ],
    messages: ["prompt is too long: 200251 tokens > 200000 maximum", null],
    responses: [
      "Your input exceeds the context window of this model. Please adjust your input and try again.",
      "context_length_exceeded",
    ],
  };
  for (const pair of PAIRS) {
    test(pair.name, async () => {
      const [message, code] = says[pair.upstream];
      const body = errorBody(pair.upstream, "invalid_request_error", message, code);
      const raised = await raise(pair, "whole", json(body, 400));
      assert.equal(raised.status, 400);
      if (pair.client === "messages") assert.match(raised.message, /prompt is too long|exceed context limit/i);
      else assert.equal(errorOf(raised)["code"], "context_length_exceeded");
    });
  }
});

const HTML = "<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>";

describe("answers that are no answers", () => {
  const broken: [string, Reply, number][] = [
    ["an HTML error page", raw(HTML, "text/html", 502), 502],
    ["an HTML page with status 200", raw(HTML, "text/html"), 502],
    ["broken JSON", raw('{"id": "x", "choices": [', "application/json"), 502],
    ["an empty body", raw("", "application/json"), 502],
    ["an empty error", raw("", "application/json", 500), 500],
    ["a string as error", json({ error: "boom" }, 500), 500],
    ["a connection closed without an answer", { steps: [CUT] }, 502],
  ];
  for (const [name, reply, status] of broken) {
    for (const pair of PAIRS) {
      for (const mode of MODES) {
        test(`${name}: ${pair.name}, ${mode}`, async () => {
          const raised = await raise(pair, mode, reply);
          const classes = pair.client === "messages" ? Anthropic : OpenAI;
          assert.equal(raised.status, status);
          assert.ok(raised instanceof classes.InternalServerError, `raised ${raised.constructor.name}`);
          assert.equal(typeof errorOf(raised)["message"], "string");
          assert.notEqual(errorOf(raised)["message"], "");
        });
      }
    }
  }
});

describe("a body of another format with status 200, whole", () => {
  for (const pair of PAIRS.filter(({ passes }) => !passes)) {
    test(pair.name, async () => {
      const raised = await raise(pair, "whole", json({ hello: "world" }));
      assert.equal(raised.status, 502);
    });
  }
});

describe("an error with status 200", () => {
  for (const pair of PAIRS) {
    test(`whole: ${pair.name}`, async () => {
      const raised = await raise(pair, "whole", json(errorBody(pair.upstream, "rate_limit_error", "Too fast")));
      assert.equal(raised.status, 429);
      assert.match(raised.message, /Too fast/);
    });
  }
});

describe("an error in a stream of status 200, before any content (case 27, PITFALLS 11)", () => {
  for (const pair of PAIRS) {
    const [opening, error] = earlyError(pair.upstream);
    const streams: [string, Reply][] = [
      ["in one piece", sse([[...opening, error].join("")])],
      ["some time after the opening events", sse([...opening, { pause: 5 }, error])],
    ];
    for (const [name, reply] of streams) {
      test(`${name}: ${pair.name}`, async () => {
        const raised = await raise(pair, "streamed", reply);
        assert.equal(raised.status, 429);
        assert.match(raised.message, /Too fast/);
      });
    }
  }
});

/** What comes before any content, and the error, as frames. */
function earlyError(format: FormatName): [string[], string] {
  const body = errorBody(format, "rate_limit_error", "Too fast", "rate_limit_exceeded");
  const frames = framesOf(format, said());
  switch (format) {
    case "chat":
      return [frames.slice(0, 1), `data: ${JSON.stringify(body)}\n\n`];
    case "messages":
      return [frames.slice(0, 1), `event: error\ndata: ${JSON.stringify(body)}\n\n`];
    case "responses": {
      const error = JSON.stringify({ type: "error", sequence_number: 2, ...body });
      return [frames.slice(0, 2), `event: error\ndata: ${error}\n\n`];
    }
  }
}

describe("an upstream that is down", () => {
  test("each client raises, by status 502", async () => {
    const port = await closedPort();
    const gateway = await startGateway(`
log: off
providers:
  down: { base_url: "http://127.0.0.1:${port}/v1", formats: [chat], api_key: none }
  down2: { base_url: "http://127.0.0.1:${port}/v1", formats: [messages, responses], api_key: none }
`);
    try {
      for (const name of ["chat", "messages", "responses"] as const) {
        for (const provider of ["down", "down2"]) {
          const ask = { model: `${provider}/m`, turns: [{ user: "Hi" }] };
          for (const asking of [openClient(name, gateway.url).ask(ask), openClient(name, gateway.url).stream(ask)]) {
            const raised = await raisedBy(asking);
            assert.equal(raised.status, 502);
            assert.ok(raised instanceof (name === "messages" ? Anthropic : OpenAI).InternalServerError);
          }
        }
      }
    } finally {
      await gateway.stop();
    }
  });
});

describe("expose_upstream_auth", () => {
  test("an upstream's 401 reaches the client as 401", async () => {
    const exposing = await startStage("expose_upstream_auth: true");
    try {
      exposing.upstreams.chat.answer(json(errorBody("chat", "invalid_request_error", "Bad key"), 401));
      const ask = { model: MODEL.chat, turns: [{ user: "Hi" }] };
      assert.ok(await raisedBy(exposing.client("chat").ask(ask)) instanceof OpenAI.AuthenticationError);
      assert.ok(await raisedBy(exposing.client("messages").ask(ask)) instanceof Anthropic.AuthenticationError);
    } finally {
      await exposing.stop();
    }
  });
});

describe("keys never show (PITFALLS 21)", () => {
  for (const pair of PAIRS) {
    for (const status of [400, 401, 403, 429, 500]) {
      test(`an upstream that repeats the key in its ${status}: ${pair.name}`, async () => {
        const key = UPSTREAM_KEY[pair.upstream];
        const message = `Incorrect API key provided: ${key}.`;
        const type = pair.upstream === "messages" ? "authentication_error" : "invalid_request_error";
        stage.upstreams[pair.upstream].answer(
          json({ ...errorBody(pair.upstream, type, message), debug: { key } }, status, {
            "x-debug": `key=${key}`,
            "www-authenticate": `Bearer ${key}`,
          }),
        );
        const response = await post(stage.gateway.url, pair.client, plainBody(pair.client, MODEL[pair.upstream]));
        const everything = JSON.stringify([...response.headers]) + await response.text();
        assert.ok(!everything.includes(key), everything);
      });
    }
    test(`an upstream that repeats the key in HTML: ${pair.name}`, async () => {
      const key = UPSTREAM_KEY[pair.upstream];
      stage.upstreams[pair.upstream].answer(raw(`<html>${key}</html>`, "text/html", 500));
      const response = await post(stage.gateway.url, pair.client, plainBody(pair.client, MODEL[pair.upstream]));
      assert.ok(!(await response.text()).includes(key));
    });
  }
});
