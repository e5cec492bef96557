/** The registry: every wire format, by its name. */
import type { Format } from "../format.ts";
import type { FormatName } from "../neutral.ts";
import { completions } from "./chat/completions.ts";
import { embeddings } from "./chat/embeddings.ts";
import { chat } from "./chat/mod.ts";
import { messages } from "./messages/mod.ts";
import { responses } from "./responses/mod.ts";

export const FORMATS: Readonly<Record<FormatName, Format>> = { chat, messages, responses };

/** What only clients speak: their bytes pass to a provider that has the API, else they are translated as the others are. */
export const APIS = { completions, embeddings } as const;
