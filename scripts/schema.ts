/** Writes docs/config.schema.json from the zod schema; a test keeps it current. */
import { writeFileSync } from "node:fs";
import { schemaText } from "../lib/config.ts";

writeFileSync(new URL("../docs/config.schema.json", import.meta.url), schemaText());
