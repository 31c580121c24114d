import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import * as v from "valibot";
import { isTable } from "../../errors/schema-issue.ts";
import { CliError, EXIT } from "../exit.ts";

/** The name of the file. */
export const PROJECT_FILE = "nightjar.json";

const projectSchema = v.strictObject({
  url: v.optional(v.pipe(v.string(), v.url())),
  database: v.optional(v.pipe(v.string(), v.regex(/^[\w-]+$/))),
});

/** What the repository of an application says of its Nightjar. It may be anybody's: no token goes by it. */
export interface Project extends v.InferOutput<typeof projectSchema> {
  readonly file: string;
}

/**
 * Find and read the nightjar.json of a folder or of those above it, up to the root of the repository.
 *
 * @throws CliError `usage` where it holds something else
 */
export function readProject(folder: string): Project | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const file = join(at, PROJECT_FILE);
    if (existsSync(file)) return { ...parse(file), file };
    if (existsSync(join(at, ".git")) || dirname(at) === at) return undefined;
  }
}

function parse(file: string) {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw wrong(file, "is no JSON");
  }
  if (!isTable(content)) throw wrong(file, "is no object");
  const parsed = v.safeParse(projectSchema, content);
  if (parsed.success) return parsed.output;
  const name = String(parsed.issues[0].path?.[0].key ?? "").slice(0, 40);
  if (/token|secret|key/i.test(name)) throw wrong(file, `holds "${name}": it may hold no secret`);
  throw wrong(file, `has a wrong "${name}"`);
}

function wrong(file: string, what: string): CliError {
  return new CliError(EXIT.usage, `${file} ${what}.`, {
    hint: 'It has this form: {"url": "https://nightjar.example.workers.dev", "database": "shop"}',
  });
}
