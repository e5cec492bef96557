/**
 * A conversation's history made whole for a strict upstream: every tool call has its result in the turn after it, and
 * every result its call (TRANSLATION.md, 2.2). Clients that lost a result, or cut their history, would else get a 400.
 */
import type { Losses } from "../format.ts";
import type { Message, Part, ToolCallPart, ToolResultPart } from "../neutral.ts";

/**
 * The same messages, in which results of one assistant turn stand in one `tool` message right after it, in the order
 * of the calls. A missing result is made (`isError`), a result without a call becomes user text; both are said.
 */
export function settleToolResults(messages: readonly Message[], losses: Losses): Message[] {
  const settled: Message[] = [];
  let index = 0;
  while (index < messages.length) {
    const message = messages[index] as Message;
    index++;
    const calls = message.role === "assistant" ? message.parts.filter((part) => part.kind === "tool_call") : [];
    if (calls.length === 0) {
      settled.push(withoutOrphans(message, losses));
      continue;
    }
    settled.push(message);
    const { results, others, next } = followingResults(messages, index, calls);
    index = next;
    settled.push({ role: "tool", parts: calls.map((call) => results.get(call.id) ?? missingResult(call, losses)) });
    for (const other of others) settled.push(withoutOrphans(other, losses));
  }
  return settled;
}

/** Takes the results of `calls` out of the tool and user messages that follow; what else those hold comes after. */
function followingResults(messages: readonly Message[], start: number, calls: readonly ToolCallPart[]) {
  const wanted = new Set(calls.map((call) => call.id));
  const results = new Map<string, ToolResultPart>();
  const others: Message[] = [];
  let next = start;
  for (; next < messages.length; next++) {
    const message = messages[next] as Message;
    const holdsResult = message.parts.some((part) => part.kind === "tool_result" && wanted.has(part.callId));
    if (message.role === "assistant" || (!holdsResult && message.role !== "tool")) break;
    const rest: Part[] = [];
    for (const part of message.parts) {
      if (part.kind === "tool_result" && wanted.has(part.callId) && !results.has(part.callId)) {
        results.set(part.callId, part);
      } else rest.push(part);
    }
    if (rest.length > 0) others.push({ ...message, parts: rest });
    if (results.size === wanted.size) {
      next++;
      break;
    }
  }
  return { results, others, next };
}

function missingResult(call: ToolCallPart, losses: Losses): ToolResultPart {
  losses.add(call.path ?? "messages", "the call has no result: an error result was added");
  return {
    kind: "tool_result",
    callId: call.id,
    name: call.name,
    toolKind: call.toolKind,
    parts: [{ kind: "text", text: "No result was returned." }],
    isError: true,
  };
}

function withoutOrphans(message: Message, losses: Losses): Message {
  if (!message.parts.some((part) => part.kind === "tool_result")) return message;
  const parts = message.parts.flatMap((part): Part[] => {
    if (part.kind !== "tool_result") return [part];
    losses.add(part.path ?? message.path ?? "messages", "the result has no call: sent as text");
    const [first, ...rest] = part.parts;
    const label = `Tool result (${part.callId}): `;
    return first?.kind === "text"
      ? [{ kind: "text", text: label + first.text }, ...rest]
      : [{ kind: "text", text: label }, ...part.parts];
  });
  return { ...message, role: message.role === "tool" ? "user" : message.role, parts };
}
