import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { loadSql } from "../../src/cli/files/load-sql.ts";
import { openGuarded } from "../../src/cli/sqlite/open-guarded.ts";
import { NightjarError } from "../../src/errors/errors.ts";
import { parseRule, type Rules } from "../../src/format/masks/rule.ts";
import type { Erasure } from "../../src/format/tables/erasure.ts";
import { EVERYTHING } from "../../src/format/tables/selection.ts";
import { type Image, openErasedWith, openImageWith } from "../../src/sqlite/engine/image.ts";
import { planMasks } from "../../src/sqlite/masks/plan-masks.ts";
import { refuseSchemaValues } from "../../src/sqlite/masks/refuse-values.ts";
import { planExport } from "../../src/sqlite/rows/export-plan.ts";
import { writeExport } from "../../src/sqlite/rows/write-export.ts";
import { type SqlTarget, writeSql } from "../../src/sqlite/sql/write-sql.ts";
import { readSchema } from "../../src/sqlite/tables.ts";
import { pagesOf } from "./describe-image.ts";
import { compiledWasm } from "./wasm.ts";

export const KEY = "a-key-of-more-than-24-characters";

/** Databases in files of one folder, and what sanitized output makes of them. */
export class Sanitizing {
  readonly #dir = mkdtempSync(join(tmpdir(), "nightjar-masks-"));
  #wasm: Promise<WebAssembly.Module> | undefined;
  #files = 0;

  stop(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async imageOf(...statements: readonly string[]): Promise<Image> {
    return openImageWith(await this.#module(), pagesOf(readFileSync(this.#make(statements))));
  }

  async erasedImageOf(
    erasures: readonly Erasure[],
    ...statements: readonly string[]
  ): Promise<Image> {
    const pages = pagesOf(readFileSync(this.#make(statements)));
    return (await openErasedWith(await this.#module(), pages, erasures)).image;
  }

  /** A database whose pages cannot be read any more from the `reads`th on, once it is `broken`. */
  async breakingImageOf(reads: number, ...statements: readonly string[]) {
    const pages = pagesOf(readFileSync(this.#make(statements)));
    let left = Number.POSITIVE_INFINITY;
    const image = await openImageWith(await this.#module(), {
      ...{ pageSize: pages.pageSize, pageCount: pages.pageCount },
      usePage(pgno, use) {
        if (--left < 0) throw new NightjarError("STORE_FAILED", "The bucket is gone.");
        return pages.usePage(pgno, use);
      },
    });
    return { image, break: () => void (left = reads) };
  }

  /** A file as `pull --sanitize` makes it, and its bytes. */
  async loaded(sql: Buffer) {
    const file = join(this.#dir, `${++this.#files}.loaded.db`);
    const guarded = await openGuarded(file, "write");
    guarded.exec("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF");
    async function* chunks() {
      yield sql;
    }
    await loadSql(chunks(), "written", undefined, guarded, EVERYTHING, true);
    guarded.close();
    return { db: new DatabaseSync(file), bytes: readFileSync(file) };
  }

  #module(): Promise<WebAssembly.Module> {
    return (this.#wasm ??= compiledWasm());
  }

  #make(statements: readonly string[]): string {
    const file = join(this.#dir, `${++this.#files}.db`);
    const db = new DatabaseSync(file, {
      enableDoubleQuotedStringLiterals: true,
      enableForeignKeyConstraints: false,
      defensive: false,
    });
    db.exec("BEGIN");
    for (const sql of statements) db.exec(sql);
    db.exec("COMMIT");
    db.close();
    return file;
  }
}

type TableRules = "drop" | Record<string, string>;

export function rulesOf(tables: Record<string, TableRules>, keepUnknown = false): Rules {
  return {
    keepUnknown,
    tables: new Map(
      Object.entries(tables).map(([table, columns]) => [
        table,
        columns === "drop"
          ? columns
          : new Map(Object.entries(columns).map(([name, rule]) => [name, parseRule(rule)!])),
      ]),
    ),
  };
}

async function bytesOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** SQL and rows as a link gives them. */
export async function sanitized(
  image: Image,
  rules: Rules,
  key = KEY,
  target: SqlTarget = "sqlite",
) {
  const masks = await planMasks(image, rules, key);
  await refuseSchemaValues(image, await readSchema(image), masks);
  const sql = await bytesOf(writeSql(image, target, EVERYTHING, masks));
  const plan = await planExport(image, {}, masks);
  const rows = await bytesOf(writeExport(image, plan, "ndjson", { tagged: true }));
  return { sql, rows, plan, unused: masks.unused, subset: masks.subset };
}

export const refusalOf = (image: Image, rules: Rules): Promise<string> =>
  sanitized(image, rules).then(
    () => "given",
    (thrown: NightjarError) => `${thrown.code}: ${thrown.message}`,
  );
