/**
 * `npm run setup`: go from an empty account to the first backup: collect the secrets (ADMIN_TOKEN and
 * SIGNING_KEY are generated here, source tokens are asked for), deploy with them, then start a first run of
 * every database. Safe to repeat: it keeps what exists. `--dry-run` prints the commands. It fails while
 * something is missing.
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
  for (const line of explain(project)) console.log(printable(line));
  const secrets = await collectSecrets(await missingSecrets(wrangler, project), dryRun);
  const url = await deploy(wrangler, project, writeRules, async (address) => {
    for (const [name, value] of secrets.given) await wrangler.run(["secret", "put", name], value);
    // A Worker that had no token until now has no backups either.
    if (!secrets.given.has("ADMIN_TOKEN") && !dryRun) await pinFirst(address);
  });
  const adminToken = secrets.given.get("ADMIN_TOKEN");
  if (adminToken !== undefined && !dryRun)
    console.log(`\nADMIN_TOKEN: ${adminToken}\nKeep it safe: it is shown this once only.\n`);
  if (dryRun) {
    for (const db of project.databases.keys())
      console.log(`POST https://<the Worker's address>/v1/databases/${db}/backups`);
    return;
  }
  const { NIGHTJAR_URL, NIGHTJAR_TOKEN } = process.env;
  const failed = await firstRuns(project, NIGHTJAR_URL ?? url, adminToken ?? NIGHTJAR_TOKEN);
  for (const name of secrets.missing) console.log(`Still to do: npx wrangler secret put ${name}`);
  if (secrets.missing.length + failed > 0) process.exitCode = 1;
});

/** Say what setup is going to do. */
function explain({ databases, bucket, copy, turso }: Project): string[] {
  const names = [...databases.keys()].join(", ");
  return [
    "Setup deploys a Worker to your Cloudflare account, with a D1 database for its catalog,",
    `sets the rules of the bucket ${bucket} (it is created if it is not there), and backs up ${names || "nothing yet"}.`,
    ...(copy === undefined ? [] : ["Every backup is copied to the second store, too."]),
    ...(turso === undefined
      ? []
      : [
          `The Worker itself finds the databases of the organization ${turso.organization} of Turso.`,
        ]),
    ...(databases.size === 0 && turso === undefined
      ? ["No database is configured: add one to wrangler.toml, and run this again."]
      : []),
    "First it asks for what is missing; nothing is shipped before that. It may be repeated at will.",
    "",
  ];
}

/**
 * Collect the secrets before anything is shipped: Nightjar's own are made, and others asked for. One that is
 * left empty stays missing.
 */
async function collectSecrets(names: readonly string[], dryRun: boolean) {
  const given = new Map<string, string>();
  const missing: string[] = [];
  for (const name of names) {
    const isMade = name === "ADMIN_TOKEN" || name === "SIGNING_KEY";
    const value = isMade || dryRun ? randomBytes(32).toString("base64url") : await askSecret(name);
    if (value === "") missing.push(name);
    else given.set(name, value);
  }
  return { given, missing };
}

/** Back up every database for the first time. Return how many of these runs failed. */
async function firstRuns(
  { databases }: Project,
  url: string | undefined,
  token: string | undefined,
): Promise<number> {
  if (url === undefined || token === undefined) {
    console.log(
      "The cron makes the first backups within a minute. To make one now, set NIGHTJAR_URL to the address above and NIGHTJAR_TOKEN, and run: npx nightjar backup <database>",
    );
    return 0;
  }
  let failed = 0;
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
    if (run.state === "failed") failed++;
  }
  return failed;
}
