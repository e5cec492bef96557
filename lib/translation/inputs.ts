/** What a model can't be given: leaving it out would change what is asked, so that the request is refused. */
import { type Failure, unsupported } from "../base/failure.ts";
import type { Input } from "../capabilities.ts";
import type { Target } from "../format.ts";
import type { MediaPart, NeutralRequest, Part } from "../neutral.ts";

/** The first part of a kind that the model is known not to take; undefined where nothing is known. */
export function refusedInput({ messages, instructions }: NeutralRequest, target: Target): Failure | undefined {
  const { inputs } = target.capabilities;
  if (inputs === undefined) return undefined;
  const wrong = firstMedia([...instructions, ...messages.flatMap(({ parts }) => parts)], inputs);
  if (wrong === undefined) return undefined;
  const message = `The model "${target.model}" takes no ${wrong.kind} input (${inputs.join(", ")} only); ` +
    "if it does, say so under capabilities in the gateway's config";
  return unsupported(message, wrong.path ?? "messages");
}

function firstMedia(parts: readonly Part[], inputs: readonly Input[]): MediaPart | undefined {
  for (const part of parts) {
    if (part.kind === "tool_result" || part.kind === "search_result") {
      const inner = firstMedia(part.parts, inputs);
      if (inner !== undefined) return { ...inner, ...(inner.path === undefined ? pathOf(part) : {}) };
    } else if (isMedia(part) && part.source.type !== "text" && !inputs.includes(part.kind)) return part;
  }
  return undefined;
}

function pathOf({ path }: Part): { path?: string } {
  return path === undefined ? {} : { path };
}

function isMedia(part: Part): part is MediaPart {
  return part.kind === "image" || part.kind === "audio" || part.kind === "video" || part.kind === "document";
}
