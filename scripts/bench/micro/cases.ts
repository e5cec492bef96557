/** The hot parts, each held against a loop that does the least of the same; and those whose cost may grow only linearly. */
import { Buffer } from "node:buffer";
import type { JsonObject } from "../../../lib/base/fields.ts";
import { scanObject } from "../../../lib/base/json.ts";
import { SseReader } from "../../../lib/base/sse.ts";
import { parseConfig } from "../../../lib/config.ts";
import { FORMATS } from "../../../lib/formats/mod.ts";
import { createGateway, type Gateway } from "../../../lib/gateway.ts";
import { mayHoldEnvelope } from "../../../lib/translation/envelope.ts";
import {
  answerTo,
  body,
  bytesOf,
  chunks,
  events,
  frames,
  imageBody,
  type Name,
  NAMES,
  PATHS,
  requestOf,
  sseEvents,
  targetOf,
} from "./material.ts";
import type { Work } from "./measure.ts";

export interface Case {
  /** By which its bound is found in `bounds.ts`. */
  name: string;
  unit: "event" | "byte" | "tool";
  /** What stands behind the ratio: the same at another size, or a loop of the runtime's own parts. */
  against: "itself" | string;
  /** Made when it is its turn: some are large. */
  make(): { work: Work; against: Work };
}

const DELTAS = 400;
const READ_BYTES = 4096;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Keeps a result, so that no compiler finds that nobody needs it. */
const keep: { last: unknown } = { last: undefined };

function feed(pieces: readonly Uint8Array[]): void {
  const reader = new SseReader();
  for (const piece of pieces) keep.last = reader.feed(piece);
  keep.last = reader.end();
}

/** The least that reads a stream: one decode a read, split at blank lines, the data cut out. */
function splitEvents(pieces: readonly Uint8Array[]): void {
  const streaming = new TextDecoder();
  let rest = "";
  for (const piece of pieces) {
    const parts = (rest + streaming.decode(piece, { stream: true })).split("\n\n");
    rest = parts.pop() ?? "";
    keep.last = parts.map((part) => part.slice(part.indexOf("data: ") + 6));
  }
}

function readerCase(name: Name): Case {
  return {
    name: `SSE reader, ${name}`,
    unit: "event",
    against: "TextDecoder and split",
    make: () => {
      const told = frames(name, events(DELTAS));
      const pieces = chunks(told.join(""), READ_BYTES);
      const units = told.length;
      return { work: { units, run: () => feed(pieces) }, against: { units, run: () => splitEvents(pieces) } };
    },
  };
}

function decoderCase(name: Name): Case {
  return {
    name: `decoder, ${name}`,
    unit: "event",
    against: "JSON.parse of the same data",
    make: () => {
      const given = sseEvents(frames(name, events(DELTAS)));
      const target = targetOf(name);
      const decode = (): void => {
        const decoding = FORMATS[name].openDecoder(target);
        for (const event of given) for (const neutral of decoding.decode(event)) keep.last = neutral;
        for (const neutral of decoding.end()) keep.last = neutral;
      };
      const parse = (): void => {
        for (const { data } of given) if (data !== "[DONE]") keep.last = JSON.parse(data);
      };
      return { work: { units: given.length, run: decode }, against: { units: given.length, run: parse } };
    },
  };
}

function encoderCase(name: Name): Case {
  return {
    name: `encoder, ${name}`,
    unit: "event",
    against: "JSON.stringify of what it wrote",
    make: () => {
      const told = events(DELTAS);
      const request = requestOf(name, body(name, 2, 300));
      const values = sseEvents(frames(name, told, request)).filter(({ data }) => data !== "[DONE]").map(({ data }) =>
        JSON.parse(data) as JsonObject
      );
      const encode = (): void => {
        const encoding = FORMATS[name].openEncoder(answerTo(request));
        for (const event of told) for (const frame of encoding.encode(event)) keep.last = frame;
      };
      const stringify = (): void => {
        for (const value of values) keep.last = `data: ${JSON.stringify(value)}\n\n`;
      };
      return { work: { units: told.length, run: encode }, against: { units: told.length, run: stringify } };
    },
  };
}

function scanCase(size: string, made: () => JsonObject): Case {
  return {
    name: `model scan, ${size}`,
    unit: "byte",
    against: "JSON.parse of the body",
    make: () => {
      const bytes = bytesOf(made());
      const units = bytes.length;
      return {
        work: { units, run: () => keep.last = scanObject(bytes) },
        against: { units, run: () => keep.last = JSON.parse(decoder.decode(bytes)) },
      };
    },
  };
}

function envelopeCase(size: string, made: () => JsonObject): Case {
  return {
    name: `envelope scan, ${size}`,
    unit: "byte",
    against: "one Buffer.includes",
    make: () => {
      const bytes = bytesOf(made());
      const buffer = Buffer.from(bytes.buffer);
      const absent = Buffer.from("what is in no body");
      const units = bytes.length;
      return {
        work: { units, run: () => keep.last = mayHoldEnvelope(bytes, FORMATS.chat.foreignMarks) },
        against: { units, run: () => keep.last = buffer.includes(absent) },
      };
    },
  };
}

/** One gateway with a provider that speaks that format alone. */
function gatewayTo(upstream: Name): Gateway {
  const provider = `bench: { base_url: "http://127.0.0.1:9/v1", formats: [${upstream}] }`;
  const parsed = parseConfig(`providers: { ${provider} }`, "bench.yaml", {});
  if (!parsed.ok) throw new Error("The benchmark's config is wrong");
  return createGateway(parsed.value);
}

function streamOf(pieces: readonly Uint8Array<ArrayBuffer>[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      const piece = pieces[next++];
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
  });
}

async function readAll(response: Response): Promise<void> {
  const reader = response.body?.getReader();
  while (reader !== undefined && !(await reader.read()).done);
}

/** A client's request for a stream, answered by these pieces: all of the gateway but the network. */
function exchange(gateway: Gateway, client: Name, asked: string, pieces: readonly Uint8Array<ArrayBuffer>[]) {
  return async (): Promise<void> => {
    const request = new Request(`http://localhost${PATHS[client]}`, { method: "POST", body: asked });
    const answer = new Response(streamOf(pieces), { headers: { "content-type": "text/event-stream" } });
    const response = await gateway.handleWith(request, answer);
    if (response.status !== 200) throw new Error(await response.text());
    await readAll(response);
  };
}

function streamWork(client: Name, upstream: Name, deltas: number, toolCount = 1): Work {
  const told = frames(upstream, events(deltas));
  const asked = JSON.stringify(body(client, 2, 300, toolCount));
  return {
    units: told.length,
    run: exchange(gatewayTo(upstream), client, asked, chunks(told.join(""), READ_BYTES)),
  };
}

/** What a translator can't do without: read, parse, build anew, write. */
function leastOf(upstream: Name, deltas: number): Work {
  const told = frames(upstream, events(deltas));
  const pieces = chunks(told.join(""), READ_BYTES);
  const rebuilt = (piece: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => {
    let out = "";
    for (const line of decoder.decode(piece).split("\n")) {
      if (line.startsWith("data: {") && line.endsWith("}")) {
        out += `data: ${JSON.stringify(JSON.parse(line.slice(6)))}\n\n`;
      }
    }
    return encoder.encode(out);
  };
  const run = async (): Promise<void> => {
    const reader = streamOf(pieces).getReader();
    const through = new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(rebuilt(value));
      },
    });
    await readAll(new Response(through));
  };
  return { units: told.length, run };
}

function pairCase(client: Name, upstream: Name): Case {
  return {
    name: client === upstream ? `pass-through, ${client}` : `translated, ${upstream} to ${client}`,
    unit: "event",
    against: "parse and stringify of each event",
    make: () => ({ work: streamWork(client, upstream, DELTAS), against: leastOf(upstream, DELTAS) }),
  };
}

const PAIRS = NAMES.flatMap((client) => NAMES.map((upstream) => [client, upstream] as const));
/** Each decoder and each encoder once. */
const CROSSED = [["messages", "chat"], ["responses", "messages"], ["chat", "responses"]] as const;

function longStreamCase(client: Name, upstream: Name): Case {
  return {
    name: `10,000 deltas to 100, ${upstream} to ${client}`,
    unit: "event",
    against: "itself",
    make: () => ({ work: streamWork(client, upstream, 10_000), against: streamWork(client, upstream, 100) }),
  };
}

/** The cost of an event is to hang on no number of tools: only the request's is. */
function manyToolsCase(client: Name, upstream: Name): Case {
  return {
    name: `an event with 200 tools to one with 1, ${upstream} to ${client}`,
    unit: "event",
    against: "itself",
    make: () => ({ work: streamWork(client, upstream, 5000, 200), against: streamWork(client, upstream, 5000, 1) }),
  };
}

/** A request that is planned and translated, answered by next to nothing. */
function requestWork(client: Name, upstream: Name, asked: JsonObject, units: (bytes: number) => number): Work {
  const text = JSON.stringify(asked);
  const pieces = chunks(frames(upstream, events(4)).join(""), READ_BYTES);
  return { units: units(text.length), run: exchange(gatewayTo(upstream), client, text, pieces) };
}

function longHistoryCase(client: Name, upstream: Name): Case {
  return {
    name: `a byte of 500 messages to one of 20, ${client} to ${upstream}`,
    unit: "byte",
    against: "itself",
    make: () => ({
      work: requestWork(client, upstream, body(client, 500, 4000), (bytes) => bytes),
      against: requestWork(client, upstream, body(client, 20, 4000), (bytes) => bytes),
    }),
  };
}

function toolListCase(client: Name, upstream: Name): Case {
  return {
    name: `one of 200 tools to one of 20, ${client} to ${upstream}`,
    unit: "tool",
    against: "itself",
    make: () => ({
      work: requestWork(client, upstream, body(client, 1, 100, 200), () => 200),
      against: requestWork(client, upstream, body(client, 1, 100, 20), () => 20),
    }),
  };
}

function bytewiseCase(): Case {
  return {
    name: "SSE reader, byte by byte to whole",
    unit: "event",
    against: "itself",
    make: () => {
      const told = frames("messages", events(DELTAS));
      const text = told.join("");
      const [single, whole] = [chunks(text, 1), chunks(text, text.length)];
      const units = told.length;
      return { work: { units, run: () => feed(single) }, against: { units, run: () => feed(whole) } };
    },
  };
}

/** An event that comes in many pieces: who joins them at each piece pays with the square of its size. */
function largeEventCase(): Case {
  const piecesOf = (bytes: number): Work => {
    const pieces = chunks(`data: "${"x".repeat(bytes)}"\n\n`, 64);
    return { units: bytes, run: () => feed(pieces) };
  };
  return {
    name: "SSE reader, a byte of an event of 256 KB to one of 16 KB, in pieces of 64",
    unit: "byte",
    against: "itself",
    make: () => ({ work: piecesOf(256 * 1024), against: piecesOf(16 * 1024) }),
  };
}

/** Against a loop of the runtime's own parts: what the hot parts cost beyond what they can't do without. */
export const COSTS: readonly Case[] = [
  ...NAMES.map(readerCase),
  ...NAMES.map(decoderCase),
  ...NAMES.map(encoderCase),
  scanCase("600 bytes", () => body("chat", 0, 0)),
  scanCase("2 MB of history", () => body("chat", 500, 4000)),
  scanCase("20 MB of an image", () => imageBody(20_000_000)),
  envelopeCase("2 MB of history", () => body("chat", 500, 4000)),
  envelopeCase("20 MB of an image", () => imageBody(20_000_000)),
  ...PAIRS.map(([client, upstream]) => pairCase(client, upstream)),
];

/** Against itself at another size: whatever is slow here has an eye on everything that came before. */
export const GROWTH: readonly Case[] = [
  longStreamCase("chat", "chat"),
  manyToolsCase("chat", "chat"),
  ...CROSSED.flatMap(([client, upstream]) => [
    longStreamCase(client, upstream),
    manyToolsCase(client, upstream),
    longHistoryCase(client, upstream),
    toolListCase(client, upstream),
  ]),
  bytewiseCase(),
  largeEventCase(),
];
