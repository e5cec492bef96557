/** Codex through the gateway, on upstreams of the other two formats: a task with tools, by POST and by WebSocket. */
import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { asObject, type Json } from "../support/grammar.ts";
import { type FormatName, readTold } from "../support/told.ts";
import { ABSENT, codex } from "./install.ts";
import { assertThoughts, Scenes, step, TEST_MS, turns } from "./scene.ts";

const UPSTREAMS = ["messages", "chat"] as const;
const TASK = "Write down where the roads meet";
const FINAL = "All three roads meet.";

const scenes = new Scenes();

interface Start {
  upstream: FormatName;
  answers: Parameters<typeof turns>[1];
  /** As in the catalogue of Codex, which knows some names. */
  model?: string;
  /** Lines of the provider's section. */
  provider?: string;
}

/** The events that `codex exec --json` prints. */
async function start(
  { upstream, answers, model = "roads", provider = "" }: Start,
): Promise<Json[]> {
  const setting = {
    upstream,
    model,
    target: TARGET[upstream],
    flags: FLAGS[upstream],
  };
  const scene = await scenes.open(setting, turns(upstream, answers));
  writeFileSync(
    join(scene.home, "config.toml"),
    configOf(scene.gateway.url, model, provider),
  );
  const command = [codex(), "exec", "--json", "--skip-git-repo-check", TASK];
  const { code, stdout, stderr } = await scene.run(command, {
    CODEX_HOME: scene.home,
  });
  assert.equal(
    code,
    0,
    `${stdout}\n${stderr}\n${JSON.stringify(scene.asked, null, 1)}`,
  );
  return stdout.split("\n").filter((line) => line.startsWith("{")).map((line) => asObject(JSON.parse(line)));
}

const TARGET: Record<FormatName, string> = {
  chat: "local-model",
  messages: "claude-sonnet-4-5",
  responses: "",
};
/** Thinking goes back to a chat upstream where it is known to want it. */
const FLAGS: Record<FormatName, readonly string[]> = {
  chat: ["echo_reasoning_content"],
  messages: [],
  responses: [],
};

/** The README's settings, and no call home: `plugins` asks three hosts for lists of them, metrics have one of their own. */
function configOf(url: string, model: string, provider: string): string {
  return `
model = "${model}"
model_provider = "trivium"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[features]
plugins = false

[analytics]
enabled = false

[otel]
metrics_exporter = "none"

[model_providers.trivium]
name = "Trivium"
base_url = "${url}/v1"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
${provider}
`;
}

function call(id: string, name: string, args: Json) {
  return { id, name, args };
}

function run(id: string, cmd: string) {
  return call(id, "exec_command", { cmd });
}

function lastMessage(events: readonly Json[]): unknown {
  const items = events.filter(({ type }) => type === "item.completed").map((
    { item },
  ) => asObject(item));
  return items.findLast(({ type }) => type === "agent_message")?.["text"];
}

const TWO = [
  step("Two at once.", [
    run("call_1", "echo three roads > a.txt"),
    run("call_2", "echo meet > b.txt"),
  ]),
  step("One that fails.", [run("call_3", "echo lost >&2; exit 3")]),
  step(FINAL),
];

describe("Codex", () => {
  if (ABSENT !== undefined) return test.skip(ABSENT, () => {});

  for (const upstream of UPSTREAMS) {
    describe(`on a ${upstream} upstream`, () => {
      test(
        "finishes a task with two calls at once and one more, and its thinking goes back",
        async () => {
          const events = await start({ upstream, answers: TWO });
          assert.equal(lastMessage(events), FINAL);
          assert.equal(events.at(-1)?.["type"], "turn.completed");
          assert.deepEqual([scenes.now.read("a.txt"), scenes.now.read("b.txt")], [
            "three roads\n",
            "meet\n",
          ]);
          assert.equal(scenes.now.upstream.requests.length, 3);
          const { body } = scenes.now.upstream.last();
          assertTold(upstream, body);
          assertThoughts(upstream, body, ["Two at once.", "One that fails."]);
          assert.deepEqual(scenes.now.losses(), KNOWN_LOSSES[upstream]);
        },
        TEST_MS,
      );

      test(
        "over one WebSocket where it is told that there is one: no turn goes by POST",
        async () => {
          const events = await start({
            upstream,
            answers: TWO,
            provider: "supports_websockets = true",
          });
          assert.equal(lastMessage(events), FINAL);
          assert.deepEqual([scenes.now.read("a.txt"), scenes.now.read("b.txt")], [
            "three roads\n",
            "meet\n",
          ]);
          assertThoughts(upstream, scenes.now.upstream.last().body, [
            "Two at once.",
            "One that fails.",
          ]);
          const asked = scenes.now.asked.map(({ what, upgrade }) => ({ what, upgrade }));
          assert.deepEqual(asked, [{ what: "GET /v1/responses", upgrade: true }]);
        },
        TEST_MS,
      );

      test(
        "as it is with a model of its catalogue: searches for tools, calls what it finds, patches a file",
        async () => {
          const patch = '*** Begin Patch\n*** Add File: a.txt\n+three "roads"\n*** End Patch\n';
          const events = await start({
            upstream,
            model: "gpt-5.5",
            answers: [
              step("Search.", [
                call("call_1", "tool_search", { query: "close agent" }),
              ]),
              step("Found.", [
                call("call_2", "multi_agent_v1__close_agent", {
                  target: "nobody",
                }),
              ]),
              step("Patch.", [call("call_3", "apply_patch", { input: patch })]),
              step(FINAL),
            ],
          });
          assert.equal(lastMessage(events), FINAL);
          assert.equal(scenes.now.read("a.txt"), 'three "roads"\n');
          const [first, , third] = scenes.now.upstream.requests.map((
            { body },
          ) => readTold(upstream, body));
          assert.ok(
            !first?.tools.some(({ name }) => name === "multi_agent_v1__close_agent"),
          );
          assert.ok(
            third?.tools.some(({ name }) => name === "multi_agent_v1__close_agent"),
            "what was found is offered",
          );
          const [found, closed] = third?.results ?? [];
          assert.match(
            found?.text ?? "",
            /^multi_agent_v1__close_agent\b/m,
          );
          assert.doesNotMatch(
            closed?.text ?? "",
            /unsupported call/,
            "the call has found its tool",
          );
          const told = readTold(upstream, scenes.now.upstream.last().body);
          assert.deepEqual(told.calls[2], {
            id: "call_3",
            name: "apply_patch",
            input: { input: patch },
          });
          assert.deepEqual(
            scenes.now.losses(),
            [...KNOWN_LOSSES[upstream], ...CATALOGUE_LOSSES[upstream]].sort(),
          );
        },
        TEST_MS,
      );

      test(
        "as it is with the newest models: tools come as an item of the input, and code is a custom tool",
        async () => {
          const input =
            'const done = await tools.exec_command({ cmd: "echo three roads > a.txt" });\ntext(done.output);\n';
          const answers = [
            step("Code.", [call("call_1", "functions__exec", { input })]),
            step(FINAL),
          ];
          const events = await start({ upstream, model: "gpt-6-sol", answers });
          assert.equal(lastMessage(events), FINAL);
          assert.equal(scenes.now.read("a.txt"), "three roads\n");
          const told = readTold(upstream, scenes.now.upstream.last().body);
          assert.deepEqual(told.calls, [{
            id: "call_1",
            name: "functions__exec",
            input: { input },
          }]);
          assert.ok(
            told.tools.some(({ name }) => name === "collaboration__spawn_agent"),
          );
        },
        TEST_MS,
      );
    });
  }
});

const KNOWN_LOSSES: Record<FormatName, string[]> = {
  // A key for a cache that is marked instead, who runs Codex where, and a switch of OpenAI's own web search.
  messages: [
    "client_metadata",
    "prompt_cache_key",
    "tools[n].external_web_access",
  ],
  // The same, and web search itself: no chat upstream has it but those whose models search by themselves.
  chat: ["client_metadata", "prompt_cache_key", "tools[n]"],
  responses: [],
};

/** A grammar is told to the model, but nothing enforces it; verbosity and kinds of search results are OpenAI's. */
const CATALOGUE_LOSSES: Record<FormatName, string[]> = {
  messages: [
    "text.verbosity",
    "tools[n].format",
    "tools[n].search_content_types",
  ],
  chat: ["text.verbosity", "tools[n].format"],
  responses: [],
};

function assertTold(upstream: FormatName, body: unknown): void {
  const told = readTold(upstream, body);
  const system = told.system.join("\n");
  assert.match(system, /You are a coding agent running in the Codex CLI/);
  assert.match(system, /<permissions instructions>/);
  assert.ok(told.user.includes(TASK));
  assert.deepEqual(told.calls.map(({ id }) => id), [
    "call_1",
    "call_2",
    "call_3",
  ]);
  assert.deepEqual(told.results.map(({ id }) => id), [
    "call_1",
    "call_2",
    "call_3",
  ]);
  assert.match(told.results[2]?.text ?? "", /exited with code 3[^]*lost/);
  const ofAgents = told.tools.filter(({ name }) => String(name).startsWith("multi_agent_v1__"));
  assert.ok(
    ofAgents.length > 1,
    "a namespace's tools are offered by its name and theirs",
  );
  assert.match(
    String(ofAgents[0]?.description),
    /^\[multi_agent_v1: Tools for spawning and managing sub-agents\.\]/,
  );
}
