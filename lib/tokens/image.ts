/** What media cost, by the makers' published formulas; sizes are read from the files' heads. */
import { Buffer } from "node:buffer";
import type { Capabilities } from "../capabilities.ts";
import type { MediaPart } from "../neutral.ts";

interface Size {
  width: number;
  height: number;
}

/** Characters of base64 that hold the head of any image that is looked at. */
const HEAD = 256 * 1024;
const UNKNOWN: Size = { width: 1024, height: 1024 };

export function mediaTokens(part: MediaPart, { maker }: Capabilities): number {
  switch (part.kind) {
    case "image":
      return maker === "anthropic" ? pixelTokens(sizeOf(part)) : tileTokens(sizeOf(part), part.detail);
    case "document":
      return pagesOf(part) * PAGE_TOKENS;
    case "audio":
    case "video":
      return Math.ceil(base64Bytes(part) / AUDIO_BYTES_PER_TOKEN);
    default:
      return part.kind satisfies never;
  }
}

/** Anthropic: width × height / 750, after the longer edge was brought down to 1,568 pixels; 1,600 at most. */
function pixelTokens({ width, height }: Size): number {
  const scale = Math.min(1, 1568 / Math.max(width, height));
  return Math.max(1, Math.min(1600, Math.ceil((width * scale * height * scale) / 750)));
}

/** OpenAI: within 2,048², the shorter edge 768 at most, 85 and 170 for each tile of 512²; `low`: 85. */
function tileTokens({ width, height }: Size, detail: string | undefined): number {
  if (detail === "low") return 85;
  const first = Math.min(1, 2048 / Math.max(width, height));
  const scale = first * Math.min(1, 768 / (Math.min(width, height) * first));
  return 85 + 170 * Math.ceil(width * scale / 512) * Math.ceil(height * scale / 512);
}

/** Text and image of a page (Anthropic: 1,500 to 3,000 for the text alone). */
const PAGE_TOKENS = 3000;
/** A page of a PDF that doesn't tell its pages. */
const PAGE_BYTES = 100 * 1024;
const MAX_LOOKED_AT = 4 * 1024 * 1024;
/** 16 kHz, 16 bits, ten tokens a second. */
const AUDIO_BYTES_PER_TOKEN = 3200;

function pagesOf({ source }: MediaPart): number {
  if (source.type !== "base64") return 1;
  const bytes = Buffer.from(source.data.slice(0, MAX_LOOKED_AT), "base64");
  const marked = bytes.toString("latin1").match(/\/Type\s*\/Page(?!s)/g)?.length ?? 0;
  return Math.max(1, marked, marked === 0 ? Math.ceil(source.data.length * 0.75 / PAGE_BYTES) : 0);
}

function base64Bytes({ source }: MediaPart): number {
  return source.type === "base64" ? source.data.length * 0.75 : 0;
}

function sizeOf({ source }: MediaPart): Size {
  if (source.type !== "base64") return UNKNOWN;
  const bytes = Buffer.from(source.data.slice(0, HEAD), "base64");
  const size = pngSize(bytes) ?? gifSize(bytes) ?? webpSize(bytes) ?? jpegSize(bytes);
  return size !== undefined && size.width > 0 && size.height > 0 ? size : UNKNOWN;
}

function pngSize(bytes: Buffer): Size | undefined {
  if (bytes.length < 24 || bytes.readUInt32BE(0) !== 0x89504e47) return undefined;
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

function gifSize(bytes: Buffer): Size | undefined {
  if (bytes.length < 10 || bytes.toString("latin1", 0, 3) !== "GIF") return undefined;
  return { width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) };
}

function webpSize(bytes: Buffer): Size | undefined {
  if (bytes.length < 30 || bytes.toString("latin1", 8, 12) !== "WEBP") return undefined;
  switch (bytes.toString("latin1", 12, 16)) {
    case "VP8 ":
      return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff };
    case "VP8L": {
      const bits = bytes.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case "VP8X":
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
    default:
      return undefined;
  }
}

/** The first frame header (SOF), over the segments before it. */
function jpegSize(bytes: Buffer): Size | undefined {
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xffd8) return undefined;
  let at = 2;
  while (at + 9 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] ?? 0;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return { width: bytes.readUInt16BE(at + 7), height: bytes.readUInt16BE(at + 5) };
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}
