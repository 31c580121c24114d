/**
 * `npm run setup`: go from an empty account to the first backup: deploy with the secrets (ADMIN_TOKEN and
 * SIGNING_KEY are generated here, source tokens are asked for), then start a first run of every database.
 * Safe to repeat: it keeps what exists. `--dry-run` prints the commands.
 */
import { randomBytes } from "node:crypto";
import { findConnection } from "../src/cli/account/connection.ts";
import { apiClient, bodyOf } from "../src/cli/client.ts";
import { printable } from "../src/core/printable.ts";
import { askSecret } from "./lib/ask.ts";
import { pinFirst } from "./lib/pin-first.ts";
import { deploy, missingSecrets, type Project } from "./lib/provision.ts";
import { runScript } from "./lib/run-script.ts";

await runScript(async ({ wrangler, project, writeRules, dryRun }) => {
  if (project.databases.size === 0)
    console.log("No database is configured yet: add one to wrangler.toml and run this again.");
  let adminToken: string | undefined;
  const url = await deploy(wrangler, project, writeRules, async (address) => {
    for (const name of await missingSecrets(wrangler, project)) {
      const made = name === "ADMIN_TOKEN" || name === "SIGNING_KEY";
      const value = made || dryRun ? randomBytes(32).toString("base64url") : await askSecret(name);
      await wrangler.run(["secret", "put", name], value);
      if (name !== "ADMIN_TOKEN" || dryRun) continue;
      adminToken = value;
      console.log(`\nADMIN_TOKEN: ${value}\nKeep it safe: it is shown this once only.\n`);
    }
    // A Worker that had no token until now has no backups either.
    if (adminToken === undefined && !dryRun) await pinFirst(address);
  });
  if (dryRun) {
    for (const db of project.databases.keys())
      console.log(`POST https://<the Worker's address>/v1/databases/${db}/backups`);
    return;
  }
  const { NIGHTJAR_URL, NIGHTJAR_TOKEN } = process.env;
  await firstRuns(project, NIGHTJAR_URL ?? url, adminToken ?? NIGHTJAR_TOKEN);
});

async function firstRuns(
  { databases }: Project,
  url: string | undefined,
  token: string | undefined,
): Promise<void> {
  if (url === undefined || token === undefined) {
    console.log(
      "The cron makes the first backups within a minute. To make one now, set NIGHTJAR_URL to the address above and NIGHTJAR_TOKEN, and run: npx nightjar backup <database>",
    );
    return;
  }
  const client = apiClient(findConnection({ NIGHTJAR_URL: url, NIGHTJAR_TOKEN: token }));
  for (const db of databases.keys()) {
    const run = await bodyOf(
      client.v1.databases[":db"].backups.$post({
        param: { db },
        json: { tier: "manual", labels: {}, name: "setup", wait: true },
      }),
    );
    const why = run.error === null ? "" : ` (${run.error.message})`;
    console.log(printable(`${db}: ${run.state}${why}`));
  }
}
