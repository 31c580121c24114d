import { defineCommand } from "citty";
import type { Act, Outcome } from "../proof.ts";
import { backup, database, json } from "./args.ts";
import { apiClient, bodyOf, type Client, connection } from "./client.ts";
import { CliError, EXIT } from "./exit.ts";
import { findBackup } from "./link.ts";
import { moment, paint, printJson, printTable } from "./output.ts";
import { Progress } from "./progress.ts";

const GOOD: readonly Outcome[] = ["verified", "passed"];

/** The commands `verify` and `drill`, which differ in what they ask for. */
export function proveCommand(act: Act, description: string) {
  return defineCommand({
    meta: { name: act, description },
    args: {
      database,
      backup,
      all: { type: "boolean", description: "Every backup of the database", default: false },
      json,
    },
    async run({ args }) {
      const client = apiClient(connection(process.env));
      if (args.all && args.backup !== "latest")
        throw new CliError(EXIT.usage, "--all and --backup exclude each other.");
      const found = args.all
        ? await allBackups(client, args.database)
        : [await findBackup(client, args.database, args.backup)];
      const progress = new Progress(args.json);
      const proofs: Proven[] = [];
      for (const { id, takenAt } of found) {
        progress.show(`${act} ${id} (${proofs.length + 1} of ${found.length})`);
        proofs.push({ ...(await prove(client, act, id)), takenAt });
      }
      progress.end();
      if (args.json) printJson(args.all ? { proofs } : proofs[0]);
      else show(proofs);
      const bad = proofs.filter(({ outcome }) => !GOOD.includes(outcome));
      if (bad.length > 0)
        throw new CliError(EXIT.failed, worst(bad), { hint: bad[0]!.problem?.hint ?? "" });
    },
  });
}

function prove(client: Client, act: Act, id: string) {
  const route = client.v1.backups[":id"];
  return bodyOf(route[act].$post({ param: { id } }));
}

type Proven = Awaited<ReturnType<typeof prove>> & { takenAt: string };

async function allBackups(client: Client, db: string) {
  const all: { id: string; takenAt: string }[] = [];
  for (let cursor: string | undefined; ;) {
    const query = { limit: "200", ...(cursor === undefined ? {} : { cursor }) };
    const page = await bodyOf(client.v1.databases[":db"].backups.$get({ param: { db }, query }));
    all.push(...page.backups);
    if (page.next === null) return all;
    cursor = page.next;
  }
}

function show(proofs: readonly Proven[]): void {
  if (proofs.length === 1) {
    const [{ checks, recoveryMs }] = proofs as [Proven];
    for (const { name, ok, detail } of checks)
      console.log(`${paint(ok ? "green" : "red", ok ? "ok  " : "BAD ")} ${name}: ${detail}`);
    if (recoveryMs !== null) console.log(`Restored in ${(recoveryMs / 1000).toFixed(1)} s.`);
  } else
    printTable([
      ["backup", "taken", "outcome", "first bad place"],
      ...proofs.map(({ backup: id, takenAt, outcome, problem }) => [
        id,
        moment(takenAt),
        paint(GOOD.includes(outcome) ? "green" : "red", outcome),
        problem?.message ?? "",
      ]),
    ]);
  const good = proofs.filter(({ outcome }) => GOOD.includes(outcome)).length;
  console.log(
    proofs.length === 1
      ? `Backup ${proofs[0]!.backup}: ${proofs[0]!.outcome}.`
      : `${good} of ${proofs.length} backups are good.`,
  );
}

function worst(bad: readonly Proven[]): string {
  const [{ backup: id, outcome, problem }] = bad as [Proven];
  const more = bad.length > 1 ? ` And ${bad.length - 1} more.` : "";
  return `Backup ${id} is ${outcome}: ${problem?.message ?? ""}${more}`;
}
