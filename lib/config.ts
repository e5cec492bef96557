/**
 * The config: one YAML file, read with positions, checked by zod, every fault reported at once as
 * `config.yaml:12:5  providers.lab.formats  Expected … but got …`.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from "yaml";
import { z } from "zod";
import {
  type Capabilities,
  type CapabilityRule,
  INPUTS,
  SAMPLING,
  THINKING_MODES,
  THINKING_OFF,
  TOKENIZERS,
} from "./capabilities.ts";
import { describe, isObject } from "./base/fields.ts";
import { LOG_LEVELS, type LogLevel } from "./base/log.ts";
import { nearest } from "./base/nearest.ts";
import { Secret } from "./base/secret.ts";
import { type Api, type Flag, FLAGS } from "./format.ts";
import { EFFORTS, FORMAT_NAMES, type FormatName } from "./neutral.ts";
import { FAMILY_OF_FORMAT, MOCK_URL, type Preset, PRESETS } from "./providers.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Provider {
  name: string;
  /** Without a slash at the end. */
  baseUrl: string;
  /** What it serves, best first; never empty. */
  formats: readonly FormatName[];
  family: string;
  flags: ReadonlySet<Flag>;
  /** What it serves beside its formats. */
  apis: ReadonlySet<Api>;
  apiKey?: Secret;
  /** The environment variable that would hold the key, where there is none yet: the provider waits for it. */
  waitsFor?: string;
  headers: Readonly<Record<string, string>>;
  /** Top-level members of a request that this upstream refuses: left out, and said. */
  dropFields: readonly string[];
  /** Values of `anthropic-beta` that it refuses, with `*` at the end for any date. */
  dropBetas: readonly string[];
  /** The only ones that it takes; undefined: all but `dropBetas`. */
  allowBetas?: readonly string[];
  isMock: boolean;
}

export interface ModelRule {
  /** Exact, or a pattern with one `*`. */
  name: string;
  provider: string;
  /** The provider's model; a `*` carries what the pattern's matched. */
  model: string;
  onLoss: "report" | "reject";
}

export interface Timeouts {
  /** From sending the request to the upstream's first byte. */
  firstByteMs: number;
  /** Between two reads of an upstream's stream. */
  idleMs: number;
  socketMs: number;
  /** How often a silent stream is kept alive. */
  keepaliveMs: number;
}

/** The path of a state that no file holds. */
export const IN_MEMORY = ":memory:";

/** Where responses and conversations are kept, and for how long. */
export interface StateSettings {
  /** A file, or `IN_MEMORY`. */
  path: string;
  /** Since something was last used. */
  ttlMs: number;
  maxBytes: number;
}

export interface Config {
  file: string;
  host: string;
  port: number;
  providers: ReadonlyMap<string, Provider>;
  models: readonly ModelRule[];
  /** First match wins, before the built-in table. */
  capabilities: readonly CapabilityRule[];
  modelsOnly: boolean;
  /** Who gets what names no model, in the shape of OpenAI's APIs; and in that of Anthropic's. */
  defaultProvider: Provider | undefined;
  defaultMessagesProvider: Provider | undefined;
  reportUpstreamModel: boolean;
  exposeUpstreamAuth: boolean;
  maxBodyBytes: number;
  /** Of bodies that pass without being held: files and forms. */
  maxUploadBytes: number;
  timeouts: Timeouts;
  state: StateSettings;
  /** Processes that serve; `auto`: one for each core. */
  workers: number | "auto";
  logLevel: LogLevel;
}

export interface ConfigIssue {
  file: string;
  /** From 1. */
  line: number;
  column: number;
  /** `providers.lab.formats`, or `""` for the file itself. */
  path: string;
  message: string;
}

export type ConfigResult = { ok: true; value: Config } | { ok: false; issues: ConfigIssue[] };

const milliseconds = (fallback: number) => z.int().min(1).max(86_400_000).default(fallback);

const BETA = z.string().regex(/^[A-Za-z0-9_.-]*\*?$/, "Expected a name with a * at its end at most").min(1);

const ProviderSchema = z.strictObject({
  preset: z.enum(Object.keys(PRESETS)).optional().describe("A known provider whose settings are taken over"),
  base_url: z.string().optional().describe("With the version path, as in the SDKs: https://host/v1"),
  formats: z.array(z.enum(FORMAT_NAMES)).min(1).optional().describe("What it serves, best first"),
  api_key: z.string().optional().describe("Usually ${VARIABLE}; a preset reads its own variable"),
  headers: z.record(z.string(), z.string()).default({}).describe("Sent with every request to it"),
  family: z.string().min(1).optional().describe("Whose models it serves, for signed thinking: anthropic, openai…"),
  completions: z.boolean().optional().describe("It has /completions itself; else that is made from its chat"),
  flags: z.array(z.enum(FLAGS)).default([]).describe("Quirks of its dialect (docs/ARCHITECTURE.md)"),
  drop_fields: z.array(z.string().min(1)).default([])
    .describe("Top-level members of a request that it refuses: left out and reported, also where bytes pass"),
  drop_betas: z.array(BETA).default([]).describe("Values of anthropic-beta that it refuses; a * at the end fits any"),
  allow_betas: z.array(BETA).optional().describe("The only values of anthropic-beta that it takes"),
});

const ModelSchema = z.strictObject({
  name: z.string().min(1).describe("What clients ask for: an exact name, or a pattern with one *"),
  target: z.string().describe("provider/model; a * carries what the pattern's * matched"),
  on_loss: z.enum(["report", "reject"]).default("report").describe("reject: 400 when anything can't be carried"),
});

const tokens = () => z.int().min(1).max(1_000_000_000).optional();
const flag = (text: string) => z.boolean().optional().describe(text);

/** Each key is that of `Capabilities` in snake_case. */
const CapabilitySchema = z.strictObject({
  match: z.string().min(1).describe("A provider's model, or provider/model; one * at most. The first match wins"),
  maker: z.string().min(1).optional().describe("Whose model it is: openai, anthropic, google…"),
  context_tokens: tokens().describe("Tokens of the whole context"),
  max_output_tokens: tokens().describe("Tokens that it writes at most: larger wishes are clamped to it"),
  default_max_tokens: tokens().describe("What is sent where the client names no limit and the format needs one"),
  thinking: z.enum(THINKING_MODES).optional().describe("How thinking is asked for"),
  thinking_off: z.enum(THINKING_OFF).optional().describe("What tells an adaptive model not to think, or the nearest"),
  efforts: z.array(z.enum(EFFORTS)).min(1).optional().describe("The effort words that it takes, weakest first"),
  effort_budgets: z.partialRecord(z.enum(EFFORTS), z.int().min(0)).optional()
    .describe("Tokens to think with per effort, instead of the built-in table's"),
  effort_beside_budget: flag("Takes an effort beside a thinking budget"),
  hides_thinking: flag("A model with a budget that can keep its thinking to itself"),
  sampling: z.enum(SAMPLING).optional().describe("Which sampling fields it takes; fixed: temperature 1 alone"),
  temperature_with_top_p: flag("Takes temperature and top_p together"),
  prefill: flag("Takes the beginning of its answer as a last assistant message"),
  mid_conversation_system: flag("Takes system messages within the conversation"),
  developer_role: flag("System text goes by the role developer"),
  stop_sequences: flag("Takes stop sequences; where not, the gateway cuts the text"),
  forced_tools: flag("Takes a tool choice that forces a call"),
  tools_need_responses: flag("With tools, it reasons in the Responses API alone"),
  responses_only: flag("Is not served by Chat Completions"),
  cache_marks: flag("Takes marks at which the prompt's cache is to end"),
  inputs: z.array(z.enum(INPUTS)).min(1).optional().describe("What it can be given; anything else is refused"),
  tokenizer: z.enum(TOKENIZERS).optional().describe("What counts its tokens where the provider doesn't"),
  token_factor: z.number().positive().max(10).optional().describe("Its tokens per token of that tokenizer"),
  tool_tokens: z.int().min(0).optional().describe("Tokens that offering tools costs beside their definitions"),
  map_server_tools: flag("Maps code execution between Messages and Responses"),
});

const TimeoutsSchema = z.strictObject({
  first_byte_ms: milliseconds(600_000).describe("From sending a request to the upstream's first byte"),
  idle_ms: milliseconds(300_000).describe("Between two pieces of an upstream's stream"),
  keepalive_ms: milliseconds(15_000).describe("How often a silent stream to a client is kept alive"),
  socket_ms: milliseconds(3_600_000).describe("How long a client's WebSocket may stay open"),
});

const DEFAULT_TTL_HOURS = 720;

const StateSchema = z.strictObject({
  path: z.string().min(1).default("trivium.db").describe("An SQLite file, from the working directory, or :memory:"),
  ttl_hours: z.number().positive().max(100_000).default(DEFAULT_TTL_HOURS).describe("Since something was last used"),
  max_mb: z.number().positive().max(1_048_576).default(1024).describe("Least recently used goes first, in MiB"),
});

export const MAX_WORKERS = 64;

/** The shape of the file. `docs/config.schema.json` is made from it. */
export const ConfigSchema = z.strictObject({
  listen: z.string().default("127.0.0.1:12000").describe("host:port"),
  providers: z.record(z.string().regex(/^[A-Za-z0-9_.-]+$/), ProviderSchema.nullable()).default({})
    .describe("Where models are; a name that is a preset needs nothing more"),
  models: z.array(ModelSchema).default([]).describe("Names for clients; the first that matches wins"),
  capabilities: z.array(CapabilitySchema).default([])
    .describe("What models can do, before the built-in table; what an entry leaves out is the table's"),
  models_only: z.boolean().default(false).describe("Serve only the names under `models`, not provider/model"),
  report_upstream_model: z.boolean().default(false).describe("Answers name the upstream's model, not the client's"),
  expose_upstream_auth: z.boolean().default(false).describe("An upstream's 401 reaches clients as 401, not 502"),
  default_provider: z.string().optional()
    .describe("Who serves images, audio, files, batches… of requests that name no model"),
  default_messages_provider: z.string().optional()
    .describe("The same for Anthropic's clients (default: the first that lists messages; none with models_only)"),
  max_body_mb: z.number().positive().max(1024).default(32).describe("The largest request body, in MiB"),
  max_upload_mb: z.number().positive().max(1024 * 1024).default(512)
    .describe("The largest file or form that passes through without being held, in MiB"),
  timeouts: TimeoutsSchema.prefault({}),
  state: StateSchema.optional().describe("Where responses and conversations are kept; absent: in memory, 64 MiB"),
  workers: z.union([z.int().min(1).max(MAX_WORKERS), z.literal("auto")], {
    error: `Expected a number from 1 to ${MAX_WORKERS}, or auto`,
  })
    .default(1).describe("Processes that share the port, on Linux; auto: one for each core"),
  log: z.enum(LOG_LEVELS).default("info").describe("info has a line per request"),
});

type RawConfig = z.output<typeof ConfigSchema>;
type Path = readonly PropertyKey[];
type Report = (path: Path, message: string, onKey?: boolean) => void;

/** Reads a config. `file` is for messages; `env` is where `${VAR}` and the presets' keys come from. */
export function parseConfig(text: string, file: string, env: Environment): ConfigResult {
  const lines = new LineCounter();
  const document = parseDocument(shielded(text), { lineCounter: lines, prettyErrors: false });
  const issues: ConfigIssue[] = [];
  const reportAt = (offset: number, path: Path, message: string): void => {
    const { line, col } = lines.linePos(offset);
    issues.push({ file, line, column: col, path: pathText(path), message });
  };
  // What follows the first syntax error is mostly its echo.
  const [syntax] = document.errors;
  if (syntax !== undefined) reportAt(syntax.pos[0], [], sentence(syntax.message));
  if (issues.length > 0) return { ok: false, issues };

  const report: Report = (path, message, onKey = false) =>
    reportAt(offsetOf(document.contents, path, onKey), path, message);
  const tree = new Interpolation(env, report);
  let filled: unknown;
  try {
    filled = tree.fill(document.toJS({ maxAliasCount: 100 }) ?? {}, []);
  } catch {
    const { source, offset } = firstAlias(document.contents);
    reportAt(offset, [], `The alias ${source} can't be resolved; quote names that begin with *`);
    return { ok: false, issues };
  }
  const parsed = ConfigSchema.safeParse(filled);
  if (parsed.success) {
    const config = build(parsed.data, file, env, tree.unset, report);
    if (issues.length === 0 && config !== undefined) return { ok: true, value: config };
  } else {
    for (const issue of parsed.error.issues) reportZod(issue, filled, report);
    reportMeaning(filled, parsed.error.issues, file, env, tree.unset, report);
  }
  return { ok: false, issues: issues.sort((a, b) => a.line - b.line || a.column - b.column) };
}

/** One line a fault, as a terminal and an editor's problem matcher read it. */
export function formatIssue(issue: ConfigIssue): string {
  return `${issue.file}:${issue.line}:${issue.column}  ${issue.path === "" ? "" : `${issue.path}  `}${issue.message}`;
}

const MAX_DEPTH = 32;

const OPEN = "\uE000";
const CLOSE = "\uE001";

/**
 * `[${A}, ${B}]` is what people write, and no YAML: a brace ends a plain scalar there. So the braces of `${…}` are
 * exchanged for characters that mean nothing to YAML, of the same length, that positions stay true.
 */
function shielded(text: string): string {
  return text.replace(/\$\{([^{}\n]*)\}/g, `$$${OPEN}$1${CLOSE}`);
}

/** Fills `${VAR}` and `${VAR:-default}` in, in every string; `$${` stays a literal `${`. */
class Interpolation {
  /** Paths of `api_key`s whose variable is not set: their providers wait for it. */
  readonly unset = new Map<string, string>();

  constructor(readonly env: Environment, readonly report: Report) {}

  /** Throws on a tree that is deeper than any config: an alias within its own anchor. */
  fill(value: unknown, path: Path): unknown {
    if (path.length > MAX_DEPTH) throw new RangeError("The config is nested too deep");
    if (typeof value === "string") return this.#text(value, path);
    if (Array.isArray(value)) return value.map((entry, index) => this.fill(entry, [...path, index]));
    if (!isObject(value)) return value;
    const filled = Object.entries(value).map(([key, entry]) => [key, this.fill(entry, [...path, key])] as const);
    return Object.fromEntries(filled.filter(([, entry]) => entry !== undefined));
  }

  #text(text: string, path: Path): string | undefined {
    let missing: string | undefined;
    const filled = text.replace(
      /(\$?)\$\uE000([^\uE001]*)\uE001/g,
      (_match, escape: string, inside: string) => {
        if (escape !== "") return `\${${inside}}`;
        const [, name, fallback] = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/.exec(inside) ?? [];
        if (name === undefined) {
          this.report(path, `Expected \${VARIABLE} or \${VARIABLE:-default} but got "\${${inside}}"`);
          return "";
        }
        const value = this.env[name];
        if (value !== undefined && value !== "") return value;
        if (fallback === undefined) missing ??= name;
        return fallback ?? "";
      },
    );
    if (missing === undefined) return filled;
    if (path.at(-1) === "api_key") this.unset.set(pathText(path), missing);
    else this.report(path, `The environment variable ${missing} is not set; set it or write \${${missing}:-default}`);
    return undefined;
  }
}

function build(
  raw: RawConfig,
  file: string,
  env: Environment,
  unset: ReadonlyMap<string, string>,
  report: Report,
): Config | undefined {
  const address = parseAddress(raw.listen);
  if (address === undefined) report(["listen"], `Expected host:port but got ${describe(raw.listen)}`);
  const providers = new Map<string, Provider>();
  for (const [name, entry] of Object.entries(raw.providers)) {
    const provider = buildProvider(name, entry ?? ProviderSchema.parse({}), env, unset, report);
    if (provider !== undefined) providers.set(name, provider);
  }
  const models = raw.models.map((entry, index) => buildRule(entry, index, raw, report));
  const defaults = buildDefaults(raw, providers, report);
  if (address === undefined) return undefined;
  return {
    file,
    ...address,
    providers,
    models: models.filter((rule) => rule !== undefined),
    capabilities: raw.capabilities.map((entry, index) => buildCapabilities(entry, index, raw, report)),
    modelsOnly: raw.models_only,
    ...defaults,
    reportUpstreamModel: raw.report_upstream_model,
    exposeUpstreamAuth: raw.expose_upstream_auth,
    maxBodyBytes: Math.floor(raw.max_body_mb * MEBIBYTE),
    maxUploadBytes: Math.floor(raw.max_upload_mb * MEBIBYTE),
    timeouts: {
      firstByteMs: raw.timeouts.first_byte_ms,
      idleMs: raw.timeouts.idle_ms,
      socketMs: raw.timeouts.socket_ms,
      keepaliveMs: raw.timeouts.keepalive_ms,
    },
    state: buildState(raw.state),
    workers: raw.workers,
    logLevel: raw.log,
  };
}

const MEBIBYTE = 1024 * 1024;
const DEFAULT_STATE = { path: IN_MEMORY, ttl_hours: DEFAULT_TTL_HOURS, max_mb: 64 };

function buildState(raw: RawConfig["state"]): StateSettings {
  const { path, ttl_hours: hours, max_mb: megabytes } = raw ?? DEFAULT_STATE;
  return { path, ttlMs: hours * 3_600_000, maxBytes: Math.floor(megabytes * MEBIBYTE) };
}

/** `host:port`, `[v6]:port` or a port alone (loopback then). */
export function parseAddress(text: string): { host: string; port: number } | undefined {
  const match = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):)?(\d{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return undefined;
  return { host: match[1] ?? match[2] ?? "127.0.0.1", port };
}

function buildProvider(
  name: string,
  raw: z.output<typeof ProviderSchema>,
  env: Environment,
  unset: ReadonlyMap<string, string>,
  report: Report,
): Provider | undefined {
  const path = ["providers", name];
  const preset: Preset | undefined = PRESETS[raw.preset ?? name];
  const baseUrl = raw.base_url ?? preset?.baseUrl;
  if (baseUrl === undefined) {
    const hint = nearest(name, Object.keys(PRESETS))[0];
    const suggestion = hint === undefined ? "" : `; did you mean the preset "${hint}"?`;
    report(path, `A provider that is no preset needs a base_url${suggestion}`, true);
    return undefined;
  }
  if (raw.base_url !== undefined && raw.base_url !== MOCK_URL && !isHttpUrl(raw.base_url)) {
    report(
      [...path, "base_url"],
      "Expected an http or https URL without user, query or fragment (keys belong in api_key or headers)",
    );
    return undefined;
  }
  const formats = raw.formats ?? preset?.formats ?? ["chat"];
  const first = formats[0] ?? "chat";
  const variable = unset.get(pathText([...path, "api_key"])) ??
    (raw.api_key === undefined ? preset?.keyVariable : undefined);
  const key = raw.api_key ?? (variable === undefined ? undefined : env[variable]);
  return {
    name,
    baseUrl: baseUrl.replace(/\/+$/, ""),
    formats: [...new Set(formats)],
    family: raw.family ?? preset?.family ?? FAMILY_OF_FORMAT[first],
    flags: new Set([...(preset?.flags ?? []), ...raw.flags]),
    apis: apisOf(formats, raw.completions ?? preset?.completions ?? false),
    ...(key === undefined || key === "" ? {} : { apiKey: new Secret(key) }),
    ...(variable !== undefined && (key === undefined || key === "") ? { waitsFor: variable } : {}),
    headers: Object.fromEntries(Object.entries(raw.headers).map(([header, value]) => [header.toLowerCase(), value])),
    dropFields: checkedDrops(raw.drop_fields, [...path, "drop_fields"], report),
    dropBetas: raw.drop_betas,
    ...(raw.allow_betas === undefined ? {} : { allowBetas: raw.allow_betas }),
    isMock: baseUrl === MOCK_URL,
  };
}

/** Who speaks one of OpenAI's formats is taken to have embeddings: what it has none of it says itself. */
function apisOf(formats: readonly FormatName[], hasCompletions: boolean): ReadonlySet<Api> {
  const apis = new Set<Api>(hasCompletions ? ["completions"] : []);
  if (formats.some((format) => FAMILY_OF_FORMAT[format] === FAMILY_OF_FORMAT.chat)) apis.add("embeddings");
  return apis;
}

/** Members without which there is no request. */
const INDISPENSABLE: ReadonlySet<string> = new Set(["model", "messages", "input", "stream"]);

function checkedDrops(fields: readonly string[], path: Path, report: Report): readonly string[] {
  for (const [index, field] of fields.entries()) {
    if (INDISPENSABLE.has(field)) {
      report([...path, index], `"${field}" can't be dropped: a request is nothing without it`);
    }
  }
  return fields;
}

function buildCapabilities(
  { match, ...entry }: z.output<typeof CapabilitySchema>,
  index: number,
  config: RawConfig,
  report: Report,
): CapabilityRule {
  const path = ["capabilities", index, "match"];
  if (match.split("*").length > 2) report(path, `Expected at most one * but got ${describe(match)}`);
  if (config.capabilities.findIndex((other) => other.match === match) < index) {
    report(path, `The pattern ${describe(match)} stands here twice: this one would never be reached`);
  }
  const said = Object.entries(entry).filter(([, value]) => value !== undefined);
  const says = Object.fromEntries(said.map(([key, value]) => [camelCase(key), value])) as Partial<Capabilities>;
  return { match, says };
}

function camelCase(key: string): string {
  return key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return /^https?:$/.test(protocol) && `${username}${password}${search}${hash}` === "";
}

function buildRule(
  raw: z.output<typeof ModelSchema>,
  index: number,
  config: RawConfig,
  report: Report,
): ModelRule | undefined {
  const slash = raw.target.indexOf("/");
  const provider = raw.target.slice(0, slash);
  const model = raw.target.slice(slash + 1);
  const at = (key: string): Path => ["models", index, key];
  if (slash < 1 || model === "") {
    report(at("target"), `Expected provider/model but got ${describe(raw.target)}`);
    return undefined;
  }
  if (!Object.hasOwn(config.providers, provider)) {
    report(at("target"), noProvider(provider, config));
    return undefined;
  }
  const stars = raw.name.split("*").length - 1;
  if (stars > 1) report(at("name"), `Expected at most one * but got ${describe(raw.name)}`);
  if (model.includes("*") && stars === 0) report(at("target"), "A * in the target needs a * in the name");
  if (config.models.findIndex((other) => other.name === raw.name) < index) {
    report(at("name"), `The name ${describe(raw.name)} stands here twice: this one would never be reached`);
  }
  return { name: raw.name, provider, model, onLoss: raw.on_loss };
}

function noProvider(name: string, { providers }: RawConfig): string {
  const hint = nearest(name, Object.keys(providers))[0];
  return `No provider "${name}"${hint === undefined ? "; name it under providers" : `; did you mean "${hint}"?`}`;
}

type Defaults = Pick<Config, "defaultProvider" | "defaultMessagesProvider">;

function buildDefaults(raw: RawConfig, providers: ReadonlyMap<string, Provider>, report: Report): Defaults {
  const named = (key: "default_provider" | "default_messages_provider", formats: readonly FormatName[]) => {
    const name = raw[key];
    if (name === undefined) return undefined;
    const provider = providers.get(name);
    if (!Object.hasOwn(raw.providers, name)) report([key], noProvider(name, raw));
    else if (provider !== undefined && !provider.formats.some((format) => formats.includes(format))) {
      report([key], `Provider "${name}" speaks ${provider.formats.join(", ")}; expected one with ${list(formats)}`);
    }
    return provider;
  };
  // A batch may name any model: who serves only some of them says so of batches too.
  const all = raw.models_only ? [] : [...providers.values()];
  return {
    defaultProvider: named("default_provider", ["chat", "responses"]),
    defaultMessagesProvider: named("default_messages_provider", ["messages"]) ??
      all.find(({ formats, isMock }) => formats.includes("messages") && !isMock),
  };
}

type ZodIssue = z.core.$ZodIssue;

function reportZod(issue: ZodIssue, tree: unknown, report: Report): void {
  const got = describe(valueAtPath(tree, issue.path));
  switch (issue.code) {
    case "unrecognized_keys":
      for (const key of issue.keys) {
        const hint = nearest(key, knownKeys(issue.path))[0];
        const suggestion = hint === undefined ? "" : `; did you mean "${hint}"?`;
        report([...issue.path, key], `Unknown key "${key}"${suggestion}`, true);
      }
      return;
    case "invalid_value": {
      const hint = nearest(String(valueAtPath(tree, issue.path)), issue.values.map(String))[0];
      const wanted = issue.values.length > 8 ? "a known name" : list(issue.values.map((value) => `"${String(value)}"`));
      const suggestion = hint === undefined ? "" : `; did you mean "${hint}"?`;
      return report(issue.path, `Expected ${wanted} but got ${got}${suggestion}`);
    }
    case "invalid_type":
      return report(issue.path, `Expected ${article(issue.expected)} but got ${got === "undefined" ? "nothing" : got}`);
    case "invalid_key":
      return report(issue.path, `Expected a name of letters, digits, "_", "." and "-"`, true);
    default:
      return report(issue.path, `${sentence(issue.message)} (got ${got})`);
  }
}

/**
 * Faults of meaning (an unknown provider, say) in a file that has faults of shape too, so that all are told at once:
 * what is misshapen is left out, and nothing more is said of the same provider or model.
 */
function reportMeaning(
  tree: unknown,
  shapeIssues: readonly ZodIssue[],
  file: string,
  env: Environment,
  unset: ReadonlyMap<string, string>,
  report: Report,
): void {
  const pruned: unknown = structuredClone(tree);
  const heads = new Set<string>();
  for (const issue of shapeIssues) {
    const keys = issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    for (const path of keys) {
      heads.add(pathText(path.slice(0, 2)));
      remove(pruned, path);
    }
  }
  const parsed = ConfigSchema.safeParse(pruned);
  if (!parsed.success) return;
  const known = (isObject(tree) && isObject(tree["providers"])) ? Object.keys(tree["providers"]) : [];
  for (const name of known) parsed.data.providers[name] ??= null;
  build(parsed.data, file, env, unset, (path, message, onKey) => {
    if (!heads.has(pathText(path.slice(0, 2)))) report(path, message, onKey);
  });
}

/** Takes the value at `path` out; an entry of a list leaves an entry behind that offends nobody, so indexes stay. */
function remove(tree: unknown, path: Path): void {
  if (path.length === 0) return;
  const [first, second] = path;
  if (first === "models" && typeof second === "number") {
    const models = (tree as { models: unknown[] }).models;
    models[second] = { name: `\u0000${second}`, target: `\u0000/\u0000` };
    return;
  }
  if (first === "capabilities" && typeof second === "number") {
    const { capabilities } = tree as { capabilities: unknown[] };
    capabilities[second] = { match: `\u0000${second}` };
    return;
  }
  const parent = valueAtPath(tree, path.slice(0, -1));
  if (isObject(parent)) delete parent[String(path.at(-1))];
  else remove(tree, path.slice(0, -1));
}

/** The keys of the objects that the schema has at a path, for suggestions. */
function knownKeys(path: Path): string[] {
  if (path.length === 0) return Object.keys(ConfigSchema.shape);
  if (path[0] === "providers" && path.length === 2) return Object.keys(ProviderSchema.shape);
  if (path[0] === "models") return Object.keys(ModelSchema.shape);
  if (path[0] === "capabilities") return path.length === 2 ? Object.keys(CapabilitySchema.shape) : [...EFFORTS];
  if (path[0] === "timeouts") return Object.keys(TimeoutsSchema.shape);
  if (path[0] === "state") return Object.keys(StateSchema.shape);
  return [];
}

function valueAtPath(tree: unknown, path: Path): unknown {
  return path.reduce<unknown>((node, key) => (node as Record<PropertyKey, unknown> | undefined)?.[key], tree);
}

/** Where a path stands in the text: its value, its key, or the nearest ancestor that is there. */
function offsetOf(root: unknown, path: Path, onKey: boolean): number {
  let node = root as Node | null;
  let offset = node?.range?.[0] ?? 0;
  path.forEach((key, depth) => {
    if (isAlias(node)) return;
    const isLast = depth === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (pair === undefined) return void (node = null);
      const keyNode = pair.key as Node;
      const value = pair.value as Node | null;
      offset = (isLast && !onKey ? value?.range?.[0] : undefined) ?? keyNode.range?.[0] ?? offset;
      node = value;
    } else if (isSeq(node)) {
      node = (node.items[Number(key)] ?? null) as Node | null;
      offset = node?.range?.[0] ?? offset;
    } else {
      node = null;
    }
  });
  return offset;
}

/** The alias that most likely is none: an unquoted name that begins with `*`. */
function firstAlias(root: unknown): { source: string; offset: number } {
  let found = { source: "*", offset: 0 };
  visit(root as Node, {
    Alias(_key, node) {
      found = { source: `*${node.source}`, offset: node.range?.[0] ?? 0 };
      return visit.BREAK;
    },
  });
  return found;
}

function pathText(path: Path): string {
  return path.reduce<string>(
    (text, key) => typeof key === "number" ? `${text}[${key}]` : text === "" ? String(key) : `${text}.${String(key)}`,
    "",
  );
}

function list(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

function article(type: string): string {
  return /^[aeio]/.test(type) ? `an ${type}` : `a ${type}`;
}

function sentence(message: string): string {
  return message.charAt(0).toUpperCase() + message.slice(1);
}

/** The schema as JSON Schema, for editors. */
export function schemaText(): string {
  const schema = z.toJSONSchema(ConfigSchema, { io: "input" });
  return `${JSON.stringify({ title: "Trivium config", ...schema }, null, 2)}\n`;
}
