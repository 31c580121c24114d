import { execFileSync } from "node:child_process";
import { defineCommand } from "citty";
import { parseDuration } from "../../plan/duration.ts";
import { choiceOf, database, json } from "../line/args.ts";
import { bodyOf, type Client, signIn } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { workingFolder } from "../files/folder.ts";
import { followRun } from "../follow-run.ts";
import { moment, print, printJson } from "../output.ts";
import { prove } from "../prove.ts";
import { printWarnings } from "../warnings.ts";
import { parseLabels } from "./backup.ts";

/** What may be asked of the backup. Each includes the ones before it. */
const REQUIRED = ["verified", "drilled"] as const;
type Required = (typeof REQUIRED)[number];

export default defineCommand({
  meta: {
    name: "gate",
    description:
      "Wait until there is a proven backup, made now if need be: before a migration or a deploy",
  },
  args: {
    database,
    name: { type: "string", description: "The name of the backup, like pre-deploy-v1.5.0" },
    "max-age": {
      type: "string",
      description: "Be content with a backup of this age, like 10m; default: make one",
      valueHint: "duration",
    },
    require: {
      type: "string",
      description: "What its proof must be: verified or drilled",
      default: "verified",
      valueHint: "proof",
    },
    label: { type: "string", description: "Labels, like app=shop,env=prod" },
    timeout: {
      type: "string",
      description: "How long to wait",
      default: "30m",
      valueHint: "duration",
    },
    json,
  },
  async run({ args }) {
    const required = choiceOf("--require", REQUIRED, args.require)!;
    const maxAge = args["max-age"] === undefined ? 0 : durationOf("--max-age", args["max-age"]);
    const until = Date.now() + durationOf("--timeout", args.timeout);
    const commit = commitOf(process.env, workingFolder(process.env));
    const labels = { ...(commit !== undefined && { commit }), ...parseLabels(args.label) };
    const client = signIn();
    const asked = { db: args.database, name: args.name, labels, quiet: args.json, until };
    const there = maxAge === 0 ? undefined : await freshBackup(client, asked, maxAge);
    const id = there ?? (await makeBackup(client, asked));
    await requireProof(client, id, required);
    const backup = await bodyOf(client.v1.backups[":id"].$get({ param: { id } }));
    const { takenAt, snapshot, schema } = backup;
    const restore = `nightjar restore ${args.database} --backup ${id} --to <target>`;
    if (args.json)
      return printJson({
        ...{ backup: id, database: args.database, name: backup.name, made: there === undefined },
        ...{ takenAt, asOf: snapshot?.committedAt ?? takenAt, proof: required },
        ...{ commit: backup.labels["commit"] ?? null, schema, restore },
      });
    printWarnings(backup);
    const how = there === undefined ? "made now" : "made before";
    print(`Backup ${id} of ${args.database}, ${moment(takenAt)}, ${how}: ${required}.`);
    const { hash, migration } = schema;
    print(`  schema ${hash.slice(0, 12)}${migration === null ? "" : `, ${migration.name}`}`);
    print(`To go back: ${restore}`);
  },
});

/** What a gate asks for. */
interface Asked {
  readonly db: string;
  readonly name: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly quiet: boolean;
  /** Ms since the epoch. */
  readonly until: number;
}

/** Find the newest backup that is young enough by Nightjar's own clock, and not known to be bad. */
async function freshBackup(
  client: Client,
  { db, name }: Asked,
  maxAge: number,
): Promise<string | undefined> {
  const { now } = await bodyOf(client.v1.tokens.current.$get());
  const since = new Date(Date.parse(now) - maxAge).toISOString();
  const query = { limit: "200", since, ...(name !== undefined && { name }) };
  const { backups } = await bodyOf(
    client.v1.databases[":db"].backups.$get({ param: { db }, query }),
  );
  return backups.find(
    (backup) => backup.knownBad === null && (name === undefined || backup.name === name),
  )?.id;
}

async function makeBackup(client: Client, { db, name, labels, quiet, until }: Asked) {
  const started = await bodyOf(
    client.v1.databases[":db"].backups.$post({
      param: { db },
      json: { tier: "deploy", labels, wait: false, ...(name !== undefined && { name }) },
    }),
  );
  const { state, error, backupId } = await followRun(client, started.id, quiet, until);
  if (backupId !== null && state === "done") return backupId;
  throw new CliError(EXIT.failed, `The backup failed: ${error?.message}`, error ?? {});
}

/**
 * Let the backup be verified or drilled, where it was not.
 *
 * @throws CliError `NOT_PROVEN`
 */
async function requireProof(client: Client, id: string, required: Required): Promise<void> {
  const act = required === "drilled" ? "drill" : "verify";
  const good = required === "drilled" ? "passed" : "verified";
  const backup = await bodyOf(client.v1.backups[":id"].$get({ param: { id } }));
  const known = act === "drill" ? backup.drill : backup.verification;
  if (known?.outcome === good && backup.knownBad === null) return;
  const { outcome, problem } = await prove(client, act, id);
  if (outcome === good) return;
  throw new CliError(
    EXIT.failed,
    `Backup ${id} is not ${required}: the ${act} found it ${outcome}. ${problem?.message ?? ""}`,
    {
      hint:
        outcome === "unproven"
          ? "Its drill cannot be held there: be content with --require verified, or drill it by hand (docs/verification.md)."
          : "Do not migrate. Make another backup, and look at this one with: nightjar proofs",
      code: "NOT_PROVEN",
    },
  );
}

/** @throws CliError `usage` */
function durationOf(option: string, text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new CliError(EXIT.usage, `${option} must be a duration like 90s, 10m or 2h, not ${text}.`);
}

/** Find the commit that is deployed: as CI tells it, or as git does. */
function commitOf(env: NodeJS.ProcessEnv, folder: string): string | undefined {
  const told = env["GITHUB_SHA"] ?? env["CI_COMMIT_SHA"] ?? env["GIT_COMMIT"];
  if (told !== undefined && /^[0-9a-f]{7,64}$/.test(told)) return told;
  try {
    return execFileSync("git", ["rev-parse", "HEAD"], {
      ...{ cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
    }).trim();
  } catch {
    return undefined; // no git, or no repository: the backup has no commit then
  }
}
