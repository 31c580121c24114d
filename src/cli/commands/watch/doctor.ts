import { defineCommand } from "citty";
import { VERSION } from "../../../core/version.ts";
import { findConnection } from "../../account/connection.ts";
import { apiClient, bodyOf, type Client } from "../../client.ts";
import { judgeAccount, judgeCatalog, judgeFleet } from "../../doctor/account.ts";
import { judgeDatabase, judgeSource } from "../../doctor/database.ts";
import type { Finding } from "../../doctor/finding.ts";
import { CliError, EXIT } from "../../exit.ts";
import { json } from "../../line/args.ts";
import { paint, print, printJson } from "../../output.ts";
import { readHealth } from "../../read-health.ts";
import { Progress } from "../../progress.ts";

const MARKS = {
  good: paint("green", "ok   "),
  warning: paint("yellow", "warn "),
  problem: paint("red", "BAD  "),
  unseen: paint("dim", "?    "),
} as const;

export default defineCommand({
  meta: {
    name: "doctor",
    description:
      "Look at everything: token, clock, sources, schedules, alerts, copies; exit 1 where something is wrong",
  },
  args: {
    database: { type: "positional", description: "Only this database", required: false },
    json,
  },
  async run({ args }) {
    const { url, token } = findConnection(process.env);
    const client = apiClient({ url, token });
    const progress = new Progress(args.json);
    const findings = [
      ...(await lookAtAccount(client, url)),
      ...(await lookAtDatabases(client, args.database, progress)),
    ];
    progress.end();
    if (args.json) printJson({ findings });
    else show(findings);
    const bad = findings.filter(({ level }) => level === "problem").length;
    if (bad > 0)
      throw new CliError(EXIT.failed, `${bad} of ${findings.length} are wrong.`, {
        hint: "Each of them says what to do.",
        code: "NOT_HEALTHY",
      });
  },
});

async function lookAtAccount(client: Client, url: string): Promise<Finding[]> {
  const asked = Date.now();
  const caller = await bodyOf(client.v1.tokens.current.$get());
  const account = judgeAccount(url, VERSION, { ...caller, asked, answered: Date.now() });
  const { migration } = await bodyOf(client.healthz.$get());
  return [...account, judgeCatalog(migration)];
}

async function lookAtDatabases(
  client: Client,
  only: string | undefined,
  progress: Progress,
): Promise<Finding[]> {
  const { databases: all } = await bodyOf(client.v1.databases.$get());
  const databases =
    only === undefined
      ? all
      : [await bodyOf(client.v1.databases[":db"].$get({ param: { db: only } }))];
  const found: Finding[] = only === undefined ? await lookAtFleet(client, databases) : [];
  for (const database of databases) {
    const { name, state, mistakes } = database;
    progress.show(`asking the server of ${name}`);
    found.push(...judgeDatabase(database));
    if (state === "not configured" || mistakes.length > 0) continue;
    const refreshedBy = all.find(({ refresh }) => refresh?.into === name)?.name;
    const probe = client.v1.databases[":db"].source.$get({ param: { db: name } });
    found.push(
      ...(await unlessForbidden(name, async () =>
        judgeSource(name, await bodyOf(probe), Date.now(), refreshedBy),
      )),
    );
  }
  return found;
}

async function lookAtFleet(
  client: Client,
  databases: readonly { readonly newestBackup: { readonly copy: object | null } | null }[],
): Promise<Finding[]> {
  return unlessForbidden("nightjar", async () => {
    const { status, cron } = await readHealth(client);
    const { channels } = await bodyOf(client.v1.alerts.channels.$get());
    const hasCopies = databases.some(({ newestBackup }) => newestBackup?.copy != null);
    return judgeFleet({ cronAt: cron.at, isAsleep: status === "asleep", channels, hasCopies });
  });
}

/** Look at something, where the token may. */
async function unlessForbidden(about: string, look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== "FORBIDDEN") throw error;
    return [{ level: "unseen", about, message: error.message, fix: error.hint ?? "" }];
  }
}

function show(findings: readonly Finding[]): void {
  for (const { level, about, message, fix } of findings) {
    print(MARKS[level], ` ${about}: ${message}`);
    if (fix !== undefined && fix !== "") print(`       ${fix}`);
  }
}
