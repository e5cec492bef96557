/**
 * docs/FIDELITY.md is what the probes find, nothing gets lost in silence, and no declared field goes without a probe: a new
 * version of an SDK that declares more fails here until its fields are carried, refused or named.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import type { FormatName } from "../../lib/neutral.ts";
import { CLIENTS } from "../recordings/translate.ts";
import { documentOf, findAll } from "./document.ts";
import type { Explorer, Kind } from "./explore.ts";
import { branchesOf, openModule } from "./types.ts";

const found = findAll();
const EXPLORERS: readonly [string, Explorer][] = [
  ...[...found.requests].map(([format, explorer]): [string, Explorer] => [`requests of ${format} clients`, explorer]),
  ...[...found.answers].map(([format, explorer]): [string, Explorer] => [`answers of ${format} upstreams`, explorer]),
];

test("docs/FIDELITY.md is what the tests find: `bun run fidelity` writes it", () => {
  const file = fileURLToPath(new URL("../../docs/FIDELITY.md", import.meta.url));
  assert.equal(readFileSync(file, "utf8"), documentOf(found));
});

for (const [name, explorer] of EXPLORERS) {
  describe(name, () => {
    test("nothing is lost in silence", () => {
      const silent = explorer.rows.flatMap(({ path, cells }) =>
        [...cells].filter(([, { kind }]) => kind === "silent").map(([to, { note }]) => `${path} to ${to}: ${note}`)
      );
      assert.deepEqual(silent, []);
    });

    test("every rule about what needs no carrying is needed", () => {
      const { moot } = explorer.subject;
      assert.deepEqual(moot.filter((rule) => !explorer.usedMoot.has(rule)).map(({ path }) => path.source), []);
    });

    test("every declared field is probed", () => {
      const { type, skipped } = explorer.subject;
      const missing = type.members.map(({ name }) => name).filter((name) =>
        !skipped.test(name) && !explorer.rows.some(({ path }) => new RegExp(`^${name}(?![\\w])`).test(path))
      );
      assert.deepEqual(missing.filter((name) => !ECHOED.has(name)), []);
    });
  });
}

describe("events of streams", () => {
  test("each that the SDKs declare is carried, or it is said why nothing is missing", () => {
    const rows = [...found.events.values()].flat();
    assert.ok(rows.length > 60, `only ${rows.length} events`);
    const silent = rows.filter(({ carried, why }) => why === "" && [...carried.values()].includes(false));
    assert.deepEqual(silent.map(({ event }) => event), []);
  });
});

/** Of answers in the responses format: what they repeat of the request, in too many shapes to be told one by one. */
const ECHOED: ReadonlySet<string> = new Set(["tools"]);

describe("fields are read from the SDKs' declarations", () => {
  const PLAIN: Readonly<Record<FormatName, readonly [file: string, name: string]>> = {
    chat: ["openai/resources/chat/completions/completions.d.ts", "ChatCompletionCreateParamsBase"],
    messages: ["@anthropic-ai/sdk/resources/messages/messages.d.ts", "MessageCreateParamsBase"],
    responses: ["openai/resources/responses/responses.d.ts", "ResponseCreateParamsBase"],
  };

  for (const client of CLIENTS) {
    test(`all that a plain grep finds: ${client}`, () => {
      const [file, name] = PLAIN[client];
      const text = readFileSync(fileURLToPath(new URL(`../../node_modules/${file}`, import.meta.url)), "utf8");
      const body = text.slice(text.indexOf(`export interface ${name} {`)).split("\n}")[0] ?? "";
      const declared = [...body.matchAll(/^ {4}(\w+)\??:/gm)].map(([, field = ""]) => field);
      assert.ok(declared.length > 15, "the grep finds too little to be of use");
      const type = openModule(file).find(name);
      assert.deepEqual(type?.kind === "object" ? type.members.map((member) => member.name) : [], declared);
      // The beta declares all that the plain API does, and more.
      const probed = new Set(found.requests.get(client)?.subject.type.members.map((member) => member.name));
      assert.deepEqual(declared.filter((field) => !probed.has(field)), []);
    });
  }

  test("unions are whole", () => {
    const responses = openModule("openai/resources/responses/responses.d.ts");
    const items = responses.find("ResponseInputItem");
    const tools = openModule("@anthropic-ai/sdk/resources/beta/messages/messages.d.ts").find("BetaToolUnion");
    assert.ok(items !== undefined && branchesOf(items).length >= 30, String(items && branchesOf(items).length));
    assert.ok(tools !== undefined && branchesOf(tools).length >= 20);
    assert.ok([...branchesOf(items), ...branchesOf(tools)].every(({ kind }) => kind === "object"));
  });
});

describe("fields that change the meaning are never dropped", () => {
  /** Tools that the client runs, media, output schemas, more than one answer, stored state, what runs at the provider. */
  const MEANINGFUL: Readonly<Record<FormatName, RegExp>> = {
    chat:
      /^(?:n|tools\[\w+\]|functions\[\]|response_format\((?:json_schema|json_object)\)|modalities: "audio"|audio|messages\[(?:user|tool)\]\.content\[(?:image_url|input_audio|file)\])$/,
    messages:
      /^(?:tools\[(?:BetaTool|bash_\w+|text_editor_\w+|memory_\w+|computer_\w+|browser_\w+|mcp_toolset)\]|output_config\.format|output_format|container|mcp_servers\[\]|thread(?:\(\w+\))?|messages\[user\]\.content\[(?:image|document|search_result|tool_result)\](?:\.source\(\w+\)(?:\.content\[image\])?)?|messages\[user\]\.content\[tool_result\]\.content\[(?:image|document)\])$/,
    responses:
      /^(?:tools\[(?:function|custom|shell|local_shell|apply_patch|namespace|mcp|file_search|image_generation|computer\w*)\]|text\.format\((?:json_schema|json_object)\)|background: true|conversation|previous_response_id|prompt|input\[message: \w+\]\.content\[(?:input_image|input_file)\]|input\[function_call_output\]\.output\[input_(?:image|file)\])$/,
  };
  const KEPT: ReadonlySet<Kind> = new Set(["carried", "emulated", "partly", "refused"]);

  for (const [client, { rows }] of found.requests) {
    test(`${client} client`, () => {
      const meant = rows.filter(({ path }) => MEANINGFUL[client].test(path));
      assert.ok(meant.length >= 8, `only ${meant.length} fields: ${meant.map(({ path }) => path)}`);
      const dropped = meant.flatMap(({ path, cells }) =>
        [...cells].filter(([, { kind }]) => !KEPT.has(kind)).map(([to, { kind, note }]) =>
          `${path} to ${to}: ${kind} ${note}`
        )
      );
      assert.deepEqual(dropped, []);
    });
  }
});
