import { defineCommand } from "citty";
import type { Act, Outcome } from "../model/proof.ts";
import { bodyOf, type Client, signIn } from "./client.ts";
import { eachArgs, eachBackup } from "./each-backup.ts";
import { CliError, EXIT } from "./exit.ts";
import { moment, paint, print, printJson, printTable } from "./output.ts";
import { pagesOf } from "./pages.ts";
import { Progress } from "./progress.ts";

/** Return true if a proof found the backup good. */
export const isGood = (outcome: Outcome): boolean => outcome === "verified" || outcome === "passed";

/** The commands `verify` and `drill`, which differ in what they ask for. */
export function proveCommand(act: Act, description: string) {
  return defineCommand({
    meta: { name: act, description },
    args: eachArgs,
    async run({ args }) {
      const client = signIn();
      const proofs = await eachBackup(client, args, act, (id) => prove(client, act, id));
      const log =
        args.all && act === "verify" ? await verifyLog(client, args.database, args.json) : null;
      if (args.json) printJson(args.all ? { proofs, log } : proofs[0]);
      else {
        show(proofs);
        if (log !== null) showLog(log);
      }
      const bad = proofs.filter(({ outcome }) => !isGood(outcome));
      if (bad.length > 0)
        throw new CliError(EXIT.failed, worst(bad), { hint: bad[0]!.problem?.hint ?? "" });
      const [damaged] = log?.damaged ?? [];
      if (damaged !== undefined)
        throw new CliError(EXIT.failed, `The page log is damaged: ${damaged.error.message}`, {
          hint: "The log has ended, and the next backup reads the whole database. Moments that need the damaged segment cannot be restored.",
        });
    },
  });
}

/** Let Nightjar verify or drill a backup. */
export function prove(client: Client, act: Act, id: string) {
  const route = client.v1.backups[":id"];
  return bodyOf(route[act].$post({ param: { id } }));
}

/** Read the page log of a database back, a part of it a call. */
async function verifyLog(client: Client, database: string, quiet: boolean) {
  const progress = new Progress(quiet);
  const found = { segments: 0, bytes: 0, damaged: [] as Damaged[] };
  const get = (page: { cursor?: string }) =>
    bodyOf(client.v1.databases[":db"].log.verify.$post({ param: { db: database }, json: page }));
  for await (const part of pagesOf(get)) {
    found.segments += part.segments;
    found.bytes += part.bytes;
    found.damaged.push(...part.damaged);
    progress.show(`verify ${found.segments} segments of the page log`);
  }
  progress.end();
  return found;
}

interface Damaged {
  key: string;
  error: { message: string };
}

function showLog({ segments, damaged }: { segments: number; damaged: readonly Damaged[] }): void {
  const good = segments - damaged.length;
  if (segments > 0) print(`${good} of ${segments} segments of the page log are good.`);
  for (const { error } of damaged) print(paint("red", "BAD "), ` ${error.message}`);
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
        paint(isGood(proof.outcome) ? "green" : "red", outcomeOf(proof)),
        proof.problem?.message ?? "",
      ]),
    ]);
  const good = proofs.filter(({ outcome }) => isGood(outcome)).length;
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
