/**
 * `npm run deploy`: check the configuration, create what is missing, ship the Worker, migrate its
 * catalog and set the bucket's lifecycle. What the deploy button runs. May be repeated at will;
 * `--dry-run` prints the commands.
 */
import { deploy, missingSecrets } from "./lib/provision.ts";
import { runScript } from "./lib/run-script.ts";

await runScript(async ({ wrangler, project, rulesFile }) => {
  await deploy(wrangler, project, rulesFile);
  const missing = await missingSecrets(wrangler, project);
  for (const name of missing) console.log(`Still to do: npx wrangler secret put ${name}`);
  if (missing.length > 0) console.log("Or let `npm run setup` do it.");
});
