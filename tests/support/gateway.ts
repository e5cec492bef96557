/** The gateway in this process, behind real HTTP on a free loopback port. */
import { serve } from "../../lib/base/runtime.ts";
import { parseConfig } from "../../lib/config.ts";
import { createGateway } from "../../lib/gateway.ts";

export interface StartedGateway {
  /** `http://127.0.0.1:12345`, without a path. */
  url: string;
  stop(): Promise<void>;
}

/** Looks at what passes between the clients and the gateway; touches no body. */
export type Watch = (request: Request, response: Response) => void;

/** Throws with every issue when the config is wrong. `env` is all the environment that the config sees. */
export async function startGateway(
  yaml: string,
  env: Record<string, string | undefined> = {},
  watch: Watch = () => {},
): Promise<StartedGateway> {
  const parsed = parseConfig(yaml, "test.yaml", env);
  if (!parsed.ok) throw new Error(`The test's config is wrong: ${JSON.stringify(parsed.issues, null, 2)}\n${yaml}`);
  const gateway = createGateway(parsed.value);
  const handle = async (request: Request): Promise<Response> => {
    const response = await gateway.handle(request);
    watch(request, response);
    return response;
  };
  const server = await serve({ hostname: "127.0.0.1", port: 0, handle });
  return {
    url: `http://127.0.0.1:${server.port}`,
    // By force: some tests leave streams open on purpose.
    stop: () => server.stop(true),
  };
}
