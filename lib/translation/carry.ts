/**
 * Keeps the thinking that stood before tool calls, for clients that have no field to send it back in (TRANSLATION.md,
 * 1.4, carrier 3, and case 14). Bounded in entries, bytes and time; what is lost is lost harmlessly, because encoders
 * know what to do with a turn that lacks its thinking.
 */
import { createHash } from "node:crypto";
import { isObject } from "../base/fields.ts";
import type { Message, NeutralEvent, NeutralRequest, Opaque, Part, ReasoningPart, ToolCallPart } from "../neutral.ts";
import { type DeltaEvent, partKey, type Stage } from "./stage.ts";

export interface MemoryLimits {
  entries: number;
  bytes: number;
  /** Milliseconds since an entry was last remembered or restored. */
  age: number;
}

export const MEMORY_LIMITS: MemoryLimits = { entries: 10_000, bytes: 16 * 1024 * 1024, age: 60 * 60 * 1000 };

/** What belongs to one tool call. */
export interface CallReasoning {
  /** Reasoning that began the turn: it stands before everything else. */
  lead: readonly ReasoningPart[];
  /** Reasoning between the turn's other parts and this call. */
  before: readonly ReasoningPart[];
  /** The call's own signature. */
  opaque: readonly Opaque[];
}

/** Where it is kept, by key, within `MemoryLimits`: least recently used entries go first. Never throws. */
export interface KeptReasoning {
  readonly isEmpty: boolean;
  /** A use. */
  take(key: string): CallReasoning | undefined;
  put(key: string, found: CallReasoning): void;
  close(): void;
}

/**
 * The key is the scope (whose conversation it is), the call's id and name, and a digest of its arguments: some upstreams
 * use the same ids in each answer, and foreign thinking must never be restored.
 */
export class ReasoningMemory {
  readonly #kept: KeptReasoning;

  constructor(kept: KeptReasoning) {
    this.#kept = kept;
  }

  /** `parts`: an answer's parts in order, with their calls as the client knows them. */
  remember(scope: string, parts: readonly Part[]): void {
    if (!parts.some((part) => part.kind === "tool_call")) return;
    let lead: readonly ReasoningPart[] = [];
    let run: ReasoningPart[] = [];
    let isLead = true;
    for (const part of parts) {
      if (part.kind === "reasoning") {
        if (holdsAnything(part)) run.push(part);
        continue;
      }
      if (isLead) {
        lead = run;
        run = [];
        isLead = false;
      }
      if (part.kind === "tool_call") {
        const found = { lead, before: run, opaque: part.opaque ?? [] };
        if (lead.length + run.length + found.opaque.length > 0) this.#kept.put(keyOf(scope, part), found);
        run = [];
      }
    }
  }

  /**
   * Puts what is remembered back into assistant messages that have tool calls but no reasoning, or the same in words
   * alone (the AI SDK's `reasoning_content`); what came back signed gets its places among the other parts again, which
   * the client's format has no word for (PITFALLS, 1). Where one call occurs in several messages, the last one gets it: that is
   * the one it was remembered from.
   */
  restore(scope: string, request: NeutralRequest): void {
    if (this.#kept.isEmpty) return;
    const used = new Set<string>();
    for (let index = request.messages.length - 1; index >= 0; index--) {
      const message = request.messages[index];
      if (message === undefined || !hasCalls(message)) continue;
      const restored = this.#restored(scope, message.parts.filter(({ kind }) => kind !== "reasoning"), used);
      const parts = restored && settled(restored, message.parts.filter((part) => part.kind === "reasoning"));
      if (parts !== undefined) request.messages[index] = { ...message, parts };
    }
  }

  #restored(scope: string, parts: readonly Part[], used: Set<string>): Part[] | undefined {
    let lead: readonly ReasoningPart[] | undefined;
    const restored: Part[] = [];
    for (const part of parts) {
      const entry = part.kind === "tool_call" ? this.#take(keyOf(scope, part), used) : undefined;
      if (entry === undefined) {
        restored.push(part);
        continue;
      }
      lead ??= entry.lead;
      const isSigned = part.opaque !== undefined || entry.opaque.length === 0;
      restored.push(...entry.before, isSigned ? part : { ...part, opaque: [...entry.opaque] });
    }
    return lead === undefined ? undefined : [...lead, ...restored];
  }

  #take(key: string, used: Set<string>): CallReasoning | undefined {
    const found = used.has(key) ? undefined : this.#kept.take(key);
    if (found !== undefined) used.add(key);
    return found;
  }
}

interface Entry extends CallReasoning {
  bytes: number;
  /** When it was last used, in the clock's milliseconds. */
  at: number;
}

/** A fixed cost of each entry: its key and its objects. */
const ENTRY_BYTES = 300;

/** In the memory of this process. */
export class LocalReasoning implements KeptReasoning {
  readonly #entries = new Map<string, Entry>();
  readonly #limits: MemoryLimits;
  readonly #now: () => number;
  #bytes = 0;

  /** `now` gives milliseconds that never run backwards. */
  constructor(now: () => number, limits: MemoryLimits = MEMORY_LIMITS) {
    this.#now = now;
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.size;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  take(key: string): CallReasoning | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#remove(key, entry);
    const now = this.#now();
    if (now - entry.at > this.#limits.age) return undefined;
    this.#add(key, { ...entry, at: now });
    return entry;
  }

  put(key: string, found: CallReasoning): void {
    const bytes = ENTRY_BYTES + sizeOf(found.lead) + sizeOf(found.before) + sizeOfOpaque(found.opaque);
    const old = this.#entries.get(key);
    if (old !== undefined) this.#remove(key, old);
    if (bytes > this.#limits.bytes) return;
    this.#add(key, { ...found, bytes, at: this.#now() });
    this.#trim();
  }

  close(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #add(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
  }

  #remove(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }

  /** A map keeps the order of insertion, and each use inserts anew: the oldest are at the front. */
  #trim(): void {
    const oldest = this.#now() - this.#limits.age;
    for (const [key, entry] of this.#entries) {
      const isOver = this.#entries.size > this.#limits.entries || this.#bytes > this.#limits.bytes;
      if (!isOver && entry.at >= oldest) return;
      this.#remove(key, entry);
    }
  }
}

function holdsAnything(part: ReasoningPart): boolean {
  return part.text !== "" || (part.opaque?.length ?? 0) > 0;
}

function hasCalls({ role, parts }: Message): boolean {
  return role === "assistant" && parts.some((part) => part.kind === "tool_call");
}

/** What is remembered, unless the client sent back other thinking than that: then its own stays as it is. */
function settled(restored: Part[], echoed: readonly ReasoningPart[]): Part[] | undefined {
  const words = wordsOf(echoed);
  if (words !== "" && words !== wordsOf(restored)) return undefined;
  if (sealsOf(echoed) === "") return restored;
  const known = restored.filter((part) => part.kind === "reasoning");
  if (known.length !== echoed.length || sealsOf(known) !== sealsOf(echoed)) return undefined;
  const inOrder = echoed.values();
  return restored.map((part) => part.kind === "reasoning" ? inOrder.next().value ?? part : part);
}

function sealsOf(parts: readonly ReasoningPart[]): string {
  return parts.flatMap(({ opaque = [] }) => opaque.map(({ value }) => value)).join(" ");
}

/** What is thought in words, less the white space that formats join pieces by. */
function wordsOf(parts: readonly Part[]): string {
  return parts.map((part) => part.kind === "reasoning" ? part.text.replace(/\s+/g, "") : "").join("");
}

function keyOf(scope: string, call: ToolCallPart): string {
  const digest = createHash("sha256").update(canonical(call.arguments)).digest("base64");
  return `${scope}\u0000${call.id}\u0000${call.name}\u0000${digest}`;
}

/** Arguments without what clients change when they parse them and write them anew: white space and the order of keys. */
function canonical(text: string): string {
  try {
    return JSON.stringify(sorted(JSON.parse(text)));
  } catch {
    return text;
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}

/** In memory a character takes up to two bytes. */
function sizeOf(parts: readonly ReasoningPart[]): number {
  return parts.reduce((size, part) => size + 2 * part.text.length + sizeOfOpaque(part.opaque ?? []), 0);
}

function sizeOfOpaque(opaques: readonly Opaque[]): number {
  return opaques.reduce((size, opaque) => size + 2 * opaque.value.length, 0);
}

/** Characters that an observer gathers of one answer; of a longer one nothing is remembered. */
export const MAX_OBSERVED = 2 * 1024 * 1024;

interface Observed {
  parts: Part[];
  open: Map<number, Part>;
  size: number;
}

function newState(): Observed {
  return { parts: [], open: new Map(), size: 0 };
}

/**
 * Lets all events through unchanged, and calls `onDone` when the answer is complete and called tools, with its reasoning
 * and its calls in order. Of its text only the place is kept, as an empty part. It looks at the first candidate alone.
 */
export function openObserver(onDone: (parts: Part[]) => void): Stage {
  let state: Observed | undefined = newState();
  const look = (event: NeutralEvent): true => {
    if (state !== undefined && !observe(state, event, onDone)) state = undefined;
    return true;
  };
  return {
    lets: look,
    push(event) {
      look(event);
      return [event];
    },
  };
}

/** Returns whether there is more to see. */
function observe(state: Observed, event: NeutralEvent, onDone: (parts: Part[]) => void): boolean {
  switch (event.t) {
    case "part_start":
      if (event.c === 0) beginPart(state, event);
      break;
    case "reasoning":
    case "arguments":
    case "opaque":
      if (event.c === 0) addToPart(state, event);
      break;
    case "finish":
      if (event.c !== 0) break;
      if (state.parts.some((part) => part.kind === "tool_call")) onDone(state.parts);
      return false;
    default:
      return event.t !== "error" && event.t !== "end";
  }
  return state.size <= MAX_OBSERVED;
}

function beginPart(state: Observed, event: Extract<NeutralEvent, { t: "part_start" }>): void {
  if (event.part.kind !== "reasoning" && event.part.kind !== "tool_call") {
    if (state.parts.at(-1)?.kind !== "text") state.parts.push({ kind: "text", text: "" });
    return;
  }
  const part = { ...event.part };
  if (part.opaque !== undefined) part.opaque = [...part.opaque];
  state.size += sizeOfOpaque(part.opaque ?? []);
  state.parts.push(part);
  state.open.set(partKey(event), part);
}

function addToPart(
  state: Observed,
  event: DeltaEvent | Extract<NeutralEvent, { t: "opaque" }>,
): void {
  const part = state.open.get(partKey(event));
  if (part === undefined) return;
  if (event.t === "opaque") {
    (part.opaque ??= []).push(event.opaque);
    state.size += event.opaque.value.length;
    return;
  }
  if (part.kind === "reasoning") part.text += event.delta;
  if (part.kind === "tool_call") part.arguments += event.delta;
  state.size += event.delta.length;
}
