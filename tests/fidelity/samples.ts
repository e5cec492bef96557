/** Values for declared types: the least that is sound, with texts that can be found again wherever they go. */
import type { Json } from "../support/grammar.ts";
import { branchesOf, type Member, resolve, type Type } from "./types.ts";

/** One way to fill a member. `label`: how a table tells it from the others; `inner`: the object type that it is of. */
export interface Alternative {
  /** `[text]`, `(function)`; a literal's JSON; `""` where nothing is to be told apart. */
  label: string;
  value: unknown;
  inner?: { type: ObjectType; wrap: (value: Json) => unknown };
}

export type ObjectType = Extract<Type, { kind: "object" }>;

const MARK = /zq\d{4}zq/g;

/** By the end of a member's path: what a sample must be, for the request to be sound. `mark`: eight letters, base64. */
const SOUND: readonly (readonly [RegExp, (mark: string) => unknown])[] = [
  [/(?<!\[image_url\])\.image_url$|(?:^|\.)(?:url|file_url|server_url)$/, (mark) => `https://example.com/${mark}.png`],
  [/\.file\.file_data$|input_file\]\.file_data$/, (mark) => `data:application/pdf;base64,${mark}`],
  [/\.filename$/, (mark) => `${mark}.pdf`],
  [/\.arguments$/, (mark) => `{"a":"${mark}"}`],
  [/(?:parameters|(?:^|\.)(?:input_)?schema)$/, (mark) => ({
    type: "object",
    properties: { [mark]: { type: "string" } },
    required: [mark],
    additionalProperties: false,
  })],
  [/logit_bias$/, () => ({ "50256": 7 })],
  [/(?:temperature|top_p|penalty)$/, () => 0.5],
  [/^n$/, () => 2],
  [/^choices\[\]\.index$/, () => 0],
  [/max_(?:output_|completion_)?tokens$/, () => 4000],
  [/budget_tokens$/, () => 2048],
  [/top_logprobs$/, () => 3],
  [/total_tokens|_tokens$/, () => 17],
  [/(?:start_index|start_char_index|start_block_index)$/, () => 0],
  [/(?:end_index|end_char_index|end_block_index)$/, () => 2],
  [/created(?:_at)?$|completed_at$/, () => 1_790_000_000],
];

/** Members that an object needs though its declaration doesn't say so, by the end of its path. */
export type Needs = readonly (readonly [RegExp, (mark: (member: string) => string) => Json])[];

/** Makes samples; remembers for each of its texts which member it was made for. */
export class Samples {
  readonly paths = new Map<string, string>();

  constructor(readonly needs: Needs = [], readonly prefersNull = false) {}

  mark(path: string): string {
    const mark = `zq${String(this.paths.size).padStart(4, "0")}zq`;
    this.paths.set(mark, path);
    return mark;
  }

  /** An object's required members alone. */
  least(type: ObjectType, path: string): Json {
    const required = type.members.filter(({ isOptional }) => !isOptional);
    const needed = this.needs.find(([pattern]) => pattern.test(path))?.[1]((member) => this.mark(join(path, member)));
    return {
      ...Object.fromEntries(required.map(({ name, type }) => [name, this.one(type, join(path, name))])),
      ...needed,
    };
  }

  one(type: Type, path: string): unknown {
    if (this.prefersNull && branchesOf(type).some(({ kind }) => kind === "null")) return null;
    return this.alternatives({ name: "", isOptional: false, type }, path)[0]?.value ?? null;
  }

  /** Every way in which a member may be filled; texts first, `null` never: it says nothing. */
  alternatives({ type }: Pick<Member, "type" | "name" | "isOptional">, path: string): Alternative[] {
    const sound = SOUND.find(([pattern]) => pattern.test(path));
    if (sound !== undefined) return [{ label: "", value: sound[1](this.mark(path)) }];
    const branches = branchesOf(type).filter(({ kind }) => kind !== "null");
    const isOpen = branches.some(({ kind }) => kind === "string");
    const kept = branches.filter((branch) => !(isOpen && branch.kind === "literal"));
    const order = (branch: Type) => branch.kind === "string" ? 0 : 1;
    const objects = kept.flatMap((branch) => branch.kind === "array" ? branchesOf(branch.of) : [branch]);
    const isAlone = objects.filter(({ kind }) => kind === "object").length < 2;
    return kept.sort((a, b) => order(a) - order(b)).flatMap((branch) => this.#branch(branch, path, objects, isAlone));
  }

  #branch(branch: Type, path: string, among: readonly Type[], isAlone: boolean): Alternative[] {
    switch (branch.kind) {
      case "literal":
        return [{ label: JSON.stringify(branch.value), value: branch.value }];
      case "boolean":
        return [true, false].map((value) => ({ label: String(value), value }));
      case "string":
        return [{ label: "", value: this.mark(path) }];
      case "number":
        return [{ label: "", value: 7 }];
      case "array":
        return this.#elements(branch.of, path, among, isAlone);
      case "object":
        return [this.#object(branch, path, (value) => value, isAlone ? "" : `(${kindAmong(branch, among)})`)];
      case "record":
      case "unknown":
        return [{ label: "", value: { k: this.mark(path) } }];
      default:
        return [];
    }
  }

  #elements(of: Type, path: string, among: readonly Type[], isAlone: boolean): Alternative[] {
    const branches = branchesOf(of);
    const isOpen = branches.some(({ kind }) => kind === "string");
    return branches.filter((branch) => !(isOpen && branch.kind === "literal")).flatMap((element) => {
      if (element.kind === "object") {
        const label = isAlone ? "[]" : `[${kindAmong(element, among)}]`;
        return [this.#object(element, path, (value) => [value], label)];
      }
      return this.#branch(resolve(element), path, among, isAlone).map(({ label, value }) => ({
        label,
        value: [value],
      }));
    });
  }

  #object(type: ObjectType, path: string, wrap: (value: Json) => unknown, label: string): Alternative {
    return { label, value: wrap(this.least(type, `${path}${label}`)), inner: { type, wrap } };
  }
}

/** Two objects of one kind are told apart by their types' names. */
function kindAmong(type: ObjectType, among: readonly Type[]): string {
  const kind = kindOf(type);
  const isShared = among.filter((other) => other.kind === "object" && kindOf(other) === kind).length > 1;
  return isShared ? `${kind}: ${nameOf(type)}` : kind;
}

function nameOf({ name }: ObjectType): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** What marks an object within a union: its `type`, its `role`, or else the declaration's name. */
export function kindOf(type: ObjectType): string {
  for (const key of ["type", "role"]) {
    const found = type.members.find(({ name }) => name === key);
    const branches = found === undefined ? [] : branchesOf(found.type);
    const [only] = branches;
    if (branches.length === 1 && only?.kind === "literal") return String(only.value);
  }
  return nameOf(type);
}

export function marksIn(value: unknown): string[] {
  return [...new Set(JSON.stringify(value).match(MARK) ?? [])];
}

export function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
