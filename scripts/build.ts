import { chmod, copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { build, type Plugin } from "esbuild";
import { describeCommands } from "../src/cli/line/describe.ts";
import { type Build, readWasm } from "../src/cli/sqlite/wasm.ts";
import { manPageOf } from "./lib/manual.ts";
import { ROOT } from "./lib/paths.ts";

/**
 * `npm run build`: makes the command line a package of its own, for `npm pack`: in dist/, or in the folder
 * that is named. It is one file of JavaScript with everything inside of it, also SQLite's WebAssembly, and
 * depends on nothing.
 */
const OWN = join(ROOT, "dist");
const DIST = resolve(process.argv[2] ?? OWN);
/** The oldest Node that the command runs on. */
const NODE = "20";

const read = async (name: string) => JSON.parse(await readFile(join(ROOT, name), "utf8")) as Root;

interface Root {
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly keywords: readonly string[];
  readonly config: { readonly commandPackage: string };
}

/** The builds of SQLite that the command has. */
const BUILDS: readonly Build[] = ["wa-sqlite", "wa-sqlite-async"];

/** Put SQLite's WebAssembly into the bundle, packed, in place of the module that reads it from node_modules. */
const withWasm: Plugin = {
  name: "wasm",
  setup(bundle) {
    bundle.onLoad({ filter: /\/src\/cli\/sqlite\/wasm\.ts$/ }, () => {
      const packed = BUILDS.map((name) => [name, packedWasm(name)]);
      return {
        contents: `import { brotliDecompressSync } from "node:zlib";
const packed = ${JSON.stringify(Object.fromEntries(packed))};
export const readWasm = (build) => brotliDecompressSync(Buffer.from(packed[build], "base64"));`,
      };
    });
  },
};

function packedWasm(name: Build): string {
  const wasm = readWasm(name);
  const params = { [constants.BROTLI_PARAM_SIZE_HINT]: wasm.length };
  return brotliCompressSync(wasm, { params }).toString("base64");
}

if (DIST === OWN) await rm(OWN, { recursive: true, force: true });
await mkdir(DIST, { recursive: true });
await build({
  entryPoints: [join(ROOT, "src/cli/main.ts")],
  outfile: join(DIST, "nightjar.js"),
  ...{ bundle: true, platform: "node", format: "esm", target: `node${NODE}`, minify: true },
  ...{ keepNames: true, legalComments: "eof", logLevel: "warning" },
  plugins: [withWasm],
});
await chmod(join(DIST, "nightjar.js"), 0o755);
const { version, description, license, keywords, config } = await read("package.json");
await writeFile(
  join(DIST, "package.json"),
  `${JSON.stringify(
    {
      ...{ name: config.commandPackage, version, description, license, keywords, type: "module" },
      bin: { nightjar: "nightjar.js" },
      man: "nightjar.1",
      engines: { node: `>=${NODE}` },
      files: ["nightjar.js", "nightjar.1"],
    },
    undefined,
    2,
  )}\n`,
);
await writeFile(join(DIST, "nightjar.1"), manPageOf(await describeCommands(), version));
await copyFile(join(ROOT, "LICENSE"), join(DIST, "LICENSE"));
await copyFile(join(ROOT, "docs/cli.md"), join(DIST, "README.md"));
