/** Lists as OpenAI's API pages them: `order`, `limit`, `after`. */
import { fail, invalid, type Result, success } from "../base/failure.ts";
import type { JsonObject } from "../base/fields.ts";

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;

/** `items`: all of them, oldest first, each with an id. The newest come first unless the query says `asc`. */
export function pageOf(items: readonly JsonObject[], query: URLSearchParams): Result<JsonObject> {
  const limit = Number(query.get("limit") ?? DEFAULT_LIMIT);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    return fail(invalid(`Expected limit to be a whole number from 1 to ${MAX_LIMIT}`, "limit"));
  }
  const order = query.get("order") ?? "desc";
  if (order !== "asc" && order !== "desc") return fail(invalid('Expected order to be "asc" or "desc"', "order"));
  const ordered = order === "asc" ? items : items.toReversed();
  const after = query.get("after");
  const start = after === null ? 0 : ordered.findIndex(({ id }) => id === after) + 1;
  if (after !== null && start === 0) return fail(invalid("No item of this list has that id", "after"));
  const page = ordered.slice(start, start + limit);
  return success(listOf(page, start + limit < ordered.length));
}

export function listOf(data: readonly JsonObject[], hasMore: boolean): JsonObject {
  return {
    object: "list",
    data,
    first_id: data[0]?.["id"] ?? null,
    last_id: data.at(-1)?.["id"] ?? null,
    has_more: hasMore,
  };
}

/** An item as lists show it: its text as parts. */
export function shownItem(item: JsonObject): JsonObject {
  const { content, role } = item;
  if (typeof content !== "string" || typeof role !== "string") return item;
  const part = role === "assistant"
    ? { type: "output_text", text: content, annotations: [], logprobs: [] }
    : { type: "input_text", text: content };
  return { type: "message", status: "completed", ...item, content: [part] };
}
