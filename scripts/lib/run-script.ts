import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { messageOf, NightjarError } from "../../src/errors/errors.ts";
import { lockNotes } from "../../src/plan/locks.ts";
import { printableLines } from "../../src/core/printable.ts";
import { ROOT } from "./paths.ts";
import { type Project, readProject, type WriteRules } from "./provision.ts";
import { dryWrangler, type Wrangler, wrangler } from "./wrangler.ts";
import { CliError } from "../../src/cli/exit.ts";
import { refuseSwallowed } from "../../src/cli/line/swallowed.ts";

interface Script {
  wrangler: Wrangler;
  project: Project;
  writeRules: WriteRules;
  dryRun: boolean;
  /** True where the configuration is to be checked, and nothing else. */
  check: boolean;
}

/** Read the project, run a script on it, and report errors on one line. */
export async function runScript(script: (tools: Script) => Promise<void>): Promise<void> {
  try {
    refuseSwallowed(["dry-run", "check"], process.argv.slice(2), process.env);
    const flag = { type: "boolean", default: false } as const;
    const { values } = parseArgs({ options: { "dry-run": flag, check: flag } });
    const dryRun = values["dry-run"];
    const project = readProject(await readFile(join(ROOT, "wrangler.toml"), "utf8"));
    for (const note of lockNotes(project.databases)) console.log(`Note: ${note}`);
    const folder = join(ROOT, ".wrangler");
    await mkdir(folder, { recursive: true });
    const writeRules: WriteRules = async (name, text) => {
      const path = join(folder, `${name}.json`);
      await writeFile(path, text);
      return path;
    };
    const cloudflare = dryRun ? dryWrangler((line) => console.log(line)) : wrangler();
    await script({ wrangler: cloudflare, project, writeRules, dryRun, check: values.check });
  } catch (error) {
    console.error(printableLines(messageOf(error)));
    if (error instanceof NightjarError || error instanceof CliError) console.error(error.hint);
    process.exitCode = 1;
  }
}
