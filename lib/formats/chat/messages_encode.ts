/** `messages` of a request: neutral → wire (TRANSLATION.md, 2.2, 2.3, 2.9). */
import type { JsonObject } from "../../base/fields.ts";
import type { Message, Part, ReasoningPart, Role, ToolCallPart, ToolResultPart } from "../../neutral.ts";
import { customAsArguments } from "../../translation/arguments.ts";
import { restoreSignatures } from "../../translation/call_signatures.ts";
import { settleToolResults } from "../../translation/history.ts";
import { callId, shortCallId } from "../../translation/ids.ts";
import { phasesOf } from "../../translation/leftover.ts";
import type { Encoding } from "./encoding.ts";
import { contentOf, encodePart, extraOf, isPlainText, pathOf } from "./parts_encode.ts";
import { signedBy, signedOrExcused, wantsSignedCalls } from "./call_signature.ts";
import { detailsOf } from "./reasoning.ts";
import { toolResultMessages } from "./tool_results_encode.ts";

/** The longest id that OpenAI takes on a tool call. */
const MAX_CALL_ID = 40;

export function encodeMessages(encoding: Encoding): JsonObject[] {
  const { request, losses } = encoding;
  const messages = settleToolResults(request.messages, losses).flatMap((message) => encodeMessage(message, encoding));
  reportPrefill(messages.at(-1), encoding);
  return [...instructionMessage(encoding), ...messages];
}

/** Only the messages format goes on writing where a last message of the assistant's ends. */
function reportPrefill(last: JsonObject | undefined, { request, losses }: Encoding): void {
  if (last?.["role"] !== "assistant" || request.origin !== "messages") return;
  losses.add(request.messages.at(-1)?.path ?? "messages", "prefill: the upstream answers after it, not from there on");
}

function instructionMessage(encoding: Encoding): JsonObject[] {
  const { instructions, wireNames } = encoding.request;
  const content = contentOf(encodeParts(instructions, encoding));
  if (content === undefined) return [];
  const role = systemRole(wireNames["instructionsRole"] === "developer" ? "developer" : "system", encoding);
  const [only] = content;
  // A path without `content` in it: what stands beside the text stood on the client's message.
  const isWhole = instructions.length === 1 && /^messages\[\d+\]$/.test(instructions[0]?.path ?? "");
  if (!isWhole || typeof only !== "object") return [{ role, content }];
  const { type: _, text, ...members } = only;
  return [{ role, content: text, ...members }];
}

function systemRole(wanted: Role, { target }: Encoding): "system" | "developer" {
  if (target.flags.has("no_developer_role")) return "system";
  return target.capabilities.developerRole || wanted === "developer" ? "developer" : "system";
}

function encodeMessage(message: Message, encoding: Encoding): JsonObject[] {
  switch (message.role) {
    case "system":
    case "developer":
      return contentMessage(systemRole(message.role, encoding), message, message.parts, encoding);
    case "user":
      return contentMessage("user", message, message.parts, encoding);
    case "assistant":
      return assistantMessage(message, encoding);
    case "tool":
      return toolMessages(message, encoding);
    default:
      return message.role satisfies never;
  }
}

/** None where nothing of it is left. */
function contentMessage(role: string, message: Message, parts: readonly Part[], encoding: Encoding): JsonObject[] {
  const content = contentOf(encodeParts(parts, encoding));
  return content === undefined ? [] : [withMembers({ role, content }, message, encoding)];
}

function encodeParts(parts: readonly Part[], encoding: Encoding): JsonObject[] {
  return parts.flatMap((part) => asList(encodePart(part, encoding)));
}

function asList(encoded: JsonObject | undefined): JsonObject[] {
  return encoded === undefined ? [] : [encoded];
}

function withMembers(encoded: JsonObject, message: Message, encoding: Encoding): JsonObject {
  const path = message.path ?? "messages";
  for (const phase of phasesOf(message)) encoding.losses.add(phase, "chat has no such member");
  const named = message.name === undefined ? encoded : { ...encoded, name: message.name };
  return extraOf(named, message.extra, path, encoding);
}

function toolMessages(message: Message, encoding: Encoding): JsonObject[] {
  const results = message.parts.filter((part): part is ToolResultPart => part.kind === "tool_result");
  const others = message.parts.filter((part) => part.kind !== "tool_result");
  return [
    ...toolResultMessages(results, encoding, (id) => idOf(id, encoding)),
    ...contentMessage("user", message, others, encoding),
  ];
}

function assistantMessage(said: Message, encoding: Encoding): JsonObject[] {
  const message = { ...said, parts: [...restoreSignatures(said.parts, encoding.target.family)] };
  const reasoning = message.parts.filter((part): part is ReasoningPart => part.kind === "reasoning");
  const calls = message.parts.filter((part): part is ToolCallPart => part.kind === "tool_call");
  const refusal = message.parts.map((part) => part.kind === "refusal" ? part.text : "").join("");
  const content = assistantContent(message, encoding);
  if (content === undefined && calls.length === 0 && refusal === "") {
    reasoning.forEach((part) => loseReasoning(part, message, encoding));
    return [];
  }
  return [withMembers(
    {
      role: "assistant",
      content: content ?? null,
      ...(refusal === "" ? {} : { refusal }),
      ...reasoningMembers(reasoning, message, encoding),
      ...(calls.length === 0
        ? {}
        : { tool_calls: withSentinel(calls.map((call) => encodeCall(call, encoding)), encoding) }),
    },
    message,
    encoding,
  )];
}

/** Several plain texts are one text in this format's own answers, so they are one when they go back. */
function assistantContent(message: Message, encoding: Encoding): string | readonly JsonObject[] | undefined {
  const written = message.parts.flatMap((part) => {
    const encoded = contentPart(part, encoding);
    return encoded === undefined ? [] : [{ kind: part.kind, encoded }];
  });
  const parts = written.map(({ encoded }) => encoded);
  if (encoding.isOwn || !parts.every(isPlainText)) return contentOf(parts);
  let text: string | undefined;
  let previous: Part["kind"] | undefined;
  for (const { kind, encoded } of written) {
    // What stands in for another format's part is set apart from what the model said.
    const gap = text === undefined || (kind === "text" && previous === "text") ? "" : "\n\n";
    text = `${text ?? ""}${gap}${encoded["text"]}`;
    previous = kind;
  }
  return text;
}

function contentPart(part: Part, encoding: Encoding): JsonObject | undefined {
  if (part.kind === "reasoning") return isThinkingPart(part, encoding) ? thinkingPart(part) : undefined;
  return part.kind === "refusal" || part.kind === "tool_call" ? undefined : encodePart(part, encoding);
}

/** Thinking that the client sent among the content, as Mistral's models write it. */
function isThinkingPart(part: ReasoningPart, { isOwn }: Encoding): boolean {
  return isOwn && part.path?.includes(".content[") === true;
}

function thinkingPart(part: ReasoningPart): JsonObject {
  const signature = part.opaque?.[0]?.value;
  return {
    type: "thinking",
    thinking: [{ type: "text", text: part.text }],
    ...(signature === undefined ? {} : { signature }),
  };
}

/** What of the history's thinking goes back, and under which name; what doesn't is lost by name. */
function reasoningMembers(parts: readonly ReasoningPart[], message: Message, encoding: Encoding): JsonObject {
  const said = parts.filter((part) => part.text !== "" || (part.opaque?.length ?? 0) > 0);
  const others = said.filter((part) => !isThinkingPart(part, encoding));
  if (others.length === 0) return {};
  const own = encoding.isOwn ? ownMember(others) : undefined;
  if (own !== undefined) return own;
  const { flags, family } = encoding.target;
  if (flags.has("echo_reasoning_details")) return { reasoning_details: detailsOf(others) };
  if (flags.has("echo_reasoning_content")) return echoedText(others, message, encoding);
  const native = others.filter((part) => isNative(part, family));
  for (const part of others) if (!native.includes(part)) loseReasoning(part, message, encoding);
  return native.length === 0 ? {} : { reasoning_details: detailsOf(native) };
}

/** OpenAI mints encrypted reasoning, but its Chat Completions take none back and refuse unknown members. */
function isNative(part: ReasoningPart, family: string): boolean {
  return family !== "openai" && part.opaque?.some((opaque) => opaque.issuer === family) === true;
}

/** The member that the client wrote it in, by the parts' paths. */
function ownMember(parts: readonly ReasoningPart[]): JsonObject | undefined {
  const path = parts[0]?.path ?? "";
  if (path.includes(".reasoning_details[")) return { reasoning_details: detailsOf(parts) };
  const key = path.slice(path.lastIndexOf(".") + 1);
  return key === "reasoning_content" || key === "reasoning" ? { [key]: textOfParts(parts) } : undefined;
}

function textOfParts(parts: readonly ReasoningPart[]): string {
  return parts.map((part) => part.text).join("");
}

function echoedText(parts: readonly ReasoningPart[], message: Message, encoding: Encoding): JsonObject {
  for (const part of parts) if (part.text === "") loseReasoning(part, message, encoding);
  const text = textOfParts(parts);
  return text === "" ? {} : { reasoning_content: text };
}

function loseReasoning(part: ReasoningPart, message: Message, encoding: Encoding): void {
  if (part.text === "" && part.opaque === undefined) return;
  const path = part.path ?? `${message.path ?? "messages"}.reasoning`;
  encoding.losses.add(path, "this upstream takes no thinking back");
}

function idOf(id: string, { target, isOwn }: Encoding): string {
  if (target.flags.has("short_tool_ids")) return shortCallId(id);
  return isOwn && id.length <= MAX_CALL_ID ? id : callId(id, MAX_CALL_ID);
}

function encodeCall(part: ToolCallPart, encoding: Encoding): JsonObject {
  const name = encoding.names.toTarget(part.name, part.namespace);
  const id = idOf(part.id, encoding);
  const call = part.toolKind === "custom" && encoding.takesCustomTools
    ? { id, type: "custom", custom: { name, input: part.arguments } }
    : { id, type: "function", function: { name, arguments: argumentsOf(part, encoding) } };
  return extraOf({ ...call, ...thoughtSignature(part, encoding) }, part.extra, pathOf(part), encoding);
}

/** Google's models want each step's first call signed; of calls that they didn't make this is said (case 18). */
function withSentinel(calls: JsonObject[], { target, isOwn }: Encoding): JsonObject[] {
  return isOwn || !wantsSignedCalls(target) ? calls : signedOrExcused(calls);
}

function argumentsOf(part: ToolCallPart, { isOwn }: Encoding): string {
  if (part.toolKind === "custom") return customAsArguments(part.arguments);
  return part.arguments.trim() === "" && !isOwn ? "{}" : part.arguments;
}

function thoughtSignature(part: ToolCallPart, { isOwn, target, losses }: Encoding): JsonObject {
  const signature = part.opaque?.find((opaque) => opaque.kind === "thought_signature");
  if (part.opaque === undefined || part.opaque.length === 0) return {};
  if (signature !== undefined && (isOwn || target.family === signature.issuer)) {
    return signedBy(signature.value);
  }
  losses.add(`${pathOf(part)}.extra_content`, "the signature belongs to another maker's models");
  return {};
}
