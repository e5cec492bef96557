/** Messages requests as atoms. */
import { asArray, asObject } from "../support/grammar.ts";
import { type Atom, failedText, Members, stable, Writer } from "./atoms.ts";
import { textOf } from "./facts.ts";

type Speaker = "system" | "user" | "assistant";

export function messagesAtoms(value: unknown): Atom[] {
  const out = new Writer();
  const body = new Members(value, "");
  readContent(body, "system", "system", out);
  for (const message of body.list("messages")) {
    const role = message.text("role");
    readContent(message, "content", role === "assistant" || role === "system" ? role : "user", out);
    out.rest(message);
  }
  readTools(body, out);
  readSettings(body, out);
  out.rest(body);
  return out.finish();
}

function readSettings(body: Members, out: Writer): void {
  for (const key of ["model", "stream"]) body.take(key);
  out.setting("max tokens", body, "max_tokens");
  out.setting("temperature", body, "temperature", 1);
  out.setting("top p", body, "top_p", 1);
  out.setting("top k", body, "top_k");
  out.setting("service tier", body, "service_tier", "auto", "standard_only");
  for (const sequence of asArray(body.take("stop_sequences"))) out.add(`stop at ${sequence}`, "stop_sequences");
  const metadata = body.inner("metadata");
  out.setting("user", metadata, "user_id");
  out.rest(metadata);
  out.cacheMark(body, "cache_control");
  const config = body.inner("output_config");
  readThinking(body.inner("thinking"), config, out);
  const current = config.inner("format");
  const format = current.has("type") ? current : body.inner("output_format");
  if (format.text("type") === "json_schema") {
    out.add("answer json_schema", format.path);
    out.answerSchema(format.take("schema"), "", format.path);
    // There is no other way here.
    out.add("answer strict=true", format.path);
  }
  out.rest(format);
  out.rest(config);
  readCompaction(body.inner("context_management"), out);
}

function readCompaction(management: Members, out: Writer): void {
  for (const edit of management.list("edits")) {
    if (textOf(edit.peek("type")).startsWith("compact_")) out.add("compacts", edit.path);
    else out.add(`other edit ${stable(edit.whole())}`, edit.path);
  }
  out.rest(management);
}

function readThinking(thinking: Members, config: Members, out: Writer): void {
  const type = thinking.text("type");
  const effort = config.text("effort");
  if (type !== "") out.add(`reasoning=${type !== "disabled"}`, "thinking");
  else if (effort !== "") out.add("reasoning=true", "output_config.effort");
  // How much is the tables' matter (TRANSLATION.md, 2.7); what of it is shown, each format's own.
  for (const key of ["budget_tokens", "display"]) thinking.take(key);
  out.rest(thinking);
}

function readTools(body: Members, out: Writer): void {
  const tools = body.list("tools");
  for (const tool of tools) {
    const type = tool.text("type");
    if (type === "" || type === "custom") out.tool(tool.text("name"), tool, "input_schema");
    else readBuiltIn(tool, type, out);
    out.cacheMark(tool, "cache_control");
    out.rest(tool);
  }
  const choice = body.inner("tool_choice");
  const type = choice.text("type");
  const name = choice.text("name");
  const word = type === "any" || type === "tool" ? "required" : type;
  if (word !== "") out.choice(word, name === "" ? [] : [name], "tool_choice");
  if (choice.take("disable_parallel_tool_use") === true) {
    out.add("serial calls=false", "tool_choice.disable_parallel_tool_use");
  }
  out.rest(choice);
}

/** Tools that clients run themselves, whose schema the model knows: functions to everybody else. */
const CLIENT_TOOL = /^(?:bash|text_editor|memory)_/;

function readBuiltIn(tool: Members, type: string, out: Writer): void {
  const name = tool.text("name");
  if (CLIENT_TOOL.test(type)) return out.add(`tool ${name}`, tool.path);
  if (!type.startsWith("web_search_")) return out.add(`built-in tool ${type}`, tool.path);
  out.add("built-in tool web_search", tool.path);
  const location = tool.inner("user_location");
  location.take("type");
  for (const key of ["city", "country", "region", "timezone"]) out.setting(`search ${key}`, location, key);
  out.setting("search domains", tool, "allowed_domains");
  out.setting("search not", tool, "blocked_domains");
  out.setting("search uses", tool, "max_uses");
  if (stable(tool.peek("allowed_callers")) === '["direct"]') tool.take("allowed_callers");
  out.rest(location);
}

function readContent(holder: Members, key: string, speaker: Speaker, out: Writer): void {
  const content = holder.take(key);
  if (typeof content === "string") return out.said(speaker, content, holder.at(key));
  for (const [index, value] of asArray(content).entries()) {
    readBlock(new Members(value, `${holder.at(key)}[${index}]`), speaker, out);
  }
}

function readBlock(block: Members, speaker: Speaker, out: Writer): void {
  const type = block.text("type");
  switch (type) {
    case "text":
      out.said(speaker, block.text("text"), block.path);
      readCitations(block, out);
      break;
    case "image":
    case "document":
      readMedia(block, type, out);
      break;
    case "search_result":
      out.said(speaker, searchText(block), block.path);
      break;
    case "thinking":
      out.thinking(block.text("thinking"), block.text("signature"), block.path);
      break;
    case "redacted_thinking":
      out.thinking("", block.text("data"), block.path);
      break;
    case "tool_use":
      out.call(block.text("id"), block.text("name"), block.take("input") ?? {}, block.path);
      break;
    case "tool_result":
      readResult(block, out);
      break;
    case "compaction":
      out.compaction(block.text("content"), block.path);
      break;
    default:
      return out.add(`other block ${stable(block.whole())}`, block.path);
  }
  out.cacheMark(block, "cache_control");
  readCaller(block);
  out.rest(block);
}

/** A call by the model itself is every call elsewhere. */
function readCaller(block: Members): void {
  if (asObject(block.peek("caller"))["type"] === "direct") block.take("caller");
}

function readCitations(block: Members, out: Writer): void {
  for (const citation of block.list("citations")) out.add(`cites ${stable(citation.whole())}`, block.at("citations"));
}

function readMedia(block: Members, kind: string, out: Writer): void {
  const source = block.inner("source");
  const type = source.text("type");
  const mediaType = source.text("media_type");
  if (type === "text") {
    const lines = [block.text("title"), block.text("context"), source.text("data")];
    out.said("user", lines.filter((line) => line !== "").join("\n"), block.path);
  } else if (type === "base64") {
    out.media(kind, `${mediaType.replace("image/jpg", "image/jpeg")};${source.text("data")}`, block.path);
  } else if (type === "url") out.media(kind, source.text("url"), block.path);
  else if (type === "file") out.media(kind, source.text("file_id"), block.path);
  else out.add(`other source ${stable(source.whole())}`, block.path);
  if (type !== "text") out.setting("document title", block, "title");
  out.rest(source);
}

function searchText(block: Members): string {
  const texts = asArray(block.take("content")).map((inner) => textOf(asObject(inner)["text"]));
  return [block.text("title"), block.text("source"), texts.join("\n")].join("\n");
}

function readResult(block: Members, out: Writer): void {
  const content = block.take("content");
  const texts = typeof content === "string" ? [content] : [];
  const parts = asArray(content).map((value, index) => new Members(value, `${block.at("content")}[${index}]`));
  for (const part of parts) {
    const type = textOf(part.peek("type"));
    if (type === "text") texts.push(textOf(part.peek("text")));
    else if (type === "search_result") texts.push(searchText(part));
  }
  const text = texts.join("\n");
  out.result(block.text("tool_use_id"), block.take("is_error") === true ? failedText(text) : text, block.path);
  for (const part of parts) {
    const isText = part.peek("type") === "text" || part.peek("type") === "search_result";
    if (!isText) readBlock(part, "user", out);
    else for (const key of ["type", "text", "content", "title", "source"]) part.take(key);
    out.cacheMark(part, "cache_control");
    out.rest(part);
  }
}
