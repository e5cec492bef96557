/** The registry: every wire format, by its name. */
import type { Format } from "../format.ts";
import type { FormatName } from "../neutral.ts";
import { chat } from "./chat/mod.ts";
import { messages } from "./messages/mod.ts";
import { responses } from "./responses/mod.ts";

export const FORMATS: Readonly<Record<FormatName, Format>> = { chat, messages, responses };
