/** Which parts carry a cache mark to the upstream (TRANSLATION.md, 1.5). */
import type { Losses, Target } from "../../format.ts";
import type { NeutralRequest, Part } from "../../neutral.ts";
import { clientName } from "./encoding.ts";
import { FORMAT, OPTION_TTLS } from "./wire.ts";

/** The API writes no more than these; of more, the last count. */
const MAX_MARKS = 4;
/** What messages' marks live for when nothing is said: less than here. */
const SHORT_TTL = "5m";

interface Mark {
  /** The part that the client marked, and where it said so. */
  path: string;
  ttl?: string;
}

/**
 * A mark on what can't hold one moves to the nearest earlier part of its message that can, a tool's to the last
 * instruction. Models that know no marks get none: their cache is implicit.
 */
export function chooseMarks(request: NeutralRequest, target: Target, losses: Losses): Map<Part, { ttl?: string }> {
  const chosen = new Map<Part, Mark>();
  const name = request.wireNames["cacheMark"] ?? clientName(request, "cache");
  const lost = (mark: Mark, reason: string) => losses.add(`${mark.path}.${name}`, reason);
  const choose = (holder: Part | undefined, mark: Mark) => {
    if (request.origin !== FORMAT && target.capabilities.cacheMarks !== true) {
      lost(mark, "the model caches on its own and takes no marks");
    } else if (holder === undefined) lost(mark, "nothing before it can hold a cache mark");
    else chosen.set(holder, mark);
  };
  for (const tool of request.tools) {
    if (tool.cache !== undefined) choose(request.instructions.at(-1), { path: tool.path ?? "tools", ...tool.cache });
  }
  for (const [holder, mark] of marksOf(request.instructions, "instructions")) choose(holder, mark);
  for (const message of request.messages) {
    // What the model wrote holds no mark in this format.
    const holds = message.role === "assistant" ? () => undefined : holderIn;
    for (const [holder, mark] of marksOf(message.parts, message.path ?? "messages", holds)) choose(holder, mark);
  }
  for (const [part, mark] of [...chosen].slice(0, Math.max(0, chosen.size - MAX_MARKS))) {
    chosen.delete(part);
    lost(mark, `only the last ${MAX_MARKS} cache marks count`);
  }
  for (const { path, ttl = SHORT_TTL } of request.origin === FORMAT ? [] : chosen.values()) {
    if (ttl !== SHORT_TTL && !OPTION_TTLS.has(ttl)) losses.add(`${path}.${name}.ttl`, "marks live for 30 minutes here");
  }
  return new Map([...chosen].map(([part, { ttl }]) => [part, ttl === undefined ? {} : { ttl }]));
}

function* marksOf(
  parts: readonly Part[],
  path: string,
  holds: (part: Part) => Part | undefined = holderIn,
): Generator<[Part | undefined, Mark]> {
  let holder: Part | undefined;
  for (const part of parts) {
    if (part.kind === "tool_result") {
      for (const [inner, mark] of marksOf(part.parts, part.path ?? path, holds)) yield [inner ?? holder, mark];
    }
    holder = holds(part) ?? holder;
    if (part.cache !== undefined) yield [holder, { path: part.path ?? path, ...part.cache }];
  }
}

/** The part that holds a mark on `part`: itself, or the last that can within a tool's result. */
function holderIn(part: Part): Part | undefined {
  switch (part.kind) {
    case "text":
    case "image":
    case "document":
    case "search_result":
      return part;
    case "tool_result":
      return part.parts.findLast((inner) => holderIn(inner) !== undefined);
    default:
      return undefined;
  }
}
