/** What the tests of this folder share: targets, requests, and streams in and out. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../../../lib/base/fields.ts";
import { type Capabilities, capabilitiesOf } from "../../../../lib/capabilities.ts";
import { type Answer, type EncodedRequest, type Flag, Losses, type Target } from "../../../../lib/format.ts";
import { chat } from "../../../../lib/formats/chat/mod.ts";
import type { NeutralEvent, NeutralRequest, NeutralResponse, Part } from "../../../../lib/neutral.ts";
import { collect } from "../../../../lib/translation/whole.ts";

interface TargetOptions {
  model?: string;
  family?: string;
  flags?: readonly Flag[];
  capabilities?: Partial<Capabilities>;
}

/** A model that nobody knows, of OpenAI's family, unless it is said otherwise. */
export function target({ model = "small-1", family = "openai", flags = [], capabilities }: TargetOptions = {}): Target {
  return {
    provider: "lab",
    model,
    format: "chat",
    family,
    flags: new Set(flags),
    capabilities: { ...capabilitiesOf(model), ...capabilities },
  };
}

export function decoded(body: JsonObject): NeutralRequest {
  const result = chat.decodeRequest(
    { model: "m", messages: [{ role: "user", content: "Hi" }], ...body },
    new Headers(),
  );
  assert.ok(result.ok, result.ok ? "" : result.failure.message);
  return result.value;
}

/** The first thing wrong with a body, as message and path. */
export function fault(body: JsonObject): [string, string | undefined] {
  const result = chat.decodeRequest(body, new Headers());
  assert.ok(!result.ok, "The body should be refused");
  assert.equal(result.failure.kind, "invalid_request");
  return [result.failure.message, result.failure.param];
}

/** A request as another format's decoder would have made it. */
export function foreign(parts: Partial<NeutralRequest> = {}): NeutralRequest {
  return {
    origin: "messages",
    model: "m",
    instructions: [],
    messages: [{ role: "user", parts: [{ kind: "text", text: "Hi" }], path: "messages[0]" }],
    tools: [],
    stopSequences: [],
    include: [],
    stream: false,
    includeUsage: true,
    betas: [],
    extensions: {},
    wireNames: { maxOutputTokens: "max_tokens", topP: "top_p", topK: "top_k", reasoning: "thinking" },
    ...parts,
  };
}

export interface Encoded extends EncodedRequest {
  /** Paths alone. */
  losses: string[];
}

export function encoded(request: NeutralRequest, to: Target = target()): Encoded {
  const losses = new Losses();
  const result = chat.encodeRequest(request, to, losses);
  assert.ok(result.ok, result.ok ? "" : result.failure.message);
  return { ...result.value, losses: losses.list.map((loss) => loss.path) };
}

/** Kind and path of what makes a request impossible. */
export function refusal(request: NeutralRequest, to: Target = target()): [string, string | undefined] {
  const result = chat.encodeRequest(request, to, new Losses());
  assert.ok(!result.ok, "The request should be refused");
  return [result.failure.kind, result.failure.param];
}

/** A chunk with one choice. */
export function chunk(delta: JsonObject | undefined, choice: JsonObject = {}, rest: JsonObject = {}): JsonObject {
  return {
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1_790_000_000,
    model: "small-1-0901",
    choices: [{ index: 0, ...(delta === undefined ? {} : { delta }), finish_reason: null, ...choice }],
    ...rest,
  };
}

export function finishChunk(reason: string, delta: JsonObject = {}): JsonObject {
  return chunk(delta, { finish_reason: reason });
}

export const DONE = "[DONE]";

/** All events of a stream: objects and strings as `data:`, then the end of the body. */
export function events(data: readonly (JsonObject | string)[], to: Target = target()): NeutralEvent[] {
  const decoder = chat.openDecoder(to);
  const out: NeutralEvent[] = [];
  for (const entry of data) {
    out.push(...decoder.decode({ event: "", data: typeof entry === "string" ? entry : JSON.stringify(entry) }));
  }
  out.push(...decoder.end());
  checkGuarantees(out);
  return out;
}

/** The stream as one answer. */
export function whole(data: readonly (JsonObject | string)[], to: Target = target()): NeutralResponse {
  const result = collect(events(data, to));
  assert.ok(result.ok, result.ok ? "" : result.failure.message);
  return result.value;
}

/** The parts of candidate 0, as they came out. */
export function parts(data: readonly (JsonObject | string)[], to: Target = target()): Part[] {
  return whole(data, to).candidates[0]?.parts ?? [];
}

/** What `lib/neutral.ts` promises of every decoder. */
function checkGuarantees(list: readonly NeutralEvent[]): void {
  const open = new Set<string>();
  const next = new Map<number, number>();
  const finished = new Set<number>();
  list.forEach((event, position) => {
    const isLast = position === list.length - 1;
    assert.equal(event.t === "end" || event.t === "error", isLast, `${event.t} at ${position} of ${list.length}`);
    if (event.t === "start") assert.equal(position, 0, "start is not first");
    if (event.t === "part_start") {
      assert.equal(event.i, next.get(event.c) ?? 0, "part indexes have a gap");
      next.set(event.c, event.i + 1);
      open.add(`${event.c}.${event.i}`);
    } else if ("i" in event) assert.ok(open.has(`${event.c}.${event.i}`), `${event.t} of a part that is not open`);
    if (event.t === "part_end") open.delete(`${event.c}.${event.i}`);
    if (event.t !== "finish") return;
    assert.ok(!finished.has(event.c), "two finishes");
    assert.ok(![...open].some((key) => key.startsWith(`${event.c}.`)), "a part is open at the finish");
    finished.add(event.c);
  });
}

export function answer(parts: Partial<Answer> = {}, request: Partial<NeutralRequest> = {}): Answer {
  return {
    requestId: "req_1",
    model: "alias",
    request: foreign({ origin: "chat", includeUsage: false, ...request }),
    estimatedInputTokens: 7,
    losses: new Losses(),
    ...parts,
  };
}

/** What a client gets for these events, as text. */
export function written(list: readonly NeutralEvent[], to: Answer = answer()): string {
  const encoder = chat.openEncoder(to);
  let text = "";
  for (const event of list) for (const frame of encoder.encode(event)) text += frame;
  return text;
}

/** The data of each frame, parsed; `[DONE]` as the string. */
export function frames(text: string): (JsonObject | string)[] {
  return text.split("\n\n").filter((frame) => frame.startsWith("data: ")).map((frame) => {
    const data = frame.slice("data: ".length);
    return data === DONE ? data : JSON.parse(data) as JsonObject;
  });
}

/** The deltas of one choice, in order. */
export function deltas(text: string, index = 0): JsonObject[] {
  return frames(text).flatMap((frame) => {
    const choices = typeof frame === "string" ? [] : (frame["choices"] ?? []) as JsonObject[];
    return choices.filter((choice) => choice["index"] === index).map((choice) => choice["delta"] as JsonObject);
  });
}
