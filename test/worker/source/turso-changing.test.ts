import { describe, expect, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { download, inTurso, kept } from "../../support/turso-back.ts";
import { tellStock, TursoDatabase } from "../../support/turso-database.ts";

/* Databases of a real `tursodb` that change during a backup, or between two. */

const MVCC = "PRAGMA journal_mode = 'mvcc'";
const CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)";

describe("a database that tursodb writes to while it is captured", () => {
  const TABLES = ["one", "two"].map((table) => `CREATE TABLE ${table}(id INTEGER PRIMARY KEY, a)`);
  const FILLER = [
    "CREATE TABLE filler(a)",
    ...Array.from({ length: 8 }, () => "INSERT INTO filler VALUES (randomblob(1000000))"),
  ];
  it.each([
    { how: "by pages", back: "snapshot", make: [...FILLER, ...TABLES] },
    { how: "by rows", back: "dump", make: [...FILLER, ...TABLES, CHECKPOINT] },
    { how: "in MVCC mode", back: "dump", make: [MVCC, ...FILLER, ...TABLES] },
  ])("comes back as one of its commits had it: $how", async ({ back, make }) => {
    const database = await TursoDatabase.create();
    await database.exec(...make);
    const write = () =>
      database.exec(
        "BEGIN",
        "INSERT INTO one(a) VALUES (hex(randomblob(900)))",
        "INSERT INTO two(a) SELECT a FROM one ORDER BY id DESC LIMIT 1",
        "COMMIT",
      );
    await write();
    let writing = true;
    let written = 1;
    const writer = (async () => {
      for (; writing; written++) await write();
    })();
    const name = `written-${crypto.randomUUID().slice(0, 8)}`;
    const context = testContext({ [name]: { url: database.source.url, attempts: 1 } });
    const run = await backUp(context, manualRun(name));
    const most = written + 1;
    writing = false;
    await writer;
    expect(run).toMatchObject({ state: "done", error: null });
    const { manifest } = (await newestBackup(context.catalog, name))!;
    expect(manifest.kind).toBe(back);
    const { rows } = await tellStock({ sql: await download(context, manifest, "sql") });
    const all = (await database.tell()).rows;
    const count = rows["one"]!.length;
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThanOrEqual(most);
    expect(most).toBeGreaterThan(3);
    const upTo = (lines: readonly string[]) => lines.filter((line) => idOf(line) <= count);
    expect(rows["one"]).toEqual(upTo(all["one"]!));
    expect(rows["two"]).toEqual(upTo(all["two"]!));
    expect(rows["filler"]).toEqual(all["filler"]);
    await database.remove();
  });
});

describe("a database that becomes another kind after its first backup", () => {
  const MAKE = [
    "CREATE TABLE t(id INTEGER PRIMARY KEY, a)",
    "INSERT INTO t(a) VALUES (1), (2), (3)",
    "CREATE INDEX by_a ON t(a)",
  ];
  const LATER = "INSERT INTO t(a) VALUES (4), (randomblob(9000))";
  const OTHER = "CREATE TABLE other AS SELECT * FROM t";
  it.each<{ how: string; change: string[]; flags?: string[] }>([
    { how: "written", change: [LATER] },
    { how: "MVCC", change: [MVCC, LATER] },
    { how: "MVCC, without a change", change: [MVCC] },
    { how: "MVCC, after a checkpoint", change: [CHECKPOINT, MVCC, LATER] },
    { how: "MVCC, with a checkpoint of its own", change: [MVCC, LATER, CHECKPOINT, LATER] },
    { how: "checkpointed", change: [CHECKPOINT] },
    { how: "checkpointed and written", change: [CHECKPOINT, LATER] },
    {
      how: "written, checkpointed, and written as often",
      change: [CHECKPOINT, ...MAKE.map(() => LATER)],
    },
    {
      how: "vacuumed",
      change: ["DELETE FROM t WHERE id = 2", "VACUUM"],
      flags: ["--experimental-vacuum"],
    },
    { how: "with a temporary table before it", change: [LATER, "CREATE TEMP TABLE t(a)"] },
    { how: "with more tables", change: [OTHER, LATER, OTHER.replace("other", "third")] },
    {
      how: "with a materialized view",
      change: ["CREATE MATERIALIZED VIEW v AS SELECT count(*) FROM t", LATER],
      flags: ["--experimental-views"],
    },
    { how: "without tables", change: ["DROP TABLE t"] },
  ])("comes back as it is then: $how", async ({ change, flags = [] }) => {
    const database = await TursoDatabase.create(...flags);
    await database.exec(...MAKE);
    const name = `became-${crypto.randomUUID().slice(0, 8)}`;
    const context = testContext({ [name]: { url: database.source.url, attempts: 1 } });
    expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done" });
    await database.exec(...change);
    for (let again = 0; again < 2; again++) {
      expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done", error: null });
      const { manifest } = (await newestBackup(context.catalog, name))!;
      const format = manifest.kind === "dump" ? "sql" : "db";
      const bytes = await download(context, manifest, format);
      const told = await (format === "db" ? inTurso(bytes, { flags }) : tellStock({ sql: bytes }));
      // What MVCC keeps for itself is not in the SQL.
      const now = kept(await database.tell(), {});
      expect({ again, ...kept(told, {}) }).toEqual({ again, ...now });
    }
    await database.remove();
  });
});

/** Return the rowid of a row that was told. */
const idOf = (line: string): number => Number(line.slice(1).split(" ")[0]);
