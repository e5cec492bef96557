/** OpenAI's rules for encrypted reasoning and item ids in a history that isn't stored (TRANSLATION.md, 1.3). */
import { asArray, asObject, type Json } from "./grammar.ts";
import { firstRefusal, type Judge, Mint, type Refusal, refused, saidOf } from "./strict.ts";
import { json, sse } from "./upstream.ts";
import { responsesBody, responsesFrames } from "./wire_responses.ts";

/** What was issued: each item's id, and the reasoning item that stood before it in its answer. */
type Issued = Map<string, { seal: unknown; reasoning: Json | undefined }>;

export function responsesJudge(): Judge {
  const mint = new Mint("gAAAAA");
  const issued: Issued = new Map();
  return {
    mint,
    refusalOf: (body) => refusalOf(body, mint, issued),
    answer(blocks, streamed) {
      const answer = saidOf(blocks);
      note(asArray(responsesBody(answer)["output"]).map(asObject), issued);
      return streamed ? sse(responsesFrames(answer)) : json(responsesBody(answer));
    },
    error: ({ message }) => ({ error: { message, type: "invalid_request_error", param: "input", code: null } }),
    sealsIn: (body) => itemsOf(body).filter(isReasoning).map((item) => String(item["encrypted_content"])),
  };
}

function note(output: readonly Json[], issued: Issued): void {
  let reasoning: Json | undefined;
  for (const item of output) {
    if (isReasoning(item)) reasoning = item;
    issued.set(String(item["id"]), { seal: item["encrypted_content"], reasoning });
  }
}

function itemsOf(body: Json): Json[] {
  return asArray(body["input"]).map(asObject);
}

function isReasoning(item: Json | undefined): boolean {
  return item?.["type"] === "reasoning";
}

function isModels(item: Json | undefined): boolean {
  return item?.["role"] === "assistant" || item?.["type"] === "function_call";
}

function refusalOf(body: Json, mint: Mint, issued: Issued): Refusal | undefined {
  const items = itemsOf(body);
  return outOfOrder(items, mint) ?? firstRefusal(items, (item, index) => {
    if (isReasoning(item)) return badReasoning(item, items[index + 1], mint) ?? unknownId(item, issued);
    if (item["type"] === "function_call") return unknownId(item, issued) ?? withoutReasoning(items, index, issued);
    if (item["type"] === "function_call_output") return withoutCall(items, index);
    return isModels(item) ? unknownId(item, issued) : undefined;
  });
}

function badReasoning(item: Json, next: Json | undefined, mint: Mint): Refusal | undefined {
  const seal = item["encrypted_content"];
  const text = asArray(item["summary"]).map((part) => String(asObject(part)["text"])).join("\n\n");
  if (!mint.issued.has(String(seal))) {
    return refused(`The encrypted content ${String(seal).slice(0, 12)}… could not be verified`);
  }
  if (text !== "" && !mint.signed(seal, text)) return refused(`The summary of ${item["id"]} was altered`);
  if (isModels(next) || isReasoning(next)) return undefined;
  return refused("Item of type 'reasoning' was provided without its required following item");
}

function unknownId({ id }: Json, issued: Issued): Refusal | undefined {
  return id === undefined || issued.has(String(id)) ? undefined : refused(`Item with id '${id}' not found`, 404);
}

/** A call by its own id needs the reasoning that it was made with, before it among the items of its answer. */
function withoutReasoning(items: readonly Json[], index: number, issued: Issued): Refusal | undefined {
  const id = items[index]?.["id"];
  const reasoning = issued.get(String(id))?.reasoning;
  if (reasoning === undefined) return undefined;
  for (let at = index - 1; at >= 0 && (isModels(items[at]) || isReasoning(items[at])); at--) {
    if (items[at]?.["encrypted_content"] === reasoning["encrypted_content"]) return undefined;
  }
  return refused(`Item '${id}' was provided without its required 'reasoning' item: '${reasoning["id"]}'`);
}

function withoutCall(items: readonly Json[], index: number): Refusal | undefined {
  const id = items[index]?.["call_id"];
  const isCalled = items.slice(0, index).some((item) => item["type"] === "function_call" && item["call_id"] === id);
  return isCalled ? undefined : refused(`No tool call found for function call output with call_id ${id}`);
}

function outOfOrder(items: readonly Json[], mint: Mint): Refusal | undefined {
  const order = [...mint.issued.keys()];
  const places = items.filter(isReasoning).map((item) => order.indexOf(String(item["encrypted_content"])));
  const isRising = places.every((place, index) => index === 0 || place === -1 || place > (places[index - 1] ?? -1));
  return isRising ? undefined : refused("Reasoning items are out of order");
}
