/**
 * A conversation's history made whole for a strict upstream: every tool call has its result in the turn after it, and
 * every result its call (TRANSLATION.md, 2.2). Clients that lost a result, or cut their history, would else get a 400.
 */
import { type Failure, unsupported } from "../base/failure.ts";
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
    const { turn, next: afterTurn } = turnAt(messages, index);
    const calls = callsOf(turn);
    if (calls.length === 0) {
      settled.push(withoutOrphans(turn, losses));
      index = afterTurn;
      continue;
    }
    const { results, source, others, next } = followingResults(messages, afterTurn, calls);
    index = next;
    const parts = calls.map((call) => results.get(call.id)?.shift() ?? missingResult(call, losses));
    settled.push(turn, { ...source, role: "tool", parts });
    for (const other of others) settled.push(withoutOrphans(other, losses));
  }
  return settled;
}

function callsOf(message: Message): ToolCallPart[] {
  return message.role === "assistant" ? message.parts.filter((part) => part.kind === "tool_call") : [];
}

/** An assistant message with calls that another one follows directly is one turn with it: their results come after both. */
function turnAt(messages: readonly Message[], start: number): { turn: Message; next: number } {
  let turn = messages[start] as Message;
  let next = start + 1;
  for (; callsOf(turn).length > 0; next++) {
    const following = messages[next];
    if (following?.role !== "assistant") break;
    turn = { ...following, ...turn, parts: [...turn.parts, ...following.parts] };
  }
  return { turn, next };
}

interface Following {
  /** By call id: calls that share an id get one result each, in order. */
  results: Map<string, ToolResultPart[]>;
  /** The first message that held nothing but results, for what it says beside its parts. */
  source: Message | undefined;
  /** What the messages held beside the results. */
  others: Message[];
  next: number;
}

/** Takes the results of `calls` out of the tool and user messages that follow; what else those hold comes after. */
function followingResults(messages: readonly Message[], start: number, calls: readonly ToolCallPart[]): Following {
  const wanted = new Map<string, number>();
  for (const call of calls) wanted.set(call.id, (wanted.get(call.id) ?? 0) + 1);
  const found: Following = { results: new Map(), source: undefined, others: [], next: start };
  const isWanted = (part: Part): part is ToolResultPart =>
    part.kind === "tool_result" && (wanted.get(part.callId) ?? 0) > 0;

  for (let left = calls.length; left > 0; found.next++) {
    const message = messages[found.next];
    if (message === undefined || message.role === "assistant") break;
    if (message.role !== "tool" && !message.parts.some(isWanted)) break;
    const rest: Part[] = [];
    for (const part of message.parts) {
      if (!isWanted(part)) {
        rest.push(part);
        continue;
      }
      found.results.set(part.callId, [...(found.results.get(part.callId) ?? []), part]);
      wanted.set(part.callId, (wanted.get(part.callId) ?? 0) - 1);
      left--;
    }
    if (rest.length > 0) found.others.push({ ...message, parts: rest });
    else found.source ??= message;
  }
  return found;
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

/** An earlier response that nobody here knows; clients then send the full input. `path`: where the client named it. */
export function unknownResponse(path: string): Failure {
  const message = "This earlier response is not known here: send the full input instead of its id";
  return { ...unsupported(message, path), code: "previous_response_not_found" };
}
