import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** Compile SQLite's WebAssembly, as Wrangler does for the Worker. */
export function compiledWasm(): Promise<WebAssembly.Module> {
  const file = createRequire(import.meta.url).resolve(
    "@journeyapps/wa-sqlite/dist/wa-sqlite-async.wasm",
  );
  // The Workers' types omit compile(), because a Worker may not call it.
  const { compile } = WebAssembly as unknown as {
    compile(bytes: Uint8Array): Promise<WebAssembly.Module>;
  };
  return compile(readFileSync(file));
}
