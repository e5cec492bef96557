/** The gateway in this process, behind real HTTP on a free loopback port. */
import type { Log, LogFields } from "../../lib/base/log.ts";
import { serve } from "../../lib/base/runtime.ts";
import { parseConfig } from "../../lib/config.ts";
import { createGateway, type GatewayOptions } from "../../lib/gateway.ts";

export interface StartedGateway {
  /** `http://127.0.0.1:12345`, without a path. */
  url: string;
  stop(): Promise<void>;
}

/** Looks at what passes between the clients and the gateway; touches no body. */
export type Watch = (request: Request, response: Response | undefined) => void;

/**
 * Throws with every issue when the config is wrong. `env` is all the environment that the config sees, `options` what
 * only a test puts in place of the gateway's own.
 */
export async function startGateway(
  yaml: string,
  env: Record<string, string | undefined> = {},
  { watch, ...options }: GatewayOptions & { watch?: Watch } = {},
): Promise<StartedGateway> {
  const parsed = parseConfig(yaml, "test.yaml", env);
  if (!parsed.ok) throw new Error(`The test's config is wrong: ${JSON.stringify(parsed.issues, null, 2)}\n${yaml}`);
  const gateway = createGateway(parsed.value, options);
  const server = await serve({
    hostname: "127.0.0.1",
    port: 0,
    handle: async (request, upgrade) => {
      const response = await gateway.handle(request, upgrade);
      watch?.(request, response);
      return response;
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    async stop() {
      // By force: some tests leave streams open on purpose.
      await server.stop(true);
      gateway.close();
    },
  };
}

export interface KeptLog extends Log {
  lines: ({ event: string } & LogFields)[];
}

/** A log that keeps its lines. */
export function keptLog(): KeptLog {
  const lines: KeptLog["lines"] = [];
  const keep = (event: string, fields: LogFields = {}): void => void lines.push({ event, ...fields });
  return { lines, info: keep, warn: keep, error: keep, setLevel: () => {}, flush: () => {} };
}
