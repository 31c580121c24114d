import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { format, resolveConfig } from "prettier";
import { describeCommands } from "../src/cli/line/describe.ts";
import { markdownOf } from "./lib/manual.ts";
import { ROOT } from "./lib/paths.ts";

/** `npm run docs`: write the commands and their options into docs/cli.md; with --print to standard output. */
const FILE = join(ROOT, "docs/cli.md");
const HEADING = "\n## Commands\n";

const text = await readFile(FILE, "utf8");
const written = text.slice(0, text.indexOf(HEADING));
const made = `${written}${HEADING}\nThis part is written by \`npm run docs\`.\n\n${markdownOf(await describeCommands())}\n`;
const formatted = await format(made, { ...(await resolveConfig(FILE)), parser: "markdown" });
if (process.argv.includes("--print")) process.stdout.write(formatted);
else await writeFile(FILE, formatted);
