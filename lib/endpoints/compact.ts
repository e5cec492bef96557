/**
 * `POST /responses/compact`: the window so far as its user messages and one compaction item. An upstream that speaks
 * this format does it itself; of any other the model is asked for a summary, which goes to the client in an envelope and
 * comes back with the next request (Open Responses, 2026-04-24; TRANSLATION.md, section 6).
 */
import { fail, type Failure, invalid, protocolFault, type Result, success, unsupported } from "../base/failure.ts";
import { isObject, type JsonObject } from "../base/fields.ts";
import { parseJson } from "../base/json.ts";
import { abortWith, callOf, type Exchange, type Handled } from "../exchange.ts";
import { explain } from "../explain.ts";
import type { Format } from "../format.ts";
import { FORMATS } from "../formats/mod.ts";
import type { Call } from "../plan.ts";
import { relay } from "../relay.ts";
import type { Relayed } from "../reply.ts";
import type { Route } from "../router.ts";
import { sealSummary } from "../translation/compaction.ts";
import { sealEnvelope } from "../translation/envelope.ts";
import { answerId, ownItemId } from "../translation/ids.ts";
import { ask } from "./inference.ts";
import { withHistory } from "./responses/history.ts";

/** The same format at its own address. */
const COMPACT: Format = { ...FORMATS.responses, path: `${FORMATS.responses.path}/compact` };

export function compactResponse(exchange: Exchange): Promise<Handled> {
  return ask(exchange, FORMATS.responses, { prepare: prepared, ask: compacted, explain });
}

async function prepared(call: Call, route: Route, exchange: Exchange): Promise<Result<Call>> {
  const whole = await withHistory(call, route, exchange);
  if (!whole.ok) return whole;
  return route.provider.formats.includes(COMPACT.name)
    ? success({ ...whole.value, client: COMPACT, stream: false })
    : summaryCall(whole.value, exchange, call.abort);
}

async function compacted(call: Call, route: Route, exchange: Exchange): Promise<Relayed> {
  const relayed = await relay(call, route, exchange.upstream);
  if (call.client !== COMPACT) return await compactionOf(call, relayed);
  if (!MISSING.has(relayed.response.status)) return relayed;
  // Not every server that speaks the format has this address; a model that it lacks is refused once more.
  const asked = summaryCall(call, exchange, abortWith(exchange.request));
  return asked.ok ? await compactionOf(asked.value, await relay(asked.value, route)) : relayed;
}

const MISSING: ReadonlySet<number> = new Set([404, 405, 501]);

const REQUEST =
  "The conversation above is about to be cut to make room. Write a summary of it that another model can go on from " +
  "without having read it: what the user wants and has said so far, what was decided and found out, what was done (files, " +
  "commands, results of tools, errors and how they were mended), and what is still to do. Keep names, paths, numbers and " +
  "quotes exact. Answer with the summary alone; call no tool.";

/** The same conversation, with the wish for its summary at its end. */
function summaryCall(call: Call, exchange: Exchange, abort: AbortController): Result<Call> {
  const body = bodyOf(call.bytes);
  if (!body.ok) return body;
  const input = windowOf(body.value);
  if (!input.ok) return input;
  const { previous_response_id: _, stream: __, ...members } = body.value;
  const asked = {
    ...members,
    input: [...input.value, { role: "user", content: REQUEST }],
    store: false,
    ...(Array.isArray(members["tools"]) && members["tools"].length > 0 ? { tool_choice: "none" } : {}),
  };
  return callOf(exchange, FORMATS.responses, new TextEncoder().encode(JSON.stringify(asked)), abort);
}

function bodyOf(bytes: Uint8Array): Result<JsonObject> {
  try {
    const body = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (isObject(body)) return success(body);
  } catch {
    // Told below, as any other body that is no object.
  }
  return fail(invalid("The body is not valid JSON"));
}

/** The items of the window, in order. */
function windowOf(body: JsonObject): Result<unknown[]> {
  if (typeof body["previous_response_id"] === "string") return fail(unknownResponse());
  const { input } = body;
  if (typeof input === "string" && input !== "") return success([{ role: "user", content: input }]);
  if (isObject(input)) return success([input]);
  if (Array.isArray(input) && input.length > 0) return success(input);
  return fail(invalid('Missing required "input": there is nothing to compact', "input"));
}

function unknownResponse(): Failure {
  const message = "No earlier response is kept for this upstream; send the full input instead of its id";
  return { ...unsupported(message, "previous_response_id"), code: "previous_response_not_found" };
}

/** An answer that holds a summary, as the compacted window; any other as it is, or as the fault that it is. */
async function compactionOf(call: Call, relayed: Relayed): Promise<Relayed> {
  if (!relayed.response.ok) return relayed;
  const answer = bodyOf(new Uint8Array(await relayed.response.arrayBuffer()));
  const summary = answer.ok ? summaryOf(answer.value) : answer;
  if (!answer.ok || !summary.ok) return failed(call, relayed, summary.ok ? "" : summary.failure.message);
  const { headers } = relayed.response;
  headers.delete("content-length");
  return { ...relayed, response: Response.json(compaction(call, answer.value, summary.value), { headers }) };
}

function failed(call: Call, relayed: Relayed, message: string): Relayed {
  const failure = protocolFault(message);
  const { status, body } = call.client.encodeError(failure, call.requestId);
  const { headers } = relayed.response;
  headers.delete("content-length");
  const response = Response.json(body, { status, headers });
  return { ...relayed, response, done: Promise.resolve({ left: false, failure }) };
}

/** All of the answer's text; one that broke off would leave a hole that nobody sees. */
function summaryOf(answer: JsonObject): Result<string> {
  if (answer["status"] !== "completed") {
    return fail(
      protocolFault(`The model's summary is not complete (${String(answer["status"])}); compact less at once`),
    );
  }
  const items = objectsOf(answer["output"]).filter((item) => item["type"] === "message");
  const texts = items.flatMap((item) => objectsOf(item["content"])).filter((part) => part["type"] === "output_text");
  const text = texts.map((part) => String(part["text"] ?? "")).join("");
  return text.trim() === "" ? fail(protocolFault("The model gave no summary of the conversation")) : success(text);
}

function objectsOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function compaction(call: Call, answer: JsonObject, summary: string): JsonObject {
  const asked = bodyOf(call.bytes);
  const input = asked.ok ? objectsOf(asked.value["input"]).slice(0, -1) : [];
  const item = { id: ownItemId("cmp_"), type: "compaction", encrypted_content: sealEnvelope(sealSummary(summary, [])) };
  return {
    id: answerId("resp_", String(answer["id"] ?? ""), call.requestId),
    object: "response.compaction",
    created_at: answer["created_at"],
    output: [...input.filter(isUsers).map(userMessage), item],
    usage: answer["usage"],
  };
}

function isUsers(item: JsonObject): boolean {
  return item["role"] === "user" && (item["type"] ?? "message") === "message";
}

function userMessage({ id, content }: JsonObject): JsonObject {
  return {
    id: typeof id === "string" && id.startsWith("msg_") ? id : ownItemId("msg_"),
    type: "message",
    status: "completed",
    role: "user",
    content: typeof content === "string" ? [{ type: "input_text", text: content }] : content,
  };
}
