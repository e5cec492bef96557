/** The Vercel AI SDK and LangChain through the gateway: a loop of tools in each API, on upstreams of the other two formats. */
import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { FORMATS, MODES, PATH, TARGET } from "../support/pairs.ts";
import { IS_BUN } from "../support/process.ts";
import { type FormatName, readTold } from "../support/told.ts";
import type { Received } from "../support/upstream.ts";
import { ABSENT } from "./install.ts";
import { assertThoughts, Scenes, step, TEST_MS, turns } from "./scene.ts";

const scenes = new Scenes();
const FINAL = "All three roads meet.";

const ANSWERS = [
  step("Two at once.", [meet("call_1", "A", "B"), meet("call_2", "B", "C")]),
  step("One more.", [meet("call_3", "C", "A")]),
  step(FINAL),
];

function meet(id: string, first: string, second: string) {
  return { id, name: "meet", args: { first, second } };
}

/** What each library says that other formats have no place for, by its own API. */
const LOSSES: Record<string, Partial<Record<FormatName, string[]>>> = {
  // The agent's name on its messages.
  "langchain.js": { chat: ["messages[n].name"] },
};

/** The runtime that runs the tests, with the packages of the folder that the file is in. */
const RUN: readonly string[] = IS_BUN
  ? [process.execPath, "run"]
  : [process.execPath, "run", "-A", "--no-config", "--no-lock", "--node-modules-dir=manual"];

for (const [library, file] of [["Vercel AI SDK", "ai_sdk.js"], ["LangChain", "langchain.js"]] as const) {
  describe(library, () => {
    if (ABSENT !== undefined) return test.skip(ABSENT, () => {});

    for (const upstream of FORMATS) {
      test(`on a ${upstream} upstream, in both other APIs, whole and streamed`, async () => {
        const flags = upstream === "chat" ? ["echo_reasoning_content"] : [];
        const setting = { upstream, model: "roads", target: TARGET[upstream], flags };
        const scene = await scenes.open(setting, turns(upstream, ANSWERS));
        const clients = FORMATS.filter((format) => format !== upstream);
        const runs = clients.flatMap((format) => MODES.map((mode) => ({ format, stream: mode === "streamed" })));
        const path = fileURLToPath(new URL(`loops/${file}`, import.meta.url));
        const { code, stdout, stderr } = await scene.run(
          [...RUN, path, JSON.stringify({ url: scene.gateway.url, model: "roads", runs })],
          { DENO_NO_UPDATE_CHECK: "1" },
        );
        assert.equal(code, 0, `${stdout}\n${stderr}\n${JSON.stringify(scene.asked, null, 1)}`);

        const results = [{ place: "A and B meet" }, { place: "B and C meet" }, { place: "C and A meet" }];
        const said = stdout.trim().split("\n").map((line) => JSON.parse(line));
        assert.deepEqual(said, runs.map(() => ({ text: FINAL, results })));
        assert.deepEqual(
          scene.asked.map(({ what }) => what),
          runs.flatMap(({ format }) => ANSWERS.map(() => `POST ${PATH[format]}`)),
        );
        for (const [index, { format }] of runs.entries()) {
          assertLastTurn(upstream, scene.upstream.requests[index * 3 + 2], `${format} client`);
        }
        assert.deepEqual(scene.losses(), clients.flatMap((format) => LOSSES[file]?.[format] ?? []));
      }, TEST_MS);
    }
  });
}

function assertLastTurn(upstream: FormatName, request: Received | undefined, who: string): void {
  const told = readTold(upstream, request?.body);
  assert.deepEqual(told.system, ["You know all roads."], who);
  assert.deepEqual(told.calls.map(({ id }) => id), ["call_1", "call_2", "call_3"], who);
  assert.deepEqual(told.results.map(({ id }) => id), ["call_1", "call_2", "call_3"], who);
  assertThoughts(upstream, request?.body, ["Two at once.", "One more."]);
}
