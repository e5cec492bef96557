/** `POST /responses/input_tokens`: the earlier turns that are kept here count too. */
import { countTokens } from "../../count.ts";
import type { Exchange, Handled } from "../../exchange.ts";
import { explainCount } from "../../explain.ts";
import { FORMATS } from "../../formats/mod.ts";
import { ask } from "../inference.ts";
import { withHistory } from "./history.ts";

export function countResponseInput(exchange: Exchange): Promise<Handled> {
  return ask(exchange, FORMATS.responses, { prepare: withHistory, ask: countTokens, explain: explainCount });
}
