/** Wrangler and the vitest plugin bundle `import … from "….wasm"` as a compiled module. */
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}

declare module "@journeyapps/wa-sqlite/dist/wa-sqlite-async.mjs" {
  const factory: (options: object) => Promise<import("./engine.ts").Emscripten>;
  export default factory;
}

declare module "@journeyapps/wa-sqlite/dist/wa-sqlite.mjs" {
  const factory: (options: object) => Promise<import("./engine.ts").Emscripten>;
  export default factory;
}
