import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { asNightjarError } from "../../../src/errors/errors.ts";
import { openImageWith } from "../../../src/sqlite/engine/image.ts";
import { writeSql } from "../../../src/sqlite/sql/write-sql.ts";
import { pagesOf } from "../../support/describe-image.ts";
import { compiledWasm } from "../../support/wasm.ts";

const TRIALS = Number(process.env["TRIALS"] ?? 25);

const dir = mkdtempSync(join(tmpdir(), "nightjar-hostile-"));
const canary = join(dir, "canary");
const precious = join(dir, "precious.db");
let wasm: WebAssembly.Module;

beforeAll(async () => {
  wasm = await compiledWasm();
  const db = new DatabaseSync(precious);
  db.exec("CREATE TABLE precious(a); INSERT INTO precious VALUES (1)");
  db.close();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const COMMANDS = [
  ".shell touch canary",
  ".read |touch canary",
  ".system touch canary",
  ".open precious.db\nDROP TABLE precious;",
  "ATTACH 'precious.db' AS p; DROP TABLE p.precious;",
  "go\n.shell touch canary",
  "/\n.shell touch canary",
  "; -- '",
];
const command = fc.constantFrom(...COMMANDS);
/** Text that may be between two tokens. */
const blank = fc.oneof(
  fc.constantFrom(" ", "\n", "\r\n", " -- it's\n", '/* " */', "\n--\n", "\t", "\n\n  "),
  command.map((text) => `/*\n${text}\n*/`),
  command.map((text) => `--${text.replaceAll("\n", " ")}\n`),
);
const literal = fc.oneof(
  fc.constantFrom("1", "'it''s'", "X'00'", "1.5", "NULL", "';'", "'--'", "'/*'"),
  command.map((text) => `'\n${text.replaceAll("'", "''")}\n'`),
);
const odd = fc.oneof(
  fc.constantFrom("go", "GO", "[x y]", "`b`", '"a;b"', '"$a("', '"é"', '"--"', '"/*"', '"it\'s"'),
  command.map((text) => `"\n${text.replaceAll('"', '""')}\n"`),
  command.map((text) => `[\n${text.replaceAll("]", "")}\n]`),
);
const expression: fc.Arbitrary<string> = fc.letrec<{ e: string }>((tie) => ({
  e: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    literal,
    fc
      .tuple(tie("e"), blank, fc.constantFrom("/", "||", "*", "-", "/"), blank, tie("e"))
      .map((parts) => parts.join("")),
    fc
      .tuple(fc.constant("("), blank, tie("e"), blank, fc.constant(")"))
      .map((parts) => parts.join("")),
  ),
})).e;
const tail = fc.oneof(
  fc.constantFrom("", " -- end", " /* open", "\n", " /* closed */"),
  command.map((text) => `/*\n${text}`),
  command.map((text) => `--${text.replaceAll("\n", " ")}`),
);

const results = fc
  .array(
    fc
      .tuple(blank, expression, blank, fc.constant("AS"), blank, odd, blank)
      .map((parts) => parts.join("")),
    { minLength: 1, maxLength: 3 },
  )
  .map((list) => list.join(","));
const view = (at: number) =>
  fc
    .tuple(blank, blank, blank, results, tail)
    .map(([a, b, c, list, end]) => `CREATE${a}VIEW${b}v${at}${c}AS SELECT${list}${end}`);
const table = (at: number) =>
  fc
    .tuple(
      blank,
      blank,
      blank,
      fc.uniqueArray(odd, {
        minLength: 1,
        maxLength: 4,
        selector: (name) => name.replaceAll(/^["`[]|["`\]]$/g, "").toLowerCase(),
      }),
      expression,
      fc.boolean(),
    )
    .map(([a, b, c, names, value, checked]) => {
      const rule = checked ? `CHECK${a}(${value} NOT NULL OR 1)` : `DEFAULT${b}(${value})`;
      return `CREATE TABLE${a}"t${at}"${b}(${c}x TEXT${c}${rule},${names.map((name) => `${b}${name}${c}`).join(",")})`;
    });
const index = fc
  .tuple(blank, odd, expression, tail)
  .map(([a, name, value, end]) => `CREATE INDEX${a}${name}${a}ON t0(x,${a}(${value}||x))${end}`);
const trigger = fc
  .tuple(blank, blank, results, tail)
  .map(
    ([a, b, list, end]) =>
      `CREATE TRIGGER${a}tr AFTER INSERT ON t0${b}BEGIN${a}SELECT${list};${b}SELECT 1${a};${b}END${end}`,
  );
const virtual = fc
  .tuple(blank, command)
  .map(
    ([a, text]) =>
      `CREATE VIRTUAL TABLE${a}f${a}USING${a}fts5(${a}body,${a}prefix='2')/*\n${text}\n*/`,
  );
const row = fc.array(literal, { minLength: 1, maxLength: 3 });
/** Text that a file's schema can contain after a statement, which SQLite does not check. */
const second = fc.oneof(
  fc.constant(undefined),
  fc.constant(undefined),
  fc.tuple(blank, command).map(([a, text]) => `;${a}${text}`),
);

const database = fc.record({
  statements: fc.tuple(table(0), table(1), view(0), view(1), index, trigger, virtual),
  rows: fc.array(row, { maxLength: 4 }),
  second,
});

let files = 0;

/** Run as many of the statements as SQLite accepts; the rest of a random schema is not legal. */
function make({
  statements,
  rows,
  second: more,
}: typeof database extends fc.Arbitrary<infer T> ? T : never) {
  const file = join(dir, `${++files}.db`);
  const db = new DatabaseSync(file, { defensive: false });
  const attempt = (sql: string) => {
    try {
      db.exec(sql);
    } catch {
      // Random names may be taken, and random expressions not allowed.
    }
  };
  const [first, ...others] = statements;
  for (const sql of [first, ...others.slice(0, 3)]) attempt(sql);
  for (const values of rows)
    for (const value of values) attempt(`INSERT INTO t0(x) VALUES (${value})`);
  for (const sql of others.slice(3)) attempt(sql);
  if (more !== undefined) {
    db.exec("PRAGMA writable_schema=ON");
    db.prepare("UPDATE sqlite_schema SET sql = sql || ? WHERE name IN ('v0', 't0', 'tr')").run(
      more,
    );
  }
  db.close();
  return file;
}

async function sqlOf(bytes: Uint8Array): Promise<Buffer> {
  const image = await openImageWith(wasm, pagesOf(bytes));
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeSql(image)) chunks.push(chunk);
  image.close();
  return Buffer.concat(chunks);
}

/** List the schema and the inserted rows, as SQLite reads them. */
function lines(file: string): string[] {
  const db = new DatabaseSync(file, { readOnly: true });
  const all = (sql: string) =>
    db
      .prepare(sql)
      .all()
      .map((row) => JSON.stringify(row));
  const schema = all("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2");
  const rows = schema.some((line) => line.includes('"name":"t0"'))
    ? all("SELECT rowid, quote(x), typeof(x) FROM t0 ORDER BY rowid")
    : [];
  db.close();
  // An empty comment may protect a line from a shell; comments at the end may be closed, and shells drop CR.
  const plain = schema.map((line) =>
    line
      .replaceAll("/**/", "")
      .replaceAll("\\r\\n", "\\n")
      .replace(/(\\n|[\s;])*(\*\/)?(\\n|[\s;])*"}$/, '"}'),
  );
  return [...plain, ...rows];
}

function load(sql: Buffer, args: readonly string[]): string[] {
  const file = join(dir, `${++files}.db`);
  execFileSync("sqlite3", [...args, file], {
    input: sql,
    cwd: dir,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const loaded = lines(file);
  rmSync(file);
  return loaded;
}

test.skipIf(spawnSync("sqlite3", ["--version"]).status !== 0)(
  "hostile schemas load as they were, and run nothing",
  async () => {
    let refused = 0;
    let made = 0;
    await fc.assert(
      fc.asyncProperty(database, async (drawn) => {
        const source = make(drawn);
        let sql: Buffer;
        try {
          sql = await sqlOf(readFileSync(source));
        } catch (thrown) {
          refused++;
          expect(drawn.second).toBeDefined();
          expect(["SCHEMA_UNSAFE", "OBJECT_CORRUPT"]).toContain(asNightjarError(thrown).code);
          return;
        }
        made++;
        const before = lines(source);
        for (const args of [["-bail"], ["-safe", "-bail"]]) expect(load(sql, args)).toEqual(before);
        const db = new DatabaseSync(join(dir, `${++files}.db`), { defensive: false });
        db.exec(sql.toString());
        db.close();
        expect(lines(join(dir, `${files}.db`))).toEqual(before);
        expect(existsSync(canary)).toBe(false);
        const kept = new DatabaseSync(precious, { readOnly: true });
        expect(kept.prepare("SELECT count(*) AS n FROM precious").get()).toEqual({ n: 1 });
        kept.close();
      }),
      { numRuns: TRIALS, endOnFailure: true },
    );
    expect(made).toBeGreaterThan(TRIALS / 4);
    expect(refused).toBeGreaterThan(0);
    // The canary would die: the same text unchanged, without our writer.
    writeFileSync(
      join(dir, "plain.sql"),
      "CREATE VIEW v AS SELECT 1 AS\ngo\n.shell touch canary\n",
    );
    spawnSync("sqlite3", [":memory:"], { input: readFileSync(join(dir, "plain.sql")), cwd: dir });
    expect(existsSync(canary)).toBe(true);
  },
  60_000 + TRIALS * 2000,
);
