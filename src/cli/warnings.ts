import { badWords, type KnownBad } from "../model/proof.ts";
import { tursoOnlyIn, tursoOnlyWords } from "../format/tables/turso-only.ts";
import { paint, printAside } from "./output.ts";

/** A backup with everything that a reader must know before a restore. */
export interface Warned {
  id: string;
  knownBad: KnownBad | null;
  warnings: readonly { code: string; where: string; count: number; message: string }[];
}

/** Tell on standard error what a reader must know before restoring a backup. */
export function printWarnings({ id, knownBad, warnings }: Warned): void {
  if (knownBad !== null)
    printAside(paint(["bold", "red"], "WARNING"), `: ${badWords(id, knownBad)}`);
  const foreign = tursoOnlyIn(warnings);
  const lines = warnings
    .filter(({ code }) => code !== "TURSO_ONLY")
    .map(({ where, count, message }) => `, ${where} (${count}): ${message}`);
  if (foreign.length > 0) lines.push(`: ${tursoOnlyWords(foreign)}`);
  for (const line of lines) printAside(paint("yellow", "warning"), `: backup ${id}${line}`);
}

/** A table that a subset chooses from, and how many of its rows are given. */
export interface KeptTable {
  readonly name: string;
  readonly rows: number;
}

/** Tell which rules of \`sanitize\` are for nothing, and how many rows a subset has. */
export function tellMasks(link: {
  readonly unusedRules?: readonly string[] | null;
  readonly subset?: readonly KeptTable[] | null;
  readonly erasures: number;
}): void {
  tellUnusedRules(link.unusedRules);
  if (link.subset === null || link.subset === undefined) return;
  const counts = link.subset.map(({ name, rows }) => `${name} ${rows}`).join(", ");
  const without = link.erasures > 0 ? ", less what the erasure list leaves out" : "";
  printAside(`A subset of the rows: ${counts}${without}.`);
}

/** Tell which rules are for tables and columns that are not there. */
export function tellUnusedRules(unused: readonly string[] | null | undefined): void {
  for (const name of unused ?? [])
    printAside(`Warning: \`sanitize\` has a rule for ${name}, and the database has no such thing.`);
}
