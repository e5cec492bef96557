/**
 * The neutral form that every wire format is decoded to and encoded from: types and closed lists only.
 * Source: TRANSLATION.md, section 1. A wire format's own field names never appear outside its folder in `formats/`.
 */
import type { Failure } from "./base/failure.ts";
import type { JsonObject } from "./base/fields.ts";

export const FORMAT_NAMES = ["chat", "messages", "responses"] as const;
export type FormatName = (typeof FORMAT_NAMES)[number];

export const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const;
export type Effort = (typeof EFFORTS)[number];

/** What a client asks for. */
export interface NeutralRequest {
  origin: FormatName;
  model: string;
  /** Leading system and developer text, in order. */
  instructions: Part[];
  /** Everything after it, in order; system messages in mid-conversation stay where they are. */
  messages: Message[];
  tools: Tool[];
  toolChoice?: ToolChoice;
  parallelToolCalls?: boolean;
  /** Tokens, reasoning included. */
  maxOutputTokens?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  seed?: number;
  logitBias?: JsonObject;
  /** How many answers are wanted (chat's `n`). */
  candidates?: number;
  stopSequences: string[];
  logprobs?: { top: number };
  output?: OutputFormat;
  verbosity?: string;
  /** Output kinds beside text and what goes with them (chat's `modalities`, `audio`). */
  audioOutput?: JsonObject;
  prediction?: unknown;
  /** What the maker is to check of the input and the answer, in the words that chat and responses share. */
  moderation?: JsonObject;
  reasoning?: Reasoning;
  cache?: { key?: string; ttl?: string; mode?: string; auto?: { ttl?: string } };
  serviceTier?: string;
  userId?: string;
  metadata?: Record<string, string>;
  state?: {
    store?: boolean;
    previousId?: string;
    conversation?: unknown;
    background?: boolean;
    prompt?: unknown;
    thread?: unknown;
  };
  truncation?: string;
  include: string[];
  /** Some of `include` is of its own format's answers alone. */
  includesOwn?: boolean;
  contextManagement?: unknown;
  /** All it says is that nothing be taken out of the context: what a target without such a field does by itself. */
  keepsContext?: boolean;
  /** What of it is the wish for a summary in the history's stead, once the input has so many tokens. */
  compaction?: { tokens: number; isAll: boolean };
  /** The client's format leaves unread what stands before a compaction. */
  compactionReplaces?: true;
  stream: boolean;
  includeUsage: boolean;
  includeObfuscation?: boolean;
  /** Values of `anthropic-beta`. */
  betas: string[];
  /** Some of them change the answer by themselves, where others only allow a member of the body or a cheaper way. */
  betasMatter?: boolean;
  /** The client's `anthropic-version`, for upstreams of its own format. */
  apiVersion?: string;
  /** A client's note on who pays, before its instructions: no content, so that only its own format carries it. */
  attribution?: JsonObject;
  /**
   * Members among `extensions` without which the answer would be wrong (a container, MCP servers), by the client's
   * path: a target of another format must answer `unsupported`.
   */
  ownFormatOnly?: string[];
  /** Top-level members that have no neutral term, by the format that they came in. */
  extensions: Partial<Record<FormatName, JsonObject>>;
  /**
   * How the client's format names each neutral top-level field (`maxOutputTokens` → `max_tokens`), so that an encoder
   * can name a loss as the client knows it.
   */
  wireNames: Readonly<Record<string, string>>;
}

export interface OutputFormat {
  kind: "text" | "json" | "json_schema";
  name?: string;
  description?: string;
  schema?: JsonObject;
  strict?: boolean;
}

export interface Reasoning {
  /** `default`: an effort or display was given, but nothing said whether to think. */
  mode: "off" | "adaptive" | "budget" | "between_tools" | "default";
  effort?: Effort;
  budgetTokens?: number;
  /** How thinking is shown: messages' `display`, responses' `summary`. */
  display?: "omitted" | "summarized" | "full" | "auto" | "concise" | "detailed";
  /** Members without a neutral term, for their own format. */
  extra?: Extra;
}

/** Members of one object that have no neutral term; sent on to their own format alone. */
export interface Extra {
  format: FormatName;
  fields: JsonObject;
  /** The one of `fields` that only wraps members of the same thing (chat's `function`): each of them has its own path. */
  wrapper?: string;
  /** Those of `fields` that other formats do unasked: leaving them out loses nothing. */
  unasked?: readonly string[];
}

export type Role = "system" | "developer" | "user" | "assistant" | "tool";

export interface Message {
  role: Role;
  parts: Part[];
  /** Where it stood in the client's body: `messages[3]`. Absent in answers. */
  path?: string;
  name?: string;
  id?: string;
  phase?: string;
  status?: string;
  extra?: Extra;
}

/**
 * What stood between a message and its parts, where a format has such a thing (responses' items). Parts of one item
 * share one object; it matters to its own format alone.
 */
export interface Item {
  path?: string;
  id?: string;
  role?: string;
  phase?: string;
  status?: string;
  extra?: Extra;
}

interface PartBase {
  /** A cache mark on this part. */
  cache?: { ttl?: string };
  /** Signed or encrypted data of a provider: passed on byte for byte, or not at all. */
  opaque?: Opaque[];
  path?: string;
  extra?: Extra;
  item?: Item;
}

export interface TextPart extends PartBase {
  kind: "text";
  text: string;
  citations?: Citation[];
  logprobs?: unknown[];
}
export interface RefusalPart extends PartBase {
  kind: "refusal";
  text: string;
}
export interface MediaPart extends PartBase {
  kind: "image" | "audio" | "video" | "document";
  source: Source;
  /** Such as `image/png`; known for base64 sources. */
  mediaType?: string;
  detail?: string;
  /** The document's title or file name. */
  title?: string;
  context?: string;
  citationsEnabled?: boolean;
}
export interface SearchResultPart extends PartBase {
  kind: "search_result";
  source: string;
  title: string;
  parts: Part[];
}
export interface ReasoningPart extends PartBase {
  kind: "reasoning";
  text: string;
  form: "full" | "summary" | "redacted";
  id?: string;
  /** What `text` was joined of by blank lines, where its format keeps it apart. */
  pieces?: string[];
}
export interface ToolCallPart extends PartBase {
  kind: "tool_call";
  id: string;
  /** Responses' item id (`fc_…`), beside the call's own. */
  itemId?: string;
  name: string;
  namespace?: string;
  toolKind: "function" | "custom";
  /** The raw string: JSON for functions, free text for custom tools. Never re-serialised without need. */
  arguments: string;
  /** What it was in its own format, where that has more than functions. */
  native?: { format: FormatName; value: JsonObject };
}
export interface ToolResultPart extends PartBase {
  kind: "tool_result";
  callId: string;
  name?: string;
  toolKind: "function" | "custom";
  parts: Part[];
  isError?: boolean;
  native?: { format: FormatName; value: JsonObject };
}
export interface CompactionPart extends PartBase {
  kind: "compaction";
  text?: string;
}
/** A block or item without a neutral term (server tools and their results…), kept as it is for its own format. */
export interface NativePart extends PartBase {
  kind: "native";
  format: FormatName;
  value: JsonObject;
  /** What it says in words (titles, URLs), for formats that can't hold it. */
  text?: string;
  /** The client put images in it, which no words can stand for: other formats must refuse it. */
  holdsMedia?: true;
}

export type Part =
  | TextPart
  | RefusalPart
  | MediaPart
  | SearchResultPart
  | ReasoningPart
  | ToolCallPart
  | ToolResultPart
  | CompactionPart
  | NativePart;

export type Source =
  | { type: "base64"; data: string }
  | { type: "url"; url: string }
  | { type: "file"; id: string }
  | { type: "text"; text: string };

/** Who minted an opaque value: it goes back to that family of models alone. */
export type Issuer = string;

export interface Opaque {
  issuer: Issuer;
  kind: "signature" | "redacted" | "encrypted" | "thought_signature" | "compaction" | "phase";
  value: string;
  id?: string;
}

/** `start` and `end` of a web citation: characters of the answer's whole text; absent: all of the part that holds it. */
export type Citation =
  | { kind: "url"; url: string; title?: string; start?: number; end?: number; citedText?: string; opaque?: string }
  | {
    kind: "document";
    unit: "char" | "page" | "block" | "search_result";
    index: number;
    title?: string;
    from?: number;
    to?: number;
    citedText?: string;
    fileId?: string;
    native?: JsonObject;
  }
  | { kind: "native"; format: FormatName; value: JsonObject };

export interface Tool {
  kind: "function" | "custom" | "native";
  name: string;
  description?: string;
  schema?: JsonObject;
  strict?: boolean;
  /** A custom tool's grammar, as chat and responses write it: `{type: "grammar", syntax, definition}`. */
  grammar?: JsonObject;
  namespace?: string;
  /** On a namespace's first tool: what it said of them all, its other members, and where it stood. */
  namespaceExtra?: { path: string; description?: string; extra?: Extra };
  deferLoading?: boolean;
  cache?: { ttl?: string };
  path?: string;
  /** Where its name, schema and the like stand, in a format that wraps them once more (chat's `tools[0].function`). */
  innerPath?: string;
  extra?: Extra;
  /** The item of the conversation that offers it (responses' `additional_tools`); absent for the request's own list. */
  item?: Item;
  /** That item is the result of a search, which holds it in its own format. */
  isFound?: boolean;
  /** kind `native`: the definition as its own format writes it. */
  native?: { format: FormatName; value: JsonObject };
  /** kind `native`: what it is, where formats share the idea. */
  serverTool?:
    | "web_search"
    | "code_execution"
    | "web_fetch"
    | "file_search"
    | "image_generation"
    | "mcp"
    | "computer"
    | "other";
  /** serverTool `web_search`: what formats share of its settings. */
  webSearch?: WebSearch;
}

export interface WebSearch {
  allowedDomains?: string[];
  blockedDomains?: string[];
  maxUses?: number;
  contextSize?: string;
  location?: { city?: string; country?: string; region?: string; timezone?: string };
  /** Paths of settings that its own format alone has. */
  unread?: string[];
}

export type ToolChoice =
  | { type: "auto" | "none" | "required" }
  | { type: "tool"; name: string; toolKind: "function" | "custom" }
  | { type: "allowed"; mode: "auto" | "required"; names: string[] }
  | { type: "native"; format: FormatName; value: unknown };

/** What an upstream answered, whole. */
export interface NeutralResponse {
  id: string;
  model: string;
  /** Unix seconds. */
  createdAt: number;
  candidates: Candidate[];
  usage: Usage | undefined;
  serviceTier?: string;
  fingerprint?: string;
  extra?: Extra;
}

export interface Candidate {
  index: number;
  parts: Part[];
  stop: Stop;
  logprobs?: unknown;
}

export const STOP_REASONS = [
  "stop",
  "stop_sequence",
  "max_tokens",
  "context_window",
  "tool_calls",
  "content_filter",
  "refusal",
  "pause",
  "compaction",
  "malformed_tool_call",
  "unknown",
] as const;
export type StopReason = (typeof STOP_REASONS)[number];

export interface Stop {
  reason: StopReason;
  /** The sequence that stopped it. */
  sequence?: string;
  category?: string;
  explanation?: string;
  /** The upstream's own word. */
  raw?: string;
  /** The upstream gave no word: what the answer holds tells the reason. */
  assumed?: true;
}

/** Tokens. `inputTokens` counts all input, cached or not; `outputTokens` all output, reasoning included. */
export interface Usage {
  inputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  cacheWrite1hTokens?: number;
  outputTokens: number;
  reasoningTokens: number;
  audioInputTokens?: number;
  audioOutputTokens?: number;
  acceptedPredictionTokens?: number;
  rejectedPredictionTokens?: number;
  /** Server tool counters and the like, for their own format. */
  extra?: Extra;
  /** Nobody counted: this is bytes / 4. */
  estimated?: boolean;
}

/**
 * One step of an answer's stream. `c` is the candidate's index, `i` the part's within it (0, 1, 2… by first
 * appearance). What every decoder guarantees: one `start` first; `part_start` before its deltas; every part ended
 * before `finish`; one `finish` per candidate; the last `usage` before `end`; nothing after `end` or `error`. Parts may
 * overlap; `translation/sequencer.ts` turns overlap into strict order for the encoders that need it.
 */
export type NeutralEvent =
  | {
    t: "start";
    id: string;
    model: string;
    createdAt: number;
    usage?: Usage;
    serviceTier?: string;
    fingerprint?: string;
    /** Known only where a whole answer is told as a stream. */
    extra?: Extra;
  }
  /** `part` is as yet empty: text, arguments and opaque values follow as deltas, except in native and redacted parts. */
  | { t: "part_start"; c: number; i: number; part: Part }
  | { t: "text" | "reasoning" | "refusal" | "arguments"; c: number; i: number; delta: string; logprobs?: unknown[] }
  | { t: "citation"; c: number; i: number; citation: Citation }
  | { t: "opaque"; c: number; i: number; opaque: Opaque }
  | { t: "part_end"; c: number; i: number }
  | { t: "finish"; c: number; stop: Stop }
  /** A running total, never an increment. */
  | { t: "usage"; usage: Usage }
  | { t: "keepalive" }
  /** An event that only its own format has. */
  | { t: "native"; format: FormatName; event: JsonObject }
  | { t: "error"; failure: Failure }
  | { t: "end" };

/** Something that could not be carried, by the path the client knows it by. */
export interface Loss {
  path: string;
  /** One short phrase: `messages has no such field`; `emulated: sent as text` where something stands in for it. */
  reason: string;
  /** The path is of the client's answer; absent: of its request. */
  in?: "answer";
}
