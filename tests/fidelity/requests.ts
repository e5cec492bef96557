/** Requests of each format, to upstreams of the others. */
import { type Capabilities, capabilitiesOf } from "../../lib/capabilities.ts";
import { Losses, type Target } from "../../lib/format.ts";
import { FORMATS } from "../../lib/formats/mod.ts";
import type { FormatName } from "../../lib/neutral.ts";
import { asArray, asObject, isObject, type Json } from "../support/grammar.ts";
import { type Became, type Column, Explorer, type Subject } from "./explore.ts";
import { MOOT_REQUESTS } from "./moot.ts";
import type { ObjectType } from "./samples.ts";
import { openModule } from "./types.ts";

const UNKNOWN = capabilitiesOf("nobodys-model");

interface Place {
  name: string;
  format: FormatName;
  family: string;
  model: string;
  can: Capabilities;
}

/** What OpenAI's models can do, all of it at once. */
const ALL_OF_OPENAI: Capabilities = {
  maker: "openai",
  ...UNKNOWN,
  thinking: "effort",
  developerRole: true,
  cacheMarks: true,
};
const ALL_OF_CLAUDE: Capabilities = {
  ...capabilitiesOf("claude-opus-4-6"),
  temperatureWithTopP: true,
  midConversationSystem: true,
};

/**
 * Where requests go: models that can do all that their format can say, since what a model refuses is no matter of formats.
 * Some of it is known by the model's name alone: that it searches, takes custom tools and cache marks.
 */
const PLACES: readonly Place[] = [
  { name: "chat, OpenAI", format: "chat", family: "openai", model: "gpt-6-search", can: ALL_OF_OPENAI },
  { name: "chat, others", format: "chat", family: "lab", model: "m", can: UNKNOWN },
  { name: "messages", format: "messages", family: "anthropic", model: "m", can: ALL_OF_CLAUDE },
  { name: "responses", format: "responses", family: "openai", model: "gpt-6", can: ALL_OF_OPENAI },
];

function columnsOf(client: FormatName): Column[] {
  return PLACES.filter(({ format }) => format !== client).map(({ name, can: capabilities, ...place }) => {
    const target: Target = { ...place, provider: "lab", flags: new Set(), capabilities };
    return { name, run: (body) => encode(client, body, target) };
  });
}

function encode(client: FormatName, asked: Json, target: Target): Became {
  const { body, headers } = client === "messages" ? bySdk(asked) : { body: asked, headers: new Headers() };
  const losses = new Losses();
  const decoded = FORMATS[client].decodeRequest(body, headers);
  const encoded = decoded.ok ? FORMATS[target.format].encodeRequest(decoded.value, target, losses) : decoded;
  // What the client's format itself would refuse is no sound probe.
  if (!encoded.ok && encoded.failure.kind === "invalid_request" && !decoded.ok) {
    throw new Error(encoded.failure.message);
  }
  if (!encoded.ok) return { bodies: [], refusal: encoded.failure.message, losses: [], ownWork: "" };
  const { body: sent, headers: own, emulateStop, restore } = encoded.value;
  const ownWork = [
    ...(emulateStop === undefined ? [] : [`the gateway cuts the answer at ${emulateStop.join(", ")}`]),
    ...[...restore].map(([name, tool]) => `the gateway gives the tool its name and kind back: ${name} ${tool.name}`),
  ];
  return { bodies: [JSON.stringify({ ...sent, headers: own })], losses: losses.list, ownWork: ownWork.join("; ") };
}

/** What Anthropic's SDK makes headers of. */
function bySdk({ betas, user_profile_id: profile, workspace_id: workspace, ...body }: Json) {
  const headers = new Headers();
  if (betas !== undefined) headers.set("anthropic-beta", asArray(betas).join());
  if (profile !== undefined) headers.set("anthropic-user-profile-id", String(profile));
  if (workspace !== undefined) headers.set("anthropic-workspace-id", String(workspace));
  return { body, headers };
}

const USER = { role: "user", content: "Hi" };
const SCHEMA = { type: "object", properties: {}, additionalProperties: false, required: [] };

const text = (value: unknown) => ({ type: "text", text: value });

/** Bodies that hold at least one message; lists of parts that hold one text beside. */
export const NONE = { before: [], after: [] };

const CHAT: Omit<Subject, "columns" | "moot"> = {
  type: declared("openai/resources/chat/completions/completions.d.ts", "ChatCompletionCreateParamsBase"),
  base: { model: "m", messages: [USER] },
  prefersNull: false,
  namesElsewhere: false,
  needs: [
    [/^messages\[assistant\]$/, (mark) => ({ content: mark("content") })],
    [
      /\[file\]\.file$/,
      (mark) => ({ filename: "a.pdf", file_data: `data:application/pdf;base64,${mark("file_data")}` }),
    ],
    [/\.json_schema$/, () => ({ schema: SCHEMA })],
    [/allowed_tools$/, () => ({ mode: "auto", tools: [{ type: "function", function: { name: "other" } }] })],
  ],
  skipped: /^(?:model|stream)$|\.allowed_tools\.tools$/,
  beside: (path, element) => {
    if (path === "messages") return { before: [USER], after: [USER] };
    if (/content$/.test(path)) return { before: [text("a")], after: [] };
    if (/tools$/.test(path) && isObject(element)) return { before: [chatTool("other")], after: [] };
    return NONE;
  },
  completed: (body) => {
    const withTools = { ...body, messages: asArray(body["messages"]).flatMap(chatTurn) };
    const functions = body["function_call"] === undefined || body["functions"] !== undefined ? {} : {
      functions: [{
        name: (isObject(body["function_call"]) ? body["function_call"]["name"] : undefined) ?? "other",
        parameters: SCHEMA,
      }],
    };
    return completeCommon(
      { ...withTools, ...functions },
      chatTool,
      (choice) => asObject(choice["function"] ?? choice["custom"])["name"],
    );
  },
};

function chatTool(name: string): Json {
  return { type: "function", function: { name, parameters: SCHEMA } };
}

/** A call before a result, results behind calls. */
function chatTurn(message: unknown): unknown[] {
  const turn = asObject(message);
  if (turn["role"] === "tool") {
    const id = turn["tool_call_id"];
    const call = { id, type: "function", function: { name: "f", arguments: "{}" } };
    return [{ role: "assistant", content: null, tool_calls: [call] }, turn];
  }
  if (turn["role"] === "function") {
    return [{ role: "assistant", content: null, function_call: { name: turn["name"], arguments: "{}" } }, turn];
  }
  const call = turn["function_call"];
  if (isObject(call)) return [turn, { role: "function", name: call["name"], content: "done" }];
  const calls = asArray(turn["tool_calls"] ?? []).map(asObject);
  return [turn, ...calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: "done" }))];
}

/** Members that say nothing, or are refused, without another. */
function completeCommon(body: Json, tool: (name: string) => Json, named: (choice: Json) => unknown): Json {
  const { tool_choice: choice } = body;
  const names = isObject(choice) ? [named(choice)].filter((name) => typeof name === "string") : [];
  const needsTools = choice !== undefined || body["parallel_tool_calls"] !== undefined;
  const tools = needsTools ? [...names.map(tool), tool("other")] : [];
  return {
    ...body,
    ...(tools.length > 0 && body["tools"] === undefined ? { tools } : {}),
    ...(body["stream_options"] === undefined ? {} : { stream: true }),
    ...(body["top_logprobs"] === undefined || "input" in body ? {} : { logprobs: true }),
  };
}

const MESSAGES: Omit<Subject, "columns" | "moot"> = {
  type: declared("@anthropic-ai/sdk/resources/beta/messages/messages.d.ts", "MessageCreateParamsBase"),
  base: { model: "m", max_tokens: 4096, messages: [USER] },
  prefersNull: false,
  namesElsewhere: false,
  needs: [[/^messages\[system\]$/, (mark) => ({ content: mark("content") })]],
  // Its types allow every block in every turn; its API doesn't.
  skipped:
    /^(?:model|stream|max_tokens)$|^messages\[user\]\.content\[(?:thinking|redacted_thinking|\w*tool_use|(?!tool_result)\w+_tool_result|mcp_tool_listing|compaction|fallback)\]|^messages\[assistant\]\.content\[(?:image|document|search_result|tool_result|container_upload|tool_addition|tool_removal)\]/,
  beside: (path, element) => {
    if (path === "messages") return { before: [USER], after: [USER] };
    if (/content$/.test(path) && isObject(element) && "type" in element) {
      return { before: [text("a")], after: [] };
    }
    if (path === "tools") return { before: [messagesTool("other")], after: [] };
    return NONE;
  },
  completed: (body) => {
    const messages = asArray(body["messages"]).flatMap(messagesTurn);
    return completeCommon({ ...body, messages }, messagesTool, (choice) => choice["name"]);
  },
};

function messagesTool(name: string): Json {
  return { name, input_schema: SCHEMA };
}

function messagesTurn(message: unknown): unknown[] {
  const turn = asObject(message);
  const blocks = Array.isArray(turn["content"]) ? turn["content"].map(asObject) : [];
  const results = blocks.filter(({ type }) => type === "tool_result");
  const calls = blocks.filter(({ type }) => type === "tool_use");
  const used = results.map(({ tool_use_id: id }) => ({ type: "tool_use", id, name: "f", input: {} }));
  const answered = calls.map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "done" }));
  return [
    ...(used.length > 0 ? [{ role: "assistant", content: used }] : []),
    // Results come first in their turn.
    results.length > 0
      ? { ...turn, content: [...results, ...blocks.filter((block) => !results.includes(block))] }
      : turn,
    ...(answered.length > 0 ? [{ role: "user", content: answered }] : []),
  ];
}

const RESPONSES: Omit<Subject, "columns" | "moot"> = {
  type: declared("openai/resources/responses/responses.d.ts", "ResponseCreateParamsBase"),
  base: { model: "m", input: "Hi" },
  prefersNull: false,
  namesElsewhere: false,
  needs: [
    [/\[input_image\]$/, (mark) => ({ image_url: `https://example.com/${mark("image_url")}.png` })],
    [
      /\[input_file\]$/,
      (mark) => ({ filename: "a.pdf", file_data: `data:application/pdf;base64,${mark("file_data")}` }),
    ],
    [/^input\[(?:function|custom_tool)_call_output\]$/, (mark) => ({ call_id: mark("call_id") })],
    [/\[output_text\]$/, () => ({ annotations: [] })],
    [/^input\[message: ResponseOutputMessage\]$/, (mark) => ({
      content: [{ type: "output_text", text: mark("content[output_text].text"), annotations: [] }],
    })],
  ],
  skipped: /^(?:model|stream)$/,
  beside: (path, element) => {
    if (path === "input") return { before: [USER], after: [USER] };
    if (path === "tools") return { before: [responsesTool("other")], after: [] };
    if (/(?:content|output)$/.test(path) && isObject(element) && /^input_/.test(String(element["type"]))) {
      return { before: [{ type: "input_text", text: "a" }], after: [] };
    }
    return NONE;
  },
  completed: (body) => {
    const { input } = body;
    const items = Array.isArray(input) ? { input: input.flatMap(responsesItem) } : {};
    return completeCommon({ ...body, ...items }, responsesTool, (choice) => choice["name"]);
  },
};

function responsesTool(name: string): Json {
  return { type: "function", name, parameters: SCHEMA, strict: true };
}

/** A call before its output, an output behind its call. */
function responsesItem(value: unknown): unknown[] {
  const item = asObject(value);
  const { type, call_id } = item;
  switch (type) {
    case "function_call":
      return [item, { type: "function_call_output", call_id, output: "done" }];
    case "function_call_output":
      return [{ type: "function_call", call_id, name: "f", arguments: "{}" }, item];
    case "shell_call":
      return [item, { type: "shell_call_output", call_id, output: [] }];
    case "shell_call_output":
      return [{ type: "shell_call", call_id, action: { commands: ["ls"] } }, item];
    case "local_shell_call":
      return [item, { type: "local_shell_call_output", id: call_id, output: "done" }];
    case "local_shell_call_output": {
      const action = { type: "exec", command: ["ls"], env: {} };
      return [{ type: "local_shell_call", id: item["id"], call_id: item["id"], action, status: "completed" }, item];
    }
    case "apply_patch_call":
      return [item, { type: "apply_patch_call_output", call_id, status: "completed" }];
    case "apply_patch_call_output":
      return [
        { type: "apply_patch_call", call_id, status: "completed", operation: { type: "delete_file", path: "a" } },
        item,
      ];
    case "custom_tool_call":
      return [item, { type: "custom_tool_call_output", call_id, output: "done" }];
    case "custom_tool_call_output":
      return [{ type: "custom_tool_call", call_id, name: "f", input: "x" }, item];
    default:
      return [item];
  }
}

export function declared(file: string, name: string): ObjectType {
  const type = openModule(file).find(name);
  if (type?.kind !== "object") throw new Error(`${file} declares no ${name}`);
  return type;
}

export const REQUESTS: Readonly<Record<FormatName, Omit<Subject, "columns" | "moot">>> = {
  chat: CHAT,
  messages: MESSAGES,
  responses: RESPONSES,
};

export function exploreRequests(client: FormatName): Explorer {
  const explorer = new Explorer({ ...REQUESTS[client], columns: columnsOf(client), moot: MOOT_REQUESTS[client] });
  explorer.run();
  return explorer;
}
