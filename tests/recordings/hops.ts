/** What must hold of a request and of what it becomes for another format: no loss without a name, no name without a loss. */
import assert from "node:assert/strict";
import type { Loss } from "../../lib/neutral.ts";
import type { Json } from "../support/grammar.ts";
import type { FormatName } from "../support/told.ts";
import type { Atom } from "./atoms.ts";
import { chatAtoms } from "./atoms_chat.ts";
import { messagesAtoms } from "./atoms_messages.ts";
import { responsesAtoms } from "./atoms_responses.ts";
import { ADDED, allows, MISSING, NAMED } from "./exceptions.ts";

const ATOMS: Readonly<Record<FormatName, (body: unknown) => Atom[]>> = {
  chat: chatAtoms,
  messages: messagesAtoms,
  responses: responsesAtoms,
};

/** One encoding: `from` what was asked, `to` what is sent, with what was said to be lost. */
export interface Hop {
  from: { format: FormatName; body: Json };
  to: { format: FormatName; body: Json };
  losses: readonly Loss[];
  /** Stop sequences that the gateway sees to itself. */
  emulatedStops: readonly string[];
}

export function assertHop({ from, to, losses, emulatedStops }: Hop): void {
  const before = ATOMS[from.format](from.body);
  const stops = emulatedStops.map((sequence): Atom => ({ key: `stop at ${sequence}`, path: "" }));
  const after = [...ATOMS[to.format](to.body), ...stops];
  const { missing, added } = compare(before, after);
  const where = `${from.format} → ${to.format}`;

  const silent = missing.filter(({ key, path }) =>
    !allows(MISSING, to.format, key) && !losses.some((loss) => covers(loss.path, path))
  );
  assert.deepEqual(silent, [], `${where}: lost without a name; named are ${JSON.stringify(losses)}`);

  const vain = losses.filter(({ path, reason }) =>
    !allows(NAMED, to.format, reason) && !missing.some((atom) => covers(path, atom.path))
  );
  assert.deepEqual(vain, [], `${where}: named, but nothing is lost`);

  const isEmulated = losses.some(({ reason }) => EMULATED.test(reason));
  const changed = new Set(missing.flatMap(({ key }) => SETTING.exec(key)?.[0] ?? []));
  const made = added.filter(({ key, isOrdered }) =>
    !allows(ADDED, to.format, key) && !(isOrdered && isEmulated) && !changed.has(SETTING.exec(key)?.[0] ?? "")
  );
  assert.deepEqual(made, [], `${where}: nobody asked for it`);
  assertOrder(before, after, where);
}

/** Reasons that say what stands in for what was lost. */
const EMULATED = /emulated|sent as text|goes as text/;
/** The name of a setting: with another value it is another atom. */
const SETTING = /^[a-z ]+=/;

interface Difference {
  missing: Atom[];
  added: Atom[];
}

/** Atoms that the other side lacks, each counted. */
function compare(before: readonly Atom[], after: readonly Atom[]): Difference {
  const added = [...after];
  const missing = before.filter((atom) => {
    const index = added.findIndex(({ key }) => key === atom.key);
    if (index === -1) return !after.some((other) => isWithin(atom.key, other.key));
    added.splice(index, 1);
    return false;
  });
  return { missing, added: added.filter(({ key }) => !before.some((atom) => isWithin(atom.key, key))) };
}

/** Several texts of one turn of the assistant's, and several instructions, may have become one. */
function isWithin(key: string, other: string): boolean {
  const speaker = /^(?:assistant|system): /.exec(key)?.[0];
  return speaker !== undefined && other.startsWith(speaker) && other.includes(key.slice(speaker.length));
}

/** A loss names a member and everything in it; one without a path of its own is a member of any object. */
function covers(loss: string, path: string): boolean {
  if (path === loss || path.startsWith(`${loss}.`) || path.startsWith(`${loss}[`)) return true;
  return !/[.[]/.test(loss) && path.endsWith(`.${loss}`);
}

/** What came through comes in the order that it was said in. */
function assertOrder(before: readonly Atom[], after: readonly Atom[], where: string): void {
  const ordered = (atoms: readonly Atom[]) => atoms.filter(({ isOrdered }) => isOrdered).map(({ key }) => key);
  const [one, other] = [ordered(before), ordered(after)];
  const common = (keys: string[], others: string[]) =>
    keys.filter((key) => count(keys, key) === 1 && count(others, key) === 1);
  assert.deepEqual(common(other, one), common(one, other), `${where}: the order of the conversation`);
}

function count(keys: readonly string[], key: string): number {
  return keys.filter((each) => each === key).length;
}
