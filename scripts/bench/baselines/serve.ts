/** How the baselines are served and called: the least that each runtime needs. */
import process from "node:process";
import { parseArgs } from "node:util";

type Handler = (request: Request) => Promise<Response>;

interface Runtimes {
  Bun?: {
    serve(options: { hostname: string; port: number; idleTimeout: number; fetch: Handler }): { port: number };
  };
  Deno?: {
    serve(options: { hostname: string; port: number; onListen: () => void }, handle: Handler): {
      addr: { port: number };
    };
  };
}

/** `--port N` (0: any free one) and `--upstream URL`; prints `listening PORT` once it serves. */
export function serveBaseline(open: (upstream: string) => Handler): void {
  const { values } = parseArgs({
    strict: false,
    options: { port: { type: "string", default: "0" }, upstream: { type: "string", default: "http://127.0.0.1:9100" } },
  });
  const { Bun, Deno } = globalThis as Runtimes;
  const address = { hostname: "127.0.0.1", port: Number(values.port) };
  const handle = open(String(values.upstream));
  const port = Bun === undefined
    ? Deno?.serve({ ...address, onListen: () => {} }, handle).addr.port
    : Bun.serve({ ...address, idleTimeout: 0, fetch: handle }).port;
  process.stdout.write(`listening ${port}\n`);
}
