/** Responses requests as atoms. */
import { asArray, asObject, isObject } from "../support/grammar.ts";
import { type Atom, Members, sourceOf, stable, Writer } from "./atoms.ts";
import { textOf } from "./facts.ts";

type Speaker = "system" | "user" | "assistant";

export function responsesAtoms(value: unknown): Atom[] {
  const out = new Writer();
  const body = new Members(value, "");
  out.said("system", body.text("instructions"), "instructions");
  const input = body.peek("input");
  if (typeof input === "string") out.said("user", input, "input");
  for (const item of body.list("input")) readItem(item, out);
  readTools(body, out);
  readSettings(body, out);
  out.rest(body);
  return out.finish();
}

function readSettings(body: Members, out: Writer): void {
  for (const key of ["model", "stream", "top_logprobs"]) body.take(key);
  out.setting("max tokens", body, "max_output_tokens");
  out.setting("temperature", body, "temperature", 1);
  out.setting("top p", body, "top_p", 1);
  out.setting("service tier", body, "service_tier", "auto", "default");
  out.setting("user", body, body.has("safety_identifier") ? "safety_identifier" : "user");
  out.setting("metadata", body, "metadata");
  out.setting("store", body, "store", false);
  out.setting("cache key", body, "prompt_cache_key");
  out.setting("serial calls", body, "parallel_tool_calls", true);
  out.setting("truncation", body, "truncation", "disabled");
  readReasoning(body.inner("reasoning"), out);
  readText(body.inner("text"), out);
  for (const entry of body.list("context_management")) {
    out.add(entry.peek("type") === "compaction" ? "compacts" : `other edit ${stable(entry.whole())}`, entry.path);
  }
  for (const wanted of asArray(body.take("include"))) {
    // Asked for always: an answer without it can't be gone on from.
    if (wanted === "reasoning.encrypted_content") continue;
    out.add(wanted === "message.output_text.logprobs" ? "logprobs=true" : `other include=${wanted}`, "include");
  }
  const options = body.inner("stream_options");
  options.take("include_obfuscation");
  out.rest(options);
}

const EFFORTS: ReadonlySet<string> = new Set(["minimal", "low", "medium", "high", "xhigh", "max"]);

function readReasoning(reasoning: Members, out: Writer): void {
  const effort = reasoning.text("effort");
  // How much is the tables' matter (TRANSLATION.md, 2.7); what of it is shown, each format's own.
  if (EFFORTS.has(effort) || effort === "none") out.add(`reasoning=${effort !== "none"}`, reasoning.at("effort"));
  else if (effort !== "") out.add(`other reasoning.effort=${effort}`, reasoning.at("effort"));
  reasoning.take("summary");
  out.rest(reasoning);
}

function readText(text: Members, out: Writer): void {
  out.setting("verbosity", text, "verbosity", "medium");
  const format = text.inner("format");
  const type = format.text("type");
  if (type === "json_object" || type === "json_schema") out.add(`answer ${type}`, format.path);
  else if (type !== "" && type !== "text") out.add(`other text.format=${type}`, format.path);
  out.setting("answer name", format, "name");
  out.answerSchema(format.take("schema"), format.text("description"), format.path);
  out.setting("answer strict", format, "strict", false);
  out.rest(format);
  out.rest(text);
}

function readTools(body: Members, out: Writer): void {
  const tools = body.list("tools");
  for (const tool of tools) readTool(tool, "", out);
  const choice = body.take("tool_choice");
  if (choice === undefined || choice === "auto" || tools.length === 0) return;
  if (!isObject(choice)) return out.choice(choice, [], "tool_choice");
  const allowed = choice["type"] === "allowed_tools" ? asArray(choice["tools"]) : [choice];
  const names = allowed.map((tool) => textOf(asObject(tool)["name"]) || textOf(asObject(tool)["type"]));
  out.choice(textOf(choice["mode"]) || "required", names, "tool_choice");
}

function readTool(tool: Members, namespace: string, out: Writer): void {
  const type = tool.text("type");
  if (type === "namespace") {
    readNamespace(tool, tool.text("name"), out);
    return out.rest(tool);
  }
  if (type === "function") out.tool(namespace + tool.text("name"), tool, "parameters");
  else if (type === "custom") readCustomTool(tool, namespace, out);
  else if (/^web_search/.test(type)) readWebSearch(tool, out);
  else out.add(`built-in tool ${stable(tool.whole())}`, tool.path);
  if (type === "function" || type === "custom" || /^web_search/.test(type)) out.rest(tool);
}

/** What a namespace says of its tools is said before what the first of them says. */
function readNamespace(tool: Members, name: string, out: Writer): void {
  const said = tool.text("description");
  for (const [index, inner] of asArray(tool.take("tools")).entries()) {
    const own = textOf(asObject(inner)["description"]);
    const description = index > 0 || said === "" ? own : [`[${name}: ${said}]`, own].join("\n\n").trimEnd();
    readTool(new Members({ ...asObject(inner), description }, `${tool.at("tools")}[${index}]`), `${name}__`, out);
  }
}

function readCustomTool(tool: Members, namespace: string, out: Writer): void {
  out.customTool(namespace + tool.text("name"), tool, asObject(tool.take("format")));
}

function readWebSearch(tool: Members, out: Writer): void {
  out.add("built-in tool web_search", tool.path);
  out.setting("search context", tool, "search_context_size", "medium");
  const location = tool.inner("user_location");
  location.take("type");
  for (const key of ["city", "country", "region", "timezone"]) out.setting(`search ${key}`, location, key);
  const filters = tool.inner("filters");
  out.setting("search domains", filters, "allowed_domains");
  out.setting("search not", filters, "blocked_domains");
  out.rest(filters);
  out.rest(location);
}

function readItem(item: Members, out: Writer): void {
  const type = textOf(item.peek("type")) || (item.has("role") ? "message" : "item_reference");
  switch (type) {
    case "message":
      readMessage(item, out);
      break;
    case "reasoning":
      readReasoningItem(item, out);
      break;
    case "function_call":
    case "custom_tool_call":
      readCall(item, type, out);
      break;
    case "function_call_output":
    case "custom_tool_call_output":
      readOutput(item, out);
      break;
    case "additional_tools":
      for (const tool of item.list("tools")) readTool(tool, "", out);
      item.take("role");
      break;
    case "tool_search_call":
    case "tool_search_output":
      if (item.take("execution") !== "client") return out.add(`other item ${stable(item.whole())}`, item.path);
      readSearch(item, type, out);
      break;
    default:
      return out.add(`other item ${stable(item.whole())}`, item.path);
  }
  // Ids and states of items are of the format that has items.
  for (const key of ["type", "id", "status"]) item.take(key);
  out.rest(item);
}

function readMessage(item: Members, out: Writer): void {
  const role = item.text("role");
  const speaker: Speaker = role === "assistant" ? role : role === "user" ? role : "system";
  const content = item.take("content");
  if (typeof content === "string") return out.said(speaker, content, item.path);
  for (const [index, value] of asArray(content).entries()) {
    readPart(new Members(value, `${item.at("content")}[${index}]`), speaker, out);
  }
}

function readPart(part: Members, speaker: Speaker, out: Writer): void {
  switch (part.peek("type")) {
    case "input_text":
    case "output_text":
    case "text":
      out.said(speaker, part.text("text"), part.path);
      break;
    case "refusal":
      out.said(speaker, part.text("refusal"), part.path);
      break;
    case "input_image":
      out.media("image", sourceOf(part.text("image_url") || part.text("file_id")), part.path);
      out.setting("image detail", part, "detail", "auto");
      break;
    case "input_file":
      readFile(part, out);
      break;
    default:
      return out.add(`other part ${stable(part.whole())}`, part.path);
  }
  part.take("type");
  for (const citation of part.list("annotations")) out.add(`cites ${stable(citation.whole())}`, part.at("annotations"));
  out.cacheMark(part, "prompt_cache_breakpoint");
  out.rest(part);
}

function readFile(part: Members, out: Writer): void {
  const source = part.text("file_data") || part.text("file_url") || part.text("file_id");
  out.media("document", sourceOf(source), part.path);
  out.setting("document title", part, "filename");
  part.take("detail");
}

function readReasoningItem(item: Members, out: Writer): void {
  const pieces = (key: string) =>
    asArray(item.take(key)).map((part) => textOf(asObject(part)["text"])).filter((text) => text !== "").join("\n\n");
  const texts = [pieces("summary"), pieces("content")].filter((text) => text !== "");
  for (const text of texts) out.thinking(text, "", item.path);
  out.thinking("", item.text("encrypted_content"), item.path);
}

function readCall(item: Members, type: string, out: Writer): void {
  const namespace = item.text("namespace");
  const name = (namespace === "" ? "" : `${namespace}__`) + item.text("name");
  const input = type === "function_call" ? item.text("arguments") : { input: item.text("input") };
  out.call(item.text("call_id"), name, input, item.path);
}

/** A client's own search for tools. What it found is in the request's own list too, in every recording. */
function readSearch(item: Members, type: string, out: Writer): void {
  if (type === "tool_search_call") {
    return out.call(item.text("call_id"), "tool_search", item.take("arguments"), item.path);
  }
  const lines = item.list("tools").map((tool) => `${tool.text("name")}: ${tool.text("description")}`);
  out.result(item.text("call_id"), ["These tools can be called now:", ...lines].join("\n"), item.path);
}

function readOutput(item: Members, out: Writer): void {
  const output = item.take("output");
  const parts = asArray(output).map((value, index) => new Members(value, `${item.at("output")}[${index}]`));
  const isText = (part: Members) => part.peek("type") === "input_text" || part.peek("type") === "output_text";
  const texts = typeof output === "string" ? [output] : parts.filter(isText).map((part) => textOf(part.peek("text")));
  out.result(item.text("call_id"), texts.join("\n"), item.path);
  for (const part of parts) if (!isText(part)) readPart(part, "user", out);
}
