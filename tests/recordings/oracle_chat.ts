/** Chat Completions answers, OpenAI's own and its dialects', as their references describe them. */
import { asArray, asObject, isObject, type Json } from "../support/grammar.ts";
import {
  type Call,
  callOf,
  count,
  type Counts,
  errorText,
  eventsIn,
  type Facts,
  failed,
  type Heard,
  member,
  mended,
  newFacts,
  objectsIn,
  type Stop,
  textOf,
} from "./facts.ts";

interface Choice {
  facts: Facts;
  calls: { index: unknown; id: string; name: string; text: string; isCustom: boolean }[];
  finish: string;
  /** Thinking as plain text, and as entries tell it: the same thought twice, where there are both. */
  plain: string;
  entries: string;
}

interface State {
  choices: Map<number, Choice>;
  usage: Json | undefined;
  error: string | undefined;
}

export function readChatBody(body: Json): Heard {
  const state: State = { choices: new Map(), usage: undefined, error: undefined };
  readChunk(body, state, "message");
  return conclude(state);
}

export function readChatStream(text: string): Heard {
  const state: State = { choices: new Map(), usage: undefined, error: undefined };
  for (const { event, data } of eventsIn(text)) {
    if (data.trim() === "[DONE]") break;
    const body: unknown = JSON.parse(data);
    if (event === "error") state.error ??= errorText(body);
    if (state.error === undefined) readChunk(asObject(body), state, "delta");
  }
  return conclude(state);
}

function readChunk(body: Json, state: State, key: "delta" | "message"): void {
  if (body["error"] !== undefined && body["error"] !== null) state.error ??= errorText(body["error"]);
  const usage = body["usage"] ?? member(body, "x_groq", "usage");
  if (isObject(usage)) state.usage = usage;
  for (const choice of objectsIn(body["choices"])) readChoice(choice, state, key);
}

function newChoice(): Choice {
  return { facts: newFacts(), calls: [], finish: "", plain: "", entries: "" };
}

function readChoice(value: Json, state: State, key: "delta" | "message"): void {
  const index = count(value["index"]);
  const choice = state.choices.get(index) ?? newChoice();
  state.choices.set(index, choice);
  if (choice.finish !== "") return;
  const said = asObject(value[key]);
  readThinking(said, choice);
  readContent(said["content"], choice);
  choice.facts.refusal += textOf(said["refusal"]);
  for (const annotation of objectsIn(said["annotations"])) {
    choice.facts.links.push(textOf(member(annotation, "url_citation", "url")));
  }
  for (const call of objectsIn(said["tool_calls"])) readCall(call, choice, key === "message");
  readLegacyCall(asObject(said["function_call"]), choice);
  choice.finish = textOf(value["finish_reason"]);
}

function readContent(content: unknown, choice: Choice): void {
  const { facts } = choice;
  facts.text += textOf(content);
  for (const part of objectsIn(content)) {
    if (part["type"] === "text") facts.text += textOf(part["text"]);
    if (part["type"] === "thinking") {
      choice.plain += asArray(part["thinking"]).map((inner) => textOf(member(inner, "text"))).join("");
      if (textOf(part["signature"]) !== "") facts.seals.push(textOf(part["signature"]));
    }
  }
}

function readThinking(said: Json, choice: Choice): void {
  choice.plain += textOf(said["reasoning_content"]) || textOf(said["reasoning"]);
  for (const entry of objectsIn(said["reasoning_details"])) {
    choice.entries += textOf(entry["text"]) || textOf(entry["summary"]);
    const seals = [entry["signature"], entry["data"]].map(textOf);
    choice.facts.seals.push(...seals.filter((seal) => seal !== ""));
  }
}

/** A call goes on where its index says so, or without one where no new id comes. */
function readCall(value: Json, choice: Choice, isWhole: boolean): void {
  const id = textOf(value["id"]);
  const known = value["index"] === undefined
    ? (id === "" ? choice.calls.at(-1) : undefined)
    : choice.calls.find((call) => call.index === value["index"] && (id === "" || call.id === id));
  let call = isWhole ? undefined : known;
  if (call === undefined) {
    choice.calls.push(call = { index: value["index"], id, name: "", text: "", isCustom: value["type"] === "custom" });
  }
  const body = asObject(value[call.isCustom ? "custom" : "function"]);
  if (call.name === "") call.name = textOf(body["name"]);
  const text = body[call.isCustom ? "input" : "arguments"];
  call.text += isObject(text) ? JSON.stringify(text) : textOf(text);
}

function readLegacyCall(body: Json, choice: Choice): void {
  if (textOf(body["name"]) === "") return;
  choice.calls.push({
    index: undefined,
    id: "",
    name: textOf(body["name"]),
    text: textOf(body["arguments"]),
    isCustom: false,
  });
}

function conclude(state: State): Heard {
  if (state.error !== undefined) return failed(state.error);
  const candidates = [...state.choices].sort(([one], [other]) => one - other).map(([, choice]) => concluded(choice));
  return { candidates, usage: state.usage && countsOf(state.usage), error: undefined };
}

const STOPS: Readonly<Record<string, Stop>> = {
  length: "max_tokens",
  tool_calls: "tool_calls",
  function_call: "tool_calls",
  content_filter: "content_filter",
};

function concluded({ facts, calls, finish, plain, entries }: Choice): Facts {
  facts.thinking = plain === "" ? entries : plain;
  facts.calls = calls.map(({ id, name, text, isCustom }): Call =>
    isCustom ? { id, name, input: text } : callOf(id, name, text)
  );
  const stop = mended(STOPS[finish] ?? "stop", facts);
  return { ...facts, stop: stop === "stop" && facts.refusal !== "" ? "refusal" : stop };
}

/** TRANSLATION.md, 3.3, with the dialects' places for the same counts. */
function countsOf(usage: Json): Counts {
  const prompt = count(usage["prompt_tokens"]);
  const completion = count(usage["completion_tokens"]);
  const reasoning = count(member(usage, "completion_tokens_details", "reasoning_tokens")) ||
    count(usage["reasoning_tokens"]);
  const cached = [
    member(usage, "prompt_tokens_details", "cached_tokens"),
    usage["prompt_cache_hit_tokens"],
    usage["cached_tokens"],
    usage["num_cached_tokens"],
  ].map(count).find((tokens) => tokens > 0) ?? 0;
  const written = count(member(usage, "prompt_tokens_details", "cache_write_tokens"));
  const isApart = reasoning > 0 && count(usage["total_tokens"]) === prompt + completion + reasoning;
  return {
    input: cached > prompt ? prompt + cached + written : prompt,
    cached,
    written,
    output: isApart ? completion + reasoning : completion,
    reasoning,
  };
}
