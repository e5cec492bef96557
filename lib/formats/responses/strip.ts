/**
 * What the gateway put into earlier answers, taken out of a body that passes as it is (TRANSLATION.md, 1.4 c): a real
 * provider answers 400 to opaque values that it didn't mint.
 */
import { isObject, type JsonObject } from "../../base/fields.ts";
import type { Losses, Target } from "../../format.ts";
import type { Opaque } from "../../neutral.ts";
import { openSummary, summaryText } from "../../translation/compaction.ts";
import { isEnvelope, lossOf, marksOf, openedOrBroken } from "../../translation/envelope.ts";
import { isOwnItemId, OWN_ITEM_MARK } from "../../translation/ids.ts";

/** What says, beside an envelope, that a body may hold items of ours. */
export const FOREIGN_MARKS = marksOf(OWN_ITEM_MARK);

/** The body with `input` mended, the same object where nothing is ours; losses name each item that was left out. */
export function stripEnvelopes(body: JsonObject, target: Target, losses: Losses): JsonObject {
  if (!Array.isArray(body["input"]) || !body["input"].some(isOurs)) return body;
  const input: unknown[] = [];
  // Calls go by their own ids only beside the reasoning that they were made with.
  let isStripped = false;
  for (const [index, item] of body["input"].entries()) {
    if (!isObject(item)) {
      input.push(item);
    } else if (isSealed(item)) {
      const kept = unsealed(item, target, `input[${index}]`, losses);
      if (kept !== undefined) input.push(kept);
      isStripped ||= item["type"] === "reasoning" && kept === undefined;
    } else {
      if (!isModelItem(item)) isStripped = false;
      input.push((isStripped && isCall(item)) || isOwnItemId(item["id"]) ? withoutId(item) : item);
    }
  }
  return { ...body, input };
}

function isOurs(item: unknown): boolean {
  return isObject(item) && (isSealed(item) || isOwnItemId(item["id"]));
}

function isSealed(item: JsonObject): boolean {
  const value = item["encrypted_content"];
  return typeof value === "string" && isEnvelope(value);
}

/** The item with its maker's own value where that is the target's, without the id that was ours. */
function unsealed(item: JsonObject, target: Target, path: string, losses: Losses): JsonObject | undefined {
  const kind = item["type"] === "compaction" ? "compaction" : "encrypted";
  const { text, opaque } = openSummary(openedOrBroken(String(item["encrypted_content"]), kind));
  const own = opaque.find((each) => each.issuer === target.family && each.kind === kind);
  if (own !== undefined) {
    return { ...withoutId(item), encrypted_content: own.value };
  }
  losses.add(path, reasonOf(opaque, text));
  return text === undefined ? undefined : summaryMessage(text);
}

function reasonOf(opaque: readonly Opaque[], text: string | undefined): string {
  return text === undefined
    ? lossOf(opaque, "it holds another maker's opaque values")
    : "emulated: the compaction's summary goes as text";
}

function summaryMessage(summary: string): JsonObject {
  const content = [{ type: "output_text", text: summaryText(summary), annotations: [] }];
  return { type: "message", role: "assistant", content };
}

function isModelItem(item: JsonObject): boolean {
  return item["role"] === "assistant" || item["type"] === "reasoning" || isCall(item);
}

function isCall(item: JsonObject): boolean {
  return item["type"] === "function_call" || item["type"] === "custom_tool_call";
}

function withoutId({ id: _, ...item }: JsonObject): JsonObject {
  return item;
}
