/**
 * `npm run check`: refuse imports between rooms of src/ that scripts/lib/rooms.ts does not allow.
 * Prints each one and exits with 1.
 */
import { globSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { forbiddenImports } from "./lib/imports.ts";
import { ROOT } from "./lib/paths.ts";

const root = resolve(process.argv[2] ?? ROOT);
const files = globSync("src/**/*.{ts,tsx}", { cwd: root }).toSorted();
const found = files.flatMap((file) =>
  forbiddenImports(file, readFileSync(join(root, file), "utf8")),
);
for (const { file, line, why } of found)
  process.stderr.write(`${relative(ROOT, join(root, file))}:${line}: ${why}\n`);
if (files.length === 0) throw new Error(`${root} has no src/`);
process.exitCode = found.length > 0 ? 1 : 0;
