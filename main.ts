import { liftFetchCap } from "./lib/base/runtime.ts";

liftFetchCap();
const { main } = await import("./lib/cli.ts");
await main(import.meta.dirname);
