/** Chat Completions requests as atoms. */
import { asArray, asObject, isObject } from "../support/grammar.ts";
import { type Atom, Members, sourceOf, Writer } from "./atoms.ts";
import { textOf } from "./facts.ts";

export function chatAtoms(value: unknown): Atom[] {
  const out = new Writer();
  const body = new Members(value, "");
  for (const message of body.list("messages")) readMessage(message, out);
  const hasTools = readTools(body, out);
  readChoice(body, out, hasTools);
  readSettings(body, out);
  out.rest(body);
  return out.finish();
}

function readSettings(body: Members, out: Writer): void {
  for (const key of ["model", "stream", "top_logprobs"]) body.take(key);
  out.setting("max tokens", body, body.has("max_completion_tokens") ? "max_completion_tokens" : "max_tokens");
  out.setting("temperature", body, "temperature", 1);
  out.setting("top p", body, "top_p", 1);
  out.setting("top k", body, "top_k");
  out.setting("frequency penalty", body, "frequency_penalty", 0);
  out.setting("presence penalty", body, "presence_penalty", 0);
  out.setting("seed", body, "seed");
  out.setting("logit bias", body, "logit_bias");
  out.setting("answers", body, "n", 1);
  out.setting("logprobs", body, "logprobs", false);
  out.setting("verbosity", body, "verbosity", "medium");
  out.setting("service tier", body, "service_tier", "auto", "default");
  out.setting("user", body, body.has("safety_identifier") ? "safety_identifier" : "user");
  out.setting("metadata", body, "metadata");
  out.setting("store", body, "store", false);
  out.setting("cache key", body, "prompt_cache_key");
  out.setting("serial calls", body, "parallel_tool_calls", true);
  const stop = body.take("stop");
  for (const sequence of [stop ?? []].flat()) out.add(`stop at ${sequence}`, "stop");
  readEffort(body, out);
  readFormat(body, out);
  const options = body.inner("stream_options");
  options.take("include_usage");
  options.take("include_obfuscation");
  out.rest(options);
}

const EFFORTS: ReadonlySet<unknown> = new Set(["minimal", "low", "medium", "high", "xhigh", "max"]);

/** How much is the tables' matter (TRANSLATION.md, 2.7): whether is everybody's. */
function readEffort(body: Members, out: Writer): void {
  const effort = body.take("reasoning_effort");
  if (effort === undefined) return;
  const isKnown = EFFORTS.has(effort) || effort === "none";
  const key = isKnown ? `reasoning=${effort !== "none"}` : `other reasoning_effort=${JSON.stringify(effort)}`;
  out.add(key, "reasoning_effort");
}

function readFormat(body: Members, out: Writer): void {
  const format = body.inner("response_format");
  const type = format.text("type");
  const schema = format.inner("json_schema");
  if (type === "json_object" || type === "json_schema") out.add(`answer ${type}`, "response_format");
  else if (type !== "" && type !== "text") out.add(`other response_format.type=${type}`, "response_format");
  out.setting("answer name", schema, "name");
  out.answerSchema(schema.take("schema"), schema.text("description"), schema.path);
  out.setting("answer strict", schema, "strict", false);
  out.rest(schema);
  out.rest(format);
}

function readTools(body: Members, out: Writer): boolean {
  const tools = [...body.list("tools"), ...body.list("functions")];
  for (const tool of tools) {
    const type = tool.text("type") || "function";
    const isWrapped = tool.has("function") || tool.has("custom");
    const definition = isWrapped ? tool.inner(type) : tool;
    if (type === "function") out.tool(definition.text("name"), definition, "parameters");
    else if (type === "custom") readCustomTool(definition, out);
    else out.add(`built-in tool ${type.includes("web_search") ? "web_search" : type}`, tool.path);
    out.cacheMark(tool, "cache_control");
    out.rest(definition);
    out.rest(tool);
  }
  readWebSearch(body.inner("web_search_options"), body.has("web_search_options"), out);
  return tools.length > 0 || body.has("web_search_options");
}

function readCustomTool(definition: Members, out: Writer): void {
  const format = asObject(definition.take("format"));
  out.customTool(definition.text("name"), definition, asObject(format["grammar"]));
}

function readWebSearch(options: Members, isAsked: boolean, out: Writer): void {
  if (!isAsked) return;
  out.add("built-in tool web_search", options.path);
  out.setting("search context", options, "search_context_size", "medium");
  const location = options.inner("user_location");
  location.take("type");
  const approximate = location.inner("approximate");
  for (const key of ["city", "country", "region", "timezone"]) out.setting(`search ${key}`, approximate, key);
  out.rest(approximate);
  out.rest(location);
  out.rest(options);
}

function readChoice(body: Members, out: Writer, hasTools: boolean): void {
  const choice = body.take("tool_choice") ?? body.take("function_call");
  body.take("function_call");
  // Without tools there is nothing to choose.
  if (!hasTools || choice === "auto" || choice === undefined) return;
  if (typeof choice === "string") return out.choice(choice === "any" ? "required" : choice, [], "tool_choice");
  const allowed = asObject(asObject(choice)["allowed_tools"]);
  const tools = "tools" in allowed ? asArray(allowed["tools"]) : [choice];
  out.choice(textOf(allowed["mode"]) || "required", tools.map(nameIn), "tool_choice");
}

function nameIn(tool: unknown): string {
  const { function: called, custom, name } = asObject(tool);
  return textOf(asObject(called ?? custom)["name"]) || textOf(name);
}

function readMessage(message: Members, out: Writer): void {
  const role = message.text("role");
  switch (role) {
    case "system":
    case "developer":
      readContent(message, "system", out);
      break;
    case "assistant":
      readAssistant(message, out);
      break;
    case "tool":
    case "function":
      out.result(message.text("tool_call_id"), resultText(message, out), message.path, message.text("name"));
      break;
    default:
      readContent(message, "user", out);
  }
  out.cacheMark(message, "cache_control");
  out.rest(message);
}

function readAssistant(message: Members, out: Writer): void {
  const plain = message.text("reasoning_content") || message.text("reasoning");
  message.take("reasoning");
  if (plain !== "") out.thinking(plain, "", message.at("reasoning_content"));
  for (const entry of message.list("reasoning_details")) {
    const text = entry.text("text") || entry.text("summary");
    out.thinking(plain === "" ? text : "", entry.text("signature") || entry.text("data"), entry.path);
  }
  readContent(message, "assistant", out);
  out.said("assistant", message.text("refusal"), message.at("refusal"));
  for (const call of message.list("tool_calls")) readCall(call, out);
  const legacy = message.inner("function_call");
  if (legacy.has("name")) out.call("", legacy.text("name"), legacy.text("arguments"), legacy.path);
}

function readCall(call: Members, out: Writer): void {
  const isCustom = call.text("type") === "custom";
  const body = call.inner(isCustom ? "custom" : "function");
  const input = isCustom ? { input: body.text("input") } : body.text("arguments");
  out.call(call.text("id"), body.text("name"), input, call.path);
  call.take("index");
  out.rest(body);
  out.rest(call);
}

function readContent(message: Members, speaker: "system" | "user" | "assistant", out: Writer): void {
  const content = message.take("content");
  if (typeof content === "string") out.said(speaker, content, message.at("content"));
  for (const [index, value] of asArray(content).entries()) {
    if (isObject(value)) readPart(new Members(value, `${message.at("content")}[${index}]`), speaker, out);
  }
}

function readPart(part: Members, speaker: "system" | "user" | "assistant", out: Writer): void {
  const type = part.text("type");
  switch (type) {
    case "text":
      out.said(speaker, part.text("text"), part.path);
      break;
    case "refusal":
      out.said(speaker, part.text("refusal"), part.path);
      break;
    case "thinking":
      out.thinking(
        asArray(part.take("thinking")).map((inner) => textOf(asObject(inner)["text"])).join(""),
        "",
        part.path,
      );
      break;
    case "image_url":
    case "document_url":
      readLink(part, type, out);
      break;
    case "file":
      readFile(part.inner("file"), part.path, out);
      break;
    default:
      out.add(`other part ${type}`, part.path);
  }
  out.cacheMark(part, "cache_control");
  out.cacheMark(part, "prompt_cache_breakpoint");
  out.rest(part);
}

function readLink(part: Members, key: string, out: Writer): void {
  const bare = part.take(key);
  const link = typeof bare === "string" ? undefined : part.inner(key);
  const source = sourceOf(link?.text("url") ?? String(bare));
  const kind = key === "document_url" || source.startsWith("application/pdf") ? "document" : "image";
  out.media(kind, source, part.path);
  if (link === undefined) return;
  out.setting("image detail", link, "detail", "auto");
  out.rest(link);
}

function readFile(file: Members, path: string, out: Writer): void {
  const data = file.text("file_data");
  const id = file.text("file_id");
  out.media("document", id === "" ? sourceOf(data) : id, path);
  out.setting("document title", file, "filename");
  out.rest(file);
}

function resultText(message: Members, out: Writer): string {
  const content = message.take("content");
  if (typeof content === "string") return content;
  const texts: string[] = [];
  for (const [index, value] of asArray(content).entries()) {
    const part = new Members(value, `${message.at("content")}[${index}]`);
    if (asObject(value)["type"] !== "text") readPart(part, "user", out);
    else texts.push(textOf(asObject(value)["text"]));
  }
  return texts.join("\n");
}
