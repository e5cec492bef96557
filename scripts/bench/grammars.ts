/** The order of events of the three formats, as strict as a load generator can afford. */
import type { FormatName } from "./content.ts";
import type { Grammar, StreamCheck } from "./check.ts";

interface ChatChunk {
  error?: unknown;
  choices?: {
    delta: {
      content?: string | null;
      reasoning_content?: string | null;
      tool_calls?: { index: number; id?: string; function?: { name?: string; arguments?: string } }[];
    };
    finish_reason: string | null;
  }[];
}

function chatGrammar(check: StreamCheck): Grammar {
  let [begun, finished, done] = [false, false, false];
  let calls = 0;
  return {
    see(event, raw) {
      check.need(!done, "data after [DONE]");
      const chunk = event as ChatChunk;
      if (chunk.choices === undefined) return check.fail("error event", raw.slice(0, 200));
      const [choice] = chunk.choices;
      if (choice === undefined) return check.need(finished, "usage before the finish");
      check.need(!finished, "a choice after its finish");
      begun = true;
      const { content, reasoning_content, tool_calls } = choice.delta;
      if (reasoning_content) check.said("thinking", reasoning_content);
      if (content) check.said("text", content);
      for (const call of tool_calls ?? []) {
        if (call.id !== undefined) check.need(call.index === calls++, "a call out of its order");
        check.need(call.index === calls - 1, "arguments of a call that isn't open");
        if (call.function?.arguments) check.said("arguments", call.function.arguments);
      }
      finished = choice.finish_reason !== null;
    },
    done: () => void (done = true),
    end: () => !begun ? "nothing came" : !finished ? "no finish_reason" : !done ? "no [DONE]" : undefined,
  };
}

interface MessagesEvent {
  type?: string;
  index?: number;
  delta?: { type?: string; text?: string; thinking?: string; partial_json?: string; stop_reason?: string | null };
}

function messagesGrammar(check: StreamCheck): Grammar {
  let state: "new" | "started" | "finished" | "stopped" = "new";
  let open: number | undefined;
  let blocks = 0;
  const delta = ({ delta }: MessagesEvent): void => {
    if (delta?.type === "text_delta") check.said("text", delta.text);
    else if (delta?.type === "thinking_delta") check.said("thinking", delta.thinking);
    else if (delta?.type === "input_json_delta") check.said("arguments", delta.partial_json);
  };
  return {
    see(data, raw) {
      const event = data as MessagesEvent;
      check.need(state !== "stopped", "an event after message_stop");
      if (event.type?.startsWith("content_block")) check.need(state === "started", `${event.type} out of its order`);
      switch (event.type) {
        case "message_start":
          check.need(state === "new", "message_start twice");
          return void (state = "started");
        case "content_block_start":
          check.need(open === undefined && event.index === blocks, "a block within a block");
          return void (open = blocks++);
        case "content_block_delta":
          check.need(event.index === open, "a delta of a block that isn't open");
          return delta(event);
        case "content_block_stop":
          check.need(event.index === open, "the end of a block that isn't open");
          return void (open = undefined);
        case "message_delta":
          check.need(state === "started" && open === undefined && Boolean(event.delta?.stop_reason), "message_delta");
          return void (state = "finished");
        case "message_stop":
          check.need(state === "finished", "message_stop before message_delta");
          return void (state = "stopped");
        case "ping":
          return;
        default:
          check.fail("error event", raw.slice(0, 200));
      }
    },
    done: () => check.need(false, "[DONE] in a format without it"),
    end: () => state === "stopped" ? undefined : `no message_stop (${state})`,
  };
}

interface ResponsesEvent {
  type?: string;
  sequence_number?: number;
  output_index?: number;
  delta?: string;
}

function responsesGrammar(check: StreamCheck): Grammar {
  let sequence = 0;
  let open: number | undefined;
  let items = 0;
  let isCompleted = false;
  const deltas: Record<string, "text" | "thinking" | "arguments"> = {
    "response.output_text.delta": "text",
    "response.reasoning_summary_text.delta": "thinking",
    "response.reasoning_text.delta": "thinking",
    "response.function_call_arguments.delta": "arguments",
  };
  return {
    see(data, raw) {
      const event = data as ResponsesEvent;
      check.need(!isCompleted, "an event after the response's end");
      check.need(event.sequence_number === sequence++, `sequence_number ${event.sequence_number}`);
      check.need(sequence !== 1 || event.type === "response.created", "no response.created at the beginning");
      const kind = deltas[event.type ?? ""];
      if (kind !== undefined) {
        check.need(event.output_index === open, "a delta of an item that isn't open");
        return check.said(kind, event.delta);
      }
      if (event.type === "response.output_item.added") {
        check.need(open === undefined && event.output_index === items, "an item within an item");
        open = items++;
      } else if (event.type === "response.output_item.done") {
        check.need(event.output_index === open, "the end of an item that isn't open");
        open = undefined;
      } else if (event.type === "response.completed") {
        check.need(open === undefined, "the end within an item");
        isCompleted = true;
      } else if (event.type === "error" || event.type === "response.failed") {
        check.fail("error event", raw.slice(0, 200));
      }
    },
    // As the Open Responses specification has it; OpenAI's own streams have none.
    done: () => check.need(isCompleted, "[DONE] before the response's end"),
    end: () => isCompleted ? undefined : "no response.completed",
  };
}

export const GRAMMARS: Readonly<Record<FormatName, (check: StreamCheck) => Grammar>> = {
  chat: chatGrammar,
  messages: messagesGrammar,
  responses: responsesGrammar,
};
