/** What all encoders of a request share (TRANSLATION.md, section 2, column A). */
import { Faults } from "../../base/fields.ts";
import type { Losses, Target } from "../../format.ts";
import type { NeutralRequest, Part } from "../../neutral.ts";
import type { ToolNames } from "../../translation/names.ts";

export interface Encoding {
  request: NeutralRequest;
  target: Target;
  losses: Losses;
  faults: Faults;
  names: ToolNames;
  /** The client speaks this format too: what it wrote goes back as it stood. */
  isOwn: boolean;
  /** One of OpenAI's own models, which take every field of OpenAI's API; compatible servers may refuse them. */
  isOpenAi: boolean;
  /** Custom tools go as they are; compatible servers and older models know functions alone. */
  takesCustomTools: boolean;
  /** The parts that carry a cache mark in the end, with its time to live. */
  marks: ReadonlyMap<Part, { ttl?: string }>;
}

/** Custom tools came with GPT-5. */
const CUSTOM_TOOL_MODELS = /gpt-(?:[5-9]|\d\d)/;

export function newEncoding(
  request: NeutralRequest,
  target: Target,
  losses: Losses,
  names: ToolNames,
): Omit<Encoding, "marks"> {
  const isOwn = request.origin === "chat";
  const isOpenAi = target.family === "openai" && target.capabilities.maker === "openai";
  return {
    request,
    target,
    losses,
    faults: new Faults(),
    names,
    isOwn,
    isOpenAi,
    takesCustomTools: isOwn || (isOpenAi && CUSTOM_TOOL_MODELS.test(target.model)),
  };
}

/** A top-level field as the client calls it. */
export function nameOf(request: NeutralRequest, field: string): string {
  return request.wireNames[field] ?? field;
}

export function lose(encoding: Pick<Encoding, "request" | "losses">, field: string, reason: string): void {
  encoding.losses.add(nameOf(encoding.request, field), reason);
}
