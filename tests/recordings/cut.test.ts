/**
 * Every recorded stream, broken off: after each of its events, and within some. The client gets a legal stream that ends
 * in its own error event, and nothing in it that the whole stream hasn't. Where the answer was over already, it is whole.
 */
import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import type { FormatName } from "../../lib/neutral.ts";
import { asObject, isObject, type Json } from "../support/grammar.ts";
import { assertLegal } from "./checks.ts";
import { eventsIn, objectsIn } from "./facts.ts";
import { hearRecording, hearStream } from "./oracle.ts";
import { ABSENT, answerBytes, type Recording, STREAMS } from "./recordings.ts";
import { finalOf } from "./sdk.ts";
import { Client, CLIENTS, eventsOf, steady } from "./translate.ts";

/** Streams of more events are cut where their events change, and every so often between. */
const MANY_EVENTS = 150;
const STRIDE = 16;
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
  const isCut = (index: number) =>
    ends.length <= MANY_EVENTS || index % STRIDE === 0 ||
    shapes[index] !== shapes[index - 1] || shapes[index] !== shapes[index + 1];
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

/** The frames before the error that ends a stream. */
function withoutError(client: FormatName, wire: string): string {
  const frames = wire.split("\n\n").slice(0, -1);
  const told = frames.slice(0, client === "responses" ? -2 : -1);
  return told.map((frame) => `${frame}\n\n`).join("");
}

function checkCut(recording: Recording, bytes: Uint8Array, cut: number, wholes: Record<FormatName, string>): void {
  const part = bytes.subarray(0, cut);
  const events = eventsOf(recording, [part]);
  const mayEnd = isOver(recording.format, new TextDecoder().decode(part));
  for (const client of CLIENTS) {
    const wire = new Client(client).push(events);
    assertLegal(client, wire);
    const { error } = hearStream(client, wire);
    if (error === undefined) {
      assert.ok(mayEnd, `${client}: a stream that was cut after ${cut} bytes looks whole`);
    } else if (events.some(({ t }) => t === "start")) {
      const told = steady(withoutError(client, wire));
      assert.ok(wholes[client].startsWith(told), `${client}: cut after ${cut} bytes it says something else:\n${told}`);
    }
  }
}

/** Broken off in its middle, it is no final message to the SDKs either. */
async function checkSdk(recording: Recording, bytes: Uint8Array): Promise<void> {
  const middle = eventEnds(bytes);
  const part = bytes.subarray(0, middle[Math.floor(middle.length / 2)] ?? 0);
  if (isOver(recording.format, new TextDecoder().decode(part))) return;
  const events = eventsOf(recording, [part]);
  for (const client of CLIENTS) await assert.rejects(finalOf(client, new Client(client).push(events)), client);
}

async function checkCuts(recording: Recording): Promise<void> {
  const bytes = answerBytes(recording);
  const events = eventsOf(recording, [bytes]);
  const wholes = {
    chat: steady(new Client("chat").push(events)),
    messages: steady(new Client("messages").push(events)),
    responses: steady(new Client("responses").push(events)),
  };
  const isFailure = hearRecording(recording).error !== undefined;
  for (const cut of cutsOf(bytes)) if (cut < bytes.length || !isFailure) checkCut(recording, bytes, cut, wholes);
  await checkSdk(recording, bytes);
}

describe("recorded streams, cut off", () => {
  if (ABSENT !== undefined) test.skip(ABSENT, () => {});
  for (const recording of STREAMS) test(recording.name, () => checkCuts(recording), 20_000);
});
