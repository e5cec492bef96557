/** How a model is asked to think, and when it must not be (TRANSLATION.md, 1.4, 2.6 and 2.7). */
import { defined, type JsonObject } from "../../base/fields.ts";
import { isObject } from "../../base/fields.ts";
import type { Losses } from "../../format.ts";
import type { Effort, Reasoning } from "../../neutral.ts";
import { budgetOfEffort, clipBudget, clipEffort, effortOfBudget } from "../../translation/effort.ts";
import { clientName, type Encoding } from "./encoding.ts";
import { withExtra } from "./wire.ts";

/** The members `thinking` and `output_config.effort`. */
export interface EncodedThinking {
  thinking?: JsonObject;
  effort?: string;
}

const OFF: JsonObject = { type: "disabled" };

export function encodeThinking(encoding: Encoding, maxTokens: number, forcedTool: boolean): EncodedThinking {
  const { request, losses } = encoding;
  const { reasoning } = request;
  if (reasoning === undefined) return {};
  if (encoding.own) return ownThinking(reasoning, encoding);
  const asked = askedThinking(reasoning, maxTokens, encoding);
  if (!forcedTool || !isOn(asked.thinking)) return asked;
  losses.add(clientName(request, "reasoning"), "thinking can't be on while a tool is forced");
  return disabled(encoding);
}

export function isOn(thinking: JsonObject | undefined): boolean {
  return thinking !== undefined && thinking["type"] !== "disabled";
}

const TYPES: Readonly<Record<Reasoning["mode"], string | undefined>> = {
  off: "disabled",
  adaptive: "adaptive",
  budget: "enabled",
  between_tools: "between_tools",
  default: undefined,
};

function ownThinking(reasoning: Reasoning, encoding: Encoding): EncodedThinking {
  const type = TYPES[reasoning.mode];
  const effort = defined({ effort: reasoning.effort });
  if (type === undefined) return effort;
  const thinking = { type, ...defined({ budget_tokens: reasoning.budgetTokens, display: reasoning.display }) };
  return { thinking: withExtra(thinking, reasoning.extra, "thinking", encoding.losses), ...effort };
}

function askedThinking(reasoning: Reasoning, maxTokens: number, encoding: Encoding): EncodedThinking {
  const { mode, effort, budgetTokens } = reasoning;
  const { capabilities } = encoding.target;
  if (mode === "off" || effort === "none") return capabilities.thinking === "budget" ? {} : disabled(encoding);
  if (mode === "default" && effort === undefined) return {};
  if (capabilities.thinking === "none") {
    encoding.losses.add(clientName(encoding.request, "reasoning"), "the model doesn't think");
    return {};
  }
  const wanted = effort ??
    (budgetTokens === undefined ? "high" : effortOfBudget(budgetTokens, capabilities.effortBudgets));
  return capabilities.thinking === "adaptive"
    ? adaptiveThinking(wanted, reasoning, encoding)
    : budgetThinking(wanted, reasoning, maxTokens, encoding);
}

/**
 * Some models think by themselves, so that it must be said; some can't be told, and get the least they take. Never with
 * an effort: Opus 5 refuses the two together above `high`.
 */
function disabled(encoding: Encoding): EncodedThinking {
  const { request, target, losses } = encoding;
  const { thinking, thinkingOff, efforts } = target.capabilities;
  if (thinking === "none") return {};
  if (thinking !== "adaptive" || thinkingOff === "disabled") return { thinking: OFF };
  losses.add(clientName(request, "reasoning"), "the model always thinks: asked for the least");
  return thinkingOff === "between_tools" ? { thinking: { type: "between_tools" } } : defined({ effort: efforts?.[0] });
}

function adaptiveThinking(effort: Effort, reasoning: Reasoning, encoding: Encoding): EncodedThinking {
  return {
    thinking: { type: "adaptive", display: shown(reasoning, encoding) ? "summarized" : "omitted" },
    effort: adaptiveEffort(effort, encoding.target.capabilities.efforts),
  };
}

/** TRANSLATION.md, 2.7: a model without `xhigh` gets `max`, not less than was asked for. */
function adaptiveEffort(effort: Effort, taken: readonly Effort[] | undefined): Effort {
  const isStronger = effort === "xhigh" && taken?.includes("xhigh") === false && taken.includes("max");
  return isStronger ? "max" : clipEffort(effort === "minimal" ? "low" : effort, taken);
}

/** A responses client sees thinking only if it asked for a summary. */
function shown(reasoning: Reasoning, encoding: Encoding): boolean {
  if (reasoning.display === undefined) return encoding.request.origin !== "responses";
  return reasoning.display !== "omitted";
}

function budgetThinking(effort: Effort, reasoning: Reasoning, maxTokens: number, encoding: Encoding): EncodedThinking {
  const { capabilities } = encoding.target;
  const budget = clipBudget(reasoning.budgetTokens ?? budgetOfEffort(effort, capabilities.effortBudgets), maxTokens);
  if (budget === undefined) {
    encoding.losses.add(clientName(encoding.request, "reasoning"), `no room to think within ${maxTokens} tokens`);
    return {};
  }
  const beside = capabilities.effortBesideBudget === true ? clipEffort(effort, capabilities.efforts) : undefined;
  const hidden = capabilities.hidesThinking === true && !shown(reasoning, encoding) ? { display: "omitted" } : {};
  return { thinking: { type: "enabled", budget_tokens: budget, ...hidden }, ...defined({ effort: beside }) };
}

/**
 * With a thinking budget, every assistant turn of the tool loop that is still open must begin with a signed block, or
 * the API answers 400. Earlier loops are closed by a user's turn without results, and no longer looked at.
 */
export function lacksSignedThinking(messages: readonly unknown[]): boolean {
  const turns = messages.filter(isObject);
  const start = turns.findLastIndex((turn) => turn["role"] === "user" && !holds(turn, "tool_result"));
  return turns.slice(start + 1).some((turn) =>
    turn["role"] === "assistant" && holds(turn, "tool_use") && !beginsWithThinking(turn)
  );
}

function holds(turn: JsonObject, type: string): boolean {
  return Array.isArray(turn["content"]) && turn["content"].some((block) => isObject(block) && block["type"] === type);
}

function beginsWithThinking(turn: JsonObject): boolean {
  const first: unknown = Array.isArray(turn["content"]) ? turn["content"][0] : undefined;
  return isObject(first) && (first["type"] === "thinking" || first["type"] === "redacted_thinking");
}

/** The body without a thinking budget that its history doesn't allow, and without the edit that needs thinking on. */
export function withoutThinking(body: JsonObject, path: string, losses: Losses): JsonObject {
  losses.add(path, "the history lacks the signed thinking that a tool loop needs");
  const result: JsonObject = { ...body, thinking: OFF };
  const context = body["context_management"];
  if (!isObject(context) || !Array.isArray(context["edits"])) return result;
  const edits = context["edits"].filter((edit) => !isThinkingEdit(edit));
  if (edits.length === context["edits"].length) return result;
  losses.add("context_management", "clearing thinking needs thinking");
  if (edits.length > 0) result["context_management"] = { ...context, edits };
  else delete result["context_management"];
  return result;
}

function isThinkingEdit(edit: unknown): boolean {
  return isObject(edit) && typeof edit["type"] === "string" && edit["type"].startsWith("clear_thinking");
}
