import { whenApproved } from "../approval.ts";
import { bodyOf, type Client } from "../client.ts";
import { shown } from "../diff/show.ts";
import { CliError, EXIT } from "../exit.ts";
import { findBackup } from "../find-backup.ts";
import { paint, print, printAside, printJson } from "../output.ts";
import { confirm } from "../terminal.ts";
import { printWarnings } from "../warnings.ts";

/** Options of a restore of single rows. */
export interface RowOptions {
  readonly database: string;
  /** A backup, as --backup names it; passed over where there is `at`. */
  readonly backup: string;
  readonly at: string | undefined;
  readonly table: string;
  readonly where: string;
  readonly withParents: boolean;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

type Target = { url: string; token?: string; namespace?: string } | { database: string };
type Found = Awaited<ReturnType<typeof askRows>>;

/**
 * Let the Worker restore single rows, after their difference from the target's was shown and confirmed.
 *
 * @throws CliError
 */
export async function restoreRowsTo(
  client: Client,
  options: RowOptions,
  target: Target,
): Promise<void> {
  const { database: db, at, table, where, withParents } = options;
  const backup = at === undefined ? await findBackup(client, db, options.backup) : undefined;
  if (backup !== undefined) printWarnings({ ...backup, warnings: [] });
  const from = backup === undefined ? { at: at! } : { backup: backup.id };
  const body = { from, target, table, where, withParents };
  const found = await askRows(client, db, { ...body, dryRun: true });
  if (options.dryRun) {
    if (options.json) printJson(found);
    else show(found, print);
    return;
  }
  const differing = found.rows.length + found.rowsLeftOut;
  if (differing > 0 && found.missing.length === 0 && !options.yes) {
    show(found, printAside);
    await confirm({ what: `${table} of ${placeOf(found)}`, lines: [] }, options.yes);
  }
  const done = await whenApproved(client, () =>
    askRows(client, db, { ...body, dryRun: false, plan: found.plan }),
  );
  if (options.json) printJson(done);
  else for (const line of doneLines(done)) print(line);
}

interface Body {
  readonly from: { backup: string } | { at: string };
  readonly target: Target;
  readonly table: string;
  readonly where: string;
  readonly withParents: boolean;
  readonly dryRun: boolean;
  readonly plan?: string;
}

function askRows(client: Client, db: string, json: Body) {
  return bodyOf(client.v1.databases[":db"]["restore-rows"].$post({ param: { db }, json }));
}

function placeOf({ target }: Found): string {
  const namespace = target.namespace === null ? "" : ` (${target.namespace})`;
  return target.database ?? target.url + namespace;
}

/** Show which rows differ: what the target has, and what it would get. */
function show(found: Found, line: typeof print): void {
  const { subject, rows, rowsLeftOut, missing } = found;
  const from = subject.backup === null ? "the page log" : `backup ${subject.backup}`;
  line(`From ${from} of ${subject.database}, as of ${subject.asOf},`);
  line(`into ${placeOf(found)}:`);
  for (const { table, change, key, values } of rows) {
    const names = key.map(([name, value]) => `${name}=${shown(value)}`).join(" ");
    const sign = change === "added" ? paint("green", "+") : paint("yellow", "~");
    line(sign, ` ${table} ${names}`);
    for (const [name, value, restored] of values)
      line(
        change === "added"
          ? `    ${name}: ${shown(value)}`
          : `    ${name}: ${shown(value)} → ${shown(restored)}`,
      );
  }
  if (rowsLeftOut > 0) line(`and ${rowsLeftOut} rows more.`);
  for (const text of countLines(found)) line(text);
  for (const { table, key, referredBy, stored } of missing) {
    const names = key.map(([name, value]) => `${name}=${shown(value)}`).join(" ");
    line(
      paint("red", "!"),
      ` ${referredBy} refers to ${table} ${names}, which the target does not have`,
      stored ? ": --with-parents restores it too." : ", nor the restored state.",
    );
  }
}

function countLines({ tables }: Found): string[] {
  if (tables.length === 0) return ["The restored state has no such row."];
  return tables.map(
    ({ name, added, changed, equal }) =>
      `${name}: ${added} added, ${changed} changed, ${equal} the same already.`,
  );
}

function doneLines(found: Found): string[] {
  const { subject, written, tables } = found;
  if (!written) return ["Nothing was written.", ...countLines(found)];
  const total = tables.reduce((sum, { added, changed }) => sum + added + changed, 0);
  return [
    `Restored ${total === 1 ? "1 row" : `${total} rows`} of ${subject.database} as of ${subject.asOf} into ${placeOf(found)}.`,
    ...countLines(found),
  ];
}

/** Options of `nightjar restore` that say nothing about single rows. */
const STRAY = [
  ...["tables", "schema-only", "data-only", "verify", "overwrite", "way", "identity"],
  ...["to-turso", "org", "group", "location"],
];

/**
 * Refuse options that do not belong to a restore of rows, or that do without one.
 *
 * @throws CliError `usage`
 */
export function refuseRowMistakes(args: Readonly<Record<string, unknown>>): void {
  const hint = "See nightjar restore --help.";
  const isGiven = (name: string) => args[name] !== undefined && args[name] !== false;
  if (args["rows"] === undefined) {
    const stray = ["where", "with-parents"].find(isGiven);
    if (stray !== undefined)
      throw new CliError(EXIT.usage, `--${stray} is for --rows only.`, { hint });
    return;
  }
  const stray = STRAY.find(isGiven);
  if (stray !== undefined)
    throw new CliError(EXIT.usage, `--rows and --${stray} exclude each other.`, { hint });
  if (!isGiven("where"))
    throw new CliError(EXIT.usage, "--rows needs --where: which rows are to be restored.", {
      hint: 'For example --where "id in (41, 42)"; --where true means all.',
    });
}
