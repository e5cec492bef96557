/** Claude Code through the gateway, on upstreams of the other two formats: a task with tools, and a full context. */
import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { join } from "node:path";
import { asObject, type Json } from "../support/grammar.ts";
import { framesOf } from "../support/pairs.ts";
import { said } from "../support/said.ts";
import { type FormatName, readTold } from "../support/told.ts";
import { type Handler, json, type Received, type Reply, sse } from "../support/upstream.ts";
import { ABSENT, claudeCode } from "./install.ts";
import { assertThoughts, type Ended, replyTo, Scenes, step, TEST_MS, turns } from "./scene.ts";

const UPSTREAMS = ["chat", "responses"] as const;
const FINAL = "All three roads meet.";
const TASK = "Write down where the roads meet";

const scenes = new Scenes();

/** Every call home is off, whatever it is for; what gets through all the same, the scene's proxy reports. */
const QUIET: Record<string, string> = {
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL: "1",
  DISABLE_TELEMETRY: "1",
  DISABLE_ERROR_REPORTING: "1",
  DISABLE_AUTOUPDATER: "1",
  DISABLE_UPDATES: "1",
  DISABLE_BUG_COMMAND: "1",
  DISABLE_FEEDBACK_COMMAND: "1",
  DISABLE_GROWTHBOOK: "1",
};

interface Result extends Ended {
  /** What it prints at its end with `--output-format json`. */
  summary: Json;
}

async function start(
  upstream: FormatName,
  answer: Handler,
  tools = "Write,Bash,WebFetch",
): Promise<Result> {
  const setting = {
    upstream,
    model: "roads",
    target: "local-model",
    flags: FLAGS[upstream],
  };
  const scene = await scenes.open(setting, answer);
  const command = [
    claudeCode(),
    "-p",
    TASK,
    "--model",
    "roads",
    "--allowedTools",
    tools,
    "--output-format",
    "json",
  ];
  const ended = await scene.run(command, {
    ...QUIET,
    CLAUDE_CONFIG_DIR: scene.home,
    ANTHROPIC_BASE_URL: scene.gateway.url,
    ANTHROPIC_AUTH_TOKEN: "any",
  });
  assert.equal(
    ended.code,
    0,
    `${ended.stdout}\n${ended.stderr}\n${JSON.stringify(scene.asked, null, 1)}`,
  );
  return { ...ended, summary: asObject(JSON.parse(ended.stdout)) };
}

/** Thinking goes back to a chat upstream where it is known to want it. */
const FLAGS: Record<FormatName, readonly string[]> = {
  chat: ["echo_reasoning_content"],
  messages: [],
  responses: [],
};

/** The upstream's requests that offer tools: the conversation itself. */
function conversation(upstream: FormatName): Received[] {
  return scenes.now.upstream.requests.filter(({ body }) => readTold(upstream, body).tools.length > 0);
}

/** What no upstream of another format has a place for: marks for a cache that works without, a flag of tool search. */
const ELSEWHERE_NOT = [
  "messages[n].content[n].cache_control",
  "system[n].cache_control",
  "tools[n].defer_loading",
];
const KNOWN_LOSSES: Record<FormatName, readonly string[]> = {
  // A chat upstream's thinking can't be kept out of its answer.
  chat: [...ELSEWHERE_NOT, "thinking.display"].sort(),
  messages: [],
  responses: ELSEWHERE_NOT,
};

describe("Claude Code", () => {
  if (ABSENT !== undefined) return test.skip(ABSENT, () => {});

  for (const upstream of UPSTREAMS) {
    describe(`on a ${upstream} upstream`, () => {
      test(
        "finishes a task with two calls at once and one more, and its thinking goes back",
        async () => {
          const answer: Handler = (request) =>
            turns(upstream, [
              step("Two at once.", [
                {
                  id: "call_1",
                  name: "Write",
                  args: { file_path: file("a.txt"), content: "three roads\n" },
                },
                {
                  id: "call_2",
                  name: "Bash",
                  args: {
                    command: "echo meet > b.txt",
                    description: "Write b.txt",
                  },
                },
              ]),
              step("One that fails.", [{
                id: "call_3",
                name: "Bash",
                args: { command: "exit 3", description: "Fail" },
              }]),
              step(FINAL),
            ])(request);
          const { summary } = await start(upstream, answer);
          assert.equal(summary["result"], FINAL);
          assert.equal(summary["is_error"], false);
          assert.equal(scenes.now.read("a.txt"), "three roads\n");
          assert.equal(scenes.now.read("b.txt"), "meet\n");

          assert.equal(conversation(upstream).length, 3);
          const { body, headers } = conversation(upstream)[2] as Received;
          assertTold(upstream, body);
          assertThoughts(upstream, body, ["Two at once.", "One that fails."]);
          assert.deepEqual(scenes.now.losses(), KNOWN_LOSSES[upstream]);
          assert.doesNotMatch(
            JSON.stringify([body, headers]),
            /x-anthropic-billing-header|claude-code-\d/,
          );
        },
        TEST_MS,
      );

      test("loads a tool by its own tool search", async () => {
        const search = { query: "select:WebFetch", max_results: 5 };
        const answers = [
          step("Search.", [{ id: "call_1", name: "ToolSearch", args: search }]),
          step(FINAL),
        ];
        const { summary } = await start(upstream, turns(upstream, answers));
        assert.equal(summary["result"], FINAL);
        const [first, second] = conversation(upstream).map(({ body }) => readTold(upstream, body));
        assert.ok(!first?.tools.some(({ name }) => name === "WebFetch"));
        assert.ok(
          second?.tools.some(({ name }) => name === "WebFetch"),
          "the tool that was found is offered",
        );
        assert.deepEqual(second?.results, [{
          id: "call_1",
          text: "Tool found: WebFetch",
        }]);
      }, TEST_MS);

      // PITFALLS and TRANSLATION 7, case 28: only in these words it compacts and goes on.
      for (
        const [when, full] of [["at once", refusal], [
          "mid-way, in a stream that has begun",
          brokenOff,
        ]] as const
      ) {
        test(
          `compacts when the context is full ${when}, and finishes`,
          async () => {
            const { summary } = await start(
              upstream,
              fullContext(upstream, full),
            );
            assert.equal(summary["result"], FINAL);
            assert.equal(summary["is_error"], false);
            const told = scenes.now.upstream.requests.map(({ text }) => text);
            assert.ok(
              told.some((text) => text.includes(OF_COMPACTION)),
              "it has asked for a summary",
            );
            assert.ok(
              told.at(-1)?.includes("GIST-OF-IT-ALL"),
              "it has gone on with the summary",
            );
            assert.ok(!told.at(-1)?.includes("call_1"), "the history is gone");
          },
          TEST_MS,
        );
      }
    });
  }
});

function file(name: string): string {
  return join(scenes.now.folder, name);
}

/** The words of Claude Code's own request for a summary. */
const OF_COMPACTION = "Respond with TEXT ONLY";

/** Full once the first tool has answered, until the history is summed up. */
function fullContext(
  upstream: FormatName,
  full: (upstream: FormatName, request: Received) => Reply,
): Handler {
  return (request) => {
    const { text, body } = request;
    if (text.includes(OF_COMPACTION)) {
      const summary = said({
        blocks: [{ kind: "text", text: "<summary>GIST-OF-IT-ALL</summary>" }],
      });
      return replyTo(upstream, request, summary);
    }
    if (text.includes("GIST-OF-IT-ALL")) {
      return replyTo(upstream, request, step(FINAL));
    }
    if (readTold(upstream, body).results.length > 0) {
      return full(upstream, request);
    }
    const call = {
      id: "call_1",
      name: "Bash",
      args: { command: "true", description: "Nothing" },
    };
    return turns(upstream, [step("First.", [call])])(request);
  };
}

const FULL = {
  message: "This model's maximum context length is 128000 tokens. However, your messages resulted in 140000 tokens.",
  type: "invalid_request_error",
  param: "messages",
  code: "context_length_exceeded",
};

function refusal(): Reply {
  return json({ error: FULL }, 400);
}

function brokenOff(upstream: FormatName, request: Received): Reply {
  if (asObject(request.body)["stream"] !== true) return refusal();
  const begun = framesOf(
    upstream,
    said({
      blocks: [{ kind: "text", text: "Let me see what there is here." }],
    }),
  );
  const fault = upstream === "chat" ? { error: FULL } : { ...FULL, type: "error", sequence_number: 9 };
  return sse([
    ...begun.slice(0, upstream === "chat" ? 3 : 6),
    `data: ${JSON.stringify(fault)}\n\n`,
  ]);
}

function assertTold(upstream: FormatName, body: unknown): void {
  const told = readTold(upstream, body);
  const system = told.system.join("\n");
  assert.match(system, /You are a Claude agent/);
  assert.match(
    system,
    /# Environment/,
    "what stands in a system message of the conversation",
  );
  assert.ok(told.user.includes(TASK));
  assert.deepEqual(told.calls.map(({ id, name }) => `${id} ${name}`), [
    "call_1 Write",
    "call_2 Bash",
    "call_3 Bash",
  ]);
  const [written, , failed] = told.results;
  assert.equal(told.results.length, 3);
  assert.match(written?.text ?? "", /File created/);
  assert.match(
    failed?.text ?? "",
    /^Error: Exit code 3/,
    "a result that is an error says so",
  );
  const { reasoning_effort, reasoning } = asObject(body);
  assert.equal(reasoning_effort ?? asObject(reasoning)["effort"], "high");
  const placeholder = told.tools.find(({ name }) => name === "DeferredToolPlaceholder");
  assert.ok(placeholder, "a tool whose loading is deferred is offered at once");
}
