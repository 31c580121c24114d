import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** Read the program of SQLite. A command that was built has it inside of it (scripts/build.ts). */
export function readWasm(): Uint8Array {
  const require = createRequire(import.meta.url);
  return readFileSync(require.resolve("@journeyapps/wa-sqlite/dist/wa-sqlite.wasm"));
}
