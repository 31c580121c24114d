import { readFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { parquetMetadata, parquetRead } from "hyparquet";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type JsonValue, sqlValueOf } from "../../../src/format/rows/json-value.ts";
import { type Image, openImageWith } from "../../../src/sqlite/engine/image.ts";
import { type ExportTable, planExport } from "../../../src/sqlite/rows/export-plan.ts";
import { writeExport } from "../../../src/sqlite/rows/write-export.ts";
import { planParquet, writeParquet } from "../../../src/sqlite/rows/write-parquet.ts";
import { pagesOf } from "../../support/describe-image.ts";
import { FIDELITY } from "../../support/fidelity.ts";
import { compiledWasm } from "../../support/wasm.ts";

const TRIALS = Number(process.env["TRIALS"] ?? 60);

const dir = mkdtempSync(join(tmpdir(), "nightjar-parquet-"));
let wasm: WebAssembly.Module;
beforeAll(async () => {
  wasm = await compiledWasm();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let files = 0;
async function imageOf(fill: (db: DatabaseSync) => void): Promise<Image> {
  const file = join(dir, `${++files}.db`);
  const db = new DatabaseSync(file, { defensive: false });
  fill(db);
  db.close();
  const bytes = readFileSync(file);
  rmSync(file);
  return openImageWith(wasm, pagesOf(bytes));
}

async function written(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(new Uint8Array(chunk));
  return Buffer.concat(all);
}

interface Read {
  readonly rows: unknown[][];
  /** The name and the type of each column. */
  readonly types: readonly (readonly [string, string])[];
  readonly json: readonly string[];
  readonly groups: number;
}

/** Read a Parquet file with another program than the one that wrote it. */
async function read(bytes: Buffer): Promise<Read> {
  const file = new Uint8Array(bytes).buffer;
  const { schema, key_value_metadata: pairs, row_groups: groups } = parquetMetadata(file);
  const types = schema
    .slice(1)
    .map(
      ({ name, type, converted_type: text }) => [name, text === "UTF8" ? "STRING" : type!] as const,
    );
  const json = pairs!.find(({ key }) => key === "nightjar.json")!.value!;
  const rows: unknown[][] = [];
  await parquetRead({ file, utf8: false, onComplete: (all) => void rows.push(...all) });
  return { rows, types, json: JSON.parse(json) as string[], groups: groups.length };
}

async function parquetOf(image: Image, table: ExportTable): Promise<Buffer> {
  return written(writeParquet(image, await planParquet(image, table)));
}

/** What a reader should find, made of a line of NDJSON. */
function expected(line: string, { types, json }: Read): unknown[] {
  const row = new Map(Object.entries(JSON.parse(line) as Record<string, JsonValue>));
  return types.map(([name, type]) => {
    const value = row.get(name)!;
    if (value === null) return null;
    if (json.includes(name)) return JSON.stringify(value);
    if (type === "STRING") return value;
    return shown(type === "DOUBLE" ? Number(sqlValueOf(value)) : sqlValueOf(value));
  });
}

const shown = (value: unknown): unknown =>
  value instanceof Uint8Array ? Buffer.from(value).toString("hex") : (value ?? null);

/** Compare every table of an image as Parquet with the same as NDJSON. */
async function compare(image: Image): Promise<Map<string, Read>> {
  const plan = await planExport(image, {});
  const found = new Map<string, Read>();
  for (const table of plan.tables) {
    const lines = await written(
      writeExport(image, { tables: [table], leftOut: [] }, "ndjson", { tagged: false }),
    );
    const rows = lines.toString().split("\n").slice(0, -1);
    const file = await read(await parquetOf(image, table));
    expect(file.types.map(([name]) => name)).toEqual(table.columns.map(({ name }) => name));
    expect(
      file.rows.map((row) => row.map(shown)),
      table.name,
    ).toEqual(rows.map((line) => expected(line, file)));
    found.set(table.name, file);
  }
  return found;
}

describe("a Parquet file", () => {
  it("has what is hard to carry over: extremes, bytes, names", async () => {
    const image = await imageOf((db) => FIDELITY.forEach((sql) => db.exec(sql)));
    const files = await compare(image);
    expect(files.size).toBeGreaterThan(25);
    const { types, json } = files.get("numbers")!;
    expect(Object.fromEntries(types)).toEqual({
      ...{ id: "INT64", untyped: "STRING", b: "STRING", r: "STRING", n: "STRING" },
      ...{ i: "STRING", t: "STRING" },
    });
    expect(json).toEqual(["untyped", "b", "r", "n", "i", "t"]);
    expect(files.get("empty_table")).toMatchObject({
      ...{ rows: [], json: [], groups: 0 },
      types: [
        ["a", "STRING"],
        ["b", "STRING"],
      ],
    });
    expect(files.get("")!.rows).toEqual([[7n]]);
  });

  it("has the type that all values of a column have", async () => {
    const image = await imageOf((db) => {
      db.exec("CREATE TABLE t(i, r, w REAL, s, b, m, none)");
      db.exec(`INSERT INTO t VALUES
        (9223372036854775807, -0.0, 1, 'é' || char(0) || '🌙', X'00FF', 1, NULL),
        (-9223372036854775808, 9e999, 0.5, '', X'', 1.0, NULL),
        (NULL, 0.0, NULL, NULL, NULL, X'41', NULL)`);
    });
    const { rows, types, json } = (await compare(image)).get("t")!;
    expect(Object.fromEntries(types)).toEqual({
      ...{ i: "INT64", r: "DOUBLE", w: "DOUBLE", s: "STRING", b: "BYTE_ARRAY" },
      ...{ m: "STRING", none: "STRING" },
    });
    expect(json).toEqual(["m"]);
    expect(rows.map((row) => row[1])).toEqual([-0, Infinity, 0]);
    expect(rows.map((row) => row[5])).toEqual(["1", '{"real":"1.0"}', '{"blob":"QQ=="}']);
  });

  it("keeps the sign of each zero among many", async () => {
    const image = await imageOf((db) => {
      db.exec(`CREATE TABLE zeros(r);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
        INSERT INTO zeros SELECT iif(i % 2, 0.0, -0.0) FROM n`);
    });
    const { rows } = (await compare(image)).get("zeros")!;
    expect(rows.filter(([value]) => Object.is(value, -0))).toHaveLength(1000);
  });

  it("has the rows that are chosen", async () => {
    const image = await imageOf((db) => {
      db.exec("CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), ('three')");
    });
    const choice = { tables: ["t"], where: { t: "typeof(a) = 'integer'" } };
    const { tables } = await planExport(image, choice);
    const { rows, types } = await read(await parquetOf(image, tables[0]!));
    expect([rows, types]).toEqual([[[1n], [2n]], [["a", "INT64"]]]);
  });

  it("has many row groups where there is much, and is refused where there were too many", async () => {
    const columns = Array.from({ length: 1500 }, (_, at) => `c${at}`);
    const image = await imageOf((db) => {
      db.exec("CREATE TABLE many(id INTEGER PRIMARY KEY, v, b)");
      db.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
        INSERT INTO many SELECT i, 'row ' || i % 7, zeroblob(i % 400) FROM n`);
      db.exec("INSERT INTO many(b) VALUES (randomblob(3000000)), (NULL)");
    });
    const { groups, rows } = (await compare(image)).get("many")!;
    expect(groups).toBeGreaterThan(3);
    expect(rows).toHaveLength(30_002);
    const wide = await imageOf((db) => {
      db.exec(`CREATE TABLE wide(${columns.join()})`);
      db.exec("INSERT INTO wide(c0) VALUES (zeroblob(2100000)), (zeroblob(2100000)), (1)");
    });
    const [table] = (await planExport(wide, {})).tables;
    await expect(planParquet(wide, table!)).rejects.toMatchObject({ code: "FORMAT_UNAVAILABLE" });
  });

  it("is the same for random values and names", async () => {
    const value = fc.oneof(
      fc.constant(null),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.double({ noNaN: true }),
      fc.constantFrom(0, -0, 1, "", "1"),
      fc.string({ unit: "binary" }),
      fc.uint8Array({ maxLength: 12 }),
    );
    const one = fc.oneof(
      fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      fc.array(fc.double({ noNaN: true })),
      fc.array(fc.string({ unit: "binary" })),
      fc.array(fc.uint8Array({ maxLength: 12 })),
      fc.array(value),
    );
    const name = fc
      .oneof(
        fc.string({ unit: "grapheme", maxLength: 6 }),
        fc.constantFrom("a.b", "__proto__", "é"),
      )
      .filter((text) => !text.includes("\0"));
    const columns = fc.uniqueArray(fc.tuple(name, one), {
      ...{ minLength: 1, maxLength: 5, selector: ([text]) => text.toLowerCase() },
    });
    await fc.assert(
      fc.asyncProperty(columns, async (table) => {
        const image = await imageOf((db) => {
          const names = table.map(([text]) => `"${text.replaceAll('"', '""')}"`);
          db.exec(`CREATE TABLE t(${names.join()})`);
          const insert = db.prepare(`INSERT INTO t VALUES (${names.map(() => "?").join()})`);
          const rows = Math.max(...table.map(([, values]) => values.length));
          for (let at = 0; at < rows; at++)
            insert.run(...table.map(([, values]) => values[at] ?? null));
        });
        await compare(image);
        image.close();
      }),
      { numRuns: TRIALS, ...(process.env["SEED"] && { seed: Number(process.env["SEED"]) }) },
    );
  });
});
