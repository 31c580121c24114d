import { defineCommand } from "citty";
import { database, json } from "../line/args.ts";
import { bodyOf, type Client, signIn } from "../client.ts";
import { shown } from "../diff/show.ts";
import { CliError, EXIT } from "../exit.ts";
import { uncertainty } from "../moment.ts";
import { moment, paint, type Painted, print, printAside, printJson } from "../output.ts";
import { restoreLine } from "../restore/row-command.ts";

const STYLES = { there: "dim", added: "green", changed: "yellow", removed: "red" } as const;
const SIGNS = { there: "=", added: "+", changed: "~", removed: "-" } as const;

export default defineCommand({
  meta: {
    name: "history",
    description: "Show how one row was in all backups and moments of the page log",
  },
  args: {
    database,
    table: { type: "positional", description: "The table", required: true },
    key: {
      type: "positional",
      description: "The row's primary key, or its rowid; of several columns with commas",
      required: true,
    },
    since: {
      type: "string",
      description: "The oldest moment to look at: 2026-11-20T14:03:00Z, -2h or yesterday",
      valueHint: "moment",
    },
    limit: { type: "string", description: "Changes at most", default: "100", valueHint: "number" },
    json,
  },
  async run({ args }) {
    const { database: db, table, since } = args;
    const limit = Number(args.limit);
    if (!/^[1-9]\d{0,3}$/.test(args.limit) || limit > 1000)
      throw new CliError(EXIT.usage, "--limit must be a whole number from 1 to 1000.");
    const key = keyOf(args.key);
    const found = await ask(signIn(), db, { table, key, limit, ...(since && { since }) });
    if (args.json) printJson(found);
    else show(db, found);
  },
});

type Found = Awaited<ReturnType<typeof askOnce>>;
type Change = Found["changes"][number];
interface Asked {
  readonly table: string;
  readonly key: unknown[];
  readonly limit: number;
  readonly since?: string;
}

function askOnce(client: Client, db: string, asked: Asked & { cursor?: string }) {
  return bodyOf(client.v1.databases[":db"].history.$post({ param: { db }, json: asked }));
}

/** Ask again where Nightjar stopped for a limit of its own, until there are as many changes as are wanted. */
async function ask(client: Client, db: string, asked: Asked): Promise<Found> {
  let found = await askOnce(client, db, asked);
  while (found.next !== null && found.changes.length < asked.limit) {
    const limit = asked.limit - found.changes.length;
    const more = await askOnce(client, db, { ...asked, limit, cursor: found.next });
    found = joined(found, more);
  }
  return found;
}

/** Join what was found with what is older. The state at which they meet is in both. */
function joined(newer: Found, older: Found): Found {
  const sum = (name: "read" | "pages" | "reads" | "backups") =>
    newer.looked[name] + older.looked[name];
  const left = (name: "unreadable" | "otherKey") => newer.leftOut[name] + older.leftOut[name];
  return {
    ...older,
    changes: [...newer.changes, ...older.changes],
    looked: {
      ...{ from: older.looked.from, to: newer.looked.to },
      states: newer.looked.states + older.looked.states - 1,
      ...{ backups: sum("backups"), read: sum("read"), pages: sum("pages"), reads: sum("reads") },
    },
    leftOut: {
      ...older.leftOut,
      ...{ unreadable: left("unreadable"), otherKey: left("otherKey") },
    },
  };
}

/** Read a key: numbers, `x'…'` for a blob, and anything else as text; text in quotes is always text. */
export function keyOf(text: string): unknown[] {
  return partsOf(text).map((part) => {
    const blob = /^x'((?:[0-9a-f]{2})*)'$/i.exec(part)?.[1];
    if (blob !== undefined) return { blob: Buffer.from(blob, "hex").toString("base64") };
    const quoted = /^'(.*)'$/s.exec(part)?.[1];
    if (quoted !== undefined) return quoted.replaceAll("''", "'");
    if (!/^(?:0|-?[1-9]\d{0,18})$/.test(part)) return part;
    return Number.isSafeInteger(Number(part)) ? Number(part) : { integer: part };
  });
}

/** Split at commas that are in no quotes. */
function partsOf(text: string): string[] {
  return [...text.matchAll(/(?:^|,)(x?'(?:[^']|'')*'(?=,|$)|[^,]*)/gi)].map(([, part]) => part!);
}

function show(db: string, found: Found): void {
  const { changes, key, looked, table } = found;
  const name = key.map(([column, value]) => `${column}=${shown(value)}`).join(" ");
  print(paint("bold", db), `: ${table} ${name}`);
  if (changes.length === 0) print("No state that was looked at has this row.");
  for (const change of changes) showChange(change);
  print("");
  const newest = changes.find(({ change }) => change !== "removed");
  if (newest !== undefined && changes[0] !== newest)
    print("Bring it back: ", restoreLine(db, table, key, newest));
  else if (changes.length > 1 && changes[1]!.change !== "removed")
    print("Bring back what it was: ", restoreLine(db, table, key, changes[1]!));
  for (const line of lookedLines(found, looked)) printAside(paint("dim", line));
}

function showChange(change: Change): void {
  const { asOf, backup, values, changed } = change;
  const sign: Painted = paint(STYLES[change.change], SIGNS[change.change]);
  print("");
  print(sign, ` ${asOf}${uncertainty(change)} `, paint(STYLES[change.change], change.change));
  print(paint("dim", `  from ${backup === null ? "the page log" : `backup ${backup}`}`));
  if (change.change === "changed")
    for (const [name, before, after] of changed)
      print(`  ${name}: ${shown(before)} → ${shown(after)}`);
  else for (const [name, value] of values) print(`  ${name}: ${shown(value)}`);
}

function* lookedLines({ leftOut, met, next }: Found, looked: Found["looked"]): Iterable<string> {
  const { from, to, states, backups, read, pages } = looked;
  const which = `${states === 1 ? "1 state" : `${states} states`} (${backups} in backups)`;
  yield `Looked at ${which}, from ${from === null ? "?" : moment(from)}`;
  yield `to ${to === null ? "?" : moment(to)}, and read ${read} of them, ${pages} pages.`;
  if (next !== null)
    yield `Older states were not looked at (limit: ${met}): give a higher --limit.`;
  const { dumps, encrypted, unreadable, otherKey } = leftOut;
  if (dumps + encrypted > 0)
    yield `Left out: ${dumps} dumps and ${encrypted} encrypted backups, which cannot be read in place.`;
  if (unreadable > 0)
    yield `Left out: ${unreadable} states that are damaged or gone. See nightjar verify --all.`;
  if (otherKey > 0)
    yield `In ${otherKey} states the table has another key, and the row was not found.`;
}
