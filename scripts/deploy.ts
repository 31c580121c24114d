/**
 * `npm run deploy`: check the configuration, create what is missing, deploy the Worker, migrate its catalog
 * and set the bucket's locks and lifecycle. The deploy button runs this too. Safe to repeat; `--dry-run`
 * prints the commands, and `--check` only checks the configuration, and compares the bucket's rules.
 */
import { checkProject } from "./lib/check-project.ts";
import { printable } from "../src/core/printable.ts";
import { pinFirst } from "./lib/pin-first.ts";
import { deploy, missingSecrets } from "./lib/provision.ts";
import { runScript } from "./lib/run-script.ts";

await runScript(async ({ wrangler, project, writeRules, dryRun, check }) => {
  if (check) {
    for (const line of await checkProject(wrangler, project)) console.log(printable(line));
    return;
  }
  let missing: string[] = [];
  await deploy(wrangler, project, writeRules, async (url) => {
    missing = await missingSecrets(wrangler, project);
    // The Worker does nothing without its secrets.
    if (missing.length === 0 && !dryRun) await pinFirst(url);
  });
  for (const name of missing) console.log(`Still to do: npx wrangler secret put ${name}`);
  if (missing.length > 0) console.log("Or let `npm run setup` do it.");
});
