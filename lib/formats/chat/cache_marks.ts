/** Cache marks of a request (TRANSLATION.md, 1.5): which parts carry one in the end. */
import type { JsonObject } from "../../base/fields.ts";
import type { NeutralRequest, Part } from "../../neutral.ts";
import { type Encoding, lose } from "./encoding.ts";

type Mark = { ttl?: string };
const MAX_MARKS = 4;
/** OpenAI's models that take `prompt_cache_breakpoint`. */
const MARKED_MODELS = /gpt-5\.(?:[6-9]|\d\d)|gpt-(?:[6-9]|\d\d)/;
const TTLS: ReadonlySet<string | undefined> = new Set(["30m", "12h"]);

/**
 * A mark that its part can't hold moves to the nearest earlier part of the same message; those of tools to the last
 * instruction. Of more than four the last four stay. Servers that know no marks get none: one loss.
 */
export function cacheMarks(encoding: Omit<Encoding, "marks">): Map<Part, Mark> {
  const { request, isOwn, isOpenAi, target } = encoding;
  const marks = wantedMarks(request);
  if (marks.length === 0) return new Map();
  const isTaken = isOwn || (isOpenAi && MARKED_MODELS.test(target.model));
  if (!isTaken) {
    lose(encoding, "cache", "this upstream takes no cache marks");
    return new Map();
  }
  const held = new Map(marks.flatMap(([part, mark]) => part === undefined ? [] : [[part, mark] as const]));
  if (marks.some(([part]) => part === undefined)) {
    lose(encoding, "cache", "a cache mark found no part that can hold it");
  }
  if (isOwn || held.size <= MAX_MARKS) return held;
  lose(encoding, "cache", `only ${MAX_MARKS} cache marks are taken: the last ones were kept`);
  return new Map([...held].slice(-MAX_MARKS));
}

/** Each mark with the part that can hold it, if there is one. */
function wantedMarks(request: NeutralRequest): (readonly [Part | undefined, Mark])[] {
  const marks: (readonly [Part | undefined, Mark])[] = marksOf(request.instructions);
  for (const { cache } of request.tools) if (cache !== undefined) marks.push([request.instructions.at(-1), cache]);
  for (const message of request.messages) marks.push(...marksOf(message.parts));
  return marks;
}

function marksOf(parts: readonly Part[]): (readonly [Part | undefined, Mark])[] {
  return parts.flatMap((part, index) => {
    const inner = part.kind === "tool_result" ? marksOf(part.parts) : [];
    return part.cache === undefined ? inner : [...inner, [holderOf(parts, index), part.cache] as const];
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
  const ttl = isOwn || TTLS.has(mark.ttl) ? mark : {};
  return { ...encoded, prompt_cache_breakpoint: { mode: "explicit", ...ttl } };
}
