import { defineCommand } from "citty";
import type { Act, Outcome } from "../proof.ts";
import { apiClient, bodyOf, type Client, connection } from "./client.ts";
import { eachArgs, eachBackup } from "./each-backup.ts";
import { CliError, EXIT } from "./exit.ts";
import { moment, paint, print, printJson, printTable } from "./output.ts";

const GOOD: readonly Outcome[] = ["verified", "passed"];

/** The commands `verify` and `drill`, which differ in what they ask for. */
export function proveCommand(act: Act, description: string) {
  return defineCommand({
    meta: { name: act, description },
    args: eachArgs,
    async run({ args }) {
      const client = apiClient(connection(process.env));
      const proofs = await eachBackup(client, args, act, (id) => prove(client, act, id));
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

function show(proofs: readonly Proven[]): void {
  if (proofs.length === 1) {
    const [{ checks, recoveryMs, outcome }] = proofs as [Proven];
    const no = outcome === "unproven" ? paint("yellow", "??  ") : paint("red", "BAD ");
    for (const { name, ok, detail } of checks)
      print(ok ? paint("green", "ok  ") : no, ` ${name}: ${detail}`);
    if (recoveryMs !== null) print(`Restored in ${(recoveryMs / 1000).toFixed(1)} s.`);
  } else
    printTable([
      ["backup", "taken", "outcome", "first bad place"],
      ...proofs.map((proof) => [
        proof.backup,
        moment(proof.takenAt),
        paint(GOOD.includes(proof.outcome) ? "green" : "red", outcomeOf(proof)),
        proof.problem?.message ?? "",
      ]),
    ]);
  const good = proofs.filter(({ outcome }) => GOOD.includes(outcome)).length;
  print(
    proofs.length === 1
      ? `Backup ${proofs[0]!.backup}: ${outcomeOf(proofs[0]!)}.`
      : `${good} of ${proofs.length} backups are good.`,
  );
}

function worst(bad: readonly Proven[]): string {
  const [first] = bad as [Proven];
  const more = bad.length > 1 ? ` And ${bad.length - 1} more.` : "";
  return `Backup ${first.backup} is ${outcomeOf(first)}: ${first.problem?.message ?? ""}${more}`;
}

function outcomeOf({ outcome, problem }: Proven): string {
  return problem?.code === "BACKUP_ENCRYPTED" ? `${outcome} (encrypted)` : outcome;
}
