/** Request bodies that come compressed. */
import { promisify } from "node:util";
import zlib from "node:zlib";
import { TOO_LARGE } from "./body.ts";

type Unpack = (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Uint8Array>;

const UNPACKERS: Readonly<Record<string, Unpack>> = {
  gzip: promisify(zlib.gunzip) as Unpack,
  deflate: promisify(zlib.inflate) as Unpack,
  br: promisify(zlib.brotliDecompress) as Unpack,
  zstd: promisify(zlib.zstdDecompress) as Unpack,
};

/** The plain bytes, `TOO_LARGE` beyond `maxBytes`, undefined for an unknown encoding or damaged bytes. */
export async function decompress(
  bytes: Uint8Array,
  encoding: string,
  maxBytes: number,
): Promise<Uint8Array | typeof TOO_LARGE | undefined> {
  if (encoding === "identity") return bytes;
  const name = encoding.trim().toLowerCase();
  const unpack = Object.hasOwn(UNPACKERS, name) ? UNPACKERS[name] : undefined;
  if (unpack === undefined) return undefined;
  try {
    return new Uint8Array(await unpack(bytes, { maxOutputLength: maxBytes }));
  } catch (error) {
    return (error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE" ? TOO_LARGE : undefined;
  }
}
