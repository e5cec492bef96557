/** Neutral requests, events and answers for unit tests, and what must hold of every stream of events. */
import fc from "fast-check";
import type {
  Candidate,
  Citation,
  Message,
  NeutralEvent,
  NeutralRequest,
  NeutralResponse,
  Opaque,
  Part,
  ReasoningPart,
  Stop,
  ToolCallPart,
} from "../../lib/neutral.ts";
import type { Stage } from "../../lib/translation/stage.ts";

export function request(parts: Partial<NeutralRequest> = {}): NeutralRequest {
  return {
    origin: "chat",
    model: "m",
    instructions: [],
    messages: [],
    tools: [],
    stopSequences: [],
    include: [],
    stream: true,
    includeUsage: true,
    betas: [],
    extensions: {},
    wireNames: {},
    ...parts,
  };
}

export function call(id: string, name: string, parts: Partial<ToolCallPart> = {}): ToolCallPart {
  return { kind: "tool_call", id, name, toolKind: "function", arguments: "", ...parts };
}

export function thinking(text: string, ...opaque: Opaque[]): ReasoningPart {
  return { kind: "reasoning", text, form: "full", ...(opaque.length === 0 ? {} : { opaque }) };
}

export function signature(value: string): Opaque {
  return { issuer: "anthropic", kind: "signature", value };
}

export function message(role: Message["role"], ...parts: Part[]): Message {
  return { role, parts };
}

export const START: NeutralEvent = { t: "start", id: "a1", model: "m", createdAt: 1_790_000_000 };
export const END: NeutralEvent = { t: "end" };

export function begin(i: number, part: Part, c = 0): NeutralEvent {
  return { t: "part_start", c, i, part };
}

export function beginText(i: number, c = 0): NeutralEvent {
  return begin(i, { kind: "text", text: "" }, c);
}

export function text(i: number, delta: string, c = 0): NeutralEvent {
  return { t: "text", c, i, delta };
}

export function args(i: number, delta: string, c = 0): NeutralEvent {
  return { t: "arguments", c, i, delta };
}

export function done(i: number, c = 0): NeutralEvent {
  return { t: "part_end", c, i };
}

export function finish(reason: Stop["reason"] = "stop", c = 0): NeutralEvent {
  return { t: "finish", c, stop: { reason } };
}

export function run(stage: Stage, events: Iterable<NeutralEvent>): NeutralEvent[] {
  const out: NeutralEvent[] = [];
  for (const event of events) out.push(...stage.push(event));
  return out;
}

/** What is wrong with a stream that must have one open part at a time. */
export function orderFaults(events: readonly NeutralEvent[]): string[] {
  const faults: string[] = [];
  const next = new Map<number, number>();
  let open: string | undefined;
  for (const event of events) {
    if (!("i" in event)) {
      if ((event.t === "finish" || event.t === "end") && open !== undefined) {
        faults.push(`${event.t} while ${open} open`);
      }
      continue;
    }
    const key = `${event.c}.${event.i}`;
    if (event.t !== "part_start") {
      if (open !== key) faults.push(`${event.t} for ${key} while ${open} open`);
      if (event.t === "part_end") open = undefined;
      continue;
    }
    if (open !== undefined) faults.push(`part ${key} begins while ${open} open`);
    if (event.i !== (next.get(event.c) ?? 0)) faults.push(`part ${key} has the wrong index`);
    next.set(event.c, event.i + 1);
    open = key;
  }
  return faults;
}

const word = fc.string({ unit: "grapheme", maxLength: 12 });
const opaque: fc.Arbitrary<Opaque> = fc.record({
  issuer: fc.constantFrom("anthropic", "openai"),
  kind: fc.constantFrom("signature" as const, "encrypted" as const),
  value: fc.string({ minLength: 1, maxLength: 8 }),
});
const citation: fc.Arbitrary<Citation> = fc.record({ kind: fc.constant("url" as const), url: fc.webUrl() });

function filled<T>(values: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.array(values, { minLength: 1, maxLength: 2 });
}

const anyPart: fc.Arbitrary<Part> = fc.oneof(
  fc.record(
    { kind: fc.constant("text" as const), text: word, citations: filled(citation), opaque: filled(opaque) },
    { requiredKeys: ["kind", "text"] },
  ),
  fc.record({ kind: fc.constant("refusal" as const), text: word }),
  fc.record(
    {
      kind: fc.constant("reasoning" as const),
      text: word,
      form: fc.constantFrom("full" as const, "summary" as const),
      opaque: filled(opaque),
    },
    { requiredKeys: ["kind", "text", "form"] },
  ),
  fc.record({
    kind: fc.constant("reasoning" as const),
    text: fc.constant(""),
    form: fc.constant("redacted" as const),
    opaque: filled(opaque),
  }),
  fc.record({
    kind: fc.constant("tool_call" as const),
    id: fc.string({ minLength: 1 }),
    name: fc.string({ minLength: 1 }),
    toolKind: fc.constantFrom("function" as const, "custom" as const),
    arguments: word,
  }),
  fc.record(
    { kind: fc.constant("compaction" as const), text: word, opaque: filled(opaque) },
    { requiredKeys: ["kind"] },
  ),
  fc.record({
    kind: fc.constant("native" as const),
    format: fc.constantFrom("messages" as const, "responses" as const),
    value: fc.dictionary(fc.string(), fc.jsonValue()),
  }),
);

const anyStop: fc.Arbitrary<Stop> = fc.record({ reason: fc.constantFrom("stop" as const, "max_tokens" as const) });

/** Whole answers without what events have no place for. */
export const anyResponse: fc.Arbitrary<NeutralResponse> = fc.record({
  id: fc.string(),
  model: fc.string(),
  createdAt: fc.nat(),
  candidates: fc.array(fc.record({ parts: fc.array(anyPart, { maxLength: 4 }), stop: anyStop }), {
    minLength: 1,
    maxLength: 2,
  }).map((list): Candidate[] => list.map((entry, index) => ({ index, ...entry }))),
  usage: fc.option(
    fc.record({
      inputTokens: fc.nat(),
      cacheReadTokens: fc.nat(),
      cacheWriteTokens: fc.nat(),
      outputTokens: fc.nat(),
      reasoningTokens: fc.nat(),
    }),
    { nil: undefined },
  ),
})
  // Plain objects: fast-check's own lack a prototype, which deepEqual takes for a difference.
  .map((response) => structuredClone(response));
