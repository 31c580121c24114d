import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** What Wrangler does for the Worker: SQLite's WebAssembly, compiled. */
export function compiledWasm(): Promise<WebAssembly.Module> {
  const file = createRequire(import.meta.url).resolve(
    "@journeyapps/wa-sqlite/dist/wa-sqlite-async.wasm",
  );
  // The Workers' types leave compile() out, as a Worker may not.
  const { compile } = WebAssembly as unknown as {
    compile(bytes: Uint8Array): Promise<WebAssembly.Module>;
  };
  return compile(readFileSync(file));
}
