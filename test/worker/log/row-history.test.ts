import { expect, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { openLineage, segmentsOf } from "../../../src/catalog/lineages.ts";
import { DAY, HOUR, MINUTE } from "../../../src/plan/duration.ts";
import { apiOf } from "../../support/api.ts";
import { chanceOf } from "../../support/chance.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";

/** Seeds, and what happens to the log: nothing, or hours that go by, so that segments are merged. */
const LOGS = [
  [1, "whole"],
  [3, "merged"],
] as const;
const STEPS = 30;
const ROWS = 2000;

/** Tables of every kind, each with rows enough for a tree of pages. */
const SCHEMA = `
  CREATE TABLE plain (id INTEGER PRIMARY KEY, status TEXT, body TEXT);
  CREATE TABLE pairs (a TEXT COLLATE NOCASE, b INTEGER, body BLOB, PRIMARY KEY (a, b)) WITHOUT ROWID;
  CREATE TABLE named (name TEXT PRIMARY KEY, status, body TEXT);
  CREATE TABLE bare (status, body TEXT);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
  INSERT INTO plain SELECT i, 'open', hex(randomblob(100)) FROM n;
  INSERT INTO pairs SELECT 'k' || (id % 50), id, randomblob(100) FROM plain;
  INSERT INTO named SELECT 'n' || id, id, body FROM plain;
  INSERT INTO bare SELECT id, body FROM plain;`;

/** What is watched: the row's key as it is asked for, and as SQL. */
const WATCHED = [
  { table: "plain", key: ["1234"], where: "id = 1234", make: "id", value: "1234" },
  {
    table: "pairs",
    key: ["K7", 1007],
    where: "a = 'k7' AND b = 1007",
    make: "a, b",
    value: "'k7', 1007",
  },
  { table: "named", key: ["n321"], where: "name = 'n321'", make: "name", value: "'n321'" },
  { table: "bare", key: [77], where: "rowid = 77", make: "rowid", value: "77" },
] as const;

/** Each column of a row as text with its type; undefined for a row that is not there. */
type Row = Record<string, string> | undefined;

async function rowIn({ client }: PageDatabase, { table, where }: (typeof WATCHED)[number]) {
  const { rows: names } = await client.execute(`SELECT name FROM pragma_table_info('${table}')`);
  const columns = names.map(({ name }) => String(name));
  const list = columns.map((name) => `quote("${name}")`).join(",");
  const { rows } = await client.execute(`SELECT ${list} FROM ${table} WHERE ${where}`);
  const [row] = rows;
  return row && Object.fromEntries(columns.map((name, at) => [name, String(row[at])]));
}

/** Write a value of an answer as SQLite's quote() does. */
function quoted(value: unknown): string {
  if (value === null) return "NULL";
  if (typeof value === "string") return `'${value.replaceAll("'", "''")}'`;
  if (typeof value !== "object") return String(value);
  const [[kind, text] = ["", ""]] = Object.entries(value as Record<string, string>);
  if (kind === "blob")
    return `X'${[...atob(text)]
      .map((byte) => byte.charCodeAt(0).toString(16).padStart(2, "0"))
      .join("")
      .toUpperCase()}'`;
  return text;
}

const rowOf = (values: readonly [string, unknown][]) =>
  Object.fromEntries(values.map(([name, value]) => [name, quoted(value)]));

/** Columns that differ; one that a state does not have is NULL there. */
function differing(before: NonNullable<Row>, after: NonNullable<Row>): string[] {
  const names = new Set([...Object.keys(after), ...Object.keys(before)]);
  return [...names].filter((name) => (before[name] ?? "NULL") !== (after[name] ?? "NULL")).sort();
}

/** The changes that a history must tell, newest first. */
function changesOf(states: readonly { txid: number; row: Row }[]) {
  const changes = [];
  let before: Row;
  for (const [at, { txid, row }] of states.entries()) {
    const changed = before && row ? differing(before, row) : [];
    if (at === 0) {
      if (row) changes.push({ txid, change: "there", row, changed: [] });
    } else if (!before && row) changes.push({ txid, change: "added", row, changed });
    else if (before && !row) changes.push({ txid, change: "removed", row: before, changed });
    else if (changed.length > 0) changes.push({ txid, change: "changed", row, changed });
    before = row;
  }
  return changes.toReversed();
}

it.each(LOGS)(
  "tells of rows what a model tells, and reads few pages (%i, %s)",
  async (seed, log) => {
    const chance = chanceOf(seed);
    const shop = `shop-${log}`;
    let now = Math.ceil(Date.now() / DAY) * DAY;
    const database = await PageDatabase.create(SCHEMA);
    const config = { ...database.config, follow: "1m", retain: { log: "9d" } };
    const context = testContext({ [shop]: config }, { now: () => now });
    const api = apiOf(context);
    const states = new Map(WATCHED.map(({ table }) => [table, [] as { txid: number; row: Row }[]]));
    const backups: string[] = [];
    let column = 0;

    const bodies = () =>
      chance.of(["'short'", "NULL", "hex(randomblob(60))", "hex(randomblob(9000))", "x'00ff'"]);
    const change = () => {
      const { table, where, make, value } = chance.of(WATCHED);
      const status = table === "pairs" ? "body" : "status";
      const other = `rowid = ${1 + chance.below(ROWS)}`;
      return chance.of([
        `UPDATE ${table} SET body = ${bodies()} WHERE ${where}`,
        `UPDATE ${table} SET ${status} = ${chance.of(["1", "1.0", "'one'", "9007199254740993"])} WHERE ${where}`,
        `DELETE FROM ${table} WHERE ${where}`,
        `INSERT OR REPLACE INTO ${table} (${make}, body) VALUES (${value}, ${bodies()})`,
        // Others: near and far, so that pages split and are freed.
        `UPDATE plain SET body = hex(randomblob(${chance.below(3000)})) WHERE ${other}`,
        `DELETE FROM named WHERE ${other}`,
        `INSERT INTO plain (id, status, body) SELECT NULL, 'new', hex(randomblob(200)) FROM plain LIMIT ${chance.below(400)}`,
        `DELETE FROM pairs WHERE b BETWEEN ${900 + chance.below(100)} AND ${950 + chance.below(100)} AND b <> 1007`,
      ]);
    };
    const rare = () =>
      chance.of([
        `ALTER TABLE ${chance.of(WATCHED).table} ADD COLUMN c${++column} DEFAULT ${chance.of(["NULL", "'new'"])}`,
        `CREATE INDEX i${++column} ON plain (body)`,
        `CREATE TABLE copy AS SELECT * FROM named; DROP TABLE named;
       CREATE TABLE named (status, name TEXT PRIMARY KEY, body TEXT);
       INSERT INTO named SELECT status, name, body FROM copy; DROP TABLE copy;`,
      ]);

    for (let step = 0; step < STEPS; step++) {
      if (step > 0) await database.exec(chance.happens(0.07) ? rare() : change());
      if (step === 0 || chance.happens(0.08)) {
        expect(await backUp(context, manualRun(shop))).toMatchObject({ state: "done" });
        backups.push((await newestBackup(context.catalog, shop))!.id);
      }
      if (log === "merged") now += chance.of([MINUTE, 20 * MINUTE, 2 * HOUR]);
      await context.followers.follow(shop);
      const { txid } = (await openLineage(context.catalog, shop))!;
      for (const watched of WATCHED) {
        const known = states.get(watched.table)!;
        if (known.at(-1)?.txid !== txid) known.push({ txid, row: await rowIn(database, watched) });
      }
    }

    const { id } = (await openLineage(context.catalog, shop))!;
    const segments = await segmentsOf(context.catalog, id);
    expect(segments.some(({ level, minTxid }) => level > 0 && minTxid > 1)).toBe(log === "merged");

    const look = async () => {
      for (const watched of WATCHED) {
        const { table, key } = watched;
        const found = await api.json(`/v1/databases/${shop}/history`, { table, key }, 200);
        const told = found["changes"].map(
          (one: { txid: number; change: string; values: []; changed: [string][] }) => ({
            // The snapshot that began the log has no place in it.
            ...{ txid: one.txid ?? 1, change: one.change, row: rowOf(one.values) },
            changed: one.changed.map(([name]) => name).sort(),
          }),
        );
        const wanted = changesOf(states.get(table)!);
        // A column that was added as NULL is no change, and is shown where it is known.
        for (const [at, { row }] of wanted.entries())
          for (const name of Object.keys(told[at]?.row ?? {})) row![name] ??= "NULL";
        expect(told, table).toEqual(wanted);
        expect(found["looked"].backups).toBe(backups.length);
        expect(found["looked"].states).toBeGreaterThanOrEqual(states.get(table)!.length);
        expect(found).toMatchObject({ truncated: false, next: null });

        // In pieces it is the same.
        const pieces = [];
        for (let cursor: string | null | undefined = undefined; cursor !== null;) {
          const more: Record<string, any> = await api.json(
            `/v1/databases/${shop}/history`,
            { table, key, limit: 4, ...(cursor === undefined ? {} : { cursor }) },
            200,
          );
          pieces.push(...more["changes"]);
          cursor = more["next"];
        }
        expect(pieces).toEqual(found["changes"]);
        // Of some hundreds of pages in each state.
        expect(found["looked"].pages).toBeLessThan(found["looked"].read * 12);
      }
    };
    await look();
  },
  300_000,
);

it("reads few states where few transactions write to the pages of a row", async () => {
  const database = await PageDatabase.create(SCHEMA);
  const context = testContext({ quiet: database.config });
  expect(await backUp(context, manualRun("quiet"))).toMatchObject({ state: "done" });
  for (let step = 0; step < 30; step++) {
    const id = step === 15 ? 1234 : 300 + step * 20;
    await database.exec(`UPDATE plain SET status = 's${step}' WHERE id = ${id}`);
    await context.followers.pull("quiet");
  }
  const body = { table: "plain", key: [1234] };
  const found = await apiOf(context).json("/v1/databases/quiet/history", body, 200);
  expect(found["changes"]).toMatchObject([
    { change: "changed", changed: [["status", "open", "s15"]] },
    { change: "there" },
  ]);
  const { states, read, pages, reads } = found["looked"];
  expect(states).toBeGreaterThan(30);
  // The newest state, the one before the change, and the snapshot that began the log.
  expect(read).toBe(3);
  expect(pages).toBeLessThan(20);
  expect(reads).toBeLessThan(100);
});
