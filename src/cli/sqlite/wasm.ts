import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** SQLite for files of this machine, and the one that the Worker has, which waits for its pages. */
export type Build = "wa-sqlite" | "wa-sqlite-async";

/** Read the program of SQLite. A command that was built has it inside of it (scripts/build.ts). */
export function readWasm(build: Build): Uint8Array<ArrayBuffer> {
  const require = createRequire(import.meta.url);
  return readFileSync(require.resolve(`@journeyapps/wa-sqlite/dist/${build}.wasm`));
}
