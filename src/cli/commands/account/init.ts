import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { defineCommand } from "citty";
import { findConnection } from "../../account/connection.ts";
import { PROJECT_FILE } from "../../account/project.ts";
import { database, json } from "../../line/args.ts";
import { apiClient, bodyOf } from "../../client.ts";
import { CliError, EXIT } from "../../exit.ts";
import { workingFolder } from "../../files/folder.ts";
import { print, printJson } from "../../output.ts";

/** List what the command line writes: copies of a database, and the keys that open them. */
const ignoredFor = (name: string): readonly string[] => [
  // Not every *.sql: a repository has its migrations.
  ...[`${name}.db*`, `${name}.sql*`, `${name}-*.db`, "*.sql.gz", "*.zst", "*.age"],
  "*identity*.txt",
];
const HEAD = "# Copies of the database (nightjar pull), and keys:";

export default defineCommand({
  meta: {
    name: "init",
    description:
      "Tell a repository which database is its own: nightjar.json, and what git is to ignore",
  },
  args: {
    database,
    overwrite: { type: "boolean", description: "Replace nightjar.json", default: false },
    json,
  },
  async run({ args }) {
    const { url, token } = findConnection(process.env);
    const client = apiClient({ url, token });
    const { name } = await bodyOf(
      client.v1.databases[":db"].$get({ param: { db: args.database } }),
    );
    const folder = resolve(workingFolder(process.env));
    const file = join(folder, PROJECT_FILE);
    if (existsSync(file) && !args.overwrite)
      throw new CliError(EXIT.usage, `${file} is there already.`, {
        hint: "Replace it with --overwrite.",
        code: "FILE_EXISTS",
      });
    write(file, `${JSON.stringify({ url, database: name }, undefined, 2)}\n`);
    const ignored = ignore(join(folder, ".gitignore"), ignoredFor(name));
    const check = `NIGHTJAR_URL=${url} nightjar status ${name} --check`;
    if (args.json) return printJson({ file, ignored, check });
    print(`${file}: commands that are called here are about ${name}. Commit it: it has no token.`);
    if (ignored.length > 0) print(`.gitignore: added ${ignored.join(", ")}.`);
    print("");
    print(`In CI: ${check}`);
    print("with NIGHTJAR_TOKEN from its secrets: nightjar token create ci --scope read");
  },
});

/** Add to a .gitignore what is not in it. Return what was added. */
function ignore(file: string, patterns: readonly string[]): string[] {
  const before = existsSync(file) ? readFileSync(file, "utf8") : "";
  const lines = new Set(before.split(/\r?\n/).map((line) => line.trim()));
  const missing = patterns.filter((pattern) => !lines.has(pattern));
  if (missing.length === 0) return [];
  const gap = before === "" ? "" : before.endsWith("\n") ? "\n" : "\n\n";
  write(file, `${before}${gap}${[HEAD, ...missing].join("\n")}\n`);
  return missing;
}

/** Write a file of the repository, which others may read; all else that a command writes is private. */
function write(file: string, text: string): void {
  const isNew = !existsSync(file);
  writeFileSync(file, text);
  if (isNew) chmodSync(file, 0o644);
}
