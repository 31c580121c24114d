import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkFile } from "../../../src/cli/files/check-file.ts";
import { openGuarded } from "../../../src/cli/sqlite/open-guarded.ts";
import { loadSql } from "../../../src/cli/files/load-sql.ts";
import type { Found, RestoreOptions } from "../../../src/cli/restore/options.ts";
import { DumpInspector } from "../../../src/format/dump/inspector.ts";
import { loadableText } from "../../../src/format/dump/loadable-dump.ts";
import { EVERYTHING } from "../../../src/format/tables/selection.ts";

/**
 * Schemas and rows made to do harm, written as sqld's exporter writes them and loaded as people load them, in
 * a folder with another database and with commands that would leave a file.
 */
const TRIALS = Number(process.env["TRIALS"] ?? 200);
const encode = (text: string) => new TextEncoder().encode(text);

const payload = fc.constantFrom(
  ...['.read "|touch pwned"', ".shell touch pwned", ".system touch pwned", "#", ".once pwned"],
  ...["ATTACH 'canary.db' AS x;", "DROP TABLE IF EXISTS x.precious;", "DELETE FROM x.precious;"],
  ...["SELECT writefile('pwned','x');", 'SELECT writefile("pwned","x");', "VACUUM INTO 'pwned';"],
  ...["SELECT load_extension('./pwned');", "SELECT edit('x','touch pwned');", "COMMIT;", "END;"],
);
const breaker = fc.constantFrom(
  ...["\ngo\n", "\n/\n", "\nGO -- x\n", "\n / /* y */\n", "\n;\n", ";\n", "\n", " ", "\r\ngo\r\n"],
  ...[
    "');\n",
    "'",
    "''",
    '"',
    "`",
    "[",
    "]",
    "/*",
    "*/",
    "/*'",
    "'*/",
    "--",
    "--'\n",
    "\0",
    "\u000b",
  ],
  ...["$a(')", "$a(;)", "@b::c(\n)", "#d", ":e", "\u{feff}", "\\n", "|| '", "' ||", ")", "("],
);
const soup = fc
  .array(fc.oneof(payload, breaker, breaker), { maxLength: 8 })
  .map((all) => all.join(""));

/** The schema text of an object, as sqlite_schema has it or as somebody wrote it there by hand. */
const object = fc.oneof(
  soup.map((text) => `CREATE VIEW w AS SELECT 1 AS a ${text}`),
  soup.map((text) => `CREATE VIEW w AS SELECT\ngo\n${text}\nFROM (SELECT 1 AS go) AS go`),
  soup.map((text) => `CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1 ${text}; END`),
  soup.map((text) => `CREATE INDEX i ON t(a) ${text}`),
  soup.map(
    (text) => `CREATE VIEW w AS SELECT '${text.replaceAll("'", "''")}' /* ${text} */ -- ${text}`,
  ),
  soup,
);
const virtual = fc.oneof(
  soup.map((text) => `CREATE VIRTUAL TABLE v USING fts5(a /*${text}*/)`),
  soup.map((text) => `CREATE VIRTUAL TABLE v USING fts5(a, content='${text}')`),
  soup.map((text) => `CREATE VIRTUAL TABLE v USING fts5(a ${text})`),
);

/** Expressions that a table computes for each row. */
const computed = fc
  .tuple(
    fc.constantFrom(
      "DEFAULT (@)",
      "CHECK(length(@) >= 0)",
      "AS (@) STORED",
      "DEFAULT @",
      "COLLATE @",
    ),
    fc.constantFrom(
      ...["edit('x','touch pwned #')", "writefile('pwned','x')", "\"edit\"('x','touch pwned #')"],
      ...["Edit /* ( */ ('x','touch pwned #')", "load_extension('./pwned')", "1"],
    ),
    soup,
  )
  .map(
    ([rule, value, text]) =>
      `CREATE TABLE IF NOT EXISTS u(b, a ${rule.replace("@", () => value)} ${text});\nINSERT INTO u(b) VALUES(1);\n`,
  );
const between = fc.constantFrom("", "", "/*\0*/\n", "--\0\n", "-- x\n", ";\n", "\u000b");

/** Escape as the exporter's Escaped() does. */
function literal(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll("\n", "\\n").replaceAll("\r", "\\r")}'`;
  const cr = text.includes("\r") ? `replace(${quoted},'\\r',char(13))` : quoted;
  return text.includes("\n") ? `replace(${cr},'\\n',char(10))` : cr;
}

const hostile = fc
  .record({
    rows: fc.array(fc.tuple(between, soup), { maxLength: 3 }),
    early: fc.array(fc.oneof(object, virtual), { maxLength: 1 }),
    tables: fc.array(computed, { maxLength: 1 }),
    blank: fc.constantFrom(" ", " ", " \u000b", " \u{feff}"),
    virtuals: fc.array(virtual, { maxLength: 1 }),
    doubled: fc.boolean(),
    objects: fc.array(object, { maxLength: 2 }),
  })
  .map(({ rows, early, tables, blank, virtuals, doubled, objects }) =>
    [
      "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE IF NOT EXISTS t(a);\n",
      ...tables,
      ...(rows.length > 2 ? early.map((sql) => `${sql};\n`) : []),
      ...rows.map(
        ([gap, text], at) => `${gap}INSERT INTO t(rowid,a) VALUES(${at + 1},${literal(text)});\n`,
      ),
      ...virtuals.map(
        (sql) =>
          `PRAGMA writable_schema=ON;\nINSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','v','v',0,'${doubled ? sql.replaceAll("'", "''") : sql}');\n`,
      ),
      ...objects.map((sql) => `${sql.replace(/^CREATE /, () => `CREATE${blank}`)};\n`),
      ...virtuals.map(() => "PRAGMA writable_schema=OFF;\n"),
      "COMMIT;\n",
    ].join(""),
  );

/** Rows only: the inspector admits each of these, as an exporter writes it. */
const tame = fc
  .array(soup, { maxLength: 4 })
  .map((texts) =>
    [
      "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE IF NOT EXISTS t(a);\n",
      ...texts.map((text, at) => `INSERT INTO t(rowid,a) VALUES(${at + 1},${literal(text)});\n`),
      "COMMIT;\n",
    ].join(""),
  );
const dump = fc.oneof({ weight: 3, arbitrary: hostile }, { weight: 1, arbitrary: tame });

class Folder {
  readonly dir = mkdtempSync(join(tmpdir(), "nightjar-bar-"));
  readonly #canary: Buffer;

  constructor() {
    const database = new DatabaseSync(join(this.dir, "canary.db"));
    database.exec("CREATE TABLE precious(a); INSERT INTO precious VALUES(1)");
    database.close();
    this.#canary = readFileSync(join(this.dir, "canary.db"));
  }

  /**
   * Run plain `sqlite3` and ignore its output; without a home folder, because it would run a file there
   * first.
   */
  shell(args: string[], input: string): void {
    try {
      const env = { PATH: process.env["PATH"], HOME: this.dir };
      execFileSync("sqlite3", args, {
        cwd: this.dir,
        input,
        stdio: ["pipe", "ignore", "ignore"],
        env,
      });
    } catch {
      // it exits with an error if it refused a statement
    }
  }

  check(): void {
    expect(readFileSync(join(this.dir, "canary.db")).equals(this.#canary)).toBe(true);
    for (const name of readdirSync(this.dir)) {
      expect(name).toMatch(/^(canary|made)\.db$/);
      if (name === "made.db") rmSync(join(this.dir, name));
    }
  }
}

async function* whole(text: string): AsyncIterable<Uint8Array> {
  yield encode(text);
}

/** The command line has two SQLites. */
let loads = 0;

async function load(folder: Folder, text: string, kind: "dump" | "written"): Promise<boolean> {
  const cwd = process.cwd();
  process.chdir(folder.dir);
  const isNative = ++loads % 2 === 0;
  const made = join(folder.dir, "made.db");
  const database = await openGuarded(made, "write", undefined, isNative);
  try {
    await loadSql(whole(text), kind, undefined, database, EVERYTHING, true);
    return true;
  } catch {
    return false;
  } finally {
    database.close();
    process.chdir(cwd);
  }
}

function isAdmitted(text: string): boolean {
  try {
    const inspector = new DumpInspector();
    inspector.push(encode(text));
    inspector.end();
    return true;
  } catch (error) {
    expect(error).toHaveProperty("code", expect.stringMatching(/^DUMP_/));
    return false;
  }
}

describe("hostile dumps", () => {
  it("touch no other file, whoever loads them", { timeout: 60_000 + TRIALS * 500 }, async () => {
    const folder = new Folder();
    const seen = { admitted: 0, refused: 0, loaded: 0 };
    await fc.assert(
      fc.asyncProperty(dump, async (sql) => {
        const admitted = isAdmitted(sql);
        seen[admitted ? "admitted" : "refused"]++;
        // The command line may run any of them.
        if (await load(folder, sql, "dump")) seen.loaded++;
        folder.check();
        await load(folder, sql, "written");
        folder.check();
        if (!admitted) return;
        const pieces: Uint8Array[] = [];
        for await (const piece of loadableText(whole(sql))) pieces.push(piece);
        const text = Buffer.concat(pieces).toString();
        for (const args of [["made.db"], ["-safe", "made.db"]]) {
          folder.shell(args, text);
          folder.check();
        }
      }),
      { numRuns: TRIALS, ...(process.env["SEED"] && { seed: Number(process.env["SEED"]) }) },
    );
    expect(seen.admitted, JSON.stringify(seen)).toBeGreaterThan(TRIALS / 20);
    expect(seen.refused, JSON.stringify(seen)).toBeGreaterThan(TRIALS / 20);
    rmSync(folder.dir, { recursive: true });
  });
});

describe("hostile database files", () => {
  it("touch no other file when they are checked", async () => {
    const folder = new Folder();
    const path = join(folder.dir, "made.db");
    await fc.assert(
      fc.asyncProperty(object, virtual, async (sql, table) => {
        const database = new DatabaseSync(path, { defensive: false });
        database.exec("CREATE TABLE t(a); INSERT INTO t VALUES(1); PRAGMA writable_schema=ON");
        const put = database.prepare("INSERT INTO sqlite_schema VALUES(?, ?, ?, 0, ?)");
        put.run(sql.startsWith("CREATE TRIGGER") ? "trigger" : "view", "w", "w", sql);
        put.run("table", "v", "v", table);
        database.close();
        for (const verify of [false, true])
          try {
            const found = { tables: undefined, erasures: [] } as unknown as Found;
            await checkFile(path, found, { verify } as RestoreOptions);
          } catch {
            // refused: SQLite cannot read its schema
          }
        folder.check();
      }),
      { numRuns: TRIALS },
    );
    rmSync(folder.dir, { recursive: true });
  });
});
