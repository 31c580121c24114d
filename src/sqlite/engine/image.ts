import { NightjarError } from "../../errors/errors.ts";
import type { Erased, Erasure } from "../../format/tables/erasure.ts";
import type { PageReader } from "../../format/pages/page.ts";
import { refuseLargeSchema } from "../../format/pages/schema-census.ts";
import { CODE } from "./codes.ts";
import { Engine, SqliteError } from "./engine.ts";
import { refuseTursoOnly, type TursoOnly } from "../../format/tables/turso-only.ts";
import { eraseRows } from "../erase.ts";
import { patchSchema } from "../patch.ts";
import { allRows } from "./rows.ts";
import type { Bound, Statement } from "./statement.ts";

/** SQLITE_CORRUPT and SQLITE_NOTADB: SQLite's codes for bytes that are not a sound database. */
const DAMAGED = new Set([11, 26]);

/** A database of stored pages, open for reading. Nothing can change it, so it needs no locks. */
export class Image {
  /** The text of schema objects that only libSQL can parse, by name: see patch.ts. */
  readonly originals: ReadonlyMap<string, string>;
  /** The objects that only Turso's engine reads: with any, only the schema and plain tables may be read. */
  readonly tursoOnly: readonly TursoOnly[];
  #engine: Engine | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    engine: Engine,
    originals: ReadonlyMap<string, string>,
    foreign: readonly TursoOnly[] = [],
  ) {
    this.#engine = engine;
    this.originals = originals;
    this.tursoOnly = foreign;
  }

  /**
   * Run work with SQLite while no other work does: asyncify suspends one call at a time.
   *
   * @throws NightjarError `OBJECT_CORRUPT`, `QUERY_LIMIT` (memory), `QUERY_FAILED`; the page reader's own
   */
  exclusive<T>(work: (engine: Engine) => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      if (this.#engine === undefined)
        throw new NightjarError("INTERNAL", "The image has been closed.");
      return work(this.#engine).catch((thrown: unknown) => {
        throw asImageError(thrown);
      });
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Return all rows of one of our own statements. `read` is called while its row is current. */
  rows<T>(sql: string, read: (row: Statement) => T, args: readonly Bound[] = []): Promise<T[]> {
    return this.exclusive((engine) => allRows(engine, sql, read, args));
  }

  get closed(): boolean {
    return this.#engine === undefined;
  }

  /** The number of pages that were read from the reader so far. */
  get pagesRead(): number {
    return this.#engine?.file.reads ?? 0;
  }

  /** Steps of SQLite's virtual machine that its statements took so far. */
  get steps(): number {
    return this.#engine?.steps ?? 0;
  }

  /** Bytes that SQLite holds at this moment. */
  get memoryUsed(): number {
    return this.#engine?.module._sqlite3_memory_used() ?? 0;
  }

  /**
   * Open the database that has these pages in this image's instance of SQLite, and close this image. After an
   * error, the instance is gone.
   *
   * @throws NightjarError as `openImageWith`
   */
  reopen(pages: PageReader): Promise<Image> {
    return this.exclusive(async (engine) => {
      this.#engine = undefined;
      await engine.close();
      engine.file.replace(pages);
      engine.allowFor(pages.pageSize * pages.pageCount);
      const image = await openWith(engine, pages);
      refuseTursoOnly(image.tursoOnly);
      return image;
    });
  }

  /** Give the memory back. Whatever still runs on the image fails or is forgotten. */
  close(): void {
    this.#engine = undefined;
  }
}

/**
 * Open the database that has these pages, with a compiled wa-sqlite-async.wasm (open.ts has the one that
 * Wrangler bundles).
 *
 * @param originals the text of schema objects whose pages were made without what only libSQL has, by name
 * @throws NightjarError `OBJECT_CORRUPT` when SQLite cannot read the schema, `TURSO_ONLY`,
 *   `SCHEMA_TOO_LARGE`; the page reader's own
 */
export async function openImageWith(
  wasm: WebAssembly.Module,
  pages: PageReader,
  originals: ReadonlyMap<string, string> = new Map(),
): Promise<Image> {
  const image = await openForFactsWith(wasm, pages, originals);
  refuseTursoOnly(image.tursoOnly);
  return image;
}

/**
 * Open the database as `openImageWith` does, also one that only Turso's engine reads in full: see
 * `Image.tursoOnly`.
 *
 * @throws NightjarError `OBJECT_CORRUPT`, `SCHEMA_TOO_LARGE`; the page reader's own
 */
export async function openForFactsWith(
  wasm: WebAssembly.Module,
  pages: PageReader,
  originals: ReadonlyMap<string, string> = new Map(),
): Promise<Image> {
  try {
    return await openWith(await Engine.start(wasm, pages), pages, originals);
  } catch (thrown) {
    throw asImageError(thrown);
  }
}

async function openWith(
  engine: Engine,
  pages: PageReader,
  originals: ReadonlyMap<string, string> = new Map(),
): Promise<Image> {
  await refuseLargeSchema(pages);
  const { originals: patched, tursoOnly } = await patchSchema(engine);
  engine.switch("defensive", true);
  // There are no files that sorting could spill to.
  for (const pragma of ["temp_store=MEMORY", "query_only=ON", "cache_size=-8192"])
    await allRows(engine, `PRAGMA ${pragma}`, () => undefined);
  await allRows(engine, "SELECT 1 FROM sqlite_schema LIMIT 1", () => undefined);
  return new Image(engine, new Map([...originals, ...patched]), tursoOnly);
}

/**
 * Open the database without the rows of an erasure list, which are deleted in memory. Only what is read
 * through SQLite is free of them: the stored pages still contain their bytes.
 *
 * @throws NightjarError as `openImageWith`; `ERASURE_FAILED`
 */
export async function openErasedWith(
  wasm: WebAssembly.Module,
  pages: PageReader,
  erasures: readonly Erasure[],
): Promise<{ image: Image; erased: Erased }> {
  try {
    await refuseLargeSchema(pages);
    const engine = await Engine.start(wasm, pages);
    const { originals, tursoOnly } = await patchSchema(engine);
    refuseTursoOnly(tursoOnly);
    await engine.close();
    await engine.open("patch");
    const run = (pragma: string) => allRows(engine, `PRAGMA ${pragma}`, () => undefined);
    for (const pragma of ["journal_mode=OFF", "temp_store=MEMORY", "foreign_keys=OFF"])
      await run(pragma);
    const { erased, hidden } = await eraseRows(engine, erasures);
    await run("query_only=ON");
    return { image: new Image(engine, new Map([...hidden, ...originals])), erased };
  } catch (thrown) {
    throw asImageError(thrown);
  }
}

function asImageError(thrown: unknown): unknown {
  if (!(thrown instanceof SqliteError)) return thrown;
  const { code, message } = thrown;
  if (thrown.outOfMemory)
    return new NightjarError(
      "QUERY_LIMIT",
      "SQLite needs more memory for this than a Worker has.",
      {
        cause: thrown,
      },
    );
  if (code === CODE.TOOBIG)
    return new NightjarError(
      "QUERY_LIMIT",
      "SQLite would make a value that is longer than the database.",
      {
        cause: thrown,
      },
    );
  if (DAMAGED.has(code))
    return new NightjarError("OBJECT_CORRUPT", `SQLite cannot read the pages: ${message}.`, {
      cause: thrown,
    });
  return new NightjarError("QUERY_FAILED", message, { cause: thrown });
}
