import { fileURLToPath } from "node:url";
import { liftFetchCap } from "./lib/base/runtime.ts";

liftFetchCap();
const { main } = await import("./lib/cli.ts");
await main(fileURLToPath(new URL(".", import.meta.url)));
