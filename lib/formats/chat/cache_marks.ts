/** Cache marks of a request (TRANSLATION.md, 1.5): which parts carry one in the end. */
import type { JsonObject } from "../../base/fields.ts";
import type { NeutralRequest, Part } from "../../neutral.ts";
import { type Encoding, nameOf } from "./encoding.ts";

interface Mark {
  /** The part or tool that the client marked. */
  path: string;
  ttl?: string;
}

const MAX_MARKS = 4;
/** OpenAI's models that take `prompt_cache_breakpoint`. */
const MARKED_MODELS = /gpt-5\.(?:[6-9]|\d\d)|gpt-(?:[6-9]|\d\d)/;
const TTLS: ReadonlySet<string> = new Set(["30m", "12h"]);
/** What messages' marks live for when nothing is said: less than here. */
const SHORT_TTL = "5m";

/**
 * A mark that its part can't hold moves to the nearest earlier part of the same message; those of tools to the last
 * instruction. Of more than four the last four stay. Each that is left out is a loss by its own path.
 */
export function cacheMarks(encoding: Omit<Encoding, "marks">): Map<Part, { ttl?: string }> {
  const { request, isOwn, isOpenAi, target, losses } = encoding;
  const name = request.wireNames["cacheMark"] ?? nameOf(request, "cache");
  const isTaken = isOwn || (isOpenAi && MARKED_MODELS.test(target.model));
  const held = new Map<Part, Mark>();
  for (const [part, mark] of wantedMarks(request)) {
    const path = `${mark.path}.${name}`;
    if (!isTaken) losses.add(path, "this upstream takes no cache marks");
    else if (part === undefined) losses.add(path, "nothing before it can hold a cache mark");
    else held.set(part, mark);
  }
  for (const [part, { path }] of isOwn ? [] : [...held].slice(0, -MAX_MARKS)) {
    losses.add(`${path}.${name}`, `only ${MAX_MARKS} cache marks are taken: the last ones were kept`);
    held.delete(part);
  }
  for (const { path, ttl = SHORT_TTL } of isOwn ? [] : held.values()) {
    if (ttl !== SHORT_TTL && !TTLS.has(ttl)) losses.add(`${path}.${name}.ttl`, "marks live for 30 minutes here");
  }
  return new Map([...held].map(([part, { ttl }]) => [part, ttl === undefined ? {} : { ttl }]));
}

/** Each mark with the part that can hold it, if there is one. */
function wantedMarks({ instructions, tools, messages }: NeutralRequest): (readonly [Part | undefined, Mark])[] {
  const ofTools = tools.flatMap(({ cache, path = "tools" }) =>
    cache === undefined ? [] : [[instructions.at(-1), { path, ...cache }] as const]
  );
  return [
    ...marksOf(instructions, "instructions"),
    ...ofTools,
    ...messages.flatMap(({ parts, path }) => marksOf(parts, path ?? "messages")),
  ];
}

function marksOf(parts: readonly Part[], path: string): (readonly [Part | undefined, Mark])[] {
  return parts.flatMap((part, index) => {
    const at = part.path ?? path;
    const inner = part.kind === "tool_result" ? marksOf(part.parts, at) : [];
    return part.cache === undefined
      ? inner
      : [...inner, [holderOf(parts, index), { path: at, ...part.cache }] as const];
  });
}

function holderOf(parts: readonly Part[], index: number): Part | undefined {
  for (let i = index; i >= 0; i--) {
    const part = parts[i];
    if (part === undefined) continue;
    if (part.kind === "text" || part.kind === "document" || part.kind === "audio") return part;
    if (part.kind === "tool_result") return holderOf(part.parts, part.parts.length - 1);
  }
  return undefined;
}

/** The part with its mark, under the name that the client used if it is a chat client. */
export function withMark(encoded: JsonObject, part: Part, { marks, request, isOwn }: Encoding): JsonObject {
  const mark = marks.get(part);
  if (mark === undefined) return encoded;
  if (isOwn && request.wireNames["cache"] === "cache_control") {
    return { ...encoded, cache_control: { type: "ephemeral", ...mark } };
  }
  const ttl = isOwn || TTLS.has(mark.ttl ?? "") ? mark : {};
  return { ...encoded, prompt_cache_breakpoint: { mode: "explicit", ...ttl } };
}
