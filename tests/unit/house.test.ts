import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "bun:test";

/**
 * The house, bottom first: a file imports only from its own room or from one that stands above it in this list.
 * This list is the architecture; docs/ARCHITECTURE.md explains it, room by room.
 */
const ROOMS = [
  "base/",
  "neutral.ts",
  "capabilities.ts",
  "format.ts",
  "translation/",
  "tokens/",
  "formats/chat/",
  "formats/messages/",
  "formats/responses/",
  "formats/mod.ts",
  "mock/",
  "providers.ts",
  "config.ts",
  "reload.ts",
  "state/",
  "version.ts",
  "router.ts",
  "scope.ts",
  "metrics.ts",
  "siblings.ts",
  "upstream.ts",
  "feeds/",
  "loss_report.ts",
  "accepts.ts",
  "plan.ts",
  "reply.ts",
  "relay.ts",
  "count.ts",
  "bytes.ts",
  "explain.ts",
  "admin.ts",
  "exchange.ts",
  "endpoints/",
  "gateway.ts",
  "explain_command.ts",
  "banner.ts",
  "serve.ts",
  "workers/",
  "cli.ts",
];

const lib = fileURLToPath(new URL("../../lib/", import.meta.url));

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? sources(join(folder, entry.name))
      : entry.name.endsWith(".ts")
      ? [join(folder, entry.name)]
      : []
  );
}

function importsOf(text: string): string[] {
  const statements = text.matchAll(/^(?:import|export)\b[^;"]*\bfrom "([^"]+)"|\bimport\("([^"]+)"\)/gm);
  return [...statements].map((match) => match[1] ?? match[2] ?? "");
}

function roomOf(path: string): number {
  return ROOMS.findIndex((room) => room.endsWith("/") ? path.startsWith(room) : path === room);
}

/** Comments may name what code may not. */
function code(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
}

const files = sources(lib).map((file) => ({ path: relative(lib, file), text: code(readFileSync(file, "utf8")) }));

test("docs/ARCHITECTURE.md tells of every room, in this order", () => {
  const text = readFileSync(join(lib, "../docs/ARCHITECTURE.md"), "utf8");
  const names = [...text.matchAll(/^\| (`[^|]*) \|/gm)].map((row) => [...(row[1] ?? "").matchAll(/`([^`]+)`/g)]);
  assert.deepEqual(names.flat().map((name) => name[1]), ROOMS);
});

test("every file of lib has its room", () => {
  assert.deepEqual(files.filter(({ path }) => roomOf(path) === -1).map(({ path }) => path), []);
});

test("nothing imports upward, and formats never import each other", () => {
  const wrong: string[] = [];
  for (const { path, text } of files) {
    for (const specifier of importsOf(text).filter((name) => name.startsWith("."))) {
      const imported = relative(lib, join(lib, dirname(path), specifier));
      if (imported.startsWith("..")) continue;
      const [own, other] = [roomOf(path), roomOf(imported)];
      const isSibling = path.startsWith("formats/") && imported.startsWith("formats/") && path !== "formats/mod.ts" &&
        own !== other;
      if (other > own || isSibling) wrong.push(`${path} imports ${imported}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("only base/runtime.ts names Bun or Deno, and only three packages are imported", () => {
  const wrong: string[] = [];
  for (const { path, text } of files) {
    if (path !== "base/runtime.ts" && /(?<!")\b(?:Bun|Deno)\.\w/.test(text)) wrong.push(`${path} names a runtime`);
    for (const specifier of importsOf(text)) {
      if (!/^(?:\.|node:|zod$|yaml$|gpt-tokenizer\/encoding\/)/.test(specifier)) {
        wrong.push(`${path} imports ${specifier}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

test("wire formats and providers are named in their own rooms alone", () => {
  const logic = ["plan.ts", "reply.ts", "relay.ts", "feeds/", "upstream.ts", "router.ts"];
  const wrong = files.filter(({ path, text }) =>
    logic.some((room) => path.startsWith(room)) && /===\s*"(?:chat|messages|responses|openai|anthropic)"/.test(text)
  );
  assert.deepEqual(wrong.map(({ path }) => path), []);
});

test("no any, no non-null assertions, no stray console", () => {
  const wrong = files.filter(({ text }) => /:\s*any\b|\bas any\b|\bconsole\./.test(text));
  assert.deepEqual(wrong.map(({ path }) => path), []);
});
