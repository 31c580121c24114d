import { createClient } from "@libsql/client/web";
import { describe, expect, inject, it } from "vitest";
import { type Deps, systemDeps } from "../../../src/core/deps.ts";
import type { Source } from "../../../src/libsql/server.ts";
import { readCatalog, readTables } from "../../../src/source/rows/read-tables.ts";
import type { Transactions } from "../../../src/source/rows/transaction.ts";
import { allKeys, backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { captured, describeSql, sqlOfRows } from "../../support/rows.ts";
import { TursoDatabase } from "../../support/turso-database.ts";

const SMALL = [
  "CREATE TABLE t(id INTEGER PRIMARY KEY, v)",
  "INSERT INTO t VALUES (1, 'one'), (2, 2.5), (3, X'03')",
  "CREATE TABLE empty_table(a)",
  "CREATE INDEX by_v ON t(v)",
];
const sourceOf = (config: { url: string; namespace?: string }): Source => ({
  ...{ namespace: undefined, stallMs: 5000, token: undefined },
  ...config,
});

/** The answer of a server to each request of one reading, which can be served again and altered. */
class Recording {
  readonly #answers = new Map<string, Uint8Array>();
  #largest = "";

  static async of(source: Source): Promise<Recording> {
    const recording = new Recording();
    await sqlOfRows(source, {
      ...systemDeps,
      fetch: async (url, init) => {
        const response = await fetch(url, init);
        const bytes = new Uint8Array(await response.arrayBuffer());
        const key = keyOf(url, init);
        if (response.status === 200) recording.#answers.set(key, bytes);
        if (String(init.body).length > recording.#largest.length) recording.#largest = key;
        return new Response(bytes, response);
      },
    });
    return recording;
  }

  /** The answer that has the rows. */
  get rows(): Uint8Array {
    return this.#answers.get(this.#largest)!;
  }

  /** Serve the recorded answers, but this one instead of that with the rows. */
  with(answer: () => Response): Deps {
    return {
      ...systemDeps,
      fetch: async (url, init) => {
        const key = keyOf(url, init);
        if (key === this.#largest) return answer();
        const bytes = this.#answers.get(key);
        return bytes === undefined ? new Response(null, { status: 404 }) : new Response(bytes);
      },
    };
  }
}

const keyOf = (url: string, { body }: RequestInit) =>
  `${new URL(url).pathname} ${typeof body === "string" ? body : Buffer.from((body as Uint8Array | undefined) ?? []).toString("hex")}`;

/** A body that breaks off after its bytes. */
function broken(bytes: Uint8Array): Response {
  const body = new ReadableStream({
    type: "bytes",
    start(controller) {
      if (bytes.length > 0) controller.enqueue(bytes.slice());
      controller.error(new Error("the connection broke"));
    },
  });
  return new Response(body);
}

async function servers(): Promise<Record<string, Source>> {
  const sqld = await PageDatabase.create();
  await sqld.runAll(SMALL);
  const turso = await TursoDatabase.create();
  await turso.exec(...SMALL);
  return { cursor: sourceOf(sqld.config), pipeline: sourceOf({ url: turso.source.url }) };
}

describe("an answer that is cut", () => {
  it("anywhere is an error, and never SQL", async () => {
    for (const [wire, source] of Object.entries(await servers())) {
      const recording = await Recording.of(source);
      const { rows } = recording;
      const whole = await sqlOfRows(
        source,
        recording.with(() => new Response(rows.slice())),
      );
      expect(whole).toMatch(/INSERT INTO "t"\("id","v"\) VALUES\(1,'one'\);[^]*COMMIT;\n$/);
      expect(rows.length).toBeGreaterThan(500);
      let complete = 0;
      const every = inject("all") ? 1 : 11;
      for (let length = 0; length < rows.length; length++) {
        if (length % every !== 0 && length < rows.length - 30) continue;
        const part = rows.subarray(0, length);
        for (const answer of [() => new Response(part.slice()), () => broken(part)]) {
          const result = await sqlOfRows(source, recording.with(answer)).catch(
            (thrown: unknown) => {
              expect(thrown, `${wire} ${length}`).toMatchObject({ code: "SOURCE_CUT" });
            },
          );
          if (result === undefined) continue;
          // After the COMMIT's own end, a cursor has one entry more, which says nothing of the rows.
          expect(result, `${wire} ${length}`).toBe(whole);
          complete++;
        }
      }
      expect(complete, wire).toBe(wire === "cursor" ? 1 : 0);
    }
  });

  it("makes no backup, and leaves nothing in the bucket", async () => {
    for (const [wire, source] of Object.entries(await servers())) {
      const recording = await Recording.of(source);
      const { rows } = recording;
      const { url, namespace } = source;
      const config = { url, ...(namespace && { namespace }), capture: "rows", attempts: 1 };
      for (const share of [0.1, 0.5, 0.9, 0.99]) {
        const part = rows.subarray(0, Math.floor(rows.length * share));
        const name = `cut-${wire}`;
        const { fetch } = recording.with(() => broken(part));
        const context = testContext({ [name]: config }, { fetch });
        expect(await backUp(context, manualRun(name))).toMatchObject({
          state: "failed",
          error: { code: "SOURCE_CUT" },
        });
        expect((await allKeys()).filter((key) => key.includes(name))).toEqual([]);
      }
    }
  });
});

interface Batch {
  results: [{ response: { result: { step_results: ({ rows: Value[][] } | null)[] } } }];
}
type Value = { type: string; value?: unknown; base64?: string };

describe("a server that lies", () => {
  it("about counts, values, the schema or its transaction is refused", async () => {
    const { pipeline: source } = (await servers()) as { pipeline: Source };
    const recording = await Recording.of(source);
    // The steps: BEGIN, four of the catalog, the writes, two for each table, the writes, COMMIT, ROLLBACK.
    const lies: Record<string, (steps: ({ rows: Value[][] } | null)[]) => unknown> = {
      "leaves out a row": (steps) => steps[7]!.rows.pop(),
      "sends a row twice": (steps) => steps[7]!.rows.push(steps[7]!.rows[0]!),
      "leaves out the last table's row count": (steps) => (steps[8] = { rows: [] }),
      "counts more rows": (steps) => (steps[6]!.rows[0]![0]!.value = "4"),
      "counts rows of a table that it does not send": (steps) =>
        (steps[8]!.rows[0]![0]!.value = "1"),
      "sends another type": (steps) => (steps[7]!.rows[0]![2] = { type: "text", value: "one" }),
      "tells another type": (steps) => (steps[7]!.rows[0]![0]!.value = "ii"),
      "sends a value too few": (steps) => steps[7]!.rows[0]!.pop(),
      "sends an infinite number of no sign": (steps) =>
        (steps[7]!.rows[1]![2] = { type: "float", value: null }),
      "has another writer within": (steps) => (steps[10]!.rows[0]![0]!.value = "99"),
      "does not commit": (steps) => (steps[11] = null),
      "rolls back": (steps) => (steps[12] = { rows: [] }),
      "answers nothing": (steps) => steps.splice(0),
    };
    for (const [what, lie] of Object.entries(lies)) {
      const answer = JSON.parse(Buffer.from(recording.rows).toString()) as Batch;
      lie(answer.results[0].response.result.step_results);
      await expect(
        sqlOfRows(
          source,
          recording.with(() => Response.json(answer)),
        ),
        what,
      ).rejects.toMatchObject({ code: "ROWS_INVALID" });
    }
    const changed = JSON.parse(Buffer.from(recording.rows).toString()) as Batch;
    const sql = changed.results[0].response.result.step_results[1]!.rows[0]!;
    sql[4] = { type: "blob", base64: Buffer.from("CREATE TABLE t(id INTEGER)").toString("base64") };
    await expect(
      sqlOfRows(
        source,
        recording.with(() => Response.json(changed)),
      ),
    ).rejects.toMatchObject({ code: "SCHEMA_CHANGED" });
  });

  it("by transactions that are none is refused, once somebody writes meanwhile", async () => {
    const database = await PageDatabase.create();
    await database.runAll(SMALL);
    const read = async (begin: string, commit: string) => {
      const transactions = oneByOne(database, begin, commit);
      const catalog = await readCatalog(transactions);
      const tables = ["t", "empty_table"].map((name) => ({ name, columns: ["rowid"] }));
      let rows = 0;
      for await (const event of readTables(transactions, catalog, tables)) {
        if ("rows" in event) rows += event.rows.length;
        else await database.exec("UPDATE t SET v = 'x' WHERE id = 1");
      }
      return rows;
    };
    expect(await read("BEGIN", "COMMIT")).toBe(3);
    await expect(read("SELECT 1", "COMMIT")).rejects.toThrow(/no transaction is active/);
    await expect(read("SELECT 1", "SELECT 1")).rejects.toMatchObject({
      code: "ROWS_INVALID",
      message: expect.stringContaining("Somebody wrote") as string,
    });
  });
});

/** Run each statement in a request of its own, all on one connection: others can write in between. */
function oneByOne(database: PageDatabase, begin: string, commit: string): Transactions {
  const { url, namespace } = database.config;
  return {
    wire: "cursor",
    async *read(statements) {
      let baton: string | null = null;
      const run = async (sql: string): Promise<Value[][]> => {
        const response = await fetch(`${url}/v2/pipeline`, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            "x-namespace-bin": Buffer.from(namespace).toString("base64").replace(/=+$/, ""),
          },
          body: JSON.stringify({ baton, requests: [{ type: "execute", stmt: { sql } }] }),
        });
        const answer = (await response.json()) as {
          baton: string | null;
          results: [{ error?: { message: string }; response?: { result: { rows: Value[][] } } }];
        };
        ({ baton } = answer);
        const [{ error, response: done }] = answer.results;
        if (done === undefined) throw new Error(error!.message);
        return done.result.rows;
      };
      await run(begin);
      for (const [statement, sql] of statements.entries())
        for (const row of await run(sql)) yield [{ statement, values: row.map(plain) }];
      await run(commit);
    },
  };
}

function plain({ type, value, base64 }: Value): string | bigint | null | Uint8Array {
  if (type === "blob") return Buffer.from(base64!, "base64");
  return type === "integer" ? BigInt(value as string) : ((value as string | undefined) ?? null);
}

describe("a schema that changes between the two looks", () => {
  /** Change the schema before the nth request that has the rows. */
  const changing = (database: PageDatabase, times: number): Deps => {
    let left = times;
    return {
      ...systemDeps,
      fetch: async (url, init) => {
        if (
          Buffer.from((init.body as Uint8Array | undefined) ?? []).includes("SELECT count(*)") &&
          left-- > 0
        )
          await database.exec(`ALTER TABLE t ADD COLUMN added${left} DEFAULT 'new'`);
        return fetch(url, init);
      },
    };
  };

  it("is planned again, and given up after some attempts", async () => {
    const database = await PageDatabase.create();
    await database.runAll(SMALL);
    const source = sourceOf(database.config);
    const sql = await sqlOfRows(source, changing(database, 2));
    expect(sql).toContain(
      `INSERT INTO "t"("id","v","added1","added0") VALUES(1,'one','new','new');`,
    );
    await expect(sqlOfRows(source, changing(database, 99))).rejects.toMatchObject({
      code: "SCHEMA_CHANGED",
    });
  });
});

describe("a token that may only read", () => {
  it("is enough for a whole backup of every row", async () => {
    const { url, token, readOnly } = inject("guarded");
    const table = `t${crypto.randomUUID().slice(0, 8)}`;
    const fill = `CREATE TABLE ${table} (a); INSERT INTO ${table} VALUES (1.0), ('it''s'), (NULL)`;
    await createClient({ url, authToken: token }).executeMultiple(fill);
    const refused = createClient({ url, authToken: readOnly }).execute(`DELETE FROM ${table}`);
    await expect(refused).rejects.toThrow(/403/);
    const database = { url, capture: "rows", token: "GUARDED" };
    const context = testContext({ guarded: database }, { secrets: { GUARDED: readOnly } });
    const { manifest, sql } = await captured(context, "guarded");
    expect(manifest.method).toMatchObject({ protocol: "rows" });
    expect(manifest.tables).toContainEqual({ name: table, rows: 3 });
    const rows = (await describeSql(sql)).filter((line) => line.startsWith(`  ${table}:`));
    expect(rows).toEqual([
      `  ${table}: i1 r3ff0000000000000`,
      `  ${table}: i2 t69742773`,
      `  ${table}: i3 null`,
    ]);
  });

  it("is refused if it is not the server's", async () => {
    const { url, readOnly } = inject("guarded");
    for (const token of [undefined, `${readOnly}x`])
      await expect(sqlOfRows({ ...sourceOf({ url }), token })).rejects.toMatchObject({
        code: "SOURCE_UNAUTHORIZED",
      });
  });
});
