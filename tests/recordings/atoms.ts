/**
 * A request taken apart into what it asks for, one atom each, in words that the three formats share: two requests of
 * different formats that ask the same have the same atoms. What a reader doesn't know becomes an atom too, so that no
 * member of a body is left out. Written from the vendors' references; knows nothing of `lib/`.
 */
import { asArray, asObject, isObject, type Json } from "../support/grammar.ts";
import { inputOf, textOf } from "./facts.ts";

export interface Atom {
  /** What it says; equal for equal meaning in all formats. */
  key: string;
  /** Where it stands: `messages[0].content[1].text`. */
  path: string;
  /** Part of the conversation: its place among the others matters. */
  isOrdered?: true;
}

/** One object of a body, whose members are taken one by one; what is left is known to nobody. */
export class Members {
  readonly #object: Json;
  readonly #taken = new Set<string>();

  constructor(value: unknown, readonly path: string) {
    this.#object = asObject(value);
  }

  at(key: string): string {
    return this.path === "" ? key : `${this.path}.${key}`;
  }

  take(key: string): unknown {
    this.#taken.add(key);
    return this.#object[key] ?? undefined;
  }

  text(key: string): string {
    return textOf(this.take(key));
  }

  has(key: string): boolean {
    return (this.#object[key] ?? undefined) !== undefined;
  }

  /** The member, left for others to take. */
  peek(key: string): unknown {
    return this.#object[key] ?? undefined;
  }

  whole(): Json {
    return this.#object;
  }

  inner(key: string): Members {
    return new Members(this.take(key), this.at(key));
  }

  list(key: string): Members[] {
    return asArray(this.take(key)).map((value, index) => new Members(value, `${this.at(key)}[${index}]`));
  }

  *rest(): Generator<[string, unknown]> {
    for (const [key, value] of Object.entries(this.#object)) {
      if (!this.#taken.has(key) && !saysNothing(value)) yield [key, value];
    }
  }
}

function saysNothing(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return true;
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.values(value).every(saysNothing);
}

/** A call's arguments in the order of their names, so that equal objects have equal keys. */
export function stable(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stable).join()}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined).sort(([a], [b]) => a < b ? -1 : 1);
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${stable(inner)}`).join()}}`;
}

type Speaker = "system" | "user" | "assistant";

/** What the readers of all formats write their atoms with. */
export class Writer {
  readonly atoms: Atom[] = [];
  /** Ids of calls so far, in order: results are named by their call's place, since ids may change. */
  readonly #calls: { id: string; name: string }[] = [];
  readonly #instructions: string[] = [];
  #instructionPath = "";
  #hasBegun = false;

  add(key: string, path: string): void {
    this.atoms.push({ key, path });
  }

  /** A setting, unless it is at the value that it has anyway. */
  setting(name: string, members: Members, key: string, ...defaults: unknown[]): void {
    const value = members.take(key);
    if (!saysNothing(value) && !defaults.includes(value)) this.add(`${name}=${stable(value)}`, members.at(key));
  }

  said(speaker: Speaker, text: string, path: string): void {
    if (text.trim() === "") return;
    if (speaker === "system" && !this.#hasBegun) {
      this.#instructionPath ||= path;
      this.#instructions.push(text);
      return;
    }
    this.#hasBegun = true;
    this.#ordered(`${speaker}: ${text}`, path);
  }

  /** Media: `source` is the data itself, an address or an id. */
  media(kind: string, source: string, path: string): void {
    this.#hasBegun = true;
    this.#ordered(`${kind} ${source}`, path);
  }

  thinking(text: string, seal: string, path: string): void {
    this.#hasBegun = true;
    if (text !== "") this.#ordered(`thinking: ${text}`, path);
    if (seal !== "") this.#ordered(`seal ${seal}`, path);
  }

  call(id: string, name: string, input: unknown, path: string): void {
    this.#hasBegun = true;
    this.#calls.push({ id, name });
    this.#ordered(`call ${name}(${stable(typeof input === "string" ? inputOf(input) : input)})`, path);
  }

  /** `name`: of the tool, where the format repeats it: it says nothing new. */
  result(id: string, text: string, path: string, name = ""): void {
    this.#hasBegun = true;
    // The latest call of this id: some servers begin again with `call_0` in every turn.
    const place = this.#calls.findLastIndex((call) => call.id === id);
    if (name !== "" && name !== this.#calls[place]?.name) this.add(`name of a result ${name}`, `${path}.name`);
    this.add(`result of call ${place}: ${text.replace(PLACEHOLDER, "").trim()}`, path);
  }

  cacheMark(members: Members, key: string): void {
    const mark = members.take(key);
    if (!isObject(mark)) return;
    this.add("cache mark", members.at(key));
    const ttl = textOf(mark["ttl"]);
    if (ttl !== "" && ttl !== "5m") this.add(`cache mark for ${ttl}`, `${members.at(key)}.ttl`);
  }

  tool(name: string, members: Members, schemaKey: string): void {
    this.#toolHead(name, members);
    this.add(`${name} schema=${stable(schemaOf(members.take(schemaKey)))}`, members.at(schemaKey));
    this.setting(`${name} strict`, members, "strict", false);
  }

  /** A tool that takes free text. `format`: its grammar, however the format nests it. */
  customTool(name: string, members: Members, grammar: Json): void {
    this.#toolHead(name, members);
    const definition = textOf(grammar["definition"]);
    if (definition !== "") this.add(`${name} grammar ${definition}`, members.at("format"));
  }

  #toolHead(name: string, members: Members): void {
    this.add(`tool ${name}`, members.path);
    // Where only functions exist a grammar is told in words.
    const [description = ""] = members.text("description").split(/\n*The input must follow this grammar/);
    if (description !== "") this.add(`${name} description ${description}`, members.at("description"));
  }

  /** The schema of an answer, without what the reference has its writers add, and with its description apart. */
  answerSchema(schema: unknown, description: string, path: string): void {
    const { description: own, ...others } = asObject(schema);
    for (const text of new Set([description, textOf(own)])) {
      if (text !== "") this.add(`answer description ${text}`, `${path}.description`);
    }
    if (schema !== undefined) this.add(`answer schema ${stable(closed(others))}`, `${path}.schema`);
  }

  /** Which tools the model is to take: one, some, or the word for it. */
  choice(word: unknown, names: readonly string[], path: string): void {
    const among = names.length === 0 ? "" : ` of ${names.join(", ")}`;
    if (word !== "auto" || among !== "") this.add(`choice=${String(word)}${among}`, path);
  }

  compaction(text: string, path: string): void {
    this.#hasBegun = true;
    this.#ordered(`compaction: ${text}`, path);
  }

  /** Members that nobody took. */
  rest(members: Members): void {
    for (const [key, value] of members.rest()) this.#leaves(value, members.at(key));
  }

  #leaves(value: unknown, path: string): void {
    if (saysNothing(value)) return;
    if (Array.isArray(value)) value.forEach((inner, index) => this.#leaves(inner, `${path}[${index}]`));
    else if (isObject(value) && !("rawJSON" in value)) {
      for (const [key, inner] of Object.entries(value)) this.#leaves(inner, `${path}.${key}`);
    } else this.add(`other ${path.replace(/\[\d+\]/g, "[]")}=${stable(value)}`, path);
  }

  #ordered(key: string, path: string): void {
    this.atoms.push({ key, path, isOrdered: true });
  }

  finish(): Atom[] {
    const system = this.#instructions.join("\n\n");
    return system === ""
      ? this.atoms
      : [{ key: `system: ${system}`, path: this.#instructionPath, isOrdered: true }, ...this.atoms];
  }
}

/** What every schema of a tool's is at least. */
function schemaOf(value: unknown): Json {
  return { type: "object", properties: {}, ...asObject(value) };
}

/** Messages takes objects without further members alone, and has one word for a choice (TRANSLATION.md, 2.4). */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (!isObject(value)) return value;
  const { additionalProperties, oneOf, ...others } = value;
  const open = additionalProperties === undefined || additionalProperties === false ? {} : { additionalProperties };
  const entries = Object.entries(oneOf === undefined ? others : { ...others, anyOf: oneOf });
  return { ...open, ...Object.fromEntries(entries.map(([key, inner]) => [key, closed(inner)])) };
}

/** What stands in a tool's result for media that come after it. */
const PLACEHOLDER = /\[(?:image|document|audio|video) returned below\]/g;

/** A data URL as media type and data; any other address as it is. */
export function sourceOf(url: string): string {
  const data = /^data:([^;,]*)[^,]*,(.*)$/s.exec(url);
  return data === null ? url : `${data[1]?.toLowerCase().replace("image/jpg", "image/jpeg")};${data[2]}`;
}

/** Text of a failed tool: formats without a flag for it say it first. */
export function failedText(text: string): string {
  return text.startsWith("Error:") ? text : `Error: ${text}`;
}
