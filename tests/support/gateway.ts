/** The gateway in this process, behind real HTTP on a free loopback port. */
import { serve } from "../../lib/base/runtime.ts";
import { parseConfig } from "../../lib/config.ts";
import { createGateway, type GatewayOptions } from "../../lib/gateway.ts";

export interface StartedGateway {
  /** `http://127.0.0.1:12345`, without a path. */
  url: string;
  stop(): Promise<void>;
}

/**
 * Throws with every issue when the config is wrong. `env` is all the environment that the config sees, `options` what
 * only a test puts in place of the gateway's own.
 */
export async function startGateway(
  yaml: string,
  env: Record<string, string | undefined> = {},
  options: GatewayOptions = {},
): Promise<StartedGateway> {
  const parsed = parseConfig(yaml, "test.yaml", env);
  if (!parsed.ok) throw new Error(`The test's config is wrong: ${JSON.stringify(parsed.issues, null, 2)}\n${yaml}`);
  const gateway = createGateway(parsed.value, options);
  const server = await serve({ hostname: "127.0.0.1", port: 0, handle: (request) => gateway.handle(request) });
  return {
    url: `http://127.0.0.1:${server.port}`,
    async stop() {
      // By force: some tests leave streams open on purpose.
      await server.stop(true);
      gateway.close();
    },
  };
}
