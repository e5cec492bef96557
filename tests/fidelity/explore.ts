/** Every declared member in every way that it may be filled, carried through the gateway's own parts, and what became of it. */
import type { Json } from "../support/grammar.ts";
import type { Loss } from "../../lib/neutral.ts";
import { type Alternative, join, marksIn, type Needs, type ObjectType, Samples } from "./samples.ts";
import type { Member } from "./types.ts";

export const KINDS = ["carried", "emulated", "partly", "refused", "dropped", "moot", "silent"] as const;
export type Kind = (typeof KINDS)[number];

export interface Cell {
  kind: Kind;
  /** The reason of a loss or a refusal, or why there is nothing to carry. */
  note: string;
}

export interface Row {
  path: string;
  /** By column; absent: what holds it isn't carried there either. */
  cells: Map<string, Cell>;
}

/** What one body became. */
export interface Became {
  /** All that is sent, or answered in each way of answering; empty where it is refused. */
  bodies: readonly string[];
  /** Why it is refused. */
  refusal?: string;
  losses: readonly Loss[];
  /** What the gateway itself does in the upstream's stead. */
  ownWork: string;
}

export interface Column {
  name: string;
  run(body: Json): Became;
}

/** What needs no carrying, and why: `path` matches the member, `to` the column. */
export interface Moot {
  path: RegExp;
  to?: RegExp;
  why: string;
}

export interface Subject {
  type: ObjectType;
  base: Json;
  columns: readonly Column[];
  moot: readonly Moot[];
  /** What stands beside the elements of a list, so that a body is sound with and without one more. */
  beside(path: string, element: unknown): { before: unknown[]; after: unknown[] };
  /** Adds what must go with a member: a call for its result, a tool for its choice. */
  completed(body: Json): Json;
  needs: Needs;
  /** Losses have the paths of what the body becomes, not its own. */
  namesElsewhere: boolean;
  /** Members that must be there and may be null are null until they are probed. */
  prefersNull: boolean;
  /** Members that are probed by no value of their own: the model's name, the wish for a stream. */
  skipped: RegExp;
}

type Put = (value: Json) => Json;

/** A body with the value and one without it, and what they became. */
interface Trial {
  asked: Json;
  /** Where the two differ, as losses write it. */
  at: string;
  got: Became;
  without: Became;
}

/** An object within a body: where it stands, what it holds at least, and for whom it is worth looking into. */
interface Place {
  type: ObjectType;
  path: string;
  put: Put;
  least: Json;
  columns: readonly Column[];
  ancestors: readonly string[];
}

const MAX_DEPTH = 9;

export class Explorer {
  readonly rows: Row[] = [];
  readonly samples: Samples;
  readonly usedMoot = new Set<Moot>();

  constructor(readonly subject: Subject) {
    this.samples = new Samples(subject.needs, subject.prefersNull);
  }

  run(): Row[] {
    const { type, base, columns } = this.subject;
    this.#explore({ type, path: "", put: (value) => value, least: base, columns, ancestors: [] });
    return this.rows;
  }

  #explore(place: Place): void {
    for (const member of place.type.members) {
      const path = join(place.path, member.name);
      if (!this.subject.skipped.test(path)) this.#probe(place, member, path);
    }
  }

  #probe(place: Place, member: Member, path: string): void {
    const alternatives = this.samples.alternatives(member, path)
      .filter(({ label }) => !this.subject.skipped.test(path + label));
    const isFixed = place.path !== "" && !member.isOptional && place.least[member.name] !== null &&
      alternatives.length === 1 &&
      !isList(alternatives[0]);
    const isEmpty = (value: unknown) => JSON.stringify(value) === "{}";
    const probed = alternatives.map((alternative, index) => ({
      alternative,
      row: isFixed || isEmpty(alternative.value)
        ? undefined
        : this.#row(place, member, path, alternative, alternatives[index === 0 ? 1 : 0]),
    }));
    this.#keep(path, probed.flatMap(({ alternative, row }) => row === undefined ? [] : [{ alternative, row }]));
    for (const { alternative, row } of probed) this.#descend(place, member, path, alternative, row);
  }

  #row(
    place: Place,
    member: Member,
    path: string,
    alternative: Alternative,
    other: Alternative | undefined,
  ): Row | undefined {
    const { value } = alternative;
    const withIt = this.#body(place, member, Array.isArray(value) ? this.#amid(path, value) : value);
    const without = this.#body(place, member, this.#absence(place, member, path, alternative, other));
    // The least that must be there is this value.
    if (JSON.stringify(withIt) === JSON.stringify(without)) return undefined;
    const cells = place.columns.map((column): [string, Cell] => [
      column.name,
      this.#judge(column, `${path}${alternative.label}`, alternative.value, {
        asked: withIt,
        at: firstDifference(withIt, without),
        got: column.run(withIt),
        without: column.run(without),
      }),
    ]);
    return { path: `${path}${alternative.label}`, cells: new Map(cells) };
  }

  /** What stands there where the value doesn't: nothing, or where something must, another value. */
  #absence(
    place: Place,
    member: Member,
    path: string,
    { value }: Alternative,
    other: Alternative | undefined,
  ): unknown {
    if (Array.isArray(value) && besides(this.subject, path, value)) return this.#amid(path, value, []);
    const least = place.least[member.name];
    if (least === null || (Array.isArray(least) && least.length === 0)) return least;
    if (member.isOptional && !(member.name in place.least)) return undefined;
    return other?.value ?? place.least[member.name];
  }

  #body({ put, least }: Place, { name }: Member, value: unknown): Json {
    const { [name]: _, ...others } = least;
    return this.subject.completed(put(value === undefined ? others : { ...least, [name]: value }));
  }

  /** `list` between what stands beside it; `kept`: what of it is there. */
  #amid(path: string, list: unknown[], kept = list): unknown[] {
    const { before, after } = this.subject.beside(path, list[0]);
    return [...before, ...kept, ...after];
  }

  #judge(column: Column, path: string, value: unknown, { asked, at, got, without }: Trial): Cell {
    if (got.refusal !== undefined) return { kind: "refused", note: got.refusal };
    const news = got.losses.filter((loss) => !without.losses.some((old) => sameLoss(old, loss)));
    const marks = marksIn(value);
    const missing = marks.filter((mark) =>
      !got.bodies.every((body) => body.includes(mark) || got.ownWork.includes(mark))
    );
    const isNamed = this.subject.namesElsewhere && news.length > 0;
    const unsaid = isNamed
      ? []
      : missing.filter((mark) => !got.losses.some((loss) => covers(loss.path, pathOf(asked, mark) ?? "")));
    const changes = got.bodies.every((body, index) => body !== without.bodies[index]) ||
      got.ownWork !== without.ownWork;
    const unsent = unsaid.length === 0
      ? undefined
      : this.#silent(column, unsaid.map((mark) => this.samples.paths.get(mark) ?? mark), news);
    if (unsent?.kind === "silent") return unsent;
    if (news.length > 0) return lost(news, changes && (marks.length === 0 || missing.length < marks.length));
    const whole = got.losses.filter((loss) => covers(loss.path, at));
    if (whole.length > 0 && (!changes || (marks.length > 0 && missing.length === marks.length))) {
      return lost(whole, false);
    }
    if (!changes) return unsent ?? this.#silent(column, [path], []);
    return got.ownWork === without.ownWork ? { kind: "carried", note: "" } : { kind: "emulated", note: got.ownWork };
  }

  #silent(column: Column, paths: readonly string[], news: readonly Loss[]): Cell {
    const rules = paths.map((path) =>
      this.subject.moot.find((rule) => rule.path.test(path) && (rule.to === undefined || rule.to.test(column.name)))
    );
    for (const rule of rules) if (rule !== undefined) this.usedMoot.add(rule);
    const [first] = rules;
    const left = paths.filter((_, index) => rules[index] === undefined);
    const named = news.length === 0 ? "nothing" : news.map((loss) => loss.path).join(", ");
    const note = `not sent: ${left.map(bare).join(", ")}; named: ${named}`;
    return first === undefined || left.length > 0 ? { kind: "silent", note } : { kind: "moot", note: first.why };
  }

  /** Scalars that fare alike share a row. */
  #keep(path: string, probed: readonly { alternative: Alternative; row: Row }[]): void {
    const groups = new Map<string, { labels: string[]; row: Row }>();
    for (const { alternative, row } of probed) {
      const key = alternative.inner === undefined ? JSON.stringify([...row.cells]) : row.path;
      const group = groups.get(key) ?? { labels: [], row };
      group.labels.push(alternative.label);
      groups.set(key, group);
    }
    for (const { labels, row } of groups.values()) {
      const values = groups.size === 1 && labels.length > 1
        ? ""
        : labels.filter((label) => /^\w|^"/.test(label)).join(", ");
      const shown = labels.length === 1 && values === "" ? row.path : values === "" ? path : `${path}: ${values}`;
      this.rows.push({ ...row, path: shown });
    }
  }

  #descend(place: Place, member: Member, path: string, { label, inner }: Alternative, row: Row | undefined): void {
    if (inner === undefined || place.ancestors.length >= MAX_DEPTH || place.ancestors.includes(inner.type.name)) return;
    const live = place.columns.filter(({ name }) => isLive(row?.cells.get(name)));
    if (live.length === 0) return;
    const at = `${path}${label}`;
    this.#explore({
      type: inner.type,
      path: at,
      put: (value) => {
        const wrapped = inner.wrap(value);
        return place.put({
          ...place.least,
          [member.name]: Array.isArray(wrapped) ? this.#amid(path, wrapped) : wrapped,
        });
      },
      least: this.samples.least(inner.type, at),
      columns: live,
      ancestors: inner.type.name === "" ? place.ancestors : [...place.ancestors, inner.type.name],
    });
  }
}

function besides(subject: Subject, path: string, list: readonly unknown[]): boolean {
  const { before, after } = subject.beside(path, list[0]);
  return before.length + after.length > 0;
}

function isList(alternative: Alternative | undefined): boolean {
  return Array.isArray(alternative?.value);
}

function isLive(cell: Cell | undefined): boolean {
  return cell === undefined || cell.kind === "carried" || cell.kind === "emulated" || cell.kind === "partly";
}

function sameLoss(one: Loss, other: Loss): boolean {
  return one.path === other.path && one.reason === other.reason;
}

function lost(losses: readonly Loss[], isCarried: boolean): Cell {
  const note = [...new Set(losses.map(({ reason }) => reason.replace(/^emulated: /, "")))].join("; ");
  if (losses.every(({ reason }) => reason.startsWith("emulated"))) return { kind: "emulated", note };
  return { kind: isCarried ? "partly" : "dropped", note };
}

/** A loss names a member and everything in it. Where formats wrap a thing once more, its losses leave the wrapper out. */
function covers(loss: string, path: string): boolean {
  if (path === loss || path.startsWith(`${loss}.`) || path.startsWith(`${loss}[`)) return true;
  const bare = path.replace(/\.(?:image_url|file|input_audio|function|custom|source|json_schema)(?=\.|$)/g, "");
  return bare === loss || bare.startsWith(`${loss}.`) || bare.startsWith(`${loss}[`);
}

/** `messages[0].content[1].text`: where a text stands within a body. */
function pathOf(value: unknown, text: string, at = ""): string | undefined {
  if (typeof value === "string") return value.includes(text) ? at : undefined;
  for (const [key, inner] of entriesOf(value, at)) {
    const found = key.includes(text) ? key : pathOf(inner, text, key);
    if (found !== undefined) return found;
  }
  return undefined;
}

function entriesOf(value: unknown, at: string): [string, unknown][] {
  if (Array.isArray(value)) return value.map((inner, index) => [`${at}[${index}]`, inner]);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).map(([key, inner]) => [join(at, key), inner]);
}

/** Without a literal at its end, so that values that fare alike have one cell. */
function bare(path: string): string {
  return path.replace(/(?:"[^"]*"|true|false)$/, "");
}

/** The innermost place that holds all that differs. */
function firstDifference(one: unknown, other: unknown, at = ""): string {
  const others = new Map(entriesOf(other, at));
  const differing = entriesOf(one, at).filter(([key, inner]) =>
    JSON.stringify(inner) !== JSON.stringify(others.get(key))
  );
  const [first] = differing;
  return first === undefined
    ? at
    : others.has(first[0]) && differing.length === 1
    ? firstDifference(first[1], others.get(first[0]), first[0])
    : first[0];
}
