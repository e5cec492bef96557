/**
 * The gateway's own count against what real providers counted: OpenAI's and Anthropic's models over plain text, tools and
 * thinking. Media, files and server tools are left out: their cost is the makers' secret.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, test } from "bun:test";
import { parseJson } from "../../lib/base/json.ts";
import { capabilitiesOf } from "../../lib/capabilities.ts";
import { FORMATS } from "../../lib/formats/mod.ts";
import { countInput } from "../../lib/tokens/count.ts";
import { asObject, type Json } from "../support/grammar.ts";
import type { FormatName } from "../support/told.ts";
import { ABSENT, ANSWERS, FOLDER } from "./recordings.ts";

interface Counted {
  name: string;
  format: FormatName;
  model: string;
  request: Json;
  /** What the provider says of it. */
  tokens: number;
}

/** What no tokenizer can know: bytes of media, what server tools bring along, conversations that are kept elsewhere. */
const UNKNOWABLE =
  /encrypted_content|compaction|advisor|citations|image|document|"file|audio|server_tool|web_|mcp|code_|tool_search|container|previous_response_id|custom/;

function counted(): Counted[] {
  const answers = ANSWERS.filter(({ hasRequest }) => hasRequest).map(({ name, format, model, file }) => {
    const request = readFileSync(`${dirname(file)}/request.json`, "utf8");
    return { name, format, model, text: request, tokens: tokensIn(readFileSync(file, "utf8")) };
  });
  return [...answers, ...counts()].flatMap(({ text, tokens, ...rest }) =>
    tokens === undefined || UNKNOWABLE.test(text) ? [] : [{ ...rest, tokens, request: asObject(parseJson(text)) }]
  );
}

/** Anthropic's own counting endpoint. */
function counts() {
  const folder = `${FOLDER}/anthropic-count-tokens`;
  return readdirSync(folder).map((name) => {
    const text = readFileSync(`${folder}/${name}/request.json`, "utf8");
    const tokens = tokensIn(readFileSync(`${folder}/${name}/response.json`, "utf8"));
    return { name, format: "messages" as const, model: String(asObject(parseJson(text))["model"]), text, tokens };
  });
}

/** The last count of the input that stands in an answer, cached or not. */
function tokensIn(answer: string): number | undefined {
  const read = (name: string) => Number([...answer.matchAll(new RegExp(`"${name}":\\s*(\\d+)`, "g"))].at(-1)?.[1] ?? 0);
  const cached = read("cache_read_input_tokens") + read("cache_creation_input_tokens");
  const tokens = read("prompt_tokens") || read("input_tokens") + cached;
  return tokens > 0 ? tokens : undefined;
}

/** The provider's count has 200 tokens that nothing of the request explains. */
const ODD: ReadonlySet<string> = new Set(["openai-responses/openai-responses-output-type"]);

/** Our count over the provider's, as a share; small prompts are forgiven some tokens of their frame. */
const BOUNDS = { openai: { least: 0.75, most: 1.5, frame: 60 }, anthropic: { least: 0.85, most: 1.5, frame: 60 } };

describe("counts of recorded requests", () => {
  if (ABSENT !== undefined) return test.skip(ABSENT, () => {});
  for (const [maker, { least, most, frame }] of Object.entries(BOUNDS)) {
    test(`${maker}: near what was billed, and rather over than under`, async () => {
      const errors: string[] = [];
      const shares: number[] = [];
      for (const { name, format, model, request, tokens } of counted()) {
        const capabilities = capabilitiesOf(model);
        if (capabilities.maker !== maker || ODD.has(name)) continue;
        const decoded = FORMATS[format].decodeRequest({ max_tokens: 1, ...request }, new Headers());
        if (!decoded.ok) continue;
        const ours = (await countInput(decoded.value, capabilities)).tokens;
        shares.push(ours / tokens);
        if (ours < tokens * least - frame || ours > tokens * most + frame) errors.push(`${name}: ${ours} of ${tokens}`);
      }
      assert.deepEqual(errors, []);
      assert.ok(shares.length > 40, `only ${shares.length} were compared`);
      const inOrder = shares.toSorted((a, b) => a - b);
      assert.ok((inOrder[Math.floor(shares.length / 2)] ?? 0) > 0.95);
    }, 60_000);
  }
});
