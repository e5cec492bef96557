/** Writes docs/FIDELITY.md: `bun run fidelity`. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { documentOf, findAll } from "../tests/fidelity/document.ts";

writeFileSync(fileURLToPath(new URL("../docs/FIDELITY.md", import.meta.url)), documentOf(findAll()));
