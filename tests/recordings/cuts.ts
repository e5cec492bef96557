/**
 * A stream broken off: after each of its events, and within some. The client gets a legal stream that ends in its own
 * error event, and nothing in it that the whole stream hasn't. Where the answer was over already, it is whole.
 */
import assert from "node:assert/strict";
import type { FormatName } from "../../lib/neutral.ts";
import { asObject, isObject, type Json } from "../support/grammar.ts";
import { assertLegal } from "./checks.ts";
import { eventsIn, objectsIn } from "./facts.ts";
import { hearSource, hearStream } from "./oracle.ts";
import { answerBytes, type Source } from "./recordings.ts";
import { finalOf } from "./sdk.ts";
import { Client, CLIENTS, eventsOf, steady } from "./translate.ts";

/** Streams of more events are cut where their events change in a way not seen before, and every so often between. */
const MANY_EVENTS = 250;
/** Each cut is decoded from the beginning: how many events may be decoded for one stream, about. */
const MAX_DECODED = 30_000;
/** How many events lie between two cuts within one. */
const INNER_STRIDE = 8;

/** Offsets behind each event: a blank line ends one. */
function eventEnds(bytes: Uint8Array): number[] {
  const text = new TextDecoder("latin1").decode(bytes);
  return [...text.matchAll(/\r\n\r\n|\n\n/g)].map((match) => match.index + match[0].length);
}

/** The offsets to cut at: none at all, events, and the middles of some. */
function cutsOf(bytes: Uint8Array): number[] {
  const ends = [0, ...eventEnds(bytes)];
  const shapes = ends.map((end, index) => shapeOf(new TextDecoder().decode(bytes.subarray(ends[index - 1] ?? 0, end))));
  const stride = Math.ceil(ends.length ** 2 / 2 / MAX_DECODED);
  const seen = new Set<string>();
  const isCut = (index: number) => {
    const change = shapes.slice(Math.max(0, index - 1), index + 2).join("\n");
    const isNew = !seen.has(change);
    seen.add(change);
    return ends.length <= MANY_EVENTS || isNew || index % stride === 0;
  };
  return ends.flatMap((end, index) => {
    if (!isCut(index)) return [];
    const next = ends[index + 1];
    return next === undefined || index % INNER_STRIDE !== 0 ? [end] : [end, Math.floor((end + next) / 2)];
  });
}

/** An event without its values: which members it has, and which of them say nothing. */
function shapeOf(event: string): string {
  return eventsIn(event).map(({ data }) => parsed(data).map(outline).join()).join();
}

function outline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(outline).join()}]`;
  if (isObject(value)) return `{${Object.entries(value).map(([key, inner]) => `${key}:${outline(inner)}`).join()}}`;
  return value === null || value === "" ? String(value) : typeof value;
}

/** Whether a stream that ends here has told its stop: it may end, though not all of its usage is known. */
const IS_OVER: Readonly<Record<FormatName, (events: readonly Json[]) => boolean>> = {
  chat: (chunks) => {
    const choices = chunks.flatMap((chunk) => objectsIn(chunk["choices"]));
    const indexes = new Set(choices.map(({ index }) => index));
    const ended = new Set(choices.filter((choice) => choice["finish_reason"]).map(({ index }) => index));
    return indexes.size > 0 && indexes.size === ended.size;
  },
  messages: (events) =>
    events.some(({ type, delta }) => type === "message_stop" || asObject(delta)["stop_reason"] !== undefined),
  responses: (events) => events.some(({ type }) => /^response\.(?:completed|incomplete)$/.test(String(type))),
};

function isOver(format: FormatName, text: string): boolean {
  const data = eventsIn(text).map((event) => event.data.trim());
  return data.includes("[DONE]") || IS_OVER[format](data.flatMap(parsed));
}

function parsed(data: string): Json[] {
  try {
    const value: unknown = JSON.parse(data);
    return isObject(value) ? [value] : [];
  } catch {
    return [];
  }
}

/** The last frames, of which an error consists where there is one, and those before them. */
function endOf(client: FormatName, wire: string): { told: string; end: string } {
  let start = wire.length;
  for (let frames = client === "responses" ? 3 : 1; frames > 0; frames--) {
    const at = wire.lastIndexOf("\n\n", start - 3);
    start = at === -1 ? 0 : at + 2;
  }
  return { told: wire.slice(0, start), end: wire.slice(start) };
}

function checkCut(source: Source, bytes: Uint8Array, cut: number, wholes: Record<FormatName, string>): void {
  const part = bytes.subarray(0, cut);
  const events = eventsOf(source, [part]);
  for (const client of CLIENTS) {
    const wire = new Client(client).push(events);
    assertLegal(client, wire);
    const { told, end } = endOf(client, wire);
    if (hearStream(client, end).error === undefined) {
      const mayEnd = isOver(source.format, new TextDecoder().decode(part));
      assert.ok(mayEnd, `${client}: a stream that was cut after ${cut} bytes looks whole`);
    } else if (events.some(({ t }) => t === "start")) {
      const isBeginning = wholes[client].startsWith(steady(told));
      assert.ok(isBeginning, `${client}: cut after ${cut} bytes it says something else:\n${told}`);
    }
  }
}

/** Broken off in its middle, it is no final message to the SDKs either. */
async function checkSdk(source: Source, bytes: Uint8Array): Promise<void> {
  const middle = eventEnds(bytes);
  const part = bytes.subarray(0, middle[Math.floor(middle.length / 2)] ?? 0);
  if (isOver(source.format, new TextDecoder().decode(part))) return;
  const events = eventsOf(source, [part]);
  for (const client of CLIENTS) await assert.rejects(finalOf(client, new Client(client).push(events)), client);
}

export async function checkCuts(source: Source): Promise<void> {
  const bytes = answerBytes(source);
  const events = eventsOf(source, [bytes]);
  const wholes = {
    chat: steady(new Client("chat").push(events)),
    messages: steady(new Client("messages").push(events)),
    responses: steady(new Client("responses").push(events)),
  };
  const isFailure = hearSource(source).error !== undefined;
  for (const cut of cutsOf(bytes)) if (cut < bytes.length || !isFailure) checkCut(source, bytes, cut, wholes);
  await checkSdk(source, bytes);
}
